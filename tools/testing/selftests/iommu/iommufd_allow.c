// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_ALLOW_IOVAS: from where the kernel chooses addresses.
 */
#include "iommufd_utils.h"

#define IOVA	MB
#define RW	IOMMU_MAP_RW

FIXTURE(allow)
{
	int fd;
	uint32_t id;
	char *mem;
};

FIXTURE_SETUP(allow)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->id));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(allow)
{
	close(self->fd);
}

#define RANGE(from, to)		((struct iommu_iova_range){ from, to })
#define ALLOW_IN(fd, id, ...) ({					\
	const struct iommu_iova_range __ranges[] = { __VA_ARGS__ };	\
									\
	ioas_allow(fd, id, __ranges, sizeof(__ranges) / sizeof(*__ranges)); \
})
#define ALLOW(...)	ALLOW_IN(self->fd, self->id, __VA_ARGS__)
#define CHOOSE(length, iova) \
	ioas_map_anywhere(self->fd, self->id, self->mem, length, iova, RW)

/* Exactly these pages, from IOVA on, and none besides, can be chosen. */
#define EXPECT_ROOM(n) do {						\
	int __i, __n = n;						\
	uint64_t __iova;						\
									\
	for (__i = 0; __i < __n; __i++) {				\
		ASSERT_EQ(0, CHOOSE(PAGE, &__iova));			\
		EXPECT_LE(IOVA, __iova);				\
		EXPECT_GT(IOVA + PAGES(__n), __iova);			\
	}								\
	EXPECT_EQ(-ENOSPC, CHOOSE(PAGE, &__iova));			\
	EXPECT_EQ(PAGES(__n), unmap_all(self->fd, self->id));		\
} while (0)

/* Addresses are chosen from the list, also to its last byte. */
TEST_F(allow, chosen_from_list)
{
	uint64_t iova;

	ASSERT_EQ(0, ALLOW(RANGE(IOVA, IOVA + PAGES(4) - 1)));
	EXPECT_ROOM(4);
	EXPECT_EQ(-ENOSPC, CHOOSE(PAGES(5), &iova));
	EXPECT_EQ(0, CHOOSE(PAGES(4), &iova));
	EXPECT_EQ(IOVA, iova);
}

/* A range that is too small is passed over; two that adjoin are as one. */
TEST_F(allow, several_ranges)
{
	uint64_t iova;

	ASSERT_EQ(0, ALLOW(RANGE(IOVA, IOVA + PAGE - 1),
			   RANGE(3 * IOVA + PAGE, 3 * IOVA + PAGES(2) - 1),
			   RANGE(3 * IOVA, 3 * IOVA + PAGE - 1)));
	EXPECT_EQ(0, CHOOSE(PAGES(2), &iova));
	EXPECT_EQ(3 * IOVA, iova);
	EXPECT_EQ(0, CHOOSE(PAGE, &iova));
	EXPECT_EQ(IOVA, iova);
	EXPECT_EQ(-ENOSPC, CHOOSE(PAGE, &iova));
}

/* A fixed MAP is free to go elsewhere, and IOVA_RANGES does not change. */
TEST_F(allow, fixed_elsewhere)
{
	struct iommu_iova_range range;
	uint32_t num = 1;

	ASSERT_EQ(0, ALLOW(RANGE(IOVA, IOVA + PAGES(4) - 1)));
	EXPECT_EQ(0, ioas_map(self->fd, self->id, self->mem, PAGE, 2 * IOVA,
			      RW));
	EXPECT_EQ(0, ioas_ranges(self->fd, self->id, &range, &num, NULL));
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(UINT64_MAX, range.last);
}

/* What is mapped may be outside of the list, and inside. */
TEST_F(allow, mapped_already)
{
	ASSERT_EQ(0, ioas_map(self->fd, self->id, self->mem, PAGE, 2 * IOVA,
			      RW));
	ASSERT_EQ(0, ioas_map(self->fd, self->id, self->mem, PAGE, IOVA, RW));
	EXPECT_EQ(0, ALLOW(RANGE(IOVA, IOVA + PAGES(4) - 1)));
	EXPECT_EQ(PAGES(2), unmap_all(self->fd, self->id));
	EXPECT_ROOM(4);
}

/* Each call replaces the list as a whole; an empty one lifts it. */
TEST_F(allow, replaced)
{
	uint64_t iova;

	ASSERT_EQ(0, ALLOW(RANGE(8 * IOVA, 9 * IOVA), RANGE(0, IOVA)));
	ASSERT_EQ(0, ALLOW(RANGE(IOVA, IOVA + PAGES(3) - 1)));
	EXPECT_ROOM(3);
	ASSERT_EQ(0, ioas_allow(self->fd, self->id, NULL, 0));
	EXPECT_EQ(0, CHOOSE(PAGES(5), &iova));
}

/* COPY chooses from the list, too. */
TEST_F(allow, copy)
{
	uint64_t iova;

	ASSERT_EQ(0, ioas_map(self->fd, self->id, self->mem, PAGE, 2 * IOVA,
			      RW));
	ASSERT_EQ(0, ALLOW(RANGE(IOVA, IOVA + PAGE - 1)));
	EXPECT_EQ(0, ioas_copy_anywhere(self->fd, self->id, &iova, self->id,
					2 * IOVA, PAGE, RW));
	EXPECT_EQ(IOVA, iova);
	EXPECT_EQ(-ENOSPC, ioas_copy_anywhere(self->fd, self->id, &iova,
					      self->id, 2 * IOVA, PAGE, RW));
}

/* Never 0, even if the list begins there, and up to the highest address */
TEST_F(allow, both_ends)
{
	uint64_t iova;

	ASSERT_EQ(0, ALLOW(RANGE(0, PAGES(2) - 1)));
	EXPECT_EQ(0, CHOOSE(PAGE, &iova));
	EXPECT_EQ(PAGE, iova);
	EXPECT_EQ(-ENOSPC, CHOOSE(PAGE, &iova));
	ASSERT_EQ(0, ALLOW(RANGE(-PAGE, UINT64_MAX)));
	EXPECT_EQ(0, CHOOSE(PAGE, &iova));
	EXPECT_EQ(-PAGE, iova);
	EXPECT_EQ(-ENOSPC, CHOOSE(PAGE, &iova));
	ASSERT_EQ(0, ALLOW(RANGE(0, UINT64_MAX)));
	EXPECT_EQ(0, CHOOSE(PAGE, &iova));
}

/* A range whose start is not below its last, or two that overlap: EINVAL */
TEST_F(allow, einval)
{
	ASSERT_EQ(0, ALLOW(RANGE(IOVA, IOVA + PAGES(4) - 1)));
	EXPECT_EQ(-EINVAL, ALLOW(RANGE(PAGE, PAGE)));
	EXPECT_EQ(-EINVAL, ALLOW(RANGE(2 * IOVA, IOVA)));
	EXPECT_EQ(-EINVAL, ALLOW(RANGE(0, IOVA), RANGE(IOVA, 2 * IOVA)));
	EXPECT_EQ(-EINVAL, ALLOW(RANGE(0, IOVA), RANGE(0, IOVA)));
	EXPECT_EQ(-EINVAL, ALLOW(RANGE(0, 4 * IOVA), RANGE(IOVA, 2 * IOVA)));
	EXPECT_EQ(-EINVAL, ALLOW(RANGE(0, IOVA), RANGE(3 * IOVA, 2 * IOVA)));
	/* The old list stays. */
	EXPECT_ROOM(4);
}

/* A list that cannot be read: EFAULT, and the old one stays */
TEST_F(allow, efault)
{
	struct iommu_iova_range *ranges = (void *)(self->mem + PAGE);

	ASSERT_EQ(0, ALLOW(RANGE(IOVA, IOVA + PAGES(4) - 1)));
	EXPECT_EQ(-EFAULT, ioas_allow(self->fd, self->id, NULL, 1));
	ranges[-1] = RANGE(0, IOVA);
	ASSERT_EQ(0, mprotect(ranges, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, ioas_allow(self->fd, self->id, &ranges[-1], 2));
	EXPECT_ROOM(4);
}

/* No number of entries makes the kernel warn: ENOMEM, or EFAULT where read */
TEST_F(allow, huge_count)
{
	const struct iommu_iova_range range = RANGE(0, IOVA);
	int rc = ioas_allow(self->fd, self->id, &range, UINT32_MAX);

	EXPECT_TRUE(rc == -ENOMEM || rc == -EFAULT || rc == -EINVAL);
}

/* The IOAS is looked up first: ENOENT whatever the list is */
TEST_F(allow, unknown_ioas_enoent)
{
	EXPECT_EQ(-ENOENT, ioas_allow(self->fd, NO_ID, NULL, 0));
	EXPECT_EQ(-ENOENT, ioas_allow(self->fd, NO_ID, NULL, 1));
	EXPECT_EQ(-ENOENT, ALLOW_IN(self->fd, NO_ID, RANGE(2, 1)));
}

/* A reserved field that is not 0: EOPNOTSUPP */
TEST_F(allow, reserved_eopnotsupp)
{
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = self->id,
	};
	int bit;

	for (bit = 0; bit < 32; bit++) {
		cmd.__reserved = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(self->fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd));
	}
}

FIXTURE(device)
{
	struct bound b;
	char *mem;
};

FIXTURE_SETUP(device)
{
	SETUP_BOUND(&self->b);
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(device)
{
	teardown_bound(&self->b);
}

#define ALLOW_DEV(...)	ALLOW_IN(self->b.iommufd, self->b.ioas, __VA_ARGS__)
#define ATTACH()	attach(&self->b, self->b.ioas)

/* A range that touches what is reserved: EADDRINUSE, and the old list stays */
TEST_F(device, reserved_eaddrinuse)
{
	uint64_t iova;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ALLOW_DEV(RANGE(IOVA, IOVA + PAGE - 1)));
	EXPECT_EQ(-EADDRINUSE, ALLOW_DEV(RANGE(MSI_START, MSI_LAST)));
	EXPECT_EQ(-EADDRINUSE, ALLOW_DEV(RANGE(0, MSI_START)));
	EXPECT_EQ(-EADDRINUSE, ALLOW_DEV(RANGE(MSI_LAST, MSI_LAST + PAGE)));
	EXPECT_EQ(-EADDRINUSE, ALLOW_DEV(RANGE(2 * IOVA, 3 * IOVA),
					 RANGE(MSI_START - 1, MSI_START)));
	EXPECT_EQ(0, ioas_map_anywhere(self->b.iommufd, self->b.ioas,
				       self->mem, PAGE, &iova, RW));
	EXPECT_EQ(IOVA, iova);
	EXPECT_EQ(-ENOSPC, ioas_map_anywhere(self->b.iommufd, self->b.ioas,
					     self->mem, PAGE, &iova, RW));
	EXPECT_EQ(0, ALLOW_DEV(RANGE(0, MSI_START - 1),
			       RANGE(MSI_LAST + 1, 2 * MSI_LAST)));
}

/* Beyond what the IOMMU translates, where there is such: EADDRINUSE */
TEST_F(device, aperture_eaddrinuse)
{
	struct iommu_iova_range ranges[32];
	uint32_t num = 32;
	uint64_t last;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_ranges(self->b.iommufd, self->b.ioas, ranges, &num,
				 NULL));
	last = ranges[num - 1].last;
	EXPECT_EQ(0, ALLOW_DEV(RANGE(last - 1, last)));
	if (last != UINT64_MAX)
		EXPECT_EQ(-EADDRINUSE, ALLOW_DEV(RANGE(last, last + 1)));
}

/* Attach of a device that reserves what is allowed: EADDRINUSE; not attached */
TEST_F(device, attach_eaddrinuse)
{
	ASSERT_EQ(0, ALLOW_DEV(RANGE(0, MSI_START)));
	EXPECT_EQ(-EADDRINUSE, ATTACH());
	EXPECT_EQ(0, ioas_map(self->b.iommufd, self->b.ioas, self->mem, PAGE,
			      MSI_START, RW));
	EXPECT_EQ(PAGE, unmap_all(self->b.iommufd, self->b.ioas));
	ASSERT_EQ(0, ALLOW_DEV(RANGE(0, MSI_START - 1)));
	EXPECT_EQ(0, ATTACH());
	/* What detach gives back may be allowed again. */
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(0, ALLOW_DEV(RANGE(0, UINT64_MAX)));
	EXPECT_EQ(-EADDRINUSE, ATTACH());
	EXPECT_EQ(0, ioas_allow(self->b.iommufd, self->b.ioas, NULL, 0));
	EXPECT_EQ(0, ATTACH());
}

TEST_HARNESS_MAIN
