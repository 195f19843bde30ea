// SPDX-License-Identifier: GPL-2.0-only
/* The older path to a VFIO device: a group, a container, type1. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <unistd.h>

#include "iommu.h"
#include "pci.h"
#include "type1.h"

int vfio_group_open(const char *bdf)
{
	int fd, group = pci_group(bdf);
	char path[PCI_PATH_MAX];

	if (group < 0)
		return group;
	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vfio_group_get_device(int group, const char *bdf)
{
	return xioctl(group, VFIO_GROUP_GET_DEVICE_FD, (void *)bdf);
}

int vfio_group_set_container(int group, int container)
{
	return xioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
}

int vfio_set_iommu(int container, unsigned long type)
{
	return xioctl(container, VFIO_SET_IOMMU, (void *)type);
}

int type1_open(struct type1 *t1, const char *bdf)
{
	return type1_open_by(t1, bdf, VFIO_CONTAINER);
}

int type1_open_by(struct type1 *t1, const char *bdf, const char *path)
{
	int rc;

	t1->container = open(path, O_RDWR | O_CLOEXEC);
	if (t1->container < 0)
		return -errno;
	rc = vfio_group_open(bdf);
	if (rc < 0)
		goto err_container;
	t1->group = rc;
	rc = vfio_group_set_container(t1->group, t1->container);
	if (rc)
		goto err_group;
	rc = vfio_set_iommu(t1->container, VFIO_TYPE1v2_IOMMU);
	if (rc)
		goto err_group;
	return 0;

err_group:
	close(t1->group);
err_container:
	close(t1->container);
	return rc;
}

void type1_close(struct type1 *t1)
{
	close(t1->group);
	close(t1->container);
}

int type1_map(struct type1 *t1, const void *va, uint64_t length, uint64_t iova,
	      uint32_t flags)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = length,
	};

	return xioctl(t1->container, VFIO_IOMMU_MAP_DMA, &cmd);
}

int type1_unmap(struct type1 *t1, uint64_t iova, uint64_t length)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.iova = iova,
		.size = length,
	};

	return xioctl(t1->container, VFIO_IOMMU_UNMAP_DMA, &cmd);
}
