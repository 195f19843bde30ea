/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The side of iommufd that drivers see: binding a device to a user's
 * /dev/iommu file, and attaching it to the I/O address spaces made there.
 *
 * A bound device holds the /dev/iommu file, so whoever has a struct
 * iommufd_device needs nothing else to keep the context behind it alive.
 */
#ifndef _LINUX_IOMMUFD_H
#define _LINUX_IOMMUFD_H

#include <linux/types.h>

struct device;
struct file;
struct iommufd_device;

/* Returns the device's strong reference: give it back with _unbind(). */
struct iommufd_device *iommufd_device_bind(struct file *file,
					   struct device *dev, u32 *id);
void iommufd_device_unbind(struct iommufd_device *idev);

int iommufd_device_attach(struct iommufd_device *idev, u32 *pt_id);
int iommufd_device_replace(struct iommufd_device *idev, u32 *pt_id);
void iommufd_device_detach(struct iommufd_device *idev);

/* Borrowed from idev: valid until it is unbound. */
struct file *iommufd_device_file(struct iommufd_device *idev);
u32 iommufd_device_id(struct iommufd_device *idev);

#endif
