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
#include <linux/spinlock.h>

#include "account.h"

struct iopt_pins;
struct run_chunk;

/**
 * struct iopt_pages - a range of a process's memory
 * @kref: one for each area that maps it, and for each call that pins it
 * @payer: whose memory this is, and who pays for pinning it
 * @uptr: first user address, aligned to PAGE_SIZE
 * @npages: number of PAGE_SIZE pages
 * @writable: the device may write to it
 * @pin_lock: serialises pinning; held across page faults, so it is the
 *	outermost of iommufd's locks and taken killably
 * @lock: guards @pin_users and @pins
 * @pin_users: how many want the pages to stay pinned
 * @pins: the pinned pages, while @pin_users is not 0
 */
struct iopt_pages {
	struct kref kref;
	struct iommufd_payer payer;
	unsigned long uptr;
	unsigned long npages;
	bool writable;

	struct mutex pin_lock; /* before any other lock */
	spinlock_t lock;
	unsigned int pin_users;
	struct iopt_pins *pins;
};

/* Returns a strong reference: give it back with iopt_pages_put(). */
struct iopt_pages *iopt_pages_alloc_user(unsigned long uptr,
					 unsigned long length, bool writable,
					 enum iommufd_account_mode mode);
struct iopt_pages *iopt_pages_get(struct iopt_pages *pages);
void iopt_pages_put(struct iopt_pages *pages);

int iopt_pages_pin(struct iopt_pages *pages);
void iopt_pages_unpin(struct iopt_pages *pages, struct list_head *drop);
void iopt_pins_drop(struct list_head *drop);

/**
 * struct iopt_run_iter - walks the physical runs of a range of pinned pages
 * @phys: start of the current run
 * @length: bytes in it; 0 at the end
 */
struct iopt_run_iter {
	phys_addr_t phys;
	unsigned long length;

	/* private: */
	struct run_chunk *chunk;
	unsigned int index;
	unsigned long left;
};

void iopt_run_iter_init(struct iopt_run_iter *iter, struct iopt_pages *pages,
			unsigned long offset, unsigned long length);
void iopt_run_iter_next(struct iopt_run_iter *iter);

#endif
