// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/fdinfo of a /dev/iommu: what a context holds.
 *
 * The keys are described in Documentation/ABI/testing/dev-iommu.
 *
 * The numbers of an IOAS are added up mapping by mapping: nothing is counted
 * while memory is mapped and unmapped, so that looking costs who looks and no
 * one else.  The IOAS is locked for a bounded number of mappings at a time.
 * What changes between two of them may be counted or not.
 */
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "area.h"
#include "device.h"
#include "fdinfo.h"
#include "hwpt.h"
#include "pages.h"

/* How many areas are looked at before the lock is given up: some 50 us. */
#define WALK_BATCH 1024

/**
 * struct ioas_info - what an IOAS holds
 * @areas: mappings that are complete
 * @accesses: users in the kernel
 * @mapped: bytes in the mappings
 * @pinned: bytes that are pinned of what they show, each counted once
 */
struct ioas_info {
	unsigned long areas;
	unsigned long accesses;
	u64 mapped;
	u64 pinned;
};

/* Several areas can show the same pages; @walk is the number of this walk. */
static void add_area(struct ioas_info *info, struct iopt_area *area, u32 walk)
{
	struct iopt_pages *pages = area->pages;

	if (area_state(area) == IOPT_AREA_FILLING)
		return;
	info->areas++;
	info->mapped += area_length(area);
	if (pages->walk == walk)
		return;
	pages->walk = walk;
	info->pinned += (u64)READ_ONCE(pages->npinned) << PAGE_SHIFT;
}

/* Adds some areas from @start on, which is moved; false when it is done. */
static bool add_areas(struct ioas_info *info, struct io_pagetable *iopt,
		      u32 walk, unsigned long *start)
{
	unsigned int left = WALK_BATCH;
	struct iopt_area *area;

	if (down_read_killable(&iopt->iova_rwsem))
		return false;
	area = first_area(iopt, *start, ULONG_MAX);
	while (area && left--) {
		add_area(info, area, walk);
		*start = area->last + 1;
		area = area_after(area);
	}
	up_read(&iopt->iova_rwsem);
	return area;
}

static unsigned long count_accesses(struct io_pagetable *iopt)
{
	unsigned long nr = 0;
	struct list_head *item;

	down_read(&iopt->iova_rwsem);
	list_for_each(item, &iopt->accesses)
		nr++;
	up_read(&iopt->iova_rwsem);
	return nr;
}

static void get_ioas_info(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			  struct ioas_info *info)
{
	unsigned long start = 0;
	u32 walk;

	lockdep_assert_held(&ictx->info_lock);

	/* New pages have number 0. */
	walk = ++ictx->last_walk ?: ++ictx->last_walk;
	*info = (struct ioas_info){ .accesses = count_accesses(&ioas->iopt) };
	while (add_areas(info, &ioas->iopt, walk, &start) &&
	       !fatal_signal_pending(current))
		cond_resched();
}

static void show_ioas(struct seq_file *m, struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj;
	struct ioas_info info;

	obj = iommufd_object_get(ictx, id, &iommufd_ioas_type);
	if (IS_ERR(obj))
		return;
	get_ioas_info(ictx, container_of(obj, struct iommufd_ioas, obj), &info);
	iommufd_object_put(obj);

	seq_printf(m, "ioas-%u-areas:\t%lu\n", id, info.areas);
	seq_printf(m, "ioas-%u-mapped:\t%llu\n", id, info.mapped);
	seq_printf(m, "ioas-%u-pinned:\t%llu\n", id, info.pinned);
	seq_printf(m, "ioas-%u-devices:\t%u\n", id,
		   iommufd_attached_devices(ictx, id));
	seq_printf(m, "ioas-%u-accesses:\t%lu\n", id, info.accesses);
}

static void show_ioases(struct seq_file *m, struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;
	unsigned long id;

	/* What does not fit is written anew into a larger buffer. */
	xa_for_each(&ictx->objects, id, obj) {
		if (fatal_signal_pending(current) || seq_has_overflowed(m))
			break;
		show_ioas(m, ictx, id);
		cond_resched();
	}
}

static const struct {
	const char *name;
	const struct iommufd_object_type *type;
} kinds[] = {
	{ "access", &iommufd_access_type },
	{ "device", &iommufd_device_type },
	{ "hwpt", &iommufd_hwpt_type },
	{ "ioas", &iommufd_ioas_type },
};

/* The object may be on its way out, but its memory stays under RCU. */
static const struct iommufd_object_type *next_type(struct iommufd_ctx *ictx,
						   unsigned long *id)
{
	const struct iommufd_object_type *type;
	struct iommufd_object *obj;

	rcu_read_lock();
	obj = xa_find(&ictx->objects, id, ULONG_MAX, XA_PRESENT);
	type = obj ? obj->type : NULL;
	rcu_read_unlock();
	return type;
}

static void show_objects(struct seq_file *m, struct iommufd_ctx *ictx)
{
	unsigned long nr[ARRAY_SIZE(kinds)] = {}, id;
	const struct iommufd_object_type *type;
	unsigned int i;

	for (id = 0; (type = next_type(ictx, &id)); id++) {
		for (i = 0; i < ARRAY_SIZE(kinds); i++)
			nr[i] += kinds[i].type == type;
		cond_resched();
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		seq_printf(m, "objects-%s:\t%lu\n", kinds[i].name, nr[i]);
}

/**
 * iommufd_show_fdinfo() - tell what a context holds
 * @m: gets it
 * @file: a /dev/iommu
 *
 * Context: process context; no locks held that a DESTROY, map or unmap takes.
 */
void iommufd_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);

	seq_printf(m, "accounting-mode:\t%s\n",
		   READ_ONCE(ictx->payers.mode) == IOMMUFD_ACCOUNT_USER ?
			   "user" : "process");
	show_objects(m, ictx);
	if (mutex_lock_killable(&ictx->info_lock))
		return;
	show_ioases(m, ictx);
	mutex_unlock(&ictx->info_lock);
}
