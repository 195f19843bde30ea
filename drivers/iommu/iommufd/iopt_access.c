// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uses of an I/O address space by the kernel itself.
 *
 * An access uses areas for as long as it has their pages pinned, or while it
 * copies.  That keeps an area in its place.  UNMAP has it end: it marks the
 * areas as closing, so that no new use begins, asks every access to let go of
 * the range, and waits until the areas are not used any more.  It asks with no
 * lock held but the one that keeps the access from being removed meanwhile, for
 * an access takes its own locks then.
 */
#include <linux/iommu.h>

#include "area.h"

/**
 * iopt_add_access() - add a user inside the kernel
 * @iopt: the address space
 * @access: the access, filled in
 *
 * Context: process context; no locks held.
 * Return: 0; -EADDRINUSE when it needs pages and some mapping is not aligned
 * to them; -EINTR on a fatal signal.
 */
int iopt_add_access(struct io_pagetable *iopt, struct iopt_access *access)
{
	int ret = 0;

	if (down_write_killable(&iopt->accesses_rwsem))
		return -EINTR;
	if (down_write_killable(&iopt->iova_rwsem)) {
		ret = -EINTR;
		goto out_accesses;
	}
	if (access->needs_pages)
		ret = iopt_raise_alignment(iopt, PAGE_SIZE);
	if (!ret)
		list_add_tail(&access->item, &iopt->accesses);
	up_write(&iopt->iova_rwsem);
out_accesses:
	up_write(&iopt->accesses_rwsem);
	return ret;
}

/**
 * iopt_remove_access() - forget a user inside the kernel
 * @iopt: the address space
 * @access: an access that uses no area; it is not asked any more afterwards
 *
 * Context: process context; no lock that its unmap callback takes.
 */
void iopt_remove_access(struct io_pagetable *iopt, struct iopt_access *access)
{
	down_write(&iopt->accesses_rwsem);
	down_read(&iopt->domains_rwsem);
	down_write(&iopt->iova_rwsem);
	list_del(&access->item);
	up_write(&iopt->iova_rwsem);
	iopt_relax_limits(iopt);
	up_read(&iopt->domains_rwsem);
	up_write(&iopt->accesses_rwsem);
}

/**
 * iopt_notify_accesses() - ask every access to let go of a range
 * @iopt: the address space
 * @start: first byte
 * @last: last byte
 *
 * Context: process context; no locks held.
 * Return: 0, or -EINTR on a fatal signal.
 */
int iopt_notify_accesses(struct io_pagetable *iopt, unsigned long start,
			 unsigned long last)
{
	struct iopt_access *access;

	if (down_read_killable(&iopt->accesses_rwsem))
		return -EINTR;
	list_for_each_entry(access, &iopt->accesses, item)
		access->unmap(access, start, last);
	up_read(&iopt->accesses_rwsem);
	return 0;
}

static int range_usable(struct io_pagetable *iopt, unsigned long start,
			unsigned long last, int prot)
{
	struct iopt_area *area;
	unsigned long next = start;

	for (area = first_area(iopt, start, last); area;
	     area = next_area(area, last)) {
		if (area->start > next || area_state(area) != IOPT_AREA_MAPPED)
			return -ENOENT;
		if ((area->prot & prot) != prot)
			return -EPERM;
		if (area->last >= last)
			return 0;
		next = area->last + 1;
	}
	return -ENOENT;
}

/**
 * iopt_use_range() - begin to use areas
 * @iopt: the address space; the caller is an access of it
 * @start: first byte
 * @last: last byte
 * @prot: IOMMU_READ, IOMMU_WRITE: all of what the mappings have to allow
 *
 * Context: process context; no locks held.
 * Return: 0, and all of the range is mapped until iopt_unuse_range(); -ENOENT
 * when some of it is not; -EPERM when a mapping does not allow it; -EINTR on a
 * fatal signal.
 */
int iopt_use_range(struct io_pagetable *iopt, unsigned long start,
		   unsigned long last, int prot)
{
	struct iopt_area *area;
	int ret;

	if (down_read_killable(&iopt->iova_rwsem))
		return -EINTR;
	ret = range_usable(iopt, start, last, prot);
	for (area = first_area(iopt, start, last); area && !ret;
	     area = next_area(area, last))
		atomic_inc(&area->accesses);
	up_read(&iopt->iova_rwsem);
	return ret;
}

/**
 * iopt_unuse_range() - end a use of areas
 * @iopt: the address space
 * @start: as it was begun
 * @last: as it was begun
 *
 * Context: process context; no locks of the address space.
 */
void iopt_unuse_range(struct io_pagetable *iopt, unsigned long start,
		      unsigned long last)
{
	struct iopt_area *area;
	bool wake = false;

	down_read(&iopt->iova_rwsem);
	for (area = first_area(iopt, start, last); area;
	     area = next_area(area, last))
		wake |= atomic_dec_and_test(&area->accesses);
	up_read(&iopt->iova_rwsem);
	if (wake)
		wake_up_all(&iopt->access_wait);
}

/**
 * iopt_used_part() - look at the first area of a range that is in use
 * @iopt: the address space
 * @start: first byte, in use by the caller
 * @last: last byte
 * @part: set to what the area shows there, as far as the range goes
 *
 * Context: process context; no locks of the address space.
 */
void iopt_used_part(struct io_pagetable *iopt, unsigned long start,
		    unsigned long last, struct iopt_part *part)
{
	struct iopt_area *area;

	down_read(&iopt->iova_rwsem);
	area = first_area(iopt, start, start);
	part->pages = area->pages;
	part->offset = area->offset + start - area->start;
	part->length = min(last, area->last) - start + 1;
	up_read(&iopt->iova_rwsem);
}
