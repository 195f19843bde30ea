// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinned memory.
 *
 * A struct iopt_pages names a range of user memory.  While anyone needs it for
 * DMA it is pinned, once, however many users there are: the first pins it, the
 * last unpins it.
 *
 * What is pinned is remembered as runs: a run is a physically contiguous
 * stretch, packed into 64 bits.  Mapping, unmapping and unpinning go run by
 * run, so a huge page costs what a small page costs.
 *
 * Pinning faults user memory in.  That can take for ever (userfaultfd, a dead
 * file server), so it happens under no lock but the range's own pin_lock, which
 * only others that want to pin the same range take, and a fatal signal ends it.
 * Unpinning is split in two for the same reason: iopt_pages_unpin() only takes
 * the runs out, under any lock the caller likes; iopt_pins_drop() then lets the
 * pages go, with none.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "pages.h"

/*
 * A packed run: the PFN above, the number of pages less one below.  A physical
 * address has 52 bits at most, which leaves 40 for the PFN.
 */
#define RUN_LENGTH_BITS 24
#define RUN_MAX_PAGES BIT(RUN_LENGTH_BITS)

static u64 run_pack(unsigned long pfn, unsigned long npages)
{
	return ((u64)pfn << RUN_LENGTH_BITS) | (npages - 1);
}

static unsigned long run_pfn(u64 run)
{
	return run >> RUN_LENGTH_BITS;
}

static unsigned long run_npages(u64 run)
{
	return (run & (RUN_MAX_PAGES - 1)) + 1;
}

/**
 * struct run_chunk - some consecutive runs
 * @next: the chunk that follows
 * @nr: number of @runs
 * @runs: packed
 */
struct run_chunk {
	struct run_chunk *next;
	unsigned int nr;
	u64 runs[];
};

#define CHUNK_MAX_RUNS \
	((PAGE_SIZE - sizeof(struct run_chunk)) / sizeof(u64))

/**
 * struct iopt_pins - the pinned pages of a struct iopt_pages
 * @item: on the list of what a caller of iopt_pages_unpin() has to drop
 * @pages: what they were pinned for; a reference, which keeps the payer
 * @charged: pages charged to the payer
 * @first: the runs, in the order of the user's addresses
 */
struct iopt_pins {
	struct list_head item;
	struct iopt_pages *pages;
	unsigned long charged;
	struct run_chunk *first;
};

/**
 * iopt_pages_alloc_user() - name a range of the current process's memory
 * @uptr: first byte
 * @length: in bytes, not 0
 * @writable: the device may write to it
 * @mode: how it is charged when it is pinned
 *
 * Nothing is pinned or looked at: the range need not be mapped yet.
 *
 * Context: process context, may sleep.
 * Return: a strong reference; ERR_PTR(-EINVAL) when @length is 0 or too long
 * to be rounded up to pages, ERR_PTR(-EOVERFLOW) when the range wraps,
 * ERR_PTR(-ENOMEM).
 */
struct iopt_pages *iopt_pages_alloc_user(unsigned long uptr,
					 unsigned long length, bool writable,
					 enum iommufd_account_mode mode)
{
	unsigned long first = uptr & PAGE_MASK;
	struct iopt_pages *pages;
	unsigned long end;

	if (!length || length > SIZE_MAX - PAGE_SIZE)
		return ERR_PTR(-EINVAL);
	if (check_add_overflow(uptr, length, &end) ||
	    end > ULONG_MAX - (PAGE_SIZE - 1))
		return ERR_PTR(-EOVERFLOW);

	pages = kzalloc(sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	kref_init(&pages->kref);
	mutex_init(&pages->pin_lock);
	spin_lock_init(&pages->lock);
	pages->uptr = first;
	pages->npages = (PAGE_ALIGN(end) - first) >> PAGE_SHIFT;
	pages->writable = writable;
	iommufd_payer_init_current(&pages->payer, mode);
	return pages;
}

/**
 * iopt_pages_get() - take another reference
 * @pages: the range
 *
 * Return: @pages.
 */
struct iopt_pages *iopt_pages_get(struct iopt_pages *pages)
{
	kref_get(&pages->kref);
	return pages;
}

static void release_pages_struct(struct kref *kref)
{
	struct iopt_pages *pages = container_of(kref, struct iopt_pages, kref);

	WARN_ON(pages->pin_users);
	iommufd_payer_release(&pages->payer);
	mutex_destroy(&pages->pin_lock);
	kfree(pages);
}

/**
 * iopt_pages_put() - drop a reference
 * @pages: the range, which its last reference finds unpinned
 *
 * Context: process context.
 */
void iopt_pages_put(struct iopt_pages *pages)
{
	kref_put(&pages->kref, release_pages_struct);
}

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
static bool vma_can_pin(struct iopt_pages *pages, struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return false;
	return vma->vm_flags & (pages->writable ? VM_WRITE : VM_READ);
}

/* Pins what it can of one VMA from @uptr on; mmap_lock is held. */
static long pin_vma(struct iopt_pages *pages, struct vm_area_struct *vma,
		    unsigned long uptr, unsigned long npages,
		    struct page **batch)
{
	struct mm_struct *mm = pages->payer.mm;

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
	struct mm_struct *mm = pages->payer.mm;
	struct vm_area_struct *vma;
	unsigned int faults = 0;
	bool unlocked, slow;
	long ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (;;) {
		vma = vma_lookup(mm, uptr);
		if (!vma || !vma_can_pin(pages, vma)) {
			ret = -EFAULT;
			break;
		}
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
	mmap_read_unlock(mm);
	return ret;
}

/* GUP has many ways to say that a page cannot be pinned; user space has one. */
static long pin_errno(long ret)
{
	return ret >= 0 || ret == -ENOMEM || ret == -EINTR ? ret : -EFAULT;
}

/*
 * Pins up to @npages pages from page @index on.  Returns how many, at least
 * one, or an errno.
 */
static long pin_batch(struct iopt_pages *pages, unsigned long index,
		      unsigned long npages, struct page **batch)
{
	unsigned long uptr = pages->uptr + (index << PAGE_SHIFT);
	struct mm_struct *mm = pages->payer.mm;
	long ret;

	if (current->mm == mm && pages->writable) {
		ret = pin_user_pages_fast_only(uptr, npages,
					       FOLL_LONGTERM | FOLL_WRITE,
					       batch);
		if (ret > 0)
			return ret;
	}

	if (!mmget_not_zero(mm))
		return -EFAULT;
	ret = pin_faulting(pages, uptr, npages, batch);
	mmput(mm);
	return pin_errno(ret);
}

/**
 * struct pinner - the state of pinning one range
 * @pins: what is being built
 * @tail: where the next chunk goes
 * @batch: temporary: pages that GUP returned
 * @max_batch: how many fit there
 * @runs: temporary: runs not in a chunk yet; the last one may still grow
 * @nr_runs: how many there are
 * @max_runs: how many fit there
 */
struct pinner {
	struct iopt_pins *pins;
	struct run_chunk **tail;
	struct page **batch;
	unsigned long max_batch;
	u64 *runs;
	unsigned int nr_runs;
	unsigned int max_runs;
};

/* Moves the temporary runs into a chunk of just their size. */
static int flush_runs(struct pinner *pinner)
{
	struct run_chunk *chunk;

	if (!pinner->nr_runs)
		return 0;
	chunk = kmalloc(struct_size(chunk, runs, pinner->nr_runs),
			GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return -ENOMEM;
	chunk->next = NULL;
	chunk->nr = pinner->nr_runs;
	memcpy(chunk->runs, pinner->runs, chunk->nr * sizeof(u64));
	*pinner->tail = chunk;
	pinner->tail = &chunk->next;
	pinner->nr_runs = 0;
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
			return 0;
		}
	}
	if (pinner->nr_runs == pinner->max_runs) {
		ret = flush_runs(pinner);
		if (ret)
			return ret;
	}
	pinner->runs[pinner->nr_runs++] = run_pack(pfn, npages);
	return 0;
}

/* Takes over a batch of pinned pages; those it cannot keep it unpins. */
static int add_batch(struct pinner *pinner, unsigned long npages)
{
	unsigned long start = 0, end;
	int ret;

	while (start < npages) {
		unsigned long pfn = page_to_pfn(pinner->batch[start]);

		for (end = start + 1; end < npages; end++)
			if (page_to_pfn(pinner->batch[end]) !=
			    pfn + (end - start))
				break;
		ret = add_run(pinner, pfn, end - start);
		if (ret) {
			unpin_user_pages(pinner->batch + start, npages - start);
			return ret;
		}
		start = end;
	}
	return 0;
}

static int pin_all(struct pinner *pinner, struct iopt_pages *pages)
{
	unsigned long done = 0;
	long got;
	int ret;

	while (done < pages->npages) {
		if (fatal_signal_pending(current))
			return -EINTR;
		got = pin_batch(pages, done,
				min(pages->npages - done, pinner->max_batch),
				pinner->batch);
		if (got <= 0)
			return got ? got : -EFAULT;
		ret = add_batch(pinner, got);
		if (ret)
			return ret;
		done += got;
		cond_resched();
	}
	return flush_runs(pinner);
}

static void unpin_run(struct iopt_pages *pages, u64 run)
{
	unpin_user_page_range_dirty_lock(pfn_to_page(run_pfn(run)),
					 run_npages(run), pages->writable);
}

/* Unpins, uncharges and frees; @pins has at most what was added to it. */
static void release_pins(struct iopt_pins *pins)
{
	struct iopt_pages *pages = pins->pages;
	struct run_chunk *chunk, *next;
	unsigned int i;

	for (chunk = pins->first; chunk; chunk = next) {
		for (i = 0; i < chunk->nr; i++)
			unpin_run(pages, chunk->runs[i]);
		next = chunk->next;
		kfree(chunk);
		cond_resched();
	}
	iommufd_uncharge(&pages->payer, pins->charged);
	kfree(pins);
	iopt_pages_put(pages);
}

static void abort_pinner(struct pinner *pinner)
{
	unsigned int i;

	for (i = 0; i < pinner->nr_runs; i++)
		unpin_run(pinner->pins->pages, pinner->runs[i]);
	release_pins(pinner->pins);
}

/* Enough for the small mappings that come in great numbers. */
#define SMALL_BATCH 16

static int run_pinner(struct pinner *pinner, struct iopt_pages *pages)
{
	struct page *small_batch[SMALL_BATCH];
	u64 small_runs[SMALL_BATCH];
	void *batch = NULL;
	u64 *runs = NULL;
	int ret = -ENOMEM;

	if (pages->npages <= SMALL_BATCH) {
		pinner->batch = small_batch;
		pinner->runs = small_runs;
		pinner->max_batch = SMALL_BATCH;
		pinner->max_runs = SMALL_BATCH;
	} else {
		batch = kmalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
		runs = kmalloc_array(CHUNK_MAX_RUNS, sizeof(u64),
				     GFP_KERNEL_ACCOUNT);
		if (!batch || !runs)
			goto out_abort;
		pinner->batch = batch;
		pinner->max_batch = PAGE_SIZE / sizeof(struct page *);
		pinner->runs = runs;
		pinner->max_runs = CHUNK_MAX_RUNS;
	}

	ret = pin_all(pinner, pages);
out_abort:
	if (ret)
		abort_pinner(pinner);
	kfree(runs);
	kfree(batch);
	return ret;
}

static struct iopt_pins *pin_pages(struct iopt_pages *pages)
{
	struct pinner pinner = {};
	struct iopt_pins *pins;
	int ret;

	pins = kzalloc(sizeof(*pins), GFP_KERNEL_ACCOUNT);
	if (!pins)
		return ERR_PTR(-ENOMEM);
	ret = iommufd_charge(&pages->payer, pages->npages);
	if (ret) {
		kfree(pins);
		return ERR_PTR(ret);
	}
	pins->charged = pages->npages;
	pins->pages = iopt_pages_get(pages);
	pinner.pins = pins;
	pinner.tail = &pins->first;
	ret = run_pinner(&pinner, pages);
	return ret ? ERR_PTR(ret) : pins;
}

static bool join_pin_users(struct iopt_pages *pages)
{
	bool pinned;

	spin_lock(&pages->lock);
	pinned = pages->pin_users;
	if (pinned)
		pages->pin_users++;
	spin_unlock(&pages->lock);
	return pinned;
}

/**
 * iopt_pages_pin() - have the whole range pinned
 * @pages: the range; to be given back with iopt_pages_unpin()
 *
 * Context: process context; no locks held: faults user memory in.
 * Return: 0; -EFAULT when some of the range cannot be pinned, or its process
 * has ended; -ENOMEM for want of memory or above RLIMIT_MEMLOCK; -EINTR on a
 * fatal signal.
 */
int iopt_pages_pin(struct iopt_pages *pages)
{
	struct iopt_pins *pins;
	int ret = 0;

	if (mutex_lock_killable(&pages->pin_lock))
		return -EINTR;
	if (join_pin_users(pages))
		goto out_unlock;

	pins = pin_pages(pages);
	if (IS_ERR(pins)) {
		ret = PTR_ERR(pins);
		goto out_unlock;
	}
	spin_lock(&pages->lock);
	pages->pins = pins;
	pages->pin_users = 1;
	spin_unlock(&pages->lock);
out_unlock:
	mutex_unlock(&pages->pin_lock);
	return ret;
}

/**
 * iopt_pages_unpin() - end a use of the pinned range
 * @pages: the range
 * @drop: gets what is pinned for no one now, for iopt_pins_drop()
 *
 * Context: process context; any locks.
 */
void iopt_pages_unpin(struct iopt_pages *pages, struct list_head *drop)
{
	spin_lock(&pages->lock);
	if (!--pages->pin_users) {
		list_add_tail(&pages->pins->item, drop);
		pages->pins = NULL;
	}
	spin_unlock(&pages->lock);
}

/**
 * iopt_pins_drop() - let pages go that no device can reach any more
 * @drop: from iopt_pages_unpin()
 *
 * Context: process context; no locks held.
 */
void iopt_pins_drop(struct list_head *drop)
{
	struct iopt_pins *pins, *next;

	list_for_each_entry_safe(pins, next, drop, item)
		release_pins(pins);
}

/* Makes the run at @index of @chunk, less its first @skip bytes, current. */
static void run_iter_load(struct iopt_run_iter *iter, unsigned long skip)
{
	u64 run = iter->chunk->runs[iter->index];

	iter->phys = PFN_PHYS(run_pfn(run)) + skip;
	iter->length = min((run_npages(run) << PAGE_SHIFT) - skip, iter->left);
	iter->left -= iter->length;
}

static void run_iter_advance(struct iopt_run_iter *iter)
{
	if (++iter->index == iter->chunk->nr) {
		iter->chunk = iter->chunk->next;
		iter->index = 0;
	}
}

/**
 * iopt_run_iter_init() - begin to walk the runs of a part of a pinned range
 * @iter: set to the first run
 * @pages: the range; stays pinned during the walk
 * @offset: of the first byte, from the range's first page
 * @length: number of bytes, not 0
 */
void iopt_run_iter_init(struct iopt_run_iter *iter, struct iopt_pages *pages,
			unsigned long offset, unsigned long length)
{
	unsigned long bytes;

	iter->chunk = pages->pins->first;
	iter->index = 0;
	iter->left = length;
	for (;;) {
		bytes = run_npages(iter->chunk->runs[iter->index])
			<< PAGE_SHIFT;
		if (offset < bytes)
			break;
		offset -= bytes;
		run_iter_advance(iter);
	}
	run_iter_load(iter, offset);
}

/**
 * iopt_run_iter_next() - go on to the next run
 * @iter: its length is 0 when there is none
 */
void iopt_run_iter_next(struct iopt_run_iter *iter)
{
	if (!iter->left) {
		iter->length = 0;
		return;
	}
	run_iter_advance(iter);
	run_iter_load(iter, 0);
}
