// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of hardware page tables.
 *
 * No driver of this kernel has page tables that user space writes (nested
 * ones), tracks dirty pages or reports page faults to user space: what asks for
 * that is told so.
 */
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <uapi/linux/iommufd.h>

#include "device.h"
#include "driver.h"
#include "hwpt.h"
#include "ioctl.h"

/* Whatever the type: it has data, or there is none of either. */
static int check_data(const struct iommu_hwpt_alloc *cmd)
{
	bool has_type = cmd->data_type != IOMMU_HWPT_DATA_NONE;

	return has_type != !!cmd->data_len ? -EINVAL : 0;
}

/* Of what is no IOAS: a HWPT could be a parent, if a driver had nested ones. */
static int refuse_parent(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get(ictx, id, &iommufd_hwpt_type);

	if (IS_ERR(obj))
		return -EINVAL;
	iommufd_object_put(obj);
	return -EOPNOTSUPP;
}

/* Sets @complete if it can be filled now. */
static struct iommufd_hwpt *alloc_for_device(struct iommufd_ctx *ictx,
					     const struct iommu_hwpt_alloc *cmd,
					     struct iommufd_device *idev,
					     struct iommufd_ioas *ioas,
					     bool *complete)
{
	struct device *dev = iommufd_device_dev(idev);
	const struct iommufd_driver *driver = iommufd_driver_of(dev);
	struct iommufd_hwpt *hwpt;

	if (cmd->flags & ~(driver ? driver->hwpt_flags : 0) ||
	    cmd->data_type != IOMMU_HWPT_DATA_NONE)
		return ERR_PTR(-EOPNOTSUPP);
	hwpt = iommufd_hwpt_alloc(ictx, ioas, dev);
	if (IS_ERR(hwpt))
		return hwpt;
	*complete = driver && driver->complete_domains;
	return hwpt;
}

/* Returns a HWPT that holds its IOAS, and is neither filled nor published. */
static struct iommufd_hwpt *alloc_hwpt(struct iommufd_ctx *ictx,
				       const struct iommu_hwpt_alloc *cmd,
				       bool *complete)
{
	struct iommufd_device *idev;
	struct iommufd_hwpt *hwpt;
	struct iommufd_ioas *ioas;

	idev = iommufd_device_get(ictx, cmd->dev_id);
	if (IS_ERR(idev))
		return ERR_CAST(idev);
	ioas = iommufd_ioas_get_held(ictx, cmd->pt_id);
	if (IS_ERR(ioas)) {
		hwpt = ERR_PTR(refuse_parent(ictx, cmd->pt_id));
		goto out_put;
	}
	hwpt = alloc_for_device(ictx, cmd, idev, ioas, complete);
	iommufd_object_unhold(&ioas->obj);
out_put:
	iommufd_device_put(idev);
	return hwpt;
}

static int fill_locked(struct iommufd_hwpt *hwpt)
{
	if (!iopt_areas_pinned(&hwpt->ioas->iopt))
		return -EAGAIN;
	return iommufd_hwpt_fill(hwpt);
}

static int fill_and_publish(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt)
{
	struct io_pagetable *iopt = &hwpt->ioas->iopt;
	int ret;

	do {
		ret = iopt_pin_areas(iopt);
		if (ret)
			break;
		down_write(&iopt->domains_rwsem);
		ret = fill_locked(hwpt);
		if (!ret)
			iommufd_hwpt_publish(ictx, hwpt);
		up_write(&iopt->domains_rwsem);
	} while (ret == -EAGAIN);
	if (ret)
		iopt_unpin_idle(iopt);
	return ret;
}

static void publish_empty(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt)
{
	struct io_pagetable *iopt = &hwpt->ioas->iopt;

	down_write(&iopt->domains_rwsem);
	iommufd_hwpt_publish(ictx, hwpt);
	up_write(&iopt->domains_rwsem);
}

int iommufd_hwpt_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_hwpt_alloc *cmd = call->arg;
	struct iommufd_hwpt *hwpt;
	bool complete;
	int ret;

	if (cmd->__reserved || cmd->__reserved2)
		return -EOPNOTSUPP;
	ret = check_data(cmd);
	if (ret)
		return ret;

	hwpt = alloc_hwpt(call->ictx, cmd, &complete);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);

	/* The user is told first: in this order nothing is undone. */
	cmd->out_hwpt_id = hwpt->obj.id;
	ret = iommufd_reply(call, sizeof(*cmd));
	if (ret)
		goto err_abort;
	if (complete)
		ret = fill_and_publish(call->ictx, hwpt);
	else
		publish_empty(call->ictx, hwpt);
	if (ret)
		goto err_abort;
	return 0;

err_abort:
	iommufd_hwpt_abort(call->ictx, hwpt);
	return ret;
}

/* Is there such a HWPT?  None of them tracks dirty pages. */
static int refuse_dirty_tracking(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get(ictx, id, &iommufd_hwpt_type);

	if (IS_ERR(obj))
		return PTR_ERR(obj);
	iommufd_object_put(obj);
	return -EOPNOTSUPP;
}

int iommufd_hwpt_set_dirty_tracking_ioctl(struct iommufd_call *call)
{
	struct iommu_hwpt_set_dirty_tracking *cmd = call->arg;

	if (cmd->flags & ~IOMMU_HWPT_DIRTY_TRACKING_ENABLE || cmd->__reserved)
		return -EOPNOTSUPP;
	return refuse_dirty_tracking(call->ictx, cmd->hwpt_id);
}

int iommufd_hwpt_get_dirty_bitmap_ioctl(struct iommufd_call *call)
{
	struct iommu_hwpt_get_dirty_bitmap *cmd = call->arg;

	if (cmd->flags & ~IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR ||
	    cmd->__reserved)
		return -EOPNOTSUPP;
	return refuse_dirty_tracking(call->ictx, cmd->hwpt_id);
}

/* However large a request is, it is to end. */
#define INVALIDATE_MAX_ENTRIES BIT(19)

static int check_entries(const struct iommu_hwpt_invalidate *cmd)
{
	if (cmd->__reserved)
		return -EOPNOTSUPP;
	/* Without entries it is a probe, which nothing is read for. */
	if (!cmd->entry_num)
		return 0;
	if (!cmd->data_uptr || !cmd->entry_len || cmd->entry_len > PAGE_SIZE ||
	    cmd->entry_num > INVALIDATE_MAX_ENTRIES)
		return -EINVAL;
	return 0;
}

/* Is there such an object?  None is of a kind that can be invalidated. */
static int refuse_invalidation(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj = iommufd_object_get(ictx, id, NULL);

	if (IS_ERR(obj))
		return PTR_ERR(obj);
	iommufd_object_put(obj);
	return -EINVAL;
}

int iommufd_hwpt_invalidate_ioctl(struct iommufd_call *call)
{
	struct iommu_hwpt_invalidate *cmd = call->arg;
	int ret = check_entries(cmd);

	if (!ret)
		ret = refuse_invalidation(call->ictx, cmd->hwpt_id);
	/* Whatever is wrong, the user is told how much was done. */
	cmd->entry_num = 0;
	return iommufd_reply(call, sizeof(*cmd)) ?: ret;
}

int iommufd_fault_queue_alloc_ioctl(struct iommufd_call *call)
{
	return -EOPNOTSUPP;
}
