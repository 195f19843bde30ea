// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints.
 */
#include <linux/export.h>
#include <linux/vfio.h>

#include "vfio.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * vfio_refuse - Say why something fails
 * @reason: why
 * @ret: a negative errno
 *
 * A function of its own, so that all a refusal costs is a call where the path is
 * left anyway.
 *
 * Context: Any, also with locks held.
 * Return: @ret.
 */
int vfio_refuse(enum vfio_reason reason, int ret)
{
	trace_vfio_refused(reason, ret);
	return ret;
}
EXPORT_SYMBOL_GPL(vfio_refuse);

/**
 * vfio_trace_unbind - Say that a device is about to be unbound
 * @device: a device that is bound, and that nobody else unbinds
 */
void vfio_trace_unbind(struct vfio_device *device)
{
	if (trace_vfio_unbind_enabled())
		trace_vfio_unbind(device->dev, vfio_iommufd_id(device));
}

/**
 * vfio_trace_hot_reset - Say how a hot reset ended
 * @device: the open device by which it was asked for
 * @ret: 0 or a negative errno
 *
 * Return: @ret.
 */
int vfio_trace_hot_reset(struct vfio_device *device, int ret)
{
	if (trace_vfio_hot_reset_enabled())
		trace_vfio_hot_reset(device->dev, vfio_iommufd_id(device), ret);
	return ret;
}
EXPORT_SYMBOL_GPL(vfio_trace_hot_reset);
