// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mediated devices, whose drivers reach a program's memory by the CPU: they pin
 * it, or read and write it, whichever way the program gives it to them.
 *
 * The device is test_mdev.ko, in drivers/vfio/mdev, which does what a test
 * tells it.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../../../../drivers/vfio/mdev/test_mdev.h"
#include "fail.h"
#include "killable.h"
#include "mdev.h"
#include "type1.h"
#include "vfio_test.h"

#define IOVA		0x1000000UL
#define PAGES		16
#define SIZE		(PAGES * PAGE)
#define PIN_MAX		512		/* pages that VFIO pins in one call */

#define MODULE		"/t/test_mdev.ko"
#define UUID		"6d4f7e52-1d0c-4f5b-9a2e-2c5d1c0a8e01"
#define UUID2		"6d4f7e52-1d0c-4f5b-9a2e-2c5d1c0a8e02"

#define TIMEOUT		60000	/* ms */
#define QUIET		300	/* ms in which a removal that must wait does not end */
#define LAZY		50	/* ms */

#define NO_FD		4711
#define FAIL_MOST	1000	/* no ioctl allocates more often */

/* ---- the device's registers ---- */

static off_t region(unsigned int index)
{
	return (off_t)index << 40;
}

static int command(int dev, struct test_mdev_cmd cmd)
{
	ssize_t n = pwrite(dev, &cmd, sizeof(cmd), region(TEST_MDEV_REGS));

	return n < 0 ? -errno : n == sizeof(cmd) ? 0 : -EIO;
}

static int pin(int dev, uint64_t iova, uint32_t pages, uint32_t flags)
{
	return command(dev, (struct test_mdev_cmd){
		.op = TEST_MDEV_PIN, .flags = flags, .iova = iova,
		.pages = pages });
}

static int unpin(int dev, uint64_t iova, uint32_t pages)
{
	return command(dev, (struct test_mdev_cmd){
		.op = TEST_MDEV_UNPIN, .iova = iova, .pages = pages });
}

/* What is not pinned */
static int stray_unpin(int dev, uint64_t iova, uint32_t pages)
{
	return command(dev, (struct test_mdev_cmd){
		.op = TEST_MDEV_STRAY_UNPIN, .iova = iova, .pages = pages });
}

/* Between the buffer's start and @iova, through pinned pages. */
static int copy(int dev, uint64_t iova, uint64_t length, uint32_t flags)
{
	return command(dev, (struct test_mdev_cmd){
		.op = TEST_MDEV_COPY, .flags = flags, .iova = iova,
		.length = length });
}

/* The same through VFIO. */
static int rw(int dev, uint64_t iova, uint64_t length, uint32_t flags)
{
	return command(dev, (struct test_mdev_cmd){
		.op = TEST_MDEV_RW, .flags = flags, .iova = iova,
		.length = length });
}

static int lazy(int dev, uint64_t ms)
{
	return command(dev, (struct test_mdev_cmd){
		.op = TEST_MDEV_LAZY, .length = ms });
}

static int slow(int dev, uint64_t ms)
{
	return command(dev, (struct test_mdev_cmd){
		.op = TEST_MDEV_SLOW, .length = ms });
}

static struct test_mdev_state state_of(int dev)
{
	struct test_mdev_state state;

	if (pread(dev, &state, sizeof(state), region(TEST_MDEV_REGS)) !=
	    sizeof(state))
		memset(&state, 0xff, sizeof(state));
	return state;
}

static int set_buffer(int dev, const void *data, size_t len)
{
	return pwrite(dev, data, len, region(TEST_MDEV_BUFFER)) == len ? 0 :
		-EIO;
}

static bool buffer_is(int dev, const void *data, size_t len)
{
	static unsigned char buffer[TEST_MDEV_BUFFER_SIZE];

	return pread(dev, buffer, len, region(TEST_MDEV_BUFFER)) == len &&
	       !memcmp(buffer, data, len);
}

typedef int (*move_fn)(int dev, uint64_t iova, uint64_t length, uint32_t flags);

/* Does the device read what is at @iova, where @mem is mapped? */
static bool reads(int dev, move_fn move, void *mem, uint64_t iova, size_t len)
{
	static unsigned int seed;

	fill(mem, len, ++seed);
	return !move(dev, iova, len, 0) && buffer_is(dev, mem, len);
}

static bool writes(int dev, move_fn move, void *mem, uint64_t iova, size_t len)
{
	static unsigned char data[TEST_MDEV_BUFFER_SIZE];
	static unsigned int seed = 1000;

	fill(data, len, ++seed);
	return !set_buffer(dev, data, len) &&
	       !move(dev, iova, len, TEST_MDEV_WRITE) &&
	       !memcmp(mem, data, len);
}

/* ---- a device each way ---- */

FIXTURE(mdev) {
	struct space space;
	struct member mdev;
	struct member mdev2;
	int dev;
	unsigned char *mem;	/* mapped at IOVA */
};

FIXTURE_VARIANT(mdev) {
	enum way way;
	int not_mapped;		/* errno of what is not mapped */
};

FIXTURE_VARIANT_ADD(mdev, type1) {
	.way = WAY_TYPE1,
	.not_mapped = -EINVAL,
};

FIXTURE_VARIANT_ADD(mdev, compat) {
	.way = WAY_COMPAT,
	.not_mapped = -ENOENT,
};

FIXTURE_VARIANT_ADD(mdev, cdev) {
	.way = WAY_CDEV,
	.not_mapped = -ENOENT,
};

/* A new device; one that a failed test left goes first. */
static int make_mdev(const char *uuid)
{
	int rc;

	rc = module_load(MODULE);
	if (rc)
		return rc;
	mdev_remove(uuid);
	return mdev_create("test_mdev", "test_mdev-dma", uuid);
}

FIXTURE_SETUP(mdev)
{
	self->mdev2 = (struct member){ .group = -1, .dev = -1 };
	ASSERT_EQ(0, make_mdev(UUID));
	ASSERT_EQ(0, make_mdev(UUID2));
	self->mem = alloc_memory(SIZE);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, space_open(&self->space, variant->way));
	ASSERT_EQ(0, space_add_mdev(&self->space, &self->mdev, UUID));
	self->dev = self->mdev.dev;
	ASSERT_EQ(0, space_map(&self->space, self->mem, SIZE, IOVA,
			       IOMMU_MAP_RW));
}

FIXTURE_TEARDOWN(mdev)
{
	member_close(&self->mdev);
	member_close(&self->mdev2);
	space_close(&self->space);
	EXPECT_EQ(0, mdev_remove(UUID));
	EXPECT_EQ(0, mdev_remove(UUID2));
}

/* Also in a second process, which does not have these files. */
static void close_all(struct _test_data_mdev *self)
{
	member_close(&self->mdev);
	member_close(&self->mdev2);
	space_close(&self->space);
}

/* What is pinned is what is mapped. */
TEST_F(mdev, copy)
{
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	EXPECT_EQ(4, state_of(self->dev).pins);
	EXPECT_TRUE(reads(self->dev, copy, self->mem, IOVA, 4 * PAGE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 4 * PAGE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem + 100, IOVA + 100,
			   PAGE));
	EXPECT_EQ(-ENOENT, copy(self->dev, IOVA + 100, 4 * PAGE, 0));
	ASSERT_EQ(0, unpin(self->dev, IOVA, 4));
	EXPECT_EQ(-ENOENT, copy(self->dev, IOVA, PAGE, 0));
	EXPECT_EQ(0, state_of(self->dev).pins);
}

/* Pinned in one call, unpinned one by one; and the other way round. */
TEST_F(mdev, portions)
{
	int i;

	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	for (i = 0; i < 8; i++) {
		EXPECT_TRUE(writes(self->dev, copy, self->mem + i * PAGE,
				   IOVA + i * PAGE, (8 - i) * PAGE));
		ASSERT_EQ(0, unpin(self->dev, IOVA + i * PAGE, 1));
	}
	for (i = 8; i > 0; i--)
		ASSERT_EQ(0, pin(self->dev, IOVA + (i - 1) * PAGE, 1,
				 TEST_MDEV_WRITE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 8 * PAGE));
	ASSERT_EQ(0, unpin(self->dev, IOVA, 8));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_EQ(0, state_of(self->dev).dropped);
}

/* From the middle; the pages on both sides stay. */
TEST_F(mdev, portions_from_middle)
{
	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	ASSERT_EQ(0, unpin(self->dev, IOVA + 3 * PAGE, 2));
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 3 * PAGE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem + 5 * PAGE,
			   IOVA + 5 * PAGE, 3 * PAGE));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_EQ(6, state_of(self->dev).dropped);
}

/* A page stays until it is unpinned as often as it was pinned. */
TEST_F(mdev, pin_twice)
{
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, 0));
	ASSERT_EQ(0, pin(self->dev, IOVA + 2 * PAGE, 4, TEST_MDEV_WRITE));
	EXPECT_EQ(8, state_of(self->dev).pins);
	ASSERT_EQ(0, unpin(self->dev, IOVA, 4));
	EXPECT_TRUE(writes(self->dev, copy, self->mem + 2 * PAGE,
			   IOVA + 2 * PAGE, 4 * PAGE));
	EXPECT_EQ(-ENOENT, copy(self->dev, IOVA + PAGE, PAGE, 0));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, 0));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_EQ(8, state_of(self->dev).dropped);
}

/* Not mapped, or not to the end: nothing is pinned. */
TEST_F(mdev, pin_not_mapped)
{
	EXPECT_EQ(variant->not_mapped, pin(self->dev, IOVA - PAGE, 1, 0));
	EXPECT_EQ(variant->not_mapped, pin(self->dev, IOVA - PAGE, 2, 0));
	EXPECT_EQ(variant->not_mapped, pin(self->dev, IOVA + SIZE, 1, 0));
	EXPECT_EQ(variant->not_mapped, pin(self->dev, IOVA + PAGE, PAGES, 0));
	EXPECT_EQ(variant->not_mapped,
		  pin(self->dev, 0xfffffffffffff000ULL, 1, 0));
	EXPECT_EQ(0, state_of(self->dev).pins);
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_EQ(0, state_of(self->dev).dropped);
}

/* Of addresses and page sizes nobody is told more than the device needs. */
TEST_F(mdev, info)
{
	union {
		struct vfio_iommu_type1_info info;
		char bytes[1024];
	} buf = { .info.argsz = sizeof(buf) };
	struct iommu_iova_range range;
	uint64_t alignment;
	uint32_t num = 1;

	if (variant->way == WAY_CDEV) {
		ASSERT_EQ(0, ioas_ranges(self->space.fd, self->space.ioas,
					 &range, &num, &alignment));
		EXPECT_EQ(PAGE, alignment);
		return;
	}
	ASSERT_EQ(0, xioctl(self->space.fd, VFIO_IOMMU_GET_INFO, &buf));
	EXPECT_EQ(-PAGE, buf.info.iova_pgsizes);
}

/* Two mappings side by side are one to the device. */
TEST_F(mdev, pin_across)
{
	unsigned char *apart = alloc_memory(4 * PAGE);

	ASSERT_NE(NULL, apart);
	ASSERT_EQ(0, space_map(&self->space, apart, 4 * PAGE, IOVA + SIZE,
			       IOMMU_MAP_RW));
	ASSERT_EQ(0, pin(self->dev, IOVA + SIZE - 2 * PAGE, 4,
			 TEST_MDEV_WRITE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem + SIZE - 2 * PAGE,
			   IOVA + SIZE - 2 * PAGE, 2 * PAGE));
	EXPECT_TRUE(writes(self->dev, copy, apart, IOVA + SIZE, 2 * PAGE));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_TRUE(writes(self->dev, copy, apart, IOVA + SIZE, 2 * PAGE));
	EXPECT_EQ(-ENOENT, copy(self->dev, IOVA + SIZE - PAGE, PAGE, 0));
}

/* A mapping that cannot be written: EPERM to pin it for that, or to write. */
TEST_F(mdev, read_only)
{
	/* type1 would pin the page that stands for memory not yet written. */
	memset(self->mem, 1, SIZE);
	ASSERT_EQ(0, space_map(&self->space, self->mem, PAGE, IOVA + SIZE,
			       IOMMU_IOAS_MAP_READABLE));
	EXPECT_EQ(-EPERM, pin(self->dev, IOVA + SIZE, 1, TEST_MDEV_WRITE));
	EXPECT_EQ(-EPERM, pin(self->dev, IOVA + SIZE - PAGE, 2,
			      TEST_MDEV_WRITE));
	EXPECT_EQ(0, state_of(self->dev).pins);
	ASSERT_EQ(0, pin(self->dev, IOVA + SIZE - PAGE, 2, 0));
	EXPECT_TRUE(reads(self->dev, copy, self->mem, IOVA + SIZE, PAGE));
	EXPECT_EQ(-EPERM, rw(self->dev, IOVA + SIZE, PAGE, TEST_MDEV_WRITE));
	EXPECT_TRUE(reads(self->dev, rw, self->mem, IOVA + SIZE, PAGE));
}

/* At most 512 pages a call; none at all is an error too. */
TEST_F(mdev, limits)
{
	unsigned char *mem = alloc_memory((PIN_MAX + 1) * PAGE);
	uint64_t iova = IOVA + SIZE;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, space_map(&self->space, mem, (PIN_MAX + 1) * PAGE, iova,
			       IOMMU_MAP_RW));
	EXPECT_EQ(-E2BIG, pin(self->dev, iova, PIN_MAX + 1, 0));
	EXPECT_EQ(-EINVAL, pin(self->dev, iova, 0, 0));
	EXPECT_EQ(0, state_of(self->dev).pins);
	ASSERT_EQ(0, pin(self->dev, iova, PIN_MAX, 0));
	EXPECT_EQ(PIN_MAX, state_of(self->dev).pins);
	ASSERT_EQ(0, unpin(self->dev, iova, PIN_MAX));
}

/* Without pins: any alignment, and across mappings. */
TEST_F(mdev, rw)
{
	unsigned char *apart = alloc_memory(4 * PAGE);

	ASSERT_NE(NULL, apart);
	ASSERT_EQ(0, space_map(&self->space, apart, 4 * PAGE, IOVA + SIZE,
			       IOMMU_MAP_RW));
	EXPECT_TRUE(reads(self->dev, rw, self->mem, IOVA, SIZE));
	EXPECT_TRUE(writes(self->dev, rw, self->mem, IOVA, SIZE));
	EXPECT_TRUE(reads(self->dev, rw, self->mem + 3, IOVA + 3, 1));
	EXPECT_TRUE(writes(self->dev, rw, self->mem + PAGE - 1,
			   IOVA + PAGE - 1, 2));
	EXPECT_TRUE(writes(self->dev, rw, self->mem + 123, IOVA + 123,
			   5 * PAGE + 7));

	fill(self->mem, SIZE, 1);
	fill(apart, 4 * PAGE, 2);
	ASSERT_EQ(0, rw(self->dev, IOVA + SIZE - 5, 10, 0));
	EXPECT_TRUE(buffer_is(self->dev, self->mem + SIZE - 5, 5));
	EXPECT_EQ(0, rw(self->dev, IOVA + SIZE, 5, 0));
	EXPECT_TRUE(buffer_is(self->dev, apart, 5));
	EXPECT_EQ(0, state_of(self->dev).pins);
}

/* The same page in two mappings side by side: what is written is read. */
TEST_F(mdev, rw_across)
{
	unsigned char *apart = alloc_memory(PAGE), data[10];

	ASSERT_NE(NULL, apart);
	ASSERT_EQ(0, space_map(&self->space, apart, PAGE, IOVA + SIZE,
			       IOMMU_MAP_RW));
	fill(data, sizeof(data), 3);
	ASSERT_EQ(0, set_buffer(self->dev, data, sizeof(data)));
	ASSERT_EQ(0, rw(self->dev, IOVA + SIZE - 4, sizeof(data),
			TEST_MDEV_WRITE));
	EXPECT_EQ(0, memcmp(self->mem + SIZE - 4, data, 4));
	EXPECT_EQ(0, memcmp(apart, data + 4, sizeof(data) - 4));
}

TEST_F(mdev, rw_not_mapped)
{
	EXPECT_EQ(variant->not_mapped, rw(self->dev, IOVA - 1, 1, 0));
	EXPECT_EQ(variant->not_mapped, rw(self->dev, IOVA - 1, 2, 0));
	EXPECT_EQ(variant->not_mapped, rw(self->dev, IOVA + SIZE - 1, 2, 0));
	EXPECT_EQ(variant->not_mapped,
		  rw(self->dev, IOVA + SIZE, 1, TEST_MDEV_WRITE));
	EXPECT_EQ(-EINVAL, rw(self->dev, IOVA, 0, 0));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_EQ(variant->not_mapped, rw(self->dev, IOVA, 1, 0));
}

/* Memory that the program no longer has: EFAULT, for pins as for copies. */
TEST_F(mdev, memory_gone)
{
	ASSERT_EQ(0, munmap(self->mem, SIZE));
	EXPECT_EQ(-EFAULT, pin(self->dev, IOVA, 1, 0));
	EXPECT_EQ(-EFAULT, rw(self->dev, IOVA, 1, 0));
	EXPECT_EQ(0, state_of(self->dev).pins);
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
}

/* Pinned memory outlives the program's own view of it. */
TEST_F(mdev, pinned_outlives_munmap)
{
	ASSERT_EQ(0, pin(self->dev, IOVA, 1, TEST_MDEV_WRITE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, PAGE));
	ASSERT_EQ(0, munmap(self->mem, SIZE));
	ASSERT_EQ(0, copy(self->dev, IOVA, PAGE, 0));
	ASSERT_EQ(0, copy(self->dev, IOVA, PAGE, TEST_MDEV_WRITE));
}

/* ---- UNMAP ---- */

/*
 * The device is told what goes, and has let go when UNMAP returns: type1 tells
 * of all that is unmapped, an iommufd of each pin.
 */
TEST_F(mdev, unmap_tells)
{
	struct test_mdev_state state;

	ASSERT_EQ(0, pin(self->dev, IOVA + PAGE, 4, 0));
	ASSERT_EQ(0, pin(self->dev, IOVA + 7 * PAGE, 1, 0));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	state = state_of(self->dev);
	EXPECT_EQ(0, state.pins);
	EXPECT_EQ(5, state.dropped);
	if (variant->way == WAY_TYPE1) {
		EXPECT_LE(1, state.unmaps);
		EXPECT_EQ(IOVA, state.unmap_iova);
		EXPECT_EQ(SIZE, state.unmap_length);
	} else {
		EXPECT_LE(5, state.unmaps);
		EXPECT_EQ(IOVA + 7 * PAGE, state.unmap_iova);
		EXPECT_EQ(PAGE, state.unmap_length);
	}
	EXPECT_EQ(-ENOENT, copy(self->dev, IOVA + PAGE, 1, 0));
}

/* Another mapping's UNMAP leaves the pins alone. */
TEST_F(mdev, unmap_of_other)
{
	ASSERT_EQ(0, space_map(&self->space, self->mem, SIZE, IOVA + SIZE,
			       IOMMU_MAP_RW));
	ASSERT_EQ(0, pin(self->dev, IOVA, PAGES, TEST_MDEV_WRITE));
	ASSERT_EQ(0, pin(self->dev, IOVA + SIZE, 1, 0));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA + SIZE, SIZE));
	EXPECT_EQ(1, state_of(self->dev).dropped);
	EXPECT_EQ(PAGES, state_of(self->dev).pins);
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, SIZE));
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * A device that takes its time is waited for, and asked again.  type1 does not
 * wait: it asks until the device gives in.
 */
TEST_F(mdev, unmap_waits)
{
	uint64_t start, took;

	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	ASSERT_EQ(0, lazy(self->dev, LAZY));
	start = now_ms();
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	took = now_ms() - start;
	EXPECT_EQ(8, state_of(self->dev).dropped);
	EXPECT_LE(2, state_of(self->dev).unmaps);
	if (variant->way != WAY_TYPE1)
		EXPECT_LE(LAZY - 1, took);
	EXPECT_EQ(variant->not_mapped, pin(self->dev, IOVA, 1, 0));
}

struct unmap {
	pthread_t thread;
	struct space *space;
	int rc;
};

static void *unmap_thread(void *arg)
{
	struct unmap *unmap = arg;

	unmap->rc = space_unmap(unmap->space, IOVA, SIZE);
	return NULL;
}

/* While UNMAP waits the pins are good, and there are no new ones. */
TEST_F(mdev, use_during_unmap)
{
	struct unmap unmap = { .space = &self->space };
	int i;

	if (variant->way == WAY_TYPE1)
		SKIP_TEST("type1 does not wait");
	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	ASSERT_EQ(0, lazy(self->dev, LAZY));
	ASSERT_EQ(0, pthread_create(&unmap.thread, NULL, unmap_thread, &unmap));
	for (i = 0; i < 1000 && !state_of(self->dev).unmaps; i++)
		usleep(100);
	EXPECT_NE(0, pin(self->dev, IOVA + 9 * PAGE, 1, 0));
	EXPECT_NE(0, rw(self->dev, IOVA + 9 * PAGE, 1, 0));
	ASSERT_EQ(0, pthread_join(unmap.thread, NULL));
	EXPECT_EQ(0, unmap.rc);
	EXPECT_EQ(8, state_of(self->dev).dropped);
}

/* ---- close ---- */

/* close() with pins held: they go, and the next open finds none. */
TEST_F(mdev, close_with_pins)
{
	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	member_close(&self->mdev);
	if (variant->way == WAY_CDEV)
		ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	space_close(&self->space);
	ASSERT_EQ(0, space_open(&self->space, variant->way));
	ASSERT_EQ(0, space_add_mdev(&self->space, &self->mdev, UUID));
	self->dev = self->mdev.dev;
	EXPECT_EQ(0, state_of(self->dev).pins);
	EXPECT_EQ(variant->not_mapped, pin(self->dev, IOVA, 1, 0));
	ASSERT_EQ(0, space_map(&self->space, self->mem, SIZE, IOVA,
			       IOMMU_MAP_RW));
	ASSERT_EQ(0, pin(self->dev, IOVA, 1, TEST_MDEV_WRITE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, PAGE));
}

/* The same while the device was told to take its time. */
TEST_F(mdev, close_while_lazy)
{
	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	ASSERT_EQ(0, lazy(self->dev, TEST_MDEV_LAZY_MAX));
	member_close(&self->mdev);
}

/*
 * The same while an UNMAP has the device unpin: what it has begun it ends, and
 * both wait for that.
 */
TEST_F(mdev, close_during_unmap)
{
	struct unmap unmap = { .space = &self->space };
	int i;

	ASSERT_EQ(0, pin(self->dev, IOVA, 2, TEST_MDEV_WRITE));
	ASSERT_EQ(0, slow(self->dev, QUIET));
	ASSERT_EQ(0, pthread_create(&unmap.thread, NULL, unmap_thread, &unmap));
	for (i = 0; i < TIMEOUT && !state_of(self->dev).dropped; i++)
		usleep(1000);
	EXPECT_EQ(1, state_of(self->dev).dropped);
	ASSERT_EQ(0, close(self->mdev.dev));
	self->mdev.dev = -1;
	ASSERT_EQ(0, pthread_join(unmap.thread, NULL));
	EXPECT_EQ(0, unmap.rc);
}

/* The device's file is all that it takes. */
TEST_F(mdev, only_device_file)
{
	space_close(&self->space);
	if (self->mdev.group >= 0)
		ASSERT_EQ(0, close(self->mdev.group));
	self->mdev.group = -1;
	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 8 * PAGE));
	EXPECT_TRUE(reads(self->dev, rw, self->mem, IOVA, SIZE));
	member_close(&self->mdev);
	/* for the teardown */
	ASSERT_EQ(0, space_open(&self->space, variant->way));
}

/* A process that is killed with pins held leaves none. */
TEST_F(mdev, killed_with_pins)
{
	int ready[2], status;
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (pin(self->dev, IOVA, 8, TEST_MDEV_WRITE) ||
		    lazy(self->dev, TEST_MDEV_LAZY_MAX) ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close_all(self);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	/* Waits for the last file. */
	ASSERT_EQ(0, mdev_remove(UUID));
	ASSERT_EQ(0, make_mdev(UUID));
	ASSERT_EQ(0, space_open(&self->space, variant->way));
}

/* ---- more than one device, more than one process ---- */

/* Two devices, one page: each has its own pins, and UNMAP tells both. */
TEST_F(mdev, two_devices)
{
	int dev2;

	ASSERT_EQ(0, space_add_mdev(&self->space, &self->mdev2, UUID2));
	dev2 = self->mdev2.dev;
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	ASSERT_EQ(0, pin(dev2, IOVA, 4, TEST_MDEV_WRITE));
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 4 * PAGE));
	ASSERT_EQ(0, unpin(self->dev, IOVA, 4));
	EXPECT_TRUE(writes(dev2, copy, self->mem, IOVA, 4 * PAGE));
	ASSERT_EQ(0, pin(self->dev, IOVA + PAGE, 1, 0));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_EQ(1, state_of(self->dev).dropped);
	EXPECT_EQ(4, state_of(dev2).dropped);
}

/* The close of one device leaves the other its pins. */
TEST_F(mdev, two_devices_close_one)
{
	ASSERT_EQ(0, space_add_mdev(&self->space, &self->mdev2, UUID2));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	ASSERT_EQ(0, pin(self->mdev2.dev, IOVA, 4, TEST_MDEV_WRITE));
	member_close(&self->mdev2);
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 4 * PAGE));
	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_EQ(4, state_of(self->dev).dropped);
}

/* A device with an IOMMU beside it: both reach the same memory. */
TEST_F(mdev, beside_physical)
{
	struct member edu_member;
	const char *bdf;
	struct edu edu;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE("EDU0");
	ASSERT_EQ(0, space_add_pci(&self->space, &edu_member, bdf));
	ASSERT_EQ(0, edu_open(&edu, edu_member.dev));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	EXPECT_TRUE(dma_works(&edu, self->mem, IOVA));

	/* From the emulated device by the real one and back. */
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 1024));
	ASSERT_EQ(0, edu_copy(&edu, IOVA, IOVA + PAGE, 1024));
	ASSERT_EQ(0, copy(self->dev, IOVA + PAGE, 1024, 0));
	EXPECT_TRUE(buffer_is(self->dev, self->mem, 1024));

	ASSERT_EQ(0, space_unmap(&self->space, IOVA, SIZE));
	EXPECT_EQ(4, state_of(self->dev).dropped);
	EXPECT_TRUE(dma_is_blocked(&edu, self->mem, IOVA));
	ASSERT_EQ(0, space_map(&self->space, self->mem, SIZE, IOVA,
			       IOMMU_MAP_RW));
	EXPECT_TRUE(dma_works(&edu, self->mem, IOVA));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	edu_close(&edu);
	member_close(&edu_member);
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 4 * PAGE));
}

/*
 * Pins are of the memory of who mapped it, whoever asks.  So are copies, but
 * type1 makes them for who mapped it only.
 */
TEST_F(mdev, other_process)
{
	int status, rw_rc = variant->way == WAY_TYPE1 ? -EFAULT : 0;
	pid_t child;

	memset(self->mem, 1, PAGE);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		memset(self->mem, 2, PAGE);	/* its own copy of it */
		if (pin(self->dev, IOVA, 1, TEST_MDEV_WRITE) ||
		    copy(self->dev, IOVA, PAGE, 0))
			_exit(1);
		memset(self->mem, 1, PAGE);
		if (!buffer_is(self->dev, self->mem, PAGE))
			_exit(2);
		if (rw(self->dev, IOVA, PAGE, 0) != rw_rc)
			_exit(3);
		_exit(buffer_is(self->dev, self->mem, PAGE) ? 0 : 4);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, PAGE));
}

static int drop_capability(int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* Pinned pages count against RLIMIT_MEMLOCK, each of them once. */
TEST_F(mdev, memlock)
{
	struct rlimit limit = { .rlim_cur = 8 * PAGE, .rlim_max = 8 * PAGE };
	uint64_t iova = IOVA + SIZE;

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, space_map(&self->space, self->mem, SIZE, iova,
			       IOMMU_MAP_RW));
	ASSERT_EQ(0, pin(self->dev, iova, 8, 0));
	ASSERT_EQ(0, pin(self->dev, iova, 8, 0));
	EXPECT_EQ(-ENOMEM, pin(self->dev, iova + 8 * PAGE, 1, 0));
	ASSERT_EQ(0, unpin(self->dev, iova, 1));
	EXPECT_EQ(-ENOMEM, pin(self->dev, iova + 8 * PAGE, 1, 0));
	ASSERT_EQ(0, unpin(self->dev, iova, 1));
	EXPECT_EQ(0, pin(self->dev, iova + 8 * PAGE, 1, 0));
	ASSERT_EQ(0, space_unmap(&self->space, iova, SIZE));
	EXPECT_EQ(15, state_of(self->dev).dropped);

	/* What was mapped with the capability is not counted. */
	EXPECT_EQ(0, pin(self->dev, IOVA, PAGES, 0));
}

/* Copies count nothing, but they are of what may be pinned. */
TEST_F(mdev, memlock_rw)
{
	struct rlimit limit = { 0 };

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, space_map(&self->space, self->mem, SIZE, IOVA + SIZE,
			       IOMMU_MAP_RW));
	EXPECT_TRUE(writes(self->dev, rw, self->mem, IOVA + SIZE, SIZE));
}

/* ---- removal ---- */

/* Remove the device in a process that holds no file of it. */
static pid_t start_remove(struct _test_data_mdev *self)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	close_all(self);
	_exit(mdev_remove(UUID) ? 1 : 0);
}

/* Wait for the removal to end: its exit status; -1 when it has not ended. */
static int wait_remove(pid_t pid, int timeout_ms)
{
	int status;

	for (; timeout_ms > 0; timeout_ms -= 10) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
		usleep(10000);
	}
	return -1;
}

/* While the device is in use: its driver is asked, and waited for. */
TEST_F(mdev, remove_in_use)
{
	pid_t pid;

	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	EXPECT_EQ(0, state_of(self->dev).requests);
	pid = start_remove(self);
	ASSERT_LE(0, pid);
	EXPECT_EQ(-1, wait_remove(pid, QUIET));
	EXPECT_LE(1, state_of(self->dev).requests);
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 8 * PAGE));
	EXPECT_EQ(0, pin(self->dev, IOVA + 8 * PAGE, 1, 0));
	member_close(&self->mdev);
	EXPECT_EQ(0, wait_remove(pid, TIMEOUT));
	EXPECT_EQ(-ENOENT, mdev_group(UUID));
	ASSERT_EQ(0, make_mdev(UUID));
}

/* The driver's module stays as long as a device is open. */
TEST_F(mdev, module)
{
	EXPECT_EQ(-EAGAIN, module_unload("test_mdev"));
	ASSERT_EQ(0, pin(self->dev, IOVA, 8, TEST_MDEV_WRITE));
	member_close(&self->mdev);
	ASSERT_EQ(0, module_unload("test_mdev"));
	EXPECT_EQ(-ENOENT, mdev_group(UUID));
	EXPECT_EQ(-ENOENT, mdev_group(UUID2));
	ASSERT_EQ(0, make_mdev(UUID));
	ASSERT_EQ(0, make_mdev(UUID2));
}

/* ---- what goes on at the same time ---- */

struct worker {
	pthread_t thread;
	struct _test_data_mdev *self;
	int dev;
	uint64_t iova;
	bool *stop;
	unsigned int done;	/* of what worked */
	unsigned int failed;	/* of what must not fail */
};

static bool stopped(struct worker *worker)
{
	return __atomic_load_n(worker->stop, __ATOMIC_RELAXED);
}

static void *map_and_unmap(void *arg)
{
	struct worker *worker = arg;
	struct space *space = &worker->self->space;

	while (!stopped(worker)) {
		if (space_map(space, worker->self->mem, SIZE, worker->iova,
			      IOMMU_MAP_RW))
			worker->failed++;
		usleep(1000);
		if (space_unmap(space, worker->iova, SIZE))
			worker->failed++;
		worker->done++;
	}
	return NULL;
}

static void *pin_and_copy(void *arg)
{
	struct worker *worker = arg;

	while (!stopped(worker)) {
		if (pin(worker->dev, worker->iova, 2, TEST_MDEV_WRITE))
			continue;
		worker->done++;
		copy(worker->dev, worker->iova, PAGE + 1, TEST_MDEV_WRITE);
		unpin(worker->dev, worker->iova, 1);
	}
	return NULL;
}

static void *read_and_write(void *arg)
{
	struct worker *worker = arg;

	while (!stopped(worker)) {
		if (rw(worker->dev, worker->iova, PAGE, 0) ||
		    rw(worker->dev, worker->iova + 1, PAGE, TEST_MDEV_WRITE))
			continue;
		worker->done++;
	}
	return NULL;
}

static void *open_and_close(void *arg)
{
	struct worker *worker = arg;
	struct member *mdev2 = &worker->self->mdev2;

	while (!stopped(worker)) {
		if (space_add_mdev(&worker->self->space, mdev2, UUID2)) {
			worker->failed++;
			continue;
		}
		if (!pin(mdev2->dev, IOVA, 4, 0))
			worker->done++;
		member_close(mdev2);
	}
	return NULL;
}

/*
 * Two mappings come and go at the same time while one device pins and copies
 * both, and another one is opened and closed: nothing stops for good.
 */
TEST_F(mdev, race)
{
	static void *(*const jobs[])(void *) = {
		map_and_unmap, map_and_unmap, pin_and_copy, pin_and_copy,
		read_and_write, open_and_close,
	};
	uint64_t iova[2] = { IOVA + SIZE, IOVA + 2 * SIZE };
	struct worker workers[6];
	bool stop = false;
	int i;

	for (i = 0; i < 6; i++) {
		workers[i] = (struct worker){ .self = self, .dev = self->dev,
			.iova = iova[i % 2], .stop = &stop };
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, jobs[i],
					    &workers[i]));
	}
	sleep(3);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		EXPECT_LT(0, workers[i].done);
		EXPECT_EQ(0, workers[i].failed);
	}
}

/* ---- what only the node has ---- */

#define IOVA2		0x2000000UL

/* A device bound by its node, and not attached. */
FIXTURE(node) {
	int iommufd;
	int dev;
	uint32_t ioas;		/* has mem at IOVA */
	uint32_t ioas2;		/* has mem2 at IOVA, and at IOVA2 */
	unsigned char *mem;
	unsigned char *mem2;
};

FIXTURE_SETUP(node)
{
	ASSERT_EQ(0, make_mdev(UUID));
	self->mem = alloc_memory(2 * SIZE);
	ASSERT_NE(NULL, self->mem);
	self->mem2 = self->mem + SIZE;
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas2));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, self->mem, SIZE, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas2, self->mem2, SIZE,
			      IOVA, IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas2, self->mem2, SIZE,
			      IOVA2, IOMMU_MAP_RW));
	self->dev = mdev_cdev_open(UUID);
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

FIXTURE_TEARDOWN(node)
{
	if (self->dev >= 0)
		EXPECT_EQ(0, close(self->dev));
	if (self->iommufd >= 0)
		EXPECT_EQ(0, close(self->iommufd));
	EXPECT_EQ(0, mdev_remove(UUID));
}

static int attach(struct _test_data_node *self, uint32_t ioas)
{
	uint32_t pt = ioas;
	int rc;

	rc = vfio_attach(self->dev, &pt);
	return rc ? rc : pt == ioas ? 0 : -EUCLEAN;
}

static bool reaches(struct _test_data_node *self, void *mem, uint64_t iova)
{
	return !pin(self->dev, iova, 2, TEST_MDEV_WRITE) &&
	       writes(self->dev, copy, mem, iova, 2 * PAGE) &&
	       reads(self->dev, rw, mem, iova, SIZE) &&
	       !unpin(self->dev, iova, 2);
}

/* Before ATTACH nothing is mapped; ATTACH returns the id of the IOAS. */
TEST_F(node, attach)
{
	EXPECT_EQ(-ENOENT, pin(self->dev, IOVA, 1, 0));
	EXPECT_EQ(-ENOENT, rw(self->dev, IOVA, 1, 0));
	ASSERT_EQ(0, attach(self, self->ioas));
	EXPECT_TRUE(reaches(self, self->mem, IOVA));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->iommufd, self->ioas));
}

/* ATTACH to what is no IOAS: ENOENT, and all stays as it was. */
TEST_F(node, attach_no_ioas)
{
	uint32_t devid;
	int dev2;

	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pin(self->dev, IOVA, 2, TEST_MDEV_WRITE));
	EXPECT_EQ(-ENOENT, attach(self, 0));
	EXPECT_EQ(-ENOENT, attach(self, self->ioas2 + 1000));
	ASSERT_EQ(0, make_mdev(UUID2));
	dev2 = mdev_cdev_open(UUID2);
	ASSERT_LE(0, dev2);
	ASSERT_EQ(0, vfio_bind(dev2, self->iommufd, &devid));
	EXPECT_EQ(-ENOENT, attach(self, devid));
	EXPECT_EQ(0, close(dev2));
	EXPECT_EQ(0, mdev_remove(UUID2));
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 2 * PAGE));
	EXPECT_EQ(0, state_of(self->dev).dropped);
}

/* A page table is an IOMMU's: ENOENT. */
TEST_F(node, attach_hwpt)
{
	struct vdev physical;
	uint32_t hwpt;

	REQUIRE_IOMMU();
	vdev_bind(_metadata, &physical, "TESTDEV0", self->iommufd);
	ASSERT_EQ(0, hwpt_alloc(self->iommufd, physical.id, self->ioas,
				&hwpt));
	EXPECT_EQ(-ENOENT, attach(self, hwpt));
	EXPECT_EQ(0, attach(self, self->ioas));
	EXPECT_EQ(0, close(physical.fd));
}

/* ATTACH elsewhere: the device lets go of all, and is there. */
TEST_F(node, replace)
{
	struct test_mdev_state state;

	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	ASSERT_EQ(0, attach(self, self->ioas2));
	state = state_of(self->dev);
	EXPECT_EQ(4, state.dropped);
	EXPECT_EQ(4, state.unmaps);
	EXPECT_EQ(IOVA + 3 * PAGE, state.unmap_iova);
	EXPECT_EQ(PAGE, state.unmap_length);
	EXPECT_EQ(-ENOENT, copy(self->dev, IOVA, 1, 0));
	EXPECT_TRUE(reaches(self, self->mem2, IOVA));
	EXPECT_TRUE(reaches(self, self->mem2, IOVA2));
	EXPECT_EQ(0, iommu_destroy(self->iommufd, self->ioas));
}

/* To where it is already: nothing happens. */
TEST_F(node, replace_same)
{
	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	ASSERT_EQ(0, attach(self, self->ioas));
	EXPECT_EQ(0, state_of(self->dev).unmaps);
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 4 * PAGE));
}

/* A device that takes its time is waited for. */
TEST_F(node, replace_waits)
{
	uint64_t start;

	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	ASSERT_EQ(0, lazy(self->dev, LAZY));
	start = now_ms();
	ASSERT_EQ(0, attach(self, self->ioas2));
	EXPECT_LE(LAZY - 1, now_ms() - start);
	EXPECT_EQ(4, state_of(self->dev).dropped);
	EXPECT_LE(2, state_of(self->dev).unmaps);
	EXPECT_TRUE(reaches(self, self->mem2, IOVA2));
}

/* DETACH: the device lets go of all and reaches nothing, until attached. */
TEST_F(node, detach)
{
	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	ASSERT_EQ(0, vfio_detach(self->dev));
	EXPECT_EQ(4, state_of(self->dev).dropped);
	EXPECT_EQ(-ENOENT, copy(self->dev, IOVA, 1, 0));
	EXPECT_EQ(-ENOENT, pin(self->dev, IOVA, 1, 0));
	EXPECT_EQ(-ENOENT, rw(self->dev, IOVA, 1, 0));
	EXPECT_EQ(0, vfio_detach(self->dev));
	EXPECT_EQ(0, iommu_destroy(self->iommufd, self->ioas));
	ASSERT_EQ(0, attach(self, self->ioas2));
	EXPECT_TRUE(reaches(self, self->mem2, IOVA));
}

TEST_F(node, detach_waits)
{
	uint64_t start;

	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	ASSERT_EQ(0, lazy(self->dev, LAZY));
	start = now_ms();
	ASSERT_EQ(0, vfio_detach(self->dev));
	EXPECT_LE(LAZY - 1, now_ms() - start);
	EXPECT_EQ(4, state_of(self->dev).dropped);
}

static void *pin_held(void *arg)
{
	return (void *)(intptr_t)pin(*(int *)arg, IOVA + SIZE, 1, 0);
}

/*
 * A detach or replace that waits for a call of the device's, which waits for
 * memory, can be killed; and the device is attached as before.
 */
TEST_F(node, leaving_is_killable)
{
	unsigned char *held = alloc_memory(PAGE);
	pthread_t thread;
	void *pinned;
	int uffd;

	ASSERT_NE(NULL, held);
	uffd = hold_faults(held, PAGE);
	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, held, PAGE,
			      IOVA + SIZE, IOMMU_MAP_RW));
	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pthread_create(&thread, NULL, pin_held, &self->dev));
	ASSERT_TRUE(wait_for_fault(uffd));

	EXPECT_KILLABLE(vfio_detach(self->dev));
	EXPECT_KILLABLE(attach(self, self->ioas2));
	ASSERT_EQ(0, close(uffd));
	ASSERT_EQ(0, pthread_join(thread, &pinned));
	EXPECT_EQ(0, (intptr_t)pinned);
	EXPECT_EQ(1, state_of(self->dev).pins);
}

/* What is not pinned, mapped or not, attached or not, is unpinned silently. */
TEST_F(node, unpin_not_pinned)
{
	EXPECT_EQ(0, stray_unpin(self->dev, IOVA, PAGES));
	ASSERT_EQ(0, attach(self, self->ioas));
	EXPECT_EQ(0, stray_unpin(self->dev, IOVA - PAGE, 1));
	EXPECT_EQ(0, stray_unpin(self->dev, IOVA - PAGE, PAGES + 2));
	ASSERT_EQ(0, pin(self->dev, IOVA + PAGE, 2, TEST_MDEV_WRITE));
	EXPECT_EQ(0, stray_unpin(self->dev, IOVA, 1));
	EXPECT_EQ(0, stray_unpin(self->dev, IOVA + 3 * PAGE, 5));
	EXPECT_EQ(-EBUSY, stray_unpin(self->dev, IOVA + 2 * PAGE, 1));
	EXPECT_TRUE(writes(self->dev, copy, self->mem + PAGE, IOVA + PAGE,
			   2 * PAGE));
	ASSERT_EQ(0, unpin(self->dev, IOVA + PAGE, 2));
	EXPECT_EQ(0, stray_unpin(self->dev, IOVA + PAGE, 2));
}

/* Mappings that are no whole pages: an emulated device cannot have them. */
TEST_F(node, alignment)
{
	uint64_t alignment;
	uint32_t ioas, num = 0;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	ASSERT_EQ(0, ioas_map(self->iommufd, ioas, self->mem + 1, 1, IOVA + 1,
			      IOMMU_MAP_RW));
	EXPECT_EQ(-EADDRINUSE, attach(self, ioas));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, ioas, IOVA + 1, 1, NULL));
	ASSERT_EQ(0, attach(self, ioas));
	EXPECT_EQ(-EINVAL, ioas_map(self->iommufd, ioas, self->mem + 1, 1,
				    IOVA + 1, IOMMU_MAP_RW));
	ioas_ranges(self->iommufd, ioas, NULL, &num, &alignment);
	EXPECT_EQ(PAGE, alignment);
}

/* One file of the node is bound, and keeps the group closed. */
TEST_F(node, bound_once)
{
	int second = mdev_cdev_open(UUID);

	ASSERT_LE(0, second);
	EXPECT_EQ(-EINVAL, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(-EINVAL, vfio_bind(second, self->iommufd, NULL));
	EXPECT_EQ(-EBUSY, mdev_group_open(UUID));
	ASSERT_EQ(0, close(self->dev));
	self->dev = second;
	EXPECT_EQ(0, vfio_bind(second, self->iommufd, NULL));
	EXPECT_EQ(0, attach(self, self->ioas));
}

/* BIND while the group is open: EBUSY. */
TEST_F(node, bind_of_open_group)
{
	int group;

	ASSERT_EQ(0, close(self->dev));
	group = mdev_group_open(UUID);
	ASSERT_LE(0, group);
	self->dev = mdev_cdev_open(UUID);
	ASSERT_LE(0, self->dev);
	EXPECT_EQ(-EBUSY, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, close(group));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

/* Before BIND a file gives nothing. */
TEST_F(node, not_bound)
{
	struct vfio_device_info info;
	struct test_mdev_state state;
	int second = mdev_cdev_open(UUID);
	uint32_t pt = self->ioas;

	ASSERT_LE(0, second);
	EXPECT_EQ(-EINVAL, vfio_attach(second, &pt));
	EXPECT_EQ(-EINVAL, vfio_detach(second));
	EXPECT_EQ(-EINVAL, vfio_get_info(second, &info));
	EXPECT_EQ(-1, pread(second, &state, sizeof(state), 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EINVAL, pin(second, IOVA, 1, 0));
	EXPECT_EQ(0, close(second));
}

/* An emulated device takes no VF token. */
TEST_F(node, no_token)
{
	static const uint8_t token[16];
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_BIND_FLAG_TOKEN,
		.iommufd = self->iommufd,
		.token_uuid_ptr = (uintptr_t)token,
	};

	ASSERT_EQ(0, close(self->dev));
	self->dev = mdev_cdev_open(UUID);
	ASSERT_LE(0, self->dev);
	EXPECT_EQ(-EINVAL, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

/* Nor what is no iommufd; the file stays usable. */
TEST_F(node, bind_wrong_fd)
{
	int null = open("/dev/null", O_RDWR);

	ASSERT_LE(0, null);
	ASSERT_EQ(0, close(self->dev));
	self->dev = mdev_cdev_open(UUID);
	ASSERT_LE(0, self->dev);
	EXPECT_EQ(-EINVAL, vfio_bind(self->dev, -1, NULL));
	EXPECT_EQ(-EBADF, vfio_bind(self->dev, NO_FD, NULL));
	EXPECT_EQ(-EBADFD, vfio_bind(self->dev, null, NULL));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(0, close(null));
}

/* Every allocation of BIND fails once: ENOMEM, or BIND can do without. */
TEST_F(node, bind_fail_nth)
{
	int fd = fail_nth_open(), injected = 1, rc;
	unsigned int nth, failed = 0;

	ASSERT_LE(0, fd);
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, close(self->dev));
		self->dev = mdev_cdev_open(UUID);
		ASSERT_LE(0, self->dev);
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		rc = vfio_bind(self->dev, self->iommufd, NULL);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (rc) {
			ASSERT_EQ(1, injected);
			ASSERT_EQ(-ENOMEM, rc);
			failed++;
		}
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, failed);
	ASSERT_EQ(0, attach(self, self->ioas));
	EXPECT_TRUE(reaches(self, self->mem, IOVA));
}

/* The same for ATTACH elsewhere: the device stays where it was. */
TEST_F(node, attach_fail_nth)
{
	int fd = fail_nth_open(), injected = 1, rc;
	unsigned int nth, failed = 0;

	ASSERT_LE(0, fd);
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, attach(self, self->ioas));
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		rc = attach(self, self->ioas2);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (rc) {
			ASSERT_EQ(1, injected);
			ASSERT_EQ(-ENOMEM, rc);
			ASSERT_TRUE(reaches(self, self->mem, IOVA));
			failed++;
		} else {
			ASSERT_TRUE(reaches(self, self->mem2, IOVA2));
		}
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, failed);
}

/* Makes the device with a failure of the @nth allocation: was there one? */
static int create_failing(struct __test_metadata *_metadata,
			  struct _test_data_node *self, int fd,
			  unsigned int nth, unsigned int *failed)
{
	int injected, rc;

	ASSERT_EQ(0, fail_nth_arm(fd, nth));
	rc = mdev_create("test_mdev", "test_mdev-dma", UUID);
	injected = fail_nth_disarm(fd);
	ASSERT_LE(0, injected);
	if (rc) {
		ASSERT_EQ(1, injected);
		ASSERT_EQ(-ENOMEM, rc);
		ASSERT_EQ(-ENOENT, mdev_group(UUID));
		(*failed)++;
		return injected;
	}

	self->dev = mdev_cdev_open(UUID);
	/* devtmpfs is one of what a device can do without */
	if (!injected || self->dev != -ENOENT) {
		ASSERT_LE(0, self->dev);
		ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
		ASSERT_EQ(0, attach(self, self->ioas));
		ASSERT_TRUE(reaches(self, self->mem, IOVA));
		ASSERT_EQ(0, close(self->dev));
	}
	ASSERT_EQ(0, mdev_remove(UUID));
	return injected;
}

/*
 * Every allocation of making a device fails: there is none, or it can do
 * without, and who opens it finds it whole.  How many there are is not always
 * the same: go through them more than once, or one may be left out.
 */
TEST_F_TIMEOUT(node, create_fail_nth, 300)
{
	unsigned int round, nth, failed = 0;
	int fd = fail_nth_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(self->dev));
	ASSERT_EQ(0, mdev_remove(UUID));
	for (round = 0; round < 3; round++) {
		for (nth = 1; nth < FAIL_MOST; nth++)
			if (!create_failing(_metadata, self, fd, nth, &failed))
				break;
		ASSERT_LT(nth, FAIL_MOST);
	}
	EXPECT_LT(0, failed);
	self->dev = -1;
	ASSERT_EQ(0, make_mdev(UUID));
}

/* The iommufd is closed first, with pins held: the device goes on. */
TEST_F(node, iommufd_closed_first)
{
	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pin(self->dev, IOVA, 4, TEST_MDEV_WRITE));
	ASSERT_EQ(0, close(self->iommufd));
	self->iommufd = -1;
	EXPECT_TRUE(writes(self->dev, copy, self->mem, IOVA, 4 * PAGE));
	EXPECT_EQ(0, pin(self->dev, IOVA + 4 * PAGE, 4, TEST_MDEV_WRITE));
	EXPECT_EQ(0, attach(self, self->ioas2));
	EXPECT_TRUE(reaches(self, self->mem2, IOVA2));
}

/* close() in each state, and what it leaves can be had again. */
TEST_F(node, close_in_any_state)
{
	int i;

	for (i = 0; i < 6; i++) {
		if (i > 1)
			ASSERT_EQ(0, attach(self, self->ioas));
		if (i > 2)
			ASSERT_EQ(0, pin(self->dev, IOVA, 4, 0));
		if (i > 3)
			ASSERT_EQ(0, lazy(self->dev, LAZY));
		if (i > 4)
			ASSERT_EQ(0, vfio_detach(self->dev));
		ASSERT_EQ(0, close(self->dev));
		self->dev = mdev_cdev_open(UUID);
		ASSERT_LE(0, self->dev);
		/* Of the file just opened, the first close is before BIND. */
		if (!i) {
			ASSERT_EQ(0, close(self->dev));
			self->dev = mdev_cdev_open(UUID);
		}
		ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	}
	EXPECT_EQ(0, iommu_destroy(self->iommufd, self->ioas));
}

/* COPY of an IOAS whose memory is pinned: both see the same. */
TEST_F(node, copy_of_pinned)
{
	ASSERT_EQ(0, attach(self, self->ioas));
	ASSERT_EQ(0, pin(self->dev, IOVA, 2, TEST_MDEV_WRITE));
	ASSERT_EQ(0, ioas_copy(self->iommufd, self->ioas, IOVA2, self->ioas,
			       IOVA, SIZE, IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, SIZE, NULL));
	EXPECT_EQ(2, state_of(self->dev).dropped);
	EXPECT_TRUE(reaches(self, self->mem, IOVA2));
}

/* A file that is open and not bound does not keep a removal waiting. */
TEST_F(node, remove_not_bound)
{
	ASSERT_EQ(0, close(self->dev));
	self->dev = mdev_cdev_open(UUID);
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, mdev_remove(UUID));
	EXPECT_EQ(-ENODEV, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, make_mdev(UUID));
	EXPECT_EQ(-ENODEV, vfio_bind(self->dev, self->iommufd, NULL));
}

/* While a removal waits nobody new gets in. */
TEST_F(node, remove_bound)
{
	int second = mdev_cdev_open(UUID);
	pid_t pid;

	ASSERT_LE(0, second);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->dev);
		close(self->iommufd);
		close(second);
		_exit(mdev_remove(UUID) ? 1 : 0);
	}
	EXPECT_EQ(-1, wait_remove(pid, QUIET));
	EXPECT_GT(0, mdev_cdev_open(UUID));
	EXPECT_EQ(0, attach(self, self->ioas));
	EXPECT_TRUE(reaches(self, self->mem, IOVA));
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(0, wait_remove(pid, TIMEOUT));
	EXPECT_EQ(-ENODEV, vfio_bind(second, self->iommufd, NULL));
	self->dev = second;
	ASSERT_EQ(0, make_mdev(UUID));
}

static void *attach_and_detach(void *arg)
{
	struct worker *worker = arg;
	struct _test_data_node node = { .dev = worker->dev };

	while (!stopped(worker)) {
		if (attach(&node, worker->iova))
			worker->failed++;
		if (++worker->done % 4 == 0 && vfio_detach(worker->dev))
			worker->failed++;
		usleep(50000);	/* the device pins when it is not told more */
	}
	return NULL;
}

/* ATTACH, replace and DETACH race with pins and copies. */
TEST_F(node, race)
{
	static void *(*const jobs[])(void *) = {
		attach_and_detach, attach_and_detach, pin_and_copy,
		read_and_write,
	};
	struct worker workers[4] = {
		{ .iova = self->ioas },
		{ .iova = self->ioas2 },
		{ .iova = IOVA },
		{ .iova = IOVA2 },
	};
	bool stop = false;
	int i;

	for (i = 0; i < 4; i++) {
		workers[i].dev = self->dev;
		workers[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, jobs[i],
					    &workers[i]));
	}
	sleep(3);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		EXPECT_LT(0, workers[i].done);
		EXPECT_EQ(0, workers[i].failed);
	}
}

TEST_HARNESS_MAIN
