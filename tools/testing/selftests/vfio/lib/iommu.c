// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of /dev/iommu that a VFIO user needs. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "iommu.h"

int xioctl(int fd, unsigned long request, void *arg)
{
	int rc = ioctl(fd, request, arg);

	return rc < 0 ? -errno : rc;
}

int iommu_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ioas_alloc(int iommufd, uint32_t *ioas)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int rc;

	rc = xioctl(iommufd, IOMMU_IOAS_ALLOC, &cmd);
	if (!rc)
		*ioas = cmd.out_ioas_id;
	return rc;
}

int iommu_destroy(int iommufd, uint32_t id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return xioctl(iommufd, IOMMU_DESTROY, &cmd);
}

static int map(int iommufd, uint32_t ioas, const void *va, uint64_t length,
	       uint64_t *iova, uint32_t flags)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = length,
		.iova = *iova,
	};
	int rc;

	rc = xioctl(iommufd, IOMMU_IOAS_MAP, &cmd);
	if (!rc)
		*iova = cmd.iova;
	return rc;
}

int ioas_map(int iommufd, uint32_t ioas, const void *va, uint64_t length,
	     uint64_t iova, uint32_t flags)
{
	return map(iommufd, ioas, va, length, &iova,
		   flags | IOMMU_IOAS_MAP_FIXED_IOVA);
}

int ioas_map_anywhere(int iommufd, uint32_t ioas, const void *va,
		      uint64_t length, uint64_t *iova, uint32_t flags)
{
	*iova = 0;
	return map(iommufd, ioas, va, length, iova, flags);
}

static int copy(int iommufd, uint32_t dst_ioas, uint64_t *dst_iova,
		uint32_t src_ioas, uint64_t src_iova, uint64_t length,
		uint32_t flags)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dst_ioas_id = dst_ioas,
		.src_ioas_id = src_ioas,
		.length = length,
		.dst_iova = *dst_iova,
		.src_iova = src_iova,
	};
	int rc;

	rc = xioctl(iommufd, IOMMU_IOAS_COPY, &cmd);
	if (!rc)
		*dst_iova = cmd.dst_iova;
	return rc;
}

int ioas_copy(int iommufd, uint32_t dst_ioas, uint64_t dst_iova,
	      uint32_t src_ioas, uint64_t src_iova, uint64_t length,
	      uint32_t flags)
{
	return copy(iommufd, dst_ioas, &dst_iova, src_ioas, src_iova, length,
		    flags | IOMMU_IOAS_MAP_FIXED_IOVA);
}

int ioas_copy_anywhere(int iommufd, uint32_t dst_ioas, uint64_t *dst_iova,
		       uint32_t src_ioas, uint64_t src_iova, uint64_t length,
		       uint32_t flags)
{
	*dst_iova = 0;
	return copy(iommufd, dst_ioas, dst_iova, src_ioas, src_iova, length,
		    flags);
}

int ioas_map_file(int iommufd, uint32_t ioas, int fd, uint64_t start,
		  uint64_t length, uint64_t iova, uint32_t flags)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = flags | IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = iova,
	};

	return xioctl(iommufd, IOMMU_IOAS_MAP_FILE, &cmd);
}

int ioas_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t length,
	       uint64_t *unmapped)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};
	int rc;

	rc = xioctl(iommufd, IOMMU_IOAS_UNMAP, &cmd);
	if (!rc && unmapped)
		*unmapped = cmd.length;
	return rc;
}

int ioas_ranges(int iommufd, uint32_t ioas, struct iommu_iova_range *ranges,
		uint32_t *num, uint64_t *alignment)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = *num,
		.allowed_iovas = (uintptr_t)ranges,
	};
	int rc;

	rc = xioctl(iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd);
	*num = cmd.num_iovas;
	if (alignment)
		*alignment = cmd.out_iova_alignment;
	return rc;
}

int ioas_allow(int iommufd, uint32_t ioas,
	       const struct iommu_iova_range *ranges, uint32_t num)
{
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = num,
		.allowed_iovas = (uintptr_t)ranges,
	};

	return xioctl(iommufd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

int hwpt_alloc(int iommufd, uint32_t dev, uint32_t pt, uint32_t *hwpt)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = dev,
		.pt_id = pt,
	};
	int rc;

	rc = xioctl(iommufd, IOMMU_HWPT_ALLOC, &cmd);
	if (!rc)
		*hwpt = cmd.out_hwpt_id;
	return rc;
}

static int option(int iommufd, uint32_t id, uint32_t object, uint16_t op,
		  uint64_t *value)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = id,
		.op = op,
		.object_id = object,
		.val64 = *value,
	};
	int rc;

	rc = xioctl(iommufd, IOMMU_OPTION, &cmd);
	*value = cmd.val64;
	return rc;
}

int iommu_set_rlimit_mode(int iommufd, uint64_t mode)
{
	return option(iommufd, IOMMU_OPTION_RLIMIT_MODE, 0,
		      IOMMU_OPTION_OP_SET, &mode);
}

int iommu_get_rlimit_mode(int iommufd, uint64_t *mode)
{
	*mode = 0;
	return option(iommufd, IOMMU_OPTION_RLIMIT_MODE, 0,
		      IOMMU_OPTION_OP_GET, mode);
}

int ioas_set_huge_pages(int iommufd, uint32_t ioas, uint64_t on)
{
	return option(iommufd, IOMMU_OPTION_HUGE_PAGES, ioas,
		      IOMMU_OPTION_OP_SET, &on);
}

int ioas_get_huge_pages(int iommufd, uint32_t ioas, uint64_t *on)
{
	*on = 0;
	return option(iommufd, IOMMU_OPTION_HUGE_PAGES, ioas,
		      IOMMU_OPTION_OP_GET, on);
}

int iommu_change_process(int iommufd)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return xioctl(iommufd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}
