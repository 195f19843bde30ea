// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that race one another, for a few seconds each.  Which of them wins is
 * open; what each may return is not, and afterwards nothing is left.  A kernel
 * that loses an object or a lock here says so in its log, which fails the run.
 */
#include "race.h"

#define SECONDS		4
#define IOVA		MB

FIXTURE(race)
{
	struct race r;
	long pinned;
};

FIXTURE_SETUP(race)
{
	SETUP_BOUND(&self->r.b);
	self->r.mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->r.mem);
	memset(self->r.mem, 1, MB);
	self->pinned = pinned();
}

FIXTURE_TEARDOWN(race)
{
	teardown_bound(&self->r.b);
}

#define RACE(...) do {							\
	static void (*const steps[])(struct race *, unsigned int) =	\
		{ __VA_ARGS__ };					\
									\
	EXPECT_EQ(0, run_race(&self->r, SECONDS, 0, steps,		\
			      sizeof(steps) / sizeof(*steps)));		\
	EXPECT_LT(0, atomic_load(&self->r.calls));			\
} while (0)

/* The IOAS can be emptied and nothing is pinned. */
#define EXPECT_NOTHING_LEFT() do {					\
	EXPECT_LE(0, unmap_all(self->r.b.iommufd, self->r.b.ioas));	\
	EXPECT_EQ(self->pinned, pinned());				\
} while (0)

/* Few addresses, so that the threads meet. */
static uint64_t some_iova(unsigned int seed)
{
	return IOVA + PAGES(4) * (seed % 16);
}

static uint64_t some_length(unsigned int seed)
{
	return PAGES(1 + (seed >> 4) % 8);
}

static void step_map(struct race *race, unsigned int seed)
{
	ALLOW(race, ioas_map(race->b.iommufd, race->b.ioas, race->mem,
			     some_length(seed), some_iova(seed), IOMMU_MAP_RW),
	      0, -EEXIST);
}

static void step_map_anywhere(struct race *race, unsigned int seed)
{
	uint64_t iova;
	int rc;

	rc = ioas_map_anywhere(race->b.iommufd, race->b.ioas, race->mem,
			       some_length(seed), &iova, IOMMU_MAP_RW);
	ALLOW(race, rc, 0);
	if (rc)
		return;
	rc = ioas_unmap(race->b.iommufd, race->b.ioas, iova, some_length(seed),
			NULL);
	/* Another thread may unmap everything. */
	ALLOW(race, rc, 0, -ENOENT, -EBUSY);
}

static void step_map_bad(struct race *race, unsigned int seed)
{
	/* EFAULT with a device; without one it is recorded. */
	ALLOW(race, ioas_map(race->b.iommufd, race->b.ioas, NULL, PAGE,
			     some_iova(seed), IOMMU_MAP_RW),
	      0, -EFAULT, -EEXIST);
}

static void step_unmap(struct race *race, unsigned int seed)
{
	ALLOW(race, ioas_unmap(race->b.iommufd, race->b.ioas, some_iova(seed),
			       some_length(seed), NULL),
	      0, -ENOENT, -EBUSY);
}

static void step_unmap_all(struct race *race, unsigned int seed)
{
	ALLOW(race, ioas_unmap(race->b.iommufd, race->b.ioas, 0, ALL, NULL),
	      0, -EBUSY);
	sleep_ms(1);
}

static void step_ranges(struct race *race, unsigned int seed)
{
	struct iommu_iova_range ranges[16];
	uint32_t num = seed % 16;

	ALLOW(race, ioas_ranges(race->b.iommufd, race->b.ioas, ranges, &num,
				NULL),
	      0, -EMSGSIZE);
}

/* MAP, UNMAP and IOVA_RANGES, nothing attached */
TEST_F(race, map_unmap)
{
	RACE(step_map, step_map, step_map_anywhere, step_unmap, step_unmap_all,
	     step_ranges);
	EXPECT_NOTHING_LEFT();
}

/* The same with a device */
TEST_F(race, map_unmap_attached)
{
	ASSERT_EQ(0, attach(&self->r.b, self->r.b.ioas));
	RACE(step_map, step_map, step_map_anywhere, step_unmap, step_unmap_all,
	     step_ranges);
	EXPECT_NOTHING_LEFT();
}

static void step_attach_detach(struct race *race, unsigned int seed)
{
	/* step_map_bad() may have been there. */
	ALLOW(race, attach(&race->b, race->b.ioas), 0, -EFAULT);
	ALLOW(race, vfio_detach(race->b.dev), 0);
}

/* MAP and UNMAP while the device is attached and detached */
TEST_F(race, map_unmap_attach_detach)
{
	RACE(step_map, step_map_bad, step_map_anywhere, step_unmap_all,
	     step_attach_detach, step_ranges);
	ASSERT_EQ(0, vfio_detach(self->r.b.dev));
	EXPECT_NOTHING_LEFT();
}

static void step_replace(struct race *race, unsigned int seed)
{
	uint32_t other = atomic_load(&race->ids[0]);

	ALLOW(race, attach(&race->b, seed & 1 ? other : race->b.ioas), 0);
	if (!(seed & 6))
		ALLOW(race, vfio_detach(race->b.dev), 0);
}

/* MAP and UNMAP while the device moves from one IOAS to another and back */
TEST_F(race, map_unmap_replace)
{
	uint32_t other;

	ASSERT_EQ(0, ioas_alloc(self->r.b.iommufd, &other));
	ASSERT_EQ(0, ioas_map(self->r.b.iommufd, other, self->r.mem, MB, IOVA,
			      IOMMU_MAP_RW));
	atomic_store(&self->r.ids[0], other);
	RACE(step_map, step_map, step_unmap, step_unmap_all, step_replace);
	ASSERT_EQ(0, vfio_detach(self->r.b.dev));
	EXPECT_EQ(0, iommu_destroy(self->r.b.iommufd, other));
	EXPECT_NOTHING_LEFT();
}

static void step_alloc(struct race *race, unsigned int seed)
{
	uint32_t old, id = 0;

	ALLOW(race, ioas_alloc(race->b.iommufd, &id), 0);
	old = atomic_exchange(&race->ids[seed % THREADS], id);
	if (old)
		ALLOW(race, iommu_destroy(race->b.iommufd, old),
		      0, -ENOENT, -EBUSY);
}

/* Takes an object away while others use it. */
static void step_destroy(struct race *race, unsigned int seed)
{
	uint32_t id = atomic_load(&race->ids[seed % THREADS]);

	ALLOW(race, iommu_destroy(race->b.iommufd, id), 0, -ENOENT, -EBUSY);
}

static void step_use(struct race *race, unsigned int seed)
{
	uint32_t num = 0, id = atomic_load(&race->ids[seed % THREADS]);

	ALLOW(race, ioas_map(race->b.iommufd, id, race->mem, PAGE,
			     some_iova(seed), IOMMU_MAP_RW),
	      0, -EEXIST, -ENOENT);
	ALLOW(race, ioas_ranges(race->b.iommufd, id, NULL, &num, NULL),
	      -EMSGSIZE, -ENOENT);
	ALLOW(race, ioas_unmap(race->b.iommufd, id, 0, ALL, NULL),
	      0, -ENOENT, -EBUSY);
}

static void step_attach_any(struct race *race, unsigned int seed)
{
	ALLOW(race, attach(&race->b,
			   atomic_load(&race->ids[seed % THREADS])),
	      0, -ENOENT);
	ALLOW(race, vfio_detach(race->b.dev), 0);
}

/* IOAS_ALLOC and DESTROY while the objects are used and attached to */
TEST_F(race, alloc_destroy)
{
	RACE(step_alloc, step_destroy, step_use, step_use, step_attach_any);
	ASSERT_EQ(0, vfio_detach(self->r.b.dev));
	EXPECT_NOTHING_LEFT();
}

static void step_open_close(struct race *race, unsigned int seed)
{
	uint32_t ioas, devid;
	int fd, dev, rc;

	fd = iommu_open();
	dev = vfio_cdev_open(getenv("TESTDEV0"));
	if (fd < 0 || dev < 0) {
		ALLOW(race, fd < 0 ? fd : dev, 0);
		goto out_close;
	}
	rc = ioas_alloc(fd, &ioas) ?:
	     ioas_map(fd, ioas, race->mem, MB, IOVA, IOMMU_MAP_RW);
	ALLOW(race, rc, 0);
	/* Only one of the threads has the device at a time. */
	rc = vfio_bind(dev, fd, &devid);
	ALLOW(race, rc, 0, -EINVAL, -EPERM);
	if (!rc)
		ALLOW(race, vfio_attach(dev, &ioas), 0);
out_close:
	if (seed & 1)
		close(fd);
	close(dev);
	if (!(seed & 1))
		close(fd);
}

/* Open, bind, attach and close, by several who want the same device */
TEST_F(race, open_close)
{
	close(self->r.b.dev);
	self->r.b.dev = -1;
	RACE(step_open_close, step_open_close, step_open_close);
	EXPECT_EQ(self->pinned, pinned());
	self->r.b.dev = vfio_cdev_open(getenv("TESTDEV0"));
	ASSERT_LE(0, self->r.b.dev);
	EXPECT_EQ(0, vfio_bind(self->r.b.dev, self->r.b.iommufd,
			       &self->r.b.devid));
}

static void step_fork_exit(struct race *race, unsigned int seed)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		ioas_map(race->b.iommufd, race->b.ioas, race->mem, PAGES(4),
			 some_iova(seed), IOMMU_MAP_RW);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
}

/* Mappers that end while others map, unmap and attach */
TEST_F(race, mapper_exits)
{
	RACE(step_fork_exit, step_fork_exit, step_map, step_unmap_all,
	     step_attach_detach);
	ASSERT_EQ(0, vfio_detach(self->r.b.dev));
	EXPECT_NOTHING_LEFT();
}

TEST_HARNESS_MAIN
