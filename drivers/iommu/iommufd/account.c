// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounting of pinned memory: RLIMIT_MEMLOCK, and mm->pinned_vm for
 * everyone to see.
 *
 * The payer is the process that did the MAP, whoever has the pages pinned
 * later on.  Its structs outlive it, so that what was charged is given back
 * to the same counters however the process ends.
 *
 * mm->locked_vm is changed with mmap_lock held for writing, for which one may
 * wait as long as another thread waits for a page.  A charge waits for it, until
 * a fatal signal.  What gives back must not wait: if the lock is not free just
 * now the number is put down with one payer of the mm, as *unsettled*, and settled
 * by whoever has the lock first, a charge for the same mm or a timer.  So a charge
 * counts on everything that was given back before it, and what mlock() and
 * VmLck count is late at most until the timer finds the lock free.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "account.h"
#include "trace.h"

/**
 * iommufd_payers_init() - begin with no payer
 * @payers: to be given back with iommufd_payers_release()
 */
void iommufd_payers_init(struct iommufd_payers *payers)
{
	payers->mode = IOMMUFD_ACCOUNT_USER;
	spin_lock_init(&payers->lock);
	payers->last = NULL;
}

/**
 * iommufd_payers_release() - forget the last payer
 * @payers: no one maps with it any more
 *
 * Context: process context.
 */
void iommufd_payers_release(struct iommufd_payers *payers)
{
	if (payers->last)
		iommufd_payer_put(payers->last);
}

/**
 * iommufd_payer_get() - take another reference
 * @payer: the payer
 *
 * Return: @payer.
 */
struct iommufd_payer *iommufd_payer_get(struct iommufd_payer *payer)
{
	kref_get(&payer->kref);
	return payer;
}

static void release_payer(struct kref *kref)
{
	struct iommufd_payer *payer =
		container_of(kref, struct iommufd_payer, kref);

	free_uid(payer->user);
	put_task_struct(payer->task);
	mmdrop(payer->mm);
	kfree(payer);
}

/**
 * iommufd_payer_put() - drop a reference
 * @payer: a payer, whom the last reference finds with nothing charged
 *
 * Context: process context.
 */
void iommufd_payer_put(struct iommufd_payer *payer)
{
	kref_put(&payer->kref, release_payer);
}

/* The last payer, if that is who maps now; a reference. */
static struct iommufd_payer *get_last(struct iommufd_payers *payers,
				      enum iommufd_account_mode mode)
{
	struct iommufd_payer *payer;

	spin_lock(&payers->lock);
	payer = payers->last;
	if (payer && payer->mm == current->mm &&
	    payer->task == current->group_leader &&
	    payer->user == current_user() && payer->mode == mode)
		kref_get(&payer->kref);
	else
		payer = NULL;
	spin_unlock(&payers->lock);
	return payer;
}

static void set_last(struct iommufd_payers *payers, struct iommufd_payer *payer)
{
	struct iommufd_payer *old;

	iommufd_payer_get(payer);
	spin_lock(&payers->lock);
	old = payers->last;
	payers->last = payer;
	spin_unlock(&payers->lock);
	if (old)
		iommufd_payer_put(old);
}

/**
 * iommufd_payer_get_current() - let the current process pay
 * @payers: of the context; a process with CAP_IPC_LOCK is not limited
 *
 * Context: process context, may sleep.
 * Return: a reference, or NULL for want of memory.
 */
struct iommufd_payer *iommufd_payer_get_current(struct iommufd_payers *payers)
{
	enum iommufd_account_mode mode = payers->mode;
	struct iommufd_payer *payer;

	if (capable(CAP_IPC_LOCK))
		mode = IOMMUFD_ACCOUNT_NONE;
	payer = get_last(payers, mode);
	if (payer)
		return payer;

	payer = kzalloc(sizeof(*payer), IOMMUFD_GFP);
	if (!payer) {
		iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
		return NULL;
	}
	kref_init(&payer->kref);
	payer->mm = current->mm;
	mmgrab(payer->mm);
	payer->task = get_task_struct(current->group_leader);
	payer->user = get_uid(current_user());
	payer->mode = mode;
	INIT_LIST_HEAD(&payer->unsettled_item);
	set_last(payers, payer);
	return payer;
}

/* ---- mm->locked_vm ---- */

#define SETTLE_SOON	1		/* the lock is held for a fault, mostly */
#define SETTLE_DELAY	(HZ / 10)

static void settle_all(struct work_struct *work);

static DEFINE_SPINLOCK(unsettled_lock); /* innermost */
static LIST_HEAD(unsettled_payers);
static DECLARE_DELAYED_WORK(settle_work, settle_all);

/* The payer that is listed for @mm, of which there is one at most; or NULL. */
static struct iommufd_payer *find_unsettled(struct mm_struct *mm)
{
	struct iommufd_payer *payer;

	lockdep_assert_held(&unsettled_lock);

	list_for_each_entry(payer, &unsettled_payers, unsettled_item)
		if (payer->mm == mm)
			return payer;
	return NULL;
}

static void settle(struct mm_struct *mm)
{
	struct iommufd_payer *payer;

	mmap_assert_write_locked(mm);

	if (list_empty(&unsettled_payers))
		return;
	spin_lock(&unsettled_lock);
	payer = find_unsettled(mm);
	if (payer) {
		list_del_init(&payer->unsettled_item);
		mm->locked_vm += payer->unsettled;
		payer->unsettled = 0;
	}
	spin_unlock(&unsettled_lock);
	if (payer)
		iommufd_payer_put(payer);
}

/* The first one on the list, which goes to its end; a reference. */
static struct iommufd_payer *next_unsettled(void)
{
	struct iommufd_payer *payer;

	spin_lock(&unsettled_lock);
	payer = list_first_entry_or_null(&unsettled_payers,
					 struct iommufd_payer, unsettled_item);
	if (payer) {
		list_move_tail(&payer->unsettled_item, &unsettled_payers);
		iommufd_payer_get(payer);
	}
	spin_unlock(&unsettled_lock);
	return payer;
}

/* Never waits for mmap_lock: one that is held for long is not all there is. */
static void settle_all(struct work_struct *work)
{
	unsigned long nr = 0;
	struct list_head *item;
	struct iommufd_payer *payer;

	spin_lock(&unsettled_lock);
	list_for_each(item, &unsettled_payers)
		nr++;
	spin_unlock(&unsettled_lock);
	while (nr-- && (payer = next_unsettled())) {
		if (mmap_write_trylock(payer->mm)) {
			settle(payer->mm);
			mmap_write_unlock(payer->mm);
		}
		iommufd_payer_put(payer);
		cond_resched();
	}
	if (!list_empty(&unsettled_payers))
		schedule_delayed_work(&settle_work, SETTLE_DELAY);
}

/**
 * iommufd_account_exit() - settle what is not yet
 *
 * Context: process context; the module's exit, no one charges any more.
 */
void iommufd_account_exit(void)
{
	struct iommufd_payer *payer;

	cancel_delayed_work_sync(&settle_work);
	while ((payer = next_unsettled())) {
		mmap_write_lock(payer->mm);
		settle(payer->mm);
		mmap_write_unlock(payer->mm);
		iommufd_payer_put(payer);
	}
}

static void put_down(struct iommufd_payer *payer, long npages)
{
	struct iommufd_payer *listed;

	spin_lock(&unsettled_lock);
	listed = find_unsettled(payer->mm);
	if (!listed) {
		listed = iommufd_payer_get(payer);
		list_add_tail(&listed->unsettled_item, &unsettled_payers);
	}
	listed->unsettled += npages;
	spin_unlock(&unsettled_lock);
	schedule_delayed_work(&settle_work, SETTLE_SOON);
}

/* Adds to the mm's locked_vm, in time, without waiting for mmap_lock. */
static void add_locked(struct iommufd_payer *payer, long npages)
{
	struct mm_struct *mm = payer->mm;

	if (!mmap_write_trylock(mm)) {
		put_down(payer, npages);
		return;
	}
	settle(mm);
	mm->locked_vm += npages;
	mmap_write_unlock(mm);
}

/* ---- charging ---- */

static int refuse_charge(struct iommufd_payer *payer, unsigned long npages,
			 unsigned long locked, unsigned long limit)
{
	bool user = payer->mode == IOMMUFD_ACCOUNT_USER;

	trace_iommufd_charge_refused(user, npages, locked, limit);
	return iommufd_refuse(user ? IOMMUFD_REASON_MEMLOCK_OF_USER :
				     IOMMUFD_REASON_MEMLOCK_OF_PROCESS,
			      -ENOMEM);
}

static int charge_user(struct iommufd_payer *payer, unsigned long npages)
{
	unsigned long limit =
		task_rlimit(payer->task, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	atomic_long_t *locked_vm = &payer->user->locked_vm;
	unsigned long locked = atomic_long_read(locked_vm);

	do {
		if (npages > limit || locked > limit - npages)
			return refuse_charge(payer, npages, locked, limit);
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
	settle(mm);
	if (npages > limit || mm->locked_vm > limit - npages)
		ret = refuse_charge(payer, npages, mm->locked_vm, limit);
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
 * iommufd_charge_unlimited() - count pages that someone has pinned already
 * @payer: who pays from now on, also above the limit
 * @npages: in units of PAGE_SIZE
 *
 * Context: process context.
 */
void iommufd_charge_unlimited(struct iommufd_payer *payer,
			      unsigned long npages)
{
	if (payer->mode == IOMMUFD_ACCOUNT_USER)
		atomic_long_add(npages, &payer->user->locked_vm);
	else if (payer->mode == IOMMUFD_ACCOUNT_MM)
		add_locked(payer, npages);
	atomic64_add(npages, &payer->mm->pinned_vm);
}

/**
 * iommufd_payers_share() - are two payers held against the same limit?
 * @a: a payer
 * @b: another
 *
 * Return: true if what @a paid can be moved to @b without anything being added
 * to what is counted.
 */
bool iommufd_payers_share(const struct iommufd_payer *a,
			  const struct iommufd_payer *b)
{
	if (a->mode != b->mode)
		return false;
	return a->mode == IOMMUFD_ACCOUNT_USER ? a->user == b->user :
						 a->mm == b->mm;
}

/**
 * iommufd_uncharge() - give back what iommufd_charge() counted
 * @payer: who paid
 * @npages: in units of PAGE_SIZE
 *
 * Context: process context; does not wait for mmap_lock.
 */
void iommufd_uncharge(struct iommufd_payer *payer, unsigned long npages)
{
	atomic64_sub(npages, &payer->mm->pinned_vm);
	if (payer->mode == IOMMUFD_ACCOUNT_USER)
		atomic_long_sub(npages, &payer->user->locked_vm);
	else if (payer->mode == IOMMUFD_ACCOUNT_MM)
		add_locked(payer, -(long)npages);
}
