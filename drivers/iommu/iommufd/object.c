// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects: ids, lookup and destruction.
 *
 * A call finds its object without taking a lock that another call could hold:
 * under RCU it loads the slot of the id, takes the object's destroy_rwsem for
 * reading by trylock, and looks at the slot again.  While it has the rwsem the
 * object stays whole, so a call keeps it only as long as it computes: never
 * while it touches user memory, and never beyond the return to user space.
 *
 * Who needs an object for longer is counted in @users.  DESTROY is refused
 * while there is such a user; otherwise, in one step under the xarray's lock,
 * the count goes from 1 to 0 and the id out of the xarray.  So a refused
 * DESTROY disturbs no one.  After that step no call can find the object, and
 * none that still has it can become a long-term user.  Destruction then waits
 * for those calls (they are short), runs the destructor and frees the memory
 * by RCU, for a lookup may still be looking at the rwsem.
 */
#include <linux/file.h>
#include <linux/iommufd.h>
#include <linux/slab.h>

#include "object.h"
#include "trace.h"

static const struct xa_limit id_limit = XA_LIMIT(1, INT_MAX);

/**
 * _iommufd_object_alloc() - allocate an object and reserve its id
 * @ictx: context the object is to live in
 * @size: of the struct that begins with the object
 * @type: of the object
 *
 * Context: process context, may sleep.
 * Return: a zeroed object with an id that user space cannot look up yet: to be
 * published or aborted.  ERR_PTR(-ENOMEM), or ERR_PTR(-EBUSY) when there are
 * no ids left.
 */
struct iommufd_object *_iommufd_object_alloc(struct iommufd_ctx *ictx,
					     size_t size,
					     struct iommufd_object_type *type)
{
	struct iommufd_object *obj;
	int ret;

	obj = kzalloc(size, IOMMUFD_GFP);
	if (!obj)
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NO_MEMORY,
					      -ENOMEM));
	obj->type = type;
	refcount_set(&obj->users, 1);
	__init_rwsem(&obj->destroy_rwsem, type->name, &type->key);

	ret = xa_alloc(&ictx->objects, &obj->id, XA_ZERO_ENTRY, id_limit,
		       IOMMUFD_GFP);
	if (ret) {
		kfree(obj);
		return ERR_PTR(iommufd_refuse(ret == -EBUSY ?
					      IOMMUFD_REASON_NO_ID_LEFT :
					      IOMMUFD_REASON_NO_MEMORY, ret));
	}
	return obj;
}

/**
 * iommufd_object_abort() - give up an object that was never published
 * @ictx: its context
 * @obj: the object; its destructor is not called
 *
 * Context: process context.
 */
void iommufd_object_abort(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	xa_erase(&ictx->objects, obj->id);
	kfree(obj);
}

/**
 * iommufd_object_publish() - let user space find an object
 * @ictx: its context
 * @obj: an object that is complete: from here on any thread may use it, and
 *	destroy it unless the caller holds it
 *
 * Cannot fail: the slot is there since the object was allocated.
 *
 * Context: process context.
 */
void iommufd_object_publish(struct iommufd_ctx *ictx,
			    struct iommufd_object *obj)
{
	void *old;

	old = xa_store(&ictx->objects, obj->id, obj, GFP_KERNEL);
	WARN_ON(old);
}

/**
 * iommufd_object_get() - look an object up for the length of a call
 * @ictx: context to look in
 * @id: the object's id
 * @type: what it has to be, or NULL for anything
 *
 * Context: process context.  The object's destroy_rwsem is held for reading on
 * success: the caller does not touch user memory until it calls
 * iommufd_object_put().
 * Return: the object, or ERR_PTR(-ENOENT) when there is none of this type.
 */
struct iommufd_object *iommufd_object_get(struct iommufd_ctx *ictx, u32 id,
					  struct iommufd_object_type *type)
{
	struct iommufd_object *obj;

	rcu_read_lock();
	obj = xa_load(&ictx->objects, id);
	if (!obj || (type && obj->type != type))
		goto none;
	if (!down_read_trylock(&obj->destroy_rwsem))
		goto none;
	/* Destruction may have come and gone between the load and the lock. */
	if (xa_load(&ictx->objects, id) != obj) {
		up_read(&obj->destroy_rwsem);
		goto none;
	}
	rcu_read_unlock();
	return obj;

none:
	rcu_read_unlock();
	return ERR_PTR(-ENOENT);
}

/**
 * iommufd_object_tryget() - as iommufd_object_get(), without looking it up
 * @obj: an object that cannot be freed now
 *
 * Context: as iommufd_object_get(), but may be called under a spinlock.
 * Return: false when the object is being destroyed.
 */
bool iommufd_object_tryget(struct iommufd_object *obj)
{
	if (!down_read_trylock(&obj->destroy_rwsem))
		return false;
	if (refcount_read(&obj->users))
		return true;
	up_read(&obj->destroy_rwsem);
	return false;
}

/**
 * iommufd_object_put() - end what iommufd_object_get() began
 * @obj: the object
 */
void iommufd_object_put(struct iommufd_object *obj)
{
	up_read(&obj->destroy_rwsem);
}

/**
 * iommufd_object_tryhold() - become a long-term user of an object
 * @obj: an object that cannot be freed now: looked up, or on a list that its
 *	destructor takes it off
 *
 * Return: false when the object is being destroyed.
 */
bool iommufd_object_tryhold(struct iommufd_object *obj)
{
	return refcount_inc_not_zero(&obj->users);
}

/**
 * iommufd_object_unhold() - end a long-term use
 * @obj: the object; it may be gone when this returns
 */
void iommufd_object_unhold(struct iommufd_object *obj)
{
	refcount_dec(&obj->users);
}

/**
 * iommufd_object_get_held() - look an object up and become a long-term user
 * @ictx: context to look in
 * @id: the object's id
 * @type: what it has to be
 *
 * For calls that touch user memory, or wait, while they use the object.
 *
 * Context: process context.
 * Return: the object, to be given back with iommufd_object_unhold(), or
 * ERR_PTR(-ENOENT).
 */
struct iommufd_object *iommufd_object_get_held(struct iommufd_ctx *ictx, u32 id,
					       struct iommufd_object_type *type)
{
	struct iommufd_object *obj;
	bool held;

	obj = iommufd_object_get(ictx, id, type);
	if (IS_ERR(obj))
		return obj;
	held = iommufd_object_tryhold(obj);
	iommufd_object_put(obj);
	return held ? obj : ERR_PTR(-ENOENT);
}

/* Of the step that makes an object unreachable: true once, for one caller. */
static bool unlink_if_unused(struct iommufd_ctx *ictx,
			     struct iommufd_object *obj)
{
	lockdep_assert_held(&ictx->objects.xa_lock);

	if (!refcount_dec_if_one(&obj->users))
		return false;
	__xa_erase(&ictx->objects, obj->id);
	return true;
}

/* The object is unlinked: only calls in flight can still have it. */
static void finish_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	down_write(&obj->destroy_rwsem);
	up_write(&obj->destroy_rwsem);
	obj->type->destroy(ictx, obj);
	kfree_rcu(obj, rcu);
}

/**
 * iommufd_object_unhold_destroy() - end a long-term use, and the object if it
 *	was the last one
 * @ictx: the object's context
 * @obj: the object; it may be gone when this returns
 *
 * Context: process context; no lock that a call in flight on the object, or
 * its destructor, takes.
 * Return: true when the object was destroyed.
 */
bool iommufd_object_unhold_destroy(struct iommufd_ctx *ictx,
				   struct iommufd_object *obj)
{
	bool unlinked;

	/* One step, or a DESTROY in between could free the object under us. */
	xa_lock(&ictx->objects);
	refcount_dec(&obj->users);
	unlinked = unlink_if_unused(ictx, obj);
	xa_unlock(&ictx->objects);

	if (unlinked)
		finish_destroy(ictx, obj);
	return unlinked;
}

/**
 * iommufd_object_destroy() - destroy an object at the user's request
 * @ictx: its context
 * @id: its id
 *
 * Context: process context; no locks held.
 * Return: 0; -ENOENT when there is no such object; -EBUSY when it has a
 * long-term user, and then nothing has changed for anyone.
 */
int iommufd_object_destroy(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj;
	bool unlinked;

	xa_lock(&ictx->objects);
	obj = xa_load(&ictx->objects, id);
	unlinked = obj && unlink_if_unused(ictx, obj);
	xa_unlock(&ictx->objects);

	if (!obj)
		return -ENOENT;
	if (!unlinked)
		return -EBUSY;
	finish_destroy(ictx, obj);
	return 0;
}

/**
 * iommufd_object_destroy_all() - destroy everything when the file closes
 * @ictx: a context that no call can reach any more
 *
 * Objects that use others go before those.
 *
 * Context: process context; no locks held.
 */
void iommufd_object_destroy_all(struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;
	unsigned long id;
	bool progress;

	do {
		progress = false;
		xa_for_each(&ictx->objects, id, obj) {
			if (!iommufd_object_destroy(ictx, id))
				progress = true;
			cond_resched();
		}
	} while (progress);
	WARN_ON(!xa_empty(&ictx->objects));
}

/**
 * iommufd_ctx_init() - make an empty context
 * @ictx: zeroed memory
 * @file: the file whose life the context shares
 */
void iommufd_ctx_init(struct iommufd_ctx *ictx, struct file *file)
{
	ictx->file = file;
	xa_init_flags(&ictx->objects, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	iommufd_payers_init(&ictx->payers);
	mutex_init(&ictx->vfio_lock);
	INIT_LIST_HEAD(&ictx->vfio_groups);
	mutex_init(&ictx->process_lock);
	mutex_init(&ictx->groups_lock);
	mutex_init(&ictx->info_lock);
	INIT_LIST_HEAD(&ictx->groups);
}

/**
 * iommufd_ctx_destroy() - free what a context holds
 * @ictx: a context whose file is being released; of devices only those are
 *	bound to it that it owns itself, since the others keep the file
 *
 * Context: process context; no locks held.
 */
void iommufd_ctx_destroy(struct iommufd_ctx *ictx)
{
	iommufd_object_destroy_all(ictx);
	WARN_ON(!list_empty(&ictx->groups));
	xa_destroy(&ictx->objects);
	iommufd_payers_release(&ictx->payers);
	mutex_destroy(&ictx->info_lock);
	mutex_destroy(&ictx->groups_lock);
	mutex_destroy(&ictx->process_lock);
	mutex_destroy(&ictx->vfio_lock);
}
