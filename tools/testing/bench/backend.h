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

/**
 * struct device - a device and what stands for it
 * @bdf: its PCI address
 * @fd: type1: its group; iommufd: its node, bound
 * @id: iommufd: of the bound device
 */
struct device {
	const char *bdf;
	int fd;
	uint32_t id;
};

/**
 * struct backend - an address space that a device is attached to
 * @ops: what kind it is
 * @device: the device
 * @second: another one, not attached
 * @fd: the container, or /dev/iommu
 * @ioas: iommufd: the IOAS that everything is mapped in
 * @copy: iommufd: the IOAS that it is copied to
 * @hwpt: iommufd: the second device's page table of @ioas
 */
struct backend {
	const struct backend_ops *ops;
	struct device device;
	struct device second;
	int fd;
	uint32_t ioas;
	uint32_t copy;
	uint32_t hwpt;
};

/**
 * struct backend_ops - a kind of backend
 * @name: for people
 * @open: opens everything and attaches the first device
 * @close: undoes that
 * @map: maps memory for reading and writing
 * @unmap: unmaps what one or more calls mapped
 * @unmap_all: unmaps everything
 * @attach: lets the second device see what is mapped, in the same domain
 * @detach: undoes that
 * @attach_own: the same in a domain of the second device's own; NULL: there is
 *	no way to ask for one
 * @detach_own: undoes that
 * @copy_begin: attaches the second device to another address space; NULL: there
 *	is no copying
 * @copy: maps there what is mapped here, at the same addresses
 * @copy_unmap: unmaps that
 * @copy_end: undoes @copy_begin
 */
struct backend_ops {
	const char *name;
	int (*open)(struct backend *b);
	void (*close)(struct backend *b);
	int (*map)(struct backend *b, void *mem, uint64_t len, uint64_t iova);
	int (*unmap)(struct backend *b, uint64_t iova, uint64_t len);
	int (*unmap_all)(struct backend *b);
	int (*attach)(struct backend *b);
	int (*detach)(struct backend *b);
	int (*attach_own)(struct backend *b);
	int (*detach_own)(struct backend *b);
	int (*copy_begin)(struct backend *b);
	int (*copy)(struct backend *b, uint64_t iova, uint64_t len);
	int (*copy_unmap)(struct backend *b, uint64_t iova, uint64_t len);
	int (*copy_end)(struct backend *b);
};

enum { TYPE1, IOMMUFD, NR_BACKENDS };

extern const struct backend_ops backends[NR_BACKENDS];

#endif
