// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects, and the IOAS without a device: where mappings can be and what
 * UNMAP takes away.  Nothing is pinned here, so that any address and length
 * will do for memory.
 *
 *   0 |---------- one range, the alignment is 1 byte ----------| U64_MAX
 */
#include "iommufd_utils.h"

#define HALF	0x8000000000000000ULL

FIXTURE(ioas)
{
	int fd;
	uint32_t id;
	char *mem;
};

FIXTURE_SETUP(ioas)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->id));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(ioas)
{
	close(self->fd);
}

#define MAP(iova, length) \
	ioas_map(self->fd, self->id, self->mem, length, iova, IOMMU_MAP_RW)
#define UNMAP(iova, length) \
	ioas_unmap(self->fd, self->id, iova, length, NULL)

/* DESTROY of id 0, of an unknown one and of one destroyed before: ENOENT */
TEST_F(ioas, destroy_unknown_enoent)
{
	EXPECT_EQ(-ENOENT, iommu_destroy(self->fd, 0));
	EXPECT_EQ(-ENOENT, iommu_destroy(self->fd, self->id + 1));
	EXPECT_EQ(-ENOENT, iommu_destroy(self->fd, NO_ID));
	EXPECT_EQ(-ENOENT, iommu_destroy(self->fd, UINT32_MAX));
	EXPECT_EQ(0, iommu_destroy(self->fd, self->id));
	EXPECT_EQ(-ENOENT, iommu_destroy(self->fd, self->id));
}

/* Mappings do not keep an IOAS from being destroyed. */
TEST_F(ioas, destroy_takes_mappings)
{
	ASSERT_EQ(0, MAP(PAGE, PAGE));
	ASSERT_EQ(0, MAP(PAGES(4), PAGE));
	EXPECT_EQ(0, iommu_destroy(self->fd, self->id));
	EXPECT_EQ(-ENOENT, UNMAP(0, ALL));
	EXPECT_EQ(-ENOENT, MAP(PAGE, PAGE));
}

/* An id means nothing to another open file. */
TEST_F(ioas, ids_are_per_file)
{
	int other = iommu_open();
	uint32_t id;

	ASSERT_LE(0, other);
	EXPECT_EQ(-ENOENT, iommu_destroy(other, self->id));
	ASSERT_EQ(0, ioas_alloc(other, &id));
	EXPECT_NE(0, id);
	ASSERT_EQ(0, ioas_map(other, id, self->mem, PAGE, 0, IOMMU_MAP_RW));
	EXPECT_EQ(0, unmap_all(self->fd, self->id));
	close(other);
}

/* Two IOAS of one file have nothing to do with one another. */
TEST_F(ioas, two_address_spaces)
{
	uint32_t other;

	ASSERT_EQ(0, ioas_alloc(self->fd, &other));
	EXPECT_NE(self->id, other);
	ASSERT_EQ(0, MAP(PAGE, PAGE));
	EXPECT_EQ(0, ioas_map(self->fd, other, self->mem, PAGES(2), PAGE,
			      IOMMU_MAP_RW));
	EXPECT_EQ(PAGE, unmap_all(self->fd, self->id));
	EXPECT_EQ(PAGES(2), unmap_all(self->fd, other));
}

/* Many objects, destroyed in another order, leave nothing behind. */
TEST_F(ioas, many_objects)
{
	uint32_t ids[200];
	int i;

	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, ioas_alloc(self->fd, &ids[i]));
	for (i = 0; i < 200; i += 2)
		ASSERT_EQ(0, iommu_destroy(self->fd, ids[i]));
	for (i = 199; i > 0; i -= 2)
		ASSERT_EQ(0, iommu_destroy(self->fd, ids[i]));
	EXPECT_EQ(0, iommu_destroy(self->fd, self->id));
	EXPECT_EQ(0, iommu_set_rlimit_mode(self->fd, 1));
}

/* IOVA_RANGES, MAP and UNMAP of an unknown IOAS: ENOENT */
TEST_F(ioas, unknown_ioas_enoent)
{
	struct iommu_iova_range range;
	uint32_t num = 1;
	uint64_t iova;

	EXPECT_EQ(-ENOENT, ioas_ranges(self->fd, NO_ID, &range, &num, NULL));
	EXPECT_EQ(-ENOENT, ioas_ranges(self->fd, 0, &range, &num, NULL));
	EXPECT_EQ(-ENOENT, ioas_map(self->fd, NO_ID, self->mem, PAGE, PAGE,
				    IOMMU_MAP_RW));
	EXPECT_EQ(-ENOENT, ioas_map_anywhere(self->fd, NO_ID, self->mem, PAGE,
					     &iova, IOMMU_MAP_RW));
	EXPECT_EQ(-ENOENT, ioas_unmap(self->fd, NO_ID, 0, ALL, NULL));
}

/* Without a device: all addresses, byte by byte, mapped or not */
TEST_F(ioas, ranges_without_device)
{
	struct iommu_iova_range ranges[3];
	uint64_t alignment;
	uint32_t num = 3;

	memset(ranges, 0x55, sizeof(ranges));
	ASSERT_EQ(0, MAP(PAGES(3), PAGE));
	ASSERT_EQ(0, ioas_ranges(self->fd, self->id, ranges, &num, &alignment));
	EXPECT_EQ(1, num);
	EXPECT_EQ(0, ranges[0].start);
	EXPECT_EQ(UINT64_MAX, ranges[0].last);
	EXPECT_EQ(0x5555555555555555ULL, ranges[1].start);
	EXPECT_EQ(1, alignment);
}

/* Too small an array, 0 entries included: EMSGSIZE with the number needed */
TEST_F(ioas, ranges_emsgsize)
{
	uint64_t alignment = 0;
	uint32_t num = 0;

	EXPECT_EQ(-EMSGSIZE,
		  ioas_ranges(self->fd, self->id, NULL, &num, &alignment));
	EXPECT_EQ(1, num);
	EXPECT_EQ(1, alignment);
}

/* An array that cannot be written: EFAULT */
TEST_F(ioas, ranges_efault)
{
	uint32_t num = 1;

	EXPECT_EQ(-EFAULT, ioas_ranges(self->fd, self->id, NULL, &num, NULL));
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_READ));
	num = 1;
	EXPECT_EQ(-EFAULT, ioas_ranges(self->fd, self->id, (void *)self->mem,
				       &num, NULL));
}

/* However many entries the caller claims to have, no memory is taken for them */
TEST_F(ioas, ranges_huge_count)
{
	struct iommu_iova_range range;
	uint32_t num = UINT32_MAX;

	EXPECT_EQ(0, ioas_ranges(self->fd, self->id, &range, &num, NULL));
	EXPECT_EQ(1, num);
}

/* MAP with neither READABLE nor WRITEABLE: EINVAL; one of them will do */
TEST_F(ioas, map_no_permission_einval)
{
	EXPECT_EQ(-EINVAL,
		  ioas_map(self->fd, self->id, self->mem, PAGE, PAGE, 0));
	EXPECT_EQ(0, ioas_map(self->fd, self->id, self->mem, PAGE, PAGE,
			      IOMMU_IOAS_MAP_READABLE));
	EXPECT_EQ(0, ioas_map(self->fd, self->id, self->mem, PAGE, PAGES(2),
			      IOMMU_IOAS_MAP_WRITEABLE));
}

/* MAP of length 0, or so long that it cannot be rounded to pages: EINVAL */
TEST_F(ioas, map_length_einval)
{
	uint64_t iova;

	EXPECT_EQ(-EINVAL, MAP(PAGE, 0));
	EXPECT_EQ(-EINVAL, ioas_map_anywhere(self->fd, self->id, self->mem, 0,
					     &iova, IOMMU_MAP_RW));
	EXPECT_EQ(-EINVAL, ioas_map(self->fd, self->id, NULL,
				    UINT64_MAX - PAGE + 1, 0, IOMMU_MAP_RW));
}

/* MAP with an iova or a length of ULONG_MAX: EOVERFLOW */
TEST_F(ioas, map_ulong_max_eoverflow)
{
	EXPECT_EQ(-EOVERFLOW, MAP(UINT64_MAX, 1));
	EXPECT_EQ(-EOVERFLOW, MAP(0, UINT64_MAX));
}

/* MAP whose IOVA range wraps: EOVERFLOW; the last byte is still usable */
TEST_F(ioas, map_iova_wraps_eoverflow)
{
	uint64_t length;

	EXPECT_EQ(-EOVERFLOW, MAP(-PAGE, PAGE + 1));
	EXPECT_EQ(-EOVERFLOW, MAP(-PAGE, PAGES(2)));
	EXPECT_EQ(-EOVERFLOW, MAP(UINT64_MAX - 1, 3));

	ASSERT_EQ(0, MAP(-PAGE, PAGE));
	EXPECT_EQ(-EEXIST, MAP(UINT64_MAX - 1, 2));
	EXPECT_EQ(0, ioas_unmap(self->fd, self->id, -PAGE, PAGE, &length));
	EXPECT_EQ(PAGE, length);
	ASSERT_EQ(0, MAP(UINT64_MAX - 1, 2));
	EXPECT_EQ(2, unmap_all(self->fd, self->id));
}

/* MAP whose memory wraps: EOVERFLOW */
TEST_F(ioas, map_va_wraps_eoverflow)
{
	void *top = (void *)-PAGE;
	uint64_t iova;

	EXPECT_EQ(-EOVERFLOW, ioas_map(self->fd, self->id, top, PAGES(2), PAGE,
				       IOMMU_MAP_RW));
	EXPECT_EQ(-EOVERFLOW, ioas_map_anywhere(self->fd, self->id, top,
						PAGES(2), &iova, IOMMU_MAP_RW));
	EXPECT_EQ(0, unmap_all(self->fd, self->id));
}

/* MAP onto any part of an existing mapping: EEXIST, and nothing changes */
TEST_F(ioas, map_overlap_eexist)
{
	const uint64_t iova = MB;

	ASSERT_EQ(0, MAP(iova, PAGES(4)));
	EXPECT_EQ(-EEXIST, MAP(iova, PAGES(4)));
	EXPECT_EQ(-EEXIST, MAP(iova, PAGE));
	EXPECT_EQ(-EEXIST, MAP(iova + PAGE, PAGE));
	EXPECT_EQ(-EEXIST, MAP(iova + PAGES(3), PAGES(2)));
	EXPECT_EQ(-EEXIST, MAP(iova - PAGE, PAGES(2)));
	EXPECT_EQ(-EEXIST, MAP(iova - PAGE, PAGES(6)));
	EXPECT_EQ(-EEXIST, MAP(iova - PAGE, PAGE + 1));
	EXPECT_EQ(-EEXIST, MAP(iova + PAGES(4) - 1, 1));
	EXPECT_EQ(PAGES(4), unmap_all(self->fd, self->id));
}

/* Adjacent mappings stay two: each can be unmapped alone. */
TEST_F(ioas, map_adjacent)
{
	uint64_t length;

	ASSERT_EQ(0, MAP(PAGES(1), PAGE));
	ASSERT_EQ(0, MAP(PAGES(2), PAGE));
	ASSERT_EQ(0, MAP(0, PAGE));
	EXPECT_EQ(0, ioas_unmap(self->fd, self->id, PAGES(1), PAGE, &length));
	EXPECT_EQ(PAGE, length);
	EXPECT_EQ(-EEXIST, MAP(0, 1));
	EXPECT_EQ(-EEXIST, MAP(PAGES(3) - 1, 1));
	EXPECT_EQ(0, MAP(PAGES(1), PAGE));
	EXPECT_EQ(PAGES(3), unmap_all(self->fd, self->id));
}

/* With alignment 1, mappings and their memory begin and end at any byte. */
TEST_F(ioas, map_bytes)
{
	ASSERT_EQ(0, ioas_map(self->fd, self->id, self->mem + 5, 3, 1,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_map(self->fd, self->id, self->mem + 77, 1, 4,
			      IOMMU_MAP_RW));
	EXPECT_EQ(-EEXIST, MAP(3, 1));
	EXPECT_EQ(-EEXIST, MAP(4, 1));
	EXPECT_EQ(0, MAP(0, 1));
	EXPECT_EQ(0, MAP(5, 1));
	EXPECT_EQ(-ENOENT, UNMAP(2, 2));
	EXPECT_EQ(0, UNMAP(1, 3));
	EXPECT_EQ(3, unmap_all(self->fd, self->id));
}

/* Without a domain MAP only records: memory that is not there is no error. */
TEST_F(ioas, map_without_domain_records)
{
	long before = pinned();

	ASSERT_EQ(0, munmap(self->mem, MB));
	EXPECT_EQ(0, MAP(PAGE, MB));
	EXPECT_EQ(0, ioas_map(self->fd, self->id, (void *)PAGE, PAGE, 0,
			      IOMMU_MAP_RW));
	EXPECT_EQ(before, pinned());
	EXPECT_EQ(MB + PAGE, unmap_all(self->fd, self->id));
}

/* A chosen IOVA is never 0 and is free. */
TEST_F(ioas, anywhere_never_zero)
{
	uint64_t iova[64];
	int i, j;

	for (i = 0; i < 64; i++) {
		ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id, self->mem,
					       PAGE, &iova[i], IOMMU_MAP_RW));
		EXPECT_NE(0, iova[i]);
		for (j = 0; j < i; j++)
			EXPECT_NE(iova[i], iova[j]);
	}
	EXPECT_EQ(PAGES(64), unmap_all(self->fd, self->id));
}

/* A chosen IOVA has its memory's offset in the page. */
TEST_F(ioas, anywhere_keeps_page_offset)
{
	static const unsigned int offsets[] = { 1, 8, 123, 2048, 4095 };
	uint64_t iova;
	size_t i;

	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id,
					       self->mem + offsets[i], PAGE,
					       &iova, IOMMU_MAP_RW));
		EXPECT_EQ(offsets[i], iova % PAGE);
	}
}

/*
 * A chosen IOVA is aligned to the least of: the length rounded up to a power of
 * two, the lowest bit set in the memory's address, a huge page.
 */
TEST_F(ioas, anywhere_alignment)
{
	static const struct {
		uint64_t va, length, alignment;
	} cases[] = {
		{ 8 * HUGE, PAGE, PAGE },
		{ 8 * HUGE, PAGES(3), PAGES(4) },
		{ 8 * HUGE, HUGE, HUGE },
		{ 8 * HUGE, 2 * HUGE, HUGE },
		{ 8 * HUGE, HUGE + 1, HUGE },
		{ 8 * HUGE + PAGE, HUGE, PAGE },
		{ 8 * HUGE + PAGES(4), HUGE, PAGES(4) },
		{ 8 * HUGE + PAGES(4), PAGES(2), PAGES(2) },
	};
	uint64_t iova;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		/* Something small first, so that not all is aligned by chance. */
		ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id, self->mem, 1,
					       &iova, IOMMU_MAP_RW));
		ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id,
					       (void *)cases[i].va,
					       cases[i].length, &iova,
					       IOMMU_MAP_RW));
		EXPECT_EQ(0, iova % cases[i].alignment)
			TH_LOG("case %zu: iova %#lx", i, iova);
	}
}

/* No room for a chosen IOVA: ENOSPC; what still fits is found */
TEST_F(ioas, anywhere_no_space_enospc)
{
	const uint64_t most = -64 * KB;
	uint64_t iova;

	ASSERT_EQ(0, ioas_map(self->fd, self->id, NULL, most, 0, IOMMU_MAP_RW));
	EXPECT_EQ(-ENOSPC, ioas_map_anywhere(self->fd, self->id, self->mem,
					     128 * KB, &iova, IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id, self->mem, 32 * KB,
				       &iova, IOMMU_MAP_RW));
	EXPECT_LE(most, iova);
	EXPECT_EQ(0, UNMAP(iova, 32 * KB));
	ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id, self->mem, 64 * KB,
				       &iova, IOMMU_MAP_RW));
	EXPECT_EQ(most, iova);
	EXPECT_EQ(-ENOSPC, ioas_map_anywhere(self->fd, self->id, self->mem, 1,
					     &iova, IOMMU_MAP_RW));
}

/* The room left is at the lower end, and in a gap that only just fits. */
TEST_F(ioas, anywhere_finds_gap)
{
	uint64_t iova;

	ASSERT_EQ(0, ioas_map(self->fd, self->id, NULL, HALF - MB, MB,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_map(self->fd, self->id, NULL, HALF - PAGES(2),
			      HALF + PAGE, IOMMU_MAP_RW));
	ASSERT_EQ(0, MAP(0, MB));
	ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id, self->mem, PAGE,
				       &iova, IOMMU_MAP_RW));
	EXPECT_TRUE(iova == HALF || iova == -PAGE);
	ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id, self->mem, PAGE,
				       &iova, IOMMU_MAP_RW));
	EXPECT_TRUE(iova == HALF || iova == -PAGE);
	EXPECT_EQ(-ENOSPC, ioas_map_anywhere(self->fd, self->id, self->mem,
					     PAGE, &iova, IOMMU_MAP_RW));
	ASSERT_EQ(0, UNMAP(0, MB));
	ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->id, self->mem, PAGE,
				       &iova, IOMMU_MAP_RW));
	EXPECT_GT(MB, iova);
	EXPECT_NE(0, iova);
}

/* A chosen IOVA for half of all addresses or more: EOVERFLOW */
TEST_F(ioas, anywhere_too_long_eoverflow)
{
	uint64_t iova;

	EXPECT_EQ(-EOVERFLOW, ioas_map_anywhere(self->fd, self->id, NULL,
						HALF - 1, &iova, IOMMU_MAP_RW));
	EXPECT_EQ(-EOVERFLOW, ioas_map_anywhere(self->fd, self->id, NULL, HALF,
						&iova, IOMMU_MAP_RW));
	EXPECT_EQ(0, unmap_all(self->fd, self->id));
}

/* UNMAP of a range that holds nothing: exactly ENOENT */
TEST_F(ioas, unmap_nothing_enoent)
{
	EXPECT_EQ(-ENOENT, UNMAP(PAGE, PAGE));
	ASSERT_EQ(0, MAP(PAGES(8), PAGE));
	EXPECT_EQ(-ENOENT, UNMAP(PAGES(7), PAGE));
	EXPECT_EQ(-ENOENT, UNMAP(PAGES(9), PAGE));
	EXPECT_EQ(0, UNMAP(PAGES(8), PAGE));
	EXPECT_EQ(-ENOENT, UNMAP(PAGES(8), PAGE));
}

/* UNMAP that would cut a mapping at either end: ENOENT, and nothing changes */
TEST_F(ioas, unmap_cut_enoent)
{
	const uint64_t iova = MB;
	uint64_t length;

	ASSERT_EQ(0, MAP(iova, PAGES(4)));
	ASSERT_EQ(0, MAP(iova + PAGES(4), PAGES(4)));
	EXPECT_EQ(-ENOENT, UNMAP(iova, PAGES(3)));
	EXPECT_EQ(-ENOENT, UNMAP(iova + PAGE, PAGES(3)));
	EXPECT_EQ(-ENOENT, UNMAP(iova + PAGE, PAGES(2)));
	EXPECT_EQ(-ENOENT, UNMAP(iova, PAGES(5)));
	EXPECT_EQ(-ENOENT, UNMAP(iova + PAGES(3), PAGES(5)));
	EXPECT_EQ(-ENOENT, UNMAP(0, iova + 1));
	EXPECT_EQ(-ENOENT, UNMAP(iova + PAGES(4) - 1, MB));
	EXPECT_EQ(0, ioas_unmap(self->fd, self->id, iova, PAGES(8), &length));
	EXPECT_EQ(PAGES(8), length);
}

/* UNMAP of length 0: EINVAL */
TEST_F(ioas, unmap_zero_einval)
{
	ASSERT_EQ(0, MAP(PAGE, PAGE));
	EXPECT_EQ(-EINVAL, UNMAP(PAGE, 0));
	EXPECT_EQ(-EINVAL, UNMAP(0, 0));
	EXPECT_EQ(PAGE, unmap_all(self->fd, self->id));
}

/* UNMAP that wraps, or with ULONG_MAX in it: EOVERFLOW, but for (0, U64_MAX) */
TEST_F(ioas, unmap_eoverflow)
{
	ASSERT_EQ(0, MAP(-PAGE, PAGE));
	EXPECT_EQ(-EOVERFLOW, UNMAP(-PAGE, PAGE + 1));
	EXPECT_EQ(-EOVERFLOW, UNMAP(UINT64_MAX, 1));
	EXPECT_EQ(-EOVERFLOW, UNMAP(UINT64_MAX, UINT64_MAX));
	EXPECT_EQ(-EOVERFLOW, UNMAP(1, UINT64_MAX));
	EXPECT_EQ(-EOVERFLOW, UNMAP(PAGE, -1));
	EXPECT_EQ(PAGE, unmap_all(self->fd, self->id));
}

/* UNMAP returns the bytes that were mapped, not those asked for. */
TEST_F(ioas, unmap_returns_bytes)
{
	uint64_t length;

	ASSERT_EQ(0, MAP(MB, PAGE));
	ASSERT_EQ(0, MAP(3 * MB, PAGES(2)));
	ASSERT_EQ(0, MAP(5 * MB, 7));
	EXPECT_EQ(0, ioas_unmap(self->fd, self->id, MB - 1, 9 * MB, &length));
	EXPECT_EQ(PAGES(3) + 7, length);
}

/* UNMAP (0, U64_MAX) is everything, and succeeds on an empty IOAS too. */
TEST_F(ioas, unmap_everything)
{
	EXPECT_EQ(0, unmap_all(self->fd, self->id));
	ASSERT_EQ(0, MAP(0, 1));
	ASSERT_EQ(0, MAP(-PAGE, PAGE));
	ASSERT_EQ(0, MAP(HALF - 1, 2));
	EXPECT_EQ(PAGE + 3, unmap_all(self->fd, self->id));
	EXPECT_EQ(0, unmap_all(self->fd, self->id));
}

/* UNMAP in halves works at both ends; each is ENOENT when it holds nothing. */
TEST_F(ioas, unmap_in_halves)
{
	uint64_t length;

	EXPECT_EQ(-ENOENT, UNMAP(0, HALF));
	EXPECT_EQ(-ENOENT, UNMAP(HALF, HALF));

	ASSERT_EQ(0, MAP(0, PAGE));
	ASSERT_EQ(0, MAP(HALF - PAGE, PAGE));
	ASSERT_EQ(0, MAP(HALF, PAGE));
	ASSERT_EQ(0, MAP(-PAGE, PAGE));
	EXPECT_EQ(0, ioas_unmap(self->fd, self->id, 0, HALF, &length));
	EXPECT_EQ(PAGES(2), length);
	EXPECT_EQ(-ENOENT, UNMAP(0, HALF));
	EXPECT_EQ(0, ioas_unmap(self->fd, self->id, HALF, HALF, &length));
	EXPECT_EQ(PAGES(2), length);
	EXPECT_EQ(-ENOENT, UNMAP(HALF, HALF));
}

/* Any process that has the file can use it. */
TEST_F(ioas, other_process)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, MAP(PAGE, PAGE));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(UNMAP(PAGE, PAGE) || MAP(MB, PAGES(2)));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(PAGES(2), unmap_all(self->fd, self->id));
}

/* Many mappings, and all go at once. */
TEST_F(ioas, many_mappings)
{
	const uint64_t num = 2000;
	uint64_t i;

	for (i = 0; i < num; i++)
		ASSERT_EQ(0, MAP(PAGES(2 * i), PAGE));
	EXPECT_EQ(PAGES(num), unmap_all(self->fd, self->id));
}

TEST_HARNESS_MAIN
