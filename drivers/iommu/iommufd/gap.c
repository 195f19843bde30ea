// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding free I/O addresses, lowest first.
 *
 * A search steps from one used range to the next.  So that a long row of them
 * is not walked for each new mapping, the address space remembers for each
 * size class, the powers of two, below which address there is no gap of that
 * size.  A search begins at the highest such address of the classes that are
 * not larger than what it looks for; freeing a range lowers them all.
 *
 * That reckons in whole pages.  A mapping that does not fill its pages may
 * still fit where whole ones do not, which is tried last.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>

#include "area.h"
#include "gap.h"
#include "trace.h"

/**
 * struct gap_want - what is looked for
 * @length: in bytes
 * @align: a power of two that the address less @offset is a multiple of
 * @offset: less than @align
 */
struct gap_want {
	unsigned long length;
	unsigned long align;
	unsigned long offset;
};

static unsigned int size_class(unsigned long length)
{
	unsigned int order = length >> PAGE_SHIFT ? ilog2(length) - PAGE_SHIFT :
						    0;

	return min_t(unsigned int, order, IOPT_GAP_CLASSES - 1);
}

/* The lowest address from @from on that is aligned as wanted. */
static bool align_up(const struct gap_want *want, unsigned long from,
		     unsigned long *start, unsigned long *last)
{
	unsigned long least = from > want->offset ? from - want->offset : 0;
	unsigned long base = round_up(least, want->align);

	return base >= least &&
	       !check_add_overflow(base, want->offset, start) &&
	       !check_add_overflow(*start, want->length - 1, last);
}

/* Sets @used to something that is in the way. */
static bool is_used(struct io_pagetable *iopt, unsigned long start,
		    unsigned long last, struct iopt_range *used)
{
	struct interval_tree_node *reserved;
	struct iopt_area *area;

	area = first_area(iopt, start, last);
	if (area) {
		*used = (struct iopt_range){ area->start, area->last };
		return true;
	}
	reserved = interval_tree_iter_first(&iopt->reserved, start, last);
	if (!reserved)
		return false;
	*used = (struct iopt_range){ reserved->start, reserved->last };
	return true;
}

/*
 * May a mapping lie anywhere between @from and @last?  If not, @next is set to
 * the end of what is allowed at @from, or else to where something is again.
 */
static bool is_allowed(struct io_pagetable *iopt, unsigned long from,
		       unsigned long last, unsigned long *next)
{
	struct interval_tree_node *allowed;

	if (RB_EMPTY_ROOT(&iopt->allowed.rb_root))
		return true;
	allowed = interval_tree_iter_first(&iopt->allowed, from, ULONG_MAX);
	if (!allowed || allowed->start > from) {
		*next = allowed ? allowed->start : ULONG_MAX;
		return false;
	}
	/* Ranges that adjoin are one. */
	do {
		if (allowed->last >= last)
			return true;
		*next = allowed->last + 1;
		allowed = interval_tree_iter_first(&iopt->allowed, *next,
						   *next);
	} while (allowed);
	return false;
}

/*
 * Searches upwards from @from.  Sets @skipped to the first gap that was passed
 * over although it has @notable bytes, or to @iova.
 */
static bool search(struct io_pagetable *iopt, const struct gap_want *want,
		   unsigned long from, unsigned long notable,
		   unsigned long *iova, unsigned long *skipped)
{
	unsigned long last, next, first_skipped = ULONG_MAX;
	struct iopt_range used;

	from = max(from, iopt->aperture.start);
	while (align_up(want, from, iova, &last) &&
	       last <= iopt->aperture.last && !fatal_signal_pending(current)) {
		if (is_allowed(iopt, from, last, &next)) {
			if (!is_used(iopt, *iova, last, &used)) {
				if (*iova - from >= notable)
					first_skipped = min(first_skipped,
							    from);
				*skipped = min(first_skipped, *iova);
				return true;
			}
			if (used.last == ULONG_MAX)
				return false;
			if (used.start > from && used.start - from >= notable)
				first_skipped = min(first_skipped, from);
			next = used.last + 1;
		} else if (next - from >= notable &&
			   interval_tree_iter_first(&iopt->allowed, from,
						    from)) {
			first_skipped = min(first_skipped, from);
		}
		from = next;
		cond_resched();
	}
	return false;
}

/* The gap that what was freed is in may begin before that. */
static unsigned long gap_start(struct io_pagetable *iopt, unsigned long iova)
{
	struct rb_node *node = iopt->areas.rb_node;
	unsigned long start = 0;
	struct iopt_area *area;

	while (node) {
		area = to_area(node);
		if (area->last < iova) {
			start = area->last + 1;
			node = node->rb_right;
		} else {
			node = node->rb_left;
		}
	}
	return start;
}

static void heed_freed(struct io_pagetable *iopt)
{
	unsigned long start;
	unsigned int i;

	if (iopt->gap_freed == ULONG_MAX)
		return;
	start = gap_start(iopt, iopt->gap_freed);
	for (i = 0; i < IOPT_GAP_CLASSES; i++)
		iopt->gap_from[i] = min(iopt->gap_from[i], start);
	iopt->gap_freed = ULONG_MAX;
}

static bool search_pages(struct io_pagetable *iopt, const struct gap_want *want,
			 unsigned long *iova)
{
	struct gap_want pages = {
		.length = PAGE_ALIGN(want->offset + want->length),
		.align = want->align,
	};
	unsigned int class = size_class(pages.length), i;
	unsigned long from = 1, skipped;

	heed_freed(iopt);
	for (i = 0; i <= class; i++)
		from = max(from, iopt->gap_from[i]);
	if (!search(iopt, &pages, from, PAGE_SIZE << class, iova, &skipped))
		return false;
	iopt->gap_from[class] = skipped;
	*iova += want->offset;
	return true;
}

/**
 * iopt_find_gap() - find the lowest place for a mapping
 * @iopt: the address space
 * @uptr: address of the memory
 * @length: in bytes, not 0
 * @iova: set to the place: never 0, with the offset that @uptr has in its page,
 *	and aligned as far as that lets huge pages be used
 *
 * Context: iova_rwsem is held for writing.
 * Return: 0; -ENOSPC; -EOVERFLOW when @length is half of the address space.
 */
int iopt_find_gap(struct io_pagetable *iopt, unsigned long uptr,
		  unsigned long length, unsigned long *iova)
{
	struct gap_want want = {
		.length = length,
		.offset = offset_in_page(uptr),
	};
	unsigned long skipped;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	if (length >= ULONG_MAX / 2)
		return iommufd_refuse(IOMMUFD_REASON_LENGTH_UNPLACEABLE,
				      -EOVERFLOW);
	want.align = min(roundup_pow_of_two(length), PMD_SIZE);
	if (uptr)
		want.align = min(want.align, 1UL << __ffs(uptr));
	want.align = max(want.align, PAGE_SIZE);

	if (search_pages(iopt, &want, iova))
		return 0;
	/* Address 0 is never given out: too many programs read it as none. */
	if (!PAGE_ALIGNED(uptr | length) &&
	    search(iopt, &want, 1, 0, iova, &skipped))
		return 0;
	return iommufd_refuse(IOMMUFD_REASON_NO_GAP, -ENOSPC);
}

/**
 * iopt_gap_freed() - there may be a gap again
 * @iopt: the address space
 * @start: the lowest address that became free
 *
 * Context: iova_rwsem is held for writing.
 */
void iopt_gap_freed(struct io_pagetable *iopt, unsigned long start)
{
	lockdep_assert_held_write(&iopt->iova_rwsem);

	iopt->gap_freed = min(iopt->gap_freed, start);
}
