// SPDX-License-Identifier: GPL-2.0-only
/*
 * HWPTs that a program makes itself, and the ioctls on HWPTs.
 *
 *   testdev, edu --- ATTACH ---> HWPT (IOMMU_HWPT_ALLOC) ---> IOAS
 *
 * No driver here has nested page tables, dirty tracking or page faults for
 * user space: what asks for one of them must be told so by its own errno.
 */
#include "iommufd_utils.h"

#define IOVA	MB
#define RW	IOMMU_MAP_RW

FIXTURE(hwpt)
{
	struct bound b;
	struct edu edu;
	uint32_t edu_id;
	char *mem;
	long pinned;
};

FIXTURE_SETUP(hwpt)
{
	int dev;

	SETUP_BOUND(&self->b);
	dev = vfio_cdev_open(REQUIRE_DEVICE("EDU0"));
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_bind(dev, self->b.iommufd, &self->edu_id));
	ASSERT_EQ(0, edu_open(&self->edu, dev));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	self->pinned = pinned();
}

FIXTURE_TEARDOWN(hwpt)
{
	teardown_edu(&self->edu);
	teardown_bound(&self->b);
}

#define FD	(self->b.iommufd)
#define IOAS	(self->b.ioas)
#define MAP(iova, n) ioas_map(FD, IOAS, self->mem, PAGES(n), iova, RW)
#define EXPECT_PINNED(n)						\
	EXPECT_EQ(self->pinned + (long)PAGES(n), pinned())
#define ALLOC(id)	hwpt_alloc(FD, self->b.devid, IOAS, id)

static int attach_to(int dev, uint32_t id)
{
	uint32_t pt = id;
	int rc = vfio_attach(dev, &pt);

	return rc ?: pt == id ? 0 : -EBADMSG;
}

/* Of a good request, with fields changed */
#define ALLOC_WITH(...) ({						\
	struct iommu_hwpt_alloc __cmd = {				\
		.size = sizeof(__cmd),					\
		.dev_id = self->b.devid,				\
		.pt_id = IOAS,						\
		__VA_ARGS__						\
	};								\
									\
	xioctl(FD, IOMMU_HWPT_ALLOC, &__cmd);				\
})

/* No HWPT was left: the IOAS can be destroyed; and it is made again. */
#define EXPECT_NO_HWPT() do {						\
	EXPECT_EQ(0, iommu_destroy(FD, IOAS));				\
	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));				\
} while (0)

/* A device that is none: ENOENT, before the parent, the flags and the type */
TEST_F(hwpt, alloc_unknown_device_enoent)
{
	EXPECT_EQ(-ENOENT, ALLOC_WITH(.dev_id = NO_ID));
	EXPECT_EQ(-ENOENT, ALLOC_WITH(.dev_id = 0));
	EXPECT_EQ(-ENOENT, ALLOC_WITH(.dev_id = IOAS));
	EXPECT_EQ(-ENOENT, ALLOC_WITH(.dev_id = NO_ID, .pt_id = NO_ID));
	EXPECT_EQ(-ENOENT, ALLOC_WITH(.dev_id = NO_ID, .flags = 1U << 31));
	EXPECT_EQ(-ENOENT, ALLOC_WITH(.dev_id = NO_ID, .data_type = 1,
				      .data_len = 16));
	EXPECT_NO_HWPT();
}

/* A parent that is unknown, or a device: EINVAL, before the flags and the type */
TEST_F(hwpt, alloc_parent_einval)
{
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.pt_id = NO_ID));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.pt_id = 0));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.pt_id = self->b.devid));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.pt_id = NO_ID, .flags = 1U << 31));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.pt_id = self->b.devid, .data_type = 1,
				      .data_len = 16));
	EXPECT_NO_HWPT();
}

/* A HWPT as the parent, with data and without: no driver nests. EOPNOTSUPP */
TEST_F(hwpt, alloc_nested_eopnotsupp)
{
	uint64_t data[4] = {};
	uint32_t id;

	ASSERT_EQ(0, ALLOC(&id));
	EXPECT_EQ(-EOPNOTSUPP, ALLOC_WITH(.pt_id = id));
	EXPECT_EQ(-EOPNOTSUPP, ALLOC_WITH(.pt_id = id, .flags = 1U << 31));
	EXPECT_EQ(-EOPNOTSUPP,
		  ALLOC_WITH(.pt_id = id, .data_type = IOMMU_HWPT_DATA_VTD_S1,
			     .data_len = sizeof(data),
			     .data_uptr = (uintptr_t)data));
	ASSERT_EQ(0, iommu_destroy(FD, id));
	EXPECT_NO_HWPT();
}

/* Data without a type, or a type without data: EINVAL, before the ids */
TEST_F(hwpt, alloc_data_einval)
{
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.data_len = 16));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.data_type = IOMMU_HWPT_DATA_VTD_S1));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.data_type = UINT32_MAX));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.data_len = 16, .flags = 1U << 31));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.data_len = 16, .dev_id = NO_ID));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.data_type = IOMMU_HWPT_DATA_VTD_S1,
				      .dev_id = NO_ID));
	EXPECT_EQ(-EINVAL, ALLOC_WITH(.data_len = 16, .dev_id = NO_ID,
				      .pt_id = NO_ID));
	EXPECT_NO_HWPT();
}

/* A flag or a data type that no driver here knows: EOPNOTSUPP */
TEST_F(hwpt, alloc_eopnotsupp)
{
	uint64_t data[4] = {};
	uint32_t type;
	int bit;

	for (bit = 0; bit < 32; bit++)
		EXPECT_EQ(-EOPNOTSUPP, ALLOC_WITH(.flags = 1U << bit));
	EXPECT_EQ(-EOPNOTSUPP, ALLOC_WITH(.flags = IOMMU_HWPT_FAULT_ID_VALID,
					  .fault_id = NO_ID));
	for (type = 1; type < 5; type++)
		EXPECT_EQ(-EOPNOTSUPP,
			  ALLOC_WITH(.data_type = type,
				     .data_len = sizeof(data),
				     .data_uptr = (uintptr_t)data));
	EXPECT_NO_HWPT();
}

/* Reserved fields that are not 0: EOPNOTSUPP, before the data and the ids */
TEST_F(hwpt, alloc_reserved_eopnotsupp)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		EXPECT_EQ(-EOPNOTSUPP, ALLOC_WITH(.__reserved = 1U << bit,
						  .dev_id = NO_ID));
		EXPECT_EQ(-EOPNOTSUPP, ALLOC_WITH(.__reserved2 = 1U << bit,
						  .dev_id = NO_ID));
		EXPECT_EQ(-EOPNOTSUPP, ALLOC_WITH(.__reserved = 1U << bit,
						  .data_len = 16));
	}
	EXPECT_NO_HWPT();
}

/* A reply that cannot be written: EFAULT, and there is no HWPT */
TEST_F(hwpt, alloc_reply_efault)
{
	struct iommu_hwpt_alloc *cmd = (void *)self->mem;

	*cmd = (struct iommu_hwpt_alloc){
		.size = sizeof(*cmd),
		.dev_id = self->b.devid,
		.pt_id = IOAS,
	};
	ASSERT_EQ(0, mprotect(cmd, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(FD, IOMMU_HWPT_ALLOC, cmd));
	EXPECT_NO_HWPT();
}

/*
 * What QEMU does to start, and to end: GET_HW_INFO without a buffer, a HWPT,
 * ATTACH to it, a second device to the same, MAP, DETACH, DESTROY.
 */
TEST_F(hwpt, a13_a14_vmm)
{
	struct iommu_hw_info info = {
		.size = sizeof(info),
		.dev_id = self->b.devid,
	};
	uint32_t id;

	ASSERT_EQ(0, xioctl(FD, IOMMU_GET_HW_INFO, &info));
	EXPECT_EQ(0, info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING);
	ASSERT_EQ(0, ALLOC(&id));
	EXPECT_NE(0, id);
	ASSERT_EQ(0, attach_to(self->b.dev, id));
	ASSERT_EQ(0, attach_to(self->edu.dev, id));
	ASSERT_EQ(0, MAP(IOVA, 1));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(-EBUSY, iommu_destroy(FD, id));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, vfio_detach(self->edu.dev));
	EXPECT_EQ(0, iommu_destroy(FD, id));
	EXPECT_PINNED(0);
	EXPECT_EQ(PAGE, unmap_all(FD, IOAS));
	EXPECT_EQ(0, iommu_destroy(FD, IOAS));
}

/* What was mapped before the HWPT, before its first attach, and after */
TEST_F(hwpt, shows_ioas)
{
	uint32_t id;

	ASSERT_EQ(0, MAP(IOVA, 1));
	ASSERT_EQ(0, hwpt_alloc(FD, self->edu_id, IOAS, &id));
	ASSERT_EQ(0, MAP(2 * IOVA, 1));
	ASSERT_EQ(0, attach_to(self->edu.dev, id));
	ASSERT_EQ(0, MAP(3 * IOVA, 1));
	EXPECT_PINNED(3);
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, 2 * IOVA));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, 3 * IOVA));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, 2 * IOVA, PAGE, NULL));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, 2 * IOVA));
}

/* It stays when the last device leaves, in step with its IOAS. */
TEST_F(hwpt, outlives_detach)
{
	uint32_t id;

	ASSERT_EQ(0, ALLOC(&id));
	ASSERT_EQ(0, MAP(IOVA, 1));
	ASSERT_EQ(0, attach_to(self->edu.dev, id));
	ASSERT_EQ(0, vfio_detach(self->edu.dev));
	EXPECT_EQ(-EBUSY, iommu_destroy(FD, IOAS));
	ASSERT_EQ(0, MAP(2 * IOVA, 2));
	EXPECT_PINNED(3);
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, IOVA, PAGE, NULL));
	EXPECT_PINNED(2);
	ASSERT_EQ(0, attach_to(self->edu.dev, id));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, 2 * IOVA));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, vfio_detach(self->edu.dev));
	EXPECT_EQ(0, iommu_destroy(FD, id));
	EXPECT_PINNED(0);
	EXPECT_EQ(-ENOENT, iommu_destroy(FD, id));
	EXPECT_EQ(-ENOENT, attach_to(self->edu.dev, id));
	EXPECT_NO_HWPT();
}

/* The limits come with the first attach: of more than is mapped: EADDRINUSE */
TEST_F(hwpt, limits_at_attach)
{
	struct iommu_iova_range range;
	uint64_t alignment;
	uint32_t id, num = 1;

	ASSERT_EQ(0, ALLOC(&id));
	ASSERT_EQ(0, ioas_ranges(FD, IOAS, &range, &num, &alignment));
	EXPECT_EQ(1, alignment);
	ASSERT_EQ(0, MAP(MSI_START, 1));
	EXPECT_EQ(-EADDRINUSE, attach_to(self->b.dev, id));
	EXPECT_EQ(PAGE, unmap_all(FD, IOAS));
	ASSERT_EQ(0, ioas_map(FD, IOAS, self->mem, 1, IOVA + 1, RW));
	EXPECT_EQ(-EADDRINUSE, attach_to(self->b.dev, id));
	EXPECT_EQ(1, unmap_all(FD, IOAS));
	ASSERT_EQ(0, ioas_map(FD, IOAS, NULL, PAGE, IOVA, RW));
	EXPECT_EQ(-EFAULT, attach_to(self->b.dev, id));
	EXPECT_PINNED(0);
	EXPECT_EQ(PAGE, unmap_all(FD, IOAS));
	EXPECT_EQ(0, attach_to(self->b.dev, id));
	EXPECT_EQ(-EINVAL, MAP(MSI_START, 1));
}

/* IOAS to HWPT, HWPT to that of another IOAS, and back to the IOAS */
TEST_F(hwpt, replace)
{
	uint32_t id, other, other_id;
	char *mem = self->mem + PAGES(8);

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ALLOC(&id));
	ASSERT_EQ(0, hwpt_alloc(FD, self->b.devid, other, &other_id));
	ASSERT_EQ(0, MAP(IOVA, 1));
	ASSERT_EQ(0, ioas_map(FD, other, mem, PAGE, 2 * IOVA, RW));

	ASSERT_EQ(0, attach_edu(&self->edu, IOAS));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, attach_to(self->edu.dev, id));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, attach_to(self->edu.dev, other_id));
	EXPECT_TRUE(dma_works(&self->edu, mem, 2 * IOVA));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	EXPECT_EQ(0, iommu_destroy(FD, id));
	ASSERT_EQ(0, attach_edu(&self->edu, IOAS));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	EXPECT_TRUE(dma_is_blocked(&self->edu, mem, 2 * IOVA));
	EXPECT_EQ(0, iommu_destroy(FD, other_id));
	EXPECT_EQ(0, iommu_destroy(FD, other));
	/* The automatic one goes with the detach. */
	ASSERT_EQ(0, vfio_detach(self->edu.dev));
	EXPECT_NO_HWPT();
	EXPECT_PINNED(0);
}

/* A replace that fails leaves the device where it was. */
TEST_F(hwpt, failed_replace)
{
	uint32_t id, other, other_id;

	ASSERT_EQ(0, ioas_alloc(FD, &other));
	ASSERT_EQ(0, ALLOC(&id));
	ASSERT_EQ(0, hwpt_alloc(FD, self->b.devid, other, &other_id));
	ASSERT_EQ(0, ioas_map(FD, other, NULL, PAGE, IOVA, RW));
	ASSERT_EQ(0, MAP(IOVA, 1));
	ASSERT_EQ(0, attach_to(self->edu.dev, id));
	EXPECT_EQ(-EFAULT, attach_to(self->edu.dev, other_id));
	EXPECT_EQ(-ENOENT, attach_to(self->edu.dev, NO_ID));
	EXPECT_EQ(-EINVAL, attach_to(self->edu.dev, self->b.devid));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	EXPECT_EQ(-EBUSY, iommu_destroy(FD, id));
	EXPECT_EQ(0, iommu_destroy(FD, other_id));
	EXPECT_PINNED(1);
}

/* An attach to an IOAS takes no HWPT that a program made. */
TEST_F(hwpt, not_for_ioas)
{
	uint32_t id, pt = IOAS;

	ASSERT_EQ(0, ALLOC(&id));
	ASSERT_EQ(0, attach_to(self->edu.dev, id));
	ASSERT_EQ(0, vfio_attach(self->b.dev, &pt));
	EXPECT_NE(id, pt);
	EXPECT_NE(IOAS, pt);
	/* The automatic one can be named, while it is there. */
	EXPECT_EQ(0, attach_to(self->edu.dev, pt));
	EXPECT_EQ(0, iommu_destroy(FD, id));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(-EBUSY, iommu_destroy(FD, pt));
	ASSERT_EQ(0, vfio_detach(self->edu.dev));
	EXPECT_EQ(-ENOENT, iommu_destroy(FD, pt));
}

/* Nor does a device stay on one that is attached to the HWPT's own IOAS. */
TEST_F(hwpt, left_for_ioas)
{
	uint32_t id, pt = IOAS;

	ASSERT_EQ(0, ALLOC(&id));
	ASSERT_EQ(0, MAP(IOVA, 1));
	ASSERT_EQ(0, attach_to(self->edu.dev, id));
	ASSERT_EQ(0, vfio_attach(self->edu.dev, &pt));
	EXPECT_NE(id, pt);
	EXPECT_EQ(0, iommu_destroy(FD, id));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* Closing everything at once takes it all away. */
TEST_F(hwpt, close)
{
	uint32_t id;

	ASSERT_EQ(0, ALLOC(&id));
	ASSERT_EQ(0, MAP(IOVA, 4));
	ASSERT_EQ(0, attach_to(self->b.dev, id));
	EXPECT_PINNED(4);
	close(FD);
	FD = -1;
	EXPECT_PINNED(4);
	close(self->b.dev);
	self->b.dev = -1;
	/* The edu's binding keeps the context, and its HWPT. */
	EXPECT_PINNED(4);
	edu_close(&self->edu);
	close(self->edu.dev);
	self->edu.dev = -1;
	EXPECT_PINNED(0);
	self->edu.dev = vfio_cdev_open(REQUIRE_DEVICE("EDU0"));
	ASSERT_LE(0, self->edu.dev);
	FD = iommu_open();
	ASSERT_LE(0, FD);
	ASSERT_EQ(0, vfio_bind(self->edu.dev, FD, NULL));
	ASSERT_EQ(0, edu_open(&self->edu, self->edu.dev));
}

/* Two devices of a group on two HWPTs: EINVAL */
TEST_F(hwpt, group_einval)
{
	struct vdev one, two;
	uint32_t id, other;

	vdev_bind(_metadata, &one, "EDU_MF0", FD);
	vdev_bind(_metadata, &two, "EDU_MF1", FD);
	ASSERT_EQ(0, hwpt_alloc(FD, one.id, IOAS, &id));
	ASSERT_EQ(0, hwpt_alloc(FD, two.id, IOAS, &other));
	ASSERT_EQ(0, attach_to(one.fd, id));
	EXPECT_EQ(-EINVAL, attach_to(two.fd, other));
	EXPECT_EQ(0, iommu_destroy(FD, other));
	EXPECT_EQ(0, attach_to(two.fd, id));
	close(one.fd);
	EXPECT_EQ(-EBUSY, iommu_destroy(FD, id));
	close(two.fd);
	EXPECT_EQ(0, iommu_destroy(FD, id));
}

/* Dirty tracking: ENOENT for what is no HWPT, EOPNOTSUPP for what is one */
TEST_F(hwpt, dirty_tracking)
{
	struct iommu_hwpt_set_dirty_tracking set = { .size = sizeof(set) };
	struct iommu_hwpt_get_dirty_bitmap get = {
		.size = sizeof(get),
		.iova = IOVA,
		.length = PAGE,
		.page_size = PAGE,
		.data = (uintptr_t)self->mem,
	};
	uint32_t id, i;

	ASSERT_EQ(0, ALLOC(&id));
	{
		const uint32_t wrong[] = { 0, NO_ID, IOAS, self->b.devid };

		for (i = 0; i < 4; i++) {
			set.hwpt_id = wrong[i];
			EXPECT_EQ(-ENOENT,
				  xioctl(FD, IOMMU_HWPT_SET_DIRTY_TRACKING,
					 &set));
			get.hwpt_id = wrong[i];
			EXPECT_EQ(-ENOENT,
				  xioctl(FD, IOMMU_HWPT_GET_DIRTY_BITMAP,
					 &get));
		}
	}
	set.hwpt_id = id;
	get.hwpt_id = id;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(FD, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
	set.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(FD, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
	EXPECT_EQ(-EOPNOTSUPP, xioctl(FD, IOMMU_HWPT_GET_DIRTY_BITMAP, &get));

	/* Flags and reserved fields come before the id. */
	set.hwpt_id = NO_ID;
	get.hwpt_id = NO_ID;
	for (i = 0; i < 32; i++) {
		set.__reserved = 1U << i;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(FD, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
		get.__reserved = 1U << i;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(FD, IOMMU_HWPT_GET_DIRTY_BITMAP, &get));
	}
	set.__reserved = 0;
	get.__reserved = 0;
	for (i = 1; i < 32; i++) {
		set.flags = 1U << i;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(FD, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
		get.flags = 1U << i;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(FD, IOMMU_HWPT_GET_DIRTY_BITMAP, &get));
	}
}

#define INVALIDATE(...) ({						\
	struct iommu_hwpt_invalidate __cmd = {				\
		.size = sizeof(__cmd),					\
		.hwpt_id = id,						\
		.data_uptr = (uintptr_t)self->mem,			\
		.entry_len = 16,					\
		.entry_num = 1,						\
		__VA_ARGS__						\
	};								\
	int __rc = xioctl(FD, IOMMU_HWPT_INVALIDATE, &__cmd);		\
									\
	/* However it ends, nothing was done, and that is told. */	\
	EXPECT_EQ(0, __cmd.entry_num);					\
	__rc;								\
})

/* INVALIDATE of nothing: ENOENT; a probe's pointer and length do not matter. */
TEST_F(hwpt, invalidate_enoent)
{
	uint32_t id = NO_ID;

	EXPECT_EQ(-ENOENT, INVALIDATE());
	EXPECT_EQ(-ENOENT, INVALIDATE(.hwpt_id = 0));
	EXPECT_EQ(-ENOENT, INVALIDATE(.data_type = 77));
	EXPECT_EQ(-ENOENT, INVALIDATE(.entry_num = 1 << 19));
	EXPECT_EQ(-ENOENT, INVALIDATE(.entry_len = PAGE));
	EXPECT_EQ(-ENOENT, INVALIDATE(.entry_num = 0));
	EXPECT_EQ(-ENOENT, INVALIDATE(.entry_num = 0, .entry_len = 0,
				      .data_uptr = 0));
	EXPECT_EQ(-ENOENT, INVALIDATE(.entry_num = 0,
				      .entry_len = UINT32_MAX));
}

/* INVALIDATE of what is not a nested HWPT: EINVAL */
TEST_F(hwpt, invalidate_not_nested_einval)
{
	uint32_t id;

	ASSERT_EQ(0, ALLOC(&id));
	EXPECT_EQ(-EINVAL, INVALIDATE());
	EXPECT_EQ(-EINVAL, INVALIDATE(.hwpt_id = IOAS));
	EXPECT_EQ(-EINVAL, INVALIDATE(.hwpt_id = self->b.devid));
	EXPECT_EQ(-EINVAL, INVALIDATE(.data_type = 77));
	EXPECT_EQ(-EINVAL, INVALIDATE(.entry_num = 0));
	EXPECT_EQ(-EINVAL, INVALIDATE(.entry_num = 0, .entry_len = 0,
				      .data_uptr = 0));
}

/* INVALIDATE with no data, or too much of it: EINVAL, before the id */
TEST_F(hwpt, invalidate_einval)
{
	uint32_t id = NO_ID;

	EXPECT_EQ(-EINVAL, INVALIDATE(.data_uptr = 0));
	EXPECT_EQ(-EINVAL, INVALIDATE(.entry_len = 0));
	EXPECT_EQ(-EINVAL, INVALIDATE(.entry_num = (1 << 19) + 1));
	EXPECT_EQ(-EINVAL, INVALIDATE(.entry_num = UINT32_MAX));
	EXPECT_EQ(-EINVAL, INVALIDATE(.entry_len = PAGE + 1));
	EXPECT_EQ(-EINVAL, INVALIDATE(.entry_len = UINT32_MAX));
}

/* INVALIDATE with a reserved field: EOPNOTSUPP, before the entries */
TEST_F(hwpt, invalidate_reserved_eopnotsupp)
{
	uint32_t id = NO_ID, bit;

	for (bit = 0; bit < 32; bit++) {
		EXPECT_EQ(-EOPNOTSUPP, INVALIDATE(.__reserved = 1U << bit));
		EXPECT_EQ(-EOPNOTSUPP, INVALIDATE(.__reserved = 1U << bit,
						  .data_uptr = 0));
	}
}

/* INVALIDATE whose count cannot be written back: EFAULT */
TEST_F(hwpt, invalidate_reply_efault)
{
	struct iommu_hwpt_invalidate *cmd = (void *)self->mem;

	*cmd = (struct iommu_hwpt_invalidate){
		.size = sizeof(*cmd),
		.hwpt_id = NO_ID,
	};
	ASSERT_EQ(0, mprotect(cmd, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(FD, IOMMU_HWPT_INVALIDATE, cmd));
}

/* FAULT_QUEUE_ALLOC: EOPNOTSUPP, and neither an object nor a file is made */
TEST_F(hwpt, fault_queue_eopnotsupp)
{
	struct iommu_fault_alloc cmd = {
		.size = sizeof(cmd),
		.out_fault_id = 77,
		.out_fault_fd = 78,
	};
	int fd = dup(0);

	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-EOPNOTSUPP, xioctl(FD, IOMMU_FAULT_QUEUE_ALLOC, &cmd));
	cmd.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(FD, IOMMU_FAULT_QUEUE_ALLOC, &cmd));
	EXPECT_EQ(77, cmd.out_fault_id);
	EXPECT_EQ(78, cmd.out_fault_fd);
	EXPECT_EQ(fd, dup(0));
}

TEST_HARNESS_MAIN
