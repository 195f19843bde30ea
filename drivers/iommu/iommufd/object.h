/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The context behind one open /dev/iommu, and the objects in it.
 */
#ifndef _IOMMUFD_OBJECT_H
#define _IOMMUFD_OBJECT_H

#include <linux/iommufd.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "account.h"

struct file;
struct iommufd_ioas;
struct iommufd_object;

/**
 * struct iommufd_ctx - what one open /dev/iommu holds
 * @file: the open file; the context lives exactly as long
 * @objects: the objects by id, from 1; an id that is not published yet is
 *	reserved there
 * @payers: who pays for pinned memory; their mode is written under the lock of
 *	@objects while that is empty, and constant once an object exists
 * @vfio_ioas: the one that VFIO's container ioctls mean, or NULL; guarded by
 *	the lock of @objects
 * @vfio_lock: guards @vfio_groups
 * @vfio_groups: of those that have this as their container; see vfio_group.c
 * @process_lock: serialises changes of the process that pays
 * @groups_lock: guards @groups
 * @groups: struct iommufd_group of each group with a bound device
 * @info_lock: serialises those who walk all areas of an IOAS, see fdinfo.c
 * @last_walk: number of the last such walk; guarded by @info_lock
 */
struct iommufd_ctx {
	struct file *file;
	struct xarray objects;
	struct iommufd_payers payers;
	struct iommufd_ioas *vfio_ioas;

	struct mutex vfio_lock; /* outside of the lock of @objects */
	struct list_head vfio_groups;

	struct mutex process_lock; /* outermost */

	struct mutex groups_lock; /* outside of the locks of a group */
	struct list_head groups;

	struct mutex info_lock; /* outermost */
	u32 last_walk;
};

/**
 * struct iommufd_object_type - a kind of object
 * @name: for lockdep
 * @destroy: frees what the object holds, but not its memory; called with no
 *	lock held when no one can reach the object any more; may not fail
 * @key: lock class of the destroy_rwsem of these objects
 */
struct iommufd_object_type {
	const char *name;
	void (*destroy)(struct iommufd_ctx *ictx, struct iommufd_object *obj);
	struct lock_class_key key;
};

/**
 * struct iommufd_object - the head of everything that has an id
 * @destroy_rwsem: held for reading by each call that looked the object up
 * @users: 1 for the id, and 1 for each long-term user; 0 once the object is
 *	being destroyed.  Reaches 0 only together with the id's erasure, under
 *	the lock of the objects xarray
 * @type: what this object is
 * @id: its name in user space
 * @rcu: frees the memory
 *
 * Must be the first member of the object's own struct.
 */
struct iommufd_object {
	struct rw_semaphore destroy_rwsem;
	refcount_t users;
	struct iommufd_object_type *type;
	u32 id;
	struct rcu_head rcu;
};

/* Returns an object that no one else can see until it is published. */
struct iommufd_object *_iommufd_object_alloc(struct iommufd_ctx *ictx,
					     size_t size,
					     struct iommufd_object_type *type);
#define iommufd_object_alloc(ictx, _struct, type)                             \
	container_of(_iommufd_object_alloc(                                   \
			     ictx,                                            \
			     sizeof(_struct) +                                \
				     BUILD_BUG_ON_ZERO(offsetof(_struct, obj)), \
			     type),                                           \
		     _struct, obj)
void iommufd_object_abort(struct iommufd_ctx *ictx, struct iommufd_object *obj);
void iommufd_object_publish(struct iommufd_ctx *ictx,
			    struct iommufd_object *obj);

/* A type of NULL means any.  Give back with _put(), soon: see object.c. */
struct iommufd_object *iommufd_object_get(struct iommufd_ctx *ictx, u32 id,
					  struct iommufd_object_type *type);
bool iommufd_object_tryget(struct iommufd_object *obj);
void iommufd_object_put(struct iommufd_object *obj);

/*
 * A long-term user: DESTROY says EBUSY until it is gone.  Of a known type, for
 * not all objects take it well: a device's driver is to be its last user.
 */
struct iommufd_object *iommufd_object_get_held(struct iommufd_ctx *ictx, u32 id,
					       struct iommufd_object_type *type);
bool iommufd_object_tryhold(struct iommufd_object *obj);
void iommufd_object_unhold(struct iommufd_object *obj);
bool iommufd_object_unhold_destroy(struct iommufd_ctx *ictx,
				   struct iommufd_object *obj);

int iommufd_object_destroy(struct iommufd_ctx *ictx, u32 id);
void iommufd_object_destroy_all(struct iommufd_ctx *ictx);

extern const struct file_operations iommufd_fops;

/* The context of an open /dev/iommu, or NULL; borrowed from the file. */
struct iommufd_ctx *iommufd_ctx_from_file(struct file *file);
void iommufd_ctx_init(struct iommufd_ctx *ictx, struct file *file);
void iommufd_ctx_destroy(struct iommufd_ctx *ictx);

#endif
