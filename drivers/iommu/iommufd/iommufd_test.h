/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctl that tests of iommufd use to make mock devices and to look behind
 * the scenes.  Exists with CONFIG_IOMMUFD_TEST only.
 *
 * Tests in user space include this file.  Up to IOMMU_TEST_OP_TRIGGER_IOPF it
 * is the interface of Linux 6.12, bit by bit, so that the tests of that kernel
 * run on this one; operations from 64 on are our own.
 */
#ifndef _IOMMUFD_TEST_H
#define _IOMMUFD_TEST_H

#include <linux/iommufd.h>
#include <linux/types.h>

#define IOMMU_TEST_CMD _IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + 32)

/* What to do; see the struct of the same name in the union. */
enum {
	IOMMU_TEST_OP_ADD_RESERVED = 1,
	IOMMU_TEST_OP_MOCK_DOMAIN = 2,
	IOMMU_TEST_OP_MD_CHECK_MAP = 3,
	IOMMU_TEST_OP_MD_CHECK_REFS = 4,
	IOMMU_TEST_OP_CREATE_ACCESS = 5,
	IOMMU_TEST_OP_DESTROY_ACCESS_PAGES = 6,
	IOMMU_TEST_OP_ACCESS_PAGES = 7,
	IOMMU_TEST_OP_ACCESS_RW = 8,
	IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT = 9,
	IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE = 10,
	IOMMU_TEST_OP_ACCESS_REPLACE_IOAS = 11,
	IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS = 12,
	IOMMU_TEST_OP_DIRTY = 13,
	IOMMU_TEST_OP_MD_CHECK_IOTLB = 14,
	IOMMU_TEST_OP_TRIGGER_IOPF = 15,

	IOMMU_TEST_OP_MOCK_FAIL = 64,
};

/* What the mock IOMMU translates; its page is half of the CPU's. */
enum {
	MOCK_APERTURE_START = 1UL << 24,
	MOCK_APERTURE_LAST = (1UL << 31) - 1,
};

/* create_access.flags */
enum {
	MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES = 1 << 0,
};

/* access_pages.flags */
enum {
	MOCK_FLAGS_ACCESS_WRITE = 1 << 0,
	MOCK_FLAGS_ACCESS_SYZ = 1 << 16,
};

/* access_rw.flags */
enum {
	MOCK_ACCESS_RW_WRITE = 1 << 0,
	MOCK_ACCESS_RW_SLOW_PATH = 1 << 2,
};

/* mock_domain_flags.dev_flags */
enum {
	MOCK_FLAGS_DEVICE_NO_DIRTY = 1 << 0,
	MOCK_FLAGS_DEVICE_HUGE_IOVA = 1 << 1,
	MOCK_FLAGS_DEVICE_PASID = 1 << 2,
	/* Its unit can keep DMA coherent, as those of the others cannot. */
	MOCK_FLAGS_DEVICE_SNOOP = 1 << 30,
};

/* Bits of a PASID of a MOCK_FLAGS_DEVICE_PASID device */
#define MOCK_PASID_WIDTH 20

/* The IOTLB of a nested domain */
enum {
	MOCK_NESTED_DOMAIN_IOTLB_ID_MAX = 3,
	MOCK_NESTED_DOMAIN_IOTLB_NUM = 4,
};

/* mock_fail.mock_op: what the mock IOMMU is asked for */
enum {
	MOCK_OP_DOMAIN_ALLOC = 0,
	MOCK_OP_ATTACH = 1,
	MOCK_OP_MAP = 2,
	MOCK_OP_NUM,
};

/**
 * struct iommu_test_cmd - argument of IOMMU_TEST_CMD
 * @size: sizeof(struct iommu_test_cmd)
 * @op: IOMMU_TEST_OP_*
 * @id: what it is about: an IOAS (ADD_RESERVED, CREATE_ACCESS), an IOAS or a
 *	HWPT (MOCK_DOMAIN, MOCK_DOMAIN_FLAGS), a HWPT (MD_CHECK_MAP, DIRTY,
 *	MD_CHECK_IOTLB), the mock device (MOCK_DOMAIN_REPLACE), or the fd of an
 *	access (ACCESS_*, DESTROY_ACCESS_PAGES)
 * @__reserved: 0
 * @add_reserved: reserve addresses of the IOAS for good
 * @mock_domain: make a mock device and attach it.  out_stdev_id is the mock
 *	device, which is destroyed by IOMMU_DESTROY, out_idev_id its id as a
 *	bound device
 * @mock_domain_flags: the same, with MOCK_FLAGS_DEVICE_*
 * @mock_domain_replace: attach a mock device to another IOAS or HWPT; pt_id
 *	returns the HWPT
 * @check_map: fail with EIO unless the HWPT translates these addresses to the
 *	pages behind uptr; all are multiples of the mock's page
 * @check_refs: fail with EIO unless each page behind uptr is pinned refs times
 * @create_access: an access to the IOAS, as an fd; MOCK_FLAGS_ACCESS_CREATE_*
 * @destroy_access_pages: unpin what ACCESS_PAGES pinned
 * @access_pages: pin pages, and fail with EIO unless they are those behind
 *	uptr; MOCK_FLAGS_ACCESS_*
 * @access_rw: read the IOAS to uptr, or write to it; MOCK_ACCESS_RW_*
 * @memory_limit: bytes that a temporary buffer may have, for all of iommufd;
 *	it is 65536 unless a test sets it
 * @access_replace_ioas: move an access to another IOAS
 * @dirty: mark pages as dirty
 * @check_iotlb: compare an entry of a nested HWPT's IOTLB
 * @trigger_iopf: have a device report a page fault
 * @mock_fail: make the nth call that this thread makes of an operation of the
 *	mock fail, 1 being the next one; 0 takes it back.  One operation at a
 *	time, for all of iommufd.  What had been mapped when a map fails stays
 * @last: 0
 */
struct iommu_test_cmd {
	__u32 size;
	__u32 op;
	__u32 id;
	__u32 __reserved;
	union {
		struct {
			__aligned_u64 start;
			__aligned_u64 length;
		} add_reserved;
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
		} mock_domain;
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
			__u32 dev_flags;
		} mock_domain_flags;
		struct {
			__u32 pt_id;
		} mock_domain_replace;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} check_map;
		struct {
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 refs;
		} check_refs;
		struct {
			__u32 out_access_fd;
			__u32 flags;
		} create_access;
		struct {
			__u32 access_pages_id;
		} destroy_access_pages;
		struct {
			__u32 flags;
			__u32 out_access_pages_id;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} access_pages;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 flags;
		} access_rw;
		struct {
			__u32 limit;
		} memory_limit;
		struct {
			__u32 ioas_id;
		} access_replace_ioas;
		struct {
			__u32 flags;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 page_size;
			__aligned_u64 uptr;
			__aligned_u64 out_nr_dirty;
		} dirty;
		struct {
			__u32 id;
			__u32 iotlb;
		} check_iotlb;
		struct {
			__u32 dev_id;
			__u32 pasid;
			__u32 grpid;
			__u32 perm;
			__u64 addr;
		} trigger_iopf;
		struct {
			__u32 mock_op;
			__u32 nth;
		} mock_fail;
	};
	__u32 last;
};

/* IOMMU_GET_HW_INFO of a mock device */
#define IOMMU_HW_INFO_TYPE_SELFTEST 0xfeedbeef
#define IOMMU_HW_INFO_SELFTEST_REGVAL 0xdeadbeef

/**
 * struct iommu_test_hw_info - data of IOMMU_HW_INFO_TYPE_SELFTEST
 * @flags: 0
 * @test_reg: IOMMU_HW_INFO_SELFTEST_REGVAL
 */
struct iommu_test_hw_info {
	__u32 flags;
	__u32 test_reg;
};

/* IOMMU_HWPT_ALLOC of a nested HWPT; not in enum iommu_hwpt_data_type */
#define IOMMU_HWPT_DATA_SELFTEST 0xdead
#define IOMMU_TEST_IOTLB_DEFAULT 0xbadbeef

/**
 * struct iommu_hwpt_selftest - data of IOMMU_HWPT_DATA_SELFTEST
 * @iotlb: what all entries of the IOTLB begin with
 */
struct iommu_hwpt_selftest {
	__u32 iotlb;
};

/* IOMMU_HWPT_INVALIDATE; not in enum iommu_hwpt_invalidate_data_type */
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST 0xdeadbeef
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeef

/* iommu_hwpt_invalidate_selftest.flags */
enum {
	IOMMU_TEST_INVALIDATE_FLAG_ALL = 1 << 0,
};

/**
 * struct iommu_hwpt_invalidate_selftest - entry of
 *	IOMMU_HWPT_INVALIDATE_DATA_SELFTEST
 * @flags: IOMMU_TEST_INVALIDATE_FLAG_ALL: whatever @iotlb_id is
 * @iotlb_id: index of the entry
 */
struct iommu_hwpt_invalidate_selftest {
	__u32 flags;
	__u32 iotlb_id;
};

#endif
