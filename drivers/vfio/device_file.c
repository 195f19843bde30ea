// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every open file of a device has, by its node or by its group.
 */
#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/kobject.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "vfio.h"

/**
 * vfio_device_file_alloc - Make what an open file of a device needs
 *
 * Return: a struct that gives no access yet, to be freed with kfree(); or NULL.
 */
struct vfio_device_file *vfio_device_file_alloc(void)
{
	struct vfio_device_file *df;

	df = kzalloc(sizeof(*df), IOMMUFD_GFP);
	if (df)
		vfio_kvm_link_init(&df->kvm);
	return df;
}

/**
 * vfio_device_file_enforces_coherency - Can no DMA of a device bypass the
 *	CPU's caches
 * @df: the file of the device, bound or not
 *
 * A file that a group gave out counts as the group, whose container may have
 * devices that the address space is not coherent for.
 *
 * Context: May sleep.  Any lock of KVM's may be held.
 * Return: true when there is none.
 */
bool vfio_device_file_enforces_coherency(struct vfio_device_file *df)
{
	return df->cdev ? vfio_cdev_enforces_coherency(df->cdev) :
			  vfio_group_enforces_coherency(df->device->group);
}

static void show_path(struct seq_file *m, struct vfio_device *device)
{
	char *path = kobject_get_path(&device->dev->kobj, GFP_KERNEL);

	if (path)
		seq_printf(m, "vfio-device-syspath: /sys%s\n", path);
	kfree(path);
}

/**
 * vfio_device_file_show_fdinfo - What /proc/PID/fdinfo says of a device's file
 * @m: where to
 * @file: the file, bound or not
 *
 * Nothing, once the device of a file that is not bound has gone.
 *
 * Context: May sleep; takes no lock that is held for long.
 */
void vfio_device_file_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct vfio_device *device = vfio_device_from_file(file);
	struct vfio_device_file *df = file->private_data;
	u32 id;

	if (!device) {
		device = vfio_cdev_get_device(df->cdev);
		if (!device)
			return;
		show_path(m, device);
		vfio_device_put_registration(device);
		return;
	}

	show_path(m, device);
	id = vfio_iommufd_id(device);
	if (id)
		seq_printf(m, "vfio-iommufd-devid: %u\n", id);
}
