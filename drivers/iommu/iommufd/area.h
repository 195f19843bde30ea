/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Areas: the mappings of an I/O address space.  Only for the files that
 * implement that.
 */
#ifndef _IOMMUFD_AREA_H
#define _IOMMUFD_AREA_H

#include <linux/atomic.h>
#include <linux/interval_tree.h>
#include <linux/lockdep.h>
#include <linux/pfn.h>

#include "io_pagetable.h"

/**
 * enum iopt_area_state - whose an area is
 * @IOPT_AREA_FILLING: of the call that makes it; in no domain until that is
 *	done
 * @IOPT_AREA_MAPPED: everyone's
 * @IOPT_AREA_CLOSING: still mapped, but no one may begin to use it: a call
 *	removes it
 */
enum iopt_area_state {
	IOPT_AREA_FILLING,
	IOPT_AREA_MAPPED,
	IOPT_AREA_CLOSING,
};

/**
 * struct iopt_area - a mapping
 * @node: its I/O addresses
 * @pages: what it shows a part of, a reference
 * @offset: of the first byte in @pages
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @state: guarded by iova_rwsem
 * @pinned: is one of the users that the part is pinned for; guarded by
 *	iova_rwsem, or the area belongs to the call that is making it
 * @accesses: how often accesses use it; raised under iova_rwsem while it is
 *	mapped, and keeps it from being removed or cut
 * @item: on the list of the call that makes or removes it
 */
struct iopt_area {
	struct interval_tree_node node;
	struct iopt_pages *pages;
	unsigned long offset;
	int prot;
	enum iopt_area_state state;
	bool pinned;
	atomic_t accesses;
	struct list_head item;
};

static inline struct iopt_area *to_area(struct interval_tree_node *node)
{
	return node ? container_of(node, struct iopt_area, node) : NULL;
}

static inline struct iopt_area *first_area(struct io_pagetable *iopt,
					   unsigned long start,
					   unsigned long last)
{
	lockdep_assert_held(&iopt->iova_rwsem);
	return to_area(interval_tree_iter_first(&iopt->areas, start, last));
}

static inline struct iopt_area *
next_area(struct iopt_area *area, unsigned long start, unsigned long last)
{
	return to_area(interval_tree_iter_next(&area->node, start, last));
}

/* In the order of their addresses. */
static inline struct iopt_area *any_area(struct io_pagetable *iopt)
{
	return first_area(iopt, 0, ULONG_MAX);
}

static inline struct iopt_area *area_after(struct iopt_area *area)
{
	return next_area(area, 0, ULONG_MAX);
}

static inline unsigned long area_length(struct iopt_area *area)
{
	return area->node.last - area->node.start + 1;
}

/* The part of the pages that it shows, as the pages know it. */
static inline unsigned long area_first_page(struct iopt_area *area)
{
	return area->offset >> PAGE_SHIFT;
}

static inline unsigned long area_npages(struct iopt_area *area)
{
	return PFN_UP(offset_in_page(area->offset) + area_length(area));
}

int iopt_area_pin(struct iopt_area *area);
void iopt_area_unpin(struct iopt_area *area, struct list_head *drop);

/* domains.c */
int iopt_map_area(struct io_pagetable *iopt, struct iopt_area *area);
void iopt_unmap_area(struct io_pagetable *iopt, struct iopt_area *area);

/* limits.c */
unsigned long iopt_domain_alignment(struct iommu_domain *domain);
bool iopt_is_reserved(struct io_pagetable *iopt, unsigned long start,
		      unsigned long last);
int iopt_raise_alignment(struct io_pagetable *iopt, unsigned long alignment);
void iopt_relax_limits(struct io_pagetable *iopt);

#endif
