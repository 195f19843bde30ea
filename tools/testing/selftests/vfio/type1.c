// SPDX-License-Identifier: GPL-2.0-only
/*
 * type1's own container at the end of the address space, which the apertures of
 * AMD-Vi and virtio-iommu reach: a mapping of its last bytes is one like any
 * other.  One that ends a page below has to behave the same.
 *
 *    EDU0 --- group --+
 *                     +-- /dev/vfio/vfio: SIZE bytes before 2^64
 *    EDU1 --- group --+
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../../../../drivers/vfio/mdev/test_mdev.h"
#include "mdev.h"
#include "type1.h"
#include "vfio_test.h"

#define SIZE		(4UL << 20)
#define PAGES		(SIZE / PAGE)
#define LOW_IOVA	0x1000000UL
#define TYPE1_RW	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

#define MODULE		"/t/test_mdev.ko"
#define UUID		"6d4f7e52-1d0c-4f5b-9a2e-2c5d1c0a8e03"

#define USER		1003
#define LIMIT		(2 * SIZE)
#define ROUNDS		12

/* ---- what is pinned ---- */

/* A number of a file of lines of a name and a number; -1 without it. */
static long number_of(const char *path, const char *name)
{
	char line[128];
	long value = -1;
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name));
	fclose(file);
	return value;
}

/* Pages that anybody has pinned; the CPUs' counts are added up first. */
static long pinned(void)
{
	long acquired, released;

	if (sysfs_write("/proc/sys/vm/stat_refresh", "1"))
		return -1;
	acquired = number_of("/proc/vmstat", "nr_foll_pin_acquired ");
	released = number_of("/proc/vmstat", "nr_foll_pin_released ");
	return acquired < 0 || released < 0 ? -1 : acquired - released;
}

/* What this process is charged, in kB */
static long locked_kb(void)
{
	return number_of("/proc/self/status", "VmLck:");
}

/* ---- type1's ioctls ---- */

static int unmap(int container, uint32_t flags, uint64_t iova, uint64_t length,
		 uint64_t *unmapped)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.iova = iova,
		.size = length,
	};
	int rc = xioctl(container, VFIO_IOMMU_UNMAP_DMA, &cmd);

	*unmapped = cmd.size;
	return rc;
}

static int dirty_log(int container, uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
	};

	return xioctl(container, VFIO_IOMMU_DIRTY_PAGES, &cmd);
}

static int get_dirty(int container, uint64_t iova, uint64_t length,
		     uint64_t *bits, size_t size)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap cmd;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = {
		.cmd.argsz = sizeof(arg),
		.cmd.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.get.iova = iova,
		.get.size = length,
		.get.bitmap.pgsize = PAGE,
		.get.bitmap.size = size,
		.get.bitmap.data = (void *)bits,
	};

	return xioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

static int unmap_dirty(int container, uint64_t iova, uint64_t length,
		       uint64_t *bits, size_t size, uint64_t *unmapped)
{
	struct {
		struct vfio_iommu_type1_dma_unmap cmd;
		struct vfio_bitmap bitmap;
	} arg = {
		.cmd.argsz = sizeof(arg),
		.cmd.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		.cmd.iova = iova,
		.cmd.size = length,
		.bitmap.pgsize = PAGE,
		.bitmap.size = size,
		.bitmap.data = (void *)bits,
	};
	int rc = xioctl(container, VFIO_IOMMU_UNMAP_DMA, &arg);

	*unmapped = arg.cmd.size;
	return rc;
}

#define BITMAP_WORDS	(PAGES / 64)

static unsigned int count_bits(const uint64_t *bits)
{
	unsigned int i, n = 0;

	for (i = 0; i < BITMAP_WORDS; i++)
		n += __builtin_popcountll(bits[i]);
	return n;
}

/* ---- a group with memory at the end ---- */

FIXTURE(end) {
	const char *bdf;
	struct type1 t1;
	int dev;
	struct edu edu;
	unsigned char *mem;
	long pinned;		/* before */
};

FIXTURE_VARIANT(end) {
	uint64_t iova;
};

FIXTURE_VARIANT_ADD(end, last) {
	.iova = -SIZE,
};

FIXTURE_VARIANT_ADD(end, last_but_one) {
	.iova = -SIZE - PAGE,
};

/* Touched, so that no page is the one that stands for memory not written. */
FIXTURE_SETUP(end)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("EDU0");
	self->mem = alloc_memory(SIZE);
	ASSERT_NE(NULL, self->mem);
	memset(self->mem, 1, SIZE);
	ASSERT_EQ(0, type1_open(&self->t1, self->bdf));
	self->dev = vfio_group_get_device(self->t1.group, self->bdf);
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, edu_open(&self->edu, self->dev));
	self->pinned = pinned();
	ASSERT_LE(0, self->pinned);
	ASSERT_EQ(0, locked_kb());
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, SIZE, variant->iova,
			       TYPE1_RW));
	EXPECT_EQ(PAGES, pinned() - self->pinned);
	EXPECT_EQ(SIZE / 1024, locked_kb());
}

FIXTURE_TEARDOWN(end)
{
}

/* The last page that is mapped */
static bool last_page_works(struct _test_data_end *self,
			    const struct _fixture_variant_end *variant)
{
	return dma_works(&self->edu, self->mem + SIZE - PAGE,
			 variant->iova + SIZE - PAGE);
}

static bool all_is_blocked(struct _test_data_end *self,
			   const struct _fixture_variant_end *variant)
{
	return dma_is_blocked(&self->edu, self->mem, variant->iova) &&
	       dma_is_blocked(&self->edu, self->mem + SIZE - PAGE,
			      variant->iova + SIZE - PAGE);
}

/* All of it goes, and is given back. */
TEST_F(end, unmap)
{
	uint64_t unmapped;

	EXPECT_TRUE(last_page_works(self, variant));
	ASSERT_EQ(0, unmap(self->t1.container, 0, variant->iova, SIZE,
			   &unmapped));
	EXPECT_EQ(SIZE, unmapped);
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(0, locked_kb());
	EXPECT_TRUE(all_is_blocked(self, variant));
	ASSERT_EQ(0, unmap(self->t1.container, 0, variant->iova, SIZE,
			   &unmapped));
	EXPECT_EQ(0, unmapped);
}

/* With more than was mapped, up to the end */
TEST_F(end, unmap_more)
{
	uint64_t unmapped, iova = -2 * SIZE;

	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, iova, TYPE1_RW));
	ASSERT_EQ(0, unmap(self->t1.container, 0, iova, 2 * SIZE, &unmapped));
	EXPECT_EQ(SIZE + PAGE, unmapped);
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_TRUE(all_is_blocked(self, variant));
}

TEST_F(end, unmap_all)
{
	uint64_t unmapped;

	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, LOW_IOVA, TYPE1_RW));
	ASSERT_EQ(0, unmap(self->t1.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0,
			   &unmapped));
	EXPECT_EQ(SIZE + PAGE, unmapped);
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_TRUE(all_is_blocked(self, variant));
}

/* A mapping is not cut, at neither end; and nothing is put over it. */
TEST_F(end, in_the_way)
{
	uint64_t iova = variant->iova, last = variant->iova + SIZE - PAGE;
	uint64_t unmapped;

	EXPECT_EQ(-EINVAL, unmap(self->t1.container, 0, last, PAGE, &unmapped));
	EXPECT_EQ(-EINVAL, unmap(self->t1.container, 0, iova, SIZE - PAGE,
				 &unmapped));
	EXPECT_EQ(-EINVAL, unmap(self->t1.container, 0, LOW_IOVA,
				 last - LOW_IOVA, &unmapped));
	EXPECT_EQ(-EEXIST, type1_map(&self->t1, self->mem, SIZE, iova,
				     TYPE1_RW));
	EXPECT_EQ(-EEXIST, type1_map(&self->t1, self->mem, PAGE, last,
				     TYPE1_RW));
	EXPECT_EQ(-EEXIST, type1_map(&self->t1, self->mem, 2 * PAGE,
				     iova - PAGE, TYPE1_RW));
	EXPECT_TRUE(last_page_works(self, variant));
}

/* What would go on at 0 is refused. */
TEST_F(end, beyond_the_end)
{
	uint64_t bits[BITMAP_WORDS + 1], unmapped;

	EXPECT_EQ(-EINVAL, type1_map(&self->t1, self->mem, 2 * SIZE, -SIZE,
				     TYPE1_RW));
	EXPECT_EQ(-EINVAL, unmap(self->t1.container, 0, -SIZE, SIZE + PAGE,
				 &unmapped));
	ASSERT_EQ(0, dirty_log(self->t1.container,
			       VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	EXPECT_EQ(-EINVAL, get_dirty(self->t1.container, -SIZE, SIZE + PAGE,
				     bits, sizeof(bits)));
	EXPECT_EQ(-EINVAL, get_dirty(self->t1.container, -SIZE, 0, bits,
				     sizeof(bits)));
	EXPECT_EQ(-EINVAL, get_dirty(self->t1.container, 0, 0, bits,
				     sizeof(bits)));
}

/* So often that the user's limit would be used up if any was kept */
TEST_F_TIMEOUT(end, again_and_again, 600)
{
	struct rlimit limit = { LIMIT, LIMIT };
	uint64_t unmapped;
	int i;

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, setresuid(USER, USER, USER));
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, unmap(self->t1.container, 0, variant->iova, SIZE,
				   &unmapped));
		ASSERT_EQ(SIZE, unmapped);
		ASSERT_EQ(0, type1_map(&self->t1, self->mem, SIZE,
				       variant->iova, TYPE1_RW));
	}
	EXPECT_EQ(SIZE / 1024, locked_kb());
}

/* The end of the container unpins. */
TEST_F(end, close)
{
	edu_close(&self->edu);
	ASSERT_EQ(0, close(self->dev));
	type1_close(&self->t1);
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(0, locked_kb());
}

/* Each round a process maps half of what it may, and ends. */
TEST_F_TIMEOUT(end, unprivileged_rounds, 600)
{
	struct rlimit limit = { LIMIT, LIMIT };
	struct type1 t1;
	int i, status;
	pid_t pid;

	edu_close(&self->edu);
	ASSERT_EQ(0, close(self->dev));
	type1_close(&self->t1);
	for (i = 0; i < ROUNDS; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			if (type1_open(&t1, self->bdf) ||
			    setrlimit(RLIMIT_MEMLOCK, &limit) ||
			    setresuid(USER, USER, USER))
				_exit(1);
			_exit(type1_map(&t1, self->mem, SIZE, variant->iova,
					TYPE1_RW) ? 2 : 0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFEXITED(status));
		ASSERT_EQ(0, WEXITSTATUS(status));
	}
	EXPECT_EQ(self->pinned, pinned());
}

/* All that a device could write to is dirty, up to the last page. */
TEST_F(end, dirty_log)
{
	uint64_t bits[BITMAP_WORDS] = {};

	ASSERT_EQ(0, dirty_log(self->t1.container,
			       VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	ASSERT_EQ(0, get_dirty(self->t1.container, variant->iova, SIZE, bits,
			       sizeof(bits)));
	EXPECT_EQ(PAGES, count_bits(bits));
	EXPECT_EQ(-EINVAL, get_dirty(self->t1.container, variant->iova,
				     SIZE - PAGE, bits, sizeof(bits)));
	EXPECT_EQ(-EINVAL, get_dirty(self->t1.container, variant->iova + PAGE,
				     SIZE - PAGE, bits, sizeof(bits)));
	ASSERT_EQ(0, dirty_log(self->t1.container,
			       VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	EXPECT_EQ(-EINVAL, get_dirty(self->t1.container, variant->iova, SIZE,
				     bits, sizeof(bits)));
}

/* With the log of what goes */
TEST_F(end, unmap_dirty)
{
	uint64_t bits[BITMAP_WORDS] = {}, unmapped;

	ASSERT_EQ(0, dirty_log(self->t1.container,
			       VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	ASSERT_EQ(0, unmap_dirty(self->t1.container, variant->iova, SIZE, bits,
				 sizeof(bits), &unmapped));
	EXPECT_EQ(SIZE, unmapped);
	EXPECT_EQ(PAGES, count_bits(bits));
	EXPECT_EQ(self->pinned, pinned());
}

/* Version 1 unmaps what begins in the range, whole. */
TEST_F(end, version_1)
{
	uint64_t unmapped;
	struct type1 t1;

	edu_close(&self->edu);
	ASSERT_EQ(0, close(self->dev));
	type1_close(&self->t1);
	t1.container = open(VFIO_CONTAINER, O_RDWR);
	ASSERT_LE(0, t1.container);
	t1.group = vfio_group_open(self->bdf);
	ASSERT_LE(0, t1.group);
	ASSERT_EQ(0, vfio_group_set_container(t1.group, t1.container));
	ASSERT_EQ(0, vfio_set_iommu(t1.container, VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, type1_map(&t1, self->mem, SIZE, variant->iova, TYPE1_RW));
	ASSERT_EQ(0, unmap(t1.container, 0, variant->iova + SIZE - PAGE, PAGE,
			   &unmapped));
	EXPECT_EQ(0, unmapped);
	ASSERT_EQ(0, unmap(t1.container, 0, variant->iova, PAGE, &unmapped));
	EXPECT_EQ(SIZE, unmapped);
	EXPECT_EQ(self->pinned, pinned());
}

/* ---- groups that come and go ---- */

/* A second group joins: it reaches what is mapped, and takes nothing along. */
TEST_F(end, second_group)
{
	const char *bdf = REQUIRE_DEVICE("EDU1");
	uint64_t unmapped;
	struct edu edu;
	int group, dev;

	group = vfio_group_open(bdf);
	ASSERT_LE(0, group);
	ASSERT_EQ(0, vfio_group_set_container(group, self->t1.container));
	dev = vfio_group_get_device(group, bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, edu_open(&edu, dev));
	EXPECT_TRUE(dma_works(&edu, self->mem + SIZE - PAGE,
			      variant->iova + SIZE - PAGE));
	edu_close(&edu);
	ASSERT_EQ(0, close(dev));
	ASSERT_EQ(0, close(group));
	EXPECT_TRUE(last_page_works(self, variant));
	ASSERT_EQ(0, unmap(self->t1.container, 0, variant->iova, SIZE,
			   &unmapped));
	EXPECT_EQ(SIZE, unmapped);
	EXPECT_EQ(self->pinned, pinned());
}

/* A container that begins with a mediated device: nothing is pinned yet. */
FIXTURE(joined) {
	struct space space;
	struct member mdev;
	unsigned char *mem;
	long pinned;
};

FIXTURE_VARIANT(joined) {
	uint64_t iova;
};

FIXTURE_VARIANT_ADD(joined, last) {
	.iova = -SIZE,
};

FIXTURE_VARIANT_ADD(joined, last_but_one) {
	.iova = -SIZE - PAGE,
};

FIXTURE_SETUP(joined)
{
	REQUIRE_IOMMU();
	self->mem = alloc_memory(SIZE);
	ASSERT_NE(NULL, self->mem);
	memset(self->mem, 1, SIZE);
	ASSERT_EQ(0, module_load(MODULE));
	mdev_remove(UUID);
	ASSERT_EQ(0, mdev_create("test_mdev", "test_mdev-dma", UUID));
	ASSERT_EQ(0, space_open(&self->space, WAY_TYPE1));
	ASSERT_EQ(0, space_add_mdev(&self->space, &self->mdev, UUID));
	self->pinned = pinned();
	ASSERT_LE(0, self->pinned);
	ASSERT_EQ(0, space_map(&self->space, self->mem, SIZE, variant->iova,
			       IOMMU_MAP_RW));
	EXPECT_EQ(self->pinned, pinned());
}

FIXTURE_TEARDOWN(joined)
{
	member_close(&self->mdev);
	space_close(&self->space);
	EXPECT_EQ(0, mdev_remove(UUID));
}

static int pin_last_page(int dev, uint64_t end)
{
	struct test_mdev_cmd cmd = {
		.op = TEST_MDEV_PIN,
		.flags = TEST_MDEV_WRITE,
		.iova = end - PAGE,
		.pages = 1,
	};

	return pwrite(dev, &cmd, sizeof(cmd), 0) < 0 ? -errno : 0;
}

/* The driver of a mediated device pins the last page, until it is unmapped. */
TEST_F(joined, pinned_by_a_driver)
{
	uint64_t unmapped;

	ASSERT_EQ(0, pin_last_page(self->mdev.dev, variant->iova + SIZE));
	EXPECT_EQ(self->pinned + 1, pinned());
	EXPECT_EQ(PAGE / 1024, locked_kb());
	ASSERT_EQ(0, unmap(self->space.fd, 0, variant->iova, SIZE, &unmapped));
	EXPECT_EQ(SIZE, unmapped);
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(0, locked_kb());
}

/* It reads what it has not pinned, up to the last byte. */
TEST_F(joined, read_by_a_driver)
{
	struct test_mdev_cmd cmd = {
		.op = TEST_MDEV_RW,
		.iova = variant->iova + SIZE - PAGE,
		.length = PAGE,
	};
	unsigned char back[PAGE];

	fill(self->mem + SIZE - PAGE, PAGE, 1);
	ASSERT_EQ(sizeof(cmd), pwrite(self->mdev.dev, &cmd, sizeof(cmd), 0));
	ASSERT_EQ(PAGE, pread(self->mdev.dev, back, PAGE,
			      (off_t)TEST_MDEV_BUFFER << 40));
	EXPECT_EQ(0, memcmp(self->mem + SIZE - PAGE, back, PAGE));
}

/* Of what a driver pins, the log tells that page only. */
TEST_F(joined, dirty_by_a_driver)
{
	uint64_t bits[BITMAP_WORDS] = {};

	ASSERT_EQ(0, dirty_log(self->space.fd,
			       VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	ASSERT_EQ(0, pin_last_page(self->mdev.dev, variant->iova + SIZE));
	ASSERT_EQ(0, get_dirty(self->space.fd, variant->iova, SIZE, bits,
			       sizeof(bits)));
	EXPECT_EQ(1, count_bits(bits));
	EXPECT_EQ(1ULL << 63, bits[BITMAP_WORDS - 1]);
}

/*
 * A group joins: all is pinned for it, and it reaches that.  It leaves, and
 * nothing is.
 */
TEST_F(joined, replay)
{
	uint64_t last = variant->iova + SIZE - PAGE;
	struct member pci;
	struct edu edu;

	ASSERT_EQ(0, space_add_pci(&self->space, &pci, REQUIRE_DEVICE("EDU0")));
	EXPECT_EQ(PAGES, pinned() - self->pinned);
	EXPECT_EQ(SIZE / 1024, locked_kb());
	ASSERT_EQ(0, edu_open(&edu, pci.dev));
	EXPECT_TRUE(dma_works(&edu, self->mem, variant->iova));
	EXPECT_TRUE(dma_works(&edu, self->mem + SIZE - PAGE, last));
	edu_close(&edu);
	member_close(&pci);
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(0, locked_kb());
}

/* It cannot have all: nothing stays pinned of what it could. */
TEST_F(joined, replay_fails)
{
	struct rlimit limit = { SIZE / 2, SIZE / 2 };
	int group = vfio_group_open(REQUIRE_DEVICE("EDU0"));
	uint64_t unmapped;

	ASSERT_LE(0, group);
	ASSERT_EQ(0, unmap(self->space.fd, 0, variant->iova, SIZE, &unmapped));
	EXPECT_EQ(SIZE, unmapped);
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, seteuid(USER));
	ASSERT_EQ(0, space_map(&self->space, self->mem, SIZE, variant->iova,
			       IOMMU_MAP_RW));
	EXPECT_EQ(-ENOMEM, vfio_group_set_container(group, self->space.fd));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(0, locked_kb());
}

TEST_HARNESS_MAIN
