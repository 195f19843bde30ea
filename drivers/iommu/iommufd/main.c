// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/iommu: open, close, and the table of ioctls.
 *
 * The rules that all ioctls share are here and nowhere else: how the sizes of
 * the caller's struct and of ours are reconciled, and what is ENOTTY.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "account.h"
#include "fdinfo.h"
#include "ioctl.h"
#include "iommufd_test.h"
#include "mock_iommu.h"
#include "object.h"
#include "selftest.h"
#include "trace.h"

static int destroy_ioctl(struct iommufd_call *call)
{
	struct iommu_destroy *cmd = call->arg;
	int ret = iommufd_object_destroy(call->ictx, cmd->id);

	if (ret == -EBUSY)
		return iommufd_refuse(IOMMUFD_REASON_OBJECT_IN_USE, ret);
	if (ret)
		return iommufd_refuse(IOMMUFD_REASON_NO_OBJECT, ret);
	return 0;
}

/**
 * struct ioctl_op - an ioctl
 * @size: of its struct, as this kernel knows it
 * @min_size: of its struct, as it was first defined
 * @handler: executes it
 */
struct ioctl_op {
	unsigned int size;
	unsigned int min_size;
	int (*handler)(struct iommufd_call *call);
};

/* Large enough for any struct in the table. */
union ioctl_arg {
	struct iommu_destroy destroy;
	struct iommu_fault_alloc fault_alloc;
	struct iommu_hw_info hw_info;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_hwpt_get_dirty_bitmap hwpt_get_dirty_bitmap;
	struct iommu_hwpt_invalidate hwpt_invalidate;
	struct iommu_hwpt_set_dirty_tracking hwpt_set_dirty_tracking;
	struct iommu_ioas_alloc ioas_alloc;
	struct iommu_ioas_allow_iovas ioas_allow_iovas;
	struct iommu_ioas_change_process ioas_change_process;
	struct iommu_ioas_copy ioas_copy;
	struct iommu_ioas_iova_ranges ioas_iova_ranges;
	struct iommu_ioas_map ioas_map;
	struct iommu_ioas_map_file ioas_map_file;
	struct iommu_ioas_unmap ioas_unmap;
	struct iommu_option option;
	struct iommu_test_cmd test;
	struct iommu_vfio_ioas vfio_ioas;
};

#define IOCTL(_nr, _handler, _struct, _min_field)                           \
	[(_nr) - IOMMUFD_CMD_BASE] = {                                      \
		.size = sizeof(_struct) +                                   \
			BUILD_BUG_ON_ZERO(sizeof(_struct) >                 \
					  sizeof(union ioctl_arg)) +        \
			BUILD_BUG_ON_ZERO(offsetof(_struct, size)),         \
		.min_size = offsetofend(_struct, _min_field),               \
		.handler = (_handler),                                      \
	}

static const struct ioctl_op ioctl_ops[] = {
	IOCTL(IOMMUFD_CMD_DESTROY, destroy_ioctl, struct iommu_destroy, id),
	IOCTL(IOMMUFD_CMD_IOAS_ALLOC, iommufd_ioas_alloc_ioctl,
	      struct iommu_ioas_alloc, out_ioas_id),
	IOCTL(IOMMUFD_CMD_IOAS_ALLOW_IOVAS, iommufd_ioas_allow_iovas_ioctl,
	      struct iommu_ioas_allow_iovas, allowed_iovas),
	IOCTL(IOMMUFD_CMD_IOAS_CHANGE_PROCESS,
	      iommufd_ioas_change_process_ioctl,
	      struct iommu_ioas_change_process, __reserved),
	IOCTL(IOMMUFD_CMD_IOAS_COPY, iommufd_ioas_copy_ioctl,
	      struct iommu_ioas_copy, src_iova),
	IOCTL(IOMMUFD_CMD_IOAS_IOVA_RANGES, iommufd_ioas_iova_ranges_ioctl,
	      struct iommu_ioas_iova_ranges, out_iova_alignment),
	IOCTL(IOMMUFD_CMD_IOAS_MAP, iommufd_ioas_map_ioctl,
	      struct iommu_ioas_map, iova),
	IOCTL(IOMMUFD_CMD_IOAS_MAP_FILE, iommufd_ioas_map_file_ioctl,
	      struct iommu_ioas_map_file, iova),
	IOCTL(IOMMUFD_CMD_IOAS_UNMAP, iommufd_ioas_unmap_ioctl,
	      struct iommu_ioas_unmap, length),
	IOCTL(IOMMUFD_CMD_OPTION, iommufd_option_ioctl, struct iommu_option, val64),
	IOCTL(IOMMUFD_CMD_VFIO_IOAS, iommufd_vfio_ioas_ioctl,
	      struct iommu_vfio_ioas, __reserved),
	IOCTL(IOMMUFD_CMD_HWPT_ALLOC, iommufd_hwpt_alloc_ioctl,
	      struct iommu_hwpt_alloc, __reserved),
	IOCTL(IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING,
	      iommufd_hwpt_set_dirty_tracking_ioctl,
	      struct iommu_hwpt_set_dirty_tracking, __reserved),
	IOCTL(IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP,
	      iommufd_hwpt_get_dirty_bitmap_ioctl,
	      struct iommu_hwpt_get_dirty_bitmap, data),
	IOCTL(IOMMUFD_CMD_HWPT_INVALIDATE, iommufd_hwpt_invalidate_ioctl,
	      struct iommu_hwpt_invalidate, __reserved),
	IOCTL(IOMMUFD_CMD_FAULT_QUEUE_ALLOC, iommufd_fault_queue_alloc_ioctl,
	      struct iommu_fault_alloc, out_fault_fd),
	IOCTL(IOMMUFD_CMD_GET_HW_INFO, iommufd_get_hw_info_ioctl,
	      struct iommu_hw_info, __reserved),
#ifdef CONFIG_IOMMUFD_TEST
	IOCTL(_IOC_NR(IOMMU_TEST_CMD), iommufd_test_ioctl,
	      struct iommu_test_cmd, last),
#endif
};

static const struct ioctl_op *find_op(unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd) - IOMMUFD_CMD_BASE;

	if (cmd != _IO(IOMMUFD_TYPE, _IOC_NR(cmd)) ||
	    nr >= ARRAY_SIZE(ioctl_ops))
		return NULL;
	nr = array_index_nospec(nr, ARRAY_SIZE(ioctl_ops));
	return ioctl_ops[nr].handler ? &ioctl_ops[nr] : NULL;
}

/**
 * iommufd_reply() - write the result of an ioctl to the caller's struct
 * @call: the call
 * @size: of our struct
 *
 * Context: process context; no locks held: touches user memory.
 * Return: 0 or -EFAULT.
 */
int iommufd_reply(struct iommufd_call *call, size_t size)
{
	if (copy_to_user(call->uptr, call->arg,
			 min_t(size_t, size, call->user_size)))
		return iommufd_refuse(IOMMUFD_REASON_STRUCT_UNWRITABLE,
				      -EFAULT);
	return 0;
}

/* Fills in the call's struct from the caller's. */
static int read_arg(struct iommufd_call *call, const struct ioctl_op *op)
{
	int ret;

	if (get_user(call->user_size, (u32 __user *)call->uptr))
		return iommufd_refuse(IOMMUFD_REASON_STRUCT_UNREADABLE,
				      -EFAULT);
	if (call->user_size < op->min_size)
		return iommufd_refuse(IOMMUFD_REASON_STRUCT_TOO_SHORT, -EINVAL);
	/* No struct is near this; do not read gigabytes of a caller's zeroes. */
	if (call->user_size > SZ_64K)
		return iommufd_refuse(IOMMUFD_REASON_STRUCT_TOO_LONG, -E2BIG);
	ret = copy_struct_from_user(call->arg, op->size, call->uptr,
				    call->user_size);
	if (ret == -E2BIG)
		return iommufd_refuse(IOMMUFD_REASON_STRUCT_UNKNOWN_FIELD, ret);
	if (ret)
		return iommufd_refuse(IOMMUFD_REASON_STRUCT_UNREADABLE, ret);
	return 0;
}

static long iommufd_ioctl(struct file *file, unsigned int cmd,
			  unsigned long uptr)
{
	const struct ioctl_op *op = find_op(cmd);
	union ioctl_arg arg;
	struct iommufd_call call = {
		.ictx = file->private_data,
		.uptr = (void __user *)uptr,
		.arg = &arg,
	};
	int ret;

	if (!op)
		return iommufd_vfio_ioctl(call.ictx, cmd, uptr);
	ret = read_arg(&call, op);
	if (ret)
		return ret;
	return op->handler(&call);
}

static struct miscdevice iommufd_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "iommu",
	.fops = &iommufd_fops,
	.nodename = "iommu",
	.mode = 0660,
};

/* /dev/vfio/vfio, where VFIO has no containers of its own */
static struct miscdevice container_misc = {
	.minor = VFIO_MINOR,
	.name = "vfio",
	.fops = &iommufd_fops,
	.nodename = "vfio/vfio",
	.mode = 0666,
};

static int iommufd_open(struct inode *inode, struct file *file)
{
	/* The misc core says by which node */
	bool is_container = file->private_data == &container_misc;
	struct iommufd_ctx *ictx;

	ictx = kzalloc(sizeof(*ictx), IOMMUFD_GFP);
	if (!ictx)
		return -ENOMEM;
	iommufd_ctx_init(ictx, file);
	/* What a process maps by it is charged to that, as type1 does. */
	if (is_container)
		ictx->payers.mode = IOMMUFD_ACCOUNT_MM;
	file->private_data = ictx;
	return 0;
}

static int iommufd_release(struct inode *inode, struct file *file)
{
	struct iommufd_ctx *ictx = file->private_data;

	iommufd_ctx_destroy(ictx);
	kfree(ictx);
	return 0;
}

const struct file_operations iommufd_fops = {
	.owner = THIS_MODULE,
	.open = iommufd_open,
	.release = iommufd_release,
	.unlocked_ioctl = iommufd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = iommufd_show_fdinfo,
};

/**
 * iommufd_ctx_from_file() - the context behind a file
 * @file: any open file
 *
 * Return: the context, which lives as long as @file; NULL when that is not a
 * /dev/iommu.
 */
struct iommufd_ctx *iommufd_ctx_from_file(struct file *file)
{
	return file->f_op == &iommufd_fops ? file->private_data : NULL;
}

static int __init iommufd_init(void)
{
	int ret;

	ret = mock_iommu_init();
	if (ret)
		return ret;
	ret = misc_register(&iommufd_misc);
	if (ret)
		goto err_mock;
	if (IS_ENABLED(CONFIG_IOMMUFD_VFIO_CONTAINER)) {
		ret = misc_register(&container_misc);
		if (ret)
			goto err_misc;
	}
	return 0;

err_misc:
	misc_deregister(&iommufd_misc);
err_mock:
	mock_iommu_exit();
	return ret;
}

static void __exit iommufd_exit(void)
{
	if (IS_ENABLED(CONFIG_IOMMUFD_VFIO_CONTAINER))
		misc_deregister(&container_misc);
	misc_deregister(&iommufd_misc);
	mock_iommu_exit();
	iommufd_account_exit();
}

module_init(iommufd_init);
module_exit(iommufd_exit);

MODULE_ALIAS("devname:iommu");
#if IS_ENABLED(CONFIG_IOMMUFD_VFIO_CONTAINER)
MODULE_ALIAS_MISCDEV(VFIO_MINOR);
MODULE_ALIAS("devname:vfio/vfio");
#endif
MODULE_DESCRIPTION("I/O address spaces for user space");
MODULE_IMPORT_NS(IOMMUFD);
MODULE_LICENSE("GPL");
