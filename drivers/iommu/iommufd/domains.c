// SPDX-License-Identifier: GPL-2.0-only
/*
 * The domains of an I/O address space.
 *
 * Each domain holds what the areas say, in the IOMMU's format.
 *
 * A new domain is added in three steps.  iopt_pin_areas() pins what is not
 * pinned yet, with no lock held.  The caller then takes domains_rwsem for
 * writing, and starts again if iopt_areas_pinned() says that something came in
 * between.  Otherwise it attaches the device, unless the domain is complete
 * without, and calls iopt_add_domain(), which maps every area but those that
 * are being made: these their own calls map once they get the lock.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "area.h"
#include "pages.h"
#include "trace.h"

/* Page tables begin with at least three levels of 512 entries. */
#define REACH_FIRST_BITS 39
#define REACH_LEVEL_BITS 9

/*
 * A domain is mapped, unmapped and synced in chunks that end at multiples of
 * 1 GiB.  Such a multiple is inside of no page: those of more than 1 GiB, which
 * AMD's IOMMU has, are not used.  So no page is cut, which drivers do not stand:
 * VT-d's takes the memory in a large page for a page table.
 *
 * With the smallest pages a chunk takes milliseconds.  After each, others can
 * run, and a fatal signal ends a map.  Nor does any driver's count of pages
 * overflow: VT-d's, of what is to be flushed, has 32 bits.
 */
#define CHUNK_SIZE SZ_1G

/* How much of a range is in the chunk that it begins in. */
static unsigned long chunk_length(unsigned long iova, unsigned long length)
{
	return min(length, CHUNK_SIZE - (iova & (CHUNK_SIZE - 1)));
}

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

/*
 * The largest page that fits at the beginning of a run, and how many of it go
 * there until a larger one would fit.  A physical address may have more bits
 * than an unsigned long, but no page has.
 */
static size_t page_size_at(struct iommu_domain *domain, unsigned long iova,
			   phys_addr_t phys, unsigned long length,
			   size_t *count)
{
	unsigned long sizes = domain->pgsize_bitmap, fitting, larger, to_larger;
	unsigned long bits = iova | phys;
	size_t size;

	/* The most frequent case of all. */
	if (length == (sizes & -sizes)) {
		*count = 1;
		return length;
	}

	fitting = sizes & GENMASK(__fls(length), 0);
	if (bits)
		fitting &= GENMASK(__ffs(bits), 0);
	size = BIT(__fls(fitting));

	larger = sizes & ~GENMASK(__fls(size), 0);
	if (larger) {
		larger = BIT(__ffs(larger));
		to_larger = -iova & (larger - 1);
		if (!((iova ^ phys) & (larger - 1)) &&
		    length >= to_larger && length - to_larger >= larger)
			length = to_larger;
	}
	*count = length / size;
	return size;
}

/* As iommu_unmap_fast(); returns the number of bytes that were unmapped. */
static unsigned long unmap_pieces(struct iommu_domain *domain,
				  unsigned long iova, unsigned long length,
				  struct iommu_iotlb_gather *gather)
{
	unsigned long done = 0;
	size_t size, count, unmapped;

	if (!domain->ops->unmap_pages)
		return iommu_unmap_fast(domain, iova, length, gather);
	while (done < length) {
		size = page_size_at(domain, iova + done, iova + done,
				    length - done, &count);
		/*
		 * 6.1's VT-d driver would do this itself, but after it has put
		 * the page tables of this piece on the list of what the sync
		 * frees.
		 */
		if (gather->pgsize && gather->pgsize != size * count)
			iommu_iotlb_sync(domain, gather);
		unmapped = domain->ops->unmap_pages(domain, iova + done, size,
						    count, gather);
		if (!unmapped)
			break;
		done += unmapped;
	}
	return done;
}

static unsigned long unmap_chunk(struct iommu_domain *domain,
				 unsigned long iova, unsigned long length)
{
	struct iommu_iotlb_gather gather;
	unsigned long unmapped;

	iommu_iotlb_gather_init(&gather);
	unmapped = unmap_pieces(domain, iova, length, &gather);
	iommu_iotlb_sync(domain, &gather);
	return unmapped;
}

/* All of it is mapped, and no page of it reaches out of it. */
static void domain_unmap_range(struct iommu_domain *domain, unsigned long iova,
			       unsigned long length)
{
	unsigned long done = 0, step, unmapped;

	while (done < length) {
		step = chunk_length(iova + done, length - done);
		unmapped = unmap_chunk(domain, iova + done, step);
		WARN_ON(unmapped != step);
		done += max(step, unmapped);
		if (done < length)
			cond_resched();
	}
}

static void domain_unmap(struct iopt_domain *domain, struct iopt_area *area)
{
	down_read(&domain->growth_rwsem);
	domain_unmap_range(domain->domain, area->start, area_length(area));
	up_read(&domain->growth_rwsem);
}

/*
 * 6.1's VT-d driver says that nothing is mapped when it runs out of memory in
 * the middle of a run, but leaves what it had mapped.  Unmapping a hole is not
 * safe with it either, so look at each page first.
 */
static void unmap_failed_run(struct iommu_domain *domain, unsigned long iova,
			     unsigned long length)
{
	unsigned long page = iopt_domain_alignment(domain);
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

/*
 * What iommu_map() does, but for the flush, which is done once for all runs.
 * Returns the number of bytes that were mapped; sets @ret if that is not all.
 */
static unsigned long map_pieces(struct iommu_domain *domain, unsigned long iova,
				phys_addr_t phys, unsigned long length,
				int prot, int *ret)
{
	unsigned long done = 0;
	size_t size, count, mapped;

	while (done < length && !*ret) {
		mapped = 0;
		size = page_size_at(domain, iova + done, phys + done,
				    length - done, &count);
		*ret = domain->ops->map_pages(domain, iova + done, phys + done,
					      size, count, prot, IOMMUFD_GFP,
					      &mapped);
		done += mapped;
	}
	return done;
}

/* With page tables of a kind that has no such op. */
static unsigned long map_whole(struct iommu_domain *domain, unsigned long iova,
			       phys_addr_t phys, unsigned long length,
			       int prot, int *ret)
{
	*ret = iommu_map(domain, iova, phys, length, prot);
	return *ret ? 0 : length;
}

/* Each page on its own if @small.  As map_pieces(). */
static unsigned long map_run(struct iommu_domain *domain, unsigned long iova,
			     phys_addr_t phys, unsigned long length, int prot,
			     bool small, int *ret)
{
	unsigned long done = 0, step = small ? PAGE_SIZE : length;

	do {
		if (domain->ops->map_pages)
			done += map_pieces(domain, iova + done, phys + done,
					   step, prot, ret);
		else
			done += map_whole(domain, iova + done, phys + done,
					  step, prot, ret);
		if (small)
			cond_resched();
	} while (done < length && !*ret);
	return done;
}

/* On failure nothing of the chunk is mapped. */
static int map_chunk(struct iommu_domain *domain, struct iopt_area *area,
		     unsigned long iova, unsigned long length, bool small)
{
	int prot = area->prot | IOMMU_CACHE, ret = 0;
	unsigned long at = iova, done;
	struct iopt_run_iter iter;

	iopt_run_iter_init(&iter, area->pages,
			   area->offset + (iova - area->start), length);
	while (iter.length) {
		done = map_run(domain, at, iter.phys, iter.length, prot, small,
			       &ret);
		at += done;
		if (ret)
			break;
		iopt_run_iter_next(&iter);
	}
	iopt_run_iter_done(&iter);
	if (!ret) {
		if (domain->ops->iotlb_sync_map)
			domain->ops->iotlb_sync_map(domain, iova, length);
		return 0;
	}

	domain_unmap_range(domain, iova, at - iova);
	unmap_failed_run(domain, at, iter.length - done);
	/* Drivers have their own ways to say that they cannot. */
	return iommufd_refuse(IOMMUFD_REASON_DRIVER_MAP,
			      ret == -ENOMEM ? ret : -EINVAL);
}

static int map_chunks(struct iommu_domain *domain, struct iopt_area *area,
		      bool small)
{
	unsigned long done, length = area_length(area), step;
	int ret;

	for (done = 0; done < length; done += step) {
		step = chunk_length(area->start + done, length - done);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else
			ret = map_chunk(domain, area, area->start + done, step,
					small);
		if (ret)
			goto err_unmap;
		if (done + step < length)
			cond_resched();
	}
	return 0;

err_unmap:
	domain_unmap_range(domain, area->start, done);
	return ret;
}

static int domain_map(struct io_pagetable *iopt, struct iopt_domain *domain,
		      struct iopt_area *area)
{
	int ret;

	lockdep_assert_held(&iopt->domains_rwsem);

	if (!needs_growth(domain, area->last)) {
		down_read(&domain->growth_rwsem);
		ret = map_chunks(domain->domain, area, iopt->small_pages);
		up_read(&domain->growth_rwsem);
		return ret;
	}

	down_write(&domain->growth_rwsem);
	ret = map_chunks(domain->domain, area, iopt->small_pages);
	if (!ret && needs_growth(domain, area->last))
		WRITE_ONCE(domain->reach, reach_for(area->last));
	up_write(&domain->growth_rwsem);
	return ret;
}

/**
 * iopt_map_area() - map an area in all domains
 * @iopt: the address space
 * @area: an area that is pinned, if there is a domain
 *
 * Context: domains_rwsem is held.
 * Return: 0; -ENOMEM, -EINVAL, or -EINTR on a fatal signal, and then it is
 * mapped in no domain.
 */
int iopt_map_area(struct io_pagetable *iopt, struct iopt_area *area)
{
	struct iopt_domain *domain;
	int ret;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(domain, &iopt->domains, item) {
		ret = domain_map(iopt, domain, area);
		if (ret)
			goto err_unmap;
	}
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(domain, &iopt->domains, item)
		domain_unmap(domain, area);
	return ret;
}

/**
 * iopt_unmap_area() - unmap an area in all domains
 * @iopt: the address space
 * @area: an area that is mapped there
 *
 * Context: domains_rwsem is held.  No device reaches the area any more.
 */
void iopt_unmap_area(struct io_pagetable *iopt, struct iopt_area *area)
{
	struct iopt_domain *domain;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(domain, &iopt->domains, item)
		domain_unmap(domain, area);
}

/* ---- changing the set ---- */

/* Those that are being made are mapped, and pinned, by their own calls. */
static bool in_domains(struct iopt_area *area)
{
	return area_state(area) != IOPT_AREA_FILLING;
}

/* The first area from @start on that a new domain would find unpinned. */
static struct iopt_area *first_unpinned(struct io_pagetable *iopt,
					unsigned long start)
{
	struct iopt_area *area;

	for (area = first_area(iopt, start, ULONG_MAX); area;
	     area = area_after(area))
		if (in_domains(area) && !area->pinned)
			return area;
	return NULL;
}

/**
 * struct wanted - what an area wants pinned
 * @pages: a reference
 * @iova: the area's first address
 * @last: its last one
 * @first: index of its first page
 * @npages: number of its pages
 */
struct wanted {
	struct iopt_pages *pages;
	unsigned long iova;
	unsigned long last;
	unsigned long first;
	unsigned long npages;
};

static bool get_wanted(struct io_pagetable *iopt, unsigned long start,
		       struct wanted *wanted)
{
	struct iopt_area *area;

	down_read(&iopt->iova_rwsem);
	area = first_unpinned(iopt, start);
	if (area)
		*wanted = (struct wanted){
			.pages = iopt_pages_get(area->pages),
			.iova = area->start,
			.last = area->last,
			.first = area_first_page(area),
			.npages = area_npages(area),
		};
	up_read(&iopt->iova_rwsem);
	return area;
}

/* It was pinned: does the area still want it? */
static bool give_wanted(struct io_pagetable *iopt, struct wanted *wanted)
{
	struct iopt_area *area;
	bool taken;

	down_write(&iopt->iova_rwsem);
	area = first_area(iopt, wanted->iova, wanted->iova);
	taken = area && area->pages == wanted->pages &&
		area->start == wanted->iova &&
		area->last == wanted->last &&
		area_first_page(area) == wanted->first && in_domains(area) &&
		!area->pinned;
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
	struct wanted wanted = { .last = ULONG_MAX };
	LIST_HEAD(drop);
	int ret = 0;

	/* From 0 on, and until there is nothing behind the last one. */
	while (!ret && get_wanted(iopt, wanted.last + 1, &wanted)) {
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else
			ret = iopt_pages_pin(wanted.pages, wanted.first,
					     wanted.npages);
		if (!ret && !give_wanted(iopt, &wanted))
			iopt_pages_unpin(wanted.pages, wanted.first,
					 wanted.npages, &drop);
		iopt_pages_put(wanted.pages);
		if (wanted.last == ULONG_MAX)
			break;
		cond_resched();
	}
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

static void domain_unpin_areas(struct io_pagetable *iopt,
			       struct list_head *drop)
{
	struct iopt_area *area;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	down_write(&iopt->iova_rwsem);
	for (area = any_area(iopt); area; area = area_after(area)) {
		if (in_domains(area))
			iopt_area_unpin(area, drop);
		cond_resched();
	}
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
		domain_unpin_areas(iopt, &drop);
	up_write(&iopt->domains_rwsem);
	iopt_pins_drop(&drop);
}

static void unmap_areas(struct io_pagetable *iopt, struct iopt_domain *domain,
			struct iopt_area *end)
{
	struct iopt_area *area;

	for (area = any_area(iopt); area; area = area_after(area)) {
		if (area == end)
			break;
		if (in_domains(area))
			domain_unmap(domain, area);
		cond_resched();
	}
}

static int domain_map_areas(struct io_pagetable *iopt,
			    struct iopt_domain *domain)
{
	struct iopt_area *area;
	int ret = 0;

	down_read(&iopt->iova_rwsem);
	for (area = any_area(iopt); area; area = area_after(area)) {
		if (in_domains(area))
			ret = domain_map(iopt, domain, area);
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
 * @driver: what the domain's driver registered, or NULL
 */
void iopt_domain_init(struct iopt_domain *iopt_domain,
		      struct iommu_domain *domain,
		      const struct iommufd_driver *driver)
{
	iopt_domain->domain = domain;
	iopt_domain->driver = driver;
	iopt_domain->tables = driver && driver->tables ?
			      driver->tables(domain) : NULL;
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
	ret = domain_map_areas(iopt, domain);
	if (ret) {
		iopt_relax_limits(iopt);
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
	iopt_relax_limits(iopt);
	if (list_empty(&iopt->domains))
		domain_unpin_areas(iopt, drop);
}
