// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinned memory.
 *
 * A struct iopt_pages names a range of user memory, or of a file.  What anyone
 * needs of it for DMA is pinned, once, however many users there are.  It is
 * kept in extents: an extent has a number of users, each of which needs all of
 * it.  Where a user's part begins or ends inside an extent, that is split when
 * the part is pinned, so that unpinning need not split anything: tearing down
 * allocates nothing.  When no user begins or ends there any more the two are
 * merged again.
 *
 * What is pinned is remembered as runs: a run is a physically contiguous
 * stretch, packed into 64 bits.  Mapping, unmapping and unpinning go run by
 * run, so a huge page costs what a small page costs.
 *
 * Pinning faults memory in.  That can take for ever (userfaultfd, a dead file
 * server), so it happens under no lock: the part is claimed, and only who needs
 * just that part waits, until a fatal signal ends it.  Unpinning is split in
 * two for the same reason: iopt_pages_unpin() only takes the extents out, under
 * any lock the caller likes; iopt_pins_drop() then lets the pages go, with
 * none.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>
#include <linux/wait_bit.h>

#include "compat.h"
#include "pages.h"
/*
 * A packed run: the PFN above, the number of pages less one below, and between
 * them whether it was one run with the one before until an extent was split.  A
 * physical address has 52 bits at most, which leaves 40 for the PFN.
 */
#define RUN_LENGTH_BITS 23
#define RUN_MAX_PAGES BIT(RUN_LENGTH_BITS)
#define RUN_CONTINUED BIT_ULL(RUN_LENGTH_BITS)
#define RUN_PFN_SHIFT (RUN_LENGTH_BITS + 1)

static u64 run_pack(unsigned long pfn, unsigned long npages)
{
	return ((u64)pfn << RUN_PFN_SHIFT) | (npages - 1);
}

static unsigned long run_pfn(u64 run)
{
	return run >> RUN_PFN_SHIFT;
}

static unsigned long run_npages(u64 run)
{
	return (run & (RUN_MAX_PAGES - 1)) + 1;
}

static bool run_continued(u64 run)
{
	return run & RUN_CONTINUED;
}

/**
 * struct iopt_extent - a part that is pinned, for the same users throughout
 * @node: in the tree of the struct iopt_pages, by @first
 * @first: index of the first page
 * @item: on the list of new extents, or of those to be dropped
 * @payer: who was charged, a reference; while it is to be dropped
 * @dirty: the pages may have been written to; likewise
 * @npages: number of pages
 * @users: how many need it pinned
 * @starts: how many of them begin here: it is not merged with the one before
 * @ends: how many of them end here: it is not merged with the one behind
 * @nr: number of @runs
 * @max: how many fit
 * @runs: packed, in the order of the pages
 */
struct iopt_extent {
	union {
		struct {
			struct rb_node node;
			unsigned long first;
		};
		struct {
			struct list_head item;
			struct iommufd_payer *payer;
			bool dirty;
		};
	};
	unsigned long npages;
	unsigned int users;
	unsigned int starts;
	unsigned int ends;
	u16 nr;
	u16 max;
	u64 runs[];
};

#define EXTENT_MAX_RUNS \
	((PAGE_SIZE - sizeof(struct iopt_extent)) / sizeof(u64))

/**
 * struct claim - a part that a call is pinning
 * @item: on the list of the struct iopt_pages
 * @first: index of the first page
 * @end: index behind the last page
 */
struct claim {
	struct list_head item;
	unsigned long first;
	unsigned long end;
};

static struct iopt_pages *alloc_pages_struct(unsigned long start,
					     unsigned long npages,
					     bool writable,
					     struct iommufd_payers *payers)
{
	struct iopt_pages *pages;

	pages = kmalloc(sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	pages->payer = iommufd_payer_get_current(payers);
	if (!pages->payer) {
		kfree(pages);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&pages->kref);
	pages->file = NULL;
	pages->start = start;
	pages->npages = npages;
	pages->writable = writable;
	mutex_init(&pages->lock);
	pages->npinned = 0;
	pages->extents = RB_ROOT;
	INIT_LIST_HEAD(&pages->claims);
	pages->claim_waiters = 0;
	pages->claims_ended = 0;
	return pages;
}

/* The pages that a range of bytes touches. */
static int page_range(unsigned long start, unsigned long length,
		      unsigned long *first, unsigned long *npages)
{
	unsigned long end;

	if (!length || length > SIZE_MAX - PAGE_SIZE)
		return -EINVAL;
	if (check_add_overflow(start, length, &end) ||
	    end > ULONG_MAX - (PAGE_SIZE - 1))
		return -EOVERFLOW;
	*first = start & PAGE_MASK;
	*npages = (PAGE_ALIGN(end) - *first) >> PAGE_SHIFT;
	return 0;
}

/**
 * iopt_pages_alloc_user() - name a range of the current process's memory
 * @uptr: first byte
 * @length: in bytes, not 0
 * @writable: the device may write to it
 * @payers: of the context; the current process is to pay when it is pinned
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
					 struct iommufd_payers *payers)
{
	unsigned long first, npages;
	int ret;

	ret = page_range(uptr, length, &first, &npages);
	if (ret)
		return ERR_PTR(ret);
	return alloc_pages_struct(first, npages, writable, payers);
}

/**
 * iopt_pages_alloc_file() - name a range of a memfd
 * @file: the file; a reference is taken
 * @start: first byte
 * @length: in bytes, not 0
 * @writable: the device may write to it; until it is given back no one can
 *	seal the file against writing
 * @payers: of the context; the current process is to pay when it is pinned
 *
 * Context: process context, may sleep.
 * Return: a strong reference; ERR_PTR(-EINVAL) when @file is not a memfd, or
 * @length is 0 or beyond the file's end; ERR_PTR(-EACCES) when @file is not
 * open for what is asked; ERR_PTR(-EPERM) when it is sealed against it;
 * ERR_PTR(-EOVERFLOW) when the range wraps; ERR_PTR(-ENOMEM);
 * ERR_PTR(-EOPNOTSUPP) on a kernel that cannot pin files.
 */
struct iopt_pages *iopt_pages_alloc_file(struct file *file, unsigned long start,
					 unsigned long length, bool writable,
					 struct iommufd_payers *payers)
{
	unsigned long first, npages;
	struct iopt_pages *pages;
	int ret;

	ret = page_range(start, length, &first, &npages);
	if (ret)
		return ERR_PTR(ret);
	ret = memfd_pin_allowed(file, writable);
	if (ret)
		return ERR_PTR(ret);
	if (start + length > i_size_read(file_inode(file)))
		return ERR_PTR(-EINVAL);
	if (writable) {
		ret = mapping_map_writable(file->f_mapping);
		if (ret)
			return ERR_PTR(ret);
	}
	pages = alloc_pages_struct(first, npages, writable, payers);
	if (IS_ERR(pages)) {
		if (writable)
			mapping_unmap_writable(file->f_mapping);
		return pages;
	}
	pages->file = get_file(file);
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

static void release_file(struct iopt_pages *pages)
{
	if (pages->writable)
		mapping_unmap_writable(pages->file->f_mapping);
	fput(pages->file);
}

static void release_pages_struct(struct kref *kref)
{
	struct iopt_pages *pages = container_of(kref, struct iopt_pages, kref);

	WARN_ON(!RB_EMPTY_ROOT(&pages->extents));
	if (pages->file)
		release_file(pages);
	iommufd_payer_put(pages->payer);
	mutex_destroy(&pages->lock);
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
		return -EFAULT;
	ret = pin_faulting(pages, uptr, npages, batch);
	mmput(mm);
	return ret;
}

/*
 * Pins up to @npages pages from page @index on.  Returns how many, at least
 * one, or an errno.
 */
static long pin_batch(struct iopt_pages *pages, unsigned long index,
		      unsigned long npages, struct page **batch)
{
	long ret;

	if (pages->file)
		ret = memfd_pin_pages(pages->file,
				      (pages->start >> PAGE_SHIFT) + index,
				      npages, batch);
	else
		ret = pin_user(pages, pages->start + (index << PAGE_SHIFT),
			       npages, batch);
	return ret ? pin_errno(ret) : -EFAULT;
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

static struct iopt_extent *alloc_extent(unsigned int max)
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

	extent = alloc_extent(pinner->nr_runs);
	if (!extent)
		return -ENOMEM;
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

/* How many of the pages adjoin?  Eight at a time: huge pages bring hundreds. */
static unsigned long count_adjoining(struct page **batch, unsigned long npages)
{
	struct page *first = batch[0];
	unsigned long i;

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
		got = pin_batch(pinner->pages, first,
				min(npages, pinner->max_batch), pinner->batch);
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

static void unpin_runs(const u64 *runs, unsigned int nr, bool dirty)
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

	unpin_runs(pinner->runs, pinner->nr_runs, dirty);
	list_for_each_entry_safe(extent, next, pinner->extents, item) {
		unpin_runs(extent->runs, extent->nr, dirty);
		kfree(extent);
		cond_resched();
	}
}

/* Enough for the small mappings that come in great numbers. */
#define SMALL_BATCH 16
#define SMALL_BATCH_SIZE (SMALL_BATCH * sizeof(u64))

static int run_pinner(struct pinner *pinner, unsigned long first,
		      unsigned long npages)
{
	size_t size = min_t(size_t, PAGE_SIZE, temp_memory_limit());
	void *batch, *runs;
	int ret = -ENOMEM;

	batch = kmalloc(size, GFP_KERNEL_ACCOUNT);
	runs = kmalloc(size, GFP_KERNEL_ACCOUNT);
	if (batch && runs) {
		pinner->batch = batch;
		pinner->max_batch = size / sizeof(struct page *);
		pinner->runs = runs;
		pinner->max_runs = min(size / sizeof(u64), EXTENT_MAX_RUNS);
		ret = pin_all(pinner, first, npages);
		if (ret)
			abort_pinner(pinner);
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

/* Fills @extents with a part, newly pinned. */
static int charge_and_pin(struct iopt_pages *pages, struct iommufd_payer *payer,
			  unsigned long first, unsigned long npages,
			  struct list_head *extents)
{
	struct pinner pinner = { .pages = pages, .extents = extents };
	int ret;

	ret = iommufd_charge(payer, npages);
	if (ret)
		return ret;
	if (npages <= SMALL_BATCH && temp_memory_limit() >= SMALL_BATCH_SIZE)
		ret = run_small_pinner(&pinner, first, npages);
	else
		ret = run_pinner(&pinner, first, npages);
	if (ret)
		iommufd_uncharge(payer, npages);
	return ret;
}

/* ---- extents ---- */

static unsigned long extent_end(struct iopt_extent *extent)
{
	return extent->first + extent->npages;
}

static struct iopt_extent *to_extent(struct rb_node *node)
{
	return rb_entry_safe(node, struct iopt_extent, node);
}

static struct iopt_extent *next_extent(struct iopt_extent *extent)
{
	return to_extent(rb_next(&extent->node));
}

/* The extent with page @index, or the first one behind it. */
static struct iopt_extent *extent_from(struct iopt_pages *pages,
				       unsigned long index)
{
	struct rb_node *node = pages->extents.rb_node;
	struct iopt_extent *extent, *found = NULL;

	lockdep_assert_held(&pages->lock);

	while (node) {
		extent = to_extent(node);
		if (extent_end(extent) > index) {
			found = extent;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static void insert_extent(struct iopt_pages *pages, struct iopt_extent *extent)
{
	struct rb_node **link = &pages->extents.rb_node, *parent = NULL;

	lockdep_assert_held(&pages->lock);

	while (*link) {
		parent = *link;
		if (extent->first < to_extent(parent)->first)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&extent->node, parent, link);
	rb_insert_color(&extent->node, &pages->extents);
}

static void insert_extents(struct iopt_pages *pages, unsigned long first,
			   struct list_head *extents)
{
	struct iopt_extent *extent, *next;

	list_for_each_entry_safe(extent, next, extents, item) {
		extent->first = first;
		first += extent->npages;
		pages->npinned += extent->npages;
		insert_extent(pages, extent);
	}
}

/* To be unpinned by iopt_pins_drop(); in no tree any more. */
static void add_to_drop(struct iopt_pages *pages, struct iopt_extent *extent,
			struct iommufd_payer *payer, struct list_head *drop)
{
	extent->payer = iommufd_payer_get(payer);
	extent->dirty = pages->writable;
	list_add_tail(&extent->item, drop);
}

/* Splits an extent before page @index: users, who need both, are in both. */
static int split_extent(struct iopt_pages *pages, struct iopt_extent *extent,
			unsigned long index)
{
	unsigned long left = index - extent->first, npages;
	struct iopt_extent *tail;
	unsigned int i = 0;

	while (left >= run_npages(extent->runs[i]))
		left -= run_npages(extent->runs[i++]);

	tail = alloc_extent(extent->nr - i);
	if (!tail)
		return -ENOMEM;
	tail->nr = extent->nr - i;
	memcpy(tail->runs, &extent->runs[i], tail->nr * sizeof(u64));
	extent->nr = i;
	if (left) {
		npages = run_npages(tail->runs[0]) - left;
		tail->runs[0] = run_pack(run_pfn(tail->runs[0]) + left,
					 npages) | RUN_CONTINUED;
		extent->runs[extent->nr++] -= npages;
	}
	tail->first = index;
	tail->npages = extent_end(extent) - index;
	tail->users = extent->users;
	tail->ends = extent->ends;
	extent->ends = 0;
	extent->npages -= tail->npages;
	insert_extent(pages, tail);
	return 0;
}

/*
 * Undoes a split before page @index.  Calls that are still pinning have marked
 * where they began but not where they will end: they are in the one on the left
 * and not yet in the other, which its number of users shows.  Returns where the
 * merged one ends, or 0 if nothing was merged.
 */
static unsigned long merge_pair(struct iopt_pages *pages, unsigned long index)
{
	struct iopt_extent *right = extent_from(pages, index), *left;
	unsigned int skip = 0;
	u64 *last;

	if (!right || right->first != index)
		return 0;
	left = to_extent(rb_prev(&right->node));
	if (!left || extent_end(left) != index || left->ends || right->starts ||
	    left->users != right->users)
		return 0;
	/* What is before may be another run by now, of pages pinned later. */
	last = &left->runs[left->nr - 1];
	if (run_continued(right->runs[0]) &&
	    run_pfn(*last) + run_npages(*last) == run_pfn(right->runs[0]) &&
	    run_npages(*last) + run_npages(right->runs[0]) <= RUN_MAX_PAGES)
		skip = 1;
	if (left->nr + right->nr - skip > left->max)
		return 0;

	if (skip)
		*last += run_npages(right->runs[0]);
	memcpy(&left->runs[left->nr], &right->runs[skip],
	       (right->nr - skip) * sizeof(u64));
	left->nr += right->nr - skip;
	left->npages += right->npages;
	left->ends = right->ends;
	rb_erase(&right->node, &pages->extents);
	kfree(right);
	return extent_end(left);
}

/* What did not fit into the one on the right may fit into the merged one. */
static void merge_extents(struct iopt_pages *pages, unsigned long index)
{
	while (index)
		index = merge_pair(pages, index);
}

/* ---- pinning a part ---- */

/* Is page @first being pinned by another call?  Else shortens the part. */
static bool is_claimed(struct iopt_pages *pages, unsigned long first,
		       unsigned long *end)
{
	struct claim *claim;

	list_for_each_entry(claim, &pages->claims, item) {
		if (claim->first <= first && first < claim->end)
			return true;
		if (claim->first > first)
			*end = min(*end, claim->first);
	}
	return false;
}

static int wait_for_claim(struct iopt_pages *pages)
{
	unsigned int ended = pages->claims_ended;
	int ret;

	pages->claim_waiters++;
	mutex_unlock(&pages->lock);
	ret = wait_var_event_killable(&pages->claims_ended,
				      READ_ONCE(pages->claims_ended) != ended);
	mutex_lock(&pages->lock);
	pages->claim_waiters--;
	return ret ? -EINTR : 0;
}

static void end_claim(struct iopt_pages *pages, struct claim *claim)
{
	list_del(&claim->item);
	WRITE_ONCE(pages->claims_ended, pages->claims_ended + 1);
	if (pages->claim_waiters) {
		smp_mb(); /* pairs with the one of prepare_to_wait_event() */
		wake_up_var(&pages->claims_ended);
	}
}

/*
 * Makes progress with a part that is not pinned: pins what no other call is
 * pinning, or waits for that.  Drops the lock meanwhile.  New extents have no
 * users yet.
 */
static int fill_gap(struct iopt_pages *pages, unsigned long first,
		    unsigned long end, struct list_head *drop)
{
	struct iopt_extent *extent, *next;
	struct iommufd_payer *payer;
	struct claim claim;
	LIST_HEAD(extents);
	int ret;

	if (is_claimed(pages, first, &end))
		return wait_for_claim(pages);
	claim.first = first;
	claim.end = end;
	list_add(&claim.item, &pages->claims);
	payer = iommufd_payer_get(pages->payer);
	mutex_unlock(&pages->lock);

	ret = charge_and_pin(pages, payer, first, end - first, &extents);

	mutex_lock(&pages->lock);
	end_claim(pages, &claim);
	if (ret)
		goto out_put;
	if (payer == pages->payer) {
		insert_extents(pages, first, &extents);
	} else {
		/* Another process was made to pay meanwhile: once again. */
		list_for_each_entry_safe(extent, next, &extents, item)
			add_to_drop(pages, extent, payer, drop);
	}
out_put:
	iommufd_payer_put(payer);
	return ret;
}

/**
 * struct part - a part of the pages that a call is about to use
 * @first: index of the first page
 * @end: index behind the last page
 * @at: index behind what the call is a user of already
 */
struct part {
	unsigned long first;
	unsigned long end;
	unsigned long at;
};

/* Becomes a user of an extent with page @at, as far as it is in the part. */
static int join_extent(struct iopt_pages *pages, struct iopt_extent *extent,
		       struct part *part)
{
	int ret;

	/* Then the tail is found next. */
	if (extent->first < part->at)
		return split_extent(pages, extent, part->at);
	if (extent_end(extent) > part->end) {
		ret = split_extent(pages, extent, part->end);
		if (ret)
			return ret;
	}
	extent->users++;
	if (extent->first == part->first)
		extent->starts++;
	if (extent_end(extent) == part->end)
		extent->ends++;
	part->at = extent_end(extent);
	return 0;
}

/* Ends the use of a part, whose end is not marked (any more). */
static void leave_extents(struct iopt_pages *pages, unsigned long first,
			  unsigned long end, struct list_head *drop)
{
	struct iopt_extent *extent = extent_from(pages, first), *next;

	extent->starts--;
	for (; extent && extent->first < end; extent = next) {
		next = next_extent(extent);
		if (--extent->users)
			continue;
		pages->npinned -= extent->npages;
		rb_erase(&extent->node, &pages->extents);
		add_to_drop(pages, extent, pages->payer, drop);
	}
	merge_extents(pages, first);
	merge_extents(pages, end);
}

/**
 * iopt_pages_pin() - have a part pinned
 * @pages: the range
 * @first: index of the part's first page
 * @npages: number of its pages, not 0; to be given back as one with
 *	iopt_pages_unpin()
 *
 * What is pinned already is not looked up again.
 *
 * Context: process context; no locks held: faults memory in.
 * Return: 0; -EFAULT when some of the part cannot be pinned, or its process
 * has ended; -ENOMEM for want of memory or above RLIMIT_MEMLOCK; -EINTR on a
 * fatal signal.
 */
int iopt_pages_pin(struct iopt_pages *pages, unsigned long first,
		   unsigned long npages)
{
	struct part part = { first, first + npages, first };
	struct iopt_extent *extent;
	unsigned long end;
	LIST_HEAD(drop);
	int ret = 0;

	mutex_lock(&pages->lock);
	while (!ret && part.at < part.end) {
		extent = extent_from(pages, part.at);
		if (extent && extent->first <= part.at) {
			ret = join_extent(pages, extent, &part);
		} else {
			end = extent ? min(extent->first, part.end) : part.end;
			ret = fill_gap(pages, part.at, end, &drop);
		}
	}
	if (ret && part.at > first)
		leave_extents(pages, first, part.at, &drop);
	mutex_unlock(&pages->lock);
	iopt_pins_drop(&drop);
	return ret;
}

/**
 * iopt_pages_unpin() - end a use of a pinned part
 * @pages: the range
 * @first: as it was pinned
 * @npages: as it was pinned
 * @drop: gets what is pinned for no one now, for iopt_pins_drop()
 *
 * Context: process context; any locks.
 */
void iopt_pages_unpin(struct iopt_pages *pages, unsigned long first,
		      unsigned long npages, struct list_head *drop)
{
	mutex_lock(&pages->lock);
	extent_from(pages, first + npages - 1)->ends--;
	leave_extents(pages, first, first + npages, drop);
	mutex_unlock(&pages->lock);
}

/**
 * iopt_pages_cut_pin() - make two of a pinned part
 * @pages: the range
 * @index: first page of the second one; inside of a part that the caller is a
 *	user of, and from now on unpins as two
 *
 * Context: process context; any locks.
 * Return: 0 or -ENOMEM.
 */
int iopt_pages_cut_pin(struct iopt_pages *pages, unsigned long index)
{
	struct iopt_extent *extent;
	int ret = 0;

	mutex_lock(&pages->lock);
	extent = extent_from(pages, index);
	if (extent->first < index)
		ret = split_extent(pages, extent, index);
	if (!ret) {
		extent_from(pages, index - 1)->ends++;
		extent_from(pages, index)->starts++;
	}
	mutex_unlock(&pages->lock);
	return ret;
}

/**
 * iopt_pins_drop() - let pages go that no device can reach any more
 * @drop: from iopt_pages_unpin()
 *
 * Context: process context; no locks held.
 */
void iopt_pins_drop(struct list_head *drop)
{
	struct iopt_extent *extent, *next;

	list_for_each_entry_safe(extent, next, drop, item) {
		unpin_runs(extent->runs, extent->nr, extent->dirty);
		iommufd_uncharge(extent->payer, extent->npages);
		iommufd_payer_put(extent->payer);
		kfree(extent);
		cond_resched();
	}
}

/**
 * iopt_pages_set_payer() - let another process pay
 * @pages: a range of a file
 * @payer: who pays from now on
 * @npinned: set to the number of pages that the caller is to charge to @payer,
 *	and to uncharge from the one before
 *
 * Context: process context.
 * Return: who paid before, a reference; NULL when that is @payer.
 */
struct iommufd_payer *iopt_pages_set_payer(struct iopt_pages *pages,
					   struct iommufd_payer *payer,
					   unsigned long *npinned)
{
	struct iommufd_payer *old;

	mutex_lock(&pages->lock);
	old = pages->payer;
	if (old == payer)
		old = NULL;
	else
		pages->payer = iommufd_payer_get(payer);
	*npinned = pages->npinned;
	mutex_unlock(&pages->lock);
	return old;
}

/* ---- walking ---- */

/* Makes the current run one of the extent, less its first @skip bytes. */
static void run_iter_load(struct iopt_run_iter *iter, unsigned long skip)
{
	u64 run = iter->extent->runs[iter->index];

	iter->phys = PFN_PHYS(run_pfn(run)) + skip;
	iter->length = min((run_npages(run) << PAGE_SHIFT) - skip, iter->left);
	iter->continued = run_continued(run);
	iter->left -= iter->length;
}

static void run_iter_seek(struct iopt_run_iter *iter, unsigned long index,
			  unsigned long skip)
{
	struct iopt_extent *extent = extent_from(iter->pages, index);
	unsigned long left = index - extent->first;
	unsigned int i = 0;

	while (left >= run_npages(extent->runs[i]))
		left -= run_npages(extent->runs[i++]);
	iter->extent = extent;
	iter->index = i;
	run_iter_load(iter, (left << PAGE_SHIFT) + skip);
}

/**
 * iopt_run_iter_init() - begin to walk the runs of a part of a pinned range
 * @iter: set to the first run
 * @pages: the range; the part stays pinned during the walk
 * @offset: of the first byte, from the range's first page
 * @length: number of bytes, not 0
 *
 * Context: process context; from here to iopt_run_iter_done() the lock of
 * @pages is held, but given up in between.
 */
void iopt_run_iter_init(struct iopt_run_iter *iter, struct iopt_pages *pages,
			unsigned long offset, unsigned long length)
{
	mutex_lock(&pages->lock);
	iter->pages = pages;
	iter->left = length;
	run_iter_seek(iter, offset >> PAGE_SHIFT, offset_in_page(offset));
}

/* Others may split and merge extents in between, but not move the pages. */
static void run_iter_next_extent(struct iopt_run_iter *iter)
{
	unsigned long index = extent_end(iter->extent);

	mutex_unlock(&iter->pages->lock);
	cond_resched();
	mutex_lock(&iter->pages->lock);
	run_iter_seek(iter, index, 0);
}

/**
 * iopt_run_iter_next() - go on to the next run
 * @iter: its length is 0 when there is none
 *
 * Context: process context.
 */
void iopt_run_iter_next(struct iopt_run_iter *iter)
{
	if (!iter->left) {
		iter->length = 0;
	} else if (++iter->index < iter->extent->nr) {
		run_iter_load(iter, 0);
	} else {
		run_iter_next_extent(iter);
	}
}

/**
 * iopt_run_iter_done() - end a walk
 * @iter: at any run
 */
void iopt_run_iter_done(struct iopt_run_iter *iter)
{
	mutex_unlock(&iter->pages->lock);
}

/* ---- reading and writing ---- */

static void copy_page_part(struct page *page, unsigned long offset, void *data,
			   unsigned long length, bool write)
{
	if (write)
		memcpy_to_page(page, offset, data, length);
	else
		memcpy_from_page(data, page, offset, length);
}

/* The page that devices see there, if any do. */
static bool rw_pinned(struct iopt_pages *pages, unsigned long offset,
		      void *data, unsigned long length, bool write)
{
	unsigned long index = offset >> PAGE_SHIFT;
	struct iopt_extent *extent;
	struct iopt_run_iter iter;
	bool pinned;

	mutex_lock(&pages->lock);
	extent = extent_from(pages, index);
	pinned = extent && extent->first <= index;
	if (pinned) {
		iter.pages = pages;
		iter.left = length;
		run_iter_seek(&iter, index, offset_in_page(offset));
		copy_page_part(pfn_to_page(PHYS_PFN(iter.phys)),
			       offset_in_page(offset), data, length, write);
	}
	mutex_unlock(&pages->lock);
	return pinned;
}

static int rw_unpinned(struct iopt_pages *pages, unsigned long offset,
		       void *data, unsigned long length, bool write)
{
	struct page *page;
	long ret;

	ret = pin_batch(pages, offset >> PAGE_SHIFT, 1, &page);
	if (ret < 0)
		return ret;
	copy_page_part(page, offset_in_page(offset), data, length, write);
	unpin_user_pages_dirty_lock(&page, 1, write);
	return 0;
}

/**
 * iopt_pages_rw() - read or write the memory of a range
 * @pages: the range
 * @offset: of the first byte, from the range's first page
 * @data: kernel memory to copy to, or from
 * @length: number of bytes
 * @write: copy from @data; the range is writable
 *
 * Not charged to anyone.
 *
 * Context: process context; no locks held: faults memory in.
 * Return: 0, or an errno of iopt_pages_pin(), when some may have been copied.
 */
int iopt_pages_rw(struct iopt_pages *pages, unsigned long offset, void *data,
		  unsigned long length, bool write)
{
	unsigned long step;
	int ret;

	for (; length; length -= step) {
		step = min(length, PAGE_SIZE - offset_in_page(offset));
		if (!rw_pinned(pages, offset, data, step, write)) {
			ret = rw_unpinned(pages, offset, data, step, write);
			if (ret)
				return ret;
		}
		data += step;
		offset += step;
		cond_resched();
	}
	return 0;
}
