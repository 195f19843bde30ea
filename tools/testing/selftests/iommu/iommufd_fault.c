// SPDX-License-Identifier: GPL-2.0-only
/*
 * A MAP or an attach whose memory does not come: userfaultfd holds the page
 * fault for as long as the test likes.  Meanwhile everything else has to go on,
 * and a fatal signal has to end the wait.
 *
 *   child  MAP of its memory, or attach ---- page fault, held
 *   test   has the child's userfaultfd: uses the same IOAS, then answers the
 *          fault or kills the child
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "iommufd_utils.h"

#define IOVA	MB
#define HELD	PAGES(4)	/* bytes whose faults are held */

struct waiter {
	pid_t pid;
	int uffd;
	char *held;	/* in the child, and here the same address */
	int sock[2];
};

FIXTURE(held)
{
	struct bound b;
	struct waiter w;
	char *mem;	/* memory that is there */
};

FIXTURE_SETUP(held)
{
	SETUP_BOUND(&self->b);
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	self->w.held = alloc_memory(HELD);
	ASSERT_NE(NULL, self->w.held);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, self->w.sock));
}

FIXTURE_TEARDOWN(held)
{
	close(self->w.uffd);
	teardown_bound(&self->b);
}

#define MAP_VA(va, iova, length) \
	ioas_map(self->b.iommufd, self->b.ioas, va, length, iova, IOMMU_MAP_RW)
#define MAP(iova)	MAP_VA(self->mem, iova, PAGE)
#define MAP_HELD(iova)	MAP_VA(self->w.held, iova, HELD)
#define UNMAP(iova, length) \
	ioas_unmap(self->b.iommufd, self->b.ioas, iova, length, NULL)
#define UNMAP_ALL()	unmap_all(self->b.iommufd, self->b.ioas)
#define ATTACH()	attach(&self->b, self->b.ioas)

/* A userfaultfd over memory of this process that is not there yet. */
static int hold_faults(void *va, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)va, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg))
		return -1;
	return uffd;
}

static int wait_fault(int uffd)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&pfd, 1, 20000) != 1)
		return -ETIMEDOUT;
	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		return -errno;
	return msg.event == UFFD_EVENT_PAGEFAULT ? 0 : -EPROTO;
}

static int answer_faults(struct waiter *w)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)w->held, .len = HELD },
	};

	return ioctl(w->uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

/* In the child: hand the userfaultfd over. */
static void be_held(struct waiter *w)
{
	w->uffd = hold_faults(w->held, HELD);
	if (w->uffd < 0 || send_fd(w->sock[1], w->uffd))
		_exit(1);
}

/* Runs code, which ends in a held fault, in a child, and waits for the fault. */
#define START(code) do {						\
	self->w.pid = fork();						\
	ASSERT_LE(0, self->w.pid);					\
	if (!self->w.pid) {						\
		be_held(&self->w);					\
		_exit(-(code));						\
	}								\
	self->w.uffd = receive_fd(self->w.sock[0]);			\
	ASSERT_LE(0, self->w.uffd);					\
	ASSERT_EQ(0, wait_fault(self->w.uffd));				\
} while (0)

/* The fault is answered, the child's code succeeds. */
#define FINISH() do {							\
	int __status;							\
									\
	ASSERT_EQ(0, answer_faults(&self->w));				\
	ASSERT_EQ(self->w.pid, waitpid(self->w.pid, &__status, 0));	\
	EXPECT_EQ(0, __status);						\
} while (0)

/* The child is killed and ends: a wait that does not runs into the timeout. */
#define KILL() do {							\
	int __status;							\
									\
	ASSERT_EQ(0, waitpid(self->w.pid, &__status, WNOHANG));		\
	ASSERT_EQ(0, kill(self->w.pid, SIGKILL));			\
	ASSERT_EQ(self->w.pid, waitpid(self->w.pid, &__status, 0));	\
	EXPECT_EQ(SIGKILL, __status);					\
} while (0)

/* Everything that the IOAS can do elsewhere still works. */
#define EXPECT_GOES_ON() do {						\
	struct iommu_iova_range __ranges[32];				\
	uint32_t __num = 32;						\
	uint64_t __iova;						\
									\
	EXPECT_EQ(0, MAP(8 * IOVA));					\
	EXPECT_EQ(0, UNMAP(8 * IOVA, PAGE));				\
	EXPECT_EQ(0, ioas_map_anywhere(self->b.iommufd, self->b.ioas,	\
				       self->mem, PAGES(2), &__iova,	\
				       IOMMU_MAP_RW));			\
	EXPECT_EQ(0, UNMAP(__iova, PAGES(2)));				\
	EXPECT_EQ(0, ioas_ranges(self->b.iommufd, self->b.ioas,		\
				 __ranges, &__num, NULL));		\
} while (0)

/* A MAP that waits blocks no other MAP, UNMAP or IOVA_RANGES. */
TEST_F(held, map_blocks_nobody)
{
	ASSERT_EQ(0, ATTACH());
	START(MAP_HELD(IOVA));
	EXPECT_GOES_ON();
	FINISH();
	EXPECT_EQ(HELD, UNMAP_ALL());
}

/* Memory that comes late is mapped like any other. */
TEST_F(held, map_resolved)
{
	struct edu edu;

	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, self->b.ioas));
	ASSERT_EQ(0, MAP(8 * IOVA));
	memset(self->mem, 0x55, 64);
	START(MAP_HELD(IOVA));
	FINISH();
	ASSERT_EQ(0, edu_copy(&edu, IOVA, 8 * IOVA, 64));
	teardown_edu(&edu);
	EXPECT_EQ(0, self->mem[0]);
	EXPECT_EQ(0, self->mem[63]);
}

/* UNMAP of a range that is being mapped: EBUSY, and nothing changes */
TEST_F(held, unmap_of_map_ebusy)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(2 * IOVA));
	START(MAP_HELD(IOVA));
	EXPECT_EQ(-EBUSY, UNMAP(IOVA, HELD));
	EXPECT_EQ(-EBUSY, UNMAP(0, 4 * IOVA));
	EXPECT_EQ(-EBUSY, UNMAP_ALL());
	/* What would cut it fails for that reason first. */
	EXPECT_EQ(-ENOENT, UNMAP(IOVA, PAGE));
	EXPECT_EQ(0, UNMAP(2 * IOVA, PAGE));
	FINISH();
	EXPECT_EQ(0, UNMAP(IOVA, HELD));
}

/* MAP onto a range that is being mapped: EEXIST */
TEST_F(held, map_onto_map_eexist)
{
	ASSERT_EQ(0, ATTACH());
	START(MAP_HELD(IOVA));
	EXPECT_EQ(-EEXIST, MAP(IOVA));
	EXPECT_EQ(-EEXIST, MAP(IOVA + HELD - PAGE));
	FINISH();
}

/* DESTROY of an IOAS while a MAP faults memory in: EBUSY */
TEST_F(held, destroy_ebusy)
{
	ASSERT_EQ(0, ATTACH());
	START(MAP_HELD(IOVA));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->b.iommufd, self->b.ioas));
	/* Not only because of the device */
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->b.iommufd, self->b.ioas));
	EXPECT_EQ(0, MAP(2 * IOVA));
	FINISH();
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, self->b.ioas));
}

/* A MAP that waits can be killed, and leaves nothing. */
TEST_F(held, map_killed)
{
	ASSERT_EQ(0, ATTACH());
	START(MAP_HELD(IOVA));
	KILL();
	EXPECT_EQ(-ENOENT, UNMAP(IOVA, HELD));
	EXPECT_EQ(0, MAP(IOVA));
	EXPECT_EQ(PAGE, UNMAP_ALL());
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, self->b.ioas));
}

/* Detach, attach and replace go on beside a MAP that waits. */
TEST_F(held, device_moves_during_map)
{
	uint32_t other;

	ASSERT_EQ(0, ATTACH());
	START(MAP_HELD(IOVA));
	EXPECT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &other));
	EXPECT_EQ(0, attach(&self->b, other));
	EXPECT_EQ(0, ATTACH());
	FINISH();
	EXPECT_EQ(HELD, UNMAP_ALL());
}

/* Close of the device does not wait for a MAP; it can be bound anew. */
TEST_F(held, close_during_map)
{
	uint32_t devid;
	int fd;

	ASSERT_EQ(0, ATTACH());
	START((close(self->b.dev), MAP_HELD(IOVA)));
	close(self->b.dev);
	close(self->b.iommufd);
	self->b.iommufd = -1;

	fd = iommu_open();
	ASSERT_LE(0, fd);
	self->b.dev = vfio_cdev_open(REQUIRE_DEVICE("TESTDEV0"));
	ASSERT_LE(0, self->b.dev);
	EXPECT_EQ(0, vfio_bind(self->b.dev, fd, &devid));
	FINISH();
	close(fd);
}

/* An attach that waits for memory blocks no MAP, UNMAP or IOVA_RANGES. */
TEST_F(held, attach_blocks_nobody)
{
	START(MAP_HELD(IOVA) ?: ATTACH());
	EXPECT_GOES_ON();
	EXPECT_EQ(-EEXIST, MAP(IOVA));
	FINISH();
	EXPECT_EQ(HELD, UNMAP_ALL());
}

/* An attach that waits can be killed: the device stays unattached. */
TEST_F(held, attach_killed)
{
	START(MAP_HELD(IOVA) ?: ATTACH());
	KILL();
	EXPECT_EQ(0, UNMAP(IOVA, HELD));
	EXPECT_EQ(0, MAP(MSI_START));
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, self->b.ioas));
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &self->b.ioas));
	EXPECT_EQ(0, ATTACH());
}

/* What is mapped while an attach waits, is there when that is done. */
TEST_F(held, map_during_attach)
{
	struct edu edu;

	SETUP_EDU(&edu, &self->b);
	START(MAP_HELD(IOVA) ?: attach_edu(&edu, self->b.ioas));
	memset(self->mem, 0x55, 64);
	EXPECT_EQ(0, MAP(8 * IOVA));
	FINISH();
	ASSERT_EQ(0, edu_copy(&edu, IOVA, 8 * IOVA, 64));
	teardown_edu(&edu);
	EXPECT_EQ(0, self->mem[0]);
	EXPECT_EQ(0, self->mem[63]);
}

/*
 * COPY of a mapping that is recorded only, into an IOAS with a device, waits
 * for its memory.  Nobody else does: not the IOAS it comes from, nor other
 * parts of what the two share.
 *
 *   shared   | memory that is there | held |
 */
#define SHARED		(HELD + HELD)

static int copy_to(struct bound *b, uint32_t dst, uint64_t dst_iova,
		   uint64_t src_iova, uint64_t length)
{
	return ioas_copy(b->iommufd, dst, dst_iova, b->ioas, src_iova, length,
			 IOMMU_MAP_RW);
}

FIXTURE(shared)
{
	struct bound b;
	struct waiter w;
	struct edu edu;
	uint32_t dst;
	char *mem;	/* memory that is there, and behind it w.held */
};

FIXTURE_SETUP(shared)
{
	SETUP_BOUND(&self->b);
	SETUP_EDU(&self->edu, &self->b);
	self->mem = alloc_memory(SHARED);
	ASSERT_NE(NULL, self->mem);
	self->w.held = self->mem + HELD;
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, self->w.sock));
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &self->dst));
	ASSERT_EQ(0, attach_edu(&self->edu, self->dst));
}

FIXTURE_TEARDOWN(shared)
{
	close(self->w.uffd);
	teardown_edu(&self->edu);
	teardown_bound(&self->b);
}

/* The child maps all of it, recorded only, and copies the held part. */
#define START_COPY()							\
	START(MAP_VA(self->mem, IOVA, SHARED) ?:			\
	      copy_to(&self->b, self->dst, 2 * IOVA, IOVA + HELD, HELD))

/* A COPY that waits blocks neither IOAS, nor those that share its memory. */
TEST_F(shared, copy_blocks_nobody)
{
	START_COPY();
	EXPECT_EQ(0, copy_to(&self->b, self->dst, 4 * IOVA, IOVA, HELD));
	EXPECT_EQ(0, ioas_unmap(self->b.iommufd, self->dst, 4 * IOVA, HELD,
				NULL));
	EXPECT_EQ(0, ioas_map(self->b.iommufd, self->dst, self->mem, PAGE,
			      4 * IOVA, IOMMU_MAP_RW));
	EXPECT_EQ(0, ioas_unmap(self->b.iommufd, self->dst, 4 * IOVA, PAGE,
				NULL));
	EXPECT_EQ(-EBUSY, ioas_unmap(self->b.iommufd, self->dst, 2 * IOVA, HELD,
				     NULL));
	/* The source may go; it was recorded only. */
	EXPECT_EQ(0, UNMAP(IOVA, SHARED));
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, self->b.ioas));
	FINISH();
	EXPECT_EQ(HELD, unmap_all(self->b.iommufd, self->dst));
}

/* A COPY that waits can be killed, and leaves nothing. */
TEST_F(shared, copy_killed)
{
	START_COPY();
	KILL();
	EXPECT_EQ(0, unmap_all(self->b.iommufd, self->dst));
	EXPECT_EQ(SHARED, UNMAP_ALL());
}

/* What is being mapped cannot be copied yet: ENOENT, at once */
TEST_F(held, copy_of_map_enoent)
{
	ASSERT_EQ(0, ATTACH());
	START(MAP_HELD(IOVA));
	EXPECT_EQ(-ENOENT, copy_to(&self->b, self->b.ioas, 4 * IOVA, IOVA,
				   PAGE));
	FINISH();
	EXPECT_EQ(0, copy_to(&self->b, self->b.ioas, 4 * IOVA, IOVA, PAGE));
}

/*
 * Several who want the same held part: one faults it in, the rest wait for it,
 * and can each be killed.
 */
TEST_F(shared, sharers_killed)
{
	int status, i;
	pid_t pids[3];

	START_COPY();
	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(-copy_to(&self->b, self->dst, (4 + i) * IOVA,
				       IOVA + HELD, HELD));
	}
	/* They must have come to wait, which nothing tells. */
	usleep(300000);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, waitpid(pids[i], &status, WNOHANG));
		ASSERT_EQ(0, kill(pids[i], SIGKILL));
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(SIGKILL, status);
	}
	FINISH();
	ASSERT_EQ(pids[2], waitpid(pids[2], &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(2 * HELD, unmap_all(self->b.iommufd, self->dst));
}

/* Of a file: userfaultfd does not hold it, so it never waits. */
TEST_F(held, map_file_goes_on)
{
	int fd = memfd_create("file", 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, HELD));
	ASSERT_EQ(0, ATTACH());
	START(MAP_HELD(IOVA));
	EXPECT_EQ(0, ioas_map_file(self->b.iommufd, self->b.ioas, fd, 0, HELD,
				   4 * IOVA, IOMMU_MAP_RW));
	EXPECT_EQ(0, copy_to(&self->b, self->b.ioas, 5 * IOVA, 4 * IOVA,
			     HELD));
	EXPECT_EQ(0, UNMAP(4 * IOVA, HELD));
	FINISH();
	EXPECT_EQ(2 * HELD, UNMAP_ALL());
}

TEST_HARNESS_MAIN
