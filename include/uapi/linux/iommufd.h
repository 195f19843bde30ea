/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ioctls of /dev/iommu.
 *
 * An open file of /dev/iommu is a context.  It holds objects, each known by a
 * 32 bit id that is never 0: I/O address spaces (IOAS) into which memory is
 * mapped, hardware page tables (HWPT) that translate what an IOAS holds,
 * devices that VFIO bound to the file, and more.  Closing the file's last
 * descriptor destroys all of them.
 */
#ifndef _UAPI_IOMMUFD_H
#define _UAPI_IOMMUFD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IOMMUFD_TYPE (';')

/**
 * DOC: Rules common to all ioctls
 *
 * The argument points to the ioctl's struct, whose first field is always
 * @size.  Set it to sizeof() of the struct that the program was compiled
 * with.  A kernel that knows a longer one takes the missing tail as zero; a
 * kernel that knows a shorter one accepts the call if the tail is zero.  The
 * kernel writes the struct back, up to the shorter of both sizes.
 *
 * Every range given by its bounds includes its last byte.  IOVAs, addresses
 * and lengths are in bytes.  Unless a struct's description says otherwise an
 * ioctl returns 0 or fails with one of
 *
 * =========== =============================================================
 * EFAULT      The argument, or memory it points to, cannot be accessed.
 * EINVAL      @size is too small, or a value is understood but not usable.
 * E2BIG       @size is larger than the kernel's struct, and a byte of what
 *             the kernel does not know is not zero; or @size is over 64 KiB.
 * ENOTTY      This kernel has no such ioctl.
 * EOPNOTSUPP  An unknown flag or value, or a reserved field is not zero.
 * ENOENT      No object has this id, or it is of another type.
 * EOVERFLOW   A range does not fit the numbers.
 * ENOMEM      The kernel is out of memory, or RLIMIT_MEMLOCK is exceeded.
 * =========== =============================================================
 *
 * The file may be opened read-only.
 */
enum {
	IOMMUFD_CMD_BASE = 0x80,
	IOMMUFD_CMD_DESTROY = IOMMUFD_CMD_BASE,
	IOMMUFD_CMD_IOAS_ALLOC = 0x81,
	IOMMUFD_CMD_IOAS_ALLOW_IOVAS = 0x82,
	IOMMUFD_CMD_IOAS_COPY = 0x83,
	IOMMUFD_CMD_IOAS_IOVA_RANGES = 0x84,
	IOMMUFD_CMD_IOAS_MAP = 0x85,
	IOMMUFD_CMD_IOAS_UNMAP = 0x86,
	IOMMUFD_CMD_OPTION = 0x87,
	IOMMUFD_CMD_VFIO_IOAS = 0x88,
	IOMMUFD_CMD_HWPT_ALLOC = 0x89,
	IOMMUFD_CMD_GET_HW_INFO = 0x8a,
	IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING = 0x8b,
	IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP = 0x8c,
	IOMMUFD_CMD_HWPT_INVALIDATE = 0x8d,
	IOMMUFD_CMD_FAULT_QUEUE_ALLOC = 0x8e,
	IOMMUFD_CMD_IOAS_MAP_FILE = 0x8f,
	IOMMUFD_CMD_VIOMMU_ALLOC = 0x90,
	IOMMUFD_CMD_VDEVICE_ALLOC = 0x91,
	IOMMUFD_CMD_IOAS_CHANGE_PROCESS = 0x92,
	IOMMUFD_CMD_VEVENTQ_ALLOC = 0x93,
	IOMMUFD_CMD_HW_QUEUE_ALLOC = 0x94,
	IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA = 0x95,
};

/**
 * struct iommu_destroy - ioctl(IOMMU_DESTROY)
 * @size: sizeof(struct iommu_destroy)
 * @id: in: any object that an ioctl of this file made
 *
 * Ends an object and frees its id.  EBUSY, with nothing changed, while
 * something uses it: an IOAS with a HWPT, a HWPT that is attached or the parent
 * of another, a device until it is unbound, a queue whose descriptor is open, an
 * IOAS into which a map is still faulting memory in.  Mappings do not keep an
 * IOAS, they go with it.
 */
struct iommu_destroy {
	__u32 size;
	__u32 id;
};

#define IOMMU_DESTROY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_DESTROY)

/**
 * struct iommu_ioas_alloc - ioctl(IOMMU_IOAS_ALLOC)
 * @size: sizeof(struct iommu_ioas_alloc)
 * @flags: in: 0
 * @out_ioas_id: out: the new object
 *
 * Makes an empty I/O address space.  It spans all 64 bit addresses until a
 * device is attached, whose IOMMU then narrows it.
 */
struct iommu_ioas_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_ioas_id;
};

#define IOMMU_IOAS_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOC)

/**
 * struct iommu_iova_range - A stretch of I/O addresses
 * @start: its first byte
 * @last: its last byte
 */
struct iommu_iova_range {
	__aligned_u64 start;
	__aligned_u64 last;
};

/**
 * struct iommu_ioas_iova_ranges - ioctl(IOMMU_IOAS_IOVA_RANGES)
 * @size: sizeof(struct iommu_ioas_iova_ranges)
 * @ioas_id: in: an IOAS
 * @num_iovas: in: entries that the array has room for; out: how many ranges
 *             there are
 * @__reserved: in: 0
 * @allowed_iovas: in: pointer to an array of struct iommu_iova_range, which is
 *                 filled in ascending order
 * @out_iova_alignment: out: bytes, a power of two from 1 to the page size
 *
 * Tells where something may be mapped.  What exists already is not taken out.
 * The answer holds until a device is attached, which may remove ranges and
 * raise the alignment, or detached.  EMSGSIZE when the array is too small: it
 * is then filled as far as it goes and @num_iovas says what is needed, so 0 is
 * a way to ask for the number.
 */
struct iommu_ioas_iova_ranges {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
	__aligned_u64 out_iova_alignment;
};

#define IOMMU_IOAS_IOVA_RANGES _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_IOVA_RANGES)

/**
 * struct iommu_ioas_allow_iovas - ioctl(IOMMU_IOAS_ALLOW_IOVAS)
 * @size: sizeof(struct iommu_ioas_allow_iovas)
 * @ioas_id: in: an IOAS
 * @num_iovas: in: entries in the array; 0 lifts the restriction
 * @__reserved: in: 0
 * @allowed_iovas: in: pointer to an array of struct iommu_iova_range, in any
 *                 order
 *
 * Confines automatic IOVAs to these ranges and promises them to the caller: a
 * device that reserves a part of one cannot be attached any more.  The list
 * replaces the one before.  EINVAL when a range is empty or backwards, or two
 * overlap.  EADDRINUSE when a range is reserved already; the old list then
 * stays.
 */
struct iommu_ioas_allow_iovas {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
};

#define IOMMU_IOAS_ALLOW_IOVAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOW_IOVAS)

/**
 * enum iommufd_ioas_map_flags - Flags of MAP, MAP_FILE and COPY
 * @IOMMU_IOAS_MAP_FIXED_IOVA: The caller chooses the IOVA.  Without it the
 *                             kernel picks one that is free and returns it.
 * @IOMMU_IOAS_MAP_WRITEABLE: Devices may write
 * @IOMMU_IOAS_MAP_READABLE: Devices may read
 *
 * At least one of the last two is needed, otherwise EINVAL.
 */
enum iommufd_ioas_map_flags {
	IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0,
	IOMMU_IOAS_MAP_WRITEABLE = 1 << 1,
	IOMMU_IOAS_MAP_READABLE = 1 << 2,
};

/**
 * struct iommu_ioas_map - ioctl(IOMMU_IOAS_MAP)
 * @size: sizeof(struct iommu_ioas_map)
 * @flags: in: of enum iommufd_ioas_map_flags
 * @ioas_id: in: an IOAS
 * @__reserved: in: 0
 * @user_va: in: address of the memory in the calling process
 * @length: in: bytes, not 0
 * @iova: in: where to map it, if IOMMU_IOAS_MAP_FIXED_IOVA is set; out: where
 *        it is mapped
 *
 * Gives devices access to memory of the caller.  While a device is attached
 * the memory is pinned, charged to the caller and mapped before the ioctl
 * returns; otherwise all of that waits for the attach.  Unmapping or remapping
 * the virtual address later does not change what devices see.
 *
 * An IOVA chosen by the kernel is never 0, lies within what
 * IOMMU_IOAS_ALLOW_IOVAS allows, and has the offset in its page that @user_va
 * has.
 *
 * ========== ==============================================================
 * EINVAL     @length is 0; @length, a fixed @iova, or @user_va within its
 *            page does not fit the IOAS's alignment; or a fixed range touches
 *            a reserved one.
 * EEXIST     A fixed range touches an existing mapping, be it one that another
 *            call is still making or removing.
 * ENOSPC     There is no free range that long.
 * EOVERFLOW  A range wraps, or @iova or @length is the highest number.
 * EFAULT     The memory cannot be pinned: there is none, it is a device's, or
 *            it may not be written.
 * ENOMEM     RLIMIT_MEMLOCK would be exceeded.
 * ========== ==============================================================
 *
 * Nothing is mapped or pinned after a failure.
 */
struct iommu_ioas_map {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 user_va;
	__aligned_u64 length;
	__aligned_u64 iova;
};

#define IOMMU_IOAS_MAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP)

/**
 * struct iommu_ioas_map_file - ioctl(IOMMU_IOAS_MAP_FILE)
 * @size: sizeof(struct iommu_ioas_map_file)
 * @flags: in: as for IOMMU_IOAS_MAP
 * @ioas_id: in: an IOAS
 * @fd: in: a descriptor from memfd_create(), with or without huge pages, or of
 *      a file on tmpfs or hugetlbfs
 * @start: in: offset in the file, in bytes
 * @length: in: bytes, not 0
 * @iova: in/out: as for IOMMU_IOAS_MAP
 *
 * Maps a part of a file, which need not be mapped in any process.  Holes are
 * filled when the memory is pinned.  Besides the errors of IOMMU_IOAS_MAP:
 *
 * ========== ==============================================================
 * EBADF      There is no such descriptor.
 * EINVAL     It is not of that kind, or the range ends past the end of the
 *            file.
 * EACCES     It is not open for reading or, if devices may write, not for
 *            writing.
 * EPERM      Devices may write, and the file is sealed against it.
 * EOPNOTSUPP This kernel cannot map files.
 * ========== ==============================================================
 *
 * While devices may write, the file cannot be sealed against it.
 */
struct iommu_ioas_map_file {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__s32 fd;
	__aligned_u64 start;
	__aligned_u64 length;
	__aligned_u64 iova;
};

#define IOMMU_IOAS_MAP_FILE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP_FILE)

/**
 * struct iommu_ioas_copy - ioctl(IOMMU_IOAS_COPY)
 * @size: sizeof(struct iommu_ioas_copy)
 * @flags: in: of enum iommufd_ioas_map_flags
 * @dst_ioas_id: in: the IOAS to map into
 * @src_ioas_id: in: the IOAS that has the memory mapped, may be the same
 * @length: in: bytes, not 0
 * @dst_iova: in/out: as iova for IOMMU_IOAS_MAP
 * @src_iova: in: start of the source range
 *
 * Maps once more what an IOAS has mapped, be it a part of a mapping or several
 * adjacent ones.  Memory that both share is pinned and charged only once.
 * Besides the errors of IOMMU_IOAS_MAP: ENOENT when the source range is not
 * wholly mapped, EPERM when IOMMU_IOAS_MAP_WRITEABLE is asked for and the
 * source does not have it.
 */
struct iommu_ioas_copy {
	__u32 size;
	__u32 flags;
	__u32 dst_ioas_id;
	__u32 src_ioas_id;
	__aligned_u64 length;
	__aligned_u64 dst_iova;
	__aligned_u64 src_iova;
};

#define IOMMU_IOAS_COPY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_COPY)

/**
 * struct iommu_ioas_unmap - ioctl(IOMMU_IOAS_UNMAP)
 * @size: sizeof(struct iommu_ioas_unmap)
 * @ioas_id: in: an IOAS
 * @iova: in: start of the range
 * @length: in: its bytes; out: how many of them were mapped
 *
 * Removes every mapping within the range, and after that their memory's pins.
 * Parts of the range may be free.  @iova 0 with @length U64_MAX stands for all
 * of the IOAS and succeeds even if that is empty.  ENOENT, with nothing
 * changed, when the range holds no mapping or an end of it lies inside one.
 * EBUSY when another call is still mapping or unmapping there.
 */
struct iommu_ioas_unmap {
	__u32 size;
	__u32 ioas_id;
	__aligned_u64 iova;
	__aligned_u64 length;
};

#define IOMMU_IOAS_UNMAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_UNMAP)

/**
 * enum iommufd_option - What IOMMU_OPTION reads or changes
 * @IOMMU_OPTION_RLIMIT_MODE: Of the whole file, object_id is 0.  Who is
 *	charged for pinned memory: the user (0, the default) or the process
 *	(1).  Setting it takes CAP_SYS_RESOURCE, otherwise EPERM, and is
 *	EBUSY once an object exists.
 * @IOMMU_OPTION_HUGE_PAGES: Of the IOAS object_id.  Whether pages that are
 *	contiguous may be mapped by one I/O page table entry (1, the default).
 *	With 0 every mapping has page size alignment and can be cut at any
 *	page.  Turning it off is EINVAL while a device is attached and memory
 *	mapped, EADDRINUSE when mappings do not have that alignment.
 */
enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0,
	IOMMU_OPTION_HUGE_PAGES = 1,
};

/**
 * enum iommufd_option_ops - What IOMMU_OPTION does
 * @IOMMU_OPTION_OP_SET: Take the value from val64
 * @IOMMU_OPTION_OP_GET: Store the value in val64
 */
enum iommufd_option_ops {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

/**
 * struct iommu_option - ioctl(IOMMU_OPTION)
 * @size: sizeof(struct iommu_option)
 * @option_id: in: of enum iommufd_option
 * @op: in: of enum iommufd_option_ops
 * @__reserved: in: 0
 * @object_id: in: the object that has the option, or 0
 * @val64: in (SET), out (GET): its value; EINVAL for one that it cannot take
 *
 * Reads or changes a setting.
 */
struct iommu_option {
	__u32 size;
	__u32 option_id;
	__u16 op;
	__u16 __reserved;
	__u32 object_id;
	__aligned_u64 val64;
};

#define IOMMU_OPTION _IO(IOMMUFD_TYPE, IOMMUFD_CMD_OPTION)

/**
 * enum iommufd_vfio_ioas_op - What IOMMU_VFIO_IOAS does
 * @IOMMU_VFIO_IOAS_GET: Return the IOAS in ioas_id, ENODEV if there is none
 * @IOMMU_VFIO_IOAS_SET: Make ioas_id the IOAS
 * @IOMMU_VFIO_IOAS_CLEAR: Have none
 */
enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

/**
 * struct iommu_vfio_ioas - ioctl(IOMMU_VFIO_IOAS)
 * @size: sizeof(struct iommu_vfio_ioas)
 * @ioas_id: in (SET), out (GET): an IOAS
 * @op: in: of enum iommufd_vfio_ioas_op
 * @__reserved: in: 0
 *
 * Chooses the IOAS on which this file's VFIO container ioctls work.  It can be
 * destroyed like any other, and then there is none.
 */
struct iommu_vfio_ioas {
	__u32 size;
	__u32 ioas_id;
	__u16 op;
	__u16 __reserved;
};

#define IOMMU_VFIO_IOAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VFIO_IOAS)

/**
 * enum iommufd_hwpt_alloc_flags - Flags of IOMMU_HWPT_ALLOC
 * @IOMMU_HWPT_ALLOC_NEST_PARENT: The HWPT can be stage 2 under nested ones
 * @IOMMU_HWPT_ALLOC_DIRTY_TRACKING: Only devices whose IOMMU can track writes
 *                                   may be attached
 * @IOMMU_HWPT_FAULT_ID_VALID: fault_id names a queue that receives the page
 *                             faults of this HWPT
 * @IOMMU_HWPT_ALLOC_PASID: The HWPT can be attached to a PASID of a device
 */
enum iommufd_hwpt_alloc_flags {
	IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0,
	IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1,
	IOMMU_HWPT_FAULT_ID_VALID = 1 << 2,
	IOMMU_HWPT_ALLOC_PASID = 1 << 3,
};

/**
 * enum iommu_hwpt_vtd_s1_flags - Bits of a VT-d stage 1 PASID table entry
 * @IOMMU_VTD_S1_SRE: Supervisor requests are allowed
 * @IOMMU_VTD_S1_EAFE: The extended accessed flag is set on use
 * @IOMMU_VTD_S1_WPE: Supervisor writes respect write protection
 */
enum iommu_hwpt_vtd_s1_flags {
	IOMMU_VTD_S1_SRE = 1 << 0,
	IOMMU_VTD_S1_EAFE = 1 << 1,
	IOMMU_VTD_S1_WPE = 1 << 2,
};

/**
 * struct iommu_hwpt_vtd_s1 - A guest's VT-d stage 1 page table
 * @flags: in: of enum iommu_hwpt_vtd_s1_flags
 * @pgtbl_addr: in: the table's root, an address that the parent translates
 * @addr_width: in: bits of an address that it translates
 * @__reserved: in: 0
 */
struct iommu_hwpt_vtd_s1 {
	__aligned_u64 flags;
	__aligned_u64 pgtbl_addr;
	__u32 addr_width;
	__u32 __reserved;
};

/**
 * struct iommu_hwpt_arm_smmuv3 - A guest's SMMUv3 stream table entry
 * @ste: in: its first two words, little endian
 */
struct iommu_hwpt_arm_smmuv3 {
	__aligned_le64 ste[2];
};

/**
 * struct iommu_hwpt_amd_guest - A guest's AMD device table entry
 * @dte: in: its four words
 */
struct iommu_hwpt_amd_guest {
	__aligned_u64 dte[4];
};

/**
 * enum iommu_hwpt_data_type - What data_uptr of IOMMU_HWPT_ALLOC points to
 * @IOMMU_HWPT_DATA_NONE: Nothing
 * @IOMMU_HWPT_DATA_VTD_S1: struct iommu_hwpt_vtd_s1
 * @IOMMU_HWPT_DATA_ARM_SMMUV3: struct iommu_hwpt_arm_smmuv3
 * @IOMMU_HWPT_DATA_AMD_GUEST: struct iommu_hwpt_amd_guest
 */
enum iommu_hwpt_data_type {
	IOMMU_HWPT_DATA_NONE = 0,
	IOMMU_HWPT_DATA_VTD_S1 = 1,
	IOMMU_HWPT_DATA_ARM_SMMUV3 = 2,
	IOMMU_HWPT_DATA_AMD_GUEST = 3,
};

/**
 * struct iommu_hwpt_alloc - ioctl(IOMMU_HWPT_ALLOC)
 * @size: sizeof(struct iommu_hwpt_alloc)
 * @flags: in: of enum iommufd_hwpt_alloc_flags
 * @dev_id: in: the bound device that the HWPT is made for
 * @pt_id: in: the IOAS that it translates, or for a nested one the HWPT or
 *         vIOMMU that is its parent
 * @out_hwpt_id: out: the new object
 * @__reserved: in: 0
 * @data_type: in: of enum iommu_hwpt_data_type
 * @data_len: in: bytes at @data_uptr
 * @data_uptr: in: pointer to what @data_type says
 * @fault_id: in: a fault queue, with IOMMU_HWPT_FAULT_ID_VALID
 * @__reserved2: in: 0
 *
 * Makes a hardware page table.  One made from an IOAS translates everything
 * that is mapped there; one made with vendor data is a table that a guest
 * keeps in its own memory.  ENOENT for an unknown @dev_id or @fault_id; EINVAL
 * when @pt_id is not fit to be its parent, @data_len does not match, or the
 * device does not get along with it; EOPNOTSUPP when the device's IOMMU has no
 * such feature or type.
 */
struct iommu_hwpt_alloc {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 pt_id;
	__u32 out_hwpt_id;
	__u32 __reserved;
	__u32 data_type;
	__u32 data_len;
	__aligned_u64 data_uptr;
	__u32 fault_id;
	__u32 __reserved2;
};

#define IOMMU_HWPT_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_ALLOC)

/**
 * enum iommu_hw_info_vtd_flags - Flags of struct iommu_hw_info_vtd
 * @IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17: Erratum 772415 of Sapphire Rapids:
 *	memory that the parent HWPT maps read-only breaks a nested one
 */
enum iommu_hw_info_vtd_flags {
	IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17 = 1 << 0,
};

/**
 * struct iommu_hw_info_vtd - What a VT-d unit can do
 * @flags: out: of enum iommu_hw_info_vtd_flags
 * @__reserved: out: 0
 * @cap_reg: out: its capability register
 * @ecap_reg: out: its extended capability register
 */
struct iommu_hw_info_vtd {
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 cap_reg;
	__aligned_u64 ecap_reg;
};

/**
 * enum iommu_hw_info_arm_smmuv3_flags - Flags of struct
 *                                       iommu_hw_info_arm_smmuv3
 * @IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI: TLB and configuration
 *	invalidations must be issued twice
 */
enum iommu_hw_info_arm_smmuv3_flags {
	IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI = 1 << 0,
};

/**
 * struct iommu_hw_info_arm_smmuv3 - What an SMMUv3 can do
 * @flags: out: of enum iommu_hw_info_arm_smmuv3_flags
 * @__reserved: out: 0
 * @idr: out: its registers IDR0 to IDR5
 * @iidr: out: its register IIDR
 * @aidr: out: its register AIDR
 */
struct iommu_hw_info_arm_smmuv3 {
	__u32 flags;
	__u32 __reserved;
	__u32 idr[6];
	__u32 iidr;
	__u32 aidr;
};

/**
 * struct iommu_hw_info_tegra241_cmdqv - What a Tegra241 command queue
 *                                       extension can do
 * @flags: out: 0
 * @version: out: version of the extension
 * @log2vcmdqs: out: binary logarithm of the queues of one interface
 * @log2vsids: out: binary logarithm of the stream ids of one interface
 * @__reserved: out: 0
 */
struct iommu_hw_info_tegra241_cmdqv {
	__u32 flags;
	__u8 version;
	__u8 log2vcmdqs;
	__u8 log2vsids;
	__u8 __reserved;
};

/**
 * struct iommu_hw_info_amd - What an AMD IOMMU can do
 * @efr: out: its extended feature register
 * @efr2: out: its second extended feature register
 */
struct iommu_hw_info_amd {
	__aligned_u64 efr;
	__aligned_u64 efr2;
};

/**
 * enum iommu_hw_info_type - What IOMMU_GET_HW_INFO stores at data_uptr
 * @IOMMU_HW_INFO_TYPE_NONE: out: nothing
 * @IOMMU_HW_INFO_TYPE_DEFAULT: in: whatever the IOMMU's driver chooses
 * @IOMMU_HW_INFO_TYPE_INTEL_VTD: struct iommu_hw_info_vtd
 * @IOMMU_HW_INFO_TYPE_ARM_SMMUV3: struct iommu_hw_info_arm_smmuv3
 * @IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV: struct iommu_hw_info_tegra241_cmdqv
 * @IOMMU_HW_INFO_TYPE_AMD: struct iommu_hw_info_amd
 */
enum iommu_hw_info_type {
	IOMMU_HW_INFO_TYPE_NONE = 0,
	IOMMU_HW_INFO_TYPE_DEFAULT = 0,
	IOMMU_HW_INFO_TYPE_INTEL_VTD = 1,
	IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2,
	IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV = 3,
	IOMMU_HW_INFO_TYPE_AMD = 4,
};

/**
 * enum iommufd_hw_info_flags - Flags of IOMMU_GET_HW_INFO
 * @IOMMU_HW_INFO_FLAG_INPUT_TYPE: in_data_type says which data is wanted
 */
enum iommufd_hw_info_flags {
	IOMMU_HW_INFO_FLAG_INPUT_TYPE = 1 << 0,
};

/**
 * enum iommufd_hw_capabilities - What a device can do with its IOMMU,
 *                                whatever its kind
 * @IOMMU_HW_CAP_DIRTY_TRACKING: HWPTs can be made with
 *                               IOMMU_HWPT_ALLOC_DIRTY_TRACKING
 * @IOMMU_HW_CAP_PCI_PASID_EXEC: Requests with a PASID can ask to execute
 * @IOMMU_HW_CAP_PCI_PASID_PRIV: Requests with a PASID can be privileged
 * @IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED: A guest must not use the device's ATS
 */
enum iommufd_hw_capabilities {
	IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0,
	IOMMU_HW_CAP_PCI_PASID_EXEC = 1 << 1,
	IOMMU_HW_CAP_PCI_PASID_PRIV = 1 << 2,
	IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED = 1 << 3,
};

/**
 * struct iommu_hw_info - ioctl(IOMMU_GET_HW_INFO)
 * @size: sizeof(struct iommu_hw_info)
 * @flags: in: of enum iommufd_hw_info_flags
 * @dev_id: in: a bound device
 * @data_len: in: bytes at @data_uptr; out: bytes that the kernel has to give
 * @data_uptr: in: pointer to where the data goes
 * @in_data_type: in: of enum iommu_hw_info_type, with
 *                IOMMU_HW_INFO_FLAG_INPUT_TYPE
 * @out_data_type: out: of enum iommu_hw_info_type
 * @out_max_pasid_log2: out: bits of a PASID, 0 for a device without PASIDs
 * @__reserved: in: 0
 * @out_capabilities: out: of enum iommufd_hw_capabilities
 *
 * Describes the IOMMU behind a device.  The data is cut to the caller's
 * @data_len; what that has beyond the data is filled with zeroes.  EOPNOTSUPP
 * when the driver has no data of the type asked for.
 */
struct iommu_hw_info {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 data_len;
	__aligned_u64 data_uptr;
	union {
		__u32 in_data_type;
		__u32 out_data_type;
	};
	__u8 out_max_pasid_log2;
	__u8 __reserved[3];
	__aligned_u64 out_capabilities;
};

#define IOMMU_GET_HW_INFO _IO(IOMMUFD_TYPE, IOMMUFD_CMD_GET_HW_INFO)

/**
 * enum iommufd_hwpt_set_dirty_tracking_flags - Flags of
 *                                              IOMMU_HWPT_SET_DIRTY_TRACKING
 * @IOMMU_HWPT_DIRTY_TRACKING_ENABLE: Start; without it: stop
 */
enum iommufd_hwpt_set_dirty_tracking_flags {
	IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1,
};

/**
 * struct iommu_hwpt_set_dirty_tracking - ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING)
 * @size: sizeof(struct iommu_hwpt_set_dirty_tracking)
 * @flags: in: of enum iommufd_hwpt_set_dirty_tracking_flags
 * @hwpt_id: in: a HWPT made with IOMMU_HWPT_ALLOC_DIRTY_TRACKING, otherwise
 *           EOPNOTSUPP
 * @__reserved: in: 0
 *
 * Starts or stops the recording of the pages that devices write.  A start
 * forgets what was recorded before.
 */
struct iommu_hwpt_set_dirty_tracking {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__u32 __reserved;
};

#define IOMMU_HWPT_SET_DIRTY_TRACKING \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING)

/**
 * enum iommufd_hwpt_get_dirty_bitmap_flags - Flags of
 *                                            IOMMU_HWPT_GET_DIRTY_BITMAP
 * @IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR: Leave the record as it is, which
 *	saves the flush of the IOMMU's caches.  For ranges that are unmapped
 *	right afterwards.
 */
enum iommufd_hwpt_get_dirty_bitmap_flags {
	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1,
};

/**
 * struct iommu_hwpt_get_dirty_bitmap - ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP)
 * @size: sizeof(struct iommu_hwpt_get_dirty_bitmap)
 * @hwpt_id: in: a HWPT made with IOMMU_HWPT_ALLOC_DIRTY_TRACKING, otherwise
 *           EOPNOTSUPP
 * @flags: in: of enum iommufd_hwpt_get_dirty_bitmap_flags
 * @__reserved: in: 0
 * @iova: in: start of the range, a multiple of @page_size
 * @length: in: its bytes, a multiple of @page_size
 * @page_size: in: bytes that a bit stands for, a power of two
 * @data: in: pointer to the bitmap
 *
 * Sets the bit of every page in the range that a device wrote, and clears the
 * record.  The bitmap is an array of __u64; bits of other pages are left as
 * they are.  Page n of the range, counted from 0, is bit n % 64 of word n / 64.
 * EINVAL when a value is not aligned, EOVERFLOW when the range wraps.
 */
struct iommu_hwpt_get_dirty_bitmap {
	__u32 size;
	__u32 hwpt_id;
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 data;
};

#define IOMMU_HWPT_GET_DIRTY_BITMAP \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP)

/**
 * enum iommu_hwpt_invalidate_data_type - What data_uptr of
 *                                        IOMMU_HWPT_INVALIDATE points to
 * @IOMMU_HWPT_INVALIDATE_DATA_VTD_S1: struct iommu_hwpt_vtd_s1_invalidate
 * @IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3:
 *	struct iommu_viommu_arm_smmuv3_invalidate
 */
enum iommu_hwpt_invalidate_data_type {
	IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0,
	IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 = 1,
};

/**
 * enum iommu_hwpt_vtd_s1_invalidate_flags - Flags of struct
 *                                           iommu_hwpt_vtd_s1_invalidate
 * @IOMMU_VTD_INV_FLAGS_LEAF: Only leaf entries changed, caches of the levels
 *                            above may stay
 */
enum iommu_hwpt_vtd_s1_invalidate_flags {
	IOMMU_VTD_INV_FLAGS_LEAF = 1 << 0,
};

/**
 * struct iommu_hwpt_vtd_s1_invalidate - One invalidation of a VT-d stage 1
 *                                       page table
 * @addr: in: the first address, page aligned
 * @npages: in: pages of 4 KiB, U64_MAX with @addr 0 for all
 * @flags: in: of enum iommu_hwpt_vtd_s1_invalidate_flags
 * @__reserved: in: 0
 */
struct iommu_hwpt_vtd_s1_invalidate {
	__aligned_u64 addr;
	__aligned_u64 npages;
	__u32 flags;
	__u32 __reserved;
};

/**
 * struct iommu_viommu_arm_smmuv3_invalidate - One command of a guest's SMMUv3
 * @cmd: in: the two words of the command, little endian
 */
struct iommu_viommu_arm_smmuv3_invalidate {
	__aligned_le64 cmd[2];
};

/**
 * struct iommu_hwpt_invalidate - ioctl(IOMMU_HWPT_INVALIDATE)
 * @size: sizeof(struct iommu_hwpt_invalidate)
 * @hwpt_id: in: a nested HWPT or a vIOMMU
 * @data_uptr: in: pointer to an array of what @data_type says
 * @data_type: in: of enum iommu_hwpt_invalidate_data_type
 * @entry_len: in: bytes of an entry
 * @entry_num: in: entries in the array; out: how many were done, also after a
 *             failure
 * @__reserved: in: 0
 *
 * Tells the hardware that a guest changed its tables.  Entries are done in
 * order, up to the first that fails.  With @entry_num 0 only @data_type is
 * checked.
 */
struct iommu_hwpt_invalidate {
	__u32 size;
	__u32 hwpt_id;
	__aligned_u64 data_uptr;
	__u32 data_type;
	__u32 entry_len;
	__u32 entry_num;
	__u32 __reserved;
};

#define IOMMU_HWPT_INVALIDATE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_INVALIDATE)

/**
 * enum iommu_hwpt_pgfault_flags - Flags of struct iommu_hwpt_pgfault
 * @IOMMU_PGFAULT_FLAGS_PASID_VALID: The request had a PASID
 * @IOMMU_PGFAULT_FLAGS_LAST_PAGE: The last request of its group, which now
 *                                 wants its answer
 */
enum iommu_hwpt_pgfault_flags {
	IOMMU_PGFAULT_FLAGS_PASID_VALID = 1 << 0,
	IOMMU_PGFAULT_FLAGS_LAST_PAGE = 1 << 1,
};

/**
 * enum iommu_hwpt_pgfault_perm - What the device wanted to do
 * @IOMMU_PGFAULT_PERM_READ: Read
 * @IOMMU_PGFAULT_PERM_WRITE: Write
 * @IOMMU_PGFAULT_PERM_EXEC: Execute
 * @IOMMU_PGFAULT_PERM_PRIV: All that in privileged mode
 */
enum iommu_hwpt_pgfault_perm {
	IOMMU_PGFAULT_PERM_READ = 1 << 0,
	IOMMU_PGFAULT_PERM_WRITE = 1 << 1,
	IOMMU_PGFAULT_PERM_EXEC = 1 << 2,
	IOMMU_PGFAULT_PERM_PRIV = 1 << 3,
};

/**
 * struct iommu_hwpt_pgfault - A page request, read() from a fault queue
 * @flags: of enum iommu_hwpt_pgfault_flags
 * @dev_id: the device that made it
 * @pasid: its PASID, if the flag says so
 * @grpid: the device's number for the group of requests
 * @perm: of enum iommu_hwpt_pgfault_perm
 * @__reserved: 0
 * @addr: the address it wants to access
 * @length: bytes it wants to access there, as far as it said
 * @cookie: what the answer to the group has to carry
 */
struct iommu_hwpt_pgfault {
	__u32 flags;
	__u32 dev_id;
	__u32 pasid;
	__u32 grpid;
	__u32 perm;
	__u32 __reserved;
	__aligned_u64 addr;
	__u32 length;
	__u32 cookie;
};

/**
 * enum iommufd_page_response_code - The answer to a group of page requests
 * @IOMMUFD_PAGE_RESP_SUCCESS: The pages are there, try again
 * @IOMMUFD_PAGE_RESP_INVALID: There is no such page
 */
enum iommufd_page_response_code {
	IOMMUFD_PAGE_RESP_SUCCESS = 0,
	IOMMUFD_PAGE_RESP_INVALID = 1,
};

/**
 * struct iommu_hwpt_page_response - An answer, to write() to a fault queue
 * @cookie: of the group's requests
 * @code: of enum iommufd_page_response_code
 */
struct iommu_hwpt_page_response {
	__u32 cookie;
	__u32 code;
};

/**
 * struct iommu_fault_alloc - ioctl(IOMMU_FAULT_QUEUE_ALLOC)
 * @size: sizeof(struct iommu_fault_alloc)
 * @flags: in: 0
 * @out_fault_id: out: the new object
 * @out_fault_fd: out: its file
 *
 * Makes a queue of page requests.  The file is read for
 * struct iommu_hwpt_pgfault, in whole groups, written with
 * struct iommu_hwpt_page_response, and polled.  ESPIPE for a read or write
 * that is not a multiple of these, EINVAL for a read too small for a group and
 * a write with an unknown cookie or code.  Closing it answers what is pending
 * with IOMMUFD_PAGE_RESP_INVALID.
 */
struct iommu_fault_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_fault_id;
	__u32 out_fault_fd;
};

#define IOMMU_FAULT_QUEUE_ALLOC \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_FAULT_QUEUE_ALLOC)

/**
 * enum iommu_viommu_type - Kinds of vIOMMU
 * @IOMMU_VIOMMU_TYPE_DEFAULT: None in particular
 * @IOMMU_VIOMMU_TYPE_ARM_SMMUV3: An SMMUv3
 * @IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV: An SMMUv3 with Tegra241's command queues
 */
enum iommu_viommu_type {
	IOMMU_VIOMMU_TYPE_DEFAULT = 0,
	IOMMU_VIOMMU_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV = 2,
};

/**
 * struct iommu_viommu_tegra241_cmdqv - Data of a vIOMMU with Tegra241's
 *                                      command queues
 * @out_vintf_mmap_offset: out: where in /dev/iommu to mmap() its registers
 * @out_vintf_mmap_length: out: bytes of them
 */
struct iommu_viommu_tegra241_cmdqv {
	__aligned_u64 out_vintf_mmap_offset;
	__aligned_u64 out_vintf_mmap_length;
};

/**
 * struct iommu_viommu_alloc - ioctl(IOMMU_VIOMMU_ALLOC)
 * @size: sizeof(struct iommu_viommu_alloc)
 * @flags: in: 0
 * @type: in: of enum iommu_viommu_type
 * @dev_id: in: a bound device behind the physical IOMMU
 * @hwpt_id: in: a HWPT made with IOMMU_HWPT_ALLOC_NEST_PARENT, otherwise
 *           EINVAL
 * @out_viommu_id: out: the new object
 * @data_len: in: bytes at @data_uptr
 * @__reserved: in: 0
 * @data_uptr: in: pointer to the type's data
 *
 * Makes a slice of a physical IOMMU for a guest.
 */
struct iommu_viommu_alloc {
	__u32 size;
	__u32 flags;
	__u32 type;
	__u32 dev_id;
	__u32 hwpt_id;
	__u32 out_viommu_id;
	__u32 data_len;
	__u32 __reserved;
	__aligned_u64 data_uptr;
};

#define IOMMU_VIOMMU_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VIOMMU_ALLOC)

/**
 * struct iommu_vdevice_alloc - ioctl(IOMMU_VDEVICE_ALLOC)
 * @size: sizeof(struct iommu_vdevice_alloc)
 * @viommu_id: in: the vIOMMU that the guest sees in front of the device
 * @dev_id: in: a bound device behind the same physical IOMMU
 * @out_vdevice_id: out: the new object
 * @virt_id: in: the number by which the guest's IOMMU knows the device, e.g.
 *           its stream id or requester id
 *
 * Ties a device to the vIOMMU.  EEXIST when the device has been tied already
 * or the number is taken.
 */
struct iommu_vdevice_alloc {
	__u32 size;
	__u32 viommu_id;
	__u32 dev_id;
	__u32 out_vdevice_id;
	__aligned_u64 virt_id;
};

#define IOMMU_VDEVICE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VDEVICE_ALLOC)

/**
 * struct iommu_ioas_change_process - ioctl(IOMMU_IOAS_CHANGE_PROCESS)
 * @size: sizeof(struct iommu_ioas_change_process)
 * @__reserved: in: 0
 *
 * Moves the charge for all pinned memory of the file to the calling process,
 * for a program that hands its devices over to a successor.  EINVAL, with
 * nothing moved, when any IOAS holds a mapping that IOMMU_IOAS_MAP_FILE did
 * not make.
 */
struct iommu_ioas_change_process {
	__u32 size;
	__u32 __reserved;
};

#define IOMMU_IOAS_CHANGE_PROCESS \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_CHANGE_PROCESS)

/**
 * enum iommu_veventq_flag - Flags of struct iommufd_vevent_header
 * @IOMMU_VEVENTQ_FLAG_LOST_EVENTS: Events before this point were dropped as
 *                                  the queue was full.  No payload follows.
 */
enum iommu_veventq_flag {
	IOMMU_VEVENTQ_FLAG_LOST_EVENTS = 1 << 0,
};

/**
 * struct iommufd_vevent_header - Head of an event, read() from an event queue
 * @flags: of enum iommu_veventq_flag
 * @sequence: counts events, also dropped ones; INT_MAX is followed by 0
 *
 * The payload of the queue's type follows at once.
 */
struct iommufd_vevent_header {
	__u32 flags;
	__u32 sequence;
};

/**
 * enum iommu_veventq_type - Kinds of event
 * @IOMMU_VEVENTQ_TYPE_DEFAULT: None in particular
 * @IOMMU_VEVENTQ_TYPE_ARM_SMMUV3: struct iommu_vevent_arm_smmuv3
 * @IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV: struct iommu_vevent_tegra241_cmdqv
 */
enum iommu_veventq_type {
	IOMMU_VEVENTQ_TYPE_DEFAULT = 0,
	IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV = 2,
};

/**
 * struct iommu_vevent_arm_smmuv3 - An event of an SMMUv3
 * @evt: the four words of the event record, little endian, with the stream id
 *       that the guest knows
 */
struct iommu_vevent_arm_smmuv3 {
	__aligned_le64 evt[4];
};

/**
 * struct iommu_vevent_tegra241_cmdqv - An error of Tegra241's command queues
 * @lvcmdq_err_map: the interface's two error registers, little endian, a bit
 *                  for each queue
 */
struct iommu_vevent_tegra241_cmdqv {
	__aligned_le64 lvcmdq_err_map[2];
};

/**
 * struct iommu_veventq_alloc - ioctl(IOMMU_VEVENTQ_ALLOC)
 * @size: sizeof(struct iommu_veventq_alloc)
 * @flags: in: 0
 * @viommu_id: in: the vIOMMU whose events are wanted
 * @type: in: of enum iommu_veventq_type
 * @veventq_depth: in: events that the queue holds, not 0
 * @out_veventq_id: out: the new object
 * @out_veventq_fd: out: its file
 * @__reserved: in: 0
 *
 * Makes a queue for events that a guest should see.  The file is read and
 * polled; each event is a struct iommufd_vevent_header and its payload.
 * EEXIST when the vIOMMU has a queue of the type.
 */
struct iommu_veventq_alloc {
	__u32 size;
	__u32 flags;
	__u32 viommu_id;
	__u32 type;
	__u32 veventq_depth;
	__u32 out_veventq_id;
	__u32 out_veventq_fd;
	__u32 __reserved;
};

#define IOMMU_VEVENTQ_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VEVENTQ_ALLOC)

/**
 * enum iommu_hw_queue_type - Kinds of hardware queue
 * @IOMMU_HW_QUEUE_TYPE_DEFAULT: None in particular
 * @IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV: A Tegra241 command queue
 */
enum iommu_hw_queue_type {
	IOMMU_HW_QUEUE_TYPE_DEFAULT = 0,
	IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV = 1,
};

/**
 * struct iommu_hw_queue_alloc - ioctl(IOMMU_HW_QUEUE_ALLOC)
 * @size: sizeof(struct iommu_hw_queue_alloc)
 * @flags: in: 0
 * @viommu_id: in: the vIOMMU that the queue belongs to
 * @type: in: of enum iommu_hw_queue_type
 * @index: in: the guest's number for the queue
 * @out_hw_queue_id: out: the new object
 * @nesting_parent_iova: in: where the queue's memory is in the vIOMMU's parent
 *                       HWPT
 * @length: in: bytes of that memory
 *
 * Lets the hardware work on a queue in a guest's memory, which stays pinned
 * and cannot be unmapped while the object exists.
 */
struct iommu_hw_queue_alloc {
	__u32 size;
	__u32 flags;
	__u32 viommu_id;
	__u32 type;
	__u32 index;
	__u32 out_hw_queue_id;
	__aligned_u64 nesting_parent_iova;
	__aligned_u64 length;
};

#define IOMMU_HW_QUEUE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HW_QUEUE_ALLOC)

/**
 * struct iommu_ioas_noiommu_get_pa - ioctl(IOMMU_IOAS_NOIOMMU_GET_PA)
 * @size: sizeof(struct iommu_ioas_noiommu_get_pa)
 * @flags: in: 0
 * @ioas_id: in: an IOAS to which a device without IOMMU is attached
 * @__reserved: in: 0
 * @iova: in: a mapped address
 * @length: in: bytes of interest; out: bytes from @iova on that are physically
 *          contiguous
 * @out_phys: out: the physical address at @iova
 *
 * Tells a program what to give to a device that no IOMMU translates for.
 */
struct iommu_ioas_noiommu_get_pa {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 out_phys;
};

#define IOMMU_IOAS_NOIOMMU_GET_PA \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA)

#endif /* _UAPI_IOMMUFD_H */
