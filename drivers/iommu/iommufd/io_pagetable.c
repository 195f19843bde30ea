// SPDX-License-Identifier: GPL-2.0-only
/*
 * An I/O address space.
 *
 * An area is one mapping: a range of I/O addresses that shows a range of
 * memory.  The areas are the truth; each domain of the address space holds a
 * copy of it in the IOMMU's format.  While there is no domain, nothing is
 * pinned and a mapping is only recorded.
 *
 * A MAP puts its areas into the tree first, as being filled: the addresses are
 * taken now, and the areas belong to the call until they are mapped.  The pages
 * are faulted in and pinned with no lock held.  Then, with the set of domains
 * held still, the call looks again whether there is one, and maps.  An UNMAP
 * marks its areas as closing, has the accesses let them go, unmaps them from
 * the domains, and takes them out of the tree.  So calls on different areas run
 * side by side, and who meets an area of another call says EBUSY (or EEXIST)
 * and does not wait.
 *
 * Nothing here faults, waits for a device or charges memory with a lock held,
 * and tearing down allocates nothing.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "area.h"
#include "gap.h"
#include "pages.h"
#include "trace.h"

/**
 * iopt_init() - make an empty address space
 * @iopt: to be given back with iopt_destroy()
 */
void iopt_init(struct io_pagetable *iopt)
{
	init_rwsem(&iopt->accesses_rwsem);
	init_rwsem(&iopt->domains_rwsem);
	INIT_LIST_HEAD(&iopt->domains);
	init_rwsem(&iopt->iova_rwsem);
	INIT_LIST_HEAD(&iopt->accesses);
	init_waitqueue_head(&iopt->access_wait);
	iopt->areas = RB_ROOT;
	iopt->reserved = RB_ROOT_CACHED;
	iopt->allowed = RB_ROOT_CACHED;
	iopt->alignment = 1;
	iopt->aperture.last = ULONG_MAX;
}

/**
 * iopt_first_area() - find the lowest area that has any of some addresses
 * @iopt: the address space
 * @start: first byte
 * @last: last byte
 *
 * Context: iova_rwsem is held.
 * Return: the area, or NULL if nothing is mapped there.
 */
struct iopt_area *iopt_first_area(struct io_pagetable *iopt,
				  unsigned long start, unsigned long last)
{
	struct rb_node *node = iopt->areas.rb_node;
	struct iopt_area *area, *found = NULL;

	while (node) {
		area = to_area(node);
		if (area->last >= start) {
			found = area;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found && found->start <= last ? found : NULL;
}

/* ---- areas without a place ---- */

static struct iopt_area *alloc_area(struct iopt_pages *pages,
				    unsigned long offset, unsigned long length,
				    int prot)
{
	struct iopt_area *area;

	area = kmalloc(sizeof(*area), IOMMUFD_GFP);
	if (!area)
		return NULL;
	area->start = 0;
	area->last = length - 1;
	area->pages = pages;
	area->offset = offset;
	area->prot = prot;
	area->state = IOPT_AREA_FILLING;
	area->pinned = false;
	atomic_set(&area->accesses, 0);
	return area;
}

static void free_area(struct iopt_area *area)
{
	iopt_pages_put(area->pages);
	kfree(area);
}

/* Takes over the reference to @pages. */
static int iopt_add_pages(struct list_head *areas, struct iopt_pages *pages,
			  unsigned long start, unsigned long length, int prot)
{
	struct iopt_area *area;

	if (IS_ERR(pages))
		return PTR_ERR(pages);
	area = alloc_area(pages, offset_in_page(start), length, prot);
	if (!area) {
		iopt_pages_put(pages);
		return iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
	}
	list_add_tail(&area->item, areas);
	return 0;
}

/**
 * iopt_add_user() - begin a mapping of the current process's memory
 * @areas: gets the area
 * @uptr: first byte
 * @length: in bytes
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @payers: of the context
 *
 * Context: process context, may sleep.
 * Return: 0 or an errno of iopt_pages_alloc_user().
 */
int iopt_add_user(struct list_head *areas, unsigned long uptr,
		  unsigned long length, int prot, struct iommufd_payers *payers)
{
	return iopt_add_pages(areas,
			      iopt_pages_alloc_user(uptr, length,
						    prot & IOMMU_WRITE, payers),
			      uptr, length, prot);
}

/**
 * iopt_add_file() - begin a mapping of a memfd
 * @areas: gets the area
 * @file: the file; a reference is taken
 * @start: first byte
 * @length: in bytes
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @payers: of the context
 *
 * Context: process context, may sleep.
 * Return: 0 or an errno of iopt_pages_alloc_file().
 */
int iopt_add_file(struct list_head *areas, struct file *file,
		  unsigned long start, unsigned long length, int prot,
		  struct iommufd_payers *payers)
{
	return iopt_add_pages(areas,
			      iopt_pages_alloc_file(file, start, length,
						    prot & IOMMU_WRITE, payers),
			      start, length, prot);
}

static int add_copy(struct list_head *areas, struct iopt_area *from,
		    unsigned long start, unsigned long last, int prot)
{
	struct iopt_area *area;

	if (prot & IOMMU_WRITE && !from->pages->writable)
		return iommufd_refuse(IOMMUFD_REASON_SOURCE_READ_ONLY, -EPERM);
	start = max(start, from->start);
	last = min(last, from->last);
	area = alloc_area(from->pages, from->offset + start - from->start,
			  last - start + 1, prot);
	if (!area)
		return iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
	iopt_pages_get(from->pages);
	list_add_tail(&area->item, areas);
	return 0;
}

/**
 * iopt_add_copy() - begin a mapping of what is mapped elsewhere
 * @areas: gets an area for each that is touched
 * @src: the address space to copy from
 * @iova: first byte there
 * @length: in bytes, not 0
 * @prot: IOMMU_READ, IOMMU_WRITE
 *
 * Context: process context; no locks held.
 * Return: 0; -ENOENT when some of the range is not mapped; -EPERM when it
 * cannot be written to, but is to be; -EOVERFLOW when it wraps; -ENOMEM;
 * -EINTR on a fatal signal.  On failure @areas may hold some.
 */
int iopt_add_copy(struct list_head *areas, struct io_pagetable *src,
		  unsigned long iova, unsigned long length, int prot)
{
	unsigned long next = iova, last;
	struct iopt_area *area;
	bool whole = false;
	int ret = 0;

	if (check_add_overflow(iova, length - 1, &last))
		return iommufd_refuse(IOMMUFD_REASON_IOVA_WRAPS, -EOVERFLOW);
	if (down_read_killable(&src->iova_rwsem))
		return -EINTR;
	for (area = first_area(src, iova, last); area && !ret;
	     area = next_area(area, last)) {
		if (area->start > next || area_state(area) != IOPT_AREA_MAPPED)
			break;
		ret = add_copy(areas, area, iova, last, prot);
		whole = area->last >= last;
		next = area->last + 1;
	}
	if (!ret && !whole)
		ret = iommufd_refuse(area && area->start <= next ?
				     IOMMUFD_REASON_SOURCE_BUSY :
				     IOMMUFD_REASON_SOURCE_NOT_MAPPED, -ENOENT);
	up_read(&src->iova_rwsem);
	return ret;
}

/* For walks of lists that may be long, most of which have one area. */
static void pause_between(struct iopt_area *area, struct list_head *areas)
{
	if (!list_is_last(&area->item, areas))
		cond_resched();
}

/**
 * iopt_free_areas() - give up areas that have no place
 * @areas: the areas
 *
 * Context: process context.
 */
void iopt_free_areas(struct list_head *areas)
{
	struct iopt_area *area, *next;

	list_for_each_entry_safe(area, next, areas, item) {
		pause_between(area, areas);
		free_area(area);
	}
}

/* ---- places ---- */

/* Returns false if something is in the way. */
static bool insert_area(struct io_pagetable *iopt, struct iopt_area *area)
{
	struct rb_node **link = &iopt->areas.rb_node, *parent = NULL;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	while (*link) {
		parent = *link;
		if (area->last < to_area(parent)->start)
			link = &parent->rb_left;
		else if (area->start > to_area(parent)->last)
			link = &parent->rb_right;
		else
			return false;
	}
	rb_link_node(&area->node, parent, link);
	rb_insert_color(&area->node, &iopt->areas);
	return true;
}

/* One behind the other, or none. */
static int insert_areas(struct io_pagetable *iopt, struct list_head *areas,
			unsigned long iova)
{
	struct iopt_area *area;
	unsigned long length;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	list_for_each_entry(area, areas, item) {
		length = area_length(area);
		area->start = iova;
		area->last = iova + length - 1;
		iova += length;
		if (!insert_area(iopt, area))
			goto err_erase;
		pause_between(area, areas);
	}
	return 0;

err_erase:
	list_for_each_entry_continue_reverse(area, areas, item)
		rb_erase(&area->node, &iopt->areas);
	return iommufd_refuse(IOMMUFD_REASON_IOVA_TAKEN, -EEXIST);
}

static void remove_area(struct io_pagetable *iopt, struct iopt_area *area)
{
	lockdep_assert_held_write(&iopt->iova_rwsem);

	iopt_gap_freed(iopt, area->start);
	rb_erase(&area->node, &iopt->areas);
}

static void remove_areas(struct io_pagetable *iopt, struct list_head *areas)
{
	struct iopt_area *area;

	down_write(&iopt->iova_rwsem);
	list_for_each_entry(area, areas, item) {
		remove_area(iopt, area);
		pause_between(area, areas);
	}
	up_write(&iopt->iova_rwsem);
}

static int total_length(struct list_head *areas, unsigned long *length)
{
	struct iopt_area *area;

	*length = 0;
	list_for_each_entry(area, areas, item)
		if (check_add_overflow(*length, area_length(area), length))
			return iommufd_refuse(IOMMUFD_REASON_IOVA_WRAPS,
					      -EOVERFLOW);
	return 0;
}

/* Would they be aligned, were the first one at @iova? */
static int check_aligned(struct io_pagetable *iopt, struct list_head *areas,
			 unsigned long iova)
{
	struct iopt_area *area;

	if (!IS_ALIGNED(iova, iopt->alignment))
		return iommufd_refuse(IOMMUFD_REASON_IOVA_MISALIGNED, -EINVAL);
	list_for_each_entry(area, areas, item) {
		if (!IS_ALIGNED(area_length(area), iopt->alignment))
			return iommufd_refuse(IOMMUFD_REASON_LENGTH_MISALIGNED,
					      -EINVAL);
		if (!IS_ALIGNED(area->offset, iopt->alignment))
			return iommufd_refuse(IOMMUFD_REASON_MEMORY_MISALIGNED,
					      -EINVAL);
	}
	return 0;
}

/**
 * iopt_place() - take a fixed place for areas
 * @iopt: the address space
 * @areas: the areas; from now on others find their addresses taken
 * @iova: the first I/O address
 *
 * Context: process context; no locks held.
 * Return: 0; -EOVERFLOW when the range wraps; -EINVAL when it is misaligned or
 * reserved; -EEXIST when something is mapped there; -EINTR on a fatal signal.
 */
int iopt_place(struct io_pagetable *iopt, struct list_head *areas,
	       unsigned long iova)
{
	unsigned long length, last;
	int ret;

	ret = total_length(areas, &length);
	if (ret)
		return ret;
	if (check_add_overflow(iova, length - 1, &last))
		return iommufd_refuse(IOMMUFD_REASON_IOVA_WRAPS, -EOVERFLOW);

	if (down_write_killable(&iopt->iova_rwsem))
		return -EINTR;
	ret = check_aligned(iopt, areas, iova);
	if (!ret)
		ret = iopt_check_usable(iopt, iova, last);
	if (!ret)
		ret = insert_areas(iopt, areas, iova);
	up_write(&iopt->iova_rwsem);
	return ret;
}

/**
 * iopt_place_anywhere() - take any free place for areas
 * @iopt: the address space
 * @areas: the areas; from now on others find their addresses taken
 * @iova: set to the first I/O address
 *
 * The address is never 0, keeps the offset that the memory has in its page, and
 * is aligned as far as that lets huge pages be used.
 *
 * Context: process context; no locks held.
 * Return: 0; -ENOSPC; -EOVERFLOW when they need half of the address space;
 * -EINVAL when the memory is misaligned; -EINTR on a fatal signal.
 */
int iopt_place_anywhere(struct io_pagetable *iopt, struct list_head *areas,
			unsigned long *iova)
{
	struct iopt_area *area =
		list_first_entry(areas, struct iopt_area, item);
	unsigned long length;
	int ret;

	ret = total_length(areas, &length);
	if (ret)
		return ret;
	if (down_write_killable(&iopt->iova_rwsem))
		return -EINTR;
	ret = check_aligned(iopt, areas, 0);
	if (!ret)
		ret = iopt_find_gap(iopt, area->pages->start + area->offset,
				    length, iova);
	if (!ret)
		ret = insert_areas(iopt, areas, *iova);
	up_write(&iopt->iova_rwsem);
	return ret;
}

/**
 * iopt_unplace() - give up the place of areas that were not filled
 * @iopt: the address space
 * @areas: still the caller's; to be freed
 *
 * Context: process context; no locks held.
 */
void iopt_unplace(struct io_pagetable *iopt, struct list_head *areas)
{
	remove_areas(iopt, areas);
}

/* ---- filling ---- */

/**
 * iopt_area_pin() - have what an area shows pinned
 * @area: an area that no one else pins now
 *
 * Context: process context; no locks held: faults memory in.
 * Return: 0 or an errno of iopt_pages_pin().
 */
int iopt_area_pin(struct iopt_area *area)
{
	int ret;

	if (area->pinned)
		return 0;
	ret = iopt_pages_pin(area->pages, area_first_page(area),
			     area_npages(area));
	area->pinned = !ret;
	return ret;
}

/**
 * iopt_area_unpin() - undo iopt_area_pin(), if it was done
 * @area: the area
 * @drop: gets what is pinned for no one now, for iopt_pins_drop()
 *
 * Context: process context; any locks.
 */
void iopt_area_unpin(struct iopt_area *area, struct list_head *drop)
{
	if (area->pinned)
		iopt_pages_unpin(area->pages, area_first_page(area),
				 area_npages(area), drop);
	area->pinned = false;
}

static int pin_areas(struct list_head *areas)
{
	struct iopt_area *area;
	int ret;

	list_for_each_entry(area, areas, item) {
		ret = iopt_area_pin(area);
		if (ret)
			return ret;
		pause_between(area, areas);
	}
	return 0;
}

static void iopt_unpin_areas(struct list_head *areas, struct list_head *drop)
{
	struct iopt_area *area;

	list_for_each_entry(area, areas, item) {
		iopt_area_unpin(area, drop);
		pause_between(area, areas);
	}
}

/*
 * On success holds domains_rwsem for reading, with the pages pinned if there is
 * a domain.  What the pages were pinned for may be gone again by then.
 */
static int pin_and_lock(struct io_pagetable *iopt, struct list_head *areas,
			struct list_head *drop)
{
	bool pinned = false;
	int ret;

	for (;;) {
		if (!pinned && !list_empty_careful(&iopt->domains)) {
			ret = pin_areas(areas);
			if (ret)
				return ret;
			pinned = true;
		}
		if (down_read_killable(&iopt->domains_rwsem))
			return -EINTR;
		if (list_empty(&iopt->domains)) {
			iopt_unpin_areas(areas, drop);
			return 0;
		}
		if (pinned)
			return 0;
		up_read(&iopt->domains_rwsem);
	}
}

static int iopt_map_areas(struct io_pagetable *iopt, struct list_head *areas)
{
	struct iopt_area *area;
	int ret;

	list_for_each_entry(area, areas, item) {
		ret = iopt_map_area(iopt, area);
		if (ret)
			goto err_unmap;
		pause_between(area, areas);
	}
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(area, areas, item)
		iopt_unmap_area(iopt, area);
	return ret;
}

/* From here on they are anyone's: the next one is looked up before. */
static void declare_mapped(struct io_pagetable *iopt, struct list_head *areas)
{
	struct iopt_area *area, *next;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry_safe(area, next, areas, item) {
		/* Pairs with the acquire in area_state(). */
		smp_store_release(&area->state, IOPT_AREA_MAPPED);
	}
}

/**
 * iopt_fill() - complete a mapping
 * @iopt: the address space
 * @areas: placed areas; the address space's own on success, freed on failure
 *
 * Context: process context; no locks held: faults memory in.  The caller keeps
 * the address space from being destroyed.
 * Return: 0, or the errno of iopt_pages_pin() or of iopt_map_area().
 */
int iopt_fill(struct io_pagetable *iopt, struct list_head *areas)
{
	LIST_HEAD(drop);
	int ret;

	ret = pin_and_lock(iopt, areas, &drop);
	if (ret)
		goto err_unplace;
	ret = iopt_map_areas(iopt, areas);
	if (!ret)
		declare_mapped(iopt, areas);
	up_read(&iopt->domains_rwsem);
	if (ret)
		goto err_unplace;
	iopt_pins_drop(&drop);
	return 0;

err_unplace:
	iopt_unplace(iopt, areas);
	iopt_unpin_areas(areas, &drop);
	iopt_pins_drop(&drop);
	iopt_free_areas(areas);
	return ret;
}

/**
 * iopt_visit_pages() - look at the pages of each area
 * @iopt: the address space
 * @visit: called with each in turn, with iova_rwsem held
 * @data: for @visit
 *
 * Context: process context; no locks held.
 * Return: what @visit returned, or -EINTR on a fatal signal.
 */
int iopt_visit_pages(struct io_pagetable *iopt, iopt_visit_fn visit,
		     void *data)
{
	struct iopt_area *area;
	int ret = 0;

	if (down_read_killable(&iopt->iova_rwsem))
		return -EINTR;
	for (area = any_area(iopt); area && !ret; area = area_after(area))
		ret = visit(data, area->pages);
	up_read(&iopt->iova_rwsem);
	return ret;
}

/* ---- unmapping ---- */

/* All or nothing: takes the areas of a range from everyone else. */
static int claim_areas(struct io_pagetable *iopt, unsigned long start,
		       unsigned long last, bool may_cut,
		       struct list_head *claimed)
{
	struct iopt_area *first, *area;
	bool busy = false;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	first = first_area(iopt, start, last);
	if (!first)
		return iommufd_refuse(IOMMUFD_REASON_NOTHING_MAPPED, -ENOENT);
	for (area = first; area; area = next_area(area, last)) {
		if (!may_cut &&
		    (area->start < start || area->last > last))
			return iommufd_refuse(IOMMUFD_REASON_MAPPING_CUT,
					      -ENOENT);
		busy |= area_state(area) != IOPT_AREA_MAPPED;
	}
	if (busy)
		return iommufd_refuse(IOMMUFD_REASON_MAPPING_BUSY, -EBUSY);

	for (area = first; area; area = next_area(area, last)) {
		area->state = IOPT_AREA_CLOSING;
		list_add_tail(&area->item, claimed);
		WRITE_ONCE(iopt->slots_freed,
			   iopt->slots_freed + area_slots(area));
	}
	return 0;
}

static int evict_area(struct io_pagetable *iopt, struct iopt_area *area)
{
	long ret;

	while (atomic_read(&area->accesses)) {
		ret = iopt_notify_accesses(iopt, area->start, area->last);
		if (ret)
			return ret;
		ret = wait_event_killable_timeout(iopt->access_wait,
						  !atomic_read(&area->accesses),
						  IOPT_EVICT_INTERVAL);
		if (ret < 0)
			return -EINTR;
	}
	return 0;
}

/* No access begins to use an area that is closing; those that do must end. */
static int evict_accesses(struct io_pagetable *iopt, struct list_head *areas)
{
	struct iopt_area *area;
	int ret;

	list_for_each_entry(area, areas, item) {
		ret = evict_area(iopt, area);
		if (ret)
			return ret;
	}
	return 0;
}

static void unclaim(struct io_pagetable *iopt, struct list_head *claimed)
{
	struct iopt_area *area;

	down_write(&iopt->iova_rwsem);
	list_for_each_entry(area, claimed, item)
		area->state = IOPT_AREA_MAPPED;
	up_write(&iopt->iova_rwsem);
}

/* Leaves what it unmapped in @claimed: all, but for a fatal signal. */
static int unmap_claimed(struct io_pagetable *iopt, struct list_head *claimed)
{
	struct iopt_area *area;
	LIST_HEAD(unmapped);
	int ret = 0;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(area, claimed, item) {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		iopt_unmap_area(iopt, area);
		pause_between(area, claimed);
	}
	if (ret) {
		list_cut_before(&unmapped, claimed, &area->item);
		unclaim(iopt, claimed);
		INIT_LIST_HEAD(claimed);
		list_splice(&unmapped, claimed);
	}
	remove_areas(iopt, claimed);
	return ret;
}

static unsigned long release_areas(struct list_head *areas,
				   struct list_head *drop)
{
	struct iopt_area *area, *next;
	unsigned long length = 0;

	list_for_each_entry_safe(area, next, areas, item) {
		length += area_length(area);
		iopt_area_unpin(area, drop);
		pause_between(area, areas);
		free_area(area);
	}
	return length;
}

/* Lets go of domains_rwsem, which is held for reading. */
static int finish_unmap(struct io_pagetable *iopt, struct list_head *claimed,
			unsigned long *unmapped, struct list_head *drop)
{
	bool tables_idle;
	int ret;

	ret = unmap_claimed(iopt, claimed);
	tables_idle = iopt_tables_idle(iopt);
	up_read(&iopt->domains_rwsem);
	*unmapped = release_areas(claimed, drop);
	if (tables_idle)
		iopt_trim_tables(iopt);
	return ret;
}

static int claim(struct io_pagetable *iopt, unsigned long start,
		 unsigned long last, bool may_cut, struct list_head *claimed)
{
	int ret;

	if (down_write_killable(&iopt->iova_rwsem))
		return -EINTR;
	ret = claim_areas(iopt, start, last, may_cut, claimed);
	up_write(&iopt->iova_rwsem);
	if (ret)
		return ret;
	ret = evict_accesses(iopt, claimed);
	if (ret)
		unclaim(iopt, claimed);
	return ret;
}

/**
 * iopt_unmap() - remove the mappings of a range
 * @iopt: the address space
 * @start: first byte
 * @last: last byte
 * @unmapped: set to the number of bytes that were mapped
 * @drop: gets what is pinned for no one now, for iopt_pins_drop()
 *
 * Context: process context; no locks held: waits for accesses.
 * Return: 0; -ENOENT when nothing is mapped there, or a mapping would be cut;
 * -EBUSY when another call is mapping or unmapping some of it; -EINTR on a
 * fatal signal.  On failure nothing has changed, but that a signal may leave
 * the areas of the higher addresses.
 */
int iopt_unmap(struct io_pagetable *iopt, unsigned long start,
	       unsigned long last, unsigned long *unmapped,
	       struct list_head *drop)
{
	LIST_HEAD(claimed);
	int ret;

	*unmapped = 0;
	ret = claim(iopt, start, last, false, &claimed);
	if (ret)
		return ret;
	down_read(&iopt->domains_rwsem);
	return finish_unmap(iopt, &claimed, unmapped, drop);
}

/**
 * iopt_unmap_all() - remove every mapping
 * @iopt: the address space
 * @unmapped: set to the number of bytes that were mapped
 * @drop: as of iopt_unmap()
 *
 * Context: as of iopt_unmap().
 * Return: 0, also when nothing was mapped; -EBUSY when another call is mapping
 * or unmapping, and then nothing has changed; -EINTR as of iopt_unmap().
 */
int iopt_unmap_all(struct io_pagetable *iopt, unsigned long *unmapped,
		   struct list_head *drop)
{
	int ret;

	*unmapped = 0;
	/* Only so that this is not traced as refused. */
	if (iopt_is_free(iopt, 0, ULONG_MAX))
		return 0;
	ret = iopt_unmap(iopt, 0, ULONG_MAX, unmapped, drop);
	return ret == -ENOENT ? 0 : ret;
}

/**
 * iopt_is_free() - is nothing mapped in a range?
 * @iopt: the address space
 * @start: first byte
 * @last: last byte
 *
 * Context: process context; no locks held.
 * Return: true if so, at the time of the call.
 */
bool iopt_is_free(struct io_pagetable *iopt, unsigned long start,
		  unsigned long last)
{
	bool is_free;

	down_read(&iopt->iova_rwsem);
	is_free = !first_area(iopt, start, last);
	up_read(&iopt->iova_rwsem);
	return is_free;
}

/**
 * iopt_destroy() - free what an address space holds
 * @iopt: the address space, without domains, accesses and reserved ranges
 *
 * Context: process context; no locks held and no one else uses @iopt.
 */
void iopt_destroy(struct io_pagetable *iopt)
{
	LIST_HEAD(claimed);
	LIST_HEAD(drop);

	WARN_ON(!list_empty(&iopt->domains));
	WARN_ON(!list_empty(&iopt->accesses));
	WARN_ON(!RB_EMPTY_ROOT(&iopt->reserved.rb_root));

	down_write(&iopt->iova_rwsem);
	if (any_area(iopt))
		claim_areas(iopt, 0, ULONG_MAX, false, &claimed);
	up_write(&iopt->iova_rwsem);
	remove_areas(iopt, &claimed);
	release_areas(&claimed, &drop);
	iopt_pins_drop(&drop);
	iopt_free_allowed(&iopt->allowed);
}

/* ---- cutting ---- */

/* Makes two of a closing area, which remains the part before @iova. */
static struct iopt_area *cut_area(struct io_pagetable *iopt,
				  struct iopt_area *area, unsigned long iova)
{
	unsigned long head = iova - area->start;
	struct iopt_area *tail;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	tail = alloc_area(area->pages, area->offset + head,
			  area_length(area) - head, area->prot);
	if (!tail)
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NO_MEMORY,
					      -ENOMEM));
	if (area->pinned && iopt_pages_cut_pin(area->pages,
					       area_first_page(tail))) {
		kfree(tail);
		return ERR_PTR(-ENOMEM);
	}
	iopt_pages_get(area->pages);
	tail->state = area->state;
	tail->pinned = area->pinned;
	tail->start = iova;
	tail->last = area->last;

	area->last = iova - 1;
	insert_area(iopt, tail);
	return tail;
}

/* Leaves what is outside of the range mapped. */
static int cut_claimed(struct io_pagetable *iopt, struct list_head *claimed,
		       unsigned long start, unsigned long last)
{
	struct iopt_area *area, *tail;

	lockdep_assert_held(&iopt->domains_rwsem);
	lockdep_assert_held_write(&iopt->iova_rwsem);

	area = list_first_entry(claimed, struct iopt_area, item);
	if (area->start < start) {
		tail = cut_area(iopt, area, start);
		if (IS_ERR(tail))
			return PTR_ERR(tail);
		list_replace(&area->item, &tail->item);
		area->state = IOPT_AREA_MAPPED;
	}
	area = list_last_entry(claimed, struct iopt_area, item);
	if (area->last > last) {
		tail = cut_area(iopt, area, last + 1);
		if (IS_ERR(tail))
			return PTR_ERR(tail);
		tail->state = IOPT_AREA_MAPPED;
	}
	return 0;
}

/**
 * iopt_unmap_cut() - remove the mappings of a range, and of areas just a part
 * @iopt: the address space, without huge pages
 * @start: first byte
 * @last: last byte
 * @unmapped: set to the number of bytes that were mapped
 * @drop: as of iopt_unmap()
 *
 * Context: as of iopt_unmap().
 * Return: 0; -ENOENT when nothing is mapped there; -EINVAL when the range is
 * not of whole pages; -ENOMEM, -EBUSY or -EINTR.  On failure nothing has
 * changed.
 */
int iopt_unmap_cut(struct io_pagetable *iopt, unsigned long start,
		   unsigned long last, unsigned long *unmapped,
		   struct list_head *drop)
{
	LIST_HEAD(claimed);
	int ret;

	*unmapped = 0;
	if (!PAGE_ALIGNED(start) || !PAGE_ALIGNED(last + 1))
		return iommufd_refuse(IOMMUFD_REASON_CUT_MISALIGNED, -EINVAL);
	ret = claim(iopt, start, last, true, &claimed);
	if (ret)
		return ret;
	down_read(&iopt->domains_rwsem);
	down_write(&iopt->iova_rwsem);
	if (iopt->small_pages)
		ret = cut_claimed(iopt, &claimed, start, last);
	else
		ret = iommufd_refuse(IOMMUFD_REASON_MAPPING_CUT, -EINVAL);
	up_write(&iopt->iova_rwsem);
	if (ret) {
		unclaim(iopt, &claimed);
		up_read(&iopt->domains_rwsem);
		return ret;
	}
	return finish_unmap(iopt, &claimed, unmapped, drop);
}
