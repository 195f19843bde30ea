// SPDX-License-Identifier: GPL-2.0-only
/*
 * Much of it: an area larger than memory, 100,000 areas, 64 HWPTs.  It works or
 * fails cleanly, in time that grows no worse than n log n, and what takes long
 * can be killed.
 *
 * An area larger than memory shows a small file over and over:
 *
 *   VA    | file | file | file | ...      LARGE bytes, a mmap each
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "iommufd_utils.h"

#define GB		(1024 * MB)
#define IOVA		GB
#define RW		IOMMU_MAP_RW
#define FEW		25000
#define MANY		(4 * FEW)
#define NR_HWPTS	64
#define SMALL		(8 * HUGE)	/* bytes in the file */
#define LARGE		(4 * GB)	/* more than the machine has */
#define LARGE_IOVA	(16 * GB)	/* no MSIs here */

FIXTURE(scale)
{
	struct bound b;
	uint32_t other;
	char *mem;
	long pinned;
};

FIXTURE_SETUP(scale)
{
	SETUP_BOUND(&self->b);
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &self->other));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	self->pinned = pinned();
}

FIXTURE_TEARDOWN(scale)
{
	teardown_bound(&self->b);
}

#define FD		(self->b.iommufd)
#define IOAS		(self->b.ioas)
#define ATTACH()	attach(&self->b, IOAS)
#define EXPECT_CLEAN() do {						\
	EXPECT_EQ(0, unmap_all(FD, IOAS));				\
	EXPECT_EQ(self->pinned, pinned());				\
} while (0)

/* CPU time of this thread, in seconds; never 0 */
static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static uint64_t total_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE;
}

/* LARGE bytes of address space that show SMALL bytes of memory, or NULL */
static char *large_area(void)
{
	int fd = memfd_create("small", 0);
	char *va;
	size_t at;

	if (fd < 0 || ftruncate(fd, SMALL))
		return NULL;
	va = mmap(NULL, LARGE, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (va == MAP_FAILED)
		return NULL;
	for (at = 0; at < LARGE; at += SMALL)
		if (mmap(va + at, SMALL, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			return NULL;
	close(fd);
	return va;
}

/* An area larger than memory, mapped, attached, and gone again */
TEST_F_TIMEOUT(scale, larger_than_memory, 300)
{
	char *va = large_area();

	ASSERT_NE(NULL, va);
	ASSERT_LT(total_memory(), LARGE);
	ASSERT_EQ(0, ioas_map(FD, IOAS, va, LARGE, LARGE_IOVA, RW));
	EXPECT_EQ(self->pinned, pinned());
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(self->pinned + LARGE, pinned());
	EXPECT_EQ(LARGE, unmap_all(FD, IOAS));
	EXPECT_CLEAN();
}

/* One that is mostly not there: recorded; attach is EFAULT, nothing stays. */
TEST_F(scale, not_there_efault)
{
	uint64_t length = 1ULL << 46;

	ASSERT_EQ(0, ioas_map(FD, IOAS, self->mem, length, length, RW));
	EXPECT_EQ(-EFAULT, ATTACH());
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(length, unmap_all(FD, IOAS));
	EXPECT_CLEAN();
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-EFAULT, ioas_map(FD, IOAS, self->mem, length, length, RW));
	EXPECT_CLEAN();
}

/* One above the limit: recorded; attach is ENOMEM, nothing stays. */
TEST_F(scale, above_limit_enomem)
{
	uint64_t length = 1024 * GB;
	char *va;

	va = mmap(NULL, length, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, set_memlock(64 * MB));
	ASSERT_EQ(0, setresuid(43000, 43000, 43000));
	ASSERT_EQ(0, ioas_map(FD, IOAS, va, length, LARGE_IOVA, RW));
	EXPECT_EQ(-ENOMEM, ATTACH());
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(length, unmap_all(FD, IOAS));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-ENOMEM, ioas_map(FD, IOAS, va, length, LARGE_IOVA, RW));
	EXPECT_CLEAN();
}

#define CGROUPS		"/cgroups"
#define CGROUP		CGROUPS "/scale"

/* Kernel memory that this process's cgroup is charged for, in bytes */
static long kernel_memory(void)
{
	char line[128];
	long bytes = -1;
	FILE *file = fopen(CGROUP "/memory.stat", "r");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		sscanf(line, "kernel %ld", &bytes);
	fclose(file);
	return bytes;
}

static int enter_cgroup(void)
{
	if (mkdir(CGROUPS, 0700) || mount("none", CGROUPS, "cgroup2", 0, NULL))
		return -errno;
	if (mkdir(CGROUP, 0700))
		return -errno;
	return sysfs_write(CGROUPS "/cgroup.subtree_control", "+memory") ?:
	       sysfs_write(CGROUP "/cgroup.procs", "0");
}

static void leave_cgroup(void)
{
	sysfs_write(CGROUPS "/cgroup.procs", "0");
	rmdir(CGROUP);
	umount(CGROUPS);
	rmdir(CGROUPS);
}

/* Bytes of the kernel's for each mapped GiB of this memory, or -1 */
static long memory_per_gib(struct bound *b, char *va, uint64_t length)
{
	long before = kernel_memory(), bytes;

	if (ioas_map(b->iommufd, b->ioas, va, length, LARGE_IOVA, RW))
		return -1;
	bytes = kernel_memory() - before;
	if (unmap_all(b->iommufd, b->ioas) != (int64_t)length)
		return -1;
	return bytes * (long)(GB / length);
}

/* Two files that take pages by turns: neither has two that are neighbours. */
static char *scattered_memory(uint64_t length)
{
	int one = memfd_create("one", 0), two = memfd_create("two", 0);
	uint64_t at;
	char *va;

	for (at = 0; at < length; at += PAGE)
		if (pwrite(one, "", 1, at) != 1 || pwrite(two, "", 1, at) != 1)
			return NULL;
	va = mmap(NULL, length, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, one, 0);
	close(one);
	/* The other one stays. */
	return va == MAP_FAILED ? NULL : va;
}

/* Bytes that the allocator takes for 4 KiB: with KASAN, it is more */
static long size_of_4k(void)
{
	char text[32];

	if (sysfs_read("/sys/kernel/slab/kmalloc-cg-4k/slab_size", text,
		       sizeof(text)))
		return 0;
	return atol(text);
}

/*
 * I/O page tables of small pages, which are charged as well: 4 KiB for 2 MiB, and
 * some above these for each mapping.
 */
static long tables_of_gib(uint64_t length)
{
	return (GB / HUGE + 3 * (GB / length)) * PAGE;
}

/*
 * What the kernel remembers of pinned memory: 8 bytes for each run and 5 % at
 * most, 2 MiB or 4 KiB long.
 */
TEST_F_TIMEOUT(scale, kernel_memory, 300)
{
	const uint64_t length = 128 * MB;
	long huge, small;
	char *va;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, enter_cgroup());
	va = alloc_memory(length + HUGE);
	ASSERT_NE(NULL, va);
	va = (char *)(((uintptr_t)va + HUGE - 1) & -HUGE);
	ASSERT_EQ(0, madvise(va, length, MADV_HUGEPAGE));
	memset(va, 1, length);
	huge = memory_per_gib(&self->b, va, length);
	ASSERT_EQ(0, munmap(va, length));

	va = scattered_memory(length);
	ASSERT_NE(NULL, va);
	small = memory_per_gib(&self->b, va, length);
	leave_cgroup();

	printf("# bytes of kernel memory for a GiB: %ld of 2 MiB, %ld of 4 KiB\n",
	       huge, small);
	EXPECT_LE(0, huge);
	EXPECT_GT(16 * KB * (GB / length), huge);
	EXPECT_LT(7 * (long)(GB / PAGE) + (long)(GB / HUGE * PAGE), small);
	EXPECT_LE(4096, size_of_4k());
	EXPECT_GT(84 * (long)(GB / PAGE) / 10 * size_of_4k() / 4096 +
			  tables_of_gib(length), small);
}

/* A permutation of 0 .. n - 1, for n not a multiple of 7919 */
static unsigned int shuffled(unsigned int i, unsigned int n)
{
	return (uint64_t)i * 7919 % n;
}

enum work {
	WORK_MAP,
	WORK_ATTACH,
	WORK_COPY,
	WORK_UNMAP_REVERSE,
	WORK_CHOOSE,
	WORK_UNMAP_RANDOM,
	NR_WORKS
};

static const char *const work_names[] = {
	"map", "attach", "copy", "unmap reverse", "choose", "unmap random",
};

/* The least CPU seconds of each work; a busy host only ever adds to them. */
struct times {
	double least[NR_WORKS];
};

static void add_time(struct times *times, enum work work, double start)
{
	double seconds = now() - start;

	if (!times->least[work] || seconds < times->least[work])
		times->least[work] = seconds;
}

static int map_areas(int fd, uint32_t id, char *mem, unsigned int n)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < n && !rc; i++)
		rc = ioas_map(fd, id, mem + PAGES(i % 256), PAGE,
			      IOVA + PAGES(i), RW);
	return rc;
}

static int choose_areas(int fd, uint32_t id, char *mem, unsigned int n,
			uint64_t *iovas)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < n && !rc; i++)
		rc = ioas_map_anywhere(fd, id, mem + PAGES(i % 256), PAGE,
				       &iovas[i], RW);
	return rc;
}

static int unmap_areas_reverse(int fd, uint32_t id, unsigned int n)
{
	int rc = 0;

	while (n-- && !rc)
		rc = ioas_unmap(fd, id, IOVA + PAGES(n), PAGE, NULL);
	return rc;
}

static int unmap_areas_random(int fd, uint32_t id, unsigned int n,
			      const uint64_t *iovas)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < n && !rc; i++)
		rc = ioas_unmap(fd, id, iovas[shuffled(i, n)], PAGE, NULL);
	return rc;
}

/* Maps, attaches, copies all with a call, and unmaps; no device stays. */
static int work_on_areas(struct bound *b, uint32_t other, char *mem,
			 unsigned int n, struct times *times)
{
	uint64_t *iovas = alloc_memory(n * sizeof(*iovas));
	double start = now();
	int rc;

	if (!iovas)
		return -ENOMEM;
	rc = map_areas(b->iommufd, b->ioas, mem, n);
	add_time(times, WORK_MAP, start);
	start = now();
	rc = rc ?: attach(b, b->ioas);
	add_time(times, WORK_ATTACH, start);
	start = now();
	rc = rc ?: ioas_copy(b->iommufd, other, IOVA, b->ioas, IOVA, PAGES(n),
			     RW);
	add_time(times, WORK_COPY, start);
	start = now();
	rc = rc ?: unmap_areas_reverse(b->iommufd, b->ioas, n);
	add_time(times, WORK_UNMAP_REVERSE, start);
	rc = rc ?: vfio_detach(b->dev);
	if (!rc && unmap_all(b->iommufd, other) != (int64_t)PAGES(n))
		rc = -EBADMSG;

	start = now();
	rc = rc ?: choose_areas(b->iommufd, other, mem, n, iovas);
	add_time(times, WORK_CHOOSE, start);
	start = now();
	rc = rc ?: unmap_areas_random(b->iommufd, other, n, iovas);
	add_time(times, WORK_UNMAP_RANDOM, start);
	munmap(iovas, n * sizeof(*iovas));
	return rc;
}

/* n log n is 4.6 times as long for 4 n, n * n is 16 times. */
static bool is_nlogn(const struct times *few, const struct times *many)
{
	int i;

	for (i = 0; i < NR_WORKS; i++)
		if (many->least[i] > 9 * few->least[i])
			return false;
	return true;
}

/* 100,000 areas: in order, in reverse, at random, at addresses to be found */
TEST_F_TIMEOUT(scale, many_areas, 600)
{
	struct times few = {}, many = {};
	int i, tries = 5;

	do {
		ASSERT_EQ(0, work_on_areas(&self->b, self->other, self->mem,
					   FEW, &few));
		EXPECT_CLEAN();
		ASSERT_EQ(0, work_on_areas(&self->b, self->other, self->mem,
					   MANY, &many));
		EXPECT_CLEAN();
	} while (!is_nlogn(&few, &many) && --tries);
	for (i = 0; i < NR_WORKS; i++)
		printf("# %-14s %6.2f s for %u, %6.2f s for %u\n",
		       work_names[i], few.least[i], FEW, many.least[i], MANY);
	EXPECT_TRUE(is_nlogn(&few, &many));
}

/* 64 HWPTs show one IOAS: pinned once, the same bytes in each */
TEST_F_TIMEOUT(scale, many_hwpts, 300)
{
	uint32_t ids[NR_HWPTS];
	struct edu edu;
	int i;

	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, ioas_map(FD, IOAS, self->mem, MB, 16 * MB, RW));
	for (i = 0; i < NR_HWPTS; i++) {
		ASSERT_EQ(0, hwpt_alloc(FD, self->b.devid, IOAS, &ids[i]));
		/* Which fills it */
		ASSERT_EQ(0, attach(&self->b, ids[i]));
	}
	EXPECT_EQ(self->pinned + MB, pinned());
	ASSERT_EQ(0, ioas_map(FD, IOAS, self->mem, MB, 32 * MB, RW));
	EXPECT_EQ(self->pinned + 2 * MB, pinned());
	for (i = 0; i < NR_HWPTS; i += 21) {
		ASSERT_EQ(0, attach_edu(&edu, ids[i]));
		EXPECT_TRUE(dma_works(&edu, self->mem, 16 * MB));
		EXPECT_TRUE(dma_works(&edu, self->mem + MB - PAGE,
				      33 * MB - PAGE));
	}
	ASSERT_EQ(0, ioas_unmap(FD, IOAS, 16 * MB, MB, NULL));
	EXPECT_EQ(self->pinned + MB, pinned());
	for (i = 0; i < NR_HWPTS; i += 21) {
		ASSERT_EQ(0, attach_edu(&edu, ids[i]));
		EXPECT_TRUE(dma_is_blocked(&edu, self->mem, 16 * MB));
	}
	ASSERT_EQ(0, vfio_detach(edu.dev));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	for (i = 0; i < NR_HWPTS; i++)
		EXPECT_EQ(0, iommu_destroy(FD, ids[i]));
	EXPECT_EQ(self->pinned, pinned());
	EXPECT_EQ(MB, unmap_all(FD, IOAS));
	teardown_edu(&edu);
}

/* Runs code in a child; kills it after this time: it must not have ended. */
#define KILL_AFTER(ms, code) do {					\
	struct timespec __time = { .tv_nsec = (ms) * 1000000L };	\
	int __status;							\
	pid_t __pid = fork();						\
									\
	ASSERT_LE(0, __pid);						\
	if (!__pid)							\
		_exit((code) ? 1 : 0);					\
	nanosleep(&__time, NULL);					\
	ASSERT_EQ(0, kill(__pid, SIGKILL));				\
	ASSERT_EQ(__pid, waitpid(__pid, &__status, 0));			\
	EXPECT_EQ(SIGKILL, __status);					\
} while (0)

/* A long MAP that is killed has mapped nothing. */
TEST_F_TIMEOUT(scale, map_killed, 300)
{
	char *va = large_area();
	int i;

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, ATTACH());
	for (i = 0; i < 5; i++) {
		KILL_AFTER(50 * i + 5,
			   ioas_map(FD, IOAS, va, LARGE, LARGE_IOVA, RW));
		EXPECT_CLEAN();
	}
}

/* A long attach that is killed: nothing is pinned, the device not attached */
TEST_F_TIMEOUT(scale, attach_killed, 300)
{
	char *va = large_area();

	ASSERT_NE(NULL, va);
	ASSERT_EQ(0, ioas_map(FD, IOAS, va, LARGE, LARGE_IOVA, RW));
	KILL_AFTER(100, ATTACH());
	EXPECT_EQ(self->pinned, pinned());
	/* The MSI range is not reserved. */
	EXPECT_EQ(0, ioas_map(FD, IOAS, va, PAGE, MSI_START, RW));
	EXPECT_EQ(LARGE + PAGE, unmap_all(FD, IOAS));
	EXPECT_EQ(0, iommu_destroy(FD, IOAS));
	ASSERT_EQ(0, ioas_alloc(FD, &IOAS));
}

/* A long UNMAP that is killed leaves whole mappings, which can be unmapped. */
TEST_F_TIMEOUT(scale, unmap_killed, 300)
{
	int64_t left;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, map_areas(FD, IOAS, self->mem, FEW));
	KILL_AFTER(20, unmap_all(FD, IOAS));
	left = pinned() - self->pinned;
	EXPECT_EQ(0, left % PAGE);
	EXPECT_GE(PAGES(FEW), left);
	EXPECT_EQ(left, unmap_all(FD, IOAS));
	EXPECT_CLEAN();
}

TEST_HARNESS_MAIN
