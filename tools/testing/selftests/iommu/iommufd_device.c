// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAS with a device attached: what can be mapped, what a device reserves,
 * and that a failure leaves neither a mapping nor a pinned page.
 *
 *   device --- HWPT, made by the attach --- IOAS --- memory of this process
 */
#include "iommufd_utils.h"

#define IOVA	MB

FIXTURE(attached)
{
	struct bound b;
	char *mem;
	long pinned;	/* before any MAP */
};

FIXTURE_SETUP(attached)
{
	SETUP_BOUND(&self->b);
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	self->pinned = pinned();
	ASSERT_LE(0, self->pinned);
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
}

FIXTURE_TEARDOWN(attached)
{
	teardown_bound(&self->b);
}

#define MAP_VA(va, iova, length, flags) \
	ioas_map(self->b.iommufd, self->b.ioas, va, length, iova, flags)
#define MAP(iova, length)	MAP_VA(self->mem, iova, length, IOMMU_MAP_RW)
#define UNMAP(iova, length) \
	ioas_unmap(self->b.iommufd, self->b.ioas, iova, length, NULL)
#define UNMAP_ALL()	unmap_all(self->b.iommufd, self->b.ioas)

/* Nothing is mapped and nothing is pinned. */
#define EXPECT_CLEAN() do {						\
	EXPECT_EQ(0, UNMAP_ALL());					\
	EXPECT_EQ(self->pinned, pinned());				\
} while (0)

/* MAP pins each page once, UNMAP lets it go. */
TEST_F(attached, map_pins)
{
	ASSERT_EQ(0, MAP(IOVA, PAGES(5)));
	EXPECT_EQ(self->pinned + PAGES(5), pinned());
	EXPECT_EQ(0, UNMAP(IOVA, PAGES(5)));
	EXPECT_CLEAN();
}

/* A second MAP of the same memory counts again. */
TEST_F(attached, map_twice_pins_twice)
{
	ASSERT_EQ(0, MAP(IOVA, PAGES(3)));
	ASSERT_EQ(0, MAP(2 * IOVA, PAGES(3)));
	EXPECT_EQ(self->pinned + PAGES(6), pinned());
	EXPECT_EQ(0, UNMAP(IOVA, PAGES(3)));
	EXPECT_EQ(self->pinned + PAGES(3), pinned());
	EXPECT_EQ(PAGES(3), UNMAP_ALL());
	EXPECT_CLEAN();
}

/* MAP of an address where no memory is: EFAULT */
TEST_F(attached, map_no_memory_efault)
{
	ASSERT_EQ(0, munmap(self->mem, PAGE));
	EXPECT_EQ(-EFAULT, MAP(IOVA, PAGE));
	EXPECT_CLEAN();
}

/* MAP with a hole at its start, in it, at its end: EFAULT, none stays pinned */
TEST_F(attached, map_hole_efault)
{
	static const unsigned int holes[] = { 0, 1, 100, 254, 255 };
	size_t i;
	char *va;

	for (i = 0; i < sizeof(holes) / sizeof(*holes); i++) {
		va = alloc_memory(PAGES(256));
		ASSERT_NE(NULL, va);
		ASSERT_EQ(0, munmap(va + PAGES(holes[i]), PAGE));
		EXPECT_EQ(-EFAULT, MAP_VA(va, IOVA, PAGES(256), IOMMU_MAP_RW));
		EXPECT_CLEAN();
	}
}

/* MAP of a kernel address: EFAULT */
TEST_F(attached, map_kernel_address_efault)
{
	EXPECT_EQ(-EFAULT, MAP_VA((void *)0xffff888000000000UL, IOVA, PAGE,
				  IOMMU_IOAS_MAP_READABLE));
	EXPECT_CLEAN();
}

/* MAP of memory without any access right: EFAULT */
TEST_F(attached, map_prot_none_efault)
{
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, MAP_VA(self->mem, IOVA, PAGE,
				  IOMMU_IOAS_MAP_READABLE));
	EXPECT_EQ(-EFAULT, MAP_VA(self->mem, IOVA, PAGE,
				  IOMMU_IOAS_MAP_WRITEABLE));
	EXPECT_CLEAN();
}

/* MAP for writing of read-only memory: EFAULT; for reading it is fine */
TEST_F(attached, map_read_only_efault)
{
	int fd = memfd_create("ro", 0);
	char *shared;

	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, MAP(IOVA, PAGE));
	EXPECT_EQ(-EFAULT, MAP_VA(self->mem, IOVA, PAGE,
				  IOMMU_IOAS_MAP_WRITEABLE));
	EXPECT_CLEAN();
	EXPECT_EQ(0, MAP_VA(self->mem, IOVA, PAGE, IOMMU_IOAS_MAP_READABLE));

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, shared);
	EXPECT_EQ(-EFAULT, MAP_VA(shared, 2 * IOVA, PAGE, IOMMU_MAP_RW));
	EXPECT_EQ(0, MAP_VA(shared, 2 * IOVA, PAGE, IOMMU_IOAS_MAP_READABLE));
	EXPECT_EQ(PAGES(2), UNMAP_ALL());
	EXPECT_CLEAN();
}

/* MAP of shared memory past the end of its file: EFAULT */
TEST_F(attached, map_past_end_of_file_efault)
{
	int fd = memfd_create("short", 0);
	char *va;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGES(2)));
	va = mmap(NULL, PAGES(4), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, va);
	EXPECT_EQ(-EFAULT, MAP_VA(va, IOVA, PAGES(4), IOMMU_MAP_RW));
	EXPECT_CLEAN();
	EXPECT_EQ(0, MAP_VA(va, IOVA, PAGES(2), IOMMU_MAP_RW));
}

/* MAP of a mmapped PCI BAR: EFAULT, which VMMs take as a warning */
TEST_F(attached, map_bar_efault)
{
	size_t size;
	char *bar;

	ASSERT_EQ(0, vfio_enable_dma(self->b.dev));
	bar = vfio_region_mmap(self->b.dev, TESTDEV_BAR, &size);
	ASSERT_NE(NULL, bar);
	EXPECT_EQ(-EFAULT, MAP_VA(bar, IOVA, PAGE, IOMMU_MAP_RW));
	EXPECT_EQ(-EFAULT, MAP_VA(bar, IOVA, PAGE, IOMMU_IOAS_MAP_READABLE));
	EXPECT_CLEAN();
}

/* MAP of memory the program never touched gives the pages it then sees. */
TEST_F(attached, map_untouched_memory)
{
	struct edu edu;
	char *out = self->mem + PAGE;

	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, self->b.ioas));
	/* A read-only mapping of the zero page would miss the write below. */
	ASSERT_EQ(0, MAP_VA(self->mem, IOVA, PAGE, IOMMU_IOAS_MAP_READABLE));
	ASSERT_EQ(0, MAP_VA(out, 2 * IOVA, PAGE, IOMMU_IOAS_MAP_WRITEABLE));
	fill(self->mem, 64, 1);
	ASSERT_EQ(0, edu_copy(&edu, IOVA, 2 * IOVA, 64));
	EXPECT_EQ(0, memcmp(self->mem, out, 64));
	teardown_edu(&edu);
}

/* Huge pages, whole and cut, and neighbours of 4 KiB: all of it is pinned once */
TEST_F(attached, map_huge_pages)
{
	char *va, *huge;

	va = alloc_memory(4 * HUGE);
	ASSERT_NE(NULL, va);
	huge = (char *)(((uintptr_t)va + HUGE - 1) & -HUGE);
	madvise(va, 4 * HUGE, MADV_HUGEPAGE);
	memset(huge, 1, 2 * HUGE);

	ASSERT_EQ(0, MAP_VA(huge, 4 * HUGE, 2 * HUGE, IOMMU_MAP_RW));
	EXPECT_EQ(self->pinned + 2 * HUGE, pinned());
	ASSERT_EQ(0, MAP_VA(huge + PAGE, 8 * HUGE, HUGE, IOMMU_MAP_RW));
	EXPECT_EQ(self->pinned + 3 * HUGE, pinned());
	ASSERT_EQ(0, MAP_VA(huge + HUGE - PAGE, 12 * HUGE + PAGE, PAGES(2),
			    IOMMU_MAP_RW));
	EXPECT_EQ(self->pinned + 3 * HUGE + PAGES(2), pinned());
	EXPECT_EQ(3 * HUGE + PAGES(2), UNMAP_ALL());
	EXPECT_CLEAN();
}

/* MAP that is not a multiple of the IOMMU's page: EINVAL */
TEST_F(attached, map_unaligned_einval)
{
	uint64_t iova;

	EXPECT_EQ(-EINVAL, MAP(IOVA, PAGE - 1));
	EXPECT_EQ(-EINVAL, MAP(IOVA, PAGE + 1));
	EXPECT_EQ(-EINVAL, MAP(IOVA + 1, PAGE));
	EXPECT_EQ(-EINVAL, MAP(IOVA + 2048, PAGE));
	EXPECT_EQ(-EINVAL, MAP_VA(self->mem + 1, IOVA, PAGE, IOMMU_MAP_RW));
	EXPECT_EQ(-EINVAL, MAP_VA(self->mem + 1, IOVA + 1, PAGE, IOMMU_MAP_RW));
	EXPECT_EQ(-EINVAL, ioas_map_anywhere(self->b.iommufd, self->b.ioas,
					     self->mem + 8, PAGE, &iova,
					     IOMMU_MAP_RW));
	EXPECT_EQ(-EINVAL, ioas_map_anywhere(self->b.iommufd, self->b.ioas,
					     self->mem, PAGE + 8, &iova,
					     IOMMU_MAP_RW));
	EXPECT_CLEAN();
}

/*
 * IOVA_RANGES with a device: in order, disjoint, the MSI range left out, the
 * alignment that of the IOMMU's smallest page.
 */
TEST_F(attached, ranges_shrink)
{
	struct iommu_iova_range ranges[32];
	uint32_t i, num = 0, needed;
	uint64_t alignment;

	EXPECT_EQ(-EMSGSIZE, ioas_ranges(self->b.iommufd, self->b.ioas, NULL,
					 &num, &alignment));
	ASSERT_LT(1, num);
	ASSERT_GE(32, num);
	EXPECT_EQ(PAGE, alignment);

	/* Too short by one: what fits is filled, and the number is told. */
	memset(ranges, 0, sizeof(ranges));
	needed = num;
	num--;
	EXPECT_EQ(-EMSGSIZE, ioas_ranges(self->b.iommufd, self->b.ioas, ranges,
					 &num, &alignment));
	EXPECT_EQ(needed, num);
	EXPECT_NE(0, ranges[num - 2].last);
	EXPECT_EQ(0, ranges[num - 1].last);

	num = 32;
	ASSERT_EQ(0, ioas_ranges(self->b.iommufd, self->b.ioas, ranges, &num,
				 &alignment));
	EXPECT_EQ(needed, num);
	for (i = 0; i < num; i++) {
		EXPECT_LT(ranges[i].start, ranges[i].last);
		EXPECT_EQ(0, ranges[i].start % PAGE);
		EXPECT_EQ(0, (ranges[i].last + 1) % PAGE);
		EXPECT_TRUE(ranges[i].last < MSI_START ||
			    ranges[i].start > MSI_LAST);
		if (i)
			EXPECT_LT(ranges[i - 1].last + 1, ranges[i].start);
	}
}

/* HUGE_PAGES cannot be turned off with a domain and a mapping: EINVAL */
TEST_F(attached, huge_pages_einval)
{
	uint64_t on;

	ASSERT_EQ(0, MAP(IOVA, PAGE));
	EXPECT_EQ(-EINVAL, ioas_set_huge_pages(self->b.iommufd, self->b.ioas,
					       0));
	EXPECT_EQ(0, ioas_get_huge_pages(self->b.iommufd, self->b.ioas, &on));
	EXPECT_EQ(1, on);
	EXPECT_EQ(0, ioas_set_huge_pages(self->b.iommufd, self->b.ioas, 1));
	EXPECT_EQ(PAGE, UNMAP_ALL());
	EXPECT_EQ(0, ioas_set_huge_pages(self->b.iommufd, self->b.ioas, 0));
	ASSERT_EQ(0, MAP(IOVA, PAGE));
	/* Off when it is off, and on, are never refused. */
	EXPECT_EQ(0, ioas_set_huge_pages(self->b.iommufd, self->b.ioas, 0));
	EXPECT_EQ(0, ioas_set_huge_pages(self->b.iommufd, self->b.ioas, 1));
}

/* Without huge pages a huge page is mapped, and pinned, all the same. */
TEST_F(attached, huge_pages_off)
{
	struct edu edu;
	char *va;

	ASSERT_EQ(0, ioas_set_huge_pages(self->b.iommufd, self->b.ioas, 0));
	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, self->b.ioas));
	va = alloc_memory(2 * HUGE);
	ASSERT_NE(NULL, va);
	va = (char *)(((uintptr_t)va + HUGE - 1) & -HUGE);
	memset(va, 1, HUGE);
	ASSERT_EQ(0, MAP_VA(va, 4 * HUGE, HUGE, IOMMU_MAP_RW));
	EXPECT_EQ(self->pinned + HUGE, pinned());
	EXPECT_TRUE(dma_works(&edu, va + HUGE - PAGE, 5 * HUGE - PAGE));
	EXPECT_EQ(HUGE, UNMAP_ALL());
	EXPECT_TRUE(dma_is_blocked(&edu, va, 4 * HUGE));
	EXPECT_CLEAN();
	teardown_edu(&edu);
}

/* After detach all addresses are there again, byte by byte. */
TEST_F(attached, ranges_grow_on_detach)
{
	struct iommu_iova_range range;
	uint64_t alignment;
	uint32_t num = 1;

	ASSERT_EQ(0, vfio_detach(self->b.dev));
	ASSERT_EQ(0, ioas_ranges(self->b.iommufd, self->b.ioas, &range, &num,
				 &alignment));
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(UINT64_MAX, range.last);
	EXPECT_EQ(1, alignment);
	EXPECT_EQ(0, MAP(MSI_START + 1, 1));
}

/* Fixed MAP into what a device reserves: EINVAL */
TEST_F(attached, map_reserved_einval)
{
	struct iommu_iova_range ranges[32];
	uint32_t num = 32;

	EXPECT_EQ(-EINVAL, MAP(MSI_START, PAGE));
	EXPECT_EQ(-EINVAL, MAP(MSI_LAST + 1 - PAGE, PAGE));
	EXPECT_EQ(-EINVAL, MAP(MSI_START - PAGE, PAGES(2)));
	EXPECT_EQ(-EINVAL, MAP(MSI_LAST + 1 - PAGE, PAGES(2)));
	EXPECT_EQ(0, MAP(MSI_START - PAGE, PAGE));
	EXPECT_EQ(0, MAP(MSI_LAST + 1, PAGE));
	EXPECT_EQ(PAGES(2), UNMAP_ALL());

	/* Both sides of the last range's end */
	ASSERT_EQ(0, ioas_ranges(self->b.iommufd, self->b.ioas, ranges, &num,
				 NULL));
	EXPECT_EQ(0, MAP(ranges[num - 1].last + 1 - PAGE, PAGE));
	EXPECT_EQ(PAGE, UNMAP_ALL());
	if (ranges[num - 1].last != UINT64_MAX) {
		EXPECT_EQ(-EINVAL, MAP(ranges[num - 1].last + 1, PAGE));
		EXPECT_EQ(-EINVAL, MAP(ranges[num - 1].last + 1 - PAGE,
				       PAGES(2)));
	}
	EXPECT_CLEAN();
}

/* Chosen IOVAs stay within the ranges. */
TEST_F(attached, anywhere_avoids_reserved)
{
	struct iommu_iova_range ranges[32];
	uint32_t i, j, num = 32;
	uint64_t iova;

	ASSERT_EQ(0, ioas_ranges(self->b.iommufd, self->b.ioas, ranges, &num,
				 NULL));
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(0, ioas_map_anywhere(self->b.iommufd, self->b.ioas,
					       self->mem, MB, &iova,
					       IOMMU_MAP_RW));
		for (j = 0; j < num; j++)
			if (iova >= ranges[j].start &&
			    iova + MB - 1 <= ranges[j].last)
				break;
		EXPECT_LT(j, num)
			TH_LOG("iova %#lx", iova);
	}
}

/* DESTROY of an IOAS that a device is attached to, or of the device: EBUSY */
TEST_F(attached, destroy_ebusy)
{
	EXPECT_EQ(-EBUSY, iommu_destroy(self->b.iommufd, self->b.ioas));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->b.iommufd, self->b.devid));
	EXPECT_EQ(0, MAP(IOVA, PAGE));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->b.iommufd, self->b.devid));
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, self->b.ioas));
	EXPECT_EQ(self->pinned, pinned());
}

/* DESTROY of an attached HWPT: EBUSY; it is gone after the detach: ENOENT */
TEST_F(attached, destroy_hwpt_ebusy)
{
	uint32_t hwpt = self->b.ioas;

	ASSERT_EQ(0, vfio_attach(self->b.dev, &hwpt));
	ASSERT_NE(self->b.ioas, hwpt);
	EXPECT_EQ(-EBUSY, iommu_destroy(self->b.iommufd, hwpt));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(-ENOENT, iommu_destroy(self->b.iommufd, hwpt));
}

/* MAP, UNMAP and IOVA_RANGES of an object that is no IOAS: ENOENT */
TEST_F(attached, wrong_type_enoent)
{
	struct iommu_iova_range range;
	uint32_t num = 1, hwpt = self->b.ioas;

	ASSERT_EQ(0, vfio_attach(self->b.dev, &hwpt));
	EXPECT_EQ(-ENOENT, ioas_map(self->b.iommufd, hwpt, self->mem, PAGE,
				    IOVA, IOMMU_MAP_RW));
	EXPECT_EQ(-ENOENT, ioas_unmap(self->b.iommufd, hwpt, 0, ALL, NULL));
	EXPECT_EQ(-ENOENT, ioas_unmap(self->b.iommufd, self->b.devid, 0, ALL,
				      NULL));
	EXPECT_EQ(-ENOENT, ioas_ranges(self->b.iommufd, self->b.devid, &range,
				       &num, NULL));
}

/* Detach unpins what stays mapped, attach pins it again. */
TEST_F(attached, detach_unpins)
{
	ASSERT_EQ(0, MAP(IOVA, PAGES(4)));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(-EEXIST, MAP(IOVA, PAGE));
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	EXPECT_EQ(self->pinned + PAGES(4), pinned());
	EXPECT_EQ(PAGES(4), UNMAP_ALL());
	EXPECT_CLEAN();
}

/* Close of the device unpins, close of /dev/iommu alone does not. */
TEST_F(attached, close_unpins)
{
	ASSERT_EQ(0, MAP(IOVA, PAGES(4)));
	close(self->b.iommufd);
	self->b.iommufd = -1;
	EXPECT_EQ(self->pinned + PAGES(4), pinned());
	close(self->b.dev);
	self->b.dev = -1;
	EXPECT_EQ(self->pinned, pinned());
}

/* The same with the device closed first */
TEST_F(attached, close_device_first)
{
	ASSERT_EQ(0, MAP(IOVA, PAGES(4)));
	close(self->b.dev);
	self->b.dev = -1;
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(PAGES(4), UNMAP_ALL());
}

/* Replace: the memory of the new IOAS is pinned, that of the old one not. */
TEST_F(attached, replace)
{
	uint32_t other;

	ASSERT_EQ(0, MAP(IOVA, PAGES(4)));
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &other));
	ASSERT_EQ(0, ioas_map(self->b.iommufd, other, self->mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, attach(&self->b, other));
	EXPECT_EQ(self->pinned + PAGE, pinned());
	EXPECT_EQ(-EBUSY, iommu_destroy(self->b.iommufd, other));
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, self->b.ioas));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, other));
	EXPECT_EQ(self->pinned, pinned());
}

/* A replace that fails leaves the device where it was: DMA goes on. */
TEST_F(attached, replace_efault_keeps_old)
{
	struct edu edu;
	uint32_t other;

	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, self->b.ioas));
	ASSERT_EQ(0, MAP(IOVA, PAGES(2)));
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &other));
	ASSERT_EQ(0, ioas_map(self->b.iommufd, other, NULL, PAGE, IOVA,
			      IOMMU_MAP_RW));
	EXPECT_EQ(-EFAULT, attach_edu(&edu, other));
	EXPECT_EQ(self->pinned + PAGES(2), pinned());
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, other));

	fill(self->mem, 64, 2);
	ASSERT_EQ(0, edu_copy(&edu, IOVA, IOVA + PAGE, 64));
	EXPECT_EQ(0, memcmp(self->mem, self->mem + PAGE, 64));
	teardown_edu(&edu);
}

FIXTURE(unattached)
{
	struct bound b;
	char *mem;
	long pinned;
};

FIXTURE_SETUP(unattached)
{
	SETUP_BOUND(&self->b);
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	self->pinned = pinned();
}

FIXTURE_TEARDOWN(unattached)
{
	teardown_bound(&self->b);
}

/* Attach fails, nothing is pinned; without the culprit it works. */
#define EXPECT_ATTACH_FAILS(error, culprit, length) do {		\
	EXPECT_EQ(error, attach(&self->b, self->b.ioas));		\
	EXPECT_EQ(self->pinned, pinned());				\
	EXPECT_EQ(0, UNMAP(culprit, length));				\
	EXPECT_EQ(0, attach(&self->b, self->b.ioas));			\
	EXPECT_EQ(0, vfio_detach(self->b.dev));				\
	EXPECT_EQ(self->pinned, pinned());				\
} while (0)

/* Attach with an address mapped where no memory is: EFAULT */
TEST_F(unattached, no_memory_efault)
{
	ASSERT_EQ(0, MAP(IOVA, PAGES(4)));
	ASSERT_EQ(0, MAP_VA(NULL, 2 * IOVA, PAGES(2), IOMMU_MAP_RW));
	EXPECT_ATTACH_FAILS(-EFAULT, 2 * IOVA, PAGES(2));
	EXPECT_EQ(PAGES(4), UNMAP_ALL());
}

/* Attach with read-only memory mapped for writing: EFAULT */
TEST_F(unattached, read_only_efault)
{
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_READ));
	ASSERT_EQ(0, MAP(IOVA, PAGE));
	EXPECT_ATTACH_FAILS(-EFAULT, IOVA, PAGE);
}

/* Attach with a BAR mapped: EFAULT */
TEST_F(unattached, bar_efault)
{
	size_t size;
	char *bar;

	ASSERT_EQ(0, vfio_enable_dma(self->b.dev));
	bar = vfio_region_mmap(self->b.dev, TESTDEV_BAR, &size);
	ASSERT_NE(NULL, bar);
	ASSERT_EQ(0, MAP_VA(bar, IOVA, PAGE, IOMMU_MAP_RW));
	EXPECT_ATTACH_FAILS(-EFAULT, IOVA, PAGE);
}

/* Attach with something mapped where the device reserves: EADDRINUSE */
TEST_F(unattached, reserved_eaddrinuse)
{
	ASSERT_EQ(0, MAP(MSI_START + PAGE, PAGE));
	EXPECT_ATTACH_FAILS(-EADDRINUSE, MSI_START + PAGE, PAGE);
}

/* Attach with something mapped beyond the IOMMU's reach: EADDRINUSE */
TEST_F(unattached, aperture_eaddrinuse)
{
	struct iommu_iova_range ranges[32];
	uint32_t num = 32;

	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	ASSERT_EQ(0, ioas_ranges(self->b.iommufd, self->b.ioas, ranges, &num,
				 NULL));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	if (ranges[num - 1].last == UINT64_MAX)
		SKIP(return, "this IOMMU reaches all addresses");
	ASSERT_EQ(0, MAP(ranges[num - 1].last + 1, PAGE));
	EXPECT_ATTACH_FAILS(-EADDRINUSE, ranges[num - 1].last + 1, PAGE);
}

/* Attach with a mapping that is not made of whole pages: EADDRINUSE */
TEST_F(unattached, unaligned_eaddrinuse)
{
	ASSERT_EQ(0, MAP(IOVA, PAGE + 1));
	EXPECT_ATTACH_FAILS(-EADDRINUSE, IOVA, PAGE + 1);
	ASSERT_EQ(0, MAP(IOVA + 1, PAGE));
	EXPECT_ATTACH_FAILS(-EADDRINUSE, IOVA + 1, PAGE);
	ASSERT_EQ(0, MAP_VA(self->mem + 1, IOVA, PAGE, IOMMU_MAP_RW));
	EXPECT_ATTACH_FAILS(-EADDRINUSE, IOVA, PAGE);
}

/* A failed attach does not change what can be mapped. */
TEST_F(unattached, failure_leaves_ranges)
{
	struct iommu_iova_range range;
	uint64_t alignment;
	uint32_t num = 1;

	ASSERT_EQ(0, MAP(MSI_START, PAGE));
	EXPECT_EQ(-EADDRINUSE, attach(&self->b, self->b.ioas));
	ASSERT_EQ(0, ioas_ranges(self->b.iommufd, self->b.ioas, &range, &num,
				 &alignment));
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(UINT64_MAX, range.last);
	EXPECT_EQ(1, alignment);
	EXPECT_EQ(0, MAP(IOVA, 1));
	EXPECT_EQ(PAGE + 1, UNMAP_ALL());
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, self->b.ioas));
}

/* Attach when the process that mapped is gone: EFAULT */
TEST_F(unattached, mapper_gone_efault)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-MAP(IOVA, PAGES(2)));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_ATTACH_FAILS(-EFAULT, IOVA, PAGES(2));
}

/* Many mappings of many sizes are all there after attach, and gone after. */
TEST_F(unattached, many_mappings)
{
	uint64_t i, total = 0;

	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, MAP(IOVA + i * MB, PAGES(1 + i % 7)));
		total += PAGES(1 + i % 7);
	}
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	EXPECT_EQ(self->pinned + total, pinned());
	for (i = 0; i < 300; i += 2) {
		EXPECT_EQ(0, UNMAP(IOVA + i * MB, MB));
		total -= PAGES(1 + i % 7);
	}
	EXPECT_EQ(self->pinned + total, pinned());
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(total, UNMAP_ALL());
}

TEST_HARNESS_MAIN
