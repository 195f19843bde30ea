/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The older path to a VFIO device: a group, a container and the type1 IOMMU.
 * All functions return 0 (or what is said) or a negative errno.
 */
#ifndef VFIO_LIB_TYPE1_H
#define VFIO_LIB_TYPE1_H

#include <stdint.h>

struct type1 {
	int container;
	int group;
};

/* /dev/vfio/<n> of the device's group. */
int vfio_group_open(const char *bdf);
int vfio_group_get_device(int group, const char *bdf);

int vfio_group_set_container(int group, int container);
int vfio_set_iommu(int container, unsigned long type);

#define VFIO_CONTAINER	"/dev/vfio/vfio"

/* Open the group of a device, put it in a new container, select type1v2. */
int type1_open(struct type1 *t1, const char *bdf);

/* The same with a container, or what serves as one, that is opened by @path. */
int type1_open_by(struct type1 *t1, const char *bdf, const char *path);
void type1_close(struct type1 *t1);

/* @flags: VFIO_DMA_MAP_FLAG_READ, _WRITE. */
int type1_map(struct type1 *t1, const void *va, uint64_t length, uint64_t iova,
	      uint32_t flags);
int type1_unmap(struct type1 *t1, uint64_t iova, uint64_t length);

#endif
