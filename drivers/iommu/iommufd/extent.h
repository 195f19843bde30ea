/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How pinned memory is remembered.  Only for the files that implement that.
 */
#ifndef _IOMMUFD_EXTENT_H
#define _IOMMUFD_EXTENT_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/rbtree.h>
#include <linux/types.h>

struct iommufd_payer;
struct iopt_pages;
struct page;

/*
 * A packed run: the PFN above, the number of pages less one below.  A physical
 * address has 52 bits at most, which leaves 40 for the PFN.
 */
#define RUN_LENGTH_BITS 24
#define RUN_MAX_PAGES BIT(RUN_LENGTH_BITS)

static inline u64 run_pack(unsigned long pfn, unsigned long npages)
{
	return ((u64)pfn << RUN_LENGTH_BITS) | (npages - 1);
}

static inline unsigned long run_pfn(u64 run)
{
	return run >> RUN_LENGTH_BITS;
}

static inline unsigned long run_npages(u64 run)
{
	return (run & (RUN_MAX_PAGES - 1)) + 1;
}

/**
 * struct iopt_extent - a part that is pinned, for the same users throughout
 * @node: in the tree of the struct iopt_pages, by @first
 * @first: index of the first page
 * @item: on the list of new extents, or of those to be dropped
 * @payer: who was charged, a reference; while it is to be dropped
 * @dirty: the pages may have been written to; likewise
 * @npages: number of pages
 * @users: how many need it pinned
 * @starts: how many of them begin here: it is not merged with the one before
 * @ends: how many of them end here: it is not merged with the one behind
 * @nr: number of @runs
 * @max: how many fit
 * @runs: packed, in the order of the pages
 */
struct iopt_extent {
	union {
		struct {
			struct rb_node node;
			unsigned long first;
		};
		struct {
			struct list_head item;
			struct iommufd_payer *payer;
			bool dirty;
		};
	};
	unsigned long npages;
	unsigned int users;
	unsigned int starts;
	unsigned int ends;
	u16 nr;
	u16 max;
	u64 runs[];
};

#define EXTENT_MAX_RUNS \
	((PAGE_SIZE - sizeof(struct iopt_extent)) / sizeof(u64))

/* pin.c */
struct iopt_extent *iopt_extent_alloc(unsigned int max);
int iopt_pin_part(struct iopt_pages *pages, unsigned long first,
		  unsigned long npages, struct list_head *extents);
long iopt_pin_batch(struct iopt_pages *pages, unsigned long index,
		    unsigned long npages, struct page **batch);
void iopt_unpin_runs(const u64 *runs, unsigned int nr, bool dirty);

#ifdef CONFIG_IOMMUFD_TEST
/* Bytes that a temporary buffer may have; a test makes it less. */
extern unsigned int iommufd_test_memory_limit;

static inline size_t temp_memory_limit(void)
{
	return max_t(size_t, READ_ONCE(iommufd_test_memory_limit), sizeof(u64));
}
#else
static inline size_t temp_memory_limit(void)
{
	return SIZE_MAX;
}
#endif

#endif
