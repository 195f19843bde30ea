// SPDX-License-Identifier: GPL-2.0-only
/* type1 and iommufd, to be used alike. */
#include <linux/vfio.h>
#include <stddef.h>
#include <unistd.h>

#include "backend.h"
#include "iommu.h"
#include "type1.h"
#include "vfio.h"

static int container_open(struct backend *b)
{
	struct type1 t1;
	int rc;

	rc = type1_open(&t1, b->device.bdf);
	if (rc)
		return rc;
	b->fd = t1.container;
	b->device.fd = t1.group;
	rc = vfio_group_open(b->second.bdf);
	if (rc < 0) {
		type1_close(&t1);
		return rc;
	}
	b->second.fd = rc;
	return 0;
}

static void container_close(struct backend *b)
{
	close(b->second.fd);
	close(b->device.fd);
	close(b->fd);
}

static int container_map(struct backend *b, void *mem, uint64_t len,
			 uint64_t iova)
{
	struct type1 t1 = { .container = b->fd };

	return type1_map(&t1, mem, len, iova,
			 VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
}

static int container_unmap(struct backend *b, uint64_t iova, uint64_t len)
{
	struct type1 t1 = { .container = b->fd };

	return type1_unmap(&t1, iova, len);
}

static int container_unmap_all(struct backend *b)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	return xioctl(b->fd, VFIO_IOMMU_UNMAP_DMA, &cmd);
}

static int container_attach(struct backend *b)
{
	return xioctl(b->second.fd, VFIO_GROUP_SET_CONTAINER, &b->fd);
}

static int container_detach(struct backend *b)
{
	return xioctl(b->second.fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

static int device_bind(struct device *device, int iommufd)
{
	int rc;

	rc = vfio_cdev_open(device->bdf);
	if (rc < 0)
		return rc;
	device->fd = rc;
	rc = vfio_bind(device->fd, iommufd, &device->id);
	if (rc)
		close(device->fd);
	return rc;
}

static int device_attach(struct device *device, uint32_t pt)
{
	return vfio_attach(device->fd, &pt);
}

static int ioas_open(struct backend *b)
{
	int rc;

	rc = iommu_open();
	if (rc < 0)
		return rc;
	b->fd = rc;
	rc = device_bind(&b->device, b->fd);
	if (rc)
		goto err_iommufd;
	rc = device_bind(&b->second, b->fd);
	if (rc)
		goto err_device;
	rc = ioas_alloc(b->fd, &b->ioas);
	if (rc)
		goto err_second;
	rc = device_attach(&b->device, b->ioas);
	if (rc)
		goto err_second;
	return 0;

err_second:
	close(b->second.fd);
err_device:
	close(b->device.fd);
err_iommufd:
	close(b->fd);
	return rc;
}

static void ioas_close(struct backend *b)
{
	close(b->second.fd);
	close(b->device.fd);
	close(b->fd);
}

static int ioas_map_rw(struct backend *b, void *mem, uint64_t len,
		       uint64_t iova)
{
	return ioas_map(b->fd, b->ioas, mem, len, iova, IOMMU_MAP_RW);
}

static int ioas_unmap_range(struct backend *b, uint64_t iova, uint64_t len)
{
	return ioas_unmap(b->fd, b->ioas, iova, len, NULL);
}

static int ioas_unmap_all(struct backend *b)
{
	return ioas_unmap(b->fd, b->ioas, 0, UINT64_MAX, NULL);
}

static int ioas_attach(struct backend *b)
{
	return device_attach(&b->second, b->ioas);
}

static int ioas_detach(struct backend *b)
{
	return vfio_detach(b->second.fd);
}

static int ioas_attach_own(struct backend *b)
{
	int rc;

	rc = hwpt_alloc(b->fd, b->second.id, b->ioas, &b->hwpt);
	if (rc)
		return rc;
	rc = device_attach(&b->second, b->hwpt);
	if (rc)
		iommu_destroy(b->fd, b->hwpt);
	return rc;
}

static int ioas_detach_own(struct backend *b)
{
	int rc;

	rc = vfio_detach(b->second.fd);
	return rc ? rc : iommu_destroy(b->fd, b->hwpt);
}

static int ioas_copy_begin(struct backend *b)
{
	int rc;

	rc = ioas_alloc(b->fd, &b->copy);
	if (rc)
		return rc;
	rc = device_attach(&b->second, b->copy);
	if (rc)
		iommu_destroy(b->fd, b->copy);
	return rc;
}

static int ioas_copy_range(struct backend *b, uint64_t iova, uint64_t len)
{
	return ioas_copy(b->fd, b->copy, iova, b->ioas, iova, len,
			 IOMMU_MAP_RW);
}

static int ioas_copy_unmap(struct backend *b, uint64_t iova, uint64_t len)
{
	return ioas_unmap(b->fd, b->copy, iova, len, NULL);
}

static int ioas_copy_end(struct backend *b)
{
	int rc;

	rc = vfio_detach(b->second.fd);
	return rc ? rc : iommu_destroy(b->fd, b->copy);
}

const struct backend_ops backends[NR_BACKENDS] = {
	[TYPE1] = {
		.name = "type1",
		.open = container_open,
		.close = container_close,
		.map = container_map,
		.unmap = container_unmap,
		.unmap_all = container_unmap_all,
		.attach = container_attach,
		.detach = container_detach,
	},
	[IOMMUFD] = {
		.name = "iommufd",
		.open = ioas_open,
		.close = ioas_close,
		.map = ioas_map_rw,
		.unmap = ioas_unmap_range,
		.unmap_all = ioas_unmap_all,
		.attach = ioas_attach,
		.detach = ioas_detach,
		.attach_own = ioas_attach_own,
		.detach_own = ioas_detach_own,
		.copy_begin = ioas_copy_begin,
		.copy = ioas_copy_range,
		.copy_unmap = ioas_copy_unmap,
		.copy_end = ioas_copy_end,
	},
};
