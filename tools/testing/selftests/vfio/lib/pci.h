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

/*
 * Make this many virtual functions, where the driver of @bdf does that: 0
 * takes away those that are there.
 */
int pci_set_vfs(const char *bdf, unsigned int count);

/* The address of the virtual function @index, from 0. */
int pci_vf(const char *bdf, unsigned int index, char *vf, size_t len);

/*
 * A reset of a PF takes its VFs away, and the kernel enables them again if the
 * PF says that it forgot them.  QEMU's does not say so, but they are gone: have
 * it make them anew.
 */
int pci_revive_vfs(const char *bdf);

/* The device's state of runtime power management, such as "suspended". */
int pci_power_status(const char *bdf, char *status, size_t len);

/* Waits for it to become that; -ETIMEDOUT. */
int pci_power_wait(const char *bdf, const char *wanted);

int sysfs_write(const char *path, const char *text);
int sysfs_read(const char *path, char *text, size_t len);

#endif
