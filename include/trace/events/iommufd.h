/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of /dev/iommu.
 *
 * Each operation has an event when it ends, with ids, range and result.  Before
 * that, whatever refuses it says why, by the event iommufd_refused, which is
 * that of the same thread.  Documentation/userspace-api/iommufd.rst has more.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iommufd

#if !defined(_TRACE_IOMMUFD_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_IOMMUFD_H

#include <linux/device.h>
#include <linux/tracepoint.h>
#include <uapi/linux/iommufd.h>

/*
 * Why something is refused.  Each is the reason at one place, or at several
 * that mean the same.  A fatal signal, EINTR, is its own reason.
 */
#define IOMMUFD_REASONS							\
	/* of any ioctl */						\
	R(STRUCT_TOO_SHORT,	"struct-too-short")			\
	R(STRUCT_TOO_LONG,	"struct-too-long")			\
	R(STRUCT_UNKNOWN_FIELD,	"struct-has-unknown-field")		\
	R(STRUCT_UNREADABLE,	"struct-unreadable")			\
	R(STRUCT_UNWRITABLE,	"struct-unwritable")			\
	R(UNKNOWN_FLAG,		"unknown-flag")				\
	R(NO_OBJECT,		"no-such-object")			\
	R(NO_IOAS,		"no-such-ioas")				\
	R(OBJECT_IN_USE,	"object-in-use")			\
	R(NO_ID_LEFT,		"no-id-left")				\
	R(NO_MEMORY,		"no-memory")				\
	/* map, copy: what is asked for */				\
	R(NUMBER_TOO_LARGE,	"number-too-large")			\
	R(NO_ACCESS_ASKED,	"neither-readable-nor-writable")	\
	R(LENGTH_ZERO,		"length-zero")				\
	R(LENGTH_TOO_LONG,	"length-too-long")			\
	R(LENGTH_UNPLACEABLE,	"length-unplaceable")			\
	R(LENGTH_MISALIGNED,	"length-misaligned")			\
	R(MEMORY_WRAPS,		"memory-wraps")				\
	R(MEMORY_MISALIGNED,	"memory-misaligned")			\
	R(IOVA_WRAPS,		"iova-wraps")				\
	R(IOVA_MISALIGNED,	"iova-misaligned")			\
	R(IOVA_RESERVED,	"iova-reserved")			\
	R(IOVA_BEYOND_APERTURE,	"iova-beyond-aperture")			\
	R(IOVA_TAKEN,		"iova-taken")				\
	R(NO_GAP,		"no-gap")				\
	R(NO_FILE,		"no-file")				\
	R(FILE_UNSUITABLE,	"file-unsuitable")			\
	R(FILE_SEALED,		"file-sealed")				\
	R(FILE_TOO_SHORT,	"file-too-short")			\
	R(SOURCE_NOT_MAPPED,	"source-not-mapped")			\
	R(SOURCE_BUSY,		"source-busy")				\
	R(SOURCE_READ_ONLY,	"source-read-only")			\
	/* map, attach: memory */					\
	R(MEMLOCK_OF_USER,	"memlock-of-user")			\
	R(MEMLOCK_OF_PROCESS,	"memlock-of-process")			\
	R(PROCESS_GONE,		"process-gone")				\
	R(MEMORY_NOT_THERE,	"memory-not-there")			\
	R(MEMORY_IS_IO,		"memory-is-io")				\
	R(MEMORY_PROTECTED,	"memory-protected")			\
	R(MEMORY_UNPINNABLE,	"memory-unpinnable")			\
	R(DRIVER_MAP,		"driver-cannot-map")			\
	/* unmap */							\
	R(NOTHING_MAPPED,	"nothing-mapped")			\
	R(MAPPING_CUT,		"mapping-cut")				\
	R(MAPPING_BUSY,		"mapping-busy")				\
	R(CUT_MISALIGNED,	"cut-misaligned")			\
	/* allowed ranges */						\
	R(ALLOWED_EMPTY,	"allowed-empty")			\
	R(ALLOWED_OVERLAPS,	"allowed-overlaps")			\
	R(ALLOWED_RESERVED,	"allowed-reserved")			\
	/* bind */							\
	R(NOT_IOMMUFD,		"not-an-iommufd")			\
	R(NO_GROUP,		"no-group")				\
	R(NOT_COHERENT,		"not-coherent")				\
	R(INTERRUPTS_UNSAFE,	"interrupts-unsafe")			\
	R(GROUP_OWNED,		"group-owned")				\
	R(GROUP_NOT_DEFAULT,	"group-not-in-default-domain")		\
	/* attach */							\
	R(NOT_ATTACHABLE,	"neither-ioas-nor-hwpt")		\
	R(ALREADY_ATTACHED,	"already-attached")			\
	R(GROUP_ELSEWHERE,	"group-attached-elsewhere")		\
	R(HWPT_GOING,		"hwpt-going")				\
	R(OTHER_DRIVER,		"hwpt-of-other-driver")			\
	R(COHERENCY_LOST,	"hwpt-not-coherent")			\
	R(NO_DOMAIN,		"driver-has-no-domain")			\
	R(DRIVER_ATTACH,	"driver-cannot-attach")			\
	R(NO_MSI_WINDOW,	"no-msi-window")			\
	R(PAGE_TOO_LARGE,	"iommu-page-too-large")			\
	R(MAPPED_RESERVED,	"mapping-in-reserved-range")		\
	R(MAPPED_BEYOND,	"mapping-beyond-aperture")		\
	R(MAPPED_MISALIGNED,	"mapping-misaligned")			\
	R(ALLOWED_IN_RESERVED,	"allowed-in-reserved-range")		\
	R_LAST(ALLOWED_BEYOND,	"allowed-beyond-aperture")

#ifndef _TRACE_IOMMUFD_REASON
#define _TRACE_IOMMUFD_REASON

#define R(name, text) IOMMUFD_REASON_##name,
#define R_LAST(name, text) IOMMUFD_REASON_##name

enum iommufd_reason { IOMMUFD_REASONS };

#undef R
#undef R_LAST
#endif

#define R(name, text) TRACE_DEFINE_ENUM(IOMMUFD_REASON_##name);
#define R_LAST(name, text) TRACE_DEFINE_ENUM(IOMMUFD_REASON_##name);

IOMMUFD_REASONS

#undef R
#undef R_LAST
#define R(name, text) { IOMMUFD_REASON_##name, text },
#define R_LAST(name, text) { IOMMUFD_REASON_##name, text }

TRACE_DEFINE_ENUM(IOMMU_IOAS_MAP_FIXED_IOVA);
TRACE_DEFINE_ENUM(IOMMU_IOAS_MAP_WRITEABLE);
TRACE_DEFINE_ENUM(IOMMU_IOAS_MAP_READABLE);

#define show_map_flags(flags)						\
	__print_flags(flags, "|",					\
		      { IOMMU_IOAS_MAP_FIXED_IOVA, "FIXED" },		\
		      { IOMMU_IOAS_MAP_WRITEABLE, "WRITEABLE" },	\
		      { IOMMU_IOAS_MAP_READABLE, "READABLE" })

TRACE_EVENT(iommufd_refused,
	TP_PROTO(enum iommufd_reason reason, int ret),

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
		  __print_symbolic(__entry->reason, IOMMUFD_REASONS),
		  __entry->ret)
);

TRACE_EVENT(iommufd_charge_refused,
	TP_PROTO(bool user, unsigned long npages, unsigned long locked,
		 unsigned long limit),

	TP_ARGS(user, npages, locked, limit),

	TP_STRUCT__entry(
		__field(bool, user)
		__field(unsigned long, npages)
		__field(unsigned long, locked)
		__field(unsigned long, limit)
	),

	TP_fast_assign(
		__entry->user = user;
		__entry->npages = npages;
		__entry->locked = locked;
		__entry->limit = limit;
	),

	TP_printk("mode=%s npages=%lu locked=%lu limit=%lu",
		  __entry->user ? "user" : "process", __entry->npages,
		  __entry->locked, __entry->limit)
);

/* @from: a user address, or the offset in the file @fd, which is else -1 */
TRACE_EVENT(iommufd_map,
	TP_PROTO(u32 ioas, u64 iova, u64 length, u64 from, int fd, u32 flags,
		 int ret),

	TP_ARGS(ioas, iova, length, from, fd, flags, ret),

	TP_STRUCT__entry(
		__field(u32, ioas)
		__field(u64, iova)
		__field(u64, length)
		__field(u64, from)
		__field(int, fd)
		__field(u32, flags)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ioas = ioas;
		__entry->iova = iova;
		__entry->length = length;
		__entry->from = from;
		__entry->fd = fd;
		__entry->flags = flags;
		__entry->ret = ret;
	),

	TP_printk("ioas=%u iova=0x%llx length=0x%llx from=0x%llx fd=%d flags=%s ret=%d",
		  __entry->ioas, __entry->iova, __entry->length, __entry->from,
		  __entry->fd, show_map_flags(__entry->flags), __entry->ret)
);

TRACE_EVENT(iommufd_copy,
	TP_PROTO(u32 ioas, u64 iova, u64 length, u32 src_ioas, u64 src_iova,
		 u32 flags, int ret),

	TP_ARGS(ioas, iova, length, src_ioas, src_iova, flags, ret),

	TP_STRUCT__entry(
		__field(u32, ioas)
		__field(u64, iova)
		__field(u64, length)
		__field(u32, src_ioas)
		__field(u64, src_iova)
		__field(u32, flags)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ioas = ioas;
		__entry->iova = iova;
		__entry->length = length;
		__entry->src_ioas = src_ioas;
		__entry->src_iova = src_iova;
		__entry->flags = flags;
		__entry->ret = ret;
	),

	TP_printk("ioas=%u iova=0x%llx length=0x%llx src_ioas=%u src_iova=0x%llx flags=%s ret=%d",
		  __entry->ioas, __entry->iova, __entry->length,
		  __entry->src_ioas, __entry->src_iova,
		  show_map_flags(__entry->flags), __entry->ret)
);

TRACE_EVENT(iommufd_unmap,
	TP_PROTO(u32 ioas, u64 iova, u64 length, u64 unmapped, int ret),

	TP_ARGS(ioas, iova, length, unmapped, ret),

	TP_STRUCT__entry(
		__field(u32, ioas)
		__field(u64, iova)
		__field(u64, length)
		__field(u64, unmapped)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ioas = ioas;
		__entry->iova = iova;
		__entry->length = length;
		__entry->unmapped = unmapped;
		__entry->ret = ret;
	),

	TP_printk("ioas=%u iova=0x%llx length=0x%llx unmapped=0x%llx ret=%d",
		  __entry->ioas, __entry->iova, __entry->length,
		  __entry->unmapped, __entry->ret)
);

/* @from: a user address of the process that pays, or the offset in a file */
TRACE_EVENT(iommufd_pin,
	TP_PROTO(bool file, unsigned long from, unsigned long npages, int ret),

	TP_ARGS(file, from, npages, ret),

	TP_STRUCT__entry(
		__field(bool, file)
		__field(unsigned long, from)
		__field(unsigned long, npages)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->file = file;
		__entry->from = from;
		__entry->npages = npages;
		__entry->ret = ret;
	),

	TP_printk("of=%s from=0x%lx npages=%lu ret=%d",
		  __entry->file ? "file" : "process", __entry->from,
		  __entry->npages, __entry->ret)
);

TRACE_EVENT(iommufd_bind,
	TP_PROTO(struct device *dev, u32 id, int ret),

	TP_ARGS(dev, id, ret),

	TP_STRUCT__entry(
		__string(name, dev_name(dev))
		__field(u32, id)
		__field(int, ret)
	),

	TP_fast_assign(
		__assign_str(name, dev_name(dev));
		__entry->id = id;
		__entry->ret = ret;
	),

	TP_printk("name=%s device=%u ret=%d", __get_str(name), __entry->id,
		  __entry->ret)
);

TRACE_EVENT(iommufd_unbind,
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

/* @pt: the IOAS or HWPT that was asked for; @hwpt: what is used, on success */
DECLARE_EVENT_CLASS(iommufd_attach_class,
	TP_PROTO(u32 id, u32 pt, u32 hwpt, int ret),

	TP_ARGS(id, pt, hwpt, ret),

	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, pt)
		__field(u32, hwpt)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->pt = pt;
		__entry->hwpt = ret ? 0 : hwpt;
		__entry->ret = ret;
	),

	TP_printk("device=%u pt=%u hwpt=%u ret=%d", __entry->id, __entry->pt,
		  __entry->hwpt, __entry->ret)
);

DEFINE_EVENT(iommufd_attach_class, iommufd_attach,
	TP_PROTO(u32 id, u32 pt, u32 hwpt, int ret),
	TP_ARGS(id, pt, hwpt, ret)
);

DEFINE_EVENT(iommufd_attach_class, iommufd_replace,
	TP_PROTO(u32 id, u32 pt, u32 hwpt, int ret),
	TP_ARGS(id, pt, hwpt, ret)
);

/* @hwpt: what the whole group has left; 0 while others of it are attached */
TRACE_EVENT(iommufd_detach,
	TP_PROTO(u32 id, u32 hwpt),

	TP_ARGS(id, hwpt),

	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, hwpt)
	),

	TP_fast_assign(
		__entry->id = id;
		__entry->hwpt = hwpt;
	),

	TP_printk("device=%u hwpt=%u", __entry->id, __entry->hwpt)
);

#undef show_map_flags
#undef R
#undef R_LAST

#endif

#include <trace/define_trace.h>
