/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory whose physical layout is known.  What a mapping costs depends on it,
 * and what the kernel's allocator happens to give depends on the boot.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>

#define PAGE		4096UL
#define HUGE		(2UL << 20)

/**
 * enum layout - how pages lie in physical memory
 * @CONTIGUOUS: single 4 KiB pages, each 2 MiB of them contiguous and aligned
 * @SCATTERED: single 4 KiB pages, no page behind the one before it
 * @THP: 2 MiB transparent huge pages
 * @HUGETLB: 2 MiB pages of hugetlb
 * @NR_LAYOUTS: how many there are
 */
enum layout {
	CONTIGUOUS,
	SCATTERED,
	THP,
	HUGETLB,
	NR_LAYOUTS,
};

/*
 * Memory of this process, aligned to 2 MiB, written to, and seen in
 * /proc/self/pagemap to lie as asked.  NULL, and a message, when that cannot
 * be had.  @size: a multiple of 2 MiB.
 */
void *memory_alloc(enum layout layout, size_t size);

#endif
