// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules that all ioctls of /dev/iommu share: the size of the struct, what
 * is unknown, what is reserved, and the order in which a call is checked.
 */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "iommufd_utils.h"

#define MISC_MAJOR_NR	10

FIXTURE(ioctls)
{
	int fd;
	char *page;	/* followed by one that cannot be accessed */
};

FIXTURE_SETUP(ioctls)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	self->page = alloc_memory(PAGES(4));
	ASSERT_NE(NULL, self->page);
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_NONE));
}

FIXTURE_TEARDOWN(ioctls)
{
	close(self->fd);
}

/* The ioctls that have code, with the size of their struct. */
FIXTURE_VARIANT(ioctls)
{
	unsigned long request;
	uint32_t min_size;
	uint32_t size;
	int zeroes;	/* what a struct of zeroes gets */
};

FIXTURE_VARIANT_ADD(ioctls, destroy)
{
	.request = IOMMU_DESTROY,
	.min_size = 8,
	.size = 8,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, ioas_alloc)
{
	.request = IOMMU_IOAS_ALLOC,
	.min_size = 12,
	.size = 12,
	.zeroes = 0,
};

FIXTURE_VARIANT_ADD(ioctls, ioas_iova_ranges)
{
	.request = IOMMU_IOAS_IOVA_RANGES,
	.min_size = 32,
	.size = 32,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, ioas_map)
{
	.request = IOMMU_IOAS_MAP,
	.min_size = 40,
	.size = 40,
	.zeroes = -EINVAL,
};

FIXTURE_VARIANT_ADD(ioctls, ioas_unmap)
{
	.request = IOMMU_IOAS_UNMAP,
	.min_size = 24,
	.size = 24,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, option)
{
	.request = IOMMU_OPTION,
	.min_size = 24,
	.size = 24,
	.zeroes = 0,
};

FIXTURE_VARIANT_ADD(ioctls, get_hw_info)
{
	.request = IOMMU_GET_HW_INFO,
	.min_size = 32,
	.size = 40,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, allow_iovas)
{
	.request = IOMMU_IOAS_ALLOW_IOVAS,
	.min_size = 24,
	.size = 24,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, ioas_copy)
{
	.request = IOMMU_IOAS_COPY,
	.min_size = 40,
	.size = 40,
	.zeroes = -EINVAL,
};

FIXTURE_VARIANT_ADD(ioctls, vfio_ioas)
{
	.request = IOMMU_VFIO_IOAS,
	.min_size = 12,
	.size = 12,
	.zeroes = -ENODEV,
};

FIXTURE_VARIANT_ADD(ioctls, hwpt_alloc)
{
	.request = IOMMU_HWPT_ALLOC,
	.min_size = 24,
	.size = 48,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, set_dirty_tracking)
{
	.request = IOMMU_HWPT_SET_DIRTY_TRACKING,
	.min_size = 16,
	.size = 16,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, get_dirty_bitmap)
{
	.request = IOMMU_HWPT_GET_DIRTY_BITMAP,
	.min_size = 48,
	.size = 48,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, hwpt_invalidate)
{
	.request = IOMMU_HWPT_INVALIDATE,
	.min_size = 32,
	.size = 32,
	.zeroes = -ENOENT,
};

FIXTURE_VARIANT_ADD(ioctls, fault_queue_alloc)
{
	.request = IOMMU_FAULT_QUEUE_ALLOC,
	.min_size = 16,
	.size = 16,
	.zeroes = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(ioctls, ioas_map_file)
{
	.request = IOMMU_IOAS_MAP_FILE,
	.min_size = 40,
	.size = 40,
	.zeroes = -EINVAL,
};

FIXTURE_VARIANT_ADD(ioctls, change_process)
{
	.request = IOMMU_IOAS_CHANGE_PROCESS,
	.min_size = 8,
	.size = 8,
	.zeroes = 0,
};

/* A size below that of the first ABI: EINVAL */
TEST_F(ioctls, size_too_small_einval)
{
	uint32_t *size = (uint32_t *)self->page;

	for (*size = 0; *size < variant->min_size; (*size)++)
		EXPECT_EQ(-EINVAL, xioctl(self->fd, variant->request, size));
}

/* The struct's own size is right. */
TEST_F(ioctls, size_exact)
{
	*(uint32_t *)self->page = variant->size;
	EXPECT_EQ(variant->zeroes,
		  xioctl(self->fd, variant->request, self->page));
}

/* A larger struct whose tail is zero is as good. */
TEST_F(ioctls, size_larger_zero_tail)
{
	uint32_t *size = (uint32_t *)self->page;
	char *big = self->page + PAGES(2);

	for (*size = variant->size + 1; *size < variant->size + 17; (*size)++)
		EXPECT_EQ(variant->zeroes,
			  xioctl(self->fd, variant->request, size));

	*(uint32_t *)big = PAGES(2);
	EXPECT_EQ(variant->zeroes, xioctl(self->fd, variant->request, big));
}

/* A larger struct with any other byte in its tail: E2BIG */
TEST_F(ioctls, size_larger_nonzero_tail_e2big)
{
	uint32_t i, size = variant->size + 9;

	*(uint32_t *)self->page = size;
	for (i = variant->size; i < size; i++) {
		self->page[i] = 1;
		EXPECT_EQ(-E2BIG,
			  xioctl(self->fd, variant->request, self->page));
		self->page[i] = 0;
	}
}

/* What cannot be read: EFAULT, be it the size, the struct, or its tail */
TEST_F(ioctls, unreadable_efault)
{
	char *hole = self->page + PAGE;

	EXPECT_EQ(-EFAULT, xioctl(self->fd, variant->request, NULL));
	EXPECT_EQ(-EFAULT, xioctl(self->fd, variant->request, hole));
	EXPECT_EQ(-EFAULT, xioctl(self->fd, variant->request, hole - 2));
	*(uint32_t *)(hole - 4) = variant->size;
	EXPECT_EQ(-EFAULT, xioctl(self->fd, variant->request, hole - 4));
	*(uint32_t *)(hole - variant->size) = variant->size + 1;
	EXPECT_EQ(-EFAULT,
		  xioctl(self->fd, variant->request, hole - variant->size));
}

/* Direction and size bits in the number make it another one: ENOTTY */
TEST_F(ioctls, wrong_ioc_bits_enotty)
{
	unsigned int nr = _IOC_NR(variant->request);
	char *p = self->page;

	*(uint32_t *)p = variant->size;
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, _IOR(IOMMUFD_TYPE, nr, int), p));
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, _IOW(IOMMUFD_TYPE, nr, int), p));
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, _IOWR(IOMMUFD_TYPE, nr, int), p));
	EXPECT_EQ(-ENOTTY,
		  xioctl(self->fd, _IOC(_IOC_NONE, IOMMUFD_TYPE, nr, 4), p));
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, _IO(IOMMUFD_TYPE + 1, nr), p));
}

/* The file need not be writable. */
TEST_F(ioctls, read_only_file)
{
	int fd = open("/dev/iommu", O_RDONLY);

	ASSERT_LE(0, fd);
	*(uint32_t *)self->page = variant->size;
	EXPECT_EQ(variant->zeroes, xioctl(fd, variant->request, self->page));
	close(fd);
}

FIXTURE(rules)
{
	int fd;
	uint32_t ioas;
	char *mem;
};

FIXTURE_SETUP(rules)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	self->mem = alloc_memory(PAGES(2));
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(rules)
{
	close(self->fd);
}

/* /dev/iommu: a misc device with a dynamic minor, mode 0660 */
TEST_F(rules, node)
{
	struct stat st;

	ASSERT_EQ(0, stat("/dev/iommu", &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0660, st.st_mode & 07777);
	EXPECT_EQ(MISC_MAJOR_NR, major(st.st_rdev));
}

/* Of the test ioctl, which debug kernels have */
#define TEST_NR (IOMMUFD_CMD_BASE + 32)

/* Of the ioctls of VFIO's container, see iommufd_vfio_compat.c */
static bool is_vfio_nr(unsigned int nr)
{
	return (nr >= _IOC_NR(VFIO_GET_API_VERSION) &&
		nr <= _IOC_NR(VFIO_SET_IOMMU)) ||
	       (nr >= _IOC_NR(VFIO_IOMMU_GET_INFO) &&
		nr <= _IOC_NR(VFIO_IOMMU_UNMAP_DMA));
}

/* Numbers before, behind and between those known: ENOTTY, argument unread */
TEST_F(rules, unknown_number_enotty)
{
	unsigned int nr;

	for (nr = 0; nr < IOMMUFD_CMD_BASE; nr++)
		if (!is_vfio_nr(nr))
			EXPECT_EQ(-ENOTTY,
				  xioctl(self->fd, _IO(IOMMUFD_TYPE, nr), NULL));
	for (nr = IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA + 1; nr < 256; nr++)
		if (nr != TEST_NR)
			EXPECT_EQ(-ENOTTY,
				  xioctl(self->fd, _IO(IOMMUFD_TYPE, nr), NULL));
}

/* An ioctl that this kernel has no code for: ENOTTY */
TEST_F(rules, no_code_enotty)
{
	static const unsigned long requests[] = {
		IOMMU_VIOMMU_ALLOC, IOMMU_VDEVICE_ALLOC, IOMMU_VEVENTQ_ALLOC,
		IOMMU_HW_QUEUE_ALLOC, IOMMU_IOAS_NOIOMMU_GET_PA,
	};
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		EXPECT_EQ(-ENOTTY, xioctl(self->fd, requests[i], NULL));
}

/* A reply that cannot be written: EFAULT, and no object stays behind */
TEST_F(rules, reply_efault)
{
	struct iommu_ioas_alloc *cmd = (void *)self->mem;

	ASSERT_EQ(0, iommu_destroy(self->fd, self->ioas));
	cmd->size = sizeof(*cmd);
	ASSERT_EQ(0, mprotect(cmd, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(self->fd, IOMMU_IOAS_ALLOC, cmd));
	/* The mode can only be changed while there is no object. */
	EXPECT_EQ(0, iommu_set_rlimit_mode(self->fd, 1));
}

/* A MAP whose reply cannot be written: EFAULT, and nothing stays mapped */
TEST_F(rules, map_reply_efault)
{
	struct iommu_ioas_map *cmd = (void *)self->mem;

	*cmd = (struct iommu_ioas_map){
		.size = sizeof(*cmd),
		.flags = IOMMU_MAP_RW,
		.ioas_id = self->ioas,
		.user_va = (uintptr_t)self->mem + PAGE,
		.length = PAGE,
	};
	ASSERT_EQ(0, mprotect(cmd, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(self->fd, IOMMU_IOAS_MAP, cmd));
	EXPECT_EQ(0, unmap_all(self->fd, self->ioas));
}

/* Unknown flags and reserved fields that are not 0: EOPNOTSUPP */
TEST_F(rules, reserved_eopnotsupp)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_iova_range range;
	struct iommu_ioas_iova_ranges ranges = {
		.size = sizeof(ranges),
		.ioas_id = self->ioas,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_MAP_RW,
		.ioas_id = self->ioas,
		.user_va = (uintptr_t)self->mem,
		.length = PAGE,
	};
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
	};
	int bit;

	for (bit = 0; bit < 32; bit++) {
		alloc.flags = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(self->fd, IOMMU_IOAS_ALLOC, &alloc));
		ranges.__reserved = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(self->fd, IOMMU_IOAS_IOVA_RANGES, &ranges));
		map.__reserved = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_IOAS_MAP, &map));
		map.__reserved = 0;
		if (bit < 3)
			continue;
		map.flags = IOMMU_MAP_RW | 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_IOAS_MAP, &map));
	}
	for (bit = 0; bit < 16; bit++) {
		option.__reserved = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_OPTION, &option));
	}
	option.__reserved = 0;
	option.op = IOMMU_OPTION_OP_GET + 1;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_OPTION, &option));
	option.op = IOMMU_OPTION_OP_GET;
	option.option_id = IOMMU_OPTION_HUGE_PAGES + 1;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_OPTION, &option));
}

/*
 * MAP checks flags and reserved fields, then overflow, then that there is a
 * permission, then the id, then the rest.
 */
TEST_F(rules, map_order_of_checks)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = 1U << 31,
		.ioas_id = NO_ID,
		.length = UINT64_MAX,
	};

	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_IOAS_MAP, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(-EOVERFLOW, xioctl(self->fd, IOMMU_IOAS_MAP, &cmd));
	cmd.length = 0;
	EXPECT_EQ(-EINVAL, xioctl(self->fd, IOMMU_IOAS_MAP, &cmd));
	cmd.flags = IOMMU_MAP_RW;
	EXPECT_EQ(-ENOENT, xioctl(self->fd, IOMMU_IOAS_MAP, &cmd));
	cmd.ioas_id = self->ioas;
	EXPECT_EQ(-EINVAL, xioctl(self->fd, IOMMU_IOAS_MAP, &cmd));
}

/* UNMAP looks the id up first. */
TEST_F(rules, unmap_order_of_checks)
{
	EXPECT_EQ(-ENOENT, ioas_unmap(self->fd, NO_ID, 1, UINT64_MAX, NULL));
	EXPECT_EQ(-ENOENT, ioas_unmap(self->fd, NO_ID, 0, 0, NULL));
	EXPECT_EQ(-EOVERFLOW,
		  ioas_unmap(self->fd, self->ioas, 1, UINT64_MAX, NULL));
	EXPECT_EQ(-EINVAL, ioas_unmap(self->fd, self->ioas, 0, 0, NULL));
}

/* RLIMIT_MODE is 0 at first and belongs to no object: else EOPNOTSUPP */
TEST_F(rules, rlimit_mode_object_eopnotsupp)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
		.val64 = 7,
	};

	EXPECT_EQ(0, xioctl(self->fd, IOMMU_OPTION, &cmd));
	EXPECT_EQ(0, cmd.val64);
	cmd.object_id = self->ioas;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_OPTION, &cmd));
	cmd.op = IOMMU_OPTION_OP_SET;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_OPTION, &cmd));
}

/* Setting RLIMIT_MODE once an object exists: EBUSY */
TEST_F(rules, rlimit_mode_object_exists_ebusy)
{
	uint64_t mode;

	EXPECT_EQ(-EBUSY, iommu_set_rlimit_mode(self->fd, 1));
	EXPECT_EQ(0, iommu_get_rlimit_mode(self->fd, &mode));
	EXPECT_EQ(0, mode);

	ASSERT_EQ(0, iommu_destroy(self->fd, self->ioas));
	EXPECT_EQ(0, iommu_set_rlimit_mode(self->fd, 1));
	EXPECT_EQ(0, iommu_get_rlimit_mode(self->fd, &mode));
	EXPECT_EQ(1, mode);
	EXPECT_EQ(0, iommu_set_rlimit_mode(self->fd, 0));
	EXPECT_EQ(0, iommu_get_rlimit_mode(self->fd, &mode));
	EXPECT_EQ(0, mode);
}

/* RLIMIT_MODE is 0 or 1: else EINVAL */
TEST_F(rules, rlimit_mode_value_einval)
{
	uint64_t mode;

	ASSERT_EQ(0, iommu_destroy(self->fd, self->ioas));
	EXPECT_EQ(-EINVAL, iommu_set_rlimit_mode(self->fd, 2));
	EXPECT_EQ(-EINVAL, iommu_set_rlimit_mode(self->fd, 1ULL << 32));
	EXPECT_EQ(-EINVAL, iommu_set_rlimit_mode(self->fd, UINT64_MAX));
	EXPECT_EQ(0, iommu_get_rlimit_mode(self->fd, &mode));
	EXPECT_EQ(0, mode);
}

/* Setting RLIMIT_MODE without CAP_SYS_RESOURCE: EPERM; reading it is free */
TEST_F(rules, rlimit_mode_no_capability_eperm)
{
	uint64_t mode;

	ASSERT_EQ(0, iommu_destroy(self->fd, self->ioas));
	ASSERT_EQ(0, drop_capability(CAP_SYS_RESOURCE));
	EXPECT_EQ(-EPERM, iommu_set_rlimit_mode(self->fd, 1));
	EXPECT_EQ(0, iommu_get_rlimit_mode(self->fd, &mode));
	EXPECT_EQ(0, mode);
}

static uint64_t alignment_of(int fd, uint32_t ioas)
{
	struct iommu_iova_range range;
	uint64_t alignment = 0;
	uint32_t num = 1;

	ioas_ranges(fd, ioas, &range, &num, &alignment);
	return alignment;
}

/* HUGE_PAGES is on at first; off raises the alignment, on lowers it. */
TEST_F(rules, huge_pages)
{
	uint64_t on;

	EXPECT_EQ(0, ioas_get_huge_pages(self->fd, self->ioas, &on));
	EXPECT_EQ(1, on);
	EXPECT_EQ(1, alignment_of(self->fd, self->ioas));
	EXPECT_EQ(0, ioas_set_huge_pages(self->fd, self->ioas, 0));
	EXPECT_EQ(PAGE, alignment_of(self->fd, self->ioas));
	EXPECT_EQ(-EINVAL, ioas_map(self->fd, self->ioas, self->mem, 1, 0,
				    IOMMU_MAP_RW));
	/* Off when it is off */
	EXPECT_EQ(0, ioas_set_huge_pages(self->fd, self->ioas, 0));
	EXPECT_EQ(0, ioas_get_huge_pages(self->fd, self->ioas, &on));
	EXPECT_EQ(0, on);
	EXPECT_EQ(0, ioas_set_huge_pages(self->fd, self->ioas, 1));
	EXPECT_EQ(0, ioas_get_huge_pages(self->fd, self->ioas, &on));
	EXPECT_EQ(1, on);
	EXPECT_EQ(1, alignment_of(self->fd, self->ioas));
}

/* HUGE_PAGES off with a mapping that is not of whole pages: EADDRINUSE */
TEST_F(rules, huge_pages_unaligned_eaddrinuse)
{
	uint64_t on;

	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem, PAGE, MB,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem, 1, 2 * MB,
			      IOMMU_MAP_RW));
	EXPECT_EQ(-EADDRINUSE, ioas_set_huge_pages(self->fd, self->ioas, 0));
	EXPECT_EQ(0, ioas_get_huge_pages(self->fd, self->ioas, &on));
	EXPECT_EQ(1, on);
	EXPECT_EQ(1, alignment_of(self->fd, self->ioas));
	ASSERT_EQ(0, ioas_unmap(self->fd, self->ioas, 2 * MB, 1, NULL));
	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem + 1, PAGE,
			      2 * MB, IOMMU_MAP_RW));
	EXPECT_EQ(-EADDRINUSE, ioas_set_huge_pages(self->fd, self->ioas, 0));
	ASSERT_EQ(0, ioas_unmap(self->fd, self->ioas, 2 * MB, PAGE, NULL));
	EXPECT_EQ(0, ioas_set_huge_pages(self->fd, self->ioas, 0));
}

/* HUGE_PAGES is 0 or 1: else EINVAL */
TEST_F(rules, huge_pages_value_einval)
{
	EXPECT_EQ(-EINVAL, ioas_set_huge_pages(self->fd, self->ioas, 2));
	EXPECT_EQ(-EINVAL, ioas_set_huge_pages(self->fd, self->ioas,
					       1ULL << 32));
	EXPECT_EQ(-EINVAL, ioas_set_huge_pages(self->fd, self->ioas,
					       UINT64_MAX));
}

/* HUGE_PAGES of what is no IOAS: ENOENT, before the operation and the value */
TEST_F(rules, huge_pages_unknown_ioas_enoent)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = 77,
		.object_id = NO_ID,
		.val64 = 77,
	};

	EXPECT_EQ(-ENOENT, xioctl(self->fd, IOMMU_OPTION, &cmd));
	cmd.object_id = 0;
	EXPECT_EQ(-ENOENT, xioctl(self->fd, IOMMU_OPTION, &cmd));
	cmd.op = IOMMU_OPTION_OP_GET;
	EXPECT_EQ(-ENOENT, xioctl(self->fd, IOMMU_OPTION, &cmd));
}

/* HUGE_PAGES with an unknown operation: EOPNOTSUPP */
TEST_F(rules, huge_pages_op_eopnotsupp)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_GET + 1,
		.object_id = self->ioas,
	};

	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_OPTION, &cmd));
	cmd.op = UINT16_MAX;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_OPTION, &cmd));
}

TEST_HARNESS_MAIN
