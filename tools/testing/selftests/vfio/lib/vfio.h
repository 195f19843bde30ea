/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device behind vfio-pci: its cdev, the ioctls on its file, its regions
 * and interrupts.  All functions return 0 (or what is said) or a negative
 * errno.  The functions that take a device file work on one of the cdev path
 * and on one of the group path alike.
 */
#ifndef VFIO_LIB_VFIO_H
#define VFIO_LIB_VFIO_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFIO_ARGSZ_BIND		16	/* up to and including out_devid */
#define VFIO_ARGSZ_ATTACH	12	/* up to and including pt_id */
#define VFIO_ARGSZ_DETACH	8	/* up to and including flags */

/*
 * The name of the device's node under /dev/vfio/devices, found as clients
 * find it: the only entry of <device>/vfio-dev, whose "dev" must be the node's
 * number.  -ENOENT: the device has none; -EUCLEAN: more than one entry, or
 * another number.
 */
int vfio_cdev_name(const char *bdf, char *name, size_t len);

/* An open file of the node, not yet bound to an iommufd. */
int vfio_cdev_open(const char *bdf);

/* May vfio-pci take devices that are behind no IOMMU? */
int vfio_allow_noiommu(bool allow);

int vfio_bind(int dev, int iommufd, uint32_t *devid);

/* BIND with a VF token, the 16 bytes of a UUID. */
int vfio_bind_token(int dev, int iommufd, const uint8_t *token,
		    uint32_t *devid);

int vfio_attach(int dev, uint32_t *pt_id);
int vfio_detach(int dev);

int vfio_get_info(int dev, struct vfio_device_info *info);
int vfio_region_info(int dev, uint32_t index, struct vfio_region_info *info);
int vfio_irq_info(int dev, uint32_t index, struct vfio_irq_info *info);
int vfio_reset(int dev);

/*
 * VFIO_DEVICE_FEATURE: @op is VFIO_DEVICE_FEATURE_GET, _SET or _PROBE, or some
 * of them, of @feature; @data and @len what follows the header.
 */
int vfio_feature(int dev, uint32_t feature, uint32_t op, void *data,
		 size_t len);

/* A whole region in this process; NULL and errno when that fails. */
void *vfio_region_mmap(int dev, uint32_t index, size_t *size);

int vfio_config_read(int dev, uint32_t offset, void *data, size_t len);
int vfio_config_write(int dev, uint32_t offset, const void *data, size_t len);

/* Turn on memory space and bus mastering, which vfio-pci leaves off. */
int vfio_enable_dma(int dev);

/* Interrupts [0, count) of @index signal @eventfds; turns the rest off. */
int vfio_irq_enable(int dev, uint32_t index, const int *eventfds,
		    uint32_t count);
int vfio_irq_disable(int dev, uint32_t index);

/* VFIO_IRQ_SET_ACTION_MASK, _UNMASK or _TRIGGER on the first of @index. */
int vfio_irq_action(int dev, uint32_t index, uint32_t action);

/* Wait for an eventfd and read it: the count; -ETIMEDOUT when none came. */
int64_t eventfd_wait(int fd, int timeout_ms);

#endif
