/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the ioctl table and the handlers share.
 */
#ifndef _IOMMUFD_IOCTL_H
#define _IOMMUFD_IOCTL_H

#include <linux/types.h>

struct iommufd_ctx;
struct iommufd_ioas;

/**
 * struct iommufd_call - an ioctl under way
 * @ictx: the context
 * @uptr: the caller's struct
 * @user_size: its size, which the caller chose
 * @arg: our copy of it, of the size that we know
 */
struct iommufd_call {
	struct iommufd_ctx *ictx;
	void __user *uptr;
	u32 user_size;
	void *arg;
};

int iommufd_reply(struct iommufd_call *call, size_t size);

/* hw_info.c */
int iommufd_get_hw_info_ioctl(struct iommufd_call *call);

/* hwpt_ioctl.c */
int iommufd_hwpt_alloc_ioctl(struct iommufd_call *call);
int iommufd_hwpt_set_dirty_tracking_ioctl(struct iommufd_call *call);
int iommufd_hwpt_get_dirty_bitmap_ioctl(struct iommufd_call *call);
int iommufd_hwpt_invalidate_ioctl(struct iommufd_call *call);
int iommufd_fault_queue_alloc_ioctl(struct iommufd_call *call);

/* change_process.c */
int iommufd_ioas_change_process_ioctl(struct iommufd_call *call);

/* ioas.c */
int iommufd_ioas_alloc_ioctl(struct iommufd_call *call);
int iommufd_ioas_allow_iovas_ioctl(struct iommufd_call *call);
int iommufd_ioas_copy_ioctl(struct iommufd_call *call);
int iommufd_ioas_iova_ranges_ioctl(struct iommufd_call *call);
int iommufd_ioas_map_ioctl(struct iommufd_call *call);
int iommufd_ioas_map_file_ioctl(struct iommufd_call *call);
int iommufd_ioas_unmap_ioctl(struct iommufd_call *call);

/* option.c */
int iommufd_option_ioctl(struct iommufd_call *call);

/* vfio_compat.c */
int iommufd_vfio_ioas_ioctl(struct iommufd_call *call);
long iommufd_vfio_ioctl(struct iommufd_ctx *ictx, unsigned int cmd,
			unsigned long arg);
void iommufd_vfio_forget_ioas(struct iommufd_ctx *ictx,
			      struct iommufd_ioas *ioas);

#endif
