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

int ioas_copy(int iommufd, uint32_t dst_ioas, uint64_t dst_iova,
	      uint32_t src_ioas, uint64_t src_iova, uint64_t length,
	      uint32_t flags)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = flags | IOMMU_IOAS_MAP_FIXED_IOVA,
		.dst_ioas_id = dst_ioas,
		.src_ioas_id = src_ioas,
		.length = length,
		.dst_iova = dst_iova,
		.src_iova = src_iova,
	};

	return xioctl(iommufd, IOMMU_IOAS_COPY, &cmd);
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

static int rlimit_mode(int iommufd, uint16_t op, uint64_t *mode)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = op,
		.val64 = *mode,
	};
	int rc;

	rc = xioctl(iommufd, IOMMU_OPTION, &cmd);
	*mode = cmd.val64;
	return rc;
}

int iommu_set_rlimit_mode(int iommufd, uint64_t mode)
{
	return rlimit_mode(iommufd, IOMMU_OPTION_OP_SET, &mode);
}

int iommu_get_rlimit_mode(int iommufd, uint64_t *mode)
{
	*mode = 0;
	return rlimit_mode(iommufd, IOMMU_OPTION_OP_GET, mode);
}
