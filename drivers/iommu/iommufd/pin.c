// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting pages pinned: the user memory or the file behind a range.
 *
 * Pages are pinned in batches, as many as a temporary buffer holds, and their
 * addresses joined to runs.  All of it happens with no lock held.
 */
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "compat.h"
#include "extent.h"
#include "pages.h"
#include "trace.h"

/*
 * GUP takes a long-term reading pin of a private mapping on the page that is
 * there now; the process's next write then goes to a copy, which the device
 * would never see.  So such a page is pinned as if for writing, which makes the
 * copy first.  (Private huge pages that cannot be written cannot be forced.)
 */
static unsigned int gup_flags(struct iopt_pages *pages,
			      struct vm_area_struct *vma)
{
	if (pages->writable)
		return FOLL_LONGTERM | FOLL_WRITE;
	if (!is_cow_mapping(vma->vm_flags))
		return FOLL_LONGTERM;
	if (vma->vm_flags & VM_WRITE)
		return FOLL_LONGTERM | FOLL_WRITE;
	if (is_vm_hugetlb_page(vma))
		return FOLL_LONGTERM;
	return FOLL_LONGTERM | FOLL_WRITE | FOLL_FORCE;
}

/* FOLL_FORCE is to break COW, not to read what the process itself may not. */
static int check_vma(struct iopt_pages *pages, struct vm_area_struct *vma)
{
	if (!vma)
		return iommufd_refuse(IOMMUFD_REASON_MEMORY_NOT_THERE, -EFAULT);
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return iommufd_refuse(IOMMUFD_REASON_MEMORY_IS_IO, -EFAULT);
	if (!(vma->vm_flags & (pages->writable ? VM_WRITE : VM_READ)))
		return iommufd_refuse(IOMMUFD_REASON_MEMORY_PROTECTED, -EFAULT);
	return 0;
}

/* GUP has many ways to say that a page cannot be pinned; user space has one. */
static long pin_result(long ret)
{
	if (ret > 0 || ret == -EINTR)
		return ret;
	return iommufd_refuse(IOMMUFD_REASON_MEMORY_UNPINNABLE,
			      ret == -ENOMEM ? ret : -EFAULT);
}

/* Pins what it can of one VMA from @uptr on; mmap_lock is held. */
static long pin_vma(struct iopt_pages *pages, struct vm_area_struct *vma,
		    unsigned long uptr, unsigned long npages,
		    struct page **batch)
{
	struct mm_struct *mm = pages->payer->mm;

	mmap_assert_locked(mm);

	npages = min(npages, (vma->vm_end - uptr) >> PAGE_SHIFT);
	return pin_user_pages_remote(mm, uptr, npages, gup_flags(pages, vma),
				     batch, NULL, NULL);
}

/* As the pin would: a missing page, but also a write-protected one. */
static unsigned int fault_flags(struct iopt_pages *pages,
				struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE && gup_flags(pages, vma) & FOLL_WRITE)
		return FAULT_FLAG_WRITE;
	return 0;
}

/*
 * How often a page may vanish between being faulted in and being pinned.  It
 * is not a matter of time: no amount of memory pressure does that repeatedly.
 */
#define MAX_FAULTS 3

/*
 * Long-term GUP does not wait for a page that takes its time to appear (a
 * userfaultfd, for one): it says EFAULT.  Faulting it in by hand does wait; a
 * page that is expected to take its time is faulted in before GUP sees it.
 */
static long pin_faulting(struct iopt_pages *pages, unsigned long uptr,
			 unsigned long npages, struct page **batch)
{
	struct mm_struct *mm = pages->payer->mm;
	struct vm_area_struct *vma;
	unsigned int faults = 0;
	bool unlocked, slow;
	long ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (;;) {
		vma = vma_lookup(mm, uptr);
		ret = check_vma(pages, vma);
		if (ret)
			goto out_unlock;
		slow = userfaultfd_armed(vma);
		if (!slow || faults) {
			ret = pin_vma(pages, vma, uptr, slow ? 1 : npages,
				      batch);
			if (ret != -EFAULT)
				break;
		}
		ret = -EFAULT;
		if (faults++ == MAX_FAULTS)
			break;
		ret = fixup_user_fault(mm, uptr, fault_flags(pages, vma),
				       &unlocked);
		if (ret)
			break;
	}
	ret = pin_result(ret);
out_unlock:
	mmap_read_unlock(mm);
	return ret;
}

static long pin_user(struct iopt_pages *pages, unsigned long uptr,
		     unsigned long npages, struct page **batch)
{
	struct mm_struct *mm = pages->payer->mm;
	long ret;

	if (current->mm == mm && pages->writable) {
		ret = pin_user_pages_fast_only(uptr, npages,
					       FOLL_LONGTERM | FOLL_WRITE,
					       batch);
		if (ret > 0)
			return ret;
	}

	if (!mmget_not_zero(mm))
		return iommufd_refuse(IOMMUFD_REASON_PROCESS_GONE, -EFAULT);
	ret = pin_faulting(pages, uptr, npages, batch);
	mmput(mm);
	return ret;
}

/**
 * iopt_pin_batch() - pin some pages
 * @pages: the range
 * @index: of the first page
 * @npages: how many at most
 * @batch: filled with them
 *
 * Context: process context; no locks held: faults memory in.
 * Return: how many from the first one on, at least one; -EFAULT, -ENOMEM or
 * -EINTR.
 */
long iopt_pin_batch(struct iopt_pages *pages, unsigned long index,
		    unsigned long npages, struct page **batch)
{
	if (pages->file)
		return pin_result(memfd_pin_pages(pages->file,
						  (pages->start >> PAGE_SHIFT) +
							  index,
						  npages, batch));
	return pin_user(pages, pages->start + (index << PAGE_SHIFT), npages,
			batch);
}

/**
 * struct pinner - the state of pinning a part
 * @pages: what it is a part of
 * @extents: the new extents
 * @batch: temporary: pages that GUP returned
 * @max_batch: how many fit there
 * @runs: temporary: runs not in an extent yet; the last one may still grow
 * @nr_runs: how many there are
 * @max_runs: how many fit there
 * @run_pages: pages in @runs
 */
struct pinner {
	struct iopt_pages *pages;
	struct list_head *extents;
	struct page **batch;
	unsigned long max_batch;
	u64 *runs;
	unsigned int nr_runs;
	unsigned int max_runs;
	unsigned long run_pages;
};

/**
 * iopt_extent_alloc() - allocate an extent
 * @max: number of runs that are to fit
 *
 * Context: process context, may sleep.
 * Return: an extent without users, all else of which is the caller's to set;
 * NULL for want of memory.
 */
struct iopt_extent *iopt_extent_alloc(unsigned int max)
{
	struct iopt_extent *extent;

	extent = kmalloc(struct_size(extent, runs, max), GFP_KERNEL_ACCOUNT);
	if (!extent)
		return NULL;
	extent->users = 0;
	extent->starts = 0;
	extent->ends = 0;
	extent->max = max;
	return extent;
}

/* Moves the temporary runs into an extent of just their size. */
static int flush_runs(struct pinner *pinner)
{
	struct iopt_extent *extent;

	extent = iopt_extent_alloc(pinner->nr_runs);
	if (!extent)
		return iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
	extent->npages = pinner->run_pages;
	extent->nr = pinner->nr_runs;
	memcpy(extent->runs, pinner->runs, extent->nr * sizeof(u64));
	list_add_tail(&extent->item, pinner->extents);
	pinner->nr_runs = 0;
	pinner->run_pages = 0;
	return 0;
}

static int add_run(struct pinner *pinner, unsigned long pfn,
		   unsigned long npages)
{
	u64 *last;
	int ret;

	if (pinner->nr_runs) {
		last = &pinner->runs[pinner->nr_runs - 1];
		if (run_pfn(*last) + run_npages(*last) == pfn &&
		    run_npages(*last) + npages <= RUN_MAX_PAGES) {
			*last += npages;
			pinner->run_pages += npages;
			return 0;
		}
	}
	if (pinner->nr_runs == pinner->max_runs) {
		ret = flush_runs(pinner);
		if (ret)
			return ret;
	}
	pinner->runs[pinner->nr_runs++] = run_pack(pfn, npages);
	pinner->run_pages += npages;
	return 0;
}

/* A page of hugetlbfs is always mapped as a whole: its pages are in order. */
static unsigned long count_huge(struct page *first, unsigned long npages)
{
	struct folio *folio = page_folio(first);
	unsigned long index = folio_page_idx(folio, first);

	return min(npages, folio_nr_pages(folio) - index);
}

/* How many of the pages adjoin?  Eight at a time: THP bring hundreds. */
static unsigned long count_adjoining(struct page **batch, unsigned long npages)
{
	struct page *first = batch[0];
	unsigned long i;

	if (PageCompound(first) && PageHuge(first))
		return count_huge(first, npages);
	for (i = 0; i + 8 <= npages; i += 8, first = nth_page(first, 8))
		if (batch[i] != first ||
		    batch[i + 1] != nth_page(first, 1) ||
		    batch[i + 2] != nth_page(first, 2) ||
		    batch[i + 3] != nth_page(first, 3) ||
		    batch[i + 4] != nth_page(first, 4) ||
		    batch[i + 5] != nth_page(first, 5) ||
		    batch[i + 6] != nth_page(first, 6) ||
		    batch[i + 7] != nth_page(first, 7))
			break;
	for (; i < npages && batch[i] == first; i++)
		first = nth_page(first, 1);
	return i;
}

/* Takes over a batch of pinned pages; those it cannot keep it unpins. */
static int add_batch(struct pinner *pinner, unsigned long npages)
{
	struct page **batch = pinner->batch;
	unsigned long count;
	int ret;

	for (; npages; batch += count, npages -= count) {
		count = count_adjoining(batch, npages);
		ret = add_run(pinner, page_to_pfn(*batch), count);
		if (ret) {
			unpin_user_pages(batch, npages);
			return ret;
		}
	}
	return 0;
}

static int pin_all(struct pinner *pinner, unsigned long first,
		   unsigned long npages)
{
	long got;
	int ret;

	while (npages) {
		if (fatal_signal_pending(current))
			return -EINTR;
		got = iopt_pin_batch(pinner->pages, first,
				     min(npages, pinner->max_batch),
				     pinner->batch);
		if (got < 0)
			return got;
		ret = add_batch(pinner, got);
		if (ret)
			return ret;
		first += got;
		npages -= got;
		cond_resched();
	}
	return flush_runs(pinner);
}

/**
 * iopt_unpin_runs() - let pages go
 * @runs: packed
 * @nr: how many
 * @dirty: they may have been written to
 *
 * Context: process context, may sleep.
 */
void iopt_unpin_runs(const u64 *runs, unsigned int nr, bool dirty)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		unpin_user_page_range_dirty_lock(pfn_to_page(run_pfn(runs[i])),
						 run_npages(runs[i]), dirty);
}

static void abort_pinner(struct pinner *pinner)
{
	bool dirty = pinner->pages->writable;
	struct iopt_extent *extent, *next;

	iopt_unpin_runs(pinner->runs, pinner->nr_runs, dirty);
	list_for_each_entry_safe(extent, next, pinner->extents, item) {
		iopt_unpin_runs(extent->runs, extent->nr, dirty);
		list_del(&extent->item);
		kfree(extent);
		cond_resched();
	}
}

/* Enough for the small mappings that come in great numbers. */
#define SMALL_BATCH 16
#define SMALL_BATCH_SIZE (SMALL_BATCH * sizeof(u64))

/* A call of GUP for each huge page would cost more than what it finds there. */
#define BATCH_SIZE (4 * PAGE_SIZE)

static int run_pinner(struct pinner *pinner, unsigned long first,
		      unsigned long npages)
{
	size_t batch_size = min_t(size_t, BATCH_SIZE, temp_memory_limit());
	size_t runs_size = min_t(size_t, PAGE_SIZE, temp_memory_limit());
	void *batch, *runs;
	int ret;

	batch = kmalloc(batch_size, GFP_KERNEL_ACCOUNT);
	runs = kmalloc(runs_size, GFP_KERNEL_ACCOUNT);
	if (batch && runs) {
		pinner->batch = batch;
		pinner->max_batch = batch_size / sizeof(struct page *);
		pinner->runs = runs;
		pinner->max_runs = min(runs_size / sizeof(u64),
				       EXTENT_MAX_RUNS);
		ret = pin_all(pinner, first, npages);
		if (ret)
			abort_pinner(pinner);
	} else {
		ret = iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
	}
	kfree(runs);
	kfree(batch);
	return ret;
}

static int run_small_pinner(struct pinner *pinner, unsigned long first,
			    unsigned long npages)
{
	struct page *batch[SMALL_BATCH];
	u64 runs[SMALL_BATCH];
	int ret;

	pinner->batch = batch;
	pinner->runs = runs;
	pinner->max_batch = SMALL_BATCH;
	pinner->max_runs = SMALL_BATCH;
	ret = pin_all(pinner, first, npages);
	if (ret)
		abort_pinner(pinner);
	return ret;
}

/**
 * iopt_pin_part() - pin a part of a range
 * @pages: the range
 * @first: index of the part's first page
 * @npages: number of its pages, not 0
 * @extents: gets new extents of the part, in order; empty again on failure
 *
 * Context: process context; no locks held: faults memory in.
 * Return: 0, or an errno of iopt_pin_batch().
 */
int iopt_pin_part(struct iopt_pages *pages, unsigned long first,
		  unsigned long npages, struct list_head *extents)
{
	struct pinner pinner = { .pages = pages, .extents = extents };

	if (npages <= SMALL_BATCH && temp_memory_limit() >= SMALL_BATCH_SIZE)
		return run_small_pinner(&pinner, first, npages);
	return run_pinner(&pinner, first, npages);
}
