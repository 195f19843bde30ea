// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting pages pinned: the user memory or the file behind a range.
 *
 * Pages are pinned in batches, as many as a temporary buffer holds, and their
 * addresses joined to runs.  All of it happens with no lock held.
 *
 * A page may take its time to come: from a file's server, from swap, from a
 * userfaultfd.  GUP, when it pins for long, waits for it with mmap_lock held and
 * heeds no signal.  So GUP gets only what is there already of such memory, and
 * the rest is faulted in by hand, which waits with mmap_lock dropped, until a
 * fatal signal.  What still waits with mmap_lock held is a fault of a page that
 * is just being moved, the move of one out of ZONE_MOVABLE, and a read from swap
 * within the fault itself, as shmem does.
 */
#include <linux/backing-dev.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
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

/*
 * A file system that writes back what is dirty has to be asked before a page of
 * a shared mapping is written to.  A device does not ask.
 */
static bool vma_tracks_writes(struct vm_area_struct *vma)
{
	const struct vm_operations_struct *ops = vma->vm_ops;

	if (!(vma->vm_flags & VM_SHARED) || !vma->vm_file)
		return false;
	return (ops && (ops->page_mkwrite || ops->pfn_mkwrite)) ||
	       mapping_can_writeback(vma->vm_file->f_mapping);
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
	if (pages->writable && vma_tracks_writes(vma))
		return iommufd_refuse(IOMMUFD_REASON_MEMORY_UNPINNABLE,
				      -EFAULT);
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

/* Of a file system's file, or of a disk: not of a driver's own device. */
static bool file_is_slow(struct file *file)
{
	umode_t mode = file_inode(file)->i_mode;

	return S_ISREG(mode) || S_ISBLK(mode);
}

/*
 * May a page that is not there take its time to come?  What waits for swap in
 * the fault itself is no quicker by hand.
 */
static bool vma_is_slow(struct vm_area_struct *vma)
{
	struct file *file = vma->vm_file;
	bool shmem = file && shmem_mapping(file->f_mapping);

	if (userfaultfd_armed(vma))
		return true;
	if (is_vm_hugetlb_page(vma) || (shmem && vma->vm_flags & VM_SHARED))
		return false;
	if (get_mm_counter(vma->vm_mm, MM_SWAPENTS))
		return true;
	return file && !shmem && file_is_slow(file);
}

/*
 * Pins what it can of one VMA from @uptr on; mmap_lock is held.  -EFAULT, also
 * when the first page has to be faulted in by hand; @faulted: it just was.
 */
static long pin_vma(struct iopt_pages *pages, struct vm_area_struct *vma,
		    unsigned long uptr, unsigned long npages,
		    struct page **batch, bool faulted)
{
	unsigned int flags = gup_flags(pages, vma);
	struct mm_struct *mm = pages->payer->mm;

	mmap_assert_locked(mm);

	npages = min(npages, (vma->vm_end - uptr) >> PAGE_SHIFT);
	if (vma_is_slow(vma)) {
		if (!is_vm_hugetlb_page(vma)) {
			flags |= FOLL_NOFAULT;
		} else if (faulted) {
			/* Where GUP does not know that flag */
			npages = 1;
		} else {
			return -EFAULT;
		}
	}
	return pin_user_pages_remote(mm, uptr, npages, flags, batch, NULL,
				     NULL);
}

/*
 * How often a page may vanish between being faulted in and being pinned.  It
 * is not a matter of time: no amount of memory pressure does that repeatedly.
 */
#define MAX_FAULTS 3

/*
 * How often a fault may drop mmap_lock to wait.  After that it waits with the
 * lock held, to come to an end; a fatal signal is heeded even then.
 */
#define MAX_RETRIES 3

/*
 * Faults in what the pin needs, as it would itself: a missing page, but also a
 * write-protected one.  Returns -EAGAIN when mmap_lock had to be dropped.
 */
static int fault_in(struct iopt_pages *pages, struct vm_area_struct *vma,
		    unsigned long uptr, unsigned int retries)
{
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE |
			     FAULT_FLAG_REMOTE;
	unsigned int pin_flags = 0;
	vm_fault_t fault;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (gup_flags(pages, vma) & FOLL_WRITE)
		flags |= FAULT_FLAG_WRITE;
	if (retries >= MAX_RETRIES)
		flags |= FAULT_FLAG_TRIED;

	/* New pages where they can stay; the huge ones are where they are. */
	if (is_vm_hugetlb_page(vma)) {
		fault = handle_mm_fault(vma, uptr, flags, NULL);
	} else {
		pin_flags = memalloc_pin_save();
		fault = handle_mm_fault(vma, uptr, flags, NULL);
		memalloc_pin_restore(pin_flags);
	}
	if (fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED))
		return -EAGAIN;
	if (fault & VM_FAULT_ERROR)
		return vm_fault_to_errno(fault, 0) ?: -EFAULT;
	return 0;
}

static long pin_faulting(struct iopt_pages *pages, unsigned long uptr,
			 unsigned long npages, struct page **batch)
{
	struct mm_struct *mm = pages->payer->mm;
	unsigned int faults = 0, retries = 0;
	struct vm_area_struct *vma;
	long ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (;;) {
		vma = vma_lookup(mm, uptr);
		ret = check_vma(pages, vma);
		if (ret)
			goto out_unlock;
		ret = pin_vma(pages, vma, uptr, npages, batch, faults);
		if (ret != -EFAULT || faults == MAX_FAULTS)
			break;
		ret = fault_in(pages, vma, uptr, retries);
		if (ret == -EAGAIN) {
			retries++;
			cond_resched();
			if (mmap_read_lock_killable(mm))
				return -EINTR;
			continue;
		}
		if (ret)
			break;
		faults++;
	}
	ret = pin_result(ret);
out_unlock:
	mmap_read_unlock(mm);
	return ret;
}

/* Anonymous, of shmem or of hugetlb: no file system writes it back. */
static bool page_is_memory(struct page *page)
{
	page = compound_head(page);
	return PageSwapBacked(page) || PageHuge(page);
}

/* A few are looked at one by one, which is quicker than to look for the VMA. */
#define FEW_PAGES 16

static long pin_few_fast(unsigned long uptr, unsigned long npages,
			 struct page **batch)
{
	long ret, i;

	ret = pin_user_pages_fast_only(uptr, npages, FOLL_LONGTERM | FOLL_WRITE,
				       batch);
	for (i = 0; i < ret; i++) {
		if (!page_is_memory(batch[i])) {
			unpin_user_pages(batch + i, ret - i);
			break;
		}
	}
	return i;
}

static long pin_many_fast(unsigned long uptr, unsigned long npages,
			  struct page **batch)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	long ret = 0;

	if (!mmap_read_trylock(mm))
		return 0;
	vma = vma_lookup(mm, uptr);
	if (vma && !vma_tracks_writes(vma)) {
		npages = min(npages, (vma->vm_end - uptr) >> PAGE_SHIFT);
		ret = pin_user_pages_fast_only(uptr, npages,
					       FOLL_LONGTERM | FOLL_WRITE,
					       batch);
	}
	mmap_read_unlock(mm);
	return ret;
}

/*
 * Pins for writing what is there.  GUP-fast looks at no VMA, and so does not
 * know what check_vma() does.
 */
static long pin_fast(unsigned long uptr, unsigned long npages,
		     struct page **batch)
{
	return npages > FEW_PAGES ? pin_many_fast(uptr, npages, batch) :
				    pin_few_fast(uptr, npages, batch);
}

static long pin_user(struct iopt_pages *pages, unsigned long uptr,
		     unsigned long npages, struct page **batch)
{
	struct mm_struct *mm = pages->payer->mm;
	long ret;

	if (current->mm == mm && pages->writable) {
		ret = pin_fast(uptr, npages, batch);
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

	extent = kmalloc(struct_size(extent, runs, max), IOMMUFD_GFP);
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
		if (npages)
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

	batch = kmalloc(batch_size, IOMMUFD_GFP);
	runs = kmalloc(runs_size, IOMMUFD_GFP);
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
