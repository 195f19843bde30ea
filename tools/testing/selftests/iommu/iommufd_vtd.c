// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d frees a page of its page table when no IOMMU walks it any more: after
 * the flush of all the addresses below it.
 *
 *   IOVA    1 GiB    +1 MiB    +2 MiB            +4 MiB    +5 MiB
 *             |        [ 4 KiB   |  4 KiB          |  4 KiB  ]
 *             |    table         |   table         |   table
 *
 * What is in brackets is unmapped in three pieces, since only the middle one
 * can have pages of 2 MiB; and only the table in the middle goes.
 *
 * The kernel's own events tell the order: which pages were allocated while the
 * memory was mapped, what was flushed, and which of the pages were freed.
 */
#include "iommufd_utils.h"
#include "trace.h"
#include "type1.h"

#define IOVA		(1024 * MB)
#define MISALIGNED	(IOVA + MB)
#define LENGTH		(2 * HUGE)
#define MIDDLE		(IOVA + HUGE)		/* of a table that goes */
#define MAX_PAGES	4096

/* Pages that were allocated */
struct allocated {
	unsigned long pfns[MAX_PAGES];
	unsigned int nr;
};

/* Of these pages, how many were freed, and how many before the flush, if any */
struct freed {
	unsigned int all;
	unsigned int early;
	bool flushed;
};

FIXTURE(vtd)
{
	struct bound b;
	struct allocated allocated;
	struct freed freed;
};

static int trace_vtd(void)
{
	static const char *const events[] = {
		"kmem/mm_page_alloc", "kmem/mm_page_free",
		"intel_iommu/qi_submit",
	};
	int rc = trace_begin() ?: trace_this_thread();
	unsigned int i;

	for (i = 0; i < 3 && !rc; i++)
		rc = trace_enable(events[i]);
	return rc;
}

FIXTURE_SETUP(vtd)
{
	ASSERT_EQ(0, trace_vtd())
		TH_LOG("the kernel has no tracepoints of VT-d");
}

FIXTURE_TEARDOWN(vtd)
{
	trace_end();
}

/* What an event says if it is of that name, or NULL */
static const char *event_text(const char *line, const char *name)
{
	const char *at = line[0] == '#' ? NULL : strstr(line, name);

	return at ? at + strlen(name) : NULL;
}

/* A small page of an event of that name */
static bool page_event(const char *line, const char *name, unsigned long *pfn)
{
	const char *text = event_text(line, name);
	unsigned int order;

	return text && sscanf(text, " page=%*s pfn=%lx order=%u", pfn,
			      &order) == 2 && !order;
}

/* Did an IOTLB flush have all of @start to @last? */
static bool flush_event(const char *line, uint64_t start, uint64_t last)
{
	const char *text = event_text(line, ": qi_submit: ");
	uint64_t kind, address, mask;

	if (!text ||
	    (sscanf(text, "iotlb_inv %*s %lx %lx", &kind, &address) != 2 &&
	     sscanf(text, "p_iotlb_inv %*s %lx %lx", &kind, &address) != 2))
		return false;
	/* Of pages; otherwise of the whole domain, or of all */
	if ((kind >> 4 & 3) != 3)
		return true;
	mask = (PAGE << (address & 0x3f)) - 1;
	return (address & ~mask & -PAGE) <= start && (address | mask) >= last;
}

static bool is_allocated(const struct allocated *allocated, unsigned long pfn)
{
	unsigned int i;

	for (i = 0; i < allocated->nr; i++)
		if (allocated->pfns[i] == pfn)
			return true;
	return false;
}

/* Adds the pages that were allocated since the last call. */
static int add_allocated(struct allocated *allocated)
{
	FILE *trace = trace_open();
	unsigned long pfn;
	char line[512];

	if (!trace)
		return -errno;
	while (fgets(line, sizeof(line), trace))
		if (page_event(line, ": mm_page_alloc: ", &pfn) &&
		    allocated->nr < MAX_PAGES)
			allocated->pfns[allocated->nr++] = pfn;
	fclose(trace);
	return trace_clear();
}

/* Of the pages that were allocated, those that were freed since */
static int get_freed(const struct allocated *allocated, uint64_t start,
		     uint64_t length, struct freed *freed)
{
	FILE *trace = trace_open();
	unsigned long pfn;
	char line[512];

	*freed = (struct freed){};
	if (!trace)
		return -errno;
	while (fgets(line, sizeof(line), trace)) {
		freed->flushed |= flush_event(line, start, start + length - 1);
		if (!page_event(line, ": mm_page_free: ", &pfn) ||
		    !is_allocated(allocated, pfn))
			continue;
		freed->all++;
		freed->early += !freed->flushed;
	}
	fclose(trace);
	return trace_clear();
}

#define ALLOCATED() ASSERT_EQ(0, add_allocated(&self->allocated))

/* A table of these addresses was freed, and not before they were flushed. */
#define EXPECT_FREED_LATE(start) do {					\
	ASSERT_EQ(0, get_freed(&self->allocated, start, HUGE,		\
			       &self->freed));				\
	EXPECT_LT(0, self->freed.all);					\
	EXPECT_EQ(0, self->freed.early);				\
} while (0)

/* Small pages, none of which has its neighbour behind it, or NULL */
static char *scattered_memory(size_t length)
{
	char *mem = alloc_memory(length), *other = alloc_memory(length);
	size_t at;

	if (!mem || !other || madvise(mem, length, MADV_NOHUGEPAGE) ||
	    madvise(other, length, MADV_NOHUGEPAGE))
		return NULL;
	for (at = 0; at < length; at += PAGE) {
		mem[at] = 1;
		other[at] = 1;
	}
	return mem;
}

static uint64_t pfn_of(int pagemap, const void *va)
{
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry),
		  (uintptr_t)va / PAGE * sizeof(entry)) != sizeof(entry))
		return 0;
	return entry & ((1ULL << 55) - 1);
}

#define NR_HUGE	16

/* LENGTH bytes in one piece, made of two huge pages that adjoin; or NULL */
static char *contiguous_memory(void)
{
	int fd, pagemap = open("/proc/self/pagemap", O_RDONLY), i, j;
	char *all, *mem;

	if (sysfs_write("/proc/sys/vm/nr_hugepages", "16"))
		return NULL;
	fd = memfd_create("huge", MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, NR_HUGE * HUGE))
		return NULL;
	all = mmap(NULL, NR_HUGE * HUGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, fd, 0);
	if (all == MAP_FAILED)
		return NULL;
	mem = alloc_memory(LENGTH + HUGE);
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	for (i = 0; i < NR_HUGE; i++)
		for (j = 0; j < NR_HUGE; j++)
			if (pfn_of(pagemap, all + i * HUGE) + HUGE / PAGE ==
			    pfn_of(pagemap, all + j * HUGE))
				goto found;
	return NULL;
found:
	if (mmap(mem, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 i * HUGE) == MAP_FAILED ||
	    mmap(mem + HUGE, HUGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, j * HUGE) == MAP_FAILED)
		return NULL;
	memset(mem, 1, LENGTH);
	return mem;
}

/* UNMAP: also where VT-d's driver is as in 6.1 */
TEST_F_TIMEOUT(vtd, unmap_frees_late, 300)
{
	char *mem = scattered_memory(LENGTH);

	ASSERT_NE(NULL, mem);
	SETUP_BOUND(&self->b);
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	ASSERT_EQ(0, trace_clear());
	ASSERT_EQ(0, ioas_map(self->b.iommufd, self->b.ioas, mem, LENGTH,
			      MISALIGNED, IOMMU_MAP_RW));
	ALLOCATED();
	ASSERT_EQ((int64_t)LENGTH, unmap_all(self->b.iommufd, self->b.ioas));
	EXPECT_FREED_LATE(MIDDLE);
	teardown_bound(&self->b);
}

/* The same by iommu_unmap(), for which VT-d's driver has to be right */
TEST_F_TIMEOUT(vtd, type1_unmap_frees_late, 300)
{
	char *mem = contiguous_memory();
	struct type1 t1;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, type1_open(&t1, REQUIRE_DEVICE("TESTDEV0")));
	ASSERT_EQ(0, trace_clear());
	ASSERT_EQ(0, type1_map(&t1, mem, LENGTH, MISALIGNED,
			       VFIO_DMA_MAP_FLAG_READ |
			       VFIO_DMA_MAP_FLAG_WRITE));
	ALLOCATED();
	ASSERT_EQ(0, type1_unmap(&t1, MISALIGNED, LENGTH));
	EXPECT_FREED_LATE(MIDDLE);
	type1_close(&t1);
	EXPECT_EQ(0, sysfs_write("/proc/sys/vm/nr_hugepages", "0"));
}

/* What is flushed is aligned, and has all that was unmapped. */
TEST_F_TIMEOUT(vtd, unmap_flushes_all, 300)
{
	char *mem = scattered_memory(PAGES(8));
	uint64_t start, length;

	ASSERT_NE(NULL, mem);
	SETUP_BOUND(&self->b);
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	for (start = IOVA + PAGE; start <= IOVA + PAGES(3); start += PAGES(2)) {
		for (length = PAGE; length <= PAGES(8); length += PAGE) {
			ASSERT_EQ(0, ioas_map(self->b.iommufd, self->b.ioas,
					      mem, length, start,
					      IOMMU_MAP_RW));
			ASSERT_EQ(0, trace_clear());
			ASSERT_EQ((int64_t)length,
				  unmap_all(self->b.iommufd, self->b.ioas));
			ASSERT_EQ(0, get_freed(&self->allocated, start, length,
					       &self->freed));
			EXPECT_TRUE(self->freed.flushed)
				TH_LOG("%lu pages at 0x%lx", length / PAGE,
				       start);
		}
	}
	teardown_bound(&self->b);
}

/* A huge page that is mapped where a table has become empty replaces it. */
TEST_F_TIMEOUT(vtd, map_frees_late, 300)
{
	char *small = scattered_memory(HUGE), *huge = alloc_memory(2 * HUGE);
	uint64_t at;

	ASSERT_NE(NULL, small);
	ASSERT_NE(NULL, huge);
	huge = (char *)(((uintptr_t)huge + HUGE - 1) & -HUGE);
	ASSERT_EQ(0, madvise(huge, HUGE, MADV_HUGEPAGE));
	memset(huge, 1, HUGE);
	SETUP_BOUND(&self->b);
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	ASSERT_EQ(0, trace_clear());
	for (at = 0; at < HUGE; at += PAGE)
		ASSERT_EQ(0, ioas_map(self->b.iommufd, self->b.ioas, small + at,
				      PAGE, IOVA + at, IOMMU_MAP_RW));
	ALLOCATED();
	for (at = 0; at < HUGE; at += PAGE)
		ASSERT_EQ(0, ioas_unmap(self->b.iommufd, self->b.ioas,
					IOVA + at, PAGE, NULL));
	ASSERT_EQ(0, trace_clear());
	ASSERT_EQ(0, ioas_map(self->b.iommufd, self->b.ioas, huge, HUGE, IOVA,
			      IOMMU_MAP_RW));
	EXPECT_FREED_LATE(IOVA);
	EXPECT_EQ((int64_t)HUGE, unmap_all(self->b.iommufd, self->b.ioas));
	teardown_bound(&self->b);
}

TEST_HARNESS_MAIN
