// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device and its iommufd: bind and unbind, attach and detach, by the device's
 * node or by a group that has the iommufd as its container.
 *
 * A physical device is bound as such.  An emulated one has an access, through
 * which its driver reaches memory; so has one without an IOMMU, for its id
 * only.
 *
 * A physical device is kept awake while its domain changes: its IOMMU's driver
 * turns ATS on and off then, in the device's configuration space.
 *
 * iommufd serialises attach and detach.  A file's ioctl keeps the file from
 * being released, and so the device bound: no lock of VFIO is needed, nor held
 * while an attach by a node faults in what is mapped.  Of a group, its
 * group_lock is held, as it is for a container.
 */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "trace.h"
#include "vfio.h"

/**
 * vfio_iommufd_register - Learn what the iommufd side has to know of a device
 * @device: device in a group, not yet registered
 *
 * Context: May sleep.
 */
void vfio_iommufd_register(struct vfio_device *device)
{
	switch (device->group->type) {
	case VFIO_IOMMU:
		device->enforces_coherency =
			iommufd_enforces_coherency(device->dev);
		break;
	case VFIO_EMULATED_IOMMU:
		device->enforces_coherency = true;
		break;
	case VFIO_NO_IOMMU:
		device->enforces_coherency = false;
		break;
	}
}

/* ---- physical devices, awake ---- */

static int wake_device(struct vfio_device *device)
{
	int ret = vfio_device_pm_runtime_get(device);

	return ret ? vfio_refuse(VFIO_REASON_DEVICE_ASLEEP, ret) : 0;
}

static struct iommufd_device *bind_awake(struct vfio_device *device,
					 struct file *iommufd, u32 *id)
{
	struct iommufd_device *idev;
	int ret = wake_device(device);

	if (ret)
		return ERR_PTR(ret);
	idev = iommufd_device_bind(iommufd, device->dev, id);
	vfio_device_pm_runtime_put(device);
	return idev;
}

static int replace_awake(struct vfio_device *device, u32 *pt_id)
{
	int ret = wake_device(device);

	if (ret)
		return ret;
	ret = iommufd_device_replace(device->iommufd_device, pt_id);
	vfio_device_pm_runtime_put(device);
	return ret;
}

/*
 * What takes a device out of its domain may not fail.  One that does not wake
 * any more is taken out as it is.
 */
static void detach_awake(struct vfio_device *device)
{
	bool awake = !vfio_device_pm_runtime_get(device);

	iommufd_device_detach(device->iommufd_device);
	if (awake)
		vfio_device_pm_runtime_put(device);
}

static void unbind_awake(struct vfio_device *device,
			 struct iommufd_device *idev)
{
	bool awake = !vfio_device_pm_runtime_get(device);

	iommufd_device_unbind(idev);
	if (awake)
		vfio_device_pm_runtime_put(device);
}

/* ---- binding ---- */

static int check_privilege(struct vfio_device *device)
{
	if (device->group->type == VFIO_NO_IOMMU && !capable(CAP_SYS_RAWIO))
		return vfio_refuse(VFIO_REASON_NOT_PRIVILEGED, -EPERM);
	return 0;
}

static void emulated_unmap(void *data, unsigned long iova, unsigned long length)
{
	struct vfio_device *device = data;

	device->ops->dma_unmap(device, iova, length);
}

static const struct iommufd_access_ops pinning_ops = {
	.needs_pin_pages = true,
	.unmap = emulated_unmap,
};

/*
 * Of a driver without dma_unmap(), which vfio_pin_pages() refuses.  A program is
 * told the same of what it can map for any emulated device: whole pages.
 */
static const struct iommufd_access_ops plain_ops = {
	.needs_pin_pages = true,
};

/**
 * vfio_iommufd_bind - Bind a device to an iommufd
 * @device: device that is not bound; the caller sees to that until it unbinds
 * @iommufd: any file
 * @by_node: by the device's own node, not by its group
 * @id: set to the device's id there
 *
 * Context: May sleep; not with dev_set->lock.
 * Return: 0, or an errno of iommufd_device_bind() or iommufd_access_create();
 * -EPERM for a device without an IOMMU when CAP_SYS_RAWIO is missing; -EIO when
 * a physical device does not wake.
 */
int vfio_iommufd_bind(struct vfio_device *device, struct file *iommufd,
		      bool by_node, u32 *id)
{
	struct iommufd_access *access = NULL;
	struct iommufd_device *idev = NULL;
	int ret;

	ret = check_privilege(device);
	if (ret)
		return ret;

	if (device->group->type == VFIO_IOMMU)
		idev = bind_awake(device, iommufd, id);
	else
		access = iommufd_access_create(iommufd,
					       device->ops->dma_unmap ?
						       &pinning_ops :
						       &plain_ops,
					       device, id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	if (IS_ERR(access))
		return PTR_ERR(access);

	mutex_lock(&device->dev_set->lock);
	device->iommufd_device = idev;
	device->iommufd_access = access;
	device->bound_by_node = by_node;
	mutex_unlock(&device->dev_set->lock);
	return 0;
}

/**
 * vfio_iommufd_unbind - Undo vfio_iommufd_bind()
 * @device: the device; it may be attached, but is not open any more
 *
 * An UNMAP may have the driver unpin at this moment, though what it had pinned
 * was given back when it closed the device: wait for that while the driver can
 * still call.
 *
 * Context: May sleep; not with dev_set->lock, nor a lock that dma_unmap() takes.
 */
void vfio_iommufd_unbind(struct vfio_device *device)
{
	struct iommufd_access *access;
	struct iommufd_device *idev;

	if (device->iommufd_access)
		iommufd_access_detach(device->iommufd_access);

	mutex_lock(&device->dev_set->lock);
	idev = device->iommufd_device;
	access = device->iommufd_access;
	device->iommufd_device = NULL;
	device->iommufd_access = NULL;
	device->bound_by_node = false;
	mutex_unlock(&device->dev_set->lock);

	if (idev)
		unbind_awake(device, idev);
	if (access)
		iommufd_access_destroy(access);
}

/**
 * vfio_iommufd_id - What a device is called in its iommufd
 * @device: a device
 *
 * Context: With dev_set->lock, or where the device stays bound, or not, for
 * another reason: as in a call on an open file that may use the device.
 * Return: its id, or 0 when it is not bound to one.
 */
u32 vfio_iommufd_id(struct vfio_device *device)
{
	if (device->iommufd_device)
		return iommufd_device_id(device->iommufd_device);
	if (device->iommufd_access)
		return iommufd_access_id(device->iommufd_access);
	return 0;
}

/**
 * vfio_device_iommufd - The iommufd of a device that is bound by its node
 * @device: a device
 *
 * Context: As vfio_iommufd_id().
 * Return: the file of the iommufd, or NULL when @device is not bound, or is
 * open through its group.
 */
struct file *vfio_device_iommufd(struct vfio_device *device)
{
	if (!device->bound_by_node)
		return NULL;
	return device->iommufd_device ?
		iommufd_device_file(device->iommufd_device) :
		iommufd_access_file(device->iommufd_access);
}
EXPORT_SYMBOL_GPL(vfio_device_iommufd);

/**
 * vfio_device_devid - What an iommufd's user may call a device
 * @device: a device
 * @iommufd: an iommufd of vfio_device_iommufd(), of the same set of devices
 *
 * Context: With dev_set->lock; may sleep.
 * Return: the id of @device when it is bound there, by its node;
 * VFIO_PCI_DEVID_OWNED when it is not, but its group is used there, so nobody
 * else has it; otherwise VFIO_PCI_DEVID_NOT_OWNED.
 */
int vfio_device_devid(struct vfio_device *device, struct file *iommufd)
{
	struct iommu_group *group;
	bool owned;

	lockdep_assert_held(&device->dev_set->lock);

	if (vfio_device_iommufd(device) == iommufd)
		return vfio_iommufd_id(device);

	group = iommu_group_get(device->dev);
	if (!group)
		return VFIO_PCI_DEVID_NOT_OWNED;
	owned = iommufd_owns_group(iommufd, group);
	iommu_group_put(group);
	return owned ? VFIO_PCI_DEVID_OWNED : VFIO_PCI_DEVID_NOT_OWNED;
}
EXPORT_SYMBOL_GPL(vfio_device_devid);

/* ---- attaching ---- */

static int attach(struct vfio_device *device, u32 *pt_id)
{
	if (device->iommufd_device)
		return replace_awake(device, pt_id);
	if (device->group->type == VFIO_NO_IOMMU)
		return vfio_refuse(VFIO_REASON_NO_IOMMU, -EOPNOTSUPP);
	return iommufd_access_replace(device->iommufd_access, *pt_id);
}

static void trace_attach(struct vfio_device *device, u32 pt, u32 used, int ret)
{
	if (trace_vfio_attach_enabled())
		trace_vfio_attach(device->dev, vfio_iommufd_id(device), pt, used,
				  ret);
}

/* Of PASIDs, which there are none of */
static int refuse_pasid(u32 argsz, size_t needed)
{
	if (argsz < needed)
		return vfio_refuse(VFIO_REASON_NO_ROOM_FOR_PASID, -EINVAL);
	return vfio_refuse(VFIO_REASON_NO_PASIDS, -EOPNOTSUPP);
}

static int get_attach(struct vfio_device_attach_iommufd_pt *cmd,
		      const void __user *arg)
{
	const size_t minsz = offsetofend(typeof(*cmd), pt_id);

	if (copy_from_user(cmd, arg, minsz))
		return vfio_refuse(VFIO_REASON_ARG_UNREADABLE, -EFAULT);
	if (cmd->argsz < minsz)
		return vfio_refuse(VFIO_REASON_ARGSZ_TOO_SMALL, -EINVAL);
	if (cmd->flags & ~VFIO_DEVICE_ATTACH_PASID)
		return vfio_refuse(VFIO_REASON_UNKNOWN_FLAG, -EINVAL);
	if (cmd->flags & VFIO_DEVICE_ATTACH_PASID)
		return refuse_pasid(cmd->argsz, offsetofend(typeof(*cmd),
							    pasid));
	return 0;
}

/* @pt: set to what is to be used; @used: to what is used */
static int ioctl_attach(struct vfio_device *device,
			struct vfio_device_attach_iommufd_pt __user *arg,
			u32 *pt, u32 *used)
{
	struct vfio_device_attach_iommufd_pt cmd;
	int ret;

	ret = get_attach(&cmd, arg);
	if (ret)
		return ret;
	*pt = cmd.pt_id;
	*used = cmd.pt_id;
	if (put_user(*pt, &arg->pt_id))
		return vfio_refuse(VFIO_REASON_ARG_UNWRITABLE, -EFAULT);

	ret = attach(device, used);
	if (ret)
		return ret;
	if (put_user(*used, &arg->pt_id))
		return vfio_refuse(VFIO_REASON_ATTACHED_UNTOLD, -EFAULT);
	return 0;
}

/**
 * vfio_iommufd_attach - VFIO_DEVICE_ATTACH_IOMMUFD_PT
 * @device: bound device, of whose files one is in this call
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
 * iommufd_device_replace() or iommufd_access_replace(), or -EIO when the device
 * does not wake, and then it is attached as before.
 */
int vfio_iommufd_attach(struct vfio_device *device, void __user *arg)
{
	u32 pt = 0, used = 0;
	int ret;

	ret = ioctl_attach(device, arg, &pt, &used);
	trace_attach(device, pt, used, ret);
	return ret;
}

static int get_detach(const void __user *arg)
{
	struct vfio_device_detach_iommufd_pt detach;
	const size_t minsz = offsetofend(typeof(detach), flags);

	if (copy_from_user(&detach, arg, minsz))
		return vfio_refuse(VFIO_REASON_ARG_UNREADABLE, -EFAULT);
	if (detach.argsz < minsz)
		return vfio_refuse(VFIO_REASON_ARGSZ_TOO_SMALL, -EINVAL);
	if (detach.flags & ~VFIO_DEVICE_DETACH_PASID)
		return vfio_refuse(VFIO_REASON_UNKNOWN_FLAG, -EINVAL);
	if (detach.flags & VFIO_DEVICE_DETACH_PASID)
		return refuse_pasid(detach.argsz, offsetofend(typeof(detach),
							      pasid));
	return 0;
}

/**
 * vfio_iommufd_detach - VFIO_DEVICE_DETACH_IOMMUFD_PT
 * @device: bound device, attached or not, of whose files one is in this call
 * @arg: user's struct vfio_device_detach_iommufd_pt
 *
 * Context: May sleep.
 * Return: 0, or -EFAULT, -EINVAL or -EOPNOTSUPP for the argument; -EINTR on a
 * fatal signal, and it is attached as before.
 */
int vfio_iommufd_detach(struct vfio_device *device, void __user *arg)
{
	int ret = get_detach(arg);

	if (!ret && device->iommufd_device)
		detach_awake(device);
	else if (!ret)
		ret = iommufd_access_detach_killable(device->iommufd_access);
	if (trace_vfio_detach_enabled())
		trace_vfio_detach(device->dev, vfio_iommufd_id(device), ret);
	return ret;
}

/* ---- groups ---- */

/* A group that has no device yet may get one of either kind. */
static bool is_coherent(struct vfio_group *group)
{
	struct vfio_device *device;
	bool coherent;

	mutex_lock(&group->device_lock);
	coherent = !list_empty(&group->device_list);
	list_for_each_entry(device, &group->device_list, group_next)
		coherent = coherent && device->enforces_coherency;
	mutex_unlock(&group->device_lock);
	return coherent;
}

/* What there is between the group and memory, or NULL */
static struct iommu_group *iommu_of(struct vfio_group *group)
{
	return group->type == VFIO_IOMMU ? group->iommu_group : NULL;
}

/**
 * vfio_iommufd_add_group - VFIO_GROUP_SET_CONTAINER with an iommufd
 * @group: group that has no container
 * @iommufd: any file
 *
 * The devices of the group are bound when they are opened.
 *
 * Context: With group_lock.
 * Return: 0; -EINVAL when @iommufd is not one, or is used with groups that have
 * an IOMMU while this has none, or the other way round; -EPERM when this has
 * none and CAP_SYS_RAWIO is missing; -ENOMEM.
 */
int vfio_iommufd_add_group(struct vfio_group *group, struct file *iommufd)
{
	enum iommufd_vfio_group kind;
	int ret;

	lockdep_assert_held(&group->group_lock);

	if (group->type == VFIO_NO_IOMMU)
		kind = IOMMUFD_VFIO_NOIOMMU;
	else if (is_coherent(group))
		kind = IOMMUFD_VFIO_COHERENT;
	else
		kind = IOMMUFD_VFIO_NONCOHERENT;
	if (kind == IOMMUFD_VFIO_NOIOMMU && !capable(CAP_SYS_RAWIO))
		return -EPERM;

	ret = iommufd_vfio_add_group(iommufd, kind, iommu_of(group));
	if (ret)
		return ret == -EBADFD ? -EINVAL : ret;

	vfio_group_set_iommufd(group, get_file(iommufd), kind);
	group->container_users = 1;
	return 0;
}

/**
 * vfio_iommufd_remove_group - Undo vfio_iommufd_add_group()
 * @group: group of which no device is open
 *
 * Context: With group_lock.
 */
void vfio_iommufd_remove_group(struct vfio_group *group)
{
	struct file *iommufd = group->iommufd;

	lockdep_assert_held(&group->group_lock);
	WARN_ON(group->container_users != 1);

	iommufd_vfio_remove_group(iommufd, group->iommufd_kind,
				  iommu_of(group));
	vfio_group_set_iommufd(group, NULL, group->iommufd_kind);
	fput(iommufd);
	group->container_users = 0;
}

/* Attaches to the address space that the container's ioctls mean. */
static int attach_for_group(struct vfio_device *device)
{
	u32 ioas_id, used;
	int ret;

	if (device->group->type == VFIO_NO_IOMMU)
		return 0;
	ret = iommufd_vfio_ioas_id(device->group->iommufd, &ioas_id);
	if (ret)
		return ret;
	used = ioas_id;
	ret = attach(device, &used);
	trace_attach(device, ioas_id, used, ret);
	return ret;
}

static int open_first(struct vfio_device *device)
{
	u32 id = 0;
	int ret;

	ret = vfio_iommufd_bind(device, device->group->iommufd, false, &id);
	trace_vfio_bind(device->dev, id, ret);
	if (ret)
		return ret;
	ret = vfio_device_enable(device, &device->group->kvm);
	if (ret) {
		vfio_refuse(VFIO_REASON_DRIVER_OPEN, ret);
		goto err_unbind;
	}
	ret = attach_for_group(device);
	if (ret)
		goto err_disable;
	return 0;

err_disable:
	vfio_device_disable(device);
err_unbind:
	vfio_trace_unbind(device);
	vfio_iommufd_unbind(device);
	return ret;
}

/* One more file: each is as much as the first one. */
static int open_again(struct vfio_device *device)
{
	int ret = check_privilege(device);

	return ret ?: vfio_device_enable(device, &device->group->kvm);
}

/**
 * vfio_iommufd_group_open - Open a device whose group has an iommufd
 * @device: the device
 *
 * The first open of the device binds it and attaches it.
 *
 * Context: With group_lock.
 * Return: 0, to be undone with vfio_iommufd_group_close(); or an errno of
 * vfio_iommufd_bind(), of the driver or of iommufd_device_replace(); -ENODEV
 * when the user has destroyed the address space, -ENOENT when that happens just
 * now.
 */
int vfio_iommufd_group_open(struct vfio_device *device)
{
	struct vfio_group *group = device->group;
	int ret;

	lockdep_assert_held(&group->group_lock);

	/* Only files of the group can be open: the lock keeps the count. */
	if (READ_ONCE(device->open_count))
		ret = open_again(device);
	else
		ret = open_first(device);
	if (ret)
		return ret;

	get_file(group->opened_file);
	group->container_users++;
	return 0;
}

/**
 * vfio_iommufd_group_close - Undo vfio_iommufd_group_open()
 * @device: the device
 *
 * Context: With group_lock.
 */
void vfio_iommufd_group_close(struct vfio_device *device)
{
	struct vfio_group *group = device->group;

	lockdep_assert_held(&group->group_lock);

	vfio_device_disable(device);
	if (!READ_ONCE(device->open_count)) {
		vfio_trace_unbind(device);
		vfio_iommufd_unbind(device);
	}

	group->container_users--;
	fput(group->opened_file);
}

MODULE_IMPORT_NS(IOMMUFD);
