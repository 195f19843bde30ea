// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounting of pinned memory: RLIMIT_MEMLOCK, and mm->pinned_vm for
 * everyone to see.
 *
 * The payer is the process that did the MAP, whoever has the pages pinned
 * later on.  Its structs outlive it, so that what was charged is given back
 * to the same counters however the process ends.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>

#include "account.h"

/**
 * iommufd_payer_init_current() - let the current process pay
 * @payer: to be given back with iommufd_payer_release()
 * @mode: the context's mode; a process with CAP_IPC_LOCK is not limited
 *
 * Context: process context.
 */
void iommufd_payer_init_current(struct iommufd_payer *payer,
				enum iommufd_account_mode mode)
{
	payer->mm = current->mm;
	mmgrab(payer->mm);
	payer->task = get_task_struct(current->group_leader);
	payer->user = get_uid(current_user());
	payer->mode = capable(CAP_IPC_LOCK) ? IOMMUFD_ACCOUNT_NONE : mode;
}

/**
 * iommufd_payer_release() - drop the payer's structs
 * @payer: a payer to whom nothing is charged any more
 *
 * Context: process context.
 */
void iommufd_payer_release(struct iommufd_payer *payer)
{
	free_uid(payer->user);
	put_task_struct(payer->task);
	mmdrop(payer->mm);
}

static int charge_user(struct iommufd_payer *payer, unsigned long npages)
{
	unsigned long limit =
		task_rlimit(payer->task, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	atomic_long_t *locked_vm = &payer->user->locked_vm;
	unsigned long locked = atomic_long_read(locked_vm);

	do {
		if (npages > limit || locked > limit - npages)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(locked_vm, (long *)&locked,
					  locked + npages));
	return 0;
}

static int charge_mm(struct iommufd_payer *payer, unsigned long npages)
{
	unsigned long limit =
		task_rlimit(payer->task, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct mm_struct *mm = payer->mm;
	int ret = 0;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	if (npages > limit || mm->locked_vm > limit - npages)
		ret = -ENOMEM;
	else
		mm->locked_vm += npages;
	mmap_write_unlock(mm);
	return ret;
}

/**
 * iommufd_charge() - count pages that are about to be pinned
 * @payer: who pays
 * @npages: in units of PAGE_SIZE
 *
 * Context: process context, takes mmap_lock for writing; no locks held.
 * Return: 0; -ENOMEM above RLIMIT_MEMLOCK; -EINTR on a fatal signal.
 */
int iommufd_charge(struct iommufd_payer *payer, unsigned long npages)
{
	int ret = 0;

	if (payer->mode == IOMMUFD_ACCOUNT_USER)
		ret = charge_user(payer, npages);
	else if (payer->mode == IOMMUFD_ACCOUNT_MM)
		ret = charge_mm(payer, npages);
	if (ret)
		return ret;
	atomic64_add(npages, &payer->mm->pinned_vm);
	return 0;
}

/**
 * iommufd_uncharge() - give back what iommufd_charge() counted
 * @payer: who paid
 * @npages: in units of PAGE_SIZE
 *
 * Context: process context, takes mmap_lock for writing; no locks held.
 */
void iommufd_uncharge(struct iommufd_payer *payer, unsigned long npages)
{
	atomic64_sub(npages, &payer->mm->pinned_vm);
	if (payer->mode == IOMMUFD_ACCOUNT_USER) {
		atomic_long_sub(npages, &payer->user->locked_vm);
	} else if (payer->mode == IOMMUFD_ACCOUNT_MM) {
		mmap_write_lock(payer->mm);
		payer->mm->locked_vm -= npages;
		mmap_write_unlock(payer->mm);
	}
}
