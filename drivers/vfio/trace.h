/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Saying what happens, and why it does not.
 */
#ifndef __VFIO_TRACE_H__
#define __VFIO_TRACE_H__

#include <trace/events/vfio.h>

struct vfio_device;

void vfio_trace_unbind(struct vfio_device *device);

/* These return @ret. */
__cold int vfio_refuse(enum vfio_reason reason, int ret);
int vfio_trace_hot_reset(struct vfio_device *device, int ret);

#endif
