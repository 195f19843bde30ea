// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_OPTION: how a context, or an IOAS, behaves.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <uapi/linux/iommufd.h>

#include "account.h"
#include "hwpt.h"
#include "ioctl.h"

/* Fixed once there is an object, for what it charged is given back likewise. */
static int set_account_mode(struct iommufd_ctx *ictx, u64 mode)
{
	int ret = 0;

	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;

	xa_lock(&ictx->objects);
	if (!xa_empty(&ictx->objects))
		ret = -EBUSY;
	else if (mode > IOMMUFD_ACCOUNT_MM)
		ret = -EINVAL;
	else
		ictx->payers.mode = mode;
	xa_unlock(&ictx->objects);
	return ret;
}

static int rlimit_mode(struct iommufd_call *call)
{
	struct iommu_option *cmd = call->arg;

	if (cmd->object_id)
		return -EOPNOTSUPP;

	switch (cmd->op) {
	case IOMMU_OPTION_OP_SET:
		return set_account_mode(call->ictx, cmd->val64);
	case IOMMU_OPTION_OP_GET:
		cmd->val64 = READ_ONCE(call->ictx->payers.mode);
		return iommufd_reply(call, sizeof(*cmd));
	default:
		return -EOPNOTSUPP;
	}
}

static int huge_pages(struct iommufd_call *call)
{
	struct iommu_option *cmd = call->arg;
	struct iommufd_ioas *ioas;
	int ret = 0;

	ioas = iommufd_ioas_get(call->ictx, cmd->object_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	switch (cmd->op) {
	case IOMMU_OPTION_OP_SET:
		if (cmd->val64 > 1)
			ret = -EINVAL;
		else
			ret = iopt_set_huge_pages(&ioas->iopt, cmd->val64);
		break;
	case IOMMU_OPTION_OP_GET:
		cmd->val64 = iopt_has_huge_pages(&ioas->iopt);
		break;
	default:
		ret = -EOPNOTSUPP;
	}
	iommufd_object_put(&ioas->obj);
	return ret ?: iommufd_reply(call, sizeof(*cmd));
}

int iommufd_option_ioctl(struct iommufd_call *call)
{
	struct iommu_option *cmd = call->arg;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		return rlimit_mode(call);
	case IOMMU_OPTION_HUGE_PAGES:
		return huge_pages(call);
	default:
		return -EOPNOTSUPP;
	}
}
