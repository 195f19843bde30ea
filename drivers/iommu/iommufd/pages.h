/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages: a linear range of memory that can be pinned for DMA, and the runs it
 * consists of while it is.
 */
#ifndef _IOMMUFD_PAGES_H
#define _IOMMUFD_PAGES_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>

#include "account.h"

struct file;
struct iopt_extent;
struct page;

/**
 * struct iopt_pages - a range of a process's memory, or of a file
 * @kref: one for each area that shows it, and for each call that pins it
 * @file: the file, a reference; NULL for the memory of the payer
 * @start: first user address, or offset in the file; aligned to PAGE_SIZE
 * @npages: number of PAGE_SIZE pages
 * @writable: the device may write to it
 * @walk: number of the last walk of the areas that met it, see fdinfo.c
 * @lock: guards all that follows.  Innermost of iommufd's locks, and never held
 *	while a page is faulted in
 * @payer: who pays for pinning it, a reference; constant without @file
 * @npinned: number of pages in @extents
 * @extents: struct iopt_extent, the parts that are pinned
 * @claims: the parts that are being pinned
 * @claim_waiters: how many wait for one of @claims to end
 * @claims_ended: counts claims that ended
 */
struct iopt_pages {
	struct kref kref;
	struct file *file;
	unsigned long start;
	unsigned long npages;
	bool writable;
	u32 walk;

	struct mutex lock; /* inside of every other lock */
	struct iommufd_payer *payer;
	unsigned long npinned;
	struct rb_root extents;
	struct list_head claims;
	unsigned int claim_waiters;
	unsigned int claims_ended;
};

/* Return a strong reference: give it back with iopt_pages_put(). */
struct iopt_pages *iopt_pages_alloc_user(unsigned long uptr,
					 unsigned long length, bool writable,
					 struct iommufd_payers *payers);
struct iopt_pages *iopt_pages_alloc_file(struct file *file, unsigned long start,
					 unsigned long length, bool writable,
					 struct iommufd_payers *payers);
struct iopt_pages *iopt_pages_get(struct iopt_pages *pages);
void iopt_pages_put(struct iopt_pages *pages);

/* Ranges are in pages, from the first one. */
int iopt_pages_pin(struct iopt_pages *pages, unsigned long first,
		   unsigned long npages);
void iopt_pages_unpin(struct iopt_pages *pages, unsigned long first,
		      unsigned long npages, struct list_head *drop);
int iopt_pages_cut_pin(struct iopt_pages *pages, unsigned long index);
void iopt_pins_drop(struct list_head *drop);

int iopt_pages_rw(struct iopt_pages *pages, unsigned long offset, void *data,
		  unsigned long length, bool write);

struct iommufd_payer *iopt_pages_set_payer(struct iopt_pages *pages,
					   struct iommufd_payer *payer,
					   unsigned long *npinned);

/**
 * struct iopt_run_iter - walks the physical runs of a range of pinned pages
 * @phys: start of the current run
 * @length: bytes in it; 0 at the end
 */
struct iopt_run_iter {
	phys_addr_t phys;
	unsigned long length;

	/* private: */
	struct iopt_pages *pages;
	struct iopt_extent *extent;
	unsigned int index;
	unsigned long left;
};

void iopt_run_iter_init(struct iopt_run_iter *iter, struct iopt_pages *pages,
			unsigned long offset, unsigned long length);
void iopt_run_iter_next(struct iopt_run_iter *iter);
void iopt_run_iter_done(struct iopt_run_iter *iter);

#endif
