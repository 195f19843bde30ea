// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_MAP_FILE: memory of a memfd, without the process's address space.
 *
 *   device --- IOAS --- file <--- (mmap, of the test, to see what is in it)
 */
#include <linux/memfd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "iommufd_utils.h"

#define IOVA		MB
#define RO		IOMMU_IOAS_MAP_READABLE
#define WO		IOMMU_IOAS_MAP_WRITEABLE
#define RW		IOMMU_MAP_RW
#define NR_PAGES	8	/* in the file */

/* Of pages, or of bytes */
#define MAP_BYTES(fd, start, length, iova, flags)			\
	ioas_map_file(self->b.iommufd, self->b.ioas, fd, start, length,	\
		      iova, flags)
#define MAP(fd, at, n, flags)						\
	MAP_BYTES(fd, PAGES(at), PAGES(n), IOVA, flags)
#define UNMAP_ALL()	unmap_all(self->b.iommufd, self->b.ioas)
#define EXPECT_PINNED(n)						\
	EXPECT_EQ(self->pinned + (long)PAGES(n), pinned())
/* Nothing is mapped and nothing is pinned. */
#define EXPECT_CLEAN() do {						\
	EXPECT_EQ(0, UNMAP_ALL());					\
	EXPECT_PINNED(0);						\
} while (0)

/* A memfd of this many bytes, or a negative errno */
static int new_memfd(unsigned long size, unsigned int flags)
{
	int fd = memfd_create("file", flags | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size)) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int add_seals(int fd, int seals)
{
	return fcntl(fd, F_ADD_SEALS, seals) ? -errno : 0;
}

/* The same file, opened anew */
static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

static char *mmap_file(int fd, unsigned long size)
{
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* Without a device: what is checked of the file at once */
FIXTURE(file)
{
	struct {
		int iommufd;
		uint32_t ioas;
	} b;
	int fd;
	long pinned;
};

FIXTURE_SETUP(file)
{
	self->b.iommufd = iommu_open();
	ASSERT_LE(0, self->b.iommufd);
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &self->b.ioas));
	self->fd = new_memfd(PAGES(NR_PAGES), 0);
	ASSERT_LE(0, self->fd);
	self->pinned = pinned();
}

FIXTURE_TEARDOWN(file)
{
	close(self->b.iommufd);
}

/* Not a descriptor: EBADF */
TEST_F(file, bad_fd_ebadf)
{
	EXPECT_EQ(-EBADF, MAP(-1, 0, 1, RW));
	EXPECT_EQ(-EBADF, MAP(12345, 0, 1, RW));
	EXPECT_EQ(-EBADF, MAP(reopen(self->fd, O_PATH), 0, 1, RO));
	EXPECT_CLEAN();
}

/* Not a memfd: EINVAL */
TEST_F(file, not_memfd_einval)
{
	static const char *const paths[] = {
		"/dev/zero", "/dev/null", "/dev/iommu", "/proc/self/status",
		"/sys/kernel", "/",
	};
	int pipes[2], fd;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		fd = open(paths[i], O_RDONLY);
		ASSERT_LE(0, fd);
		EXPECT_EQ(-EINVAL, MAP(fd, 0, 1, RO))
			TH_LOG("%s", paths[i]);
		close(fd);
	}
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, MAP(pipes[0], 0, 1, RO));
	EXPECT_EQ(-EINVAL, MAP(self->b.iommufd, 0, 1, RW));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, MAP(fd, 0, 1, RW));
	EXPECT_CLEAN();
}

/* Length 0, or past the file's end: EINVAL; up to it, to the byte, it works */
TEST_F(file, beyond_end_einval)
{
	EXPECT_EQ(-EINVAL, MAP(self->fd, 0, 0, RW));
	EXPECT_EQ(-EINVAL, MAP(self->fd, NR_PAGES, 0, RW));
	EXPECT_EQ(-EINVAL, MAP(self->fd, NR_PAGES, 1, RW));
	EXPECT_EQ(-EINVAL, MAP(self->fd, 0, NR_PAGES + 1, RW));
	EXPECT_EQ(-EINVAL, MAP(self->fd, NR_PAGES - 1, 2, RW));
	EXPECT_EQ(-EINVAL, MAP(self->fd, 1UL << 40, 1, RW));
	EXPECT_EQ(-EINVAL, MAP_BYTES(self->fd, 1, PAGES(NR_PAGES), IOVA, RW));
	EXPECT_CLEAN();
	EXPECT_EQ(0, MAP(self->fd, 0, NR_PAGES, RW));
	EXPECT_EQ(PAGES(NR_PAGES), UNMAP_ALL());

	ASSERT_EQ(0, ftruncate(self->fd, 100));
	EXPECT_EQ(-EINVAL, MAP_BYTES(self->fd, 0, 101, IOVA, RW));
	EXPECT_EQ(-EINVAL, MAP_BYTES(self->fd, 100, 1, IOVA, RW));
	EXPECT_EQ(0, MAP_BYTES(self->fd, 99, 1, IOVA, RW));
	EXPECT_EQ(1, UNMAP_ALL());
}

/* An offset that wraps together with the length: EOVERFLOW */
TEST_F(file, wraps_eoverflow)
{
	EXPECT_EQ(-EOVERFLOW, MAP_BYTES(self->fd, -PAGE, PAGES(2), IOVA, RW));
	EXPECT_EQ(-EOVERFLOW, MAP_BYTES(self->fd, UINT64_MAX, 2, IOVA, RW));
	EXPECT_EQ(-EOVERFLOW, MAP_BYTES(self->fd, 0, UINT64_MAX, IOVA, RW));
	EXPECT_EQ(-EOVERFLOW, MAP_BYTES(self->fd, 0, PAGE, UINT64_MAX, RW));
	EXPECT_EQ(-EOVERFLOW, MAP_BYTES(self->fd, 0, PAGES(2), -PAGE, RW));
	EXPECT_CLEAN();
}

/* Flags, overflow, permission, id, and only then the file */
TEST_F(file, order_of_checks)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.ioas_id = NO_ID,
		.fd = -1,
		.length = UINT64_MAX,
	};
	int bit;

	for (bit = 3; bit < 32; bit++) {
		cmd.flags = RW | 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(self->b.iommufd, IOMMU_IOAS_MAP_FILE, &cmd));
	}
	cmd.flags = 0;
	EXPECT_EQ(-EOVERFLOW,
		  xioctl(self->b.iommufd, IOMMU_IOAS_MAP_FILE, &cmd));
	cmd.length = 0;
	EXPECT_EQ(-EINVAL, xioctl(self->b.iommufd, IOMMU_IOAS_MAP_FILE, &cmd));
	cmd.flags = RW;
	EXPECT_EQ(-ENOENT, xioctl(self->b.iommufd, IOMMU_IOAS_MAP_FILE, &cmd));
	cmd.ioas_id = self->b.ioas;
	EXPECT_EQ(-EBADF, xioctl(self->b.iommufd, IOMMU_IOAS_MAP_FILE, &cmd));
	cmd.fd = self->fd;
	EXPECT_EQ(-EINVAL, xioctl(self->b.iommufd, IOMMU_IOAS_MAP_FILE, &cmd));
}

/* A file not open for what the device may do: EACCES */
TEST_F(file, not_open_for_it_eacces)
{
	int fd = reopen(self->fd, O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, MAP(fd, 0, 1, RW));
	EXPECT_EQ(-EACCES, MAP(fd, 0, 1, WO));
	EXPECT_CLEAN();
	EXPECT_EQ(0, MAP(fd, 0, 1, RO));
	EXPECT_EQ(PAGE, UNMAP_ALL());
	/* As with mmap(), writing needs reading. */
	fd = reopen(self->fd, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, MAP(fd, 0, 1, WO));
	EXPECT_CLEAN();
}

/* A file sealed against writing: EPERM if the device may write */
TEST_F(file, sealed_eperm)
{
	int future = new_memfd(PAGE, 0);

	ASSERT_LE(0, future);
	ASSERT_EQ(0, add_seals(self->fd, F_SEAL_WRITE));
	ASSERT_EQ(0, add_seals(future, F_SEAL_FUTURE_WRITE));
	EXPECT_EQ(-EPERM, MAP(self->fd, 0, 1, RW));
	EXPECT_EQ(-EPERM, MAP(self->fd, 0, 1, WO));
	EXPECT_EQ(-EPERM, MAP(future, 0, 1, RW));
	EXPECT_CLEAN();
	EXPECT_EQ(0, MAP(self->fd, 0, 1, RO));
	EXPECT_EQ(0, MAP_BYTES(future, 0, PAGE, 2 * IOVA, RO));
	EXPECT_EQ(PAGES(2), UNMAP_ALL());
}

/* While a device may write the file cannot be sealed; reading does not mind. */
TEST_F(file, sealing_ebusy)
{
	uint32_t other;

	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &other));
	ASSERT_EQ(0, MAP(self->fd, 0, 2, RW));
	EXPECT_EQ(-EBUSY, add_seals(self->fd, F_SEAL_WRITE));
	ASSERT_EQ(0, ioas_copy(self->b.iommufd, other, IOVA, self->b.ioas,
			       IOVA, PAGE, RO));
	EXPECT_EQ(PAGES(2), UNMAP_ALL());
	EXPECT_EQ(-EBUSY, add_seals(self->fd, F_SEAL_WRITE));
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, other));
	ASSERT_EQ(0, MAP(self->fd, 0, 1, RO));
	EXPECT_EQ(0, add_seals(self->fd, F_SEAL_WRITE));
}

/* A file on tmpfs is as good. */
TEST_F(file, tmpfs)
{
	int fd;

	ASSERT_EQ(0, mkdir("/tmpfs", 0700));
	ASSERT_EQ(0, mount("none", "/tmpfs", "tmpfs", 0, "size=64k"));
	fd = open("/tmpfs/file", O_RDWR | O_CREAT, 0600);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, ftruncate(fd, PAGES(64)));
	EXPECT_EQ(0, MAP(fd, 0, 64, RW));
	/* The mapping holds the file, so that it is not unmounted beneath. */
	close(fd);
	EXPECT_NE(0, umount("/tmpfs"));
	EXPECT_EQ(PAGES(64), UNMAP_ALL());
	EXPECT_EQ(0, umount("/tmpfs"));
	EXPECT_EQ(0, rmdir("/tmpfs"));
}

/* A reply that cannot be written: EFAULT, and nothing stays mapped */
TEST_F(file, reply_efault)
{
	struct iommu_ioas_map_file *cmd = alloc_memory(PAGE);

	ASSERT_NE(NULL, cmd);
	*cmd = (struct iommu_ioas_map_file){
		.size = sizeof(*cmd),
		.flags = RW,
		.ioas_id = self->b.ioas,
		.fd = self->fd,
		.length = PAGE,
	};
	ASSERT_EQ(0, mprotect(cmd, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(self->b.iommufd, IOMMU_IOAS_MAP_FILE, cmd));
	EXPECT_CLEAN();
	EXPECT_EQ(0, add_seals(self->fd, F_SEAL_WRITE));
}

/* A chosen IOVA has the offset's place in its page, and is never 0. */
TEST_F(file, anywhere)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = RW,
		.ioas_id = self->b.ioas,
		.fd = self->fd,
		.start = PAGE + 123,
		.length = PAGE,
	};

	ASSERT_EQ(0, xioctl(self->b.iommufd, IOMMU_IOAS_MAP_FILE, &cmd));
	EXPECT_NE(0, cmd.iova / PAGE);
	EXPECT_EQ(123, cmd.iova % PAGE);
	EXPECT_EQ(-EEXIST, MAP_BYTES(self->fd, 0, 1, cmd.iova, RW));
}

/* With devices, one of which does DMA */
FIXTURE(dma)
{
	struct bound b;
	struct edu edu;
	int fd;
	char *mem;	/* the file's */
	long pinned;
};

FIXTURE_SETUP(dma)
{
	SETUP_BOUND(&self->b);
	SETUP_EDU(&self->edu, &self->b);
	self->fd = new_memfd(PAGES(NR_PAGES), 0);
	ASSERT_LE(0, self->fd);
	self->mem = mmap_file(self->fd, PAGES(NR_PAGES));
	ASSERT_NE(NULL, self->mem);
	self->pinned = pinned();
}

FIXTURE_TEARDOWN(dma)
{
	teardown_edu(&self->edu);
	teardown_bound(&self->b);
}

#define ATTACH_EDU()	attach_edu(&self->edu, self->b.ioas)
#define ATTACH()	attach(&self->b, self->b.ioas)

/* The device and the file's users see the same bytes; the fd may be closed. */
TEST_F(dma, reaches_file)
{
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, MAP(self->fd, 0, NR_PAGES, RW));
	close(self->fd);
	EXPECT_PINNED(NR_PAGES);
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGES(NR_PAGES - 1),
			      IOVA + PAGES(NR_PAGES - 1)));
	EXPECT_EQ(PAGES(NR_PAGES), UNMAP_ALL());
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	EXPECT_CLEAN();
}

/* Mapped first, attached later */
TEST_F(dma, attach_later)
{
	ASSERT_EQ(0, MAP(self->fd, 0, NR_PAGES, RW));
	EXPECT_PINNED(0);
	ASSERT_EQ(0, ATTACH_EDU());
	EXPECT_PINNED(NR_PAGES);
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, vfio_detach(self->edu.dev));
	EXPECT_PINNED(0);
	EXPECT_EQ(PAGES(NR_PAGES), UNMAP_ALL());
}

/* From an offset on */
TEST_F(dma, offset)
{
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, MAP(self->fd, 3, 2, RW));
	EXPECT_PINNED(2);
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGES(3), IOVA));
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGES(4), IOVA + PAGE));
	/* One that is not a multiple of the IOMMU's page: EINVAL */
	EXPECT_EQ(-EINVAL, MAP_BYTES(self->fd, 1, PAGE, 2 * IOVA, RW));
	EXPECT_EQ(-EINVAL, MAP_BYTES(self->fd, 0, PAGE - 1, 2 * IOVA, RW));
	EXPECT_PINNED(2);
}

/* Holes are filled: what the device writes is in the file. */
TEST_F(dma, sparse)
{
	char out[64], in[64];
	struct stat st;

	ASSERT_EQ(0, munmap(self->mem, PAGES(NR_PAGES)));
	ASSERT_EQ(0, ftruncate(self->fd, MB));
	ASSERT_EQ(0, fstat(self->fd, &st));
	ASSERT_EQ(0, st.st_blocks);
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, MAP_BYTES(self->fd, PAGE, MB - PAGE, IOVA, RW));
	EXPECT_EQ(self->pinned + MB - PAGE, pinned());
	fill(in, sizeof(in), 7);
	ASSERT_EQ(64, pwrite(self->fd, in, 64, PAGES(2)));
	ASSERT_EQ(0, edu_copy(&self->edu, IOVA + PAGE, IOVA + PAGES(9), 64));
	ASSERT_EQ(64, pread(self->fd, out, 64, PAGES(10)));
	EXPECT_EQ(0, memcmp(in, out, 64));
	EXPECT_EQ(MB - PAGE, UNMAP_ALL());
	EXPECT_CLEAN();
}

/* Only for reading: the device cannot write. */
TEST_F(dma, read_only)
{
	int fd = reopen(self->fd, O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, MAP(fd, 0, 1, RO));
	ASSERT_EQ(0, MAP_BYTES(self->fd, PAGE, PAGE, 2 * IOVA, RW));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	fill(self->mem, 64, 3);
	ASSERT_EQ(0, edu_copy(&self->edu, IOVA, 2 * IOVA, 64));
	EXPECT_EQ(0, memcmp(self->mem, self->mem + PAGE, 64));
}

/* A file that is too short by the time of the attach: EFAULT; nothing stays */
TEST_F(dma, truncated_before_attach_efault)
{
	ASSERT_EQ(0, MAP(self->fd, 0, NR_PAGES, RW));
	ASSERT_EQ(0, ftruncate(self->fd, PAGES(NR_PAGES - 1)));
	EXPECT_EQ(-EFAULT, ATTACH());
	EXPECT_PINNED(0);
	ASSERT_EQ(0, ftruncate(self->fd, 0));
	EXPECT_EQ(-EFAULT, ATTACH());
	EXPECT_PINNED(0);
	ASSERT_EQ(0, ftruncate(self->fd, PAGES(NR_PAGES)));
	EXPECT_EQ(0, ATTACH());
	EXPECT_PINNED(NR_PAGES);
	EXPECT_EQ(PAGES(NR_PAGES), UNMAP_ALL());
	EXPECT_CLEAN();
}

/* Truncated later: the device keeps the old pages, and the file is another's. */
TEST_F(dma, truncated_while_mapped)
{
	memset(self->mem, 0x5a, PAGE);
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, MAP(self->fd, 0, 2, RW));
	ASSERT_EQ(0, ftruncate(self->fd, 0));
	ASSERT_EQ(0, ftruncate(self->fd, PAGES(NR_PAGES)));
	ASSERT_EQ(0, MAP_BYTES(self->fd, PAGES(2), PAGE, 2 * IOVA, RW));
	ASSERT_EQ(0, edu_copy(&self->edu, IOVA, 2 * IOVA, 64));
	EXPECT_EQ(0, self->mem[0]);
	EXPECT_EQ(0x5a, self->mem[PAGES(2)]);
	EXPECT_EQ(0x5a, self->mem[PAGES(2) + 63]);
	EXPECT_PINNED(3);
	EXPECT_EQ(PAGES(3), UNMAP_ALL());
	EXPECT_CLEAN();
}

/* A file system that is full, so that a hole cannot be filled: ENOMEM */
TEST_F(dma, no_space_enomem)
{
	int fd;

	ASSERT_EQ(0, mkdir("/full", 0700));
	ASSERT_EQ(0, mount("none", "/full", "tmpfs", 0, "size=64k"));
	fd = open("/full/file", O_RDWR | O_CREAT, 0600);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, ftruncate(fd, PAGES(64)));
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(-ENOMEM, MAP(fd, 0, 64, RW));
	EXPECT_CLEAN();
	EXPECT_EQ(0, MAP(fd, 0, 8, RW));
	EXPECT_PINNED(8);
	EXPECT_EQ(PAGES(8), UNMAP_ALL());
	close(fd);
	EXPECT_EQ(0, umount("/full"));
	EXPECT_EQ(0, rmdir("/full"));
}

/* No process is needed: it may have ended before the first attach. */
TEST_F(dma, mapper_gone)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-MAP(self->fd, 0, 2, RW));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(0, ATTACH_EDU());
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	EXPECT_PINNED(0);
	EXPECT_EQ(PAGES(2), UNMAP_ALL());
}

/* Copies show the file, and pin it once. */
TEST_F(dma, copy)
{
	uint32_t other;

	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &other));
	ASSERT_EQ(0, MAP(self->fd, 0, NR_PAGES, RW));
	ASSERT_EQ(0, ioas_copy(self->b.iommufd, other, 2 * IOVA, self->b.ioas,
			       IOVA + PAGES(2), PAGES(3), RW));
	ASSERT_EQ(0, attach_edu(&self->edu, other));
	EXPECT_PINNED(3);
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGES(2), 2 * IOVA));
	ASSERT_EQ(0, ATTACH());
	EXPECT_PINNED(NR_PAGES);
	EXPECT_EQ(PAGES(NR_PAGES), UNMAP_ALL());
	EXPECT_PINNED(3);
	EXPECT_EQ(PAGES(3), unmap_all(self->b.iommufd, other));
	EXPECT_PINNED(0);
}

/* A user without CAP_IPC_LOCK pays: ENOMEM above the limit, nothing stays */
TEST_F(dma, limit_enomem)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, set_memlock(PAGES(4)));
	ASSERT_EQ(0, setresuid(41000, 41000, 41000));
	EXPECT_EQ(-ENOMEM, MAP(self->fd, 0, 5, RW));
	EXPECT_CLEAN();
	EXPECT_EQ(0, MAP(self->fd, 0, 4, RW));
	EXPECT_PINNED(4);
	EXPECT_EQ(PAGES(4), UNMAP_ALL());
	EXPECT_CLEAN();
}

#define NR_HUGE	"/proc/sys/vm/nr_hugepages"

FIXTURE(hugetlb)
{
	struct bound b;
	struct edu edu;
	int fd;
	long pinned;
};

FIXTURE_SETUP(hugetlb)
{
	ASSERT_EQ(0, sysfs_write(NR_HUGE, "3"));
	SETUP_BOUND(&self->b);
	SETUP_EDU(&self->edu, &self->b);
	self->fd = new_memfd(4 * HUGE, MFD_HUGETLB);
	ASSERT_LE(0, self->fd);
	self->pinned = pinned();
	ASSERT_EQ(0, attach_edu(&self->edu, self->b.ioas));
}

FIXTURE_TEARDOWN(hugetlb)
{
	teardown_edu(&self->edu);
	teardown_bound(&self->b);
	close(self->fd);
	EXPECT_EQ(0, sysfs_write(NR_HUGE, "0"));
}

/* Huge pages, the holes among them filled, whole and cut at both ends */
TEST_F(hugetlb, reaches_file)
{
	char *mem;

	ASSERT_EQ(0, MAP_BYTES(self->fd, PAGE, 2 * HUGE, 16 * HUGE, RW));
	EXPECT_EQ(self->pinned + (long)(2 * HUGE), pinned());
	ASSERT_EQ(0, MAP_BYTES(self->fd, HUGE, 2 * HUGE, 32 * HUGE, RW));
	mem = mmap_file(self->fd, 3 * HUGE);
	ASSERT_NE(NULL, mem);
	EXPECT_TRUE(dma_works(&self->edu, mem + PAGE, 16 * HUGE));
	EXPECT_TRUE(dma_works(&self->edu, mem + 2 * HUGE - PAGE,
			      18 * HUGE - PAGES(2)));
	EXPECT_TRUE(dma_works(&self->edu, mem + 2 * HUGE,
			      18 * HUGE - PAGE));
	EXPECT_TRUE(dma_works(&self->edu, mem + 3 * HUGE - PAGE,
			      34 * HUGE - PAGE));
	EXPECT_EQ(4 * HUGE, UNMAP_ALL());
	EXPECT_CLEAN();
	ASSERT_EQ(0, munmap(mem, 3 * HUGE));
}

/* No huge page for a hole: ENOMEM, and none stays pinned */
TEST_F(hugetlb, no_page_enomem)
{
	EXPECT_EQ(-ENOMEM, MAP_BYTES(self->fd, 0, 4 * HUGE, 16 * HUGE, RW));
	EXPECT_CLEAN();
	EXPECT_EQ(0, MAP_BYTES(self->fd, 0, 3 * HUGE, 16 * HUGE, RW));
	EXPECT_EQ(3 * HUGE, UNMAP_ALL());
	EXPECT_CLEAN();
}

/* Past the end: EINVAL, in units of bytes as everywhere */
TEST_F(hugetlb, beyond_end_einval)
{
	EXPECT_EQ(-EINVAL, MAP_BYTES(self->fd, PAGE, 4 * HUGE, 16 * HUGE, RW));
	EXPECT_EQ(-EINVAL, MAP_BYTES(self->fd, 4 * HUGE, PAGE, 16 * HUGE, RW));
	EXPECT_CLEAN();
}

TEST_HARNESS_MAIN
