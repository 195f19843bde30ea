// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user makes the kernel allocate is charged to its memory cgroup, and a
 * cgroup that is full is ENOMEM: no OOM killer, no log.
 *
 *   cgroup, memory.max 24 MiB
 *     `-- child, uid 1000, RLIMIT_MEMLOCK 64 KiB, one page of memory
 *           `-- /dev/iommu and a device, opened by its parent
 *
 * The child only fills.  Its parent, outside, looks at memory.current and at
 * what the machine has lost.
 */
#include <glob.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "iommufd_utils.h"

#define RW		IOMMU_MAP_RW
#define GB		(1024 * MB)
#define IOVA		MB
#define COPIES		(4 * GB)	/* from here on, above the MSIs */
#define COPY(i)		(COPIES + (i) * HUGE)
#define LIMIT		(24 * MB)
#define NR_COPIES	20000	/* with 80 MB of tables, where there are any */
#define NR_HWPTS	20000
#define SOME		3000	/* copies that leave tables behind */
#define GONE		2800
#define IDLE		(4 * MB)	/* idle tables, and what is on its way */
#define USER		1000

FIXTURE(cgroup)
{
	struct bound b;
	char *mem;
	char mnt[32];
	char dir[64];
	int klog;
	long charged;		/* memory.current */
	long host;		/* what the machine has used */
	unsigned int *done;	/* how far the child came */
};

/* ---- the cgroup ---- */

static int cg_write(const char *dir, const char *name, const char *text)
{
	char path[128];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	rc = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int cg_write_long(const char *dir, const char *name, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return cg_write(dir, name, text);
}

/* A number that follows @key in a file, or is all of it; -1 without it. */
static long read_long(const char *path, const char *key)
{
	long value = -1;
	char line[256];
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			value = atol(line + strlen(key));
	fclose(file);
	return value;
}

static long cg_read(const char *dir, const char *name, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return read_long(path, key);
}

/* Of a line of /proc/slabinfo: pages of a slab, number of slabs */
#define SLABINFO(name) \
	name " %*d %*d %*d %*d %ld : tunables %*d %*d %*d : slabdata %*d %ld"

/*
 * kmemleak keeps a record of each object, several times as large as that may
 * be, which a kernel for use does not have.
 */
static long kmemleak_bytes(void)
{
	long num_slabs, pages = 0;
	char line[256];
	FILE *file;

	file = fopen("/proc/slabinfo", "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, SLABINFO("kmemleak_object"), &pages,
			   &num_slabs) == 2)
			break;
	fclose(file);
	return pages ? pages * num_slabs * (long)PAGE : 0;
}

/* What was freed, KASAN keeps for a while. */
static void empty_quarantine(void)
{
	glob_t found;
	size_t i;
	int fd;

	if (glob("/sys/kernel/slab/kmalloc-*/shrink", 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++) {
		fd = open(found.gl_pathv[i], O_WRONLY);
		if (fd < 0)
			continue;
		if (write(fd, "1", 1) < 0)
			perror(found.gl_pathv[i]);
		close(fd);
	}
	globfree(&found);
}

static long host_used(void)
{
	empty_quarantine();
	return read_long("/proc/meminfo", "MemTotal:") * (long)KB -
	       read_long("/proc/meminfo", "MemFree:") * (long)KB -
	       kmemleak_bytes();
}

#define CURRENT()	cg_read(self->dir, "memory.current", "")

FIXTURE_SETUP(cgroup)
{
	strcpy(self->mnt, "/tmp/cgroup.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->mnt));
	ASSERT_EQ(0, mount("cgroup2", self->mnt, "cgroup2", 0, NULL));
	ASSERT_EQ(0, cg_write(self->mnt, "cgroup.subtree_control", "+memory"));
	snprintf(self->dir, sizeof(self->dir), "%s/user", self->mnt);
	ASSERT_EQ(0, mkdir(self->dir, 0755));
	ASSERT_EQ(0, cg_write_long(self->dir, "memory.max", LIMIT));

	SETUP_BOUND(&self->b);
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	self->mem = alloc_memory(PAGE);
	ASSERT_NE(NULL, self->mem);
	memset(self->mem, 1, PAGE);
	self->done = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->done);
	*self->done = 0;
	self->klog = klog_open();
	ASSERT_LE(0, self->klog);
	self->charged = CURRENT();
	ASSERT_LE(0, self->charged);
	self->host = host_used();
}

/* What was freed may be on its way for a moment. */
static bool charged_at_most(const char *dir, long bytes)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (cg_read(dir, "memory.current", "") <= bytes)
			return true;
		usleep(100000);
	}
	return false;
}

/* In the end all is given back, and no one was killed or told. */
FIXTURE_TEARDOWN(cgroup)
{
	EXPECT_EQ(0, cg_read(self->dir, "memory.events", "oom "));
	EXPECT_EQ(0, cg_read(self->dir, "memory.events", "oom_kill "));
	EXPECT_EQ(0, klog_find(self->klog, "page allocation failure"));
	EXPECT_EQ(0, klog_find(self->klog, "SLUB"));
	EXPECT_EQ(0, klog_find(self->klog, "DMAR"));
	teardown_bound(&self->b);
	EXPECT_TRUE(charged_at_most(self->dir, self->charged + MB));
	close(self->klog);
	EXPECT_EQ(0, rmdir(self->dir));
	EXPECT_EQ(0, umount(self->mnt));
	EXPECT_EQ(0, rmdir(self->mnt));
}

#define FD		(self->b.iommufd)
#define IOAS		(self->b.ioas)

/* ---- the child ---- */

typedef int (*fill_fn)(const struct bound *b, void *mem, unsigned int i);

static int fill_copy(const struct bound *b, void *mem, unsigned int i)
{
	return ioas_copy(b->iommufd, b->ioas, COPY(i), b->ioas, IOVA, PAGE, RW);
}

static int fill_hwpt(const struct bound *b, void *mem, unsigned int i)
{
	uint32_t id;

	return hwpt_alloc(b->iommufd, b->devid, b->ioas, &id);
}

static int become_user(const char *dir)
{
	struct rlimit limit = { 64 * KB, 64 * KB };

	if (cg_write_long(dir, "cgroup.procs", getpid()))
		return -1;
	return setrlimit(RLIMIT_MEMLOCK, &limit) ||
	       setresgid(USER, USER, USER) || setresuid(USER, USER, USER);
}

/*
 * Exits with 0, or the errno that ended it.  What it touches after that, it has
 * touched before: a page fault in a full cgroup is not ENOMEM.
 */
static void child(const char *dir, const struct bound *b, void *mem,
		  unsigned int *done, unsigned int end, fill_fn fill)
{
	int rc;

	if (become_user(dir))
		_exit(255);
	rc = ioas_map(b->iommufd, b->ioas, mem, PAGE, IOVA, RW);
	if (rc && rc != -EEXIST)
		_exit(254);
	/* Copies what is not there. */
	rc = ioas_copy(b->iommufd, b->ioas, IOVA, b->ioas, 0, PAGE, RW);
	if (rc != -ENOENT)
		_exit(253);
	for (rc = 0; *done < end && !rc;) {
		rc = fill(b, mem, *done);
		if (!rc)
			++*done;
	}
	_exit(-rc);
}

/* The errno that ended it, 0 if none did before @end, or -1. */
static int run_child(const char *dir, const struct bound *b, void *mem,
		     unsigned int *done, unsigned int end, fill_fn fill)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		child(dir, b, mem, done, end, fill);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#define RUN(end, fill) \
	run_child(self->dir, &self->b, self->mem, self->done, end, fill)

/* The machine lost little more than was charged. */
#define EXPECT_CHARGED() do {						\
	long __charged = CURRENT() - self->charged;			\
	long __host = host_used() - self->host;				\
									\
	TH_LOG("%u: charged %ld KiB, the machine lost %ld KiB",		\
	       *self->done, __charged / KB, __host / KB);		\
	EXPECT_LT(4 * MB, __charged);					\
	/* and a MiB: others are at work, too */			\
	EXPECT_LE(__host, __charged * 12 / 10 + MB);			\
	EXPECT_GE(LIMIT, CURRENT());					\
} while (0)

/*
 * Until the cgroup is full, or until there are @nr: then it is made to be
 * nearly full.
 */
#define FILL(nr, fill) do {						\
	unsigned int __nr = nr;						\
	fill_fn __fill = fill;						\
	int __rc = RUN(__nr, __fill);					\
									\
	EXPECT_CHARGED();						\
	if (!__rc) {							\
		ASSERT_EQ(__nr, *self->done);				\
		ASSERT_EQ(0, cg_write_long(self->dir, "memory.max",	\
					   CURRENT() + 2 * MB));	\
		__rc = RUN(2 * __nr, __fill);				\
	}								\
	ASSERT_EQ(ENOMEM, __rc);					\
	EXPECT_LT(0, cg_read(self->dir, "memory.events", "max "));	\
} while (0)

/* ---- the tests ---- */

/* One page, mapped over and over: ENOMEM at memory.max, and all comes back. */
TEST_F_TIMEOUT(cgroup, copies_enomem, 600)
{
	FILL(NR_COPIES, fill_copy);

	/* The one that failed left nothing, and there is room again. */
	EXPECT_EQ(-ENOENT, ioas_unmap(FD, IOAS, COPY(*self->done), PAGE, NULL));
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, COPY(0), PAGES(1), NULL));
	EXPECT_EQ(0, ioas_copy(FD, IOAS, COPY(0), IOAS, IOVA, PAGE, RW));

	EXPECT_EQ(PAGES(*self->done + 1), unmap_all(FD, IOAS));
	EXPECT_TRUE(charged_at_most(self->dir, self->charged + IDLE));
}

/* The same with page tables of its own */
TEST_F_TIMEOUT(cgroup, hwpts_enomem, 600)
{
	FILL(NR_HWPTS, fill_hwpt);
}

/* One after the other goes: so do the tables, but for some. */
TEST_F_TIMEOUT(cgroup, tables_given_back, 600)
{
	struct edu edu;
	unsigned int i;
	long full;
	char *mem;

	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, IOAS));
	mem = alloc_memory(PAGES(2));
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, ioas_map(FD, IOAS, mem, PAGE, 2 * IOVA, RW));

	ASSERT_EQ(0, RUN(SOME, fill_copy));
	full = CURRENT() - self->charged;
	for (i = 0; i < GONE; i++)
		ASSERT_EQ(0, ioas_unmap(FD, IOAS, COPY(i), PAGE, NULL));
	TH_LOG("charged %ld KiB, then %ld KiB", full / KB,
	       (CURRENT() - self->charged) / KB);
	EXPECT_TRUE(charged_at_most(self->dir,
				    self->charged + full / 10 + IDLE));

	/* What stayed can be used, and what went can be mapped again. */
	ASSERT_EQ(0, ioas_map(FD, IOAS, mem + PAGE, PAGE, 64 * MB, RW));
	memset(mem, 0x5a, 64);
	ASSERT_EQ(0, edu_copy(&edu, 2 * IOVA, 64 * MB, 64));
	EXPECT_EQ(0, memcmp(mem, mem + PAGE, 64));
	for (i = 0; i < GONE; i++)
		ASSERT_EQ(0, ioas_copy(FD, IOAS, COPY(i), IOAS, IOVA, PAGE,
				       RW));
	EXPECT_EQ(PAGES(SOME + 3), unmap_all(FD, IOAS));
	EXPECT_TRUE(charged_at_most(self->dir, self->charged + IDLE));
	teardown_edu(&edu);
}

TEST_HARNESS_MAIN
