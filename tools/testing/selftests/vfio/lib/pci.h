/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices as sysfs shows them.  A device is named by its address in full,
 * "0000:00:04.0".  All functions return 0 (or what is said) or a negative
 * errno.
 */
#ifndef VFIO_LIB_PCI_H
#define VFIO_LIB_PCI_H

#include <stddef.h>
#include <stdint.h>

#define PCI_PATH_MAX	256

int pci_present(const char *bdf);

/* The driver bound to the device; -ENODEV when there is none. */
int pci_driver(const char *bdf, char *name, size_t len);

/*
 * Give the device to this driver only, taking it from another one if needed.
 * -EIO: the driver's probe refused it.
 */
int pci_bind_driver(const char *bdf, const char *driver);

/* Take the device from its driver, if any, and forget the override. */
int pci_unbind_driver(const char *bdf);

/* The number of the device's iommu_group; -ENOENT without IOMMU. */
int pci_group(const char *bdf);

/* An attribute such as "vendor" or "device". */
int pci_attr(const char *bdf, const char *name, uint32_t *value);

int sysfs_write(const char *path, const char *text);
int sysfs_read(const char *path, char *text, size_t len);

#endif
