// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of an IOAS: from the user's struct to a call on the I/O address
 * space.
 */
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "hwpt.h"
#include "ioctl.h"
#include "pages.h"

static void ioas_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = container_of(obj, struct iommufd_ioas, obj);

	iopt_destroy(&ioas->iopt);
}

struct iommufd_object_type iommufd_ioas_type = {
	.name = "iommufd_ioas",
	.destroy = ioas_destroy,
};

static struct iommufd_ioas *get_ioas(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get(ictx, id, &iommufd_ioas_type);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iommufd_ioas, obj);
}

static struct iommufd_ioas *get_ioas_held(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get_held(ictx, id, &iommufd_ioas_type);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iommufd_ioas, obj);
}

int iommufd_ioas_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_alloc *cmd = call->arg;
	struct iommufd_ioas *ioas;
	int ret;

	if (cmd->flags)
		return -EOPNOTSUPP;

	ioas = iommufd_object_alloc(call->ictx, struct iommufd_ioas,
				    &iommufd_ioas_type);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	iopt_init(&ioas->iopt);
	INIT_LIST_HEAD(&ioas->hwpts);

	cmd->out_ioas_id = ioas->obj.id;
	ret = iommufd_reply(call, sizeof(*cmd));
	if (ret) {
		iommufd_object_abort(call->ictx, &ioas->obj);
		return ret;
	}
	iommufd_object_publish(call->ictx, &ioas->obj);
	return 0;
}

static int copy_ranges(struct iommu_iova_range __user *uptr,
		       const struct iopt_range *ranges, unsigned long nr)
{
	struct iommu_iova_range range;
	unsigned long i;

	for (i = 0; i < nr; i++) {
		range.start = ranges[i].start;
		range.last = ranges[i].last;
		if (copy_to_user(&uptr[i], &range, sizeof(range)))
			return -EFAULT;
	}
	return 0;
}

/* Sets @nr to how many ranges there are; they may be more than were asked. */
static int get_ranges(struct iommufd_call *call, struct iopt_range **ranges,
		      unsigned long *nr)
{
	struct iommu_ioas_iova_ranges *cmd = call->arg;
	unsigned long max, alignment;
	struct iommufd_ioas *ioas;
	int ret = 0;

	ioas = get_ioas(call->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	/* No more memory than there are ranges, whatever the user asks for. */
	max = iopt_usable_ranges(&ioas->iopt, NULL, 0, &alignment);
	max = min_t(unsigned long, max, cmd->num_iovas);
	*ranges = kvmalloc_array(max, sizeof(**ranges), GFP_KERNEL_ACCOUNT);
	if (*ranges || !max)
		*nr = iopt_usable_ranges(&ioas->iopt, *ranges, max, &alignment);
	else
		ret = -ENOMEM;
	iommufd_object_put(&ioas->obj);

	/* A range more that came meanwhile is told, but not filled in. */
	cmd->num_iovas = max;
	cmd->out_iova_alignment = alignment;
	return ret;
}

int iommufd_ioas_iova_ranges_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_iova_ranges *cmd = call->arg;
	struct iopt_range *ranges;
	unsigned long nr;
	int ret;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	ret = get_ranges(call, &ranges, &nr);
	if (ret)
		return ret;
	ret = copy_ranges(u64_to_user_ptr(cmd->allowed_iovas), ranges,
			  min_t(unsigned long, nr, cmd->num_iovas));
	kvfree(ranges);
	if (ret)
		return ret;

	if (nr > cmd->num_iovas)
		ret = -EMSGSIZE;
	cmd->num_iovas = nr;
	return iommufd_reply(call, sizeof(*cmd)) ?: ret;
}

static int map_prot(u32 flags)
{
	int prot = 0;

	if (flags & IOMMU_IOAS_MAP_READABLE)
		prot |= IOMMU_READ;
	if (flags & IOMMU_IOAS_MAP_WRITEABLE)
		prot |= IOMMU_WRITE;
	return prot;
}

/* Places, tells the user where, and fills: in this order nothing is undone. */
static int map_area(struct iommufd_call *call, struct io_pagetable *iopt,
		    struct iopt_area *area)
{
	struct iommu_ioas_map *cmd = call->arg;
	int ret;

	if (cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA)
		ret = iopt_area_place(iopt, area, cmd->iova);
	else
		ret = iopt_area_place_anywhere(iopt, area);
	if (ret)
		goto err_free;

	cmd->iova = iopt_area_iova(area);
	ret = iommufd_reply(call, sizeof(*cmd));
	if (ret)
		goto err_unplace;
	return iopt_area_fill(iopt, area);

err_unplace:
	iopt_area_unplace(iopt, area);
err_free:
	iopt_area_free(area);
	return ret;
}

#define MAP_FLAGS                                                 \
	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |   \
	 IOMMU_IOAS_MAP_READABLE)

int iommufd_ioas_map_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_map *cmd = call->arg;
	struct iommufd_ioas *ioas;
	struct iopt_area *area;
	int ret;

	if (cmd->flags & ~MAP_FLAGS || cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX ||
	    cmd->user_va > ULONG_MAX)
		return -EOVERFLOW;
	if (!map_prot(cmd->flags))
		return -EINVAL;

	/* Held, not just looked up: the map touches user memory. */
	ioas = get_ioas_held(call->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	area = iopt_area_alloc_user(cmd->user_va, cmd->length,
				    map_prot(cmd->flags),
				    call->ictx->account_mode);
	if (IS_ERR(area))
		ret = PTR_ERR(area);
	else
		ret = map_area(call, &ioas->iopt, area);
	iommufd_object_unhold(&ioas->obj);
	return ret;
}

static int unmap_range(struct io_pagetable *iopt, u64 iova, u64 length,
		       unsigned long *unmapped, struct list_head *drop)
{
	unsigned long last;

	if (!iova && length == U64_MAX)
		return iopt_unmap_all(iopt, unmapped, drop);
	if (iova >= ULONG_MAX || length >= ULONG_MAX)
		return -EOVERFLOW;
	if (!length)
		return -EINVAL;
	if (check_add_overflow((unsigned long)iova, (unsigned long)length - 1,
			       &last))
		return -EOVERFLOW;
	return iopt_unmap(iopt, iova, last, unmapped, drop);
}

int iommufd_ioas_unmap_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_unmap *cmd = call->arg;
	struct iommufd_ioas *ioas;
	unsigned long unmapped;
	LIST_HEAD(drop);
	int ret;

	ioas = get_ioas(call->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ret = unmap_range(&ioas->iopt, cmd->iova, cmd->length, &unmapped,
			  &drop);
	iommufd_object_put(&ioas->obj);
	/* May wait for a page fault of the payer's: a DESTROY must not. */
	iopt_pins_drop(&drop);
	if (ret)
		return ret;

	cmd->length = unmapped;
	return iommufd_reply(call, sizeof(*cmd));
}
