// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, for a minute: threads map, copy, unmap, attach, move and
 * destroy, over memory that comes and goes beneath them.
 *
 *   memory (madvise, munmap, fork) and a file (truncated, grown)
 *     |
 *   IOAS 0 <-- COPY --> IOAS 1    IOAS that come and go, with HWPTs
 *     ^                   ^        ^
 *     +--- testdev -------+--------+     edu: opened, attached, closed
 *     +--- access, if the kernel has them for tests
 *
 * Every call may fail only in the ways that it says, and in the end nothing is
 * left.  STRESS_SEED and STRESS_SECONDS in the environment are instead of what
 * is printed and of a minute.
 */
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"
#include "race.h"

#define IOVA		MB
#define ARENA		(4 * HUGE)	/* bytes, of memory and of the file */
#define NR_IOAS		2
#define PINNED_IOVA	(512 * MB)	/* nothing else is mapped there */
#define PINNED_LENGTH	PAGES(5)
#define RO		IOMMU_IOAS_MAP_READABLE
#define RW		IOMMU_MAP_RW

static uint32_t ioas[NR_IOAS];
static atomic_uint hwpts[4];	/* that come and go */
static int file;
static char *pinned_mem;	/* PINNED_LENGTH bytes that stay */

static uint64_t some_iova(unsigned int seed)
{
	return IOVA + PAGES(8) * (seed % 32);
}

static uint64_t some_length(unsigned int seed)
{
	return seed % 16 ? PAGES(1 + seed / 16 % 12) : 2 * HUGE;
}

static uint64_t some_offset(unsigned int seed)
{
	return PAGES(seed % ((ARENA - 2 * HUGE) / PAGE));
}

static uint32_t some_ioas(unsigned int seed)
{
	return ioas[seed % NR_IOAS];
}

static void step_map(struct race *race, unsigned int seed)
{
	ALLOW(race, ioas_map(race->b.iommufd, some_ioas(seed),
			     race->mem + some_offset(seed >> 3),
			     some_length(seed >> 2), some_iova(seed >> 5),
			     seed & 2 ? RW : RO),
	      0, -EEXIST, -EFAULT);
}

static void step_map_anywhere(struct race *race, unsigned int seed)
{
	uint64_t iova, length = some_length(seed >> 2);
	int rc;

	rc = ioas_map_anywhere(race->b.iommufd, some_ioas(seed),
			       race->mem + some_offset(seed >> 3), length,
			       &iova, RW);
	ALLOW(race, rc, 0, -EFAULT);
	if (!rc)
		ALLOW(race, ioas_unmap(race->b.iommufd, some_ioas(seed), iova,
				       length, NULL),
		      0, -ENOENT, -EBUSY);
}

static void step_map_file(struct race *race, unsigned int seed)
{
	/* EINVAL at once, EFAULT later, where the file was too short. */
	ALLOW(race, ioas_map_file(race->b.iommufd, some_ioas(seed), file,
				  some_offset(seed >> 3),
				  some_length(seed >> 2), some_iova(seed >> 5),
				  seed & 2 ? RW : RO),
	      0, -EEXIST, -EFAULT, -EINVAL);
}

static void step_copy(struct race *race, unsigned int seed)
{
	ALLOW(race, ioas_copy(race->b.iommufd, some_ioas(seed),
			      some_iova(seed >> 5), some_ioas(seed >> 1),
			      some_iova(seed >> 3), some_length(seed >> 2),
			      seed & 4 ? RW : RO),
	      0, -EEXIST, -ENOENT, -EPERM, -EFAULT);
}

static void step_unmap(struct race *race, unsigned int seed)
{
	ALLOW(race, ioas_unmap(race->b.iommufd, some_ioas(seed),
			       some_iova(seed >> 5),
			       PAGES(1 + seed / 4 % 600), NULL),
	      0, -ENOENT, -EBUSY);
	if (seed % 64 == 0)
		ALLOW(race, ioas_unmap(race->b.iommufd, some_ioas(seed), 0,
				       ALL, NULL),
		      0, -EBUSY);
}

static void step_limits(struct race *race, unsigned int seed)
{
	const struct iommu_iova_range allowed = { IOVA, 64 * IOVA };
	struct iommu_iova_range ranges[8];
	uint32_t num = seed / 8 % 8;
	uint64_t on;

	ALLOW(race, ioas_ranges(race->b.iommufd, some_ioas(seed), ranges, &num,
				NULL),
	      0, -EMSGSIZE);
	ALLOW(race, ioas_allow(race->b.iommufd, some_ioas(seed), &allowed,
			       seed & 2 ? 1 : 0), 0);
	ALLOW(race, ioas_set_huge_pages(race->b.iommufd, some_ioas(seed),
					seed & 4),
	      0, -EINVAL);
	ALLOW(race, ioas_set_huge_pages(race->b.iommufd, some_ioas(seed), 1),
	      0);
	ALLOW(race, ioas_get_huge_pages(race->b.iommufd, some_ioas(seed), &on),
	      0);
	ALLOW(race, iommu_change_process(race->b.iommufd), 0, -EINVAL);
	sleep_ms(1);
}

/* The memory beneath: nothing is pinned by what it was, only by its pages. */
static void step_memory(struct race *race, unsigned int seed)
{
	char *at = race->mem + some_offset(seed >> 3);
	uint64_t length = some_length(seed >> 2);

	switch (seed % 6) {
	case 0:
		madvise(at, length, MADV_DONTNEED);
		break;
	case 1:
		madvise(at, length, seed & 64 ? MADV_HUGEPAGE :
						MADV_NOHUGEPAGE);
		break;
	case 2:
		munmap(at, length);
		sleep_ms(1);
		mmap(at, length, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 3:
		mprotect(at, length, PROT_READ);
		sleep_ms(1);
		mprotect(at, length, PROT_READ | PROT_WRITE);
		break;
	case 4:
		if (!ftruncate(file, some_offset(seed >> 3)))
			sleep_ms(1);
		if (ftruncate(file, ARENA))
			ALLOW(race, -errno, 0);
		break;
	case 5:
		mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		     file, some_offset(seed >> 3));
		break;
	}
}

/* A child that shares the memory, uses the file, and ends, killed or not. */
static void step_fork(struct race *race, unsigned int seed)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		step_map(race, seed);
		step_map_file(race, seed >> 1);
		step_copy(race, seed >> 2);
		if (!atomic_load(&race->bad) && seed & 1)
			pause();
		_exit(atomic_load(&race->bad) != 0);
	}
	if (pid < 0)
		return;
	if (seed & 1) {
		sleep_ms(seed / 2 % 8);
		kill(pid, SIGKILL);
	}
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		ALLOW(race, WEXITSTATUS(status), 0);
}

static void step_device(struct race *race, unsigned int seed)
{
	uint32_t id = seed & 8 ? atomic_load(&hwpts[seed / 16 % 4]) :
				 some_ioas(seed);

	/* A HWPT, or what it stands on, that was just destroyed: ENOENT */
	ALLOW(race, attach(&race->b, id), 0, -EFAULT, -ENOENT);
	if (seed % 4 == 0)
		ALLOW(race, vfio_detach(race->b.dev), 0);
}

/* Of what the device alone may be attached to, and no one maps into */
static void destroy(struct race *race, uint32_t id)
{
	int rc = iommu_destroy(race->b.iommufd, id);

	while (rc == -EBUSY) {
		sleep_ms(1);
		ALLOW(race, vfio_detach(race->b.dev), 0);
		rc = iommu_destroy(race->b.iommufd, id);
	}
	ALLOW(race, rc, 0);
}

static void step_hwpt(struct race *race, unsigned int seed)
{
	uint32_t id = 0, old;

	ALLOW(race, hwpt_alloc(race->b.iommufd, race->b.devid, some_ioas(seed),
			       &id), 0);
	old = atomic_exchange(&hwpts[seed / 2 % 4], id);
	if (old)
		destroy(race, old);
}

/* An IOAS that is filled by copies, and goes with them. */
static void step_ioas(struct race *race, unsigned int seed)
{
	uint32_t id;
	int rc;

	rc = ioas_alloc(race->b.iommufd, &id);
	ALLOW(race, rc, 0);
	if (rc)
		return;
	ALLOW(race, ioas_copy(race->b.iommufd, id, IOVA, some_ioas(seed),
			      some_iova(seed >> 5), some_length(seed >> 2), RO),
	      0, -ENOENT);
	ALLOW(race, ioas_copy(race->b.iommufd, some_ioas(seed >> 1),
			      some_iova(seed >> 3), id, IOVA, PAGE, RO),
	      0, -ENOENT, -EEXIST, -EFAULT);
	/* The device may get here by the id of a HWPT that is no more. */
	destroy(race, id);
}

/* Another device of the same context, opened, attached and closed */
static void step_open_close(struct race *race, unsigned int seed)
{
	uint32_t pt = some_ioas(seed);
	int dev = vfio_cdev_open(getenv("EDU0"));
	int rc;

	ALLOW(race, dev < 0 ? dev : 0, 0);
	if (dev < 0)
		return;
	rc = vfio_bind(dev, race->b.iommufd, NULL);
	/* A child of step_fork()'s has it open. */
	ALLOW(race, rc, 0, -EINVAL);
	if (!rc)
		ALLOW(race, vfio_attach(dev, &pt), 0, -EFAULT);
	sleep_ms(seed % 16);
	close(dev);
}

static int test_op(struct race *race, uint32_t op, uint32_t id,
		   struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return xioctl(race->b.iommufd, IOMMU_TEST_CMD, cmd);
}

static int unpin(struct race *race, int access, uint32_t id)
{
	struct iommu_test_cmd cmd = {
		.destroy_access_pages.access_pages_id = id,
	};

	return test_op(race, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, access, &cmd);
}

/* What is mapped for it alone, an access pins; others unmap it all the same. */
static void pin_own(struct race *race, unsigned int seed, int access)
{
	struct iommu_test_cmd cmd = {
		.access_pages.iova = PINNED_IOVA,
		.access_pages.length = PINNED_LENGTH,
		.access_pages.uptr = (uintptr_t)pinned_mem,
	};
	int rc;

	ALLOW(race, ioas_map(race->b.iommufd, some_ioas(seed), pinned_mem,
			     PINNED_LENGTH, PINNED_IOVA, RW),
	      0, -EEXIST);
	rc = test_op(race, IOMMU_TEST_OP_ACCESS_PAGES, access, &cmd);
	ALLOW(race, rc, 0, -ENOENT);
	if (rc || seed & 64)
		return;
	ALLOW(race, unpin(race, access, cmd.access_pages.out_access_pages_id),
	      0, -ENOENT);
}

static void read_any(struct race *race, unsigned int seed, int access)
{
	char data[64];
	struct iommu_test_cmd cmd = {
		.access_rw.iova = some_iova(seed >> 5) + seed % 4000,
		.access_rw.length = sizeof(data),
		.access_rw.uptr = (uintptr_t)data,
	};

	ALLOW(race, test_op(race, IOMMU_TEST_OP_ACCESS_RW, access, &cmd),
	      0, -ENOENT, -EPERM, -EFAULT);
}

static void move_access(struct race *race, unsigned int seed, int access)
{
	struct iommu_test_cmd cmd = {
		.access_replace_ioas.ioas_id = some_ioas(seed),
	};

	ALLOW(race, test_op(race, IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, access,
			    &cmd), 0);
}

/* An access of the kernel's: pins, reads, moves, and is closed. */
static void step_access(struct race *race, unsigned int seed)
{
	const uint32_t flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
	struct iommu_test_cmd cmd = { .create_access.flags = flags };
	int rc, access;

	rc = test_op(race, IOMMU_TEST_OP_CREATE_ACCESS, some_ioas(seed), &cmd);
	/* Kernels without CONFIG_IOMMUFD_TEST do without. */
	ALLOW(race, rc, 0, -ENOTTY);
	if (rc) {
		sleep_ms(100);
		return;
	}
	access = cmd.create_access.out_access_fd;
	pin_own(race, seed, access);
	read_any(race, seed, access);
	move_access(race, seed >> 1, access);
	pin_own(race, seed >> 1, access);
	read_any(race, seed >> 1, access);
	close(access);
}

static unsigned int number(const char *name, unsigned int preset)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : preset;
}

FIXTURE(stress)
{
	struct race r;
	long pinned;
};

FIXTURE_SETUP(stress)
{
	struct bound *b = &self->r.b;

	REQUIRE_DEVICE("EDU0");
	SETUP_BOUND(b);
	ioas[0] = b->ioas;
	ASSERT_EQ(0, ioas_alloc(b->iommufd, &ioas[1]));
	file = memfd_create("file", 0);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, ARENA));
	self->r.mem = alloc_memory(ARENA);
	ASSERT_NE(NULL, self->r.mem);
	pinned_mem = alloc_memory(PINNED_LENGTH);
	ASSERT_NE(NULL, pinned_mem);
	self->pinned = pinned();
}

FIXTURE_TEARDOWN(stress)
{
	teardown_bound(&self->r.b);
}

TEST_F_TIMEOUT(stress, all, 600)
{
	static void (*const steps[])(struct race *, unsigned int) = {
		step_map, step_map_anywhere, step_map_file, step_copy,
		step_unmap, step_limits, step_memory, step_fork, step_device,
		step_hwpt, step_ioas, step_open_close, step_access,
	};
	unsigned int seed = number("STRESS_SEED", time(NULL));
	unsigned int seconds = number("STRESS_SECONDS", 60);
	struct bound *b = &self->r.b;
	int i;

	printf("# STRESS_SEED=%u STRESS_SECONDS=%u\n", seed, seconds);
	ASSERT_EQ(0, run_race(&self->r, seconds, seed, steps,
			      sizeof(steps) / sizeof(*steps)));
	printf("# %u calls\n", atomic_load(&self->r.calls));
	EXPECT_LT(0, atomic_load(&self->r.calls));

	EXPECT_EQ(0, vfio_detach(b->dev));
	for (i = 0; i < 4; i++)
		if (hwpts[i])
			EXPECT_EQ(0, iommu_destroy(b->iommufd, hwpts[i]));
	for (i = 0; i < NR_IOAS; i++) {
		EXPECT_LE(0, unmap_all(b->iommufd, ioas[i]));
		EXPECT_EQ(0, iommu_destroy(b->iommufd, ioas[i]));
	}
	EXPECT_EQ(self->pinned, pinned());
}

TEST_HARNESS_MAIN
