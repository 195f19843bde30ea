// SPDX-License-Identifier: GPL-2.0-only
/*
 * An I/O address space.
 *
 * An area is one mapping: a range of I/O addresses that shows a range of
 * pinned pages.  The areas are the truth; each domain of the address space
 * holds a copy of it in the IOMMU's format.  While there is no domain, nothing
 * is pinned and a mapping is only recorded.
 *
 * A MAP puts its area into the tree first, marked busy: the addresses are taken
 * now, and the area belongs to the call until it clears the mark.  The pages
 * are faulted in and pinned with no lock held.  Then, with the set of domains
 * held still, the call looks again whether there is one, and maps.  An UNMAP
 * marks its areas busy, unmaps them from the domains, and takes them out of the
 * tree.  So calls on different areas run side by side, and who meets a busy
 * area says EBUSY (or EEXIST) and does not wait.
 *
 * A new domain is added in three steps.  iopt_pin_areas() pins what is not
 * pinned yet, with no lock held.  The caller then takes domains_rwsem for
 * writing, and starts again if iopt_areas_pinned() says that something came in
 * between.  Otherwise it attaches the device and calls iopt_add_domain(),
 * which maps every area that is not busy; those that are, their own calls map
 * once they get the lock.
 *
 * Nothing here faults, waits for a device or charges memory with a lock held,
 * and tearing down allocates nothing.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "gap.h"
#include "io_pagetable.h"
#include "pages.h"

/**
 * struct iopt_area - a mapping
 * @node: its I/O addresses
 * @pages: the memory it shows
 * @offset: of the first byte in the first of the pages
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @busy: belongs to the call that is mapping or unmapping it; guarded by
 *	iova_rwsem
 * @pinned: is one of the users that the pages are pinned for; guarded by
 *	iova_rwsem, or by @busy
 * @item: on the list of the call that unmaps it
 */
struct iopt_area {
	struct interval_tree_node node;
	struct iopt_pages *pages;
	unsigned long offset;
	int prot;
	bool busy;
	bool pinned;
	struct list_head item;
};

/**
 * struct iopt_reserved - addresses that cannot be mapped
 * @node: the addresses
 * @owner: what they are reserved for
 */
struct iopt_reserved {
	struct interval_tree_node node;
	void *owner;
};

static struct iopt_area *to_area(struct interval_tree_node *node)
{
	return node ? container_of(node, struct iopt_area, node) : NULL;
}

static struct iopt_area *first_area(struct io_pagetable *iopt,
				    unsigned long start, unsigned long last)
{
	lockdep_assert_held(&iopt->iova_rwsem);
	return to_area(interval_tree_iter_first(&iopt->areas, start, last));
}

static struct iopt_area *next_area(struct iopt_area *area, unsigned long start,
				   unsigned long last)
{
	return to_area(interval_tree_iter_next(&area->node, start, last));
}

/* In the order of their addresses. */
static struct iopt_area *any_area(struct io_pagetable *iopt)
{
	return first_area(iopt, 0, ULONG_MAX);
}

static struct iopt_area *area_after(struct iopt_area *area)
{
	return next_area(area, 0, ULONG_MAX);
}

static unsigned long area_length(struct iopt_area *area)
{
	return area->node.last - area->node.start + 1;
}

/**
 * iopt_init() - make an empty address space
 * @iopt: to be given back with iopt_destroy()
 */
void iopt_init(struct io_pagetable *iopt)
{
	init_rwsem(&iopt->domains_rwsem);
	INIT_LIST_HEAD(&iopt->domains);
	init_rwsem(&iopt->iova_rwsem);
	iopt->areas = RB_ROOT_CACHED;
	iopt->reserved = RB_ROOT_CACHED;
	iopt->alignment = 1;
	iopt->aperture.last = ULONG_MAX;
}

/**
 * iopt_destroy() - free what an address space holds
 * @iopt: the address space, without domains and reserved ranges
 *
 * Context: process context; no locks held and no one else uses @iopt.
 */
void iopt_destroy(struct io_pagetable *iopt)
{
	unsigned long unmapped;
	LIST_HEAD(drop);

	WARN_ON(!list_empty(&iopt->domains));
	WARN_ON(!RB_EMPTY_ROOT(&iopt->reserved.rb_root));
	iopt_unmap_all(iopt, &unmapped, &drop);
	iopt_pins_drop(&drop);
}

/* ---- an area in a domain ---- */

static unsigned long domain_alignment(struct iommu_domain *domain)
{
	return 1UL << __ffs(domain->pgsize_bitmap);
}

/* Page tables begin with at least three levels of 512 entries. */
#define REACH_FIRST_BITS 39
#define REACH_LEVEL_BITS 9

static bool needs_growth(struct iopt_domain *domain, unsigned long last)
{
	return last > READ_ONCE(domain->reach);
}

/* The reach of a table of whole levels that holds @last. */
static unsigned long reach_for(unsigned long last)
{
	unsigned int bits = REACH_FIRST_BITS;

	while (bits < BITS_PER_LONG && last >> bits)
		bits += REACH_LEVEL_BITS;
	return bits < BITS_PER_LONG ? (1UL << bits) - 1 : ULONG_MAX;
}

/* How much is unmapped without a pause; 2^18 small pages take milliseconds. */
#define UNMAP_CHUNK SZ_1G

/*
 * In whole runs, for what one iommu_map() made must not be cut; and with one
 * flush, which no page outlives that is unpinned after this.
 */
static void domain_unmap(struct iopt_domain *domain, struct iopt_area *area)
{
	unsigned long iova = area->node.start, length = 0;
	struct iommu_iotlb_gather gather;
	struct iopt_run_iter iter;
	size_t unmapped = 0;

	iommu_iotlb_gather_init(&gather);
	down_read(&domain->growth_rwsem);
	iopt_run_iter_init(&iter, area->pages, area->offset, area_length(area));
	while (iter.length) {
		length += iter.length;
		iopt_run_iter_next(&iter);
		if (iter.length && length < UNMAP_CHUNK)
			continue;
		unmapped += iommu_unmap_fast(domain->domain, iova, length,
					     &gather);
		iova += length;
		length = 0;
		cond_resched();
	}
	iommu_iotlb_sync(domain->domain, &gather);
	up_read(&domain->growth_rwsem);
	WARN_ON(unmapped != area_length(area));
}

/*
 * 6.1's VT-d driver says that nothing is mapped when it runs out of memory in
 * the middle of a run, but leaves what it had mapped.  Unmapping a hole is not
 * safe with it either, so look at each page first.
 */
static void unmap_failed_run(struct iommu_domain *domain, unsigned long iova,
			     unsigned long length)
{
	unsigned long page = domain_alignment(domain);
	unsigned long done = 0, step;

	while (done < length) {
		step = page;
		if (iommu_iova_to_phys(domain, iova + done))
			step = iommu_unmap(domain, iova + done, page);
		if (WARN_ON(!step))
			return;
		done += step;
		cond_resched();
	}
}

static int domain_map_runs(struct iopt_domain *domain, struct iopt_area *area)
{
	unsigned long iova = area->node.start;
	struct iopt_run_iter iter;
	int ret;

	iopt_run_iter_init(&iter, area->pages, area->offset, area_length(area));
	for (; iter.length; iopt_run_iter_next(&iter)) {
		ret = iommu_map(domain->domain, iova, iter.phys, iter.length,
				area->prot | IOMMU_CACHE);
		if (ret)
			goto err_unmap;
		iova += iter.length;
		cond_resched();
	}
	return 0;

err_unmap:
	unmap_failed_run(domain->domain, iova, iter.length);
	if (iova != area->node.start)
		iommu_unmap(domain->domain, area->node.start,
			    iova - area->node.start);
	/* Drivers have their own ways to say that they cannot. */
	return ret == -ENOMEM ? ret : -EINVAL;
}

static int domain_map(struct iopt_domain *domain, struct iopt_area *area)
{
	int ret;

	if (!needs_growth(domain, area->node.last)) {
		down_read(&domain->growth_rwsem);
		ret = domain_map_runs(domain, area);
		up_read(&domain->growth_rwsem);
		return ret;
	}

	down_write(&domain->growth_rwsem);
	ret = domain_map_runs(domain, area);
	if (!ret && needs_growth(domain, area->node.last))
		WRITE_ONCE(domain->reach, reach_for(area->node.last));
	up_write(&domain->growth_rwsem);
	return ret;
}

static int area_map_domains(struct io_pagetable *iopt, struct iopt_area *area)
{
	struct iopt_domain *domain;
	int ret;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(domain, &iopt->domains, item) {
		ret = domain_map(domain, area);
		if (ret)
			goto err_unmap;
	}
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(domain, &iopt->domains, item)
		domain_unmap(domain, area);
	return ret;
}

static void area_unmap_domains(struct io_pagetable *iopt,
			       struct iopt_area *area)
{
	struct iopt_domain *domain;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(domain, &iopt->domains, item)
		domain_unmap(domain, area);
}

/* ---- places ---- */

static bool in_aperture(const struct iopt_range *aperture, unsigned long start,
			unsigned long last)
{
	return start >= aperture->start && last <= aperture->last;
}

static bool is_reserved(struct io_pagetable *iopt, unsigned long start,
			unsigned long last)
{
	return !in_aperture(&iopt->aperture, start, last) ||
	       interval_tree_iter_first(&iopt->reserved, start, last);
}

static bool area_aligned(struct iopt_area *area, unsigned long alignment)
{
	return IS_ALIGNED(area->node.start | area_length(area) | area->offset,
			  alignment);
}

static void insert_area(struct io_pagetable *iopt, struct iopt_area *area)
{
	lockdep_assert_held_write(&iopt->iova_rwsem);
	area->busy = true;
	interval_tree_insert(&area->node, &iopt->areas);
}

static void remove_area(struct io_pagetable *iopt, struct iopt_area *area)
{
	struct rb_node *prev = rb_prev(&area->node.rb);
	unsigned long gap = 0;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	/* What it leaves joins the gap below it. */
	if (prev)
		gap = rb_entry(prev, struct interval_tree_node, rb)->last + 1;
	iopt_gap_freed(iopt, gap);
	interval_tree_remove(&area->node, &iopt->areas);
}

/* ---- mapping ---- */

/**
 * iopt_area_alloc_user() - begin a mapping of the current process's memory
 * @uptr: first byte
 * @length: in bytes
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @mode: how the memory is charged
 *
 * Context: process context, may sleep.
 * Return: an area without a place, owned by the caller until
 * iopt_area_fill() succeeds; or an errno of iopt_pages_alloc_user().
 */
struct iopt_area *iopt_area_alloc_user(unsigned long uptr, unsigned long length,
				       int prot, enum iommufd_account_mode mode)
{
	struct iopt_pages *pages;
	struct iopt_area *area;

	pages = iopt_pages_alloc_user(uptr, length, prot & IOMMU_WRITE, mode);
	if (IS_ERR(pages))
		return ERR_CAST(pages);
	area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);
	if (!area) {
		iopt_pages_put(pages);
		return ERR_PTR(-ENOMEM);
	}
	area->pages = pages;
	area->offset = offset_in_page(uptr);
	area->prot = prot;
	area->node.last = length - 1;
	return area;
}

/**
 * iopt_area_free() - free an area that has no place
 * @area: the area
 *
 * Context: process context.
 */
void iopt_area_free(struct iopt_area *area)
{
	iopt_pages_put(area->pages);
	kfree(area);
}

/**
 * iopt_area_iova() - where an area was placed
 * @area: a placed area of the caller's own
 *
 * Return: its first I/O address.
 */
unsigned long iopt_area_iova(struct iopt_area *area)
{
	return area->node.start;
}

/**
 * iopt_area_place() - take a fixed place for a mapping
 * @iopt: the address space
 * @area: the area; from now on others find its addresses taken
 * @iova: its first I/O address
 *
 * Context: process context; no locks held.
 * Return: 0; -EOVERFLOW when the range wraps; -EINVAL when it is misaligned or
 * reserved; -EEXIST when something is mapped there; -EINTR on a fatal signal.
 */
int iopt_area_place(struct io_pagetable *iopt, struct iopt_area *area,
		    unsigned long iova)
{
	unsigned long last;
	int ret = -EINVAL;

	if (check_add_overflow(iova, area_length(area) - 1, &last))
		return -EOVERFLOW;

	if (down_write_killable(&iopt->iova_rwsem))
		return -EINTR;
	area->node.start = iova;
	area->node.last = last;
	if (!area_aligned(area, iopt->alignment) ||
	    is_reserved(iopt, iova, last))
		goto out_unlock;
	ret = -EEXIST;
	if (first_area(iopt, iova, last))
		goto out_unlock;
	insert_area(iopt, area);
	ret = 0;
out_unlock:
	up_write(&iopt->iova_rwsem);
	return ret;
}

/**
 * iopt_area_place_anywhere() - take any free place for a mapping
 * @iopt: the address space
 * @area: the area; from now on others find its addresses taken
 *
 * The address is never 0, keeps the offset that the memory has in its page, and
 * is aligned as far as that lets huge pages be used.
 *
 * Context: process context; no locks held.
 * Return: 0; -ENOSPC; -EOVERFLOW when the area is half of the address space;
 * -EINVAL when the memory is misaligned; -EINTR on a fatal signal.
 */
int iopt_area_place_anywhere(struct io_pagetable *iopt, struct iopt_area *area)
{
	unsigned long iova;
	int ret = -EINVAL;

	if (down_write_killable(&iopt->iova_rwsem))
		return -EINTR;
	if (!IS_ALIGNED(area_length(area) | area->offset, iopt->alignment))
		goto out_unlock;
	ret = iopt_find_gap(iopt, area->pages->uptr + area->offset,
			    area_length(area), &iova);
	if (ret)
		goto out_unlock;
	area->node.last = iova + area_length(area) - 1;
	area->node.start = iova;
	insert_area(iopt, area);
out_unlock:
	up_write(&iopt->iova_rwsem);
	return ret;
}

/**
 * iopt_area_unplace() - give up the place of an area that was not filled
 * @iopt: the address space
 * @area: still the caller's; to be freed
 *
 * Context: process context; no locks held.
 */
void iopt_area_unplace(struct io_pagetable *iopt, struct iopt_area *area)
{
	down_write(&iopt->iova_rwsem);
	remove_area(iopt, area);
	up_write(&iopt->iova_rwsem);
}

static void area_unpin(struct iopt_area *area, struct list_head *drop)
{
	if (area->pinned)
		iopt_pages_unpin(area->pages, drop);
	area->pinned = false;
}

/* On success holds domains_rwsem for reading, with the pages pinned if needed. */
static int area_pin_and_lock(struct io_pagetable *iopt, struct iopt_area *area)
{
	int ret;

	for (;;) {
		if (down_read_killable(&iopt->domains_rwsem))
			return -EINTR;
		if (area->pinned || list_empty(&iopt->domains))
			return 0;
		up_read(&iopt->domains_rwsem);

		ret = iopt_pages_pin(area->pages);
		if (ret)
			return ret;
		area->pinned = true;
	}
}

/**
 * iopt_area_fill() - complete a mapping
 * @iopt: the address space
 * @area: a placed area; the address space's own on success, freed on failure
 *
 * Context: process context; no locks held: faults user memory in.  The caller
 * keeps the address space from being destroyed.
 * Return: 0, or the errno of iopt_pages_pin() or of the IOMMU driver.
 */
int iopt_area_fill(struct io_pagetable *iopt, struct iopt_area *area)
{
	LIST_HEAD(drop);
	int ret;

	ret = area_pin_and_lock(iopt, area);
	if (ret)
		goto err_unplace;
	/* The domain that it was pinned for may be gone again. */
	if (list_empty(&iopt->domains))
		area_unpin(area, &drop);
	ret = area_map_domains(iopt, area);
	if (!ret) {
		down_write(&iopt->iova_rwsem);
		area->busy = false;
		up_write(&iopt->iova_rwsem);
	}
	up_read(&iopt->domains_rwsem);
	if (ret)
		goto err_unplace;
	iopt_pins_drop(&drop);
	return 0;

err_unplace:
	iopt_area_unplace(iopt, area);
	area_unpin(area, &drop);
	iopt_pins_drop(&drop);
	iopt_area_free(area);
	return ret;
}

/* ---- unmapping ---- */

/* All or nothing: takes the areas of a range from everyone else. */
static int claim_areas(struct io_pagetable *iopt, unsigned long start,
		       unsigned long last, struct list_head *claimed)
{
	struct iopt_area *area;
	bool busy = false;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	area = first_area(iopt, start, last);
	if (!area)
		return -ENOENT;
	for (; area; area = next_area(area, start, last)) {
		if (area->node.start < start || area->node.last > last)
			return -ENOENT;
		busy |= area->busy;
	}
	if (busy)
		return -EBUSY;

	for (area = first_area(iopt, start, last); area;
	     area = next_area(area, start, last)) {
		area->busy = true;
		list_add_tail(&area->item, claimed);
	}
	return 0;
}

static void remove_areas(struct io_pagetable *iopt, struct list_head *areas)
{
	struct iopt_area *area;

	down_write(&iopt->iova_rwsem);
	list_for_each_entry(area, areas, item)
		remove_area(iopt, area);
	up_write(&iopt->iova_rwsem);
}

static unsigned long free_areas(struct list_head *areas, struct list_head *drop)
{
	struct iopt_area *area, *next;
	unsigned long length = 0;

	list_for_each_entry_safe(area, next, areas, item) {
		length += area_length(area);
		area_unpin(area, drop);
		iopt_area_free(area);
		cond_resched();
	}
	return length;
}

/**
 * iopt_unmap() - remove the mappings of a range
 * @iopt: the address space
 * @start: first byte
 * @last: last byte
 * @unmapped: set to the number of bytes that were mapped
 * @drop: gets what is pinned for no one now, for iopt_pins_drop()
 *
 * Context: process context; no locks of the address space.
 * Return: 0; -ENOENT when nothing is mapped there, or a mapping would be cut;
 * -EBUSY when another call is mapping or unmapping some of it.  On failure
 * nothing has changed.
 */
int iopt_unmap(struct io_pagetable *iopt, unsigned long start,
	       unsigned long last, unsigned long *unmapped,
	       struct list_head *drop)
{
	struct iopt_area *area;
	LIST_HEAD(claimed);
	int ret;

	*unmapped = 0;
	down_read(&iopt->domains_rwsem);
	down_write(&iopt->iova_rwsem);
	ret = claim_areas(iopt, start, last, &claimed);
	up_write(&iopt->iova_rwsem);
	if (ret)
		goto out_unlock;

	list_for_each_entry(area, &claimed, item) {
		area_unmap_domains(iopt, area);
		cond_resched();
	}
	remove_areas(iopt, &claimed);
out_unlock:
	up_read(&iopt->domains_rwsem);
	*unmapped = free_areas(&claimed, drop);
	return ret;
}

/**
 * iopt_unmap_all() - remove every mapping
 * @iopt: the address space
 * @unmapped: set to the number of bytes that were mapped
 * @drop: as of iopt_unmap()
 *
 * Context: process context; no locks of the address space.
 * Return: 0, also when nothing was mapped; -EBUSY when another call is mapping
 * or unmapping, and then nothing has changed.
 */
int iopt_unmap_all(struct io_pagetable *iopt, unsigned long *unmapped,
		   struct list_head *drop)
{
	int ret = iopt_unmap(iopt, 0, ULONG_MAX, unmapped, drop);

	return ret == -ENOENT ? 0 : ret;
}

/* ---- reserved ranges ---- */

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
 * Return: 0; -EADDRINUSE when something is mapped there; -ENOMEM.
 */
int iopt_reserve(struct io_pagetable *iopt, unsigned long start,
		 unsigned long last, void *owner)
{
	struct iopt_reserved *reserved;
	int ret = 0;

	reserved = kzalloc(sizeof(*reserved), GFP_KERNEL_ACCOUNT);
	if (!reserved)
		return -ENOMEM;
	reserved->node.start = start;
	reserved->node.last = last;
	reserved->owner = owner;

	down_write(&iopt->iova_rwsem);
	if (first_area(iopt, start, last))
		ret = -EADDRINUSE;
	else
		interval_tree_insert(&reserved->node, &iopt->reserved);
	up_write(&iopt->iova_rwsem);
	if (ret)
		kfree(reserved);
	return ret;
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

/* ---- domains ---- */

/* The first area from @start on that a new domain would find unpinned. */
static struct iopt_area *first_unpinned(struct io_pagetable *iopt,
					unsigned long start)
{
	struct iopt_area *area;

	for (area = first_area(iopt, start, ULONG_MAX); area;
	     area = area_after(area))
		if (!area->busy && !area->pinned)
			return area;
	return NULL;
}

/* The area's pages were pinned: does it still want them? */
static bool area_take_pin(struct io_pagetable *iopt, unsigned long iova,
			  struct iopt_pages *pages)
{
	struct iopt_area *area;
	bool taken;

	down_write(&iopt->iova_rwsem);
	area = first_area(iopt, iova, iova);
	taken = area && area->pages == pages && !area->busy && !area->pinned;
	if (taken)
		area->pinned = true;
	up_write(&iopt->iova_rwsem);
	return taken;
}

/**
 * iopt_pin_areas() - pin all that is mapped, for a domain to come
 * @iopt: the address space; followed by iopt_unpin_idle() if no domain comes,
 *	also on failure
 *
 * Context: process context; no locks held: faults user memory in.
 * Return: 0 or the errno of iopt_pages_pin().
 */
int iopt_pin_areas(struct io_pagetable *iopt)
{
	unsigned long iova, last = 0;
	struct iopt_pages *pages;
	struct iopt_area *area;
	LIST_HEAD(drop);
	int ret = 0;

	do {
		down_read(&iopt->iova_rwsem);
		area = first_unpinned(iopt, last);
		if (area) {
			iova = area->node.start;
			last = area->node.last;
			pages = iopt_pages_get(area->pages);
		}
		up_read(&iopt->iova_rwsem);
		if (!area)
			break;

		ret = iopt_pages_pin(pages);
		if (!ret && !area_take_pin(iopt, iova, pages))
			iopt_pages_unpin(pages, &drop);
		iopt_pages_put(pages);
	} while (!ret && last++ != ULONG_MAX);
	iopt_pins_drop(&drop);
	return ret;
}

/**
 * iopt_areas_pinned() - may a domain be added now?
 * @iopt: the address space
 *
 * Context: domains_rwsem is held for writing.
 * Return: false when iopt_pin_areas() has to be called again, without locks.
 */
bool iopt_areas_pinned(struct io_pagetable *iopt)
{
	bool pinned;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	down_read(&iopt->iova_rwsem);
	pinned = !first_unpinned(iopt, 0);
	up_read(&iopt->iova_rwsem);
	return pinned;
}

static void unpin_areas(struct io_pagetable *iopt, struct list_head *drop)
{
	struct iopt_area *area;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	down_write(&iopt->iova_rwsem);
	for (area = any_area(iopt); area; area = area_after(area))
		if (!area->busy)
			area_unpin(area, drop);
	up_write(&iopt->iova_rwsem);
}

/**
 * iopt_unpin_idle() - let pages go that iopt_pin_areas() pinned in vain
 * @iopt: the address space
 *
 * Context: process context; no locks held.
 */
void iopt_unpin_idle(struct io_pagetable *iopt)
{
	LIST_HEAD(drop);

	down_write(&iopt->domains_rwsem);
	if (list_empty(&iopt->domains))
		unpin_areas(iopt, &drop);
	up_write(&iopt->domains_rwsem);
	iopt_pins_drop(&drop);
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

/* What the domains demand, now that there is one less. */
static void relax_limits(struct io_pagetable *iopt)
{
	struct iopt_range aperture = { 0, ULONG_MAX };
	struct iopt_domain *domain;
	unsigned long alignment = 1;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(domain, &iopt->domains, item) {
		alignment = max(alignment, domain_alignment(domain->domain));
		narrow_aperture(&aperture, domain->domain);
	}
	down_write(&iopt->iova_rwsem);
	iopt->alignment = alignment;
	iopt->aperture = aperture;
	iopt_gap_freed(iopt, 0);
	up_write(&iopt->iova_rwsem);
}

static bool areas_fit(struct io_pagetable *iopt, unsigned long alignment,
		      const struct iopt_range *aperture)
{
	struct iopt_area *area;

	for (area = any_area(iopt); area; area = area_after(area))
		if (!area_aligned(area, alignment) ||
		    !in_aperture(aperture, area->node.start, area->node.last))
			return false;
	return true;
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
	unsigned long alignment = domain_alignment(domain->domain);
	struct iopt_range aperture = iopt->aperture;
	int ret = 0;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	if (alignment > PAGE_SIZE)
		return -EINVAL;
	alignment = max(alignment, iopt->alignment);
	narrow_aperture(&aperture, domain->domain);

	down_write(&iopt->iova_rwsem);
	if (areas_fit(iopt, alignment, &aperture)) {
		iopt->alignment = alignment;
		iopt->aperture = aperture;
	} else {
		ret = -EADDRINUSE;
	}
	up_write(&iopt->iova_rwsem);
	return ret;
}

static void unmap_areas(struct io_pagetable *iopt, struct iopt_domain *domain,
			struct iopt_area *end)
{
	struct iopt_area *area;

	for (area = any_area(iopt); area; area = area_after(area)) {
		if (area == end)
			break;
		if (!area->busy)
			domain_unmap(domain, area);
		cond_resched();
	}
}

static int map_areas(struct io_pagetable *iopt, struct iopt_domain *domain)
{
	struct iopt_area *area;
	int ret = 0;

	down_read(&iopt->iova_rwsem);
	for (area = any_area(iopt); area; area = area_after(area)) {
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (!area->busy)
			ret = domain_map(domain, area);
		if (ret) {
			unmap_areas(iopt, domain, area);
			break;
		}
		cond_resched();
	}
	up_read(&iopt->iova_rwsem);
	return ret;
}

/**
 * iopt_domain_init() - describe a domain
 * @iopt_domain: what is to be added to an address space
 * @domain: an empty domain
 */
void iopt_domain_init(struct iopt_domain *iopt_domain,
		      struct iommu_domain *domain)
{
	iopt_domain->domain = domain;
	INIT_LIST_HEAD(&iopt_domain->item);
	init_rwsem(&iopt_domain->growth_rwsem);
	iopt_domain->reach = reach_for(0);
}

/**
 * iopt_add_domain() - show an address space in a further domain
 * @iopt: the address space, all of it pinned: see iopt_areas_pinned()
 * @domain: an empty domain that a device is attached to, since only then its
 *	geometry and page sizes are known
 *
 * Context: domains_rwsem is held for writing.
 * Return: 0; an errno of iopt_fit_domain(); -ENOMEM, -EINTR or the IOMMU
 * driver's errno.  On failure the domain is empty again.
 */
int iopt_add_domain(struct io_pagetable *iopt, struct iopt_domain *domain)
{
	int ret;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	ret = iopt_fit_domain(iopt, domain);
	if (ret)
		return ret;
	ret = map_areas(iopt, domain);
	if (ret) {
		relax_limits(iopt);
		return ret;
	}
	list_add_tail(&domain->item, &iopt->domains);
	return 0;
}

/**
 * iopt_remove_domain() - empty a domain and forget it
 * @iopt: the address space
 * @domain: a domain of it
 * @drop: gets what no domain needs pinned any more, for iopt_pins_drop()
 *
 * Context: domains_rwsem is held for writing.
 */
void iopt_remove_domain(struct io_pagetable *iopt, struct iopt_domain *domain,
			struct list_head *drop)
{
	lockdep_assert_held_write(&iopt->domains_rwsem);

	list_del(&domain->item);
	down_read(&iopt->iova_rwsem);
	unmap_areas(iopt, domain, NULL);
	up_read(&iopt->iova_rwsem);
	relax_limits(iopt);
	if (list_empty(&iopt->domains))
		unpin_areas(iopt, drop);
}
