// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_IOMMU_GET_INFO of an iommufd as the container of groups, whose devices
 * are not open yet: a program plans by it which addresses it will map.
 *
 *    EDU0 --- group --+
 *                     +-- /dev/iommu, which no device is bound to
 *    EDU1 --- group --+
 */
#include "fail.h"
#include "type1.h"
#include "vfio_test.h"

#define FAIL_MOST	1000	/* no ioctl allocates more often */

#define RANGES_MAX	16

/* What VFIO_IOMMU_GET_INFO tells of what can be mapped */
struct usable {
	uint64_t pgsizes;
	uint32_t nr;
	struct {
		uint64_t start;
		uint64_t last;
	} ranges[RANGES_MAX];
};

static void copy_ranges(struct usable *usable,
			const struct vfio_iommu_type1_info_cap_iova_range *cap)
{
	uint32_t i;

	usable->nr = cap->nr_iovas;
	for (i = 0; i < cap->nr_iovas && i < RANGES_MAX; i++) {
		usable->ranges[i].start = cap->iova_ranges[i].start;
		usable->ranges[i].last = cap->iova_ranges[i].end;
	}
}

static int get_usable(int container, struct usable *usable)
{
	union {
		struct vfio_iommu_type1_info info;
		char bytes[1024];
	} buf = { .info.argsz = sizeof(buf) };
	const struct vfio_info_cap_header *cap;
	uint32_t offset;
	int rc = xioctl(container, VFIO_IOMMU_GET_INFO, &buf);

	memset(usable, 0, sizeof(*usable));
	if (rc)
		return rc;
	usable->pgsizes = buf.info.iova_pgsizes;
	for (offset = buf.info.cap_offset; offset; offset = cap->next) {
		cap = (const void *)(buf.bytes + offset);
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			copy_ranges(usable, (const void *)cap);
	}
	return 0;
}

FIXTURE(info) {
	const char *bdf;
	struct type1 t1;	/* the container is an iommufd */
};

FIXTURE_SETUP(info)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("EDU0");
	self->t1.container = iommu_open();
	ASSERT_LE(0, self->t1.container);
	self->t1.group = vfio_group_open(self->bdf);
	ASSERT_LE(0, self->t1.group);
}

FIXTURE_TEARDOWN(info)
{
}

static int set_container(struct _test_data_info *self)
{
	return vfio_group_set_container(self->t1.group, self->t1.container);
}

static int unset_container(struct _test_data_info *self)
{
	return xioctl(self->t1.group, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

static int vfio_ioas_set(int iommufd, uint32_t id)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = id,
	};

	return xioctl(iommufd, IOMMU_VFIO_IOAS, &cmd);
}

/*
 * What can be mapped is known before a device is open, and does not change then.
 * It is what a container of VFIO's tells.
 */
TEST_F(info, before_device)
{
	int vfio = open(VFIO_CONTAINER, O_RDWR);
	struct usable type1, before, after;

	ASSERT_LE(0, vfio);
	ASSERT_EQ(0, vfio_group_set_container(self->t1.group, vfio));
	ASSERT_EQ(0, vfio_set_iommu(vfio, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, get_usable(vfio, &type1));
	ASSERT_EQ(0, unset_container(self));

	ASSERT_EQ(0, set_container(self));
	ASSERT_EQ(0, vfio_set_iommu(self->t1.container, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, get_usable(self->t1.container, &before));
	ASSERT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
	ASSERT_EQ(0, get_usable(self->t1.container, &after));
	EXPECT_LE(1, before.nr);
	EXPECT_EQ(after.nr, before.nr);
	EXPECT_EQ(after.pgsizes, before.pgsizes);
	EXPECT_EQ(0, memcmp(&after, &before, sizeof(after)));
	EXPECT_EQ(type1.nr, before.nr);
	EXPECT_EQ(type1.pgsizes, before.pgsizes);
	EXPECT_EQ(0, memcmp(&type1, &before, sizeof(before)));
}

/* The window of MSIs, which every machine here reserves, is left out. */
TEST_F(info, reserved)
{
	const uint64_t msi = 0xfee00000;
	struct usable usable;
	bool in = false;
	uint32_t i;

	ASSERT_EQ(0, set_container(self));
	ASSERT_EQ(0, get_usable(self->t1.container, &usable));
	for (i = 0; i < usable.nr; i++)
		in = in || (usable.ranges[i].start <= msi &&
			    usable.ranges[i].last >= msi);
	EXPECT_FALSE(in);
	EXPECT_EQ(PAGE, usable.pgsizes & -usable.pgsizes);
}

/* It is that of the groups that are there. */
TEST_F(info, after_group)
{
	struct usable usable;

	ASSERT_EQ(0, set_container(self));
	ASSERT_EQ(0, unset_container(self));
	ASSERT_EQ(0, get_usable(self->t1.container, &usable));
	EXPECT_EQ(1, usable.nr);
	EXPECT_EQ(0, usable.ranges[0].start);
	EXPECT_EQ(UINT64_MAX, usable.ranges[0].last);
	EXPECT_EQ(UINT64_MAX, usable.pgsizes);
}

/* Of two groups, one of which is open, and has an address space elsewhere */
TEST_F(info, other_group)
{
	const char *bdf = REQUIRE_DEVICE("EDU1");
	struct usable one, both;
	uint32_t ioas;
	int group;

	ASSERT_EQ(0, set_container(self));
	ASSERT_EQ(0, get_usable(self->t1.container, &one));
	ASSERT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
	ASSERT_EQ(0, ioas_alloc(self->t1.container, &ioas));
	ASSERT_EQ(0, vfio_ioas_set(self->t1.container, ioas));
	group = vfio_group_open(bdf);
	ASSERT_LE(0, group);
	ASSERT_EQ(0, vfio_group_set_container(group, self->t1.container));
	ASSERT_EQ(0, get_usable(self->t1.container, &both));
	EXPECT_EQ(0, memcmp(&one, &both, sizeof(one)));
}

/*
 * Every allocation fails once: ENOMEM, or an answer.  That may have a reserved
 * region less, for 6.1's IOMMU drivers do not tell of one that they cannot
 * allocate.  The device has no interrupt pin, see bind_fail_nth of cdev.c.
 */
TEST(fail_nth)
{
	int fd = fail_nth_open(), group, iommufd = iommu_open(), injected = 1;
	unsigned int nth, failed = 0;
	struct usable expected, usable;
	int rc;

	REQUIRE_IOMMU();
	ASSERT_LE(0, fd);
	ASSERT_LE(0, iommufd);
	group = vfio_group_open(REQUIRE_DEVICE("TESTDEV0"));
	ASSERT_LE(0, group);
	ASSERT_EQ(0, vfio_group_set_container(group, iommufd));
	ASSERT_EQ(0, get_usable(iommufd, &expected));
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		rc = get_usable(iommufd, &usable);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (rc) {
			ASSERT_EQ(-ENOMEM, rc);
			failed++;
		} else {
			EXPECT_LE(1, usable.nr);
			EXPECT_EQ(expected.pgsizes, usable.pgsizes);
		}
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, failed);
	ASSERT_EQ(0, get_usable(iommufd, &usable));
	EXPECT_EQ(0, memcmp(&expected, &usable, sizeof(usable)));
}

TEST_HARNESS_MAIN
