// SPDX-License-Identifier: GPL-2.0-only
/*
 * The older path to a device, by group and container, must stay as it was
 * beside the cdev (A22: group path untouched); and what it does with a
 * container it does with an iommufd in its place.
 */
#include <linux/vfio.h>
#include <pthread.h>

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

/* Threads that map memory, or close a device and its group. */
struct caller {
	struct type1 *t1;
	int dev;
	void *mem;
	size_t size;
	uint64_t iova;
	int rc;
};

static void *map_memory(void *arg)
{
	struct caller *caller = arg;

	caller->rc = type1_map(caller->t1, caller->mem, caller->size,
			       caller->iova, TYPE1_RW);
	return NULL;
}

static void *close_group(void *arg)
{
	struct caller *caller = arg;

	caller->rc = close(caller->dev) | close(caller->t1->group);
	return NULL;
}

#define SLOW_SIZE	(256UL << 20)

/*
 * The last group goes while one MAP takes its time, by pages that are not there
 * yet, and another waits for the first.  What they mapped goes with the group,
 * or is the IOAS's.
 */
TEST_F(legacy, group_gone_while_mapping)
{
	struct caller first = { &self->t1, .iova = IOVA, .size = SLOW_SIZE };
	struct caller second = { &self->t1, .iova = IOVA + SLOW_SIZE,
				 .size = PAGE };
	struct caller closer = { &self->t1 };
	pthread_t threads[3];
	struct type1 again;
	int i;

	open_device(_metadata, self, variant, "TESTDEV0");
	first.mem = mmap(NULL, SLOW_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, first.mem);
	ASSERT_EQ(0, madvise(first.mem, SLOW_SIZE, MADV_NOHUGEPAGE));
	second.mem = alloc_memory(PAGE);
	ASSERT_NE(NULL, second.mem);
	closer.dev = self->dev;
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, map_memory, &first));
	usleep(100000);
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, close_group, &closer));
	usleep(100000);
	ASSERT_EQ(0, pthread_create(&threads[2], NULL, map_memory, &second));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_EQ(0, first.rc);
	/* -EINVAL: a container without a group maps nothing. */
	EXPECT_TRUE(!second.rc || second.rc == -EINVAL);
	EXPECT_EQ(0, closer.rc);

	ASSERT_EQ(0, type1_open_by(&again, self->bdf, variant->container));
	EXPECT_LE(0, vfio_group_get_device(again.group, self->bdf));
}

TEST_HARNESS_MAIN
