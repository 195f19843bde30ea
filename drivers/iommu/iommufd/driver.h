/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What IOMMU drivers registered with iommufd.
 */
#ifndef _IOMMUFD_DRIVER_H
#define _IOMMUFD_DRIVER_H

struct device;
struct iommufd_driver;

/*
 * NULL for a driver that did not register.  Borrowed from the device: see
 * driver.c.
 */
const struct iommufd_driver *iommufd_driver_of(struct device *dev);

#endif
