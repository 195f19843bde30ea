// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_CHANGE_PROCESS: another process pays for what is pinned.
 *
 * A program that replaces itself hands its /dev/iommu file on; what it mapped
 * of files stays, and the new program takes the accounting over.  Every range
 * of pages is moved on its own.  Should one not fit into the new process's
 * limit, those before it are moved back, which no limit keeps from succeeding.
 */
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "hwpt.h"
#include "ioctl.h"
#include "pages.h"

/**
 * struct move - a range of pages whose payer is changed
 * @item: in the order in which they are moved
 * @pages: a reference
 * @old: who paid before, a reference; NULL if not moved
 */
struct move {
	struct list_head item;
	struct iopt_pages *pages;
	struct iommufd_payer *old;
};

static int add_move(void *data, struct iopt_pages *pages)
{
	struct list_head *moves = data;
	struct move *move;

	if (!pages->file)
		return -EINVAL;
	move = kzalloc(sizeof(*move), IOMMUFD_GFP);
	if (!move)
		return -ENOMEM;
	move->pages = iopt_pages_get(pages);
	list_add_tail(&move->item, moves);
	return 0;
}

static int add_moves_of(struct iommufd_ctx *ictx, u32 id,
			struct list_head *moves)
{
	struct iommufd_object *obj;
	struct iommufd_ioas *ioas;
	int ret;

	obj = iommufd_object_get(ictx, id, &iommufd_ioas_type);
	/* Not an IOAS. */
	if (IS_ERR(obj))
		return 0;
	ioas = container_of(obj, struct iommufd_ioas, obj);
	ret = iopt_visit_pages(&ioas->iopt, add_move, moves);
	iommufd_object_put(obj);
	return ret;
}

static int add_moves(struct iommufd_ctx *ictx, struct list_head *moves)
{
	struct iommufd_object *obj;
	unsigned long id;
	int ret;

	xa_for_each(&ictx->objects, id, obj) {
		ret = add_moves_of(ictx, id, moves);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static void free_moves(struct list_head *moves)
{
	struct move *move, *next;

	list_for_each_entry_safe(move, next, moves, item) {
		if (move->old)
			iommufd_payer_put(move->old);
		iopt_pages_put(move->pages);
		kfree(move);
		cond_resched();
	}
}

/* @charged pages were charged to @payer: makes that as many as are pinned. */
static struct iommufd_payer *set_payer(struct iopt_pages *pages,
				       struct iommufd_payer *payer,
				       unsigned long charged)
{
	struct iommufd_payer *old;
	unsigned long npinned;

	old = iopt_pages_set_payer(pages, payer, &npinned);
	if (!old)
		npinned = 0;
	if (npinned > charged)
		iommufd_charge_unlimited(payer, npinned - charged);
	else
		iommufd_uncharge(payer, charged - npinned);
	if (old)
		iommufd_uncharge(old, npinned);
	return old;
}

static int move_to(struct move *move, struct iommufd_payer *payer)
{
	unsigned long npinned = READ_ONCE(move->pages->npinned);
	struct iommufd_payer *old = READ_ONCE(move->pages->payer);
	int ret;

	/* A range that was copied is met more than once. */
	if (old == payer)
		return 0;
	if (iommufd_payers_share(old, payer)) {
		iommufd_charge_unlimited(payer, npinned);
	} else {
		ret = iommufd_charge(payer, npinned);
		if (ret)
			return ret;
	}
	move->old = set_payer(move->pages, payer, npinned);
	return 0;
}

static void move_back(struct move *move)
{
	struct iommufd_payer *payer;

	if (!move->old)
		return;
	payer = set_payer(move->pages, move->old, 0);
	if (payer)
		iommufd_payer_put(payer);
}

static int move_all(struct list_head *moves, struct iommufd_payer *payer)
{
	struct move *move;
	int ret;

	list_for_each_entry(move, moves, item) {
		ret = fatal_signal_pending(current) ? -EINTR :
						      move_to(move, payer);
		if (ret)
			goto err_back;
		cond_resched();
	}
	return 0;

err_back:
	list_for_each_entry_continue_reverse(move, moves, item)
		move_back(move);
	return ret;
}

int iommufd_ioas_change_process_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_change_process *cmd = call->arg;
	struct iommufd_ctx *ictx = call->ictx;
	struct iommufd_payer *payer;
	LIST_HEAD(moves);
	int ret;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	payer = iommufd_payer_get_current(&ictx->payers);
	if (!payer)
		return -ENOMEM;

	if (mutex_lock_killable(&ictx->process_lock)) {
		ret = -EINTR;
		goto out_put;
	}
	ret = add_moves(ictx, &moves);
	if (!ret)
		ret = move_all(&moves, payer);
	mutex_unlock(&ictx->process_lock);
	free_moves(&moves);
out_put:
	iommufd_payer_put(payer);
	return ret;
}
