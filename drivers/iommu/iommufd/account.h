/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose memory is pinned, and against which limit that counts.
 */
#ifndef _IOMMUFD_ACCOUNT_H
#define _IOMMUFD_ACCOUNT_H

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
 * @mm: its memory, by mmgrab(): does not keep the memory itself alive
 * @task: thread group leader, for its RLIMIT_MEMLOCK
 * @user: user at the time of the MAP
 * @mode: what is counted
 */
struct iommufd_payer {
	struct mm_struct *mm;
	struct task_struct *task;
	struct user_struct *user;
	enum iommufd_account_mode mode;
};

void iommufd_payer_init_current(struct iommufd_payer *payer,
				enum iommufd_account_mode mode);
void iommufd_payer_release(struct iommufd_payer *payer);

int iommufd_charge(struct iommufd_payer *payer, unsigned long npages);
void iommufd_uncharge(struct iommufd_payer *payer, unsigned long npages);

#endif
