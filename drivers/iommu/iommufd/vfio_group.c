// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VFIO groups that have a context as their container.
 *
 * A group is listed here from VFIO_GROUP_SET_CONTAINER on.  Its devices are
 * bound, and attached to the IOAS, only when they are opened; but in between a
 * program asks what it can map, and a container of VFIO's knows that already.
 * So it is told of the groups as well: what their devices will reserve, and
 * what page table they will get.
 *
 * The VFIO group holds its iommu_group, and delists itself before it lets go.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/slab.h>

#include "io_pagetable.h"
#include "vfio_group.h"

/**
 * struct container_group - a VFIO group
 * @item: on the context's vfio_groups
 * @kind: what its DMA is like
 * @group: borrowed from VFIO; NULL when there is no IOMMU behind it
 */
struct container_group {
	struct list_head item;
	enum iommufd_vfio_group kind;
	struct iommu_group *group;
};

static bool has_kind(struct iommufd_ctx *ictx, enum iommufd_vfio_group kind)
{
	struct container_group *cgroup;

	lockdep_assert_held(&ictx->vfio_lock);

	list_for_each_entry(cgroup, &ictx->vfio_groups, item)
		if (cgroup->kind == kind)
			return true;
	return false;
}

static bool has_ioas(struct iommufd_ctx *ictx)
{
	bool has;

	xa_lock(&ictx->objects);
	has = ictx->vfio_ioas;
	xa_unlock(&ictx->objects);
	return has;
}

/* Groups with and without an IOMMU do not mix. */
static bool would_mix(struct iommufd_ctx *ictx, enum iommufd_vfio_group kind)
{
	if (kind != IOMMUFD_VFIO_NOIOMMU)
		return has_kind(ictx, IOMMUFD_VFIO_NOIOMMU);
	return has_ioas(ictx) || has_kind(ictx, IOMMUFD_VFIO_COHERENT) ||
	       has_kind(ictx, IOMMUFD_VFIO_NONCOHERENT);
}

/**
 * iommufd_vfio_list_group() - a group gets the context as its container
 * @ictx: the context
 * @kind: what the group's DMA is like
 * @group: stays there until it is delisted; NULL without an IOMMU
 *
 * Context: process context, may sleep.
 * Return: 0, to be undone with iommufd_vfio_delist_group(); -EINVAL when groups
 * with and without an IOMMU would mix; -ENOMEM.
 */
int iommufd_vfio_list_group(struct iommufd_ctx *ictx,
			    enum iommufd_vfio_group kind,
			    struct iommu_group *group)
{
	struct container_group *cgroup;
	int ret = 0;

	cgroup = kzalloc(sizeof(*cgroup), IOMMUFD_GFP);
	if (!cgroup)
		return -ENOMEM;
	cgroup->kind = kind;
	cgroup->group = group;

	mutex_lock(&ictx->vfio_lock);
	if (would_mix(ictx, kind))
		ret = -EINVAL;
	else
		list_add(&cgroup->item, &ictx->vfio_groups);
	mutex_unlock(&ictx->vfio_lock);
	if (ret)
		kfree(cgroup);
	return ret;
}

/**
 * iommufd_vfio_delist_group() - undo iommufd_vfio_list_group()
 * @ictx: the context
 * @kind: as it was listed
 * @group: likewise
 *
 * Context: process context, may sleep.
 */
void iommufd_vfio_delist_group(struct iommufd_ctx *ictx,
			       enum iommufd_vfio_group kind,
			       struct iommu_group *group)
{
	struct container_group *cgroup;

	mutex_lock(&ictx->vfio_lock);
	list_for_each_entry(cgroup, &ictx->vfio_groups, item) {
		/* Those without an IOMMU are all the same. */
		if (cgroup->kind == kind && cgroup->group == group) {
			list_del(&cgroup->item);
			kfree(cgroup);
			break;
		}
	}
	mutex_unlock(&ictx->vfio_lock);
}

/**
 * iommufd_vfio_has_group() - is there a group of a kind?
 * @ictx: the context
 * @kind: the kind
 *
 * Context: process context, may sleep.
 */
bool iommufd_vfio_has_group(struct iommufd_ctx *ictx,
			    enum iommufd_vfio_group kind)
{
	bool has;

	mutex_lock(&ictx->vfio_lock);
	has = has_kind(ictx, kind);
	mutex_unlock(&ictx->vfio_lock);
	return has;
}

/* ---- what the groups can use ---- */

/**
 * struct group_limits - what a group's page table will be able to map
 * @aperture: addresses
 * @pgsizes: sizes of its pages, a bit each
 */
struct group_limits {
	struct iopt_range aperture;
	u64 pgsizes;
};

static void note_domain(struct group_limits *limits,
			const struct iommu_domain *domain)
{
	const struct iommu_domain_geometry *geometry = &domain->geometry;

	limits->pgsizes = domain->pgsize_bitmap;
	if (!geometry->force_aperture)
		return;
	limits->aperture.start = geometry->aperture_start;
	limits->aperture.last = min_t(u64, geometry->aperture_end, ULONG_MAX);
}

/*
 * Many drivers know what a domain can do only when it was attached to a device.
 * The one that the kernel uses for the device was; its kind is that of those
 * for user space.  If that is none with a page table, which translates nothing
 * or lets nothing through, a new one tells what is certain already.
 *
 * Called with the group's lock, which keeps it attached.
 */
static int ask_domain(struct device *dev, void *data)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	struct iommu_domain *fresh = NULL;

	if (!domain || !(domain->type & __IOMMU_DOMAIN_PAGING)) {
		fresh = iommu_domain_alloc(dev->bus);
		if (!fresh)
			return -ENOMEM;
		domain = fresh;
	}
	note_domain(data, domain);
	if (fresh)
		iommu_domain_free(fresh);
	return 1; /* All devices of a group have the same. */
}

static int reserve_outside(struct io_pagetable *iopt,
			   const struct iopt_range *aperture)
{
	int ret = 0;

	if (aperture->start)
		ret = iopt_reserve(iopt, 0, aperture->start - 1, NULL);
	if (!ret && aperture->last != ULONG_MAX)
		ret = iopt_reserve(iopt, aperture->last + 1, ULONG_MAX, NULL);
	return ret;
}

static int reserve_regions(struct io_pagetable *iopt, struct iommu_group *group)
{
	struct iommu_resv_region *region, *next;
	LIST_HEAD(regions);
	int ret;

	ret = iommu_get_group_resv_regions(group, &regions);
	list_for_each_entry_safe(region, next, &regions, list) {
		if (!ret)
			ret = iopt_reserve_region(iopt, region, NULL);
		kfree(region);
	}
	return ret;
}

static int exclude_group(struct io_pagetable *iopt, struct iommu_group *group,
			 u64 *pgsizes)
{
	struct group_limits limits = {
		.aperture.last = ULONG_MAX,
		.pgsizes = U64_MAX,
	};
	int ret;

	ret = iommu_group_for_each_dev(group, &limits, ask_domain);
	if (ret < 0)
		return ret;
	*pgsizes &= limits.pgsizes;
	ret = reserve_outside(iopt, &limits.aperture);
	return ret ?: reserve_regions(iopt, group);
}

/**
 * iommufd_vfio_exclude() - what devices of the groups cannot use, open or not
 * @ictx: the context
 * @iopt: an address space in which nothing is mapped; those addresses are
 *	reserved there, without an owner
 * @pgsizes: of these sizes, keeps those that all of them have
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM; some may be reserved then.
 */
int iommufd_vfio_exclude(struct iommufd_ctx *ictx, struct io_pagetable *iopt,
			 u64 *pgsizes)
{
	struct container_group *cgroup;
	int ret = 0;

	mutex_lock(&ictx->vfio_lock);
	list_for_each_entry(cgroup, &ictx->vfio_groups, item) {
		if (cgroup->group)
			ret = exclude_group(iopt, cgroup->group, pgsizes);
		if (ret)
			break;
	}
	mutex_unlock(&ictx->vfio_lock);
	return ret;
}
