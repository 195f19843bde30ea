/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of VFIO devices and their iommufds.
 *
 * Each operation has an event when it ends, with the device and the result.
 * Before that, whatever refuses it says why: vfio_refused, or iommufd_refused
 * if it is iommufd that does, which is that of the same thread.
 * Documentation/driver-api/vfio-cdev.rst has more.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio

#if !defined(_TRACE_VFIO_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_VFIO_H

#include <linux/device.h>
#include <linux/tracepoint.h>

/*
 * Why something is refused.  Each is the reason at one place, or at several
 * that mean the same.
 */
#define VFIO_REASONS							\
	/* of any ioctl */						\
	R(ARG_UNREADABLE,	"argument-unreadable")			\
	R(ARG_UNWRITABLE,	"argument-unwritable")			\
	R(ARGSZ_TOO_SMALL,	"argsz-too-small")			\
	R(UNKNOWN_FLAG,		"unknown-flag")				\
	R(UNKNOWN_FIELD,	"argument-has-unknown-field")		\
	R(FILE_OF_GROUP,	"file-of-group")			\
	R(NOT_BOUND,		"not-bound")				\
	R(NO_MEMORY,		"no-memory")				\
	/* bind */							\
	R(IOMMUFD_NEGATIVE,	"iommufd-negative")			\
	R(IOMMUFD_NOT_OPEN,	"iommufd-not-open")			\
	R(NO_ROOM_FOR_TOKEN,	"no-room-for-token")			\
	R(TOKEN_UNREADABLE,	"token-unreadable")			\
	R(TOKEN_NOT_TAKEN,	"token-not-taken")			\
	R(TOKEN_MISSING,	"token-missing")			\
	R(TOKEN_WRONG,		"token-wrong")				\
	R(ALREADY_BOUND,	"already-bound")			\
	R(OTHER_FILE_BOUND,	"other-file-bound")			\
	R(DEVICE_GONE,		"device-gone")				\
	R(GROUP_OPEN,		"group-open")				\
	R(NOT_PRIVILEGED,	"no-iommu-and-not-privileged")		\
	R(DRIVER_MATCH,		"driver-does-not-match")		\
	R(DRIVER_OPEN,		"driver-cannot-open")			\
	/* attach, detach */						\
	R(NO_ROOM_FOR_PASID,	"no-room-for-pasid")			\
	R(NO_PASIDS,		"no-pasids")				\
	R(NO_IOMMU,		"no-iommu")				\
	R(ATTACHED_UNTOLD,	"attached-but-argument-unwritable")	\
	/* hot reset */							\
	R(NO_HOT_RESET,		"no-hot-reset")				\
	R(DESCRIPTORS_OF_NODE,	"descriptors-given-by-node")		\
	R(NO_DESCRIPTOR,	"no-descriptor")			\
	R(TOO_MANY_DESCRIPTORS,	"too-many-descriptors")			\
	R(DESCRIPTOR_NOT_OPEN,	"descriptor-not-open")			\
	R(NOT_A_GROUP,		"not-a-group")				\
	R(DEVICE_WITHOUT_VFIO,	"device-without-vfio")			\
	R(DEVICE_NOT_OWNED,	"device-not-owned")			\
	R(GROUP_NOT_GIVEN,	"group-not-given")			\
	R(DEVICE_BUSY,		"device-busy")				\
	R(DEVICE_ASLEEP,	"device-does-not-wake")			\
	R_LAST(RESET_FAILED,	"reset-failed")

#ifndef _TRACE_VFIO_REASON
#define _TRACE_VFIO_REASON

#define R(name, text) VFIO_REASON_##name,
#define R_LAST(name, text) VFIO_REASON_##name

enum vfio_reason { VFIO_REASONS };

#undef R
#undef R_LAST
#endif

#define R(name, text) TRACE_DEFINE_ENUM(VFIO_REASON_##name);
#define R_LAST(name, text) TRACE_DEFINE_ENUM(VFIO_REASON_##name);

VFIO_REASONS

#undef R
#undef R_LAST
#define R(name, text) { VFIO_REASON_##name, text },
#define R_LAST(name, text) { VFIO_REASON_##name, text }

TRACE_EVENT(vfio_refused,
	TP_PROTO(enum vfio_reason reason, int ret),

	TP_ARGS(reason, ret),

	TP_STRUCT__entry(
		__field(unsigned int, reason)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->reason = reason;
		__entry->ret = ret;
	),

	TP_printk("reason=%s ret=%d",
		  __print_symbolic(__entry->reason, VFIO_REASONS),
		  __entry->ret)
);

/* @dev: NULL when it has gone; @id: what the iommufd calls it, 0 for none */
DECLARE_EVENT_CLASS(vfio_result_class,
	TP_PROTO(struct device *dev, u32 id, int ret),

	TP_ARGS(dev, id, ret),

	TP_STRUCT__entry(
		__string(name, dev ? dev_name(dev) : "-")
		__field(u32, id)
		__field(int, ret)
	),

	TP_fast_assign(
		__assign_str(name, dev ? dev_name(dev) : "-");
		__entry->id = id;
		__entry->ret = ret;
	),

	TP_printk("name=%s device=%u ret=%d", __get_str(name), __entry->id,
		  __entry->ret)
);

DEFINE_EVENT(vfio_result_class, vfio_bind,
	TP_PROTO(struct device *dev, u32 id, int ret),
	TP_ARGS(dev, id, ret)
);

DEFINE_EVENT(vfio_result_class, vfio_detach,
	TP_PROTO(struct device *dev, u32 id, int ret),
	TP_ARGS(dev, id, ret)
);

DEFINE_EVENT(vfio_result_class, vfio_hot_reset,
	TP_PROTO(struct device *dev, u32 id, int ret),
	TP_ARGS(dev, id, ret)
);

TRACE_EVENT(vfio_unbind,
	TP_PROTO(struct device *dev, u32 id),

	TP_ARGS(dev, id),

	TP_STRUCT__entry(
		__string(name, dev_name(dev))
		__field(u32, id)
	),

	TP_fast_assign(
		__assign_str(name, dev_name(dev));
		__entry->id = id;
	),

	TP_printk("name=%s device=%u", __get_str(name), __entry->id)
);

/*
 * @pt: what was asked for, 0 if that was not even read; @used: what is told to
 * the caller on success
 */
TRACE_EVENT(vfio_attach,
	TP_PROTO(struct device *dev, u32 id, u32 pt, u32 used, int ret),

	TP_ARGS(dev, id, pt, used, ret),

	TP_STRUCT__entry(
		__string(name, dev_name(dev))
		__field(u32, id)
		__field(u32, pt)
		__field(u32, used)
		__field(int, ret)
	),

	TP_fast_assign(
		__assign_str(name, dev_name(dev));
		__entry->id = id;
		__entry->pt = pt;
		__entry->used = ret ? 0 : used;
		__entry->ret = ret;
	),

	TP_printk("name=%s device=%u pt=%u used=%u ret=%d", __get_str(name),
		  __entry->id, __entry->pt, __entry->used, __entry->ret)
);

#undef R
#undef R_LAST

#endif

#include <trace/define_trace.h>
