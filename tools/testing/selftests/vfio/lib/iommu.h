/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of /dev/iommu that a VFIO user needs, a function each.  They
 * return 0 or a negative errno, so that a test can name the errno it expects.
 */
#ifndef VFIO_LIB_IOMMU_H
#define VFIO_LIB_IOMMU_H

#include <linux/iommufd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IOMMU_MAP_RW	(IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

/* ioctl() that returns a negative errno instead of -1. */
int xioctl(int fd, unsigned long request, void *arg);

/* The new file descriptor. */
int iommu_open(void);

int ioas_alloc(int iommufd, uint32_t *ioas);
int iommu_destroy(int iommufd, uint32_t id);

/* At this IOVA. @flags: IOMMU_IOAS_MAP_READABLE, _WRITEABLE. */
int ioas_map(int iommufd, uint32_t ioas, const void *va, uint64_t length,
	     uint64_t iova, uint32_t flags);

/* At an IOVA the kernel chooses. */
int ioas_map_anywhere(int iommufd, uint32_t ioas, const void *va,
		      uint64_t length, uint64_t *iova, uint32_t flags);

/* The same memory at another IOVA, or in another IOAS. */
int ioas_copy(int iommufd, uint32_t dst_ioas, uint64_t dst_iova,
	      uint32_t src_ioas, uint64_t src_iova, uint64_t length,
	      uint32_t flags);

int ioas_copy_anywhere(int iommufd, uint32_t dst_ioas, uint64_t *dst_iova,
		       uint32_t src_ioas, uint64_t src_iova, uint64_t length,
		       uint32_t flags);

/* A memfd from byte @start on, at this IOVA */
int ioas_map_file(int iommufd, uint32_t ioas, int fd, uint64_t start,
		  uint64_t length, uint64_t iova, uint32_t flags);

/* @unmapped: the bytes that were mapped there; may be NULL. */
int ioas_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t length,
	       uint64_t *unmapped);

/* @num: in, the entries in @ranges; out, the entries there are. */
int ioas_ranges(int iommufd, uint32_t ioas, struct iommu_iova_range *ranges,
		uint32_t *num, uint64_t *alignment);

/* From where the kernel is to choose IOVAs; with no range, from anywhere. */
int ioas_allow(int iommufd, uint32_t ioas,
	       const struct iommu_iova_range *ranges, uint32_t num);

/* A page table of the device's IOMMU that shows the IOAS @pt. */
int hwpt_alloc(int iommufd, uint32_t dev, uint32_t pt, uint32_t *hwpt);

/* IOMMU_OPTION_RLIMIT_MODE: 0 charges the user, 1 the process that maps. */
int iommu_set_rlimit_mode(int iommufd, uint64_t mode);
int iommu_get_rlimit_mode(int iommufd, uint64_t *mode);

/* IOMMU_OPTION_HUGE_PAGES of an IOAS */
int ioas_set_huge_pages(int iommufd, uint32_t ioas, uint64_t on);
int ioas_get_huge_pages(int iommufd, uint32_t ioas, uint64_t *on);

/* The calling process pays for what is pinned of files. */
int iommu_change_process(int iommufd);

#endif
