// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a file whose server stops answering.  What pins it has to wait, but
 * dies when it is killed, and nothing else of the process waits with it.
 *
 *   server  stops to answer READs of the file
 *   reader  reads page HELD of it, which so stays locked
 *   child   one thread pins memory with that page in it; the other one does all
 *	     that has to go on meanwhile, as a user with a limit on locked memory
 */
#include <stdatomic.h>
#include <sys/prctl.h>

#include "iommufd_utils.h"
#include "slow_file.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#define IOVA		(16 * MB)	/* the mock's first one is lower */
#define NR_PAGES	32		/* in the file */
#define HELD		1		/* the page that does not come */
#define LIMIT		64		/* pages that the user may lock */
#define FIRST_UID	41000
#define GOES_ON		20		/* seconds at most for all that goes on */
#define DIES		5		/* seconds at most, in an emulation */

/* What the child tells: the line it has come to, and what it got there. */
struct report {
	atomic_int line;
	atomic_int rc;
	atomic_bool done;
	atomic_bool dirty, written;
};

FIXTURE(slow)
{
	struct bound b;
	struct slow_file file;
	struct report *report;
	pid_t reader, child;
	char *va;		/* in the child: the file */
	char *mem;		/* memory that is there */
	uint32_t other;		/* an IOAS with a mock device */
	struct iommu_test_cmd mock;
};

FIXTURE_VARIANT(slow)
{
	int prot, map;
	uint32_t flags;
	uint64_t mode;
	int uid;	/* each variant is a user of its own */
};

#define RO	IOMMU_IOAS_MAP_READABLE
#define RW	IOMMU_MAP_RW
FIXTURE_VARIANT_ADD(slow, private_user)
{
	.prot = PROT_READ | PROT_WRITE, .map = MAP_PRIVATE, .flags = RW,
	.mode = 0, .uid = FIRST_UID + 0,
};

FIXTURE_VARIANT_ADD(slow, private_process)
{
	.prot = PROT_READ | PROT_WRITE, .map = MAP_PRIVATE, .flags = RW,
	.mode = 1, .uid = FIRST_UID + 1,
};

FIXTURE_VARIANT_ADD(slow, private_ro_user)
{
	.prot = PROT_READ, .map = MAP_PRIVATE, .flags = RO,
	.mode = 0, .uid = FIRST_UID + 2,
};

FIXTURE_VARIANT_ADD(slow, private_ro_process)
{
	.prot = PROT_READ, .map = MAP_PRIVATE, .flags = RO,
	.mode = 1, .uid = FIRST_UID + 3,
};

FIXTURE_VARIANT_ADD(slow, shared_ro_user)
{
	.prot = PROT_READ | PROT_WRITE, .map = MAP_SHARED, .flags = RO,
	.mode = 0, .uid = FIRST_UID + 4,
};

FIXTURE_VARIANT_ADD(slow, shared_ro_process)
{
	.prot = PROT_READ | PROT_WRITE, .map = MAP_SHARED, .flags = RO,
	.mode = 1, .uid = FIRST_UID + 5,
};

static int test_op(int fd, uint32_t op, uint32_t id, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return xioctl(fd, IOMMU_TEST_CMD, cmd);
}

/* An IOAS for the device, which is not attached, and one with a mock device */
#define SETUP_SLOW() do {						\
	const char *__bdf = REQUIRE_DEVICE("TESTDEV0");			\
	struct bound *__b = &self->b;					\
									\
	REQUIRE_IOMMU();						\
	__b->iommufd = iommu_open();					\
	ASSERT_LE(0, __b->iommufd);					\
	ASSERT_EQ(0, iommu_set_rlimit_mode(__b->iommufd, variant->mode)); \
	__b->dev = vfio_cdev_open(__bdf);				\
	ASSERT_LE(0, __b->dev);						\
	ASSERT_EQ(0, vfio_bind(__b->dev, __b->iommufd, &__b->devid));	\
	ASSERT_EQ(0, ioas_alloc(__b->iommufd, &__b->ioas));		\
	ASSERT_EQ(0, ioas_alloc(__b->iommufd, &self->other));		\
	ASSERT_EQ(0, test_op(__b->iommufd, IOMMU_TEST_OP_MOCK_DOMAIN,	\
			     self->other, &self->mock));		\
	ASSERT_EQ(0, slow_file_start(&self->file, NR_PAGES));		\
	self->report = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,		\
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);		\
	ASSERT_NE(MAP_FAILED, self->report);				\
	self->mem = alloc_memory(MB);					\
	ASSERT_NE(NULL, self->mem);					\
	self->child = -1;						\
} while (0)

FIXTURE_SETUP(slow)
{
	SETUP_SLOW();
	self->reader = -1;
}

FIXTURE_TEARDOWN(slow)
{
	slow_file_answer(&self->file);
	if (self->child > 0)
		waitpid(self->child, NULL, 0);
	if (self->reader > 0)
		waitpid(self->reader, NULL, 0);
	slow_file_stop(&self->file);
	teardown_bound(&self->b);
}

/* All pages but HELD are cached; the server stops answering. */
#define HOLD() do {							\
	char __byte;							\
	int __i;							\
									\
	for (__i = 0; __i < NR_PAGES; __i++)				\
		if (__i != HELD)					\
			ASSERT_EQ(1, pread(self->file.fd, &__byte, 1,	\
					   PAGES(__i)));		\
	slow_file_hold(&self->file);					\
} while (0)

/* Another process reads page HELD. */
#define START_READER() do {						\
	char __byte;							\
									\
	self->reader = fork();						\
	ASSERT_LE(0, self->reader);					\
	if (!self->reader) {						\
		CLOSE_ALL();						\
		_exit(pread(self->file.fd, &__byte, 1, PAGES(HELD)) != 1); \
	}								\
	ASSERT_TRUE(slow_file_waits(&self->file, 1));			\
} while (0)

/* ---- the child ---- */

/* Anything else is the end of the child. */
static void step(struct report *report, int line, int want, int rc)
{
	report->line = line;
	report->rc = rc;
	if (rc != want)
		_exit(1);
}

/* The line is known while it is waited for, too. */
#define STEP(want, code) do {						\
	self->report->line = __LINE__;					\
	step(self->report, __LINE__, want, code);			\
} while (0)

static char thread_state(pid_t tid)
{
	char path[64], text[256] = "", *end;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	end = strrchr(text, ')');
	return end ? end[2] : 0;
}

/* Does a thread wait where signals do not end it, for some time already? */
static int wait_until_stuck(atomic_int *tid)
{
	int i, stuck = 0;

	for (i = 0; i < 2000 && stuck < 20; i++) {
		usleep(10000);
		stuck = *tid && thread_state(*tid) == 'D' ? stuck + 1 : 0;
	}
	return stuck < 20 ? -ETIMEDOUT : 0;
}

/* What the child's first thread does */
struct call {
	int (*pin)(struct call *call);
	struct bound *b;
	char *va;		/* of the file */
	uint32_t flags;
	uint32_t access;
	atomic_int tid;
	atomic_int rc;
};

static void *run_call(void *data)
{
	struct call *call = data;

	call->tid = syscall(SYS_gettid);
	call->rc = call->pin(call);
	return NULL;
}

static int call_map(struct call *call)
{
	return ioas_map(call->b->iommufd, call->b->ioas, call->va,
			PAGES(NR_PAGES), IOVA, call->flags);
}

static int call_attach(struct call *call)
{
	return attach(call->b, call->b->ioas);
}

static int call_access(struct call *call)
{
	struct iommu_test_cmd cmd = {
		.access_pages = { .iova = IOVA, .length = PAGES(NR_PAGES),
				  .uptr = (uintptr_t)call->va },
	};

	return test_op(call->b->iommufd, IOMMU_TEST_OP_ACCESS_PAGES,
		       call->access, &cmd);
}

static int call_write(struct call *call)
{
	*call->va = 2;
	return 0;
}

#define MAP(ioas, iova, npages)						\
	ioas_map(self->b.iommufd, ioas, self->mem, PAGES(npages), iova, RW)
#define MAP_FILE_VA(npages, flags)					\
	ioas_map(self->b.iommufd, self->b.ioas, self->va, PAGES(npages), IOVA, \
		 flags)
#define ATTACH()	attach(&self->b, self->b.ioas)
#define UNMAP(ioas, iova, npages)					\
	ioas_unmap(self->b.iommufd, ioas, iova, PAGES(npages), NULL)

/* The child: a user that may lock LIMIT pages and has the file mapped. */
#define START_CHILD() do {						\
	self->child = fork();						\
	ASSERT_LE(0, self->child);					\
	if (self->child)						\
		break;							\
	prctl(PR_SET_PDEATHSIG, SIGKILL);				\
	self->va = mmap(NULL, PAGES(NR_PAGES), variant->prot,		\
			variant->map, self->file.fd, 0);		\
	STEP(0, self->va == MAP_FAILED);				\
	STEP(0, set_memlock(PAGES(LIMIT)));				\
	STEP(0, setresuid(variant->uid, variant->uid, variant->uid));	\
} while (0)

#define IN_CHILD()	(!self->child)

static struct call call;
static pthread_t caller;

#define START_CALL(_pin) do {						\
	call.pin = _pin;						\
	call.b = &self->b;						\
	call.va = self->va;						\
	call.flags = variant->flags;					\
	call.access = self->mock.create_access.out_access_fd;		\
	STEP(0, pthread_create(&caller, NULL, run_call, &call));	\
	STEP(0, wait_until_stuck(&call.tid));				\
} while (0)

#define FINISH_CALL() do {						\
	STEP(0, pthread_join(caller, NULL));				\
	STEP(0, call.rc);						\
} while (0)

/* In the child: the process and its other IOAS work on, to the end. */
#define STEPS_ELSEWHERE() do {						\
	struct iommu_iova_range __ranges[32];				\
	uint32_t __num = 32, __ioas;					\
	void *__mem;							\
									\
	STEP(0, ioas_ranges(self->b.iommufd, self->b.ioas, __ranges,	\
			    &__num, NULL));				\
	STEP(0, ioas_alloc(self->b.iommufd, &__ioas));			\
	STEP(0, MAP(__ioas, IOVA, 1));					\
	STEP(0, iommu_destroy(self->b.iommufd, __ioas));		\
	__mem = alloc_memory(PAGES(2));					\
	STEP(0, !__mem);						\
	STEP(0, munmap(__mem, PAGES(2)));				\
	STEP(0, UNMAP(self->other, 4 * IOVA, 1));			\
	STEP(0, MAP(self->other, 4 * IOVA, 2));				\
	/* The last device goes, and with it what is pinned. */		\
	STEP(0, iommu_destroy(self->b.iommufd,				\
			      self->mock.mock_domain.out_stdev_id));	\
	STEP(0, iommu_destroy(self->b.iommufd, self->other));		\
} while (0)

/* In the parent: the child came to the end of its steps. */
#define EXPECT_GOES_ON() do {						\
	int __i;							\
									\
	for (__i = 0; __i < GOES_ON * 100 && !self->report->done; __i++) \
		usleep(10000);						\
	EXPECT_TRUE(self->report->done)					\
		TH_LOG("the child has come to line %d: %d",		\
		       self->report->line, self->report->rc);		\
} while (0)

/* In the parent: the child is killed, and dies of it soon. */
#define EXPECT_DIES() do {						\
	int __status = 0, __i;						\
	pid_t __pid = 0;						\
									\
	ASSERT_EQ(0, waitpid(self->child, &__status, WNOHANG));		\
	ASSERT_EQ(0, kill(self->child, SIGKILL));			\
	for (__i = 0; __i < DIES * 100 && !__pid; __i++) {		\
		usleep(10000);						\
		__pid = waitpid(self->child, &__status, WNOHANG);	\
	}								\
	EXPECT_EQ(self->child, __pid);					\
	if (__pid == self->child) {					\
		EXPECT_EQ(SIGKILL, __status);				\
		self->child = -1;					\
	}								\
} while (0)

/* In the parent: the server answers, and the child's call succeeds. */
#define EXPECT_FINISHES() do {						\
	int __status;							\
									\
	slow_file_answer(&self->file);					\
	ASSERT_EQ(self->child, waitpid(self->child, &__status, 0));	\
	self->child = -1;						\
	EXPECT_EQ(0, __status)						\
		TH_LOG("the child has come to line %d: %d",		\
		       self->report->line, self->report->rc);		\
} while (0)

/* Only the child has these open. */
#define CLOSE_ALL() do {						\
	close(self->b.dev);						\
	close(self->b.iommufd);						\
	self->b.dev = -1;						\
	self->b.iommufd = -1;						\
} while (0)

/* ---- the tests ---- */

/* A MAP that waits can be killed, and nothing waits with it. */
TEST_F(slow, map_killed)
{
	HOLD();
	START_READER();
	START_CHILD();
	if (IN_CHILD()) {
		STEP(0, ATTACH());
		STEP(0, MAP(self->b.ioas, 2 * IOVA, 4));
		STEP(0, MAP(self->b.ioas, 3 * IOVA, 26));
		STEP(0, MAP(self->other, 4 * IOVA, 1));
		START_CALL(call_map);
		/* One page is left of the limit; what is given back is there. */
		STEP(-ENOMEM, MAP(self->b.ioas, 5 * IOVA, 2));
		STEP(0, MAP(self->b.ioas, 5 * IOVA, 1));
		STEP(0, UNMAP(self->b.ioas, 2 * IOVA, 4));
		STEP(0, MAP(self->b.ioas, 2 * IOVA, 4));
		STEP(-ENOMEM, MAP(self->b.ioas, 6 * IOVA, 1));
		STEP(0, UNMAP(self->b.ioas, 5 * IOVA, 1));
		STEPS_ELSEWHERE();
		/* The device goes from where the MAP is. */
		STEP(0, close(self->b.dev));
		STEP(0, close(self->b.iommufd));
		self->report->done = true;
		pause();
	}
	CLOSE_ALL();
	EXPECT_GOES_ON();
	/* It may change its driver. */
	if (self->report->done)
		EXPECT_EQ(0, pci_unbind_driver(getenv("TESTDEV0")));
	EXPECT_DIES();
}

/* So can an attach. */
TEST_F(slow, attach_killed)
{
	HOLD();
	START_READER();
	START_CHILD();
	if (IN_CHILD()) {
		STEP(0, MAP_FILE_VA(NR_PAGES, variant->flags));
		STEP(0, MAP(self->other, 4 * IOVA, 1));
		START_CALL(call_attach);
		STEP(0, MAP(self->b.ioas, 2 * IOVA, 4));
		STEP(0, UNMAP(self->b.ioas, 2 * IOVA, 4));
		STEPS_ELSEWHERE();
		STEP(0, close(self->b.iommufd));
		self->report->done = true;
		pause();
	}
	CLOSE_ALL();
	EXPECT_GOES_ON();
	EXPECT_DIES();
	/* No one has the device any more. */
	EXPECT_EQ(0, pci_unbind_driver(getenv("TESTDEV0")));
}

/* So can what an access pins. */
TEST_F(slow, access_killed)
{
	struct iommu_test_cmd *cmd;

	HOLD();
	START_READER();
	START_CHILD();
	if (IN_CHILD()) {
		struct iommu_test_cmd mock = self->mock;

		cmd = &self->mock;
		*cmd = (struct iommu_test_cmd){
			.create_access.flags =
				MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES,
		};
		STEP(0, test_op(self->b.iommufd, IOMMU_TEST_OP_CREATE_ACCESS,
				self->b.ioas, cmd));
		STEP(0, MAP_FILE_VA(NR_PAGES, variant->flags));
		STEP(0, MAP(self->other, 4 * IOVA, 1));
		START_CALL(call_access);
		STEP(0, MAP(self->b.ioas, 2 * IOVA, 4));
		STEP(0, UNMAP(self->b.ioas, 2 * IOVA, 4));
		self->mock = mock;
		STEPS_ELSEWHERE();
		STEP(0, close(self->b.iommufd));
		self->report->done = true;
		pause();
	}
	CLOSE_ALL();
	EXPECT_GOES_ON();
	EXPECT_DIES();
}

/* When the server answers at last, what was mapped is the file. */
TEST_F(slow, map_resolved)
{
	HOLD();
	START_READER();
	START_CHILD();
	if (IN_CHILD()) {
		struct iommu_test_cmd cmd = {
			.check_map = { .iova = IOVA,
				       .length = PAGES(NR_PAGES),
				       .uptr = (uintptr_t)self->va },
		};
		int i;

		self->b.ioas = self->other;
		START_CALL(call_map);
		STEP(0, MAP(self->other, 2 * IOVA, 1));
		self->report->done = true;
		FINISH_CALL();
		for (i = 0; i < NR_PAGES; i++)
			STEP(i + 1, self->va[PAGES(i)]);
		STEP(0, test_op(self->b.iommufd, IOMMU_TEST_OP_MD_CHECK_MAP,
				self->mock.mock_domain.out_hwpt_id, &cmd));
		_exit(0);
	}
	EXPECT_GOES_ON();
	EXPECT_FINISHES();
}

/* Who is the first to need the page, and asks the server, stops nobody either. */
TEST_F(slow, first_reader)
{
	HOLD();
	START_CHILD();
	if (IN_CHILD()) {
		STEP(0, ATTACH());
		STEP(0, MAP(self->b.ioas, 2 * IOVA, 4));
		STEP(0, MAP(self->other, 4 * IOVA, 1));
		START_CALL(call_map);
		STEP(0, UNMAP(self->b.ioas, 2 * IOVA, 4));
		STEP(0, MAP(self->b.ioas, 2 * IOVA, 4));
		STEPS_ELSEWHERE();
		self->report->done = true;
		FINISH_CALL();
		_exit(0);
	}
	EXPECT_GOES_ON();
	EXPECT_FINISHES();
}

/*
 * A fault that waits with mmap_lock held: the child writes to a page of a shared
 * mapping while that is written back to the server.
 */
FIXTURE(shared)
{
	struct bound b;
	struct slow_file file;
	struct report *report;
	pid_t writer, child;
	char *va;		/* in the child: the file */
	char *mem;
	uint32_t other;
	struct iommu_test_cmd mock;
};

FIXTURE_VARIANT(shared)
{
	int prot, map;
	uint32_t flags;
	uint64_t mode;
	int uid;
};

FIXTURE_VARIANT_ADD(shared, user)
{
	.prot = PROT_READ | PROT_WRITE, .map = MAP_SHARED, .flags = RW,
	.mode = 0, .uid = FIRST_UID + 20,
};

FIXTURE_VARIANT_ADD(shared, process)
{
	.prot = PROT_READ | PROT_WRITE, .map = MAP_SHARED, .flags = RW,
	.mode = 1, .uid = FIRST_UID + 21,
};

FIXTURE_SETUP(shared)
{
	SETUP_SLOW();
	self->writer = -1;
}

FIXTURE_TEARDOWN(shared)
{
	slow_file_answer(&self->file);
	if (self->child > 0)
		waitpid(self->child, NULL, 0);
	if (self->writer > 0)
		waitpid(self->writer, NULL, 0);
	slow_file_stop(&self->file);
	teardown_bound(&self->b);
}

/*
 * A device does not tell the file system what it writes to: EFAULT, be the pages
 * there or not, few or many.  It may read.
 */
TEST_F(shared, device_write_efault)
{
	self->va = mmap(NULL, PAGES(NR_PAGES), variant->prot, variant->map,
			self->file.fd, 0);
	ASSERT_NE(MAP_FAILED, self->va);
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-EFAULT, MAP_FILE_VA(NR_PAGES, RW));
	EXPECT_EQ(-EFAULT, MAP_FILE_VA(1, RW));
	memset(self->va, 0x55, PAGES(NR_PAGES));
	EXPECT_EQ(-EFAULT, MAP_FILE_VA(NR_PAGES, RW));
	EXPECT_EQ(-EFAULT, MAP_FILE_VA(1, RW));
	EXPECT_EQ(0, pinned());
	EXPECT_EQ(0, MAP_FILE_VA(NR_PAGES, RO));
	EXPECT_EQ(PAGES(NR_PAGES), pinned());
	EXPECT_EQ(PAGES(NR_PAGES), unmap_all(self->b.iommufd, self->b.ioas));
}

/* In the child: the other thread's fault holds mmap_lock; all gives back. */
#define STEPS_GIVE_BACK() do {						\
	STEP(0, ATTACH());						\
	STEP(0, MAP(self->b.ioas, IOVA, LIMIT - 6));			\
	STEP(0, MAP(self->b.ioas, 2 * IOVA, 4));			\
	STEP(0, MAP(self->other, IOVA, 2));				\
	STEP(PAGES(variant->mode ? LIMIT : 0), locked());		\
	self->va[0] = 1;						\
	self->report->dirty = true;					\
	while (!self->report->written)					\
		usleep(1000);						\
	START_CALL(call_write);						\
	STEP(0, UNMAP(self->b.ioas, IOVA, LIMIT - 6));			\
	STEP(0, iommu_destroy(self->b.iommufd,				\
			      self->mock.mock_domain.out_stdev_id));	\
	STEP(0, iommu_destroy(self->b.iommufd, self->other));		\
	STEP(0, close(self->b.dev));					\
	self->report->done = true;					\
	FINISH_CALL();							\
} while (0)

/* In the parent: another process writes the page back, and is not answered. */
#define START_WRITER() do {						\
	int __i;							\
									\
	for (__i = 0; __i < GOES_ON * 100 && !self->report->dirty; __i++) \
		usleep(10000);						\
	ASSERT_TRUE(self->report->dirty)				\
		TH_LOG("the child has come to line %d: %d",		\
		       self->report->line, self->report->rc);		\
	slow_file_hold(&self->file);					\
	self->writer = fork();						\
	ASSERT_LE(0, self->writer);					\
	if (!self->writer)						\
		_exit(fsync(self->file.fd) != 0);			\
	ASSERT_TRUE(slow_file_waits(&self->file, 1));			\
	self->report->written = true;					\
} while (0)

/* What is given back meanwhile can be used once the lock is free, at once. */
TEST_F(shared, limit_usable_at_once)
{
	START_CHILD();
	if (IN_CHILD()) {
		uint32_t ioas = self->b.ioas;
		struct iommu_test_cmd mock = {};
		int iommufd = self->b.iommufd;

		STEPS_GIVE_BACK();
		STEP(0, test_op(iommufd, IOMMU_TEST_OP_MOCK_DOMAIN, ioas,
				&mock));
		STEP(4, (int)(unmap_all(iommufd, ioas) / PAGE));
		STEP(0, MAP(ioas, IOVA, LIMIT));
		STEP(-ENOMEM, MAP(ioas, 2 * IOVA, 1));
		STEP(PAGES(variant->mode ? LIMIT : 0), locked());
		STEP(0, UNMAP(ioas, IOVA, LIMIT));
		STEP(0, locked());
		STEP(0, pinned());
		_exit(0);
	}
	CLOSE_ALL();
	START_WRITER();
	EXPECT_GOES_ON();
	EXPECT_FINISHES();
}

/* VmLck is right soon after, although nobody charges anything. */
TEST_F(shared, locked_settles)
{
	START_CHILD();
	if (IN_CHILD()) {
		int i;

		STEPS_GIVE_BACK();
		for (i = 0; i < 500 && locked(); i++)
			usleep(10000);
		STEP(0, locked());
		STEP(0, pinned());
		_exit(0);
	}
	CLOSE_ALL();
	START_WRITER();
	EXPECT_GOES_ON();
	EXPECT_FINISHES();
}

TEST_HARNESS_MAIN
