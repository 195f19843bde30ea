/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Areas: the mappings of an I/O address space.  Only for the files that
 * implement that.
 */
#ifndef _IOMMUFD_AREA_H
#define _IOMMUFD_AREA_H

#include <linux/atomic.h>
#include <linux/lockdep.h>
#include <linux/pfn.h>
#include <linux/rbtree.h>
#include <linux/sched.h>

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
 * @node: in the tree of the address space, by @start
 * @start: first I/O address
 * @last: last I/O address
 * @pages: what it shows a part of, a reference
 * @offset: of the first byte in @pages
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @state: guarded by iova_rwsem, but that the call that makes the area declares
 *	it mapped with domains_rwsem held
 * @pinned: is one of the users that the part is pinned for; guarded by
 *	iova_rwsem, or the area belongs to the call that is making it
 * @accesses: how often accesses use it; raised under iova_rwsem while it is
 *	mapped, and keeps it from being removed or cut
 * @item: on the list of the call that makes or removes it
 */
struct iopt_area {
	struct rb_node node;
	unsigned long start;
	unsigned long last;
	struct iopt_pages *pages;
	unsigned long offset;
	int prot;
	enum iopt_area_state state;
	bool pinned;
	atomic_t accesses;
	struct list_head item;
};

static inline struct iopt_area *to_area(struct rb_node *node)
{
	return rb_entry_safe(node, struct iopt_area, node);
}

/* The lowest area that has any of the addresses. */
struct iopt_area *iopt_first_area(struct io_pagetable *iopt,
				  unsigned long start, unsigned long last);

static inline struct iopt_area *first_area(struct io_pagetable *iopt,
					   unsigned long start,
					   unsigned long last)
{
	lockdep_assert_held(&iopt->iova_rwsem);
	return iopt_first_area(iopt, start, last);
}

/* For loops, which may be long: lets others run. */
static inline struct iopt_area *next_area(struct iopt_area *area,
					  unsigned long last)
{
	area = to_area(rb_next(&area->node));
	if (!area || area->start > last)
		return NULL;
	cond_resched();
	return area;
}

/* In the order of their addresses. */
static inline struct iopt_area *any_area(struct io_pagetable *iopt)
{
	return first_area(iopt, 0, ULONG_MAX);
}

static inline struct iopt_area *area_after(struct iopt_area *area)
{
	return next_area(area, ULONG_MAX);
}

static inline unsigned long area_length(struct iopt_area *area)
{
	return area->last - area->start + 1;
}

/* What a table of small pages translates: 2 MiB. */
#define IOPT_SLOT_SHIFT 21

/* How many of these it touches. */
static inline unsigned long area_slots(struct iopt_area *area)
{
	return (area->last >> IOPT_SLOT_SHIFT) -
	       (area->start >> IOPT_SLOT_SHIFT) + 1;
}

/* Of an area that is not being filled any more all is seen that filling did. */
static inline enum iopt_area_state area_state(struct iopt_area *area)
{
	/* Pairs with the release in declare_mapped(). */
	return smp_load_acquire(&area->state);
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

/* tables.c */
bool iopt_tables_idle(struct io_pagetable *iopt);
void iopt_trim_tables(struct io_pagetable *iopt);

/* limits.c */
unsigned long iopt_domain_alignment(struct iommu_domain *domain);
int iopt_check_usable(struct io_pagetable *iopt, unsigned long start,
		      unsigned long last);
int iopt_raise_alignment(struct io_pagetable *iopt, unsigned long alignment);
void iopt_relax_limits(struct io_pagetable *iopt);

#endif
