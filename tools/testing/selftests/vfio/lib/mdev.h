/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mediated devices, named by their UUID, and the ways to give them memory: a
 * container of type1, a /dev/iommu as the container, or the device's node.
 * All functions return 0 (or what is said) or a negative errno.
 */
#ifndef VFIO_LIB_MDEV_H
#define VFIO_LIB_MDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Load a module from a file; one that is there already is no error. */
int module_load(const char *path);
/* -EAGAIN when somebody uses it. */
int module_unload(const char *name);

/* A device of a parent in /sys/class/mdev_bus. */
int mdev_create(const char *parent, const char *type, const char *uuid);
int mdev_remove(const char *uuid);

/* The number of its iommu_group. */
int mdev_group(const char *uuid);

/* An open file of its node or its group, with nothing done to it yet. */
int mdev_cdev_open(const char *uuid);
int mdev_group_open(const char *uuid);

enum way {
	WAY_TYPE1,
	WAY_COMPAT,
	WAY_CDEV,
};

/*
 * What is mapped for devices.
 * @fd: the container, or the iommufd
 * @ioas: with WAY_CDEV
 * @has_iommu: VFIO_SET_IOMMU was done
 */
struct space {
	enum way way;
	int fd;
	uint32_t ioas;
	bool has_iommu;
};

int space_open(struct space *space, enum way way);
void space_close(struct space *space);

/* @flags: IOMMU_IOAS_MAP_READABLE, _WRITEABLE.  A container needs a device. */
int space_map(struct space *space, const void *va, uint64_t length,
	      uint64_t iova, uint32_t flags);
int space_unmap(struct space *space, uint64_t iova, uint64_t length);

/*
 * A device of a space.
 * @group: open file of its group, or -1
 * @dev: open file of the device
 */
struct member {
	int group;
	int dev;
};

/* Open a device by name, with all that is in the space at its reach. */
int space_add_mdev(struct space *space, struct member *member,
		   const char *uuid);
/* A PCI device behind vfio-pci */
int space_add_pci(struct space *space, struct member *member, const char *bdf);
/* A device of either kind by what the way takes: its node or group, open. */
int space_add_file(struct space *space, struct member *member,
		   const char *name, int file);
void member_close(struct member *member);

#endif
