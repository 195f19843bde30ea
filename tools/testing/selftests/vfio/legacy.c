// SPDX-License-Identifier: GPL-2.0-only
/*
 * The older path to a device, by group and container, must stay as it was
 * beside the cdev (A22: group path untouched); and what it does with a
 * container it does with an iommufd in its place.
 */
#include <linux/vfio.h>

#include "disk.h"
#include "nvme.h"
#include "type1.h"
#include "vfio_test.h"

#define IOVA	0x1000000UL
#define TYPE1_RW	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

FIXTURE(legacy) {
	const char *bdf;
	struct type1 t1;
	int dev;
};

FIXTURE_VARIANT(legacy) {
	const char *container;
};

FIXTURE_VARIANT_ADD(legacy, vfio) {
	.container = VFIO_CONTAINER,
};

FIXTURE_VARIANT_ADD(legacy, iommufd) {
	.container = "/dev/iommu",
};

FIXTURE_SETUP(legacy)
{
}

/* The end of the test's process closes all. */
FIXTURE_TEARDOWN(legacy)
{
}

/* A group, its container and a device file of it. */
static void open_device(struct __test_metadata *_metadata,
			struct _test_data_legacy *self,
			const struct _fixture_variant_legacy *variant,
			const char *name)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE(name);
	ASSERT_EQ(0, type1_open_by(&self->t1, self->bdf, variant->container));
	self->dev = vfio_group_get_device(self->t1.group, self->bdf);
	ASSERT_LE(0, self->dev);
}

/* edu moves bytes through a type1 mapping, and not after its unmap. */
TEST_F(legacy, edu_dma)
{
	unsigned char *mem = alloc_memory(2 * PAGE);
	struct edu edu;

	open_device(_metadata, self, variant, "EDU0");
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, edu_open(&edu, self->dev));
	ASSERT_EQ(0, edu_check(&edu));
	ASSERT_EQ(0, type1_map(&self->t1, mem, 2 * PAGE, IOVA, TYPE1_RW));
	fill(mem, EDU_MAX_DMA, 1);
	ASSERT_EQ(0, edu_copy(&edu, IOVA, IOVA + PAGE, EDU_MAX_DMA));
	EXPECT_EQ(0, memcmp(mem, mem + PAGE, EDU_MAX_DMA));

	ASSERT_EQ(0, type1_unmap(&self->t1, IOVA, 2 * PAGE));
	memset(mem + PAGE, 0, PAGE);
	ASSERT_EQ(0, edu_write_memory(&edu, 0, IOVA + PAGE, 64));
	EXPECT_EQ(0, mem[PAGE]);
}

/* The NVMe driver reads its disk through type1 as it does through an IOAS. */
TEST_F(legacy, nvme_disk)
{
	char hex[SHA256_HEX_LEN + 1];
	void *mem = alloc_memory(NVME_MEM_SIZE);
	const char *expected;
	struct nvme nvme;

	open_device(_metadata, self, variant, "NVME0");
	expected = REQUIRE_ENV("NVME_SHA256");
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, type1_map(&self->t1, mem, NVME_MEM_SIZE, IOVA, TYPE1_RW));
	ASSERT_EQ(0, nvme_open(&nvme, self->dev, mem, IOVA));
	ASSERT_EQ(0, nvme_sha256(&nvme, hex));
	EXPECT_STREQ(expected, hex);
	nvme_close(&nvme);
}

TEST_HARNESS_MAIN
