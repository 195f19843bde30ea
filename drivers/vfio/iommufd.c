// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bound device and the I/O address spaces of its iommufd: attach and detach.
 *
 * iommufd serialises these calls.  A file's ioctl keeps the file from being
 * released, and so the device bound: no lock of VFIO is needed, nor held while
 * an attach faults in what is mapped.
 */
#include <linux/iommufd.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "vfio.h"

/**
 * vfio_iommufd_attach - VFIO_DEVICE_ATTACH_IOMMUFD_PT
 * @idev: bound device
 * @arg: user's struct vfio_device_attach_iommufd_pt
 *
 * The id is written back once before anything happens, so that memory which
 * cannot be written is found in time.  If it goes away between, the device
 * stays attached, as -EFAULT does not tell: a DETACH or another ATTACH is
 * right in either case.
 *
 * Context: May sleep, for as long as user memory takes to fault in; a fatal
 * signal ends that.
 * Return: 0; -EFAULT, -EINVAL or -EOPNOTSUPP for the argument; or an errno of
 * iommufd_device_replace(), and then the device is attached as before.
 */
int vfio_iommufd_attach(struct iommufd_device *idev, void __user *arg)
{
	struct vfio_device_attach_iommufd_pt __user *uattach = arg;
	struct vfio_device_attach_iommufd_pt attach;
	const size_t minsz = offsetofend(typeof(attach), pt_id);
	int ret;

	if (copy_from_user(&attach, uattach, minsz))
		return -EFAULT;
	if (attach.argsz < minsz || attach.flags & ~VFIO_DEVICE_ATTACH_PASID)
		return -EINVAL;
	if (attach.flags & VFIO_DEVICE_ATTACH_PASID)
		return attach.argsz < offsetofend(typeof(attach), pasid) ?
			-EINVAL : -EOPNOTSUPP;
	if (put_user(attach.pt_id, &uattach->pt_id))
		return -EFAULT;

	ret = iommufd_device_replace(idev, &attach.pt_id);
	if (ret)
		return ret;
	return put_user(attach.pt_id, &uattach->pt_id);
}

/**
 * vfio_iommufd_detach - VFIO_DEVICE_DETACH_IOMMUFD_PT
 * @idev: bound device, attached or not
 * @arg: user's struct vfio_device_detach_iommufd_pt
 *
 * Context: May sleep.
 * Return: 0, or -EFAULT, -EINVAL or -EOPNOTSUPP for the argument.
 */
int vfio_iommufd_detach(struct iommufd_device *idev, void __user *arg)
{
	struct vfio_device_detach_iommufd_pt detach;
	const size_t minsz = offsetofend(typeof(detach), flags);

	if (copy_from_user(&detach, arg, minsz))
		return -EFAULT;
	if (detach.argsz < minsz || detach.flags & ~VFIO_DEVICE_DETACH_PASID)
		return -EINVAL;
	if (detach.flags & VFIO_DEVICE_DETACH_PASID)
		return detach.argsz < offsetofend(typeof(detach), pasid) ?
			-EINVAL : -EOPNOTSUPP;

	iommufd_device_detach(idev);
	return 0;
}

MODULE_IMPORT_NS(IOMMUFD);
