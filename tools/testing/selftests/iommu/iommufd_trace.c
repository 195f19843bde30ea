// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints of iommufd: that each operation tells what it did, and that
 * everything that can be refused has a reason of its own.
 *
 *   memory  --- IOAS --- mock device
 *
 * The events are read from a trace instance that belongs to the test.
 */
#include "iommufd_utils.h"
#include "fail.h"
#include "trace.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#define IOVA	((uint64_t)MOCK_APERTURE_START)
#define HALF	(PAGE / 2)			/* the mock's page */
#define RESERVED (IOVA + 16 * MB)		/* a page */
#define SIZE	sizeof(struct iommu_ioas_map)

FIXTURE(trace)
{
	int fd;
	uint32_t ioas;
	uint32_t other;				/* an IOAS without device */
	char *mem;
	struct iommu_test_cmd device;		/* as it was made */
};

/* What the harness makes of the fixture */
#define trace_data FIXTURE_DATA(trace)

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

static int reserve(int fd, uint32_t ioas, uint64_t start, uint64_t length)
{
	struct iommu_test_cmd cmd = {
		.add_reserved = { .start = start, .length = length },
	};

	return test_op(fd, IOMMU_TEST_OP_ADD_RESERVED, ioas, &cmd);
}

static int mock_fail(int fd, uint32_t op, uint32_t nth)
{
	struct iommu_test_cmd cmd = {
		.mock_fail = { .mock_op = op, .nth = nth },
	};

	return test_op(fd, IOMMU_TEST_OP_MOCK_FAIL, 0, &cmd);
}

static int begin_trace(void)
{
	int rc = trace_begin();

	return rc ?: trace_enable("iommufd");
}

FIXTURE_SETUP(trace)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->other));
	ASSERT_EQ(0, make_device(self->fd, self->ioas, &self->device));
	ASSERT_EQ(0, reserve(self->fd, self->ioas, RESERVED, PAGE));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, begin_trace())
		TH_LOG("the kernel has no tracepoints of iommufd");
}

FIXTURE_TEARDOWN(trace)
{
	trace_end();
	mock_fail(self->fd, MOCK_OP_MAP, 0);
	close(self->fd);
}

/* ---- what is done ---- */

TEST_F(trace, map_copy_unmap)
{
	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem, PAGES(3), IOVA,
			      IOMMU_MAP_RW));
	EXPECT_EVENT("iommufd_map",
		     "ioas=%u iova=0x%lx length=0x%lx from=0x%lx fd=-1 flags=FIXED|WRITEABLE|READABLE ret=0",
		     self->ioas, IOVA, PAGES(3), (unsigned long)self->mem);
	EXPECT_EVENT("iommufd_pin", "of=process from=0x%lx npages=3 ret=0",
		     (unsigned long)self->mem);
	EXPECT_NO_EVENT("iommufd_copy");
	EXPECT_NO_EVENT("iommufd_unmap");

	ASSERT_EQ(0, ioas_copy(self->fd, self->other, 2 * IOVA, self->ioas,
			       IOVA + PAGE, PAGE, IOMMU_IOAS_MAP_READABLE));
	EXPECT_EVENT("iommufd_copy",
		     "ioas=%u iova=0x%lx length=0x%lx src_ioas=%u src_iova=0x%lx flags=FIXED|READABLE ret=0",
		     self->other, 2 * IOVA, PAGE, self->ioas, IOVA + PAGE);
	ASSERT_EQ((int64_t)PAGES(3), unmap_all(self->fd, self->ioas));
	EXPECT_EVENT("iommufd_unmap",
		     "ioas=%u iova=0x0 length=0xffffffffffffffff unmapped=0x%lx ret=0",
		     self->ioas, PAGES(3));
	ASSERT_EQ(0, unmap_all(self->fd, self->ioas));
	EXPECT_NO_EVENT("iommufd_refused");
}

/* An address that the kernel chose is told. */
TEST_F(trace, map_anywhere)
{
	uint64_t iova;

	ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->ioas, self->mem, HALF,
				       &iova, IOMMU_IOAS_MAP_READABLE));
	EXPECT_EVENT("iommufd_map",
		     "ioas=%u iova=0x%lx length=0x%lx from=0x%lx fd=-1 flags=READABLE ret=0",
		     self->ioas, iova, HALF, (unsigned long)self->mem);
}

TEST_F(trace, map_file)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGES(4)));
	ASSERT_EQ(0, ioas_map_file(self->fd, self->ioas, fd, PAGE, PAGES(2),
				   IOVA, IOMMU_MAP_RW));
	EXPECT_EVENT("iommufd_map",
		     "ioas=%u iova=0x%lx length=0x%lx from=0x%lx fd=%d flags=FIXED|WRITEABLE|READABLE ret=0",
		     self->ioas, IOVA, PAGES(2), PAGE, fd);
	EXPECT_EVENT("iommufd_pin", "of=file from=0x%lx npages=2 ret=0", PAGE);
	EXPECT_EQ(-EINVAL, ioas_map_file(self->fd, self->ioas, fd, 0, PAGES(5),
					 IOVA + MB, IOMMU_MAP_RW));
	EXPECT_EVENT("iommufd_refused", "reason=file-too-short ret=-22");
	EXPECT_EQ(-EBADF, ioas_map_file(self->fd, self->ioas, -1, 0, PAGE,
					IOVA + MB, IOMMU_MAP_RW));
	EXPECT_EVENT("iommufd_refused", "reason=no-file ret=-9");
	EXPECT_EQ(-EINVAL, ioas_map_file(self->fd, self->ioas, self->fd, 0,
					 PAGE, IOVA + MB, IOMMU_MAP_RW));
	EXPECT_EVENT("iommufd_refused", "reason=file-unsuitable ret=-22");
	close(fd);
}

/* Pinning is told by what is pinned at once, not by page. */
TEST_F(trace, pin_at_attach)
{
	struct iommu_test_cmd device;
	char text[256];

	ASSERT_EQ(0, ioas_map(self->fd, self->other, self->mem, MB, IOVA,
			      IOMMU_MAP_RW));
	EXPECT_NO_EVENT("iommufd_pin");
	ASSERT_EQ(0, make_device(self->fd, self->other, &device));
	EXPECT_EQ(1, trace_last("iommufd_pin", text, sizeof(text)));
	EXPECT_EVENT("iommufd_pin", "of=process from=0x%lx npages=256 ret=0",
		     (unsigned long)self->mem);
}

/* Bind, attach, replace, detach and unbind of a device, with its ids */
TEST_F(trace, device)
{
	struct iommu_test_cmd device, move = {};
	uint32_t id, hwpt;
	char name[64];

	ASSERT_EQ(0, make_device(self->fd, self->ioas, &device));
	id = device.mock_domain.out_idev_id;
	hwpt = device.mock_domain.out_hwpt_id;
	EXPECT_LT(0, trace_last("iommufd_bind", name, sizeof(name)));
	EXPECT_NE(NULL, strstr(name, "name="));
	name[strcspn(name, " ")] = 0;
	EXPECT_LT(strlen("name="), strlen(name));
	EXPECT_EVENT("iommufd_bind", "%s device=%u ret=0", name, id);
	EXPECT_EVENT("iommufd_attach", "device=%u pt=%u hwpt=%u ret=0", id,
		     self->ioas, hwpt);

	move.mock_domain_replace.pt_id = self->other;
	ASSERT_EQ(0, test_op(self->fd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
			     device.mock_domain.out_stdev_id, &move));
	EXPECT_NE(hwpt, move.mock_domain_replace.pt_id);
	EXPECT_EVENT("iommufd_replace", "device=%u pt=%u hwpt=%u ret=0", id,
		     self->other, move.mock_domain_replace.pt_id);
	EXPECT_NO_EVENT("iommufd_detach");
	EXPECT_NO_EVENT("iommufd_unbind");

	ASSERT_EQ(0, iommu_destroy(self->fd, device.mock_domain.out_stdev_id));
	EXPECT_EVENT("iommufd_detach", "device=%u hwpt=%u", id,
		     move.mock_domain_replace.pt_id);
	EXPECT_EVENT("iommufd_unbind", "%s device=%u", name, id);
	EXPECT_NO_EVENT("iommufd_refused");
}

/* ---- what is refused ---- */

struct cause {
	const char *reason;
	int errno_;			/* negative */
	const char *event;		/* of the operation, or NULL */
	int (*provoke)(trace_data *self);
};

static int map_raw(trace_data *self, uint32_t size, uint32_t flags,
		   const void *va, uint64_t length, uint64_t iova)
{
	struct iommu_ioas_map cmd = {
		.size = size, .flags = flags, .ioas_id = self->ioas,
		.user_va = (uintptr_t)va, .length = length, .iova = iova,
	};

	return xioctl(self->fd, IOMMU_IOAS_MAP, &cmd);
}

static int map_fixed(trace_data *self, const void *va, uint64_t length,
		     uint64_t iova)
{
	return ioas_map(self->fd, self->ioas, va, length, iova, IOMMU_MAP_RW);
}

static int map_short(trace_data *self)
{
	return map_raw(self, 8, IOMMU_MAP_RW, self->mem, PAGE, IOVA);
}

static int map_no_access(trace_data *self)
{
	return ioas_map(self->fd, self->ioas, self->mem, PAGE, IOVA, 0);
}

static int map_zero(trace_data *self)
{
	return map_fixed(self, self->mem, 0, IOVA);
}

static int map_too_long(trace_data *self)
{
	return map_fixed(self, self->mem, -(uint64_t)HALF, IOVA);
}

static int map_iova_misaligned(trace_data *self)
{
	return map_fixed(self, self->mem, PAGE, IOVA + 1);
}

static int map_length_misaligned(trace_data *self)
{
	return map_fixed(self, self->mem, PAGE + 1, IOVA);
}

static int map_memory_misaligned(trace_data *self)
{
	return map_fixed(self, self->mem + 1, PAGE, IOVA);
}

static int map_reserved(trace_data *self)
{
	return map_fixed(self, self->mem, PAGE, RESERVED);
}

static int map_beyond(trace_data *self)
{
	return map_fixed(self, self->mem, PAGE, (uint64_t)MOCK_APERTURE_LAST +
			 1);
}

static const struct cause map_einval[] = {
	{ "struct-too-short", -EINVAL, NULL, map_short },
	{ "neither-readable-nor-writable", -EINVAL, "map", map_no_access },
	{ "length-zero", -EINVAL, "map", map_zero },
	{ "length-too-long", -EINVAL, "map", map_too_long },
	{ "length-misaligned", -EINVAL, "map", map_length_misaligned },
	{ "iova-misaligned", -EINVAL, "map", map_iova_misaligned },
	{ "memory-misaligned", -EINVAL, "map", map_memory_misaligned },
	{ "iova-reserved", -EINVAL, "map", map_reserved },
	{ "iova-beyond-aperture", -EINVAL, "map", map_beyond },
	{}
};

static int map_unknown_field(trace_data *self)
{
	struct {
		struct iommu_ioas_map map;
		uint64_t more;
	} cmd = { .map = { .size = sizeof(cmd) }, .more = 1 };

	return xioctl(self->fd, IOMMU_IOAS_MAP, &cmd);
}

static int map_struct_long(trace_data *self)
{
	return map_raw(self, 1 << 20, IOMMU_MAP_RW, self->mem, PAGE, IOVA);
}

static int map_unreadable(trace_data *self)
{
	return xioctl(self->fd, IOMMU_IOAS_MAP, NULL);
}

static int map_unwritable(trace_data *self)
{
	struct iommu_ioas_map *cmd = alloc_memory(PAGE);
	int rc;

	*cmd = (struct iommu_ioas_map){
		.size = sizeof(*cmd), .flags = IOMMU_MAP_RW,
		.ioas_id = self->ioas, .user_va = (uintptr_t)self->mem,
		.length = PAGE,
	};
	rc = mprotect(cmd, PAGE, PROT_READ);
	if (!rc)
		rc = xioctl(self->fd, IOMMU_IOAS_MAP, cmd);
	munmap(cmd, PAGE);
	return rc;
}

static int map_unknown_flag(trace_data *self)
{
	return map_raw(self, SIZE, 1 << 31, self->mem, PAGE, IOVA);
}

static int map_number_large(trace_data *self)
{
	return map_fixed(self, self->mem, PAGE, UINT64_MAX);
}

static int map_memory_wraps(trace_data *self)
{
	return map_fixed(self, (void *)-PAGE, PAGES(2), IOVA);
}

static int map_iova_wraps(trace_data *self)
{
	return map_fixed(self, self->mem, PAGES(2), -(uint64_t)PAGE);
}

static int map_unplaceable(trace_data *self)
{
	uint64_t iova;

	return ioas_map_anywhere(self->fd, self->ioas, self->mem, 1UL << 63,
				 &iova, IOMMU_MAP_RW);
}

static int map_no_ioas(trace_data *self)
{
	return ioas_map(self->fd, NO_ID, self->mem, PAGE, IOVA, IOMMU_MAP_RW);
}

static int map_taken(trace_data *self)
{
	int rc = map_fixed(self, self->mem, PAGES(4), IOVA);

	return rc ?: map_fixed(self, self->mem, PAGE, IOVA + PAGE);
}

static int map_no_gap(trace_data *self)
{
	struct iommu_iova_range range = { IOVA + MB, IOVA + MB + PAGE - 1 };
	uint64_t iova;
	int rc;

	rc = ioas_allow(self->fd, self->ioas, &range, 1);
	if (!rc)
		rc = ioas_map_anywhere(self->fd, self->ioas, self->mem,
				       PAGES(2), &iova, IOMMU_MAP_RW);
	ioas_allow(self->fd, self->ioas, NULL, 0);
	return rc;
}

static int map_driver(trace_data *self)
{
	int rc = mock_fail(self->fd, MOCK_OP_MAP, 1);

	return rc ?: map_fixed(self, self->mem, PAGE, IOVA + 2 * MB);
}

static int map_not_there(trace_data *self)
{
	char *mem = alloc_memory(PAGES(2));

	munmap(mem, PAGES(2));
	return map_fixed(self, mem, PAGE, IOVA + 2 * MB);
}

static int map_protected(trace_data *self)
{
	char *mem = alloc_memory(PAGE);
	int rc = mprotect(mem, PAGE, PROT_READ);

	if (!rc)
		rc = map_fixed(self, mem, PAGE, IOVA + 2 * MB);
	munmap(mem, PAGE);
	return rc;
}

static int map_no_memory(trace_data *self)
{
	int fail = fail_nth_open(), rc;

	if (fail < 0)
		return fail;
	fail_nth_arm(fail, 1);
	rc = map_fixed(self, self->mem, PAGE, IOVA + 2 * MB);
	fail_nth_disarm(fail);
	close(fail);
	return rc;
}

static const struct cause map_others[] = {
	{ "struct-has-unknown-field", -E2BIG, NULL, map_unknown_field },
	{ "struct-too-long", -E2BIG, NULL, map_struct_long },
	{ "struct-unreadable", -EFAULT, NULL, map_unreadable },
	{ "struct-unwritable", -EFAULT, "map", map_unwritable },
	{ "unknown-flag", -EOPNOTSUPP, "map", map_unknown_flag },
	{ "number-too-large", -EOVERFLOW, "map", map_number_large },
	{ "memory-wraps", -EOVERFLOW, "map", map_memory_wraps },
	{ "iova-wraps", -EOVERFLOW, "map", map_iova_wraps },
	{ "length-unplaceable", -EOVERFLOW, "map", map_unplaceable },
	{ "no-such-ioas", -ENOENT, "map", map_no_ioas },
	{ "iova-taken", -EEXIST, "map", map_taken },
	{ "no-gap", -ENOSPC, "map", map_no_gap },
	{ "driver-cannot-map", -ENOMEM, "map", map_driver },
	{ "memory-not-there", -EFAULT, "map", map_not_there },
	{ "memory-protected", -EFAULT, "map", map_protected },
	{ "no-memory", -ENOMEM, "map", map_no_memory },
	{}
};

static int copy_to(trace_data *self, uint64_t iova, uint64_t from,
		   uint64_t length, uint32_t flags)
{
	return ioas_copy(self->fd, self->ioas, iova, self->other, from, length,
			 flags);
}

static int copy_no_access(trace_data *self)
{
	return copy_to(self, IOVA, IOVA, PAGE, 0);
}

static int copy_zero(trace_data *self)
{
	return copy_to(self, IOVA, IOVA, 0, IOMMU_MAP_RW);
}

static int copy_too_long(trace_data *self)
{
	return copy_to(self, IOVA, IOVA, -(uint64_t)HALF, IOMMU_MAP_RW);
}

static int copy_not_mapped(trace_data *self)
{
	return copy_to(self, IOVA, IOVA, PAGE, IOMMU_MAP_RW);
}

static int copy_read_only(trace_data *self)
{
	int rc = ioas_map(self->fd, self->other, self->mem, PAGE, 2 * IOVA,
			  IOMMU_IOAS_MAP_READABLE);

	return rc ?: copy_to(self, IOVA, 2 * IOVA, PAGE, IOMMU_MAP_RW);
}

static int copy_reserved(trace_data *self)
{
	int rc = ioas_map(self->fd, self->other, self->mem, PAGE, 3 * IOVA,
			  IOMMU_MAP_RW);

	return rc ?: copy_to(self, RESERVED, 3 * IOVA, PAGE, IOMMU_MAP_RW);
}

static int copy_misaligned(trace_data *self)
{
	return copy_to(self, IOVA + 1, 3 * IOVA, PAGE, IOMMU_MAP_RW);
}

static int copy_part(trace_data *self)
{
	return copy_to(self, IOVA, 3 * IOVA, 100, IOMMU_MAP_RW);
}

static int copy_no_ioas(trace_data *self)
{
	return ioas_copy(self->fd, self->ioas, IOVA, NO_ID, IOVA, PAGE,
			 IOMMU_MAP_RW);
}

static const struct cause copy_causes[] = {
	{ "neither-readable-nor-writable", -EINVAL, "copy", copy_no_access },
	{ "length-zero", -EINVAL, "copy", copy_zero },
	{ "length-too-long", -EINVAL, "copy", copy_too_long },
	{ "source-not-mapped", -ENOENT, "copy", copy_not_mapped },
	{ "source-read-only", -EPERM, "copy", copy_read_only },
	{ "iova-reserved", -EINVAL, "copy", copy_reserved },
	{ "iova-misaligned", -EINVAL, "copy", copy_misaligned },
	{ "length-misaligned", -EINVAL, "copy", copy_part },
	{ "no-such-ioas", -ENOENT, "copy", copy_no_ioas },
	{}
};

static int unmap(trace_data *self, uint64_t iova, uint64_t length)
{
	return ioas_unmap(self->fd, self->ioas, iova, length, NULL);
}

static int unmap_zero(trace_data *self)
{
	return unmap(self, IOVA, 0);
}

static int unmap_number_large(trace_data *self)
{
	return unmap(self, IOVA, UINT64_MAX);
}

static int unmap_wraps(trace_data *self)
{
	return unmap(self, -(uint64_t)PAGE, PAGES(2));
}

static int unmap_nothing(trace_data *self)
{
	return unmap(self, IOVA, PAGE);
}

static int unmap_cut(trace_data *self)
{
	int rc = map_fixed(self, self->mem, PAGES(2), IOVA);

	return rc ?: unmap(self, IOVA, PAGE);
}

static int unmap_no_ioas(trace_data *self)
{
	return ioas_unmap(self->fd, NO_ID, IOVA, PAGE, NULL);
}

static const struct cause unmap_causes[] = {
	{ "length-zero", -EINVAL, "unmap", unmap_zero },
	{ "number-too-large", -EOVERFLOW, "unmap", unmap_number_large },
	{ "iova-wraps", -EOVERFLOW, "unmap", unmap_wraps },
	{ "nothing-mapped", -ENOENT, "unmap", unmap_nothing },
	{ "mapping-cut", -ENOENT, "unmap", unmap_cut },
	{ "no-such-ioas", -ENOENT, "unmap", unmap_no_ioas },
	{}
};

/* Of a further mock device, to an IOAS that is then destroyed */
static int attach_to(trace_data *self, uint32_t pt)
{
	struct iommu_test_cmd device;

	return make_device(self->fd, pt, &device);
}

static int attach_unknown(trace_data *self)
{
	return attach_to(self, NO_ID);
}

static int attach_to_device(trace_data *self)
{
	return attach_to(self, self->device.mock_domain.out_idev_id);
}

static int attach_with(trace_data *self, const void *mem,
		       uint64_t length, uint64_t iova)
{
	uint32_t ioas;
	int rc;

	if (ioas_alloc(self->fd, &ioas))
		return 1;
	rc = ioas_map(self->fd, ioas, mem, length, iova, IOMMU_MAP_RW);
	if (!rc)
		rc = attach_to(self, ioas);
	iommu_destroy(self->fd, ioas);
	return rc;
}

static int attach_beyond(trace_data *self)
{
	return attach_with(self, self->mem, PAGE, PAGE);
}

static int attach_misaligned(trace_data *self)
{
	return attach_with(self, self->mem, 100, IOVA);
}

static int attach_not_there(trace_data *self)
{
	char *mem = alloc_memory(PAGE);

	munmap(mem, PAGE);
	return attach_with(self, mem, PAGE, IOVA);
}

static int attach_allowed_beyond(trace_data *self)
{
	struct iommu_iova_range range = { PAGE, PAGES(2) };
	uint32_t ioas;
	int rc;

	if (ioas_alloc(self->fd, &ioas))
		return 1;
	rc = ioas_allow(self->fd, ioas, &range, 1);
	if (!rc)
		rc = attach_to(self, ioas);
	iommu_destroy(self->fd, ioas);
	return rc;
}

static int attach_driver(trace_data *self)
{
	int rc = mock_fail(self->fd, MOCK_OP_ATTACH, 1);

	return rc ?: attach_to(self, self->ioas);
}

static int attach_no_domain(trace_data *self)
{
	int rc = mock_fail(self->fd, MOCK_OP_DOMAIN_ALLOC, 1);

	return rc ?: attach_to(self, self->other);
}

static const struct cause attach_causes[] = {
	{ "no-such-object", -ENOENT, "attach", attach_unknown },
	{ "neither-ioas-nor-hwpt", -EINVAL, "attach", attach_to_device },
	{ "mapping-beyond-aperture", -EADDRINUSE, "attach", attach_beyond },
	{ "mapping-misaligned", -EADDRINUSE, "attach", attach_misaligned },
	{ "allowed-beyond-aperture", -EADDRINUSE, "attach",
	  attach_allowed_beyond },
	{ "memory-not-there", -EFAULT, "attach", attach_not_there },
	{ "driver-cannot-attach", -ENOMEM, "attach", attach_driver },
	{ "driver-has-no-domain", -ENOMEM, "attach", attach_no_domain },
	{}
};

/* Each has a reason, and none that of another. */
static void expect_causes(struct __test_metadata *_metadata,
			  trace_data *self,
			  const struct cause *causes)
{
	char event[64], end[32], text[256];
	const struct cause *cause;
	int i, j;

	for (i = 0; causes[i].reason; i++) {
		cause = &causes[i];
		for (j = 0; j < i; j++)
			EXPECT_STRNE(causes[j].reason, cause->reason);
		EXPECT_EQ(0, trace_clear());
		EXPECT_EQ(cause->errno_, cause->provoke(self))
			TH_LOG("%s", cause->reason);
		EXPECT_EVENT("iommufd_refused", "reason=%s ret=%d",
			     cause->reason, cause->errno_);
		if (cause->event) {
			snprintf(event, sizeof(event), "iommufd_%s",
				 cause->event);
			snprintf(end, sizeof(end), " ret=%d", cause->errno_);
			EXPECT_LT(0, trace_last(event, text, sizeof(text)));
			EXPECT_LT(strlen(end), strlen(text));
			EXPECT_STREQ(end, text + strlen(text) - strlen(end));
		}
		unmap_all(self->fd, self->ioas);
	}
}

#define EXPECT_CAUSES(causes)	expect_causes(_metadata, self, causes)

TEST_F(trace, map_einval)
{
	EXPECT_CAUSES(map_einval);
}

TEST_F(trace, map_others)
{
	EXPECT_CAUSES(map_others);
}

TEST_F(trace, copy)
{
	EXPECT_CAUSES(copy_causes);
}

TEST_F(trace, unmap)
{
	EXPECT_CAUSES(unmap_causes);
}

TEST_F(trace, attach)
{
	EXPECT_CAUSES(attach_causes);
}

TEST_F(trace, destroy)
{
	EXPECT_EQ(-EBUSY, iommu_destroy(self->fd, self->ioas));
	EXPECT_EVENT("iommufd_refused", "reason=object-in-use ret=-16");
	EXPECT_EQ(-ENOENT, iommu_destroy(self->fd, NO_ID));
	EXPECT_EVENT("iommufd_refused", "reason=no-such-object ret=-2");
}

/* ENOMEM by the limit has a reason other than for want of memory, and numbers. */
TEST_F(trace, limit)
{
	int fd;

	ASSERT_EQ(0, set_memlock(PAGES(8)));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	EXPECT_EQ(-ENOMEM, map_fixed(self, self->mem, PAGES(9), IOVA));
	EXPECT_EVENT("iommufd_refused", "reason=memlock-of-user ret=-12");
	EXPECT_EVENT("iommufd_charge_refused",
		     "mode=user npages=9 locked=0 limit=8");
	EXPECT_EVENT("iommufd_pin", "of=process from=0x%lx npages=9 ret=-12",
		     (unsigned long)self->mem);

	fd = iommu_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, iommu_set_rlimit_mode(fd, 1));
	close(self->fd);
	self->fd = fd;
	ASSERT_EQ(0, ioas_alloc(fd, &self->ioas));
	ASSERT_EQ(0, make_device(fd, self->ioas, &self->device));
	ASSERT_EQ(0, map_fixed(self, self->mem, PAGES(2), IOVA));
	EXPECT_EQ(-ENOMEM, map_fixed(self, self->mem, PAGES(7), 2 * IOVA));
	EXPECT_EVENT("iommufd_refused", "reason=memlock-of-process ret=-12");
	EXPECT_EVENT("iommufd_charge_refused",
		     "mode=process npages=7 locked=2 limit=8");
}

/* ---- with devices of flesh and blood ---- */

FIXTURE(hardware)
{
	int fd;
	struct vdev first;
	struct vdev second;			/* of the same group */
	uint32_t ioas;
};

FIXTURE_SETUP(hardware)
{
	REQUIRE_IOMMU();
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	vdev_bind(_metadata, &self->first, "EDU_MF0", self->fd);
	vdev_bind(_metadata, &self->second, "EDU_MF1", self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	ASSERT_EQ(0, begin_trace());
}

FIXTURE_TEARDOWN(hardware)
{
	trace_end();
	close(self->first.fd);
	close(self->second.fd);
	close(self->fd);
}

/* Each of the group's devices has its events; the last one detaches it. */
TEST_F(hardware, group)
{
	uint32_t hwpt = self->ioas, again = self->ioas;

	ASSERT_EQ(0, vfio_attach(self->first.fd, &hwpt));
	ASSERT_EQ(0, vfio_attach(self->second.fd, &again));
	EXPECT_EQ(hwpt, again);
	ASSERT_EQ(0, vfio_detach(self->first.fd));
	EXPECT_EVENT("iommufd_detach", "device=%u hwpt=0", self->first.id);
	ASSERT_EQ(0, vfio_detach(self->second.fd));
	EXPECT_EVENT("iommufd_detach", "device=%u hwpt=%u", self->second.id,
		     hwpt);
	close(self->second.fd);
	EXPECT_EVENT("iommufd_unbind", "name=%s device=%u", self->second.bdf,
		     self->second.id);
	self->second.fd = -1;
}

/* The other EINVALs of attach, and EPERM of bind */
TEST_F(hardware, refused)
{
	struct iommu_test_cmd mock, move = {};
	uint32_t other, hwpt = self->ioas, pt;
	int fd, dev;

	ASSERT_EQ(0, vfio_attach(self->first.fd, &hwpt));
	ASSERT_EQ(0, ioas_alloc(self->fd, &other));
	pt = other;
	EXPECT_EQ(-EINVAL, vfio_attach(self->second.fd, &pt));
	EXPECT_EVENT("iommufd_refused",
		     "reason=group-attached-elsewhere ret=-22");

	ASSERT_EQ(0, make_device(self->fd, other, &mock));
	move.mock_domain_replace.pt_id = hwpt;
	EXPECT_EQ(-EINVAL, test_op(self->fd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
				   mock.mock_domain.out_stdev_id, &move));
	EXPECT_EVENT("iommufd_refused", "reason=hwpt-of-other-driver ret=-22");
	EXPECT_EVENT("iommufd_replace", "device=%u pt=%u hwpt=0 ret=-22",
		     mock.mock_domain.out_idev_id, hwpt);

	close(self->second.fd);
	self->second.fd = -1;
	fd = iommu_open();
	ASSERT_LE(0, fd);
	dev = vfio_cdev_open(self->second.bdf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EPERM, vfio_bind(dev, fd, NULL));
	EXPECT_EVENT("iommufd_refused", "reason=group-owned ret=-1");
	EXPECT_EVENT("iommufd_bind", "name=%s device=0 ret=-1",
		     self->second.bdf);
	close(dev);
	close(fd);
}

/* What the platform reserves */
TEST_F(hardware, reserved)
{
	struct iommu_iova_range range = { MSI_START, MSI_LAST };
	void *mem = alloc_memory(PAGE);
	uint32_t pt = self->ioas;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, mem, PAGE, MSI_START,
			      IOMMU_MAP_RW));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(self->first.fd, &pt));
	EXPECT_EVENT("iommufd_refused",
		     "reason=mapping-in-reserved-range ret=-98");
	ASSERT_EQ((int64_t)PAGE, unmap_all(self->fd, self->ioas));
	ASSERT_EQ(0, ioas_allow(self->fd, self->ioas, &range, 1));
	EXPECT_EQ(-EADDRINUSE, vfio_attach(self->first.fd, &pt));
	EXPECT_EVENT("iommufd_refused",
		     "reason=allowed-in-reserved-range ret=-98");
}

TEST_HARNESS_MAIN
