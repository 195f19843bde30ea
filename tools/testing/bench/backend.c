// SPDX-License-Identifier: GPL-2.0-only
/* type1 and iommufd, to be used alike. */
#include <linux/vfio.h>
#include <stddef.h>
#include <unistd.h>

#include "backend.h"
#include "iommu.h"
#include "vfio.h"

static int container_open(struct backend *b, const char *bdf)
{
	return type1_open(&b->type1, bdf);
}

static void container_close(struct backend *b)
{
	type1_close(&b->type1);
}

static int container_map(struct backend *b, void *mem, uint64_t len,
			 uint64_t iova)
{
	return type1_map(&b->type1, mem, len, iova,
			 VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
}

static int container_unmap(struct backend *b, uint64_t iova, uint64_t len)
{
	return type1_unmap(&b->type1, iova, len);
}

static int container_unmap_all(struct backend *b)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};

	return xioctl(b->type1.container, VFIO_IOMMU_UNMAP_DMA, &cmd);
}

static int ioas_open(struct backend *b, const char *bdf)
{
	uint32_t pt;
	int rc;

	rc = iommu_open();
	if (rc < 0)
		return rc;
	b->iommufd = rc;
	rc = vfio_cdev_open(bdf);
	if (rc < 0)
		goto err_iommufd;
	b->dev = rc;
	rc = vfio_bind(b->dev, b->iommufd, NULL);
	if (rc)
		goto err_dev;
	rc = ioas_alloc(b->iommufd, &b->ioas);
	if (rc)
		goto err_dev;
	pt = b->ioas;
	rc = vfio_attach(b->dev, &pt);
	if (rc)
		goto err_dev;
	return 0;

err_dev:
	close(b->dev);
err_iommufd:
	close(b->iommufd);
	return rc;
}

static void ioas_close(struct backend *b)
{
	close(b->dev);
	close(b->iommufd);
}

static int ioas_map_rw(struct backend *b, void *mem, uint64_t len,
		       uint64_t iova)
{
	return ioas_map(b->iommufd, b->ioas, mem, len, iova, IOMMU_MAP_RW);
}

static int ioas_unmap_range(struct backend *b, uint64_t iova, uint64_t len)
{
	return ioas_unmap(b->iommufd, b->ioas, iova, len, NULL);
}

static int ioas_unmap_all(struct backend *b)
{
	return ioas_unmap(b->iommufd, b->ioas, 0, UINT64_MAX, NULL);
}

const struct backend_ops backends[NR_BACKENDS] = {
	[TYPE1] = {
		.name = "type1",
		.open = container_open,
		.close = container_close,
		.map = container_map,
		.unmap = container_unmap,
		.unmap_all = container_unmap_all,
	},
	[IOMMUFD] = {
		.name = "iommufd",
		.open = ioas_open,
		.close = ioas_close,
		.map = ioas_map_rw,
		.unmap = ioas_unmap_range,
		.unmap_all = ioas_unmap_all,
	},
};
