/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two things that are compared: a VFIO container with type1, and an IOAS of
 * /dev/iommu.  Both map for the same device, one after the other.
 *
 * All functions return 0 or a negative errno.
 */
#ifndef BENCH_BACKEND_H
#define BENCH_BACKEND_H

#include <stdint.h>

#include "type1.h"

/**
 * struct backend - an address space that a device is attached to
 * @ops: what kind it is
 * @type1: for type1
 * @iommufd: for iommufd: the file,
 * @dev: the device's file
 * @ioas: and the IOAS
 */
struct backend {
	const struct backend_ops *ops;
	struct type1 type1;
	int iommufd;
	int dev;
	uint32_t ioas;
};

struct backend_ops {
	const char *name;
	int (*open)(struct backend *b, const char *bdf);
	void (*close)(struct backend *b);
	int (*map)(struct backend *b, void *mem, uint64_t len, uint64_t iova);
	int (*unmap)(struct backend *b, uint64_t iova, uint64_t len);
	int (*unmap_all)(struct backend *b);
};

enum { TYPE1, IOMMUFD, NR_BACKENDS };

extern const struct backend_ops backends[NR_BACKENDS];

#endif
