// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is written back to a disk: a file of ext2 on a RAM disk, or the
 * disk itself.
 *
 *   shared mapping ---\
 *                      page cache --- ext2 --- disk
 *   private mapping --/
 *
 * A device may read it.  It may write to a private copy only, as it does not ask
 * the file system before.
 */
#include <sys/mount.h>

#include "iommufd_utils.h"
#include "mdev.h"

#define DISK		"/dev/ram0"
#define RAW_DISK	"/dev/ram1"
#define MOUNT		"/tmp/disk"
#define IOVA		(16 * MB)
#define TO		(32 * MB)		/* where the device copies to */
#define NR_PAGES	32UL
#define LENGTH		PAGES(NR_PAGES)
#define RO		IOMMU_IOAS_MAP_READABLE
#define RW		IOMMU_MAP_RW

FIXTURE(disk)
{
	struct bound b;
	struct edu edu;
	int fd;
	char *content;
	char *va;
};

FIXTURE_VARIANT(disk)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(disk, file) { .path = MOUNT "/file" };
FIXTURE_VARIANT_ADD(disk, raw) { .path = RAW_DISK };

FIXTURE_SETUP(disk)
{
	ASSERT_EQ(0, module_load("/t/brd.ko"));
	ASSERT_EQ(0, module_load("/t/ext2.ko"));
	/* A test that failed may have left it. */
	umount2(MOUNT, MNT_DETACH);
	ASSERT_EQ(0, system("mke2fs -F " DISK " >/dev/null"));
	ASSERT_EQ(0, mkdir(MOUNT, 0700) && errno != EEXIST);
	ASSERT_EQ(0, mount(DISK, MOUNT, "ext2", 0, NULL));

	self->content = alloc_memory(LENGTH);
	ASSERT_NE(NULL, self->content);
	fill(self->content, LENGTH, 1);
	self->fd = open(variant->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(LENGTH, pwrite(self->fd, self->content, LENGTH, 0));
	ASSERT_EQ(0, fsync(self->fd));
	ASSERT_EQ(0, posix_fadvise(self->fd, 0, 0, POSIX_FADV_DONTNEED));

	SETUP_BOUND(&self->b);
	SETUP_EDU(&self->edu, &self->b);
	ASSERT_EQ(0, attach_edu(&self->edu, self->b.ioas));
}

FIXTURE_TEARDOWN(disk)
{
	teardown_edu(&self->edu);
	teardown_bound(&self->b);
	munmap(self->va, LENGTH);
	close(self->fd);
	EXPECT_EQ(0, umount(MOUNT));
}

#define MMAP(flags) do {						\
	self->va = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, flags,	\
			self->fd, 0);					\
	ASSERT_NE(MAP_FAILED, self->va);				\
} while (0)

#define MAP(npages, flags) ioas_map(self->b.iommufd, self->b.ioas, self->va, \
				    PAGES(npages), IOVA, flags)

#define EXPECT_NO_WRITER() do {						\
	EXPECT_EQ(-EFAULT, MAP(NR_PAGES, RW));				\
	EXPECT_EQ(-EFAULT, MAP(1, RW));					\
	EXPECT_EQ(0, pinned());						\
} while (0)

/* Few or many; not there, there, to be written back, written back: EFAULT */
TEST_F(disk, device_write_efault)
{
	char byte = 0;
	size_t at;

	MMAP(MAP_SHARED);
	EXPECT_NO_WRITER();
	for (at = 0; at < LENGTH; at += PAGE)
		byte |= self->va[at];
	EXPECT_NE(0, byte);
	EXPECT_NO_WRITER();
	memset(self->va, 0x55, LENGTH);
	EXPECT_NO_WRITER();
	ASSERT_EQ(0, msync(self->va, LENGTH, MS_SYNC));
	EXPECT_NO_WRITER();
}

/* The same when the device comes after the mapping, which then needs no memory */
TEST_F(disk, attach_efault)
{
	ASSERT_EQ(0, vfio_detach(self->edu.dev));
	MMAP(MAP_SHARED);
	ASSERT_EQ(0, MAP(NR_PAGES, RW));
	EXPECT_EQ(-EFAULT, attach_edu(&self->edu, self->b.ioas));
	EXPECT_EQ(0, pinned());
	EXPECT_EQ((int64_t)LENGTH, unmap_all(self->b.iommufd, self->b.ioas));
	EXPECT_EQ(0, attach_edu(&self->edu, self->b.ioas));
}

/* Behind memory that a device may write to, too: nothing of it is mapped. */
TEST_F(disk, part_efault)
{
	char *all = alloc_memory(2 * LENGTH);

	ASSERT_NE(NULL, all);
	self->va = mmap(all + LENGTH, LENGTH, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->va);
	EXPECT_EQ(-EFAULT, ioas_map(self->b.iommufd, self->b.ioas, all,
				    2 * LENGTH, IOVA, RW));
	EXPECT_EQ(0, pinned());
	EXPECT_EQ(0, unmap_all(self->b.iommufd, self->b.ioas));
}

/* Does the device read this much of @content at the end of the range? */
#define EXPECT_DEVICE_READS(content) do {				\
	char *__to = alloc_memory(PAGE);				\
	size_t __at = LENGTH - DMA_LEN;					\
									\
	ASSERT_NE(NULL, __to);						\
	ASSERT_EQ(0, ioas_map(self->b.iommufd, self->b.ioas, __to,	\
			      PAGE, TO, RW));				\
	ASSERT_EQ(0, edu_copy(&self->edu, IOVA + __at, TO, DMA_LEN));	\
	EXPECT_EQ(0, memcmp((content) + __at, __to, DMA_LEN));		\
	ASSERT_EQ(0, ioas_unmap(self->b.iommufd, self->b.ioas, TO, PAGE, \
				NULL));					\
	munmap(__to, PAGE);						\
} while (0)

/* It may read, and sees what is written later on. */
TEST_F(disk, device_reads)
{
	MMAP(MAP_SHARED);
	ASSERT_EQ(0, MAP(NR_PAGES, RO));
	EXPECT_EQ(LENGTH, pinned());
	EXPECT_DEVICE_READS(self->content);
	fill(self->content, LENGTH, 2);
	ASSERT_EQ(LENGTH, pwrite(self->fd, self->content, LENGTH, 0));
	ASSERT_EQ(0, fsync(self->fd));
	EXPECT_DEVICE_READS(self->content);
	EXPECT_EQ((int64_t)LENGTH, unmap_all(self->b.iommufd, self->b.ioas));
}

/* It may write to a private mapping, of which the file never learns. */
TEST_F(disk, private)
{
	char *was = alloc_memory(LENGTH);

	ASSERT_NE(NULL, was);
	MMAP(MAP_PRIVATE);
	ASSERT_EQ(0, MAP(NR_PAGES, RW));
	EXPECT_EQ(LENGTH, pinned());
	EXPECT_DEVICE_READS(self->content);
	EXPECT_TRUE(dma_works(&self->edu, self->va, IOVA));
	ASSERT_EQ(LENGTH, pread(self->fd, was, LENGTH, 0));
	EXPECT_EQ(0, memcmp(self->content, was, LENGTH));
	EXPECT_EQ((int64_t)LENGTH, unmap_all(self->b.iommufd, self->b.ioas));
}

/* MAP_FILE is for files that are memory: EINVAL, even for reading */
TEST_F(disk, map_file_einval)
{
	EXPECT_EQ(-EINVAL, ioas_map_file(self->b.iommufd, self->b.ioas,
					 self->fd, 0, LENGTH, IOVA, RW));
	EXPECT_EQ(-EINVAL, ioas_map_file(self->b.iommufd, self->b.ioas,
					 self->fd, 0, LENGTH, IOVA, RO));
}

TEST_HARNESS_MAIN
