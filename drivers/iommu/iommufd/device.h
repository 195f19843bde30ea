/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bound devices, as the rest of iommufd sees them.
 */
#ifndef _IOMMUFD_DEVICE_H
#define _IOMMUFD_DEVICE_H

#include <linux/types.h>

struct device;
struct iommufd_ctx;
struct iommufd_device;

/* Devices of the context itself, which keep no file. */
struct iommufd_device *iommufd_device_bind_owned(struct iommufd_ctx *ictx,
						 struct device *dev, u32 *id);
void iommufd_device_unbind_owned(struct iommufd_device *idev);

/* Give back with _put(), soon: see object.c. */
struct iommufd_device *iommufd_device_get(struct iommufd_ctx *ictx, u32 id);
void iommufd_device_put(struct iommufd_device *idev);

/* How many are attached to the IOAS, be it by a HWPT. */
unsigned int iommufd_attached_devices(struct iommufd_ctx *ictx, u32 ioas_id);

/* Borrowed from idev: valid until it is put. */
struct device *iommufd_device_dev(struct iommufd_device *idev);

#endif
