// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_GET_HW_INFO: what the IOMMU behind a device is like.
 */
#include <linux/err.h>
#include <linux/iommufd.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "device.h"
#include "driver.h"
#include "ioctl.h"

static int hw_info_ask(struct iommufd_ctx *ictx, u32 dev_id,
		       struct iommufd_hw_info *info)
{
	const struct iommufd_driver *driver;
	struct iommufd_device *idev;
	struct device *dev;

	idev = iommufd_device_get(ictx, dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	dev = iommufd_device_dev(idev);
	driver = iommufd_driver_of(dev);
	if (driver && driver->hw_info)
		driver->hw_info(dev, info);
	iommufd_device_put(idev);
	return 0;
}

/* The caller says how much there is to clear: in steps that end. */
static int clear_tail(void __user *uptr, size_t length)
{
	size_t step;

	for (; length; length -= step, uptr += step) {
		if (fatal_signal_pending(current))
			return -EINTR;
		step = min_t(size_t, length, SZ_1M);
		if (clear_user(uptr, step))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

static int copy_info(void __user *uptr, size_t user_length,
		     const struct iommufd_hw_info *info)
{
	size_t length = min_t(size_t, user_length, info->length);

	if (copy_to_user(uptr, info->data, length))
		return -EFAULT;
	return clear_tail(uptr + length, user_length - length);
}

int iommufd_get_hw_info_ioctl(struct iommufd_call *call)
{
	struct iommu_hw_info *cmd = call->arg;
	struct iommufd_hw_info info = {};
	u32 wanted = IOMMU_HW_INFO_TYPE_DEFAULT;
	int ret;

	if (cmd->flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE ||
	    memchr_inv(cmd->__reserved, 0, sizeof(cmd->__reserved)))
		return -EOPNOTSUPP;
	if (cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		wanted = cmd->in_data_type;

	ret = hw_info_ask(call->ictx, cmd->dev_id, &info);
	if (ret)
		return ret;
	if (wanted != IOMMU_HW_INFO_TYPE_DEFAULT && wanted != info.type)
		return -EOPNOTSUPP;

	ret = copy_info(u64_to_user_ptr(cmd->data_uptr), cmd->data_len, &info);
	if (ret)
		return ret;
	cmd->data_len = info.length;
	cmd->out_data_type = info.type;
	cmd->out_max_pasid_log2 = info.max_pasid_log2;
	cmd->out_capabilities =
		info.ats ? 0 : IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	return iommufd_reply(call, sizeof(*cmd));
}
