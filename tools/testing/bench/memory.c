// SPDX-License-Identifier: GPL-2.0-only
/* Memory whose physical layout is known. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "pci.h"

#define HUGE_PAGES	(HUGE / PAGE)

/* How far apart in the order of their first use two neighbours are; odd. */
#define SCATTER_STRIDE	40503UL

/* A page's 64 bits in /proc/self/pagemap and in /proc/kpageflags */
#define PAGEMAP_PRESENT	0x8000000000000000ULL
#define PAGEMAP_PFN	0x007fffffffffffffULL
#define KPF_COMPOUND	0x018000	/* head or tail */
#define KPF_HUGE	0x020000
#define KPF_THP		0x400000

/* An aligned range of addresses with nothing in it yet */
static void *reserve(size_t size, int flags)
{
	unsigned char *mem, *start;

	mem = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	start = mem + (-(uintptr_t)mem & (HUGE - 1));
	munmap(start + size, mem + HUGE - start);
	if (start > mem)
		munmap(mem, start - mem);
	return start;
}

static void touch(unsigned char *mem, size_t npages, size_t stride)
{
	size_t i;

	for (i = 0; i < npages; i++)
		mem[i * stride % npages * PAGE] = 1;
}

static void *alloc_thp(size_t size)
{
	void *mem = reserve(size, 0);

	if (!mem || madvise(mem, size, MADV_HUGEPAGE))
		return NULL;
	touch(mem, size / PAGE, 1);
	return mem;
}

/* Huge pages that the kernel then takes apart: what was one stays together. */
static void *alloc_contiguous(size_t size)
{
	char text[80];
	char *mem = alloc_thp(size);

	if (!mem)
		return NULL;
	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(),
		 (unsigned long)mem, (unsigned long)mem + size);
	if (sysfs_write("/sys/kernel/debug/split_huge_pages", text))
		return NULL;
	return madvise(mem, size, MADV_NOHUGEPAGE) ? NULL : mem;
}

/* The allocator gives pages in their order; they are asked for in another. */
static void *alloc_scattered(size_t size)
{
	void *mem = reserve(size, 0);

	if (!mem || madvise(mem, size, MADV_NOHUGEPAGE))
		return NULL;
	touch(mem, size / PAGE, SCATTER_STRIDE);
	return mem;
}

static void *alloc_hugetlb(size_t size)
{
	char count[32];
	void *mem;

	/* one more for what reserve() gives back */
	snprintf(count, sizeof(count), "%zu", size / HUGE + 1);
	if (sysfs_write("/proc/sys/vm/nr_hugepages", count))
		return NULL;
	mem = reserve(size, MAP_HUGETLB);
	if (mem)
		touch(mem, size / PAGE, 1);
	return mem;
}

static int read_words(const char *path, uint64_t index, uint64_t *words,
		      size_t count)
{
	size_t len = count * sizeof(*words);
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, words, len, index * sizeof(*words));
	close(fd);
	return n == (ssize_t)len ? 0 : -EIO;
}

static bool kind_is_right(enum layout layout, uint64_t flags)
{
	switch (layout) {
	case THP:
		return flags & KPF_THP;
	case HUGETLB:
		return flags & KPF_HUGE;
	default:
		return !(flags & KPF_COMPOUND);
	}
}

static bool place_is_right(enum layout layout, size_t i, const uint64_t *pfn)
{
	bool follows = i && pfn[i] == pfn[i - 1] + 1;

	if (layout == SCATTERED)
		return !follows;
	return i % HUGE_PAGES ? follows : !(pfn[i] % HUGE_PAGES);
}

static int check_page(enum layout layout, size_t i, const uint64_t *pfn)
{
	uint64_t flags;
	int rc;

	rc = read_words("/proc/kpageflags", pfn[i], &flags, 1);
	if (rc)
		return rc;
	if (!kind_is_right(layout, flags) || !place_is_right(layout, i, pfn)) {
		fprintf(stderr, "page %zu has PFN 0x%llx and flags 0x%llx\n", i,
			(unsigned long long)pfn[i], (unsigned long long)flags);
		return -EUCLEAN;
	}
	return 0;
}

static int check_layout(enum layout layout, void *mem, size_t npages)
{
	uint64_t *pfn = calloc(npages, sizeof(*pfn));
	size_t i;
	int rc;

	if (!pfn)
		return -ENOMEM;
	rc = read_words("/proc/self/pagemap", (uintptr_t)mem / PAGE, pfn,
			npages);
	for (i = 0; i < npages && !rc; i++) {
		if (!(pfn[i] & PAGEMAP_PRESENT)) {
			fprintf(stderr, "page %zu is not there\n", i);
			rc = -EUCLEAN;
			break;
		}
		pfn[i] &= PAGEMAP_PFN;
		rc = check_page(layout, i, pfn);
	}
	free(pfn);
	return rc;
}

static const struct {
	const char *name;
	void *(*alloc)(size_t size);
} layouts[NR_LAYOUTS] = {
	[CONTIGUOUS] = { "contiguous 4 KiB pages", alloc_contiguous },
	[SCATTERED] = { "scattered 4 KiB pages", alloc_scattered },
	[THP] = { "transparent huge pages", alloc_thp },
	[HUGETLB] = { "hugetlb pages", alloc_hugetlb },
};

void *memory_alloc(enum layout layout, size_t size)
{
	void *mem = layouts[layout].alloc(size);
	int rc;

	if (!mem) {
		fprintf(stderr, "no %zu MiB of %s\n", size >> 20,
			layouts[layout].name);
		return NULL;
	}
	rc = check_layout(layout, mem, size / PAGE);
	if (rc) {
		fprintf(stderr, "memory does not lie as %s: %s\n",
			layouts[layout].name, strerror(-rc));
		return NULL;
	}
	return mem;
}
