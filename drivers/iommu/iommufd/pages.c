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
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "compat.h"
#include "extent.h"
#include "pages.h"
#include "trace.h"

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

	pages = kmalloc(sizeof(*pages), IOMMUFD_GFP);
	if (!pages)
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NO_MEMORY,
					      -ENOMEM));
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
	pages->walk = 0;
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

	if (!length)
		return iommufd_refuse(IOMMUFD_REASON_LENGTH_ZERO, -EINVAL);
	if (length > SIZE_MAX - PAGE_SIZE)
		return iommufd_refuse(IOMMUFD_REASON_LENGTH_TOO_LONG, -EINVAL);
	if (check_add_overflow(start, length, &end) ||
	    end > ULONG_MAX - (PAGE_SIZE - 1))
		return iommufd_refuse(IOMMUFD_REASON_MEMORY_WRAPS, -EOVERFLOW);
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

	/* A tag, which arm64 has, says nothing of where the memory is. */
	uptr = untagged_addr(uptr);
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
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_FILE_UNSUITABLE,
					      ret));
	if (start + length > i_size_read(file_inode(file)))
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_FILE_TOO_SHORT,
					      -EINVAL));
	if (writable) {
		ret = mapping_map_writable(file->f_mapping);
		if (ret)
			return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_FILE_SEALED,
						      ret));
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
		cond_resched();
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

	tail = iopt_extent_alloc(extent->nr - i);
	if (!tail)
		return iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
	tail->nr = extent->nr - i;
	memcpy(tail->runs, &extent->runs[i], tail->nr * sizeof(u64));
	extent->nr = i;
	if (left) {
		npages = run_npages(tail->runs[0]) - left;
		tail->runs[0] = run_pack(run_pfn(tail->runs[0]) + left, npages);
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
	last = &left->runs[left->nr - 1];
	if (run_pfn(*last) + run_npages(*last) == run_pfn(right->runs[0]) &&
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

/* Fills @extents with a part, newly pinned. */
static int charge_and_pin(struct iopt_pages *pages, struct iommufd_payer *payer,
			  unsigned long first, unsigned long npages,
			  struct list_head *extents)
{
	int ret;

	ret = iommufd_charge(payer, npages);
	if (ret)
		return ret;
	ret = iopt_pin_part(pages, first, npages, extents);
	if (ret)
		iommufd_uncharge(payer, npages);
	return ret;
}

/* Lets go of what was pinned for a payer in vain, with the lock dropped. */
static void discard_extents(struct iopt_pages *pages,
			    struct iommufd_payer *payer,
			    struct list_head *extents)
{
	struct iopt_extent *extent, *next;
	LIST_HEAD(drop);

	list_for_each_entry_safe(extent, next, extents, item)
		add_to_drop(pages, extent, payer, &drop);
	mutex_unlock(&pages->lock);
	iopt_pins_drop(&drop);
	mutex_lock(&pages->lock);
}

/*
 * Makes progress with a part that is not pinned: pins what no other call is
 * pinning, or waits for that.  Drops the lock meanwhile.  New extents have no
 * users yet.
 */
static int fill_gap(struct iopt_pages *pages, unsigned long first,
		    unsigned long end)
{
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
	trace_iommufd_pin(pages->file, pages->start + (first << PAGE_SHIFT),
			  end - first, ret);

	mutex_lock(&pages->lock);
	end_claim(pages, &claim);
	if (ret)
		goto out_put;
	/* If another process was made to pay meanwhile: once again. */
	if (payer == pages->payer)
		insert_extents(pages, first, &extents);
	else
		discard_extents(pages, payer, &extents);
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
		if (next)
			cond_resched();
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
			ret = fill_gap(pages, part.at, end);
		}
		if (part.at < part.end)
			cond_resched();
	}
	if (ret && part.at > first)
		leave_extents(pages, first, part.at, &drop);
	mutex_unlock(&pages->lock);
	if (ret)
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
		iopt_unpin_runs(extent->runs, extent->nr, extent->dirty);
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
	if (!iter->left)
		iter->length = 0;
	else if (++iter->index < iter->extent->nr)
		run_iter_load(iter, 0);
	else
		run_iter_next_extent(iter);
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

	ret = iopt_pin_batch(pages, offset >> PAGE_SHIFT, 1, &page);
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
