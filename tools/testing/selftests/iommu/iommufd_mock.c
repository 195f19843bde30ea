// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mock IOMMU and the test ioctl: that its checks fail when they have to, and
 * that the mock fails when it is told to.
 *
 *   memory  --- IOAS --- automatic HWPT --- mock device
 */
#include "iommufd_utils.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#define IOVA	((uint64_t)MOCK_APERTURE_START)
#define HALF	(PAGE / 2)			/* the mock's page */
#define LENGTH	PAGES(8)

FIXTURE(mock)
{
	int fd;
	uint32_t ioas;
	char *mem;
	struct iommu_test_cmd device;		/* as it was made */
};

static int test_op(int fd, uint32_t op, uint32_t id, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return xioctl(fd, IOMMU_TEST_CMD, cmd);
}

static int make_device(int fd, uint32_t pt, struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){};
	return test_op(fd, IOMMU_TEST_OP_MOCK_DOMAIN, pt, cmd);
}

static int check_map(int fd, uint32_t hwpt, uint64_t iova, const void *mem,
		     uint64_t length)
{
	struct iommu_test_cmd cmd = {
		.check_map = { .iova = iova, .length = length,
			       .uptr = (uintptr_t)mem },
	};

	return test_op(fd, IOMMU_TEST_OP_MD_CHECK_MAP, hwpt, &cmd);
}

static int check_refs(int fd, const void *mem, uint64_t length, uint32_t refs)
{
	struct iommu_test_cmd cmd = {
		.check_refs = { .length = length, .uptr = (uintptr_t)mem,
				.refs = refs },
	};

	return test_op(fd, IOMMU_TEST_OP_MD_CHECK_REFS, 0, &cmd);
}

static int fail(int fd, uint32_t op, uint32_t nth)
{
	struct iommu_test_cmd cmd = {
		.mock_fail = { .mock_op = op, .nth = nth },
	};

	return test_op(fd, IOMMU_TEST_OP_MOCK_FAIL, 0, &cmd);
}

#define MAP()		ioas_map(self->fd, self->ioas, self->mem, LENGTH, \
				 IOVA, IOMMU_MAP_RW)
#define HWPT		(self->device.mock_domain.out_hwpt_id)
#define CHECK(iova, mem, length)					\
	check_map(self->fd, HWPT, iova, mem, length)

FIXTURE_SETUP(mock)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	ASSERT_EQ(0, make_device(self->fd, self->ioas, &self->device));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	/* pins of a huge page are not told apart */
	ASSERT_EQ(0, madvise(self->mem, MB, MADV_NOHUGEPAGE));
}

FIXTURE_TEARDOWN(mock)
{
	fail(self->fd, MOCK_OP_MAP, 0);
	close(self->fd);
}

/* An unknown operation, flag or reserved value: EOPNOTSUPP */
TEST_F(mock, unknown_eopnotsupp)
{
	struct iommu_test_cmd cmd = {};

	EXPECT_EQ(-EOPNOTSUPP, test_op(self->fd, 0, 0, &cmd));
	EXPECT_EQ(-EOPNOTSUPP, test_op(self->fd, 63, 0, &cmd));
	EXPECT_EQ(-EOPNOTSUPP, test_op(self->fd, UINT32_MAX, 0, &cmd));
	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, test_op(self->fd, IOMMU_TEST_OP_MD_CHECK_REFS,
				       0, &cmd));
	cmd = (struct iommu_test_cmd){ .last = 1 };
	EXPECT_EQ(-EOPNOTSUPP, test_op(self->fd, IOMMU_TEST_OP_MD_CHECK_REFS,
				       0, &cmd));
	cmd = (struct iommu_test_cmd){ .mock_domain_flags.dev_flags = 1 << 31 };
	EXPECT_EQ(-EOPNOTSUPP, test_op(self->fd,
				       IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
				       self->ioas, &cmd));
	EXPECT_EQ(-EINVAL, fail(self->fd, MOCK_OP_NUM, 1));
}

/* CHECK_MAP sees each half page that is missing or another */
TEST_F(mock, check_map_sees)
{
	uint64_t offset;

	EXPECT_EQ(-EIO, CHECK(IOVA, self->mem, HALF));
	ASSERT_EQ(0, MAP());
	EXPECT_EQ(0, CHECK(IOVA, self->mem, LENGTH));
	for (offset = 0; offset < LENGTH; offset += HALF) {
		EXPECT_EQ(0, CHECK(IOVA + offset, self->mem + offset, HALF));
		EXPECT_EQ(-EIO, CHECK(IOVA + offset,
				      self->mem + (offset ^ HALF), HALF));
	}
	EXPECT_EQ(-EIO, CHECK(IOVA, self->mem, LENGTH + HALF));
	EXPECT_EQ(-EIO, CHECK(IOVA - HALF, self->mem, HALF));
	ASSERT_EQ(0, ioas_unmap(self->fd, self->ioas, IOVA, LENGTH, NULL));
	EXPECT_EQ(-EIO, CHECK(IOVA, self->mem, HALF));
}

TEST_F(mock, check_map_errnos)
{
	ASSERT_EQ(0, MAP());
	EXPECT_EQ(-EINVAL, CHECK(IOVA + 1, self->mem, HALF));
	EXPECT_EQ(-EINVAL, CHECK(IOVA, self->mem + 1, HALF));
	EXPECT_EQ(-EINVAL, CHECK(IOVA, self->mem, 1));
	EXPECT_EQ(-EOVERFLOW, CHECK(IOVA, self->mem, -(uint64_t)PAGE));
	EXPECT_EQ(-EFAULT, CHECK(IOVA, NULL, HALF));
	EXPECT_EQ(-ENOENT, check_map(self->fd, NO_ID, IOVA, self->mem, HALF));
	EXPECT_EQ(-ENOENT, check_map(self->fd, self->ioas, IOVA, self->mem,
				     HALF));
}

/* CHECK_REFS tells how often a page is pinned */
TEST_F(mock, check_refs_counts)
{
	uint64_t iova = IOVA + MB;

	memset(self->mem, 1, LENGTH);
	EXPECT_EQ(0, check_refs(self->fd, self->mem, LENGTH, 0));
	EXPECT_EQ(-EIO, check_refs(self->fd, self->mem, LENGTH, 1));
	ASSERT_EQ(0, MAP());
	EXPECT_EQ(0, check_refs(self->fd, self->mem, LENGTH, 1));
	EXPECT_EQ(-EIO, check_refs(self->fd, self->mem, LENGTH, 0));
	/* a second MAP pins once more */
	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem, PAGE, iova,
			      IOMMU_MAP_RW));
	EXPECT_EQ(0, check_refs(self->fd, self->mem, PAGE, 2));
	EXPECT_EQ(0, check_refs(self->fd, self->mem + PAGE, PAGE, 1));
	EXPECT_EQ(-EINVAL, check_refs(self->fd, self->mem + 1, PAGE, 1));
	EXPECT_EQ(-EINVAL, check_refs(self->fd, self->mem, 1, 1));
	ASSERT_EQ((int64_t)(LENGTH + PAGE), unmap_all(self->fd, self->ioas));
	EXPECT_EQ(0, check_refs(self->fd, self->mem, LENGTH, 0));
}

/* A map that fails leaves nothing mapped or pinned, and can be repeated */
TEST_F(mock, map_fails)
{
	ASSERT_EQ(0, fail(self->fd, MOCK_OP_MAP, 1));
	EXPECT_EQ(-ENOMEM, MAP());
	EXPECT_EQ(-EIO, CHECK(IOVA, self->mem, HALF));
	EXPECT_EQ(0, check_refs(self->fd, self->mem, LENGTH, 0));
	EXPECT_EQ(0, unmap_all(self->fd, self->ioas));
	ASSERT_EQ(0, MAP());
	EXPECT_EQ(0, CHECK(IOVA, self->mem, LENGTH));
}

/* So does one that fails in the second of two domains, in both */
TEST_F(mock, map_in_second_domain_fails)
{
	struct iommu_test_cmd second;
	uint32_t hwpt;

	ASSERT_EQ(0, hwpt_alloc(self->fd, self->device.mock_domain.out_idev_id,
				self->ioas, &hwpt));
	ASSERT_EQ(0, make_device(self->fd, hwpt, &second));
	ASSERT_EQ(hwpt, second.mock_domain.out_hwpt_id);
	ASSERT_EQ(0, fail(self->fd, MOCK_OP_MAP, 2));
	EXPECT_EQ(-ENOMEM, ioas_map(self->fd, self->ioas, self->mem, PAGE, IOVA,
				    IOMMU_MAP_RW));
	EXPECT_EQ(-EIO, CHECK(IOVA, self->mem, HALF));
	EXPECT_EQ(-EIO, check_map(self->fd, hwpt, IOVA, self->mem, HALF));
	EXPECT_EQ(0, check_refs(self->fd, self->mem, PAGE, 0));
}

/* A move to another IOAS that fails at any step leaves the device where it was */
TEST_F(mock, replace_fails)
{
	static const uint32_t ops[] = {
		MOCK_OP_DOMAIN_ALLOC, MOCK_OP_ATTACH, MOCK_OP_MAP,
	};
	struct iommu_test_cmd move;
	uint32_t other, i;

	ASSERT_EQ(0, MAP());
	ASSERT_EQ(0, ioas_alloc(self->fd, &other));
	ASSERT_EQ(0, ioas_map(self->fd, other, self->mem, PAGE, IOVA + MB,
			      IOMMU_MAP_RW));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, fail(self->fd, ops[i], 1));
		move = (struct iommu_test_cmd){
			.mock_domain_replace.pt_id = other,
		};
		EXPECT_EQ(-ENOMEM,
			  test_op(self->fd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
				  self->device.mock_domain.out_stdev_id, &move));
		EXPECT_EQ(0, CHECK(IOVA, self->mem, LENGTH));
		EXPECT_EQ(0, check_refs(self->fd, self->mem, LENGTH, 1));
	}
	move.mock_domain_replace.pt_id = other;
	ASSERT_EQ(0, test_op(self->fd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
			     self->device.mock_domain.out_stdev_id, &move));
	EXPECT_EQ(0, check_map(self->fd, move.mock_domain_replace.pt_id,
			       IOVA + MB, self->mem, PAGE));
}

/* The operations on an access know it from other files */
static int make_snooping(int fd, uint32_t pt, struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){
		.mock_domain_flags.dev_flags = MOCK_FLAGS_DEVICE_SNOOP,
	};
	return test_op(fd, IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, pt, cmd);
}

static uint32_t hwpt_of(const struct iommu_test_cmd *device)
{
	return device->mock_domain_flags.out_hwpt_id;
}

/* Devices that can be kept coherent are, in whatever order they come. */
TEST_F(mock, coherent_devices_stay_so)
{
	struct iommu_test_cmd coherent[2], other;
	uint32_t ioas;

	ASSERT_EQ(0, MAP());
	ASSERT_EQ(0, make_snooping(self->fd, self->ioas, &coherent[0]));
	EXPECT_NE(HWPT, hwpt_of(&coherent[0]));
	ASSERT_EQ(0, make_snooping(self->fd, self->ioas, &coherent[1]));
	EXPECT_EQ(hwpt_of(&coherent[0]), hwpt_of(&coherent[1]));
	ASSERT_EQ(0, make_device(self->fd, self->ioas, &other));
	EXPECT_EQ(HWPT, other.mock_domain.out_hwpt_id);
	EXPECT_EQ(0, check_map(self->fd, hwpt_of(&coherent[0]), IOVA, self->mem,
			       LENGTH));

	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
	ASSERT_EQ(0, make_snooping(self->fd, ioas, &coherent[0]));
	ASSERT_EQ(0, make_device(self->fd, ioas, &other));
	EXPECT_NE(hwpt_of(&coherent[0]), other.mock_domain.out_hwpt_id);
}

/* The page table that a user names is not another one. */
TEST_F(mock, coherent_device_refused)
{
	struct iommu_test_cmd device;
	uint32_t ioas;

	EXPECT_EQ(-EINVAL, make_snooping(self->fd, HWPT, &device));
	EXPECT_EQ(0, make_device(self->fd, HWPT, &device));
	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
	ASSERT_EQ(0, make_snooping(self->fd, ioas, &device));
	EXPECT_EQ(-EINVAL, make_device(self->fd, hwpt_of(&device), &device));
}

#define LARGE	(8 * HALF)			/* its other page */

static int make_two_sizes(int fd, uint32_t pt, struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){
		.mock_domain_flags.dev_flags = MOCK_FLAGS_DEVICE_HUGE_IOVA,
	};
	return test_op(fd, IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, pt, cmd);
}

/*
 * An UNMAP whose pages are of both sizes takes several calls of the driver.  A
 * page table that one of them takes out is freed after the sync of all its
 * addresses: else the mock warns.
 */
TEST_F(mock, tables_outlive_the_iotlb)
{
	struct iommu_test_cmd device;
	uint64_t start, end, length;
	uint32_t ioas, hwpt;

	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
	ASSERT_EQ(0, make_two_sizes(self->fd, ioas, &device));
	hwpt = hwpt_of(&device);
	for (start = 0; start <= LARGE; start += HALF) {
		for (end = 2 * LARGE; end <= 4 * LARGE; end += HALF) {
			length = end - start;
			ASSERT_EQ(0, ioas_map(self->fd, ioas,
					      self->mem + start, length,
					      IOVA + start, IOMMU_MAP_RW));
			ASSERT_EQ(0, check_map(self->fd, hwpt, IOVA + start,
					       self->mem + start, length));
			ASSERT_EQ((int64_t)length, unmap_all(self->fd, ioas));
		}
	}
	EXPECT_EQ(0, check_refs(self->fd, self->mem, 4 * LARGE, 0));
}

/* A large page has no table: one that is left there goes when it is mapped. */
TEST_F(mock, large_page_replaces_a_table)
{
	struct iommu_test_cmd device;
	uint32_t ioas, hwpt;
	uint64_t at;
	char *mem;

	mem = alloc_memory(2 * HUGE);
	ASSERT_NE(NULL, mem);
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	ASSERT_EQ(0, madvise(mem, HUGE, MADV_HUGEPAGE));
	memset(mem, 1, HUGE);
	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
	ASSERT_EQ(0, make_two_sizes(self->fd, ioas, &device));
	hwpt = hwpt_of(&device);
	for (at = 0; at < 2 * LARGE; at += HALF)
		ASSERT_EQ(0, ioas_map(self->fd, ioas, mem + at, HALF, IOVA + at,
				      IOMMU_MAP_RW));
	for (at = 0; at < 2 * LARGE; at += HALF)
		ASSERT_EQ(0, ioas_unmap(self->fd, ioas, IOVA + at, HALF, NULL));
	ASSERT_EQ(0, ioas_map(self->fd, ioas, mem, HUGE, IOVA, IOMMU_MAP_RW));
	EXPECT_EQ(0, check_map(self->fd, hwpt, IOVA, mem, HUGE));
	EXPECT_EQ((int64_t)HUGE, unmap_all(self->fd, ioas));
	EXPECT_EQ(-EIO, check_map(self->fd, hwpt, IOVA, mem, HALF));
}

TEST_F(mock, access_fd_errnos)
{
	struct iommu_test_cmd cmd = { .access_rw.length = 1 };

	EXPECT_EQ(-EBADF, test_op(self->fd, IOMMU_TEST_OP_ACCESS_RW, NO_ID,
				  &cmd));
	EXPECT_EQ(-EBADFD, test_op(self->fd, IOMMU_TEST_OP_ACCESS_RW, self->fd,
				   &cmd));
	cmd.access_rw.length = 0;
	EXPECT_EQ(-EINVAL, test_op(self->fd, IOMMU_TEST_OP_ACCESS_RW, self->fd,
				   &cmd));
}

TEST_HARNESS_MAIN
