/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose memory is pinned, and against which limit that counts.
 */
#ifndef _IOMMUFD_ACCOUNT_H
#define _IOMMUFD_ACCOUNT_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct mm_struct;
struct task_struct;
struct user_struct;

/**
 * enum iommufd_account_mode - where pinned pages are counted as locked
 * @IOMMUFD_ACCOUNT_USER: user_struct.locked_vm, for all processes of the user
 * @IOMMUFD_ACCOUNT_MM: mm_struct.locked_vm, for each process, as type1 does
 * @IOMMUFD_ACCOUNT_NONE: nowhere; the mapper has CAP_IPC_LOCK
 *
 * The first two are the values of IOMMU_OPTION_RLIMIT_MODE.
 */
enum iommufd_account_mode {
	IOMMUFD_ACCOUNT_USER = 0,
	IOMMUFD_ACCOUNT_MM = 1,
	IOMMUFD_ACCOUNT_NONE,
};

/**
 * struct iommufd_payer - the process that a mapping's pages are charged to
 * @kref: one for each struct iopt_pages of it, and for what is being unpinned
 * @mm: its memory, by mmgrab(): does not keep the memory itself alive
 * @task: thread group leader, for its RLIMIT_MEMLOCK
 * @user: user at the time of the MAP
 * @mode: what is counted
 * @unsettled_item: on a list while @unsettled is not counted yet, with a
 *	reference
 * @unsettled: pages that this and other payers of the mm have still to add to its
 *	locked_vm; see account.c
 */
struct iommufd_payer {
	struct kref kref;
	struct mm_struct *mm;
	struct task_struct *task;
	struct user_struct *user;
	enum iommufd_account_mode mode;

	/* guarded by a lock of account.c */
	struct list_head unsettled_item;
	long unsettled;
};

/**
 * struct iommufd_payers - the payers of a context
 * @mode: of those who are limited
 * @lock: guards @last
 * @last: a reference to the last one, who most likely maps again; or NULL
 */
struct iommufd_payers {
	enum iommufd_account_mode mode;
	spinlock_t lock; /* innermost */
	struct iommufd_payer *last;
};

void iommufd_payers_init(struct iommufd_payers *payers);
void iommufd_payers_release(struct iommufd_payers *payers);

/* Return a strong reference: give it back with iommufd_payer_put(). */
struct iommufd_payer *iommufd_payer_get_current(struct iommufd_payers *payers);
struct iommufd_payer *iommufd_payer_get(struct iommufd_payer *payer);
void iommufd_payer_put(struct iommufd_payer *payer);

bool iommufd_payers_share(const struct iommufd_payer *a,
			  const struct iommufd_payer *b);
int iommufd_charge(struct iommufd_payer *payer, unsigned long npages);
void iommufd_charge_unlimited(struct iommufd_payer *payer,
			      unsigned long npages);
void iommufd_uncharge(struct iommufd_payer *payer, unsigned long npages);
void iommufd_account_exit(void);

#endif
