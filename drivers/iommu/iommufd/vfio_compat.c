// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a VFIO container with a type1 IOMMU, spoken on an IOAS.
 *
 * A context remembers which of its IOAS these ioctls mean.  That one is like
 * any other: it can be used by its id as well, and destroyed, upon which the
 * context forgets it.  It is made for the first VFIO group that takes the
 * context as its container, unless the user has named one before.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>
#include <uapi/linux/vfio.h>

#include "hwpt.h"
#include "ioctl.h"
#include "pages.h"
#include "vfio_group.h"

/* ---- the IOAS ---- */

/* To be given back with iommufd_object_put(). */
static struct iommufd_ioas *get_ioas(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;

	/* It is forgotten under this lock before it is freed. */
	xa_lock(&ictx->objects);
	ioas = ictx->vfio_ioas;
	if (ioas && !iommufd_object_tryget(&ioas->obj))
		ioas = NULL;
	xa_unlock(&ictx->objects);
	return ioas ?: ERR_PTR(-ENODEV);
}

/* To be given back with iommufd_object_unhold(). */
static struct iommufd_ioas *get_ioas_held(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;

	xa_lock(&ictx->objects);
	ioas = ictx->vfio_ioas;
	if (ioas && !iommufd_object_tryhold(&ioas->obj))
		ioas = NULL;
	xa_unlock(&ictx->objects);
	return ioas ?: ERR_PTR(-ENODEV);
}

static void set_ioas(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas)
{
	xa_lock(&ictx->objects);
	ictx->vfio_ioas = ioas;
	xa_unlock(&ictx->objects);
}

/**
 * iommufd_vfio_forget_ioas() - an IOAS is about to be freed
 * @ictx: its context
 * @ioas: the IOAS, which no call can find by its id any more
 */
void iommufd_vfio_forget_ioas(struct iommufd_ctx *ictx,
			      struct iommufd_ioas *ioas)
{
	xa_lock(&ictx->objects);
	if (ictx->vfio_ioas == ioas)
		ictx->vfio_ioas = NULL;
	xa_unlock(&ictx->objects);
}

static int tell_ioas(struct iommufd_call *call)
{
	struct iommu_vfio_ioas *cmd = call->arg;
	struct iommufd_ioas *ioas = get_ioas(call->ictx);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	cmd->ioas_id = ioas->obj.id;
	iommufd_object_put(&ioas->obj);
	return iommufd_reply(call, sizeof(*cmd));
}

static int choose_ioas(struct iommufd_call *call)
{
	struct iommu_vfio_ioas *cmd = call->arg;
	struct iommufd_ioas *ioas = iommufd_ioas_get(call->ictx, cmd->ioas_id);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	set_ioas(call->ictx, ioas);
	iommufd_object_put(&ioas->obj);
	return 0;
}

int iommufd_vfio_ioas_ioctl(struct iommufd_call *call)
{
	struct iommu_vfio_ioas *cmd = call->arg;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		return tell_ioas(call);
	case IOMMU_VFIO_IOAS_SET:
		return choose_ioas(call);
	case IOMMU_VFIO_IOAS_CLEAR:
		set_ioas(call->ictx, NULL);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* ---- groups ---- */

static int make_ioas(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas = iommufd_ioas_alloc(ictx);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	/* By its id it could be destroyed before it is the one. */
	iommufd_object_tryhold(&ioas->obj);
	iommufd_object_publish(ictx, &ioas->obj);

	xa_lock(&ictx->objects);
	if (!ictx->vfio_ioas) {
		ictx->vfio_ioas = ioas;
		xa_unlock(&ictx->objects);
		iommufd_object_unhold(&ioas->obj);
		return 0;
	}
	xa_unlock(&ictx->objects);

	/* Another group was faster. */
	iommufd_object_unhold_destroy(ictx, &ioas->obj);
	return 0;
}

/**
 * iommufd_vfio_add_group() - use a /dev/iommu as the container of a VFIO group
 * @file: an open file
 * @kind: what the group's DMA is like
 * @group: stays there until the group is removed; NULL without an IOMMU
 *
 * The IOAS that VFIO's container ioctls mean is made if there is none yet.
 * Devices are not bound yet, nor attached to it.
 *
 * Context: process context, may sleep.
 * Return: 0, to be undone with iommufd_vfio_remove_group(); -EBADFD when @file
 * is not a /dev/iommu; -EINVAL when groups with and without an IOMMU would mix;
 * -ENOMEM.
 */
int iommufd_vfio_add_group(struct file *file, enum iommufd_vfio_group kind,
			   struct iommu_group *group)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);
	struct iommufd_ioas *ioas;
	int ret;

	if (!ictx)
		return -EBADFD;
	ret = iommufd_vfio_list_group(ictx, kind, group);
	if (ret || kind == IOMMUFD_VFIO_NOIOMMU)
		return ret;

	ioas = get_ioas(ictx);
	if (IS_ERR(ioas))
		ret = make_ioas(ictx);
	else
		iommufd_object_put(&ioas->obj);
	if (ret)
		iommufd_vfio_delist_group(ictx, kind, group);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_add_group, IOMMUFD);

/**
 * iommufd_vfio_remove_group() - undo iommufd_vfio_add_group()
 * @file: as it was added
 * @kind: likewise
 * @group: likewise
 *
 * The IOAS stays, with what is mapped there.
 *
 * Context: process context, may sleep.
 */
void iommufd_vfio_remove_group(struct file *file, enum iommufd_vfio_group kind,
			       struct iommu_group *group)
{
	iommufd_vfio_delist_group(iommufd_ctx_from_file(file), kind, group);
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_remove_group, IOMMUFD);

/**
 * iommufd_vfio_ioas_id() - the IOAS that VFIO's container ioctls mean
 * @file: a /dev/iommu
 * @id: set to its id
 *
 * Return: 0, or -ENODEV when there is none.
 */
int iommufd_vfio_ioas_id(struct file *file, u32 *id)
{
	struct iommufd_ioas *ioas = get_ioas(iommufd_ctx_from_file(file));

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	*id = ioas->obj.id;
	iommufd_object_put(&ioas->obj);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_vfio_ioas_id, IOMMUFD);

/* ---- what there is ---- */

/*
 * No device can bypass the CPU's caches, if there is one: neither those that
 * are attached, nor those of the groups that are yet to be opened.
 */
static int is_coherent(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas = get_ioas(ictx);
	bool any, coherent;
	struct iommufd_hwpt *hwpt;

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	any = iommufd_vfio_has_group(ictx, IOMMUFD_VFIO_COHERENT);
	coherent = !iommufd_vfio_has_group(ictx, IOMMUFD_VFIO_NONCOHERENT);

	down_read(&ioas->iopt.domains_rwsem);
	list_for_each_entry(hwpt, &ioas->hwpts, item) {
		if (!hwpt->filled)
			continue;
		any = true;
		coherent = coherent && hwpt->enforced_coherent;
	}
	up_read(&ioas->iopt.domains_rwsem);
	iommufd_object_put(&ioas->obj);
	return any && coherent;
}

static int check_extension(struct iommufd_ctx *ictx, unsigned long extension)
{
	switch (extension) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_DMA_CC_IOMMU:
		return is_coherent(ictx);
	case VFIO_NOIOMMU_IOMMU:
		return IS_ENABLED(CONFIG_VFIO_NOIOMMU);
	default:
		return 0;
	}
}

static int set_noiommu(struct iommufd_ctx *ictx)
{
	if (!IS_ENABLED(CONFIG_VFIO_NOIOMMU) ||
	    !iommufd_vfio_has_group(ictx, IOMMUFD_VFIO_NOIOMMU))
		return -EINVAL;
	return capable(CAP_SYS_RAWIO) ? 0 : -EPERM;
}

/* Version 1 of type1 may unmap a part of what it mapped. */
static int set_iommu(struct iommufd_ctx *ictx, unsigned long type)
{
	struct iommufd_ioas *ioas;
	int ret = 0;

	if (type == VFIO_NOIOMMU_IOMMU)
		return set_noiommu(ictx);
	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	ioas = get_ioas(ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	if (type == VFIO_TYPE1_IOMMU)
		ret = iopt_set_huge_pages(&ioas->iopt, false);
	iommufd_object_put(&ioas->obj);
	return ret;
}

/*
 * Of @sizes, those that all domains have.  One that any has not is still made
 * up of smaller ones.
 */
static u64 page_sizes(struct iommufd_ioas *ioas, u64 sizes, u64 alignment)
{
	struct iommufd_hwpt *hwpt;

	down_read(&ioas->iopt.domains_rwsem);
	list_for_each_entry(hwpt, &ioas->hwpts, item)
		if (hwpt->filled)
			sizes &= hwpt->domain.domain->pgsize_bitmap;
	up_read(&ioas->iopt.domains_rwsem);
	alignment = max(alignment, sizes & -sizes);
	return (sizes & -alignment) | alignment;
}

/**
 * struct info_caps - the capabilities of VFIO_IOMMU_GET_INFO
 * @size: bytes of the chain
 * @chain: the ranges, followed by struct vfio_iommu_type1_info_dma_avail; to
 *	be freed
 */
struct info_caps {
	size_t size;
	struct vfio_iommu_type1_info_cap_iova_range *chain;
};

/* Where the chain stands in what the caller gets */
#define CHAIN_OFFSET sizeof(struct vfio_iommu_type1_info)

static void fill_chain(struct info_caps *caps, const struct iopt_range *ranges,
		       u32 nr)
{
	struct vfio_iommu_type1_info_cap_iova_range *iovas = caps->chain;
	size_t size = struct_size(iovas, iova_ranges, nr);
	struct vfio_iommu_type1_info_dma_avail *avail = (void *)iovas + size;
	u32 i;

	iovas->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	iovas->header.version = 1;
	iovas->header.next = CHAIN_OFFSET + size;
	iovas->nr_iovas = nr;
	for (i = 0; i < nr; i++) {
		iovas->iova_ranges[i].start = ranges[i].start;
		iovas->iova_ranges[i].end = ranges[i].last;
	}
	avail->header.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL;
	avail->header.version = 1;
	avail->avail = U32_MAX;
	caps->size = size + sizeof(*avail);
}

static int make_caps(struct io_pagetable *usable, struct info_caps *caps)
{
	unsigned long nr, alignment;
	struct iopt_range *ranges;
	int ret = -ENOMEM;

	nr = iopt_usable_ranges(usable, NULL, 0, &alignment);
	ranges = kvmalloc_array(nr, sizeof(*ranges), IOMMUFD_GFP);
	if (!ranges && nr)
		return -ENOMEM;
	iopt_usable_ranges(usable, ranges, nr, &alignment);

	caps->chain = kvzalloc(struct_size(caps->chain, iova_ranges, nr) +
			       sizeof(struct vfio_iommu_type1_info_dma_avail),
			       IOMMUFD_GFP);
	if (caps->chain) {
		fill_chain(caps, ranges, nr);
		ret = 0;
	}
	kvfree(ranges);
	return ret;
}

static void free_usable(struct io_pagetable *usable)
{
	iopt_unreserve(usable, NULL);
	iopt_destroy(usable);
	kfree(usable);
}

/*
 * An address space of its own, in which all is reserved that cannot be mapped
 * in the IOAS, or not any more when all devices of the groups are opened.
 */
static struct io_pagetable *make_usable(struct iommufd_ctx *ictx,
					struct io_pagetable *iopt, u64 *pgsizes)
{
	struct io_pagetable *usable;
	int ret;

	usable = kzalloc(sizeof(*usable), IOMMUFD_GFP);
	if (!usable)
		return ERR_PTR(-ENOMEM);
	iopt_init(usable);
	ret = iommufd_vfio_exclude(ictx, usable, pgsizes);
	if (!ret)
		ret = iopt_reserve_unusable(usable, iopt);
	if (!ret)
		return usable;
	free_usable(usable);
	return ERR_PTR(ret);
}

/* What VFIO_IOMMU_GET_INFO says of an IOAS */
static int look_at_ioas(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			struct info_caps *caps, __u64 *iova_pgsizes)
{
	struct io_pagetable *usable;
	unsigned long alignment;
	u64 pgsizes = U64_MAX;
	int ret;

	usable = make_usable(ictx, &ioas->iopt, &pgsizes);
	if (IS_ERR(usable))
		return PTR_ERR(usable);
	ret = make_caps(usable, caps);
	free_usable(usable);
	if (ret)
		return ret;
	iopt_usable_ranges(&ioas->iopt, NULL, 0, &alignment);
	*iova_pgsizes = page_sizes(ioas, pgsizes, alignment);
	return 0;
}

static int compat_get_info(struct iommufd_ctx *ictx, void __user *uptr)
{
	const size_t min_size =
		offsetofend(struct vfio_iommu_type1_info, iova_pgsizes);
	const size_t full_size =
		offsetofend(struct vfio_iommu_type1_info, cap_offset);
	struct vfio_iommu_type1_info info = {};
	struct iommufd_ioas *ioas;
	struct info_caps caps;
	size_t size;
	int ret;

	if (copy_from_user(&info, uptr, min_size))
		return -EFAULT;
	if (info.argsz < min_size)
		return -EINVAL;

	ioas = get_ioas(ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ret = look_at_ioas(ictx, ioas, &caps, &info.iova_pgsizes);
	iommufd_object_put(&ioas->obj);
	if (ret)
		return ret;

	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	size = info.argsz < full_size ? min_size : full_size;
	if (info.argsz >= CHAIN_OFFSET + caps.size) {
		info.cap_offset = CHAIN_OFFSET;
		if (copy_to_user(uptr + CHAIN_OFFSET, caps.chain, caps.size))
			ret = -EFAULT;
	} else {
		info.argsz = CHAIN_OFFSET + caps.size;
	}
	kvfree(caps.chain);
	if (!ret && copy_to_user(uptr, &info, size))
		ret = -EFAULT;
	return ret;
}

/* ---- mapping ---- */

static int compat_map_prot(u32 flags)
{
	int prot = 0;

	if (flags & VFIO_DMA_MAP_FLAG_READ)
		prot |= IOMMU_READ;
	if (flags & VFIO_DMA_MAP_FLAG_WRITE)
		prot |= IOMMU_WRITE;
	return prot;
}

static int map_dma(struct iommufd_ctx *ictx, void __user *uptr)
{
	const size_t size = offsetofend(struct vfio_iommu_type1_dma_map, size);
	struct vfio_iommu_type1_dma_map map;
	struct iommufd_ioas *ioas;
	int ret;

	if (copy_from_user(&map, uptr, size))
		return -EFAULT;
	if (map.argsz < size || map.flags & ~(VFIO_DMA_MAP_FLAG_READ |
					      VFIO_DMA_MAP_FLAG_WRITE))
		return -EINVAL;
	if (map.iova >= ULONG_MAX || map.size >= ULONG_MAX ||
	    map.vaddr > ULONG_MAX)
		return -EOVERFLOW;
	if (!compat_map_prot(map.flags))
		return -EINVAL;

	ioas = get_ioas_held(ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ret = iommufd_ioas_map_fixed(ictx, ioas, map.iova, map.vaddr, map.size,
				     compat_map_prot(map.flags));
	iommufd_object_unhold(&ioas->obj);
	return ret;
}

/*
 * An empty range is not an error here, but a mapping that would be cut is.  Who
 * maps at the same time may get either.
 */
static int compat_unmap_range(struct io_pagetable *iopt, u64 iova, u64 length,
			      unsigned long *unmapped, struct list_head *drop)
{
	unsigned long last;
	int ret;

	if (iova >= ULONG_MAX || length >= ULONG_MAX)
		return -EOVERFLOW;
	if (!length)
		return -EINVAL;
	if (check_add_overflow((unsigned long)iova, (unsigned long)length - 1,
			       &last))
		return -EOVERFLOW;

	if (iopt_has_huge_pages(iopt))
		ret = iopt_unmap(iopt, iova, last, unmapped, drop);
	else
		ret = iopt_unmap_cut(iopt, iova, last, unmapped, drop);
	if (ret == -ENOENT && iopt_is_free(iopt, iova, last))
		ret = 0;
	return ret;
}

static int unmap_dma(struct iommufd_ctx *ictx, void __user *uptr)
{
	const size_t size =
		offsetofend(struct vfio_iommu_type1_dma_unmap, size);
	struct vfio_iommu_type1_dma_unmap unmap;
	struct iommufd_ioas *ioas;
	unsigned long unmapped;
	LIST_HEAD(drop);
	int ret;

	if (copy_from_user(&unmap, uptr, size))
		return -EFAULT;
	if (unmap.argsz < size || unmap.flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	if (unmap.flags && (unmap.iova || unmap.size))
		return -EINVAL;

	ioas = get_ioas(ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	if (unmap.flags)
		ret = iopt_unmap_all(&ioas->iopt, &unmapped, &drop);
	else
		ret = compat_unmap_range(&ioas->iopt, unmap.iova, unmap.size,
					 &unmapped, &drop);
	iommufd_object_put(&ioas->obj);
	iopt_pins_drop(&drop);
	if (ret)
		return ret;

	unmap.size = unmapped;
	return copy_to_user(uptr, &unmap, size) ? -EFAULT : 0;
}

/**
 * iommufd_vfio_ioctl() - an ioctl that is none of iommufd's own
 * @ictx: the context
 * @cmd: the ioctl
 * @arg: its argument
 *
 * Return: what the ioctl returns, or -ENOTTY when VFIO has none of that number.
 */
long iommufd_vfio_ioctl(struct iommufd_ctx *ictx, unsigned int cmd,
			unsigned long arg)
{
	void __user *uptr = (void __user *)arg;

	switch (cmd) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return check_extension(ictx, arg);
	case VFIO_SET_IOMMU:
		return set_iommu(ictx, arg);
	case VFIO_IOMMU_GET_INFO:
		return compat_get_info(ictx, uptr);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(ictx, uptr);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(ictx, uptr);
	default:
		return -ENOTTY;
	}
}
