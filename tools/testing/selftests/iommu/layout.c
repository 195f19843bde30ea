// SPDX-License-Identifier: GPL-2.0-only
/*
 * The binary interface, checked when this file is compiled: the size of every
 * struct, place and size of every field, every ioctl's number, every constant.
 * The Makefile compiles it as C for 64 bit programs and for 32 bit ones, and as
 * C++.  iommufd.h is the first header, so it needs no other before it.
 */
#include <linux/iommufd.h>
#include <linux/kvm.h>
#include <linux/vfio.h>

#define WIDTH(type, ...) sizeof(((struct type *)0)->__VA_ARGS__)
#define WIDTH_IS(type, field, offset, size) (WIDTH(type, field) == (size))
#define OFFSET_IS(type, field, offset, size)				\
	(__builtin_offsetof(struct type, field) == (offset))

#define SIZE(type, size)						\
	static_assert(sizeof(struct type) == (size), "size of " #type)
#define FIELD(...)							\
	static_assert(OFFSET_IS(__VA_ARGS__) && WIDTH_IS(__VA_ARGS__),	\
		      "field " #__VA_ARGS__)
#define VALUE(name, value) static_assert((name) == (value), #name)

SIZE(iommu_destroy, 8);
FIELD(iommu_destroy, size, 0, 4);
FIELD(iommu_destroy, id, 4, 4);

SIZE(iommu_ioas_alloc, 12);
FIELD(iommu_ioas_alloc, size, 0, 4);
FIELD(iommu_ioas_alloc, flags, 4, 4);
FIELD(iommu_ioas_alloc, out_ioas_id, 8, 4);

SIZE(iommu_iova_range, 16);
FIELD(iommu_iova_range, start, 0, 8);
FIELD(iommu_iova_range, last, 8, 8);

SIZE(iommu_ioas_iova_ranges, 32);
FIELD(iommu_ioas_iova_ranges, size, 0, 4);
FIELD(iommu_ioas_iova_ranges, ioas_id, 4, 4);
FIELD(iommu_ioas_iova_ranges, num_iovas, 8, 4);
FIELD(iommu_ioas_iova_ranges, __reserved, 12, 4);
FIELD(iommu_ioas_iova_ranges, allowed_iovas, 16, 8);
FIELD(iommu_ioas_iova_ranges, out_iova_alignment, 24, 8);

SIZE(iommu_ioas_allow_iovas, 24);
FIELD(iommu_ioas_allow_iovas, size, 0, 4);
FIELD(iommu_ioas_allow_iovas, ioas_id, 4, 4);
FIELD(iommu_ioas_allow_iovas, num_iovas, 8, 4);
FIELD(iommu_ioas_allow_iovas, __reserved, 12, 4);
FIELD(iommu_ioas_allow_iovas, allowed_iovas, 16, 8);

SIZE(iommu_ioas_map, 40);
FIELD(iommu_ioas_map, size, 0, 4);
FIELD(iommu_ioas_map, flags, 4, 4);
FIELD(iommu_ioas_map, ioas_id, 8, 4);
FIELD(iommu_ioas_map, __reserved, 12, 4);
FIELD(iommu_ioas_map, user_va, 16, 8);
FIELD(iommu_ioas_map, length, 24, 8);
FIELD(iommu_ioas_map, iova, 32, 8);

SIZE(iommu_ioas_map_file, 40);
FIELD(iommu_ioas_map_file, size, 0, 4);
FIELD(iommu_ioas_map_file, flags, 4, 4);
FIELD(iommu_ioas_map_file, ioas_id, 8, 4);
FIELD(iommu_ioas_map_file, fd, 12, 4);
FIELD(iommu_ioas_map_file, start, 16, 8);
FIELD(iommu_ioas_map_file, length, 24, 8);
FIELD(iommu_ioas_map_file, iova, 32, 8);

SIZE(iommu_ioas_copy, 40);
FIELD(iommu_ioas_copy, size, 0, 4);
FIELD(iommu_ioas_copy, flags, 4, 4);
FIELD(iommu_ioas_copy, dst_ioas_id, 8, 4);
FIELD(iommu_ioas_copy, src_ioas_id, 12, 4);
FIELD(iommu_ioas_copy, length, 16, 8);
FIELD(iommu_ioas_copy, dst_iova, 24, 8);
FIELD(iommu_ioas_copy, src_iova, 32, 8);

SIZE(iommu_ioas_unmap, 24);
FIELD(iommu_ioas_unmap, size, 0, 4);
FIELD(iommu_ioas_unmap, ioas_id, 4, 4);
FIELD(iommu_ioas_unmap, iova, 8, 8);
FIELD(iommu_ioas_unmap, length, 16, 8);

SIZE(iommu_option, 24);
FIELD(iommu_option, size, 0, 4);
FIELD(iommu_option, option_id, 4, 4);
FIELD(iommu_option, op, 8, 2);
FIELD(iommu_option, __reserved, 10, 2);
FIELD(iommu_option, object_id, 12, 4);
FIELD(iommu_option, val64, 16, 8);

SIZE(iommu_vfio_ioas, 12);
FIELD(iommu_vfio_ioas, size, 0, 4);
FIELD(iommu_vfio_ioas, ioas_id, 4, 4);
FIELD(iommu_vfio_ioas, op, 8, 2);
FIELD(iommu_vfio_ioas, __reserved, 10, 2);

SIZE(iommu_hwpt_vtd_s1, 24);
FIELD(iommu_hwpt_vtd_s1, flags, 0, 8);
FIELD(iommu_hwpt_vtd_s1, pgtbl_addr, 8, 8);
FIELD(iommu_hwpt_vtd_s1, addr_width, 16, 4);
FIELD(iommu_hwpt_vtd_s1, __reserved, 20, 4);

SIZE(iommu_hwpt_arm_smmuv3, 16);
FIELD(iommu_hwpt_arm_smmuv3, ste, 0, 16);

SIZE(iommu_hwpt_amd_guest, 32);
FIELD(iommu_hwpt_amd_guest, dte, 0, 32);

SIZE(iommu_hwpt_alloc, 48);
FIELD(iommu_hwpt_alloc, size, 0, 4);
FIELD(iommu_hwpt_alloc, flags, 4, 4);
FIELD(iommu_hwpt_alloc, dev_id, 8, 4);
FIELD(iommu_hwpt_alloc, pt_id, 12, 4);
FIELD(iommu_hwpt_alloc, out_hwpt_id, 16, 4);
FIELD(iommu_hwpt_alloc, __reserved, 20, 4);
FIELD(iommu_hwpt_alloc, data_type, 24, 4);
FIELD(iommu_hwpt_alloc, data_len, 28, 4);
FIELD(iommu_hwpt_alloc, data_uptr, 32, 8);
FIELD(iommu_hwpt_alloc, fault_id, 40, 4);
FIELD(iommu_hwpt_alloc, __reserved2, 44, 4);

SIZE(iommu_hw_info_vtd, 24);
FIELD(iommu_hw_info_vtd, flags, 0, 4);
FIELD(iommu_hw_info_vtd, __reserved, 4, 4);
FIELD(iommu_hw_info_vtd, cap_reg, 8, 8);
FIELD(iommu_hw_info_vtd, ecap_reg, 16, 8);

SIZE(iommu_hw_info_arm_smmuv3, 40);
FIELD(iommu_hw_info_arm_smmuv3, flags, 0, 4);
FIELD(iommu_hw_info_arm_smmuv3, __reserved, 4, 4);
FIELD(iommu_hw_info_arm_smmuv3, idr, 8, 24);
FIELD(iommu_hw_info_arm_smmuv3, iidr, 32, 4);
FIELD(iommu_hw_info_arm_smmuv3, aidr, 36, 4);

SIZE(iommu_hw_info_tegra241_cmdqv, 8);
FIELD(iommu_hw_info_tegra241_cmdqv, flags, 0, 4);
FIELD(iommu_hw_info_tegra241_cmdqv, version, 4, 1);
FIELD(iommu_hw_info_tegra241_cmdqv, log2vcmdqs, 5, 1);
FIELD(iommu_hw_info_tegra241_cmdqv, log2vsids, 6, 1);
FIELD(iommu_hw_info_tegra241_cmdqv, __reserved, 7, 1);

SIZE(iommu_hw_info_amd, 16);
FIELD(iommu_hw_info_amd, efr, 0, 8);
FIELD(iommu_hw_info_amd, efr2, 8, 8);

SIZE(iommu_hw_info, 40);
FIELD(iommu_hw_info, size, 0, 4);
FIELD(iommu_hw_info, flags, 4, 4);
FIELD(iommu_hw_info, dev_id, 8, 4);
FIELD(iommu_hw_info, data_len, 12, 4);
FIELD(iommu_hw_info, data_uptr, 16, 8);
FIELD(iommu_hw_info, in_data_type, 24, 4);
FIELD(iommu_hw_info, out_data_type, 24, 4);
FIELD(iommu_hw_info, out_max_pasid_log2, 28, 1);
FIELD(iommu_hw_info, __reserved, 29, 3);
FIELD(iommu_hw_info, out_capabilities, 32, 8);

SIZE(iommu_hwpt_set_dirty_tracking, 16);
FIELD(iommu_hwpt_set_dirty_tracking, size, 0, 4);
FIELD(iommu_hwpt_set_dirty_tracking, flags, 4, 4);
FIELD(iommu_hwpt_set_dirty_tracking, hwpt_id, 8, 4);
FIELD(iommu_hwpt_set_dirty_tracking, __reserved, 12, 4);

SIZE(iommu_hwpt_get_dirty_bitmap, 48);
FIELD(iommu_hwpt_get_dirty_bitmap, size, 0, 4);
FIELD(iommu_hwpt_get_dirty_bitmap, hwpt_id, 4, 4);
FIELD(iommu_hwpt_get_dirty_bitmap, flags, 8, 4);
FIELD(iommu_hwpt_get_dirty_bitmap, __reserved, 12, 4);
FIELD(iommu_hwpt_get_dirty_bitmap, iova, 16, 8);
FIELD(iommu_hwpt_get_dirty_bitmap, length, 24, 8);
FIELD(iommu_hwpt_get_dirty_bitmap, page_size, 32, 8);
FIELD(iommu_hwpt_get_dirty_bitmap, data, 40, 8);

SIZE(iommu_hwpt_vtd_s1_invalidate, 24);
FIELD(iommu_hwpt_vtd_s1_invalidate, addr, 0, 8);
FIELD(iommu_hwpt_vtd_s1_invalidate, npages, 8, 8);
FIELD(iommu_hwpt_vtd_s1_invalidate, flags, 16, 4);
FIELD(iommu_hwpt_vtd_s1_invalidate, __reserved, 20, 4);

SIZE(iommu_viommu_arm_smmuv3_invalidate, 16);
FIELD(iommu_viommu_arm_smmuv3_invalidate, cmd, 0, 16);

SIZE(iommu_hwpt_invalidate, 32);
FIELD(iommu_hwpt_invalidate, size, 0, 4);
FIELD(iommu_hwpt_invalidate, hwpt_id, 4, 4);
FIELD(iommu_hwpt_invalidate, data_uptr, 8, 8);
FIELD(iommu_hwpt_invalidate, data_type, 16, 4);
FIELD(iommu_hwpt_invalidate, entry_len, 20, 4);
FIELD(iommu_hwpt_invalidate, entry_num, 24, 4);
FIELD(iommu_hwpt_invalidate, __reserved, 28, 4);

SIZE(iommu_hwpt_pgfault, 40);
FIELD(iommu_hwpt_pgfault, flags, 0, 4);
FIELD(iommu_hwpt_pgfault, dev_id, 4, 4);
FIELD(iommu_hwpt_pgfault, pasid, 8, 4);
FIELD(iommu_hwpt_pgfault, grpid, 12, 4);
FIELD(iommu_hwpt_pgfault, perm, 16, 4);
FIELD(iommu_hwpt_pgfault, __reserved, 20, 4);
FIELD(iommu_hwpt_pgfault, addr, 24, 8);
FIELD(iommu_hwpt_pgfault, length, 32, 4);
FIELD(iommu_hwpt_pgfault, cookie, 36, 4);

SIZE(iommu_hwpt_page_response, 8);
FIELD(iommu_hwpt_page_response, cookie, 0, 4);
FIELD(iommu_hwpt_page_response, code, 4, 4);

SIZE(iommu_fault_alloc, 16);
FIELD(iommu_fault_alloc, size, 0, 4);
FIELD(iommu_fault_alloc, flags, 4, 4);
FIELD(iommu_fault_alloc, out_fault_id, 8, 4);
FIELD(iommu_fault_alloc, out_fault_fd, 12, 4);

SIZE(iommu_viommu_tegra241_cmdqv, 16);
FIELD(iommu_viommu_tegra241_cmdqv, out_vintf_mmap_offset, 0, 8);
FIELD(iommu_viommu_tegra241_cmdqv, out_vintf_mmap_length, 8, 8);

SIZE(iommu_viommu_alloc, 40);
FIELD(iommu_viommu_alloc, size, 0, 4);
FIELD(iommu_viommu_alloc, flags, 4, 4);
FIELD(iommu_viommu_alloc, type, 8, 4);
FIELD(iommu_viommu_alloc, dev_id, 12, 4);
FIELD(iommu_viommu_alloc, hwpt_id, 16, 4);
FIELD(iommu_viommu_alloc, out_viommu_id, 20, 4);
FIELD(iommu_viommu_alloc, data_len, 24, 4);
FIELD(iommu_viommu_alloc, __reserved, 28, 4);
FIELD(iommu_viommu_alloc, data_uptr, 32, 8);

SIZE(iommu_vdevice_alloc, 24);
FIELD(iommu_vdevice_alloc, size, 0, 4);
FIELD(iommu_vdevice_alloc, viommu_id, 4, 4);
FIELD(iommu_vdevice_alloc, dev_id, 8, 4);
FIELD(iommu_vdevice_alloc, out_vdevice_id, 12, 4);
FIELD(iommu_vdevice_alloc, virt_id, 16, 8);

SIZE(iommu_ioas_change_process, 8);
FIELD(iommu_ioas_change_process, size, 0, 4);
FIELD(iommu_ioas_change_process, __reserved, 4, 4);

SIZE(iommufd_vevent_header, 8);
FIELD(iommufd_vevent_header, flags, 0, 4);
FIELD(iommufd_vevent_header, sequence, 4, 4);

SIZE(iommu_vevent_arm_smmuv3, 32);
FIELD(iommu_vevent_arm_smmuv3, evt, 0, 32);

SIZE(iommu_vevent_tegra241_cmdqv, 16);
FIELD(iommu_vevent_tegra241_cmdqv, lvcmdq_err_map, 0, 16);

SIZE(iommu_veventq_alloc, 32);
FIELD(iommu_veventq_alloc, size, 0, 4);
FIELD(iommu_veventq_alloc, flags, 4, 4);
FIELD(iommu_veventq_alloc, viommu_id, 8, 4);
FIELD(iommu_veventq_alloc, type, 12, 4);
FIELD(iommu_veventq_alloc, veventq_depth, 16, 4);
FIELD(iommu_veventq_alloc, out_veventq_id, 20, 4);
FIELD(iommu_veventq_alloc, out_veventq_fd, 24, 4);
FIELD(iommu_veventq_alloc, __reserved, 28, 4);

SIZE(iommu_hw_queue_alloc, 40);
FIELD(iommu_hw_queue_alloc, size, 0, 4);
FIELD(iommu_hw_queue_alloc, flags, 4, 4);
FIELD(iommu_hw_queue_alloc, viommu_id, 8, 4);
FIELD(iommu_hw_queue_alloc, type, 12, 4);
FIELD(iommu_hw_queue_alloc, index, 16, 4);
FIELD(iommu_hw_queue_alloc, out_hw_queue_id, 20, 4);
FIELD(iommu_hw_queue_alloc, nesting_parent_iova, 24, 8);
FIELD(iommu_hw_queue_alloc, length, 32, 8);

SIZE(iommu_ioas_noiommu_get_pa, 40);
FIELD(iommu_ioas_noiommu_get_pa, size, 0, 4);
FIELD(iommu_ioas_noiommu_get_pa, flags, 4, 4);
FIELD(iommu_ioas_noiommu_get_pa, ioas_id, 8, 4);
FIELD(iommu_ioas_noiommu_get_pa, __reserved, 12, 4);
FIELD(iommu_ioas_noiommu_get_pa, iova, 16, 8);
FIELD(iommu_ioas_noiommu_get_pa, length, 24, 8);
FIELD(iommu_ioas_noiommu_get_pa, out_phys, 32, 8);

VALUE(IOMMUFD_TYPE, 0x3b);
VALUE(IOMMUFD_CMD_BASE, 0x80);
VALUE(IOMMUFD_CMD_DESTROY, 0x80);
VALUE(IOMMUFD_CMD_IOAS_ALLOC, 0x81);
VALUE(IOMMUFD_CMD_IOAS_ALLOW_IOVAS, 0x82);
VALUE(IOMMUFD_CMD_IOAS_COPY, 0x83);
VALUE(IOMMUFD_CMD_IOAS_IOVA_RANGES, 0x84);
VALUE(IOMMUFD_CMD_IOAS_MAP, 0x85);
VALUE(IOMMUFD_CMD_IOAS_UNMAP, 0x86);
VALUE(IOMMUFD_CMD_OPTION, 0x87);
VALUE(IOMMUFD_CMD_VFIO_IOAS, 0x88);
VALUE(IOMMUFD_CMD_HWPT_ALLOC, 0x89);
VALUE(IOMMUFD_CMD_GET_HW_INFO, 0x8a);
VALUE(IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING, 0x8b);
VALUE(IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP, 0x8c);
VALUE(IOMMUFD_CMD_HWPT_INVALIDATE, 0x8d);
VALUE(IOMMUFD_CMD_FAULT_QUEUE_ALLOC, 0x8e);
VALUE(IOMMUFD_CMD_IOAS_MAP_FILE, 0x8f);
VALUE(IOMMUFD_CMD_VIOMMU_ALLOC, 0x90);
VALUE(IOMMUFD_CMD_VDEVICE_ALLOC, 0x91);
VALUE(IOMMUFD_CMD_IOAS_CHANGE_PROCESS, 0x92);
VALUE(IOMMUFD_CMD_VEVENTQ_ALLOC, 0x93);
VALUE(IOMMUFD_CMD_HW_QUEUE_ALLOC, 0x94);
VALUE(IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA, 0x95);
VALUE(IOMMU_DESTROY, 0x3b80);
VALUE(IOMMU_IOAS_ALLOC, 0x3b81);
VALUE(IOMMU_IOAS_IOVA_RANGES, 0x3b84);
VALUE(IOMMU_IOAS_ALLOW_IOVAS, 0x3b82);
VALUE(IOMMU_IOAS_MAP_FIXED_IOVA, 1);
VALUE(IOMMU_IOAS_MAP_WRITEABLE, 2);
VALUE(IOMMU_IOAS_MAP_READABLE, 4);
VALUE(IOMMU_IOAS_MAP, 0x3b85);
VALUE(IOMMU_IOAS_MAP_FILE, 0x3b8f);
VALUE(IOMMU_IOAS_COPY, 0x3b83);
VALUE(IOMMU_IOAS_UNMAP, 0x3b86);
VALUE(IOMMU_OPTION_RLIMIT_MODE, 0);
VALUE(IOMMU_OPTION_HUGE_PAGES, 1);
VALUE(IOMMU_OPTION_OP_SET, 0);
VALUE(IOMMU_OPTION_OP_GET, 1);
VALUE(IOMMU_OPTION, 0x3b87);
VALUE(IOMMU_VFIO_IOAS_GET, 0);
VALUE(IOMMU_VFIO_IOAS_SET, 1);
VALUE(IOMMU_VFIO_IOAS_CLEAR, 2);
VALUE(IOMMU_VFIO_IOAS, 0x3b88);
VALUE(IOMMU_HWPT_ALLOC_NEST_PARENT, 1);
VALUE(IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 2);
VALUE(IOMMU_HWPT_FAULT_ID_VALID, 4);
VALUE(IOMMU_HWPT_ALLOC_PASID, 8);
VALUE(IOMMU_VTD_S1_SRE, 1);
VALUE(IOMMU_VTD_S1_EAFE, 2);
VALUE(IOMMU_VTD_S1_WPE, 4);
VALUE(IOMMU_HWPT_DATA_NONE, 0);
VALUE(IOMMU_HWPT_DATA_VTD_S1, 1);
VALUE(IOMMU_HWPT_DATA_ARM_SMMUV3, 2);
VALUE(IOMMU_HWPT_DATA_AMD_GUEST, 3);
VALUE(IOMMU_HWPT_ALLOC, 0x3b89);
VALUE(IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17, 1);
VALUE(IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI, 1);
VALUE(IOMMU_HW_INFO_TYPE_NONE, 0);
VALUE(IOMMU_HW_INFO_TYPE_DEFAULT, 0);
VALUE(IOMMU_HW_INFO_TYPE_INTEL_VTD, 1);
VALUE(IOMMU_HW_INFO_TYPE_ARM_SMMUV3, 2);
VALUE(IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, 3);
VALUE(IOMMU_HW_INFO_TYPE_AMD, 4);
VALUE(IOMMU_HW_INFO_FLAG_INPUT_TYPE, 1);
VALUE(IOMMU_HW_CAP_DIRTY_TRACKING, 1);
VALUE(IOMMU_HW_CAP_PCI_PASID_EXEC, 2);
VALUE(IOMMU_HW_CAP_PCI_PASID_PRIV, 4);
VALUE(IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, 8);
VALUE(IOMMU_GET_HW_INFO, 0x3b8a);
VALUE(IOMMU_HWPT_DIRTY_TRACKING_ENABLE, 1);
VALUE(IOMMU_HWPT_SET_DIRTY_TRACKING, 0x3b8b);
VALUE(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, 1);
VALUE(IOMMU_HWPT_GET_DIRTY_BITMAP, 0x3b8c);
VALUE(IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, 0);
VALUE(IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3, 1);
VALUE(IOMMU_VTD_INV_FLAGS_LEAF, 1);
VALUE(IOMMU_HWPT_INVALIDATE, 0x3b8d);
VALUE(IOMMU_PGFAULT_FLAGS_PASID_VALID, 1);
VALUE(IOMMU_PGFAULT_FLAGS_LAST_PAGE, 2);
VALUE(IOMMU_PGFAULT_PERM_READ, 1);
VALUE(IOMMU_PGFAULT_PERM_WRITE, 2);
VALUE(IOMMU_PGFAULT_PERM_EXEC, 4);
VALUE(IOMMU_PGFAULT_PERM_PRIV, 8);
VALUE(IOMMUFD_PAGE_RESP_SUCCESS, 0);
VALUE(IOMMUFD_PAGE_RESP_INVALID, 1);
VALUE(IOMMU_FAULT_QUEUE_ALLOC, 0x3b8e);
VALUE(IOMMU_VIOMMU_TYPE_DEFAULT, 0);
VALUE(IOMMU_VIOMMU_TYPE_ARM_SMMUV3, 1);
VALUE(IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, 2);
VALUE(IOMMU_VIOMMU_ALLOC, 0x3b90);
VALUE(IOMMU_VDEVICE_ALLOC, 0x3b91);
VALUE(IOMMU_IOAS_CHANGE_PROCESS, 0x3b92);
VALUE(IOMMU_VEVENTQ_FLAG_LOST_EVENTS, 1);
VALUE(IOMMU_VEVENTQ_TYPE_DEFAULT, 0);
VALUE(IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, 1);
VALUE(IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, 2);
VALUE(IOMMU_VEVENTQ_ALLOC, 0x3b93);
VALUE(IOMMU_HW_QUEUE_TYPE_DEFAULT, 0);
VALUE(IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV, 1);
VALUE(IOMMU_HW_QUEUE_ALLOC, 0x3b94);
VALUE(IOMMU_IOAS_NOIOMMU_GET_PA, 0x3b95);

SIZE(vfio_device_bind_iommufd, 24);
FIELD(vfio_device_bind_iommufd, argsz, 0, 4);
FIELD(vfio_device_bind_iommufd, flags, 4, 4);
FIELD(vfio_device_bind_iommufd, iommufd, 8, 4);
FIELD(vfio_device_bind_iommufd, out_devid, 12, 4);
FIELD(vfio_device_bind_iommufd, token_uuid_ptr, 16, 8);

SIZE(vfio_device_attach_iommufd_pt, 16);
FIELD(vfio_device_attach_iommufd_pt, argsz, 0, 4);
FIELD(vfio_device_attach_iommufd_pt, flags, 4, 4);
FIELD(vfio_device_attach_iommufd_pt, pt_id, 8, 4);
FIELD(vfio_device_attach_iommufd_pt, pasid, 12, 4);

SIZE(vfio_device_detach_iommufd_pt, 12);
FIELD(vfio_device_detach_iommufd_pt, argsz, 0, 4);
FIELD(vfio_device_detach_iommufd_pt, flags, 4, 4);
FIELD(vfio_device_detach_iommufd_pt, pasid, 8, 4);

/* What is longer than its last member is so for all programs. */
SIZE(vfio_device_info, 24);
FIELD(vfio_device_info, argsz, 0, 4);
FIELD(vfio_device_info, flags, 4, 4);
FIELD(vfio_device_info, num_regions, 8, 4);
FIELD(vfio_device_info, num_irqs, 12, 4);
FIELD(vfio_device_info, cap_offset, 16, 4);
FIELD(vfio_device_info, pad, 20, 4);

SIZE(vfio_device_info_cap_pci_atomic_comp, 16);
FIELD(vfio_device_info_cap_pci_atomic_comp, header, 0, 8);
FIELD(vfio_device_info_cap_pci_atomic_comp, flags, 8, 4);
FIELD(vfio_device_info_cap_pci_atomic_comp, reserved, 12, 4);

SIZE(vfio_region_info, 32);
FIELD(vfio_region_info, size, 16, 8);
FIELD(vfio_region_info, offset, 24, 8);

SIZE(vfio_region_sparse_mmap_area, 16);
SIZE(vfio_device_migration_info, 32);
SIZE(vfio_region_info_cap_nvlink2_ssatgt, 16);

SIZE(vfio_device_gfx_plane_info, 64);
FIELD(vfio_device_gfx_plane_info, drm_format_mod, 16, 8);
FIELD(vfio_device_gfx_plane_info, dmabuf_id, 56, 4);
FIELD(vfio_device_gfx_plane_info, reserved, 60, 4);

SIZE(vfio_device_ioeventfd, 32);
FIELD(vfio_device_ioeventfd, offset, 8, 8);
FIELD(vfio_device_ioeventfd, data, 16, 8);
FIELD(vfio_device_ioeventfd, fd, 24, 4);
FIELD(vfio_device_ioeventfd, reserved, 28, 4);

SIZE(vfio_iommu_type1_info, 24);
FIELD(vfio_iommu_type1_info, argsz, 0, 4);
FIELD(vfio_iommu_type1_info, flags, 4, 4);
FIELD(vfio_iommu_type1_info, iova_pgsizes, 8, 8);
FIELD(vfio_iommu_type1_info, cap_offset, 16, 4);
FIELD(vfio_iommu_type1_info, pad, 20, 4);

SIZE(vfio_iommu_type1_dma_map, 32);
FIELD(vfio_iommu_type1_dma_map, size, 24, 8);

SIZE(vfio_iommu_type1_dma_unmap, 24);
FIELD(vfio_iommu_type1_dma_unmap, size, 16, 8);

SIZE(vfio_pci_dependent_device, 8);
FIELD(vfio_pci_dependent_device, group_id, 0, 4);
FIELD(vfio_pci_dependent_device, devid, 0, 4);
FIELD(vfio_pci_dependent_device, segment, 4, 2);
FIELD(vfio_pci_dependent_device, bus, 6, 1);
FIELD(vfio_pci_dependent_device, devfn, 7, 1);

SIZE(vfio_pci_hot_reset_info, 12);
FIELD(vfio_pci_hot_reset_info, argsz, 0, 4);
FIELD(vfio_pci_hot_reset_info, flags, 4, 4);
FIELD(vfio_pci_hot_reset_info, count, 8, 4);

VALUE(VFIO_DEVICE_BIND_IOMMUFD, 0x3b76);
VALUE(VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0x3b77);
VALUE(VFIO_DEVICE_DETACH_IOMMUFD_PT, 0x3b78);
VALUE(VFIO_DEVICE_BIND_FLAG_TOKEN, 1);
VALUE(VFIO_DEVICE_ATTACH_PASID, 1);
VALUE(VFIO_DEVICE_DETACH_PASID, 1);
VALUE(VFIO_PCI_DEVID_OWNED, 0);
VALUE(VFIO_PCI_DEVID_NOT_OWNED, -1);
VALUE(VFIO_PCI_HOT_RESET_FLAG_DEV_ID, 1);
VALUE(VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED, 2);

VALUE(VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP, 5);
VALUE(VFIO_PCI_ATOMIC_COMP32, 1);
VALUE(VFIO_PCI_ATOMIC_COMP64, 2);
VALUE(VFIO_PCI_ATOMIC_COMP128, 4);

VALUE(KVM_DEV_VFIO_FILE, 1);
VALUE(KVM_DEV_VFIO_FILE_ADD, 1);
VALUE(KVM_DEV_VFIO_FILE_DEL, 2);
VALUE(KVM_DEV_VFIO_GROUP, 1);
VALUE(KVM_DEV_VFIO_GROUP_ADD, 1);
VALUE(KVM_DEV_VFIO_GROUP_DEL, 2);
