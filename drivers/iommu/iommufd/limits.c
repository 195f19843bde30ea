// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which addresses of an I/O address space can be mapped, and how mappings have
 * to be aligned.
 *
 * Devices reserve ranges; domains have an aperture and a smallest page; user
 * space says from where addresses are to be chosen.  Each of them is refused
 * when it contradicts what is there, and goes together with who asked for it.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "area.h"
#include "gap.h"
#include "trace.h"

/**
 * struct iopt_reserved - addresses that cannot be mapped
 * @node: the addresses
 * @owner: what they are reserved for
 */
struct iopt_reserved {
	struct interval_tree_node node;
	void *owner;
};

static bool in_aperture(const struct iopt_range *aperture, unsigned long start,
			unsigned long last)
{
	return start >= aperture->start && last <= aperture->last;
}

/**
 * iopt_check_usable() - can all of a range be mapped?
 * @iopt: the address space
 * @start: first byte
 * @last: last byte
 *
 * Context: iova_rwsem is held.
 * Return: 0; -EINVAL if any of it is reserved, or outside of a domain's
 * aperture.
 */
int iopt_check_usable(struct io_pagetable *iopt, unsigned long start,
		      unsigned long last)
{
	if (!in_aperture(&iopt->aperture, start, last))
		return iommufd_refuse(IOMMUFD_REASON_IOVA_BEYOND_APERTURE,
				      -EINVAL);
	if (interval_tree_iter_first(&iopt->reserved, start, last))
		return iommufd_refuse(IOMMUFD_REASON_IOVA_RESERVED, -EINVAL);
	return 0;
}

/**
 * iopt_usable_ranges() - the ranges that can be mapped
 * @iopt: the address space
 * @ranges: filled with the first @max of them, in order
 * @max: how many fit
 * @alignment: set to what addresses and lengths must be a multiple of
 *
 * Context: process context; no locks held.
 * Return: how many ranges there are.
 */
unsigned long iopt_usable_ranges(struct io_pagetable *iopt,
				 struct iopt_range *ranges, unsigned long max,
				 unsigned long *alignment)
{
	const struct iopt_range *aperture = &iopt->aperture;
	struct interval_tree_node *node;
	unsigned long start, nr = 0;
	bool at_end;

	down_read(&iopt->iova_rwsem);
	*alignment = iopt->alignment;
	start = aperture->start;
	/* Domains that have no address in common. */
	at_end = start > aperture->last;
	for (node = interval_tree_iter_first(&iopt->reserved, start,
					     aperture->last);
	     node && !at_end;
	     node = interval_tree_iter_next(node, start, aperture->last)) {
		if (node->start > start) {
			if (nr < max)
				ranges[nr] = (struct iopt_range){
					start, node->start - 1 };
			nr++;
		}
		at_end = node->last >= aperture->last;
		start = max(start, node->last + 1);
	}
	if (!at_end) {
		if (nr < max)
			ranges[nr] = (struct iopt_range){ start,
							  aperture->last };
		nr++;
	}
	up_read(&iopt->iova_rwsem);
	return nr;
}

/**
 * iopt_reserve() - keep addresses from being mapped
 * @iopt: the address space
 * @start: first byte
 * @last: last byte
 * @owner: what iopt_unreserve() finds it by
 *
 * Context: process context, may sleep; takes iova_rwsem.
 * Return: 0; -EADDRINUSE when something is mapped or allowed there; -ENOMEM.
 */
int iopt_reserve(struct io_pagetable *iopt, unsigned long start,
		 unsigned long last, void *owner)
{
	struct iopt_reserved *reserved;
	int ret = 0;

	reserved = kzalloc(sizeof(*reserved), IOMMUFD_GFP);
	if (!reserved)
		return iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
	reserved->node.start = start;
	reserved->node.last = last;
	reserved->owner = owner;

	down_write(&iopt->iova_rwsem);
	if (first_area(iopt, start, last))
		ret = iommufd_refuse(IOMMUFD_REASON_MAPPED_RESERVED,
				     -EADDRINUSE);
	else if (interval_tree_iter_first(&iopt->allowed, start, last))
		ret = iommufd_refuse(IOMMUFD_REASON_ALLOWED_IN_RESERVED,
				     -EADDRINUSE);
	else
		interval_tree_insert(&reserved->node, &iopt->reserved);
	up_write(&iopt->iova_rwsem);
	if (ret)
		kfree(reserved);
	return ret;
}

/**
 * iopt_reserve_region() - keep a region that a device reserves from being
 *	mapped
 * @iopt: the address space
 * @region: the region; nothing is done when it may be mapped all the same
 * @owner: what iopt_unreserve() finds it by
 *
 * Context: as iopt_reserve().
 * Return: as iopt_reserve().
 */
int iopt_reserve_region(struct io_pagetable *iopt,
			const struct iommu_resv_region *region, void *owner)
{
	/* Where an IOVA has 32 bits, a region may lie above them. */
	u64 start = region->start, last = start + region->length - 1;

	if (region->type == IOMMU_RESV_DIRECT_RELAXABLE || !region->length ||
	    start > ULONG_MAX)
		return 0;
	return iopt_reserve(iopt, start, min_t(u64, last, ULONG_MAX), owner);
}

/**
 * iopt_unreserve() - give back all that was reserved for an owner
 * @iopt: the address space
 * @owner: the owner
 *
 * Context: process context; takes iova_rwsem.
 */
void iopt_unreserve(struct io_pagetable *iopt, void *owner)
{
	struct interval_tree_node *node, *next;
	struct iopt_reserved *reserved;

	down_write(&iopt->iova_rwsem);
	for (node = interval_tree_iter_first(&iopt->reserved, 0, ULONG_MAX);
	     node; node = next) {
		next = interval_tree_iter_next(node, 0, ULONG_MAX);
		reserved = container_of(node, struct iopt_reserved, node);
		if (reserved->owner != owner)
			continue;
		interval_tree_remove(node, &iopt->reserved);
		kfree(reserved);
	}
	iopt_gap_freed(iopt, 0);
	up_write(&iopt->iova_rwsem);
}

/**
 * iopt_reserve_unusable() - keep addresses from being mapped that cannot be
 *	mapped in another address space
 * @iopt: where they are reserved, without an owner
 * @other: the other one
 *
 * Context: process context, may sleep; no locks held.
 * Return: 0 or -ENOMEM; some are reserved then.
 */
int iopt_reserve_unusable(struct io_pagetable *iopt, struct io_pagetable *other)
{
	unsigned long start = 0, alignment, nr, max, i;
	struct iopt_range *ranges;
	int ret = 0;

	max = iopt_usable_ranges(other, NULL, 0, &alignment);
	ranges = kvmalloc_array(max, sizeof(*ranges), IOMMUFD_GFP);
	if (!ranges && max)
		return -ENOMEM;
	nr = iopt_usable_ranges(other, ranges, max, &alignment);
	/* Those that came meanwhile are left out. */
	nr = min(nr, max);

	for (i = 0; i < nr && !ret; i++) {
		if (ranges[i].start > start)
			ret = iopt_reserve(iopt, start, ranges[i].start - 1,
					   NULL);
		start = ranges[i].last + 1;
	}
	/* 0 when the last one reaches the end */
	if (!ret && (start || !nr))
		ret = iopt_reserve(iopt, start, ULONG_MAX, NULL);
	kvfree(ranges);
	return ret;
}

/* ---- allowed ranges ---- */

/**
 * iopt_add_allowed() - add a range to a list for iopt_allow()
 * @allowed: the list; begins as RB_ROOT_CACHED
 * @start: first byte
 * @last: last byte
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL when the range is empty or overlaps another; -ENOMEM.
 */
int iopt_add_allowed(struct rb_root_cached *allowed, unsigned long start,
		     unsigned long last)
{
	struct interval_tree_node *node;

	if (start >= last)
		return iommufd_refuse(IOMMUFD_REASON_ALLOWED_EMPTY, -EINVAL);
	if (interval_tree_iter_first(allowed, start, last))
		return iommufd_refuse(IOMMUFD_REASON_ALLOWED_OVERLAPS, -EINVAL);
	node = kzalloc(sizeof(*node), IOMMUFD_GFP);
	if (!node)
		return iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
	node->start = start;
	node->last = last;
	interval_tree_insert(node, allowed);
	return 0;
}

/**
 * iopt_free_allowed() - free a list for iopt_allow()
 * @allowed: the list
 *
 * Context: process context.
 */
void iopt_free_allowed(struct rb_root_cached *allowed)
{
	struct interval_tree_node *node;

	while ((node = interval_tree_iter_first(allowed, 0, ULONG_MAX))) {
		interval_tree_remove(node, allowed);
		kfree(node);
		cond_resched();
	}
}

static bool any_unusable(struct io_pagetable *iopt,
			 struct rb_root_cached *allowed)
{
	struct interval_tree_node *node;

	for (node = interval_tree_iter_first(allowed, 0, ULONG_MAX); node;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		if (!in_aperture(&iopt->aperture, node->start, node->last) ||
		    interval_tree_iter_first(&iopt->reserved, node->start,
					     node->last))
			return true;
		cond_resched();
	}
	return false;
}

/**
 * iopt_allow() - set from where addresses are chosen
 * @iopt: the address space
 * @allowed: a list of ranges, with none of which addresses are chosen from
 *	anywhere; on success becomes what was allowed before.  To be freed
 *
 * Context: process context; no locks held.
 * Return: 0; -EADDRINUSE when a range is reserved.
 */
int iopt_allow(struct io_pagetable *iopt, struct rb_root_cached *allowed)
{
	int ret = 0;

	down_write(&iopt->iova_rwsem);
	if (any_unusable(iopt, allowed)) {
		ret = iommufd_refuse(IOMMUFD_REASON_ALLOWED_RESERVED,
				     -EADDRINUSE);
	} else {
		swap(iopt->allowed, *allowed);
		iopt_gap_freed(iopt, 0);
	}
	up_write(&iopt->iova_rwsem);
	return ret;
}

/* ---- domains and accesses ---- */

/**
 * iopt_domain_alignment() - how a domain wants mappings aligned
 * @domain: the domain
 *
 * Return: its smallest page.
 */
unsigned long iopt_domain_alignment(struct iommu_domain *domain)
{
	return 1UL << __ffs(domain->pgsize_bitmap);
}

/* Makes @aperture what it has in common with the domain's. */
static void narrow_aperture(struct iopt_range *aperture,
			    struct iommu_domain *domain)
{
	struct iommu_domain_geometry *geometry = &domain->geometry;

	if (!geometry->force_aperture)
		return;
	aperture->start = max_t(u64, aperture->start, geometry->aperture_start);
	aperture->last = min_t(u64, aperture->last, geometry->aperture_end);
}

/**
 * iopt_relax_limits() - compute the limits anew, now that there is one less
 * @iopt: the address space
 *
 * Context: domains_rwsem is held; takes iova_rwsem.
 */
void iopt_relax_limits(struct io_pagetable *iopt)
{
	struct iopt_range aperture = { 0, ULONG_MAX };
	struct iopt_domain *domain;
	struct iopt_access *access;
	unsigned long alignment = 1;

	lockdep_assert_held(&iopt->domains_rwsem);

	down_write(&iopt->iova_rwsem);
	list_for_each_entry(domain, &iopt->domains, item) {
		alignment = max(alignment,
				iopt_domain_alignment(domain->domain));
		narrow_aperture(&aperture, domain->domain);
	}
	list_for_each_entry(access, &iopt->accesses, item)
		if (access->needs_pages)
			alignment = PAGE_SIZE;
	if (iopt->small_pages)
		alignment = PAGE_SIZE;
	iopt->alignment = alignment;
	iopt->aperture = aperture;
	iopt_gap_freed(iopt, 0);
	up_write(&iopt->iova_rwsem);
}

static bool areas_aligned(struct io_pagetable *iopt, unsigned long alignment)
{
	struct iopt_area *area;

	for (area = any_area(iopt); area; area = area_after(area))
		if (!IS_ALIGNED(area->start | area_length(area) |
				area->offset, alignment))
			return false;
	return true;
}

/**
 * iopt_raise_alignment() - demand a coarser alignment
 * @iopt: the address space
 * @alignment: at least this from now on
 *
 * Context: iova_rwsem is held for writing.
 * Return: 0, or -EADDRINUSE when some mapping is not aligned so.
 */
int iopt_raise_alignment(struct io_pagetable *iopt, unsigned long alignment)
{
	lockdep_assert_held_write(&iopt->iova_rwsem);

	if (alignment <= iopt->alignment)
		return 0;
	if (!areas_aligned(iopt, alignment))
		return iommufd_refuse(IOMMUFD_REASON_MAPPED_MISALIGNED,
				      -EADDRINUSE);
	iopt->alignment = alignment;
	return 0;
}

static bool any_area_outside(struct io_pagetable *iopt,
			     const struct iopt_range *range)
{
	return (range->start && first_area(iopt, 0, range->start - 1)) ||
	       (range->last != ULONG_MAX &&
		first_area(iopt, range->last + 1, ULONG_MAX));
}

static bool any_allowed_outside(struct io_pagetable *iopt,
				const struct iopt_range *range)
{
	return (range->start &&
		interval_tree_iter_first(&iopt->allowed, 0,
					 range->start - 1)) ||
	       (range->last != ULONG_MAX &&
		interval_tree_iter_first(&iopt->allowed, range->last + 1,
					 ULONG_MAX));
}

/**
 * iopt_fit_domain() - heed the limits of a domain that a device was attached to
 * @iopt: the address space
 * @domain: a domain of it, or one to be added; each device may narrow it
 *
 * Context: domains_rwsem is held for writing.
 * Return: 0; -EINVAL when the domain's smallest page is larger than PAGE_SIZE;
 * -EADDRINUSE when what is mapped is misaligned for it or outside its aperture,
 * and then nothing has changed.
 */
int iopt_fit_domain(struct io_pagetable *iopt, struct iopt_domain *domain)
{
	unsigned long alignment = iopt_domain_alignment(domain->domain);
	struct iopt_range aperture = iopt->aperture;
	int ret;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	if (alignment > PAGE_SIZE)
		return iommufd_refuse(IOMMUFD_REASON_PAGE_TOO_LARGE, -EINVAL);
	narrow_aperture(&aperture, domain->domain);

	down_write(&iopt->iova_rwsem);
	if (any_area_outside(iopt, &aperture))
		ret = iommufd_refuse(IOMMUFD_REASON_MAPPED_BEYOND, -EADDRINUSE);
	else if (any_allowed_outside(iopt, &aperture))
		ret = iommufd_refuse(IOMMUFD_REASON_ALLOWED_BEYOND,
				     -EADDRINUSE);
	else
		ret = iopt_raise_alignment(iopt, alignment);
	if (!ret)
		iopt->aperture = aperture;
	up_write(&iopt->iova_rwsem);
	return ret;
}

/* ---- huge pages ---- */

static int forbid_huge_pages(struct io_pagetable *iopt)
{
	int ret;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	down_write(&iopt->iova_rwsem);
	if (!list_empty(&iopt->domains) && any_area(iopt))
		ret = -EINVAL;
	else
		ret = iopt_raise_alignment(iopt, PAGE_SIZE);
	up_write(&iopt->iova_rwsem);
	return ret;
}

/**
 * iopt_set_huge_pages() - may one entry of a domain map a huge page?
 * @iopt: the address space
 * @huge: if not, each page is mapped on its own, so that areas can be cut
 *
 * Context: process context; no locks held.
 * Return: 0; -EINVAL when they cannot be turned off because something is mapped
 * in a domain; -EADDRINUSE when some mapping is not aligned to pages; -EINTR on
 * a fatal signal.
 */
int iopt_set_huge_pages(struct io_pagetable *iopt, bool huge)
{
	int ret = 0;

	if (down_write_killable(&iopt->domains_rwsem))
		return -EINTR;
	if (!huge && !iopt->small_pages)
		ret = forbid_huge_pages(iopt);
	if (!ret) {
		iopt->small_pages = !huge;
		iopt_relax_limits(iopt);
	}
	up_write(&iopt->domains_rwsem);
	return ret;
}

/**
 * iopt_has_huge_pages() - what iopt_set_huge_pages() set
 * @iopt: the address space
 *
 * Return: true if one entry of a domain may map a huge page.
 */
bool iopt_has_huge_pages(struct io_pagetable *iopt)
{
	return !READ_ONCE(iopt->small_pages);
}
