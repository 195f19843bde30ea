// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_CHANGE_PROCESS: another process pays for what is pinned of files.
 *
 *   test    opens, binds, attaches, maps a memfd: pays
 *   child   has the file by fork, by exec or over a socket: CHANGE_PROCESS
 *
 * Each test is a user of its own without CAP_IPC_LOCK, who may lock 16 pages;
 * the children are other users unless a test says otherwise.
 */
#include <sys/prctl.h>

#include "iommufd_utils.h"

#define IOVA		MB
#define LIMIT		16	/* pages */
#define RW		IOMMU_MAP_RW
#define TEST_UID	42000
#define CHILD_UID	42010

FIXTURE(process)
{
	struct bound b;
	uint32_t other;	/* a second IOAS, without a device */
	int fd;
	long pinned;
	long locked;
};

FIXTURE_VARIANT(process)
{
	uint64_t mode;
};

FIXTURE_VARIANT_ADD(process, user)
{
	.mode = 0,
};

FIXTURE_VARIANT_ADD(process, process)
{
	.mode = 1,
};

FIXTURE_SETUP(process)
{
	const char *bdf = REQUIRE_DEVICE("TESTDEV0");
	struct bound *b = &self->b;

	REQUIRE_IOMMU();
	b->iommufd = open("/dev/iommu", O_RDWR);
	ASSERT_LE(0, b->iommufd);
	ASSERT_EQ(0, iommu_set_rlimit_mode(b->iommufd, variant->mode));
	b->dev = vfio_cdev_open(bdf);
	ASSERT_LE(0, b->dev);
	ASSERT_EQ(0, vfio_bind(b->dev, b->iommufd, &b->devid));
	ASSERT_EQ(0, ioas_alloc(b->iommufd, &b->ioas));
	ASSERT_EQ(0, ioas_alloc(b->iommufd, &self->other));
	ASSERT_EQ(0, attach(b, b->ioas));

	self->fd = memfd_create("file", 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, MB));
	self->pinned = pinned();
	self->locked = locked();
	ASSERT_EQ(0, set_memlock(PAGES(LIMIT)));
}

FIXTURE_TEARDOWN(process)
{
	teardown_bound(&self->b);
}

#define MAP(iova, n)							\
	ioas_map_file(self->b.iommufd, self->b.ioas, self->fd, 0,	\
		      PAGES(n), iova, RW)
#define UNMAP_ALL()	unmap_all(self->b.iommufd, self->b.ioas)
#define CHANGE()	iommu_change_process(self->b.iommufd)
static int become(int uid)
{
	return setresuid(uid, uid, uid);
}

/* So many bytes are pinned by this process, and locked where it pays. */
static bool pays(uint64_t mode, long more_pinned, long more_locked, long bytes)
{
	long expected = more_locked + (mode ? bytes : 0);

	return pinned() == more_pinned + bytes &&
	       locked_falls_to(expected) == expected;
}

/* Of pages, besides what the test had before.  A child begins with nothing. */
#define PAYS(n)		pays(variant->mode, self->pinned, self->locked, PAGES(n))
#define CHILD_PAYS(n)	pays(variant->mode, 0, 0, PAGES(n))

#define CHILD_ROOM	ioas_map_file(self->b.iommufd, self->b.ioas,	\
				      self->fd, 0, PAGE, 64 * IOVA, RW)

/* Runs a check in a child, which says by its status how it went. */
#define EXPECT_IN_CHILD(check) do {					\
	int __status;							\
	pid_t __pid = fork();						\
									\
	ASSERT_LE(0, __pid);						\
	if (!__pid)							\
		_exit((check) ? 0 : 1);					\
	ASSERT_EQ(__pid, waitpid(__pid, &__status, 0));			\
	EXPECT_EQ(0, __status);						\
} while (0)

/* The limit is all there: exactly what was charged was given back. */
#define EXPECT_LIMIT_UNUSED() do {					\
	EXPECT_TRUE(PAYS(0));						\
	EXPECT_EQ(-ENOMEM, MAP(IOVA, LIMIT + 1));			\
	EXPECT_EQ(0, MAP(IOVA, LIMIT));					\
	EXPECT_TRUE(PAYS(LIMIT));					\
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());				\
	EXPECT_TRUE(PAYS(0));						\
} while (0)

/* Nothing mapped, or nothing pinned: success, which is how programs probe */
TEST_F(process, nothing)
{
	ASSERT_EQ(0, become(TEST_UID));
	EXPECT_EQ(0, CHANGE());
	ASSERT_EQ(0, ioas_map_file(self->b.iommufd, self->other, self->fd, 0,
				   MB, IOVA, RW));
	EXPECT_EQ(0, CHANGE());
	EXPECT_TRUE(PAYS(0));
}

/* A reserved field that is not 0: EOPNOTSUPP */
TEST_F(process, reserved_eopnotsupp)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };
	int bit;

	for (bit = 0; bit < 32; bit++) {
		cmd.__reserved = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP,
			  xioctl(self->b.iommufd, IOMMU_IOAS_CHANGE_PROCESS,
				 &cmd));
	}
}

/* A mapping of a process's memory anywhere in the context: EINVAL */
TEST_F(process, user_memory_einval)
{
	char *mem = alloc_memory(PAGE);

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, become(TEST_UID));
	ASSERT_EQ(0, MAP(IOVA, 4));
	ASSERT_EQ(0, ioas_map(self->b.iommufd, self->other, mem, PAGE, IOVA,
			      RW));
	EXPECT_IN_CHILD(CHANGE() == -EINVAL && CHILD_PAYS(0));
	EXPECT_TRUE(PAYS(4));
	EXPECT_EQ(PAGE, unmap_all(self->b.iommufd, self->other));
	EXPECT_IN_CHILD(!CHANGE() && CHILD_PAYS(4));
	EXPECT_TRUE(PAYS(0));
	EXPECT_EQ(PAGES(4), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* All of it is the caller's, who gets it back; twice is once. */
TEST_F(process, child_pays)
{
	ASSERT_EQ(0, become(TEST_UID));
	ASSERT_EQ(0, MAP(IOVA, 8));
	ASSERT_EQ(0, MAP(2 * IOVA, 8));
	EXPECT_EQ(0, CHANGE());
	EXPECT_TRUE(PAYS(LIMIT));
	EXPECT_IN_CHILD(!CHANGE() && CHILD_PAYS(LIMIT) &&
			!CHANGE() && CHILD_PAYS(LIMIT) &&
			UNMAP_ALL() == PAGES(LIMIT) && CHILD_PAYS(0));
	EXPECT_LIMIT_UNUSED();
}

/* Another user's limit is that other user's: what was used there is free. */
TEST_F(process, other_user_pays)
{
	struct bound *b = &self->b;

	ASSERT_EQ(0, setresuid(TEST_UID, TEST_UID, 0));
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	EXPECT_EQ(-ENOMEM, CHILD_ROOM);
	EXPECT_IN_CHILD(!setresuid(0, 0, 0) && !become(CHILD_UID) &&
			!CHANGE() && CHILD_PAYS(LIMIT) &&
			CHILD_ROOM == -ENOMEM);
	EXPECT_TRUE(PAYS(0));
	/* The child is gone, what it pays for is not. */
	EXPECT_EQ(0, MAP(2 * IOVA, LIMIT));
	EXPECT_TRUE(PAYS(LIMIT));
	EXPECT_EQ(2 * PAGES(LIMIT), unmap_all(b->iommufd, b->ioas));
	EXPECT_LIMIT_UNUSED();
}

/* A limit that is too small: ENOMEM, and everyone pays as before */
TEST_F(process, limit_enomem)
{
	ASSERT_EQ(0, setresuid(TEST_UID, TEST_UID, 0));
	ASSERT_EQ(0, MAP(IOVA, 4));
	ASSERT_EQ(0, MAP(2 * IOVA, 8));
	ASSERT_EQ(0, MAP(3 * IOVA, 4));
	EXPECT_IN_CHILD(!setresuid(0, 0, 0) && !become(CHILD_UID) &&
			!set_memlock(PAGES(LIMIT - 1)) &&
			CHANGE() == -ENOMEM && CHILD_PAYS(0) &&
			!set_memlock(PAGES(8)) &&
			CHANGE() == -ENOMEM && CHILD_PAYS(0) &&
			!set_memlock(0) &&
			CHANGE() == -ENOMEM && CHILD_PAYS(0));
	EXPECT_TRUE(PAYS(LIMIT));
	EXPECT_EQ(-ENOMEM, CHILD_ROOM);
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* The same user in another process needs no second limit. */
TEST_F(process, same_user_at_the_limit)
{
	ASSERT_EQ(0, become(TEST_UID));
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	EXPECT_IN_CHILD(!CHANGE() && CHILD_PAYS(LIMIT) &&
			CHILD_ROOM == -ENOMEM);
	EXPECT_TRUE(PAYS(0));
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* With CAP_IPC_LOCK there is no limit, in either direction. */
TEST_F(process, capability)
{
	ASSERT_EQ(0, setresuid(TEST_UID, TEST_UID, 0));
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	EXPECT_IN_CHILD(!setresuid(0, 0, 0) && !set_memlock(0) && !CHANGE() &&
			pinned() == PAGES(LIMIT) && locked() == 0);
	EXPECT_TRUE(PAYS(0));
	EXPECT_EQ(0, CHANGE());
	EXPECT_TRUE(PAYS(LIMIT));
	EXPECT_EQ(-ENOMEM, CHILD_ROOM);
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* What was copied counts once, and what only a copy shows counts, too. */
TEST_F(process, copies)
{
	ASSERT_EQ(0, become(TEST_UID));
	ASSERT_EQ(0, ioas_map_file(self->b.iommufd, self->other, self->fd, 0,
				   MB, IOVA, RW));
	ASSERT_EQ(0, ioas_copy(self->b.iommufd, self->b.ioas, IOVA,
			       self->other, IOVA, PAGES(8), RW));
	ASSERT_EQ(0, ioas_copy(self->b.iommufd, self->b.ioas, 2 * IOVA,
			       self->b.ioas, IOVA, PAGES(4), RW));
	EXPECT_TRUE(PAYS(8));
	EXPECT_IN_CHILD(!CHANGE() && CHILD_PAYS(8));
	EXPECT_TRUE(PAYS(0));
	EXPECT_EQ(0, CHANGE());
	EXPECT_TRUE(PAYS(8));
	EXPECT_EQ(MB, unmap_all(self->b.iommufd, self->other));
	EXPECT_TRUE(PAYS(8));
	EXPECT_IN_CHILD(!CHANGE() && CHILD_PAYS(8) && UNMAP_ALL() ==
			PAGES(12) && CHILD_PAYS(0));
	EXPECT_LIMIT_UNUSED();
}

/* What is pinned later is charged to who took over, at that one's limit. */
TEST_F(process, attach_charges_new)
{
	ASSERT_EQ(0, setresuid(TEST_UID, TEST_UID, 0));
	ASSERT_EQ(0, MAP(IOVA, 8));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_TRUE(PAYS(0));
	EXPECT_IN_CHILD(!setresuid(0, 0, 0) && !become(CHILD_UID) &&
			!CHANGE() && CHILD_PAYS(0) &&
			!set_memlock(PAGES(7)) &&
			attach(&self->b, self->b.ioas) == -ENOMEM &&
			CHILD_PAYS(0) && !set_memlock(PAGES(8)) &&
			!attach(&self->b, self->b.ioas) && CHILD_PAYS(8) &&
			!vfio_detach(self->b.dev) && CHILD_PAYS(0));
	EXPECT_TRUE(PAYS(0));
	/* Gone now, with the limit that it had */
	EXPECT_EQ(0, CHANGE());
	EXPECT_EQ(0, attach(&self->b, self->b.ioas));
	EXPECT_TRUE(PAYS(8));
	EXPECT_EQ(PAGES(8), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* The file received over a socket */
TEST_F(process, passed_file)
{
	int sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sock));
	ASSERT_EQ(0, setresuid(TEST_UID, TEST_UID, 0));
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	ASSERT_EQ(0, send_fd(sock[0], self->b.iommufd));
	EXPECT_IN_CHILD(!close(self->b.iommufd) && !setresuid(0, 0, 0) &&
			!become(CHILD_UID) &&
			!iommu_change_process(receive_fd(sock[1])) &&
			CHILD_PAYS(LIMIT));
	EXPECT_TRUE(PAYS(0));
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* In the program that is executed below: before main(), and instead of it */
#define EXEC_VARIABLE	"CHANGE_PROCESS_OF"

__attribute__((constructor)) static void executed(void)
{
	const char *fd = getenv(EXEC_VARIABLE);

	if (!fd)
		return;
	_exit(pinned() != 0 || iommu_change_process(atoi(fd)) ||
	      pinned() != PAGES(LIMIT));
}

/* exec: the old program's memory is gone, its charge is moved to the new one. */
TEST_F(process, exec)
{
	char number[16];
	int status;
	pid_t pid;

	ASSERT_EQ(0, become(TEST_UID));
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
	snprintf(number, sizeof(number), "%d", self->b.iommufd);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (MAP(IOVA, LIMIT) || setenv(EXEC_VARIABLE, number, 1))
			_exit(1);
		execl("/proc/self/exe", "exec", NULL);
		_exit(1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(PAYS(0));
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* Whoever pays, the device reaches the file all the while. */
TEST_F(process, dma_goes_on)
{
	struct edu edu;
	char *mem;

	mem = mmap(NULL, PAGES(4), PROT_READ | PROT_WRITE, MAP_SHARED,
		   self->fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, self->b.ioas));
	ASSERT_EQ(0, MAP(IOVA, 4));
	EXPECT_IN_CHILD(!CHANGE());
	EXPECT_TRUE(dma_works(&edu, mem, IOVA));
	EXPECT_EQ(0, CHANGE());
	EXPECT_TRUE(dma_works(&edu, mem, IOVA));
	EXPECT_EQ(PAGES(4), UNMAP_ALL());
	EXPECT_TRUE(PAYS(0));
	teardown_edu(&edu);
}

TEST_HARNESS_MAIN
