// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of every ioctl fails once.  A call that fails for it says
 * ENOMEM and leaves all as it was: what is mapped, pinned and charged, and what
 * the device reaches.  A call that takes something away does not fail.
 */
#include <linux/memfd.h>

#include "fail.h"
#include "iommufd_utils.h"

#define GB	(1024 * MB)
#define IOVA	MB
#define MOST	1000	/* allocations in a call */

struct sweep {
	int fd;
	unsigned int nth;	/* the allocation that fails */
	unsigned int failed;	/* calls that failed for it */
	bool injected;		/* the last call made so many */
	int error;		/* a call failed as it should not */
};

static int sweep_start(struct sweep *s)
{
	*s = (struct sweep){ .fd = fail_nth_open(), .injected = true };
	return s->fd < 0 ? s->fd : 0;
}

/* True until a call came through with nothing left to fail. */
static bool sweep_next(struct sweep *s)
{
	if (!s->injected || s->error)
		return false;
	if (++s->nth > MOST)
		s->error = -E2BIG;
	else
		s->error = fail_nth_arm(s->fd, s->nth);
	return !s->error;
}

/* To be given a call's result: did it fail? */
static bool sweep_failed(struct sweep *s, int rc)
{
	s->injected = fail_nth_disarm(s->fd);
	if (!rc)
		return false;
	s->failed++;
	if (rc != -ENOMEM || !s->injected)
		s->error = rc;
	return true;
}

/* 0 when all failures were ENOMEM, and injected ones. */
static int sweep_end(struct sweep *s)
{
	close(s->fd);
	if (s->error)
		fprintf(stderr, "# at allocation %u\n", s->nth);
	return s->error;
}

FIXTURE(plain)
{
	int fd;
	uint32_t ioas;
	char *mem;
};

FIXTURE_SETUP(plain)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(plain)
{
	close(self->fd);
}

static int open_and_close(void)
{
	int fd = iommu_open();

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Open of /dev/iommu: ENOMEM */
TEST_F(plain, open_enomem)
{
	struct sweep s;

	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s))
		sweep_failed(&s, open_and_close());
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* IOAS_ALLOC: ENOMEM, and no object is left */
TEST_F(plain, ioas_alloc_enomem)
{
	struct sweep s;
	uint32_t id;

	ASSERT_EQ(0, iommu_destroy(self->fd, self->ioas));
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		if (!sweep_failed(&s, ioas_alloc(self->fd, &id)))
			ASSERT_EQ(0, iommu_destroy(self->fd, id));
		/* There is no object, or it would be EBUSY. */
		ASSERT_EQ(0, iommu_set_rlimit_mode(self->fd, 0));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* IOVA_RANGES: ENOMEM */
TEST_F(plain, ranges_enomem)
{
	struct iommu_iova_range range;
	struct sweep s;
	uint32_t num;

	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		num = 1;
		if (!sweep_failed(&s, ioas_ranges(self->fd, self->ioas, &range,
						  &num, NULL)))
			ASSERT_EQ(1, num);
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* MAP without a domain: ENOMEM, and nothing is mapped */
TEST_F(plain, map_enomem)
{
	struct sweep s;
	int64_t left;

	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		left = sweep_failed(&s, ioas_map(self->fd, self->ioas,
						 self->mem, MB, IOVA,
						 IOMMU_MAP_RW)) ? 0 : MB;
		ASSERT_EQ(left, unmap_all(self->fd, self->ioas));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* The same with an IOVA of the kernel's choice */
TEST_F(plain, map_anywhere_enomem)
{
	struct sweep s;
	uint64_t iova;
	int64_t left;

	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		left = sweep_failed(&s, ioas_map_anywhere(self->fd, self->ioas,
							  self->mem, MB, &iova,
							  IOMMU_MAP_RW)) ?
			       0 : MB;
		ASSERT_EQ(left, unmap_all(self->fd, self->ioas));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* COPY, of three mappings: ENOMEM, and nothing is copied */
TEST_F(plain, copy_enomem)
{
	struct sweep s;
	uint32_t dst;
	int64_t left;
	int i;

	ASSERT_EQ(0, ioas_alloc(self->fd, &dst));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem, PAGE,
				      IOVA + PAGES(i), IOMMU_MAP_RW));
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		left = sweep_failed(&s, ioas_copy(self->fd, dst, IOVA,
						  self->ioas, IOVA, PAGES(3),
						  IOMMU_MAP_RW)) ?
			       0 : PAGES(3);
		ASSERT_EQ(left, unmap_all(self->fd, dst));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
	EXPECT_EQ(PAGES(3), unmap_all(self->fd, self->ioas));
}

/* ALLOW_IOVAS: ENOMEM, and the old list stays */
TEST_F(plain, allow_enomem)
{
	const struct iommu_iova_range old = { IOVA, IOVA + PAGE - 1 };
	const struct iommu_iova_range new[] = {
		{ 2 * IOVA, 3 * IOVA }, { 4 * IOVA, 5 * IOVA },
	};
	struct sweep s;
	uint64_t iova;

	ASSERT_EQ(0, sweep_start(&s));
	do {
		ASSERT_EQ(0, ioas_allow(self->fd, self->ioas, &old, 1));
		ASSERT_TRUE(sweep_next(&s));
		if (!sweep_failed(&s, ioas_allow(self->fd, self->ioas, new, 2)))
			continue;
		ASSERT_EQ(0, ioas_map_anywhere(self->fd, self->ioas, self->mem,
					       PAGE, &iova, IOMMU_MAP_RW));
		ASSERT_EQ(IOVA, iova);
		ASSERT_EQ(PAGE, unmap_all(self->fd, self->ioas));
	} while (s.injected && !s.error);
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* HUGE_PAGES does not fail, in either direction. */
TEST_F(plain, huge_pages)
{
	struct sweep s;
	int rc;

	ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem, MB, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, sweep_start(&s));
	do {
		ASSERT_TRUE(sweep_next(&s));
		rc = ioas_set_huge_pages(self->fd, self->ioas, s.nth & 1);
		ASSERT_FALSE(sweep_failed(&s, rc));
	} while (s.injected);
	ASSERT_EQ(0, sweep_end(&s));
}

/* UNMAP without a domain does not fail. */
TEST_F(plain, unmap)
{
	struct sweep s;

	ASSERT_EQ(0, sweep_start(&s));
	do {
		ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem, MB, IOVA,
				      IOMMU_MAP_RW));
		ASSERT_TRUE(sweep_next(&s));
		ASSERT_FALSE(sweep_failed(&s, ioas_unmap(self->fd, self->ioas,
							 IOVA, MB, NULL)));
	} while (s.injected);
	ASSERT_EQ(0, sweep_end(&s));
}

/* DESTROY does not fail. */
TEST_F(plain, destroy)
{
	struct sweep s;

	ASSERT_EQ(0, sweep_start(&s));
	do {
		ASSERT_EQ(0, ioas_map(self->fd, self->ioas, self->mem, MB, IOVA,
				      IOMMU_MAP_RW));
		ASSERT_TRUE(sweep_next(&s));
		ASSERT_FALSE(sweep_failed(&s, iommu_destroy(self->fd,
							    self->ioas)));
		ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	} while (s.injected);
	ASSERT_EQ(0, sweep_end(&s));
}

/* The memory is in 256 pieces, and the process pays for it. */
#define SMALL_PAGES	256

FIXTURE(domain)
{
	struct bound b;
	char *mem;
	char *huge;
	long pinned;
	long locked;
};

FIXTURE_SETUP(domain)
{
	const char *bdf = REQUIRE_DEVICE("TESTDEV0");
	struct bound *b = &self->b;
	char *va;

	REQUIRE_IOMMU();
	b->iommufd = iommu_open();
	ASSERT_LE(0, b->iommufd);
	ASSERT_EQ(0, iommu_set_rlimit_mode(b->iommufd, 1));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, set_memlock(64 * MB));
	b->dev = vfio_cdev_open(bdf);
	ASSERT_LE(0, b->dev);
	ASSERT_EQ(0, vfio_bind(b->dev, b->iommufd, &b->devid));
	ASSERT_EQ(0, ioas_alloc(b->iommufd, &b->ioas));

	va = alloc_memory(4 * HUGE);
	ASSERT_NE(NULL, va);
	self->huge = (char *)(((uintptr_t)va + HUGE - 1) & -HUGE);
	memset(self->huge, 1, 2 * HUGE);
	self->mem = alloc_memory(PAGES(SMALL_PAGES));
	ASSERT_NE(NULL, self->mem);
	madvise(self->mem, PAGES(SMALL_PAGES), MADV_NOHUGEPAGE);
	memset(self->mem, 1, PAGES(SMALL_PAGES));
	self->pinned = pinned();
	self->locked = locked();
}

FIXTURE_TEARDOWN(domain)
{
	teardown_bound(&self->b);
}

#define MAP_VA(va, iova, length) \
	ioas_map(self->b.iommufd, self->b.ioas, va, length, iova, IOMMU_MAP_RW)
#define MAP(iova, n)	MAP_VA(self->mem, iova, PAGES(n))
#define UNMAP(iova, length) \
	ioas_unmap(self->b.iommufd, self->b.ioas, iova, length, NULL)
#define UNMAP_ALL()	unmap_all(self->b.iommufd, self->b.ioas)
#define ATTACH()	attach(&self->b, self->b.ioas)
#define DETACH()	vfio_detach(self->b.dev)

#define ASSERT_PINNED(bytes) do {					\
	long __bytes = (bytes);						\
									\
	ASSERT_EQ(self->pinned + __bytes, pinned());			\
	ASSERT_EQ(self->locked + __bytes, locked());			\
} while (0)

/* MAP with a domain: ENOMEM, nothing is mapped, pinned or charged */
TEST_F_TIMEOUT(domain, map_enomem, 120)
{
	const uint64_t length = PAGES(SMALL_PAGES);
	/* Elsewhere each time, so that page tables are needed each time. */
	uint64_t iova = IOVA;
	struct sweep s;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		if (sweep_failed(&s, MAP(iova, SMALL_PAGES))) {
			ASSERT_EQ(-ENOENT, UNMAP(iova, length));
		} else {
			ASSERT_PINNED(length);
			ASSERT_EQ(0, UNMAP(iova, length));
		}
		ASSERT_PINNED(0);
		iova += GB;
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* The same with huge pages */
TEST_F_TIMEOUT(domain, map_huge_enomem, 120)
{
	uint64_t iova = HUGE;
	struct sweep s;
	int rc;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		rc = sweep_failed(&s, MAP_VA(self->huge, iova, 2 * HUGE)) ?
			     -ENOENT : 0;
		ASSERT_EQ(rc, UNMAP(iova, 2 * HUGE));
		ASSERT_PINNED(0);
		iova += GB;
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* The same with memory that the program never touched */
TEST_F_TIMEOUT(domain, map_untouched_enomem, 120)
{
	struct sweep s;
	char *va;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, sweep_start(&s));
	do {
		va = alloc_memory(PAGES(4));
		ASSERT_NE(NULL, va);
		ASSERT_TRUE(sweep_next(&s));
		if (!sweep_failed(&s, MAP_VA(va, IOVA, PAGES(4))))
			ASSERT_EQ(0, UNMAP(IOVA, PAGES(4)));
		ASSERT_EQ(0, UNMAP_ALL());
		ASSERT_PINNED(0);
		ASSERT_EQ(0, munmap(va, PAGES(4)));
	} while (s.injected && !s.error);
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* COPY into a domain: ENOMEM, what it shares stays pinned, and no more */
TEST_F_TIMEOUT(domain, copy_enomem, 120)
{
	const uint64_t length = PAGES(SMALL_PAGES);
	uint64_t iova = IOVA;
	struct sweep s;
	uint32_t src;
	int rc;

	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &src));
	ASSERT_EQ(0, ioas_map(self->b.iommufd, src, self->mem, length, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, ATTACH());
	/* A part in the middle that is pinned already */
	ASSERT_EQ(0, ioas_copy(self->b.iommufd, self->b.ioas, GB / 2, src,
			       IOVA + PAGES(50), PAGES(7), IOMMU_MAP_RW));
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		iova += GB;
		rc = sweep_failed(&s, ioas_copy(self->b.iommufd, self->b.ioas,
						iova, src, IOVA, length,
						IOMMU_MAP_RW)) ? -ENOENT : 0;
		if (!rc)
			ASSERT_PINNED(length);
		ASSERT_EQ(rc, UNMAP(iova, length));
		ASSERT_PINNED(PAGES(7));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
	EXPECT_EQ(PAGES(7), UNMAP_ALL());
	ASSERT_PINNED(0);
}

/* MAP_FILE: ENOMEM, also for a hole; nothing is mapped, pinned or charged */
TEST_F_TIMEOUT(domain, map_file_enomem, 120)
{
	const uint64_t length = PAGES(32);
	uint64_t iova = IOVA;
	struct sweep s;
	int fd, rc;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, sweep_start(&s));
	do {
		iova += GB;
		fd = memfd_create("file", MFD_ALLOW_SEALING);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ftruncate(fd, length));
		ASSERT_TRUE(sweep_next(&s));
		rc = sweep_failed(&s, ioas_map_file(self->b.iommufd,
						    self->b.ioas, fd, 0, length,
						    iova, IOMMU_MAP_RW)) ?
			     -ENOENT : 0;
		ASSERT_PINNED(rc ? 0 : length);
		ASSERT_EQ(rc, UNMAP(iova, length));
		ASSERT_PINNED(0);
		/* No one may write to it any more. */
		ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
		close(fd);
	} while (s.injected && !s.error);
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* HWPT_ALLOC, and its first attach: ENOMEM, no HWPT is left, nothing pinned */
TEST_F_TIMEOUT(domain, hwpt_enomem, 120)
{
	struct sweep s;
	uint32_t id;

	ASSERT_EQ(0, MAP(IOVA, SMALL_PAGES));
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		if (!sweep_failed(&s, hwpt_alloc(self->b.iommufd, self->b.devid,
						 self->b.ioas, &id)))
			ASSERT_EQ(0, iommu_destroy(self->b.iommufd, id));
		ASSERT_PINNED(0);
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);

	ASSERT_EQ(0, sweep_start(&s));
	do {
		ASSERT_EQ(0, hwpt_alloc(self->b.iommufd, self->b.devid,
					self->b.ioas, &id));
		ASSERT_TRUE(sweep_next(&s));
		if (sweep_failed(&s, attach(&self->b, id))) {
			ASSERT_PINNED(0);
			/* It is as good as before. */
			ASSERT_EQ(0, attach(&self->b, id));
		}
		ASSERT_PINNED(PAGES(SMALL_PAGES));
		ASSERT_EQ(0, DETACH());
		ASSERT_EQ(0, iommu_destroy(self->b.iommufd, id));
		ASSERT_PINNED(0);
	} while (s.injected && !s.error);
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, self->b.ioas));
}

/* CHANGE_PROCESS: ENOMEM, and what was moved before is moved back */
TEST_F_TIMEOUT(domain, change_process_enomem, 120)
{
	int fd, rc, status;
	struct sweep s;
	long paid = 0;	/* by the child */
	pid_t pid;

	fd = memfd_create("file", 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, MB));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ioas_map_file(self->b.iommufd, self->b.ioas, fd, 0,
				   PAGES(4), IOVA, IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_map_file(self->b.iommufd, self->b.ioas, fd, 0,
				   PAGES(3), 2 * IOVA, IOMMU_MAP_RW));
	ASSERT_PINNED(PAGES(7));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (sweep_start(&s))
			_exit(1);
		while (sweep_next(&s)) {
			rc = iommu_change_process(self->b.iommufd);
			if (!sweep_failed(&s, rc))
				paid = PAGES(7);
			if (locked() != paid || pinned() != paid)
				s.error = -EBADE;
		}
		_exit(sweep_end(&s) || !s.failed);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_PINNED(0);
	EXPECT_EQ(PAGES(7), UNMAP_ALL());
}

/*
 * A MAP that fails for want of a page table takes nothing away from its
 * neighbour behind that table's end.
 *
 *        |- - - - - - - |MAP: fails|neighbour|        |
 *   4 MiB * n      + 1 MiB      + 2 MiB          + 4 MiB
 */
TEST_F_TIMEOUT(domain, map_enomem_keeps_neighbour, 120)
{
	uint64_t base = 0;
	struct sweep s;
	struct edu edu;

	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, self->b.ioas));
	ASSERT_EQ(0, sweep_start(&s));
	do {
		base += 4 * MB;
		ASSERT_EQ(0, MAP(base + 2 * MB, 2));
		ASSERT_TRUE(sweep_next(&s));
		if (!sweep_failed(&s, MAP(base + MB, SMALL_PAGES)))
			continue;
		memset(self->mem, s.nth, 16);
		memset(self->mem + PAGE, 0, 16);
		ASSERT_EQ(0, edu_copy(&edu, base + 2 * MB,
				      base + 2 * MB + PAGE, 16));
		ASSERT_EQ(0, memcmp(self->mem, self->mem + PAGE, 16));
	} while (s.injected && !s.error);
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
	teardown_edu(&edu);
	EXPECT_LT(0, UNMAP_ALL());
	ASSERT_PINNED(0);
}

/* UNMAP with a domain does not fail. */
TEST_F(domain, unmap)
{
	struct sweep s;

	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, sweep_start(&s));
	do {
		ASSERT_EQ(0, MAP(IOVA, SMALL_PAGES));
		ASSERT_TRUE(sweep_next(&s));
		ASSERT_FALSE(sweep_failed(&s, UNMAP(IOVA,
						    PAGES(SMALL_PAGES))));
		ASSERT_PINNED(0);
	} while (s.injected);
	ASSERT_EQ(0, sweep_end(&s));
}

/* Attach: ENOMEM, nothing is pinned, charged or reserved */
TEST_F_TIMEOUT(domain, attach_enomem, 120)
{
	struct sweep s;

	ASSERT_EQ(0, MAP(IOVA, SMALL_PAGES));
	ASSERT_EQ(0, MAP_VA(self->huge, 4 * HUGE, 2 * HUGE));
	ASSERT_EQ(0, MAP(GB, 1));
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		if (sweep_failed(&s, ATTACH())) {
			ASSERT_PINNED(0);
			ASSERT_EQ(0, MAP(MSI_START, 1));
			ASSERT_EQ(0, UNMAP(MSI_START, PAGE));
		} else {
			ASSERT_PINNED(PAGES(SMALL_PAGES + 1) + 2 * HUGE);
			ASSERT_EQ(0, DETACH());
			ASSERT_PINNED(0);
		}
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

/* Replace: ENOMEM, and the old IOAS is still what the device is attached to */
TEST_F_TIMEOUT(domain, replace_enomem, 120)
{
	struct sweep s;
	uint32_t other;

	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &other));
	ASSERT_EQ(0, ioas_map(self->b.iommufd, other, self->mem,
			      PAGES(SMALL_PAGES), IOVA, IOMMU_MAP_RW));
	ASSERT_EQ(0, MAP(IOVA, 3));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		if (!sweep_failed(&s, attach(&self->b, other))) {
			ASSERT_PINNED(PAGES(SMALL_PAGES));
			ASSERT_EQ(0, ATTACH());
		}
		ASSERT_PINNED(PAGES(3));
		ASSERT_EQ(-EBUSY, iommu_destroy(self->b.iommufd, self->b.ioas));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
	ASSERT_EQ(0, iommu_destroy(self->b.iommufd, other));
}

static int set_compat(int fd, uint32_t ioas)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = ioas,
	};

	return xioctl(fd, IOMMU_VFIO_IOAS, &cmd);
}

/* VFIO_IOMMU_GET_INFO: ENOMEM */
TEST_F(domain, vfio_get_info_enomem)
{
	struct vfio_iommu_type1_info info;
	struct sweep s;

	ASSERT_EQ(0, set_compat(self->b.iommufd, self->b.ioas));
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		info.argsz = sizeof(info);
		sweep_failed(&s, xioctl(self->b.iommufd, VFIO_IOMMU_GET_INFO,
					&info));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(1, s.failed);
}

/* VFIO_IOMMU_UNMAP_DMA that cuts a mapping twice: ENOMEM, and all stays mapped */
TEST_F_TIMEOUT(domain, vfio_unmap_part_enomem, 120)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap) };
	struct sweep s;
	int rc;

	ASSERT_EQ(0, set_compat(self->b.iommufd, self->b.ioas));
	ASSERT_EQ(0, xioctl(self->b.iommufd, VFIO_SET_IOMMU,
			    (void *)VFIO_TYPE1_IOMMU));
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(IOVA, 8));
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		unmap.iova = IOVA + PAGES(3);
		unmap.size = PAGES(2);
		rc = xioctl(self->b.iommufd, VFIO_IOMMU_UNMAP_DMA, &unmap);
		if (sweep_failed(&s, rc)) {
			ASSERT_PINNED(PAGES(8));
			ASSERT_EQ(-EEXIST, MAP(IOVA + PAGES(3), 1));
			ASSERT_EQ(-EEXIST, MAP(IOVA + PAGES(4), 1));
			continue;
		}
		ASSERT_EQ(PAGES(2), unmap.size);
		ASSERT_PINNED(PAGES(6));
		ASSERT_EQ(PAGES(6), UNMAP_ALL());
		ASSERT_EQ(0, MAP(IOVA, 8));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(1, s.failed);
	EXPECT_EQ(PAGES(8), UNMAP_ALL());
	ASSERT_PINNED(0);
}

/* Detach does not fail. */
TEST_F(domain, detach)
{
	struct sweep s;

	ASSERT_EQ(0, MAP(IOVA, SMALL_PAGES));
	ASSERT_EQ(0, sweep_start(&s));
	do {
		ASSERT_EQ(0, ATTACH());
		ASSERT_TRUE(sweep_next(&s));
		ASSERT_FALSE(sweep_failed(&s, DETACH()));
		ASSERT_PINNED(0);
	} while (s.injected);
	ASSERT_EQ(0, sweep_end(&s));
}

static int reopen(struct bound *b)
{
	b->dev = vfio_cdev_open(getenv("TESTDEV0"));
	return b->dev < 0 ? b->dev : 0;
}

/* Nor does the close of an attached device. */
TEST_F_TIMEOUT(domain, close_device, 120)
{
	struct bound *b = &self->b;
	struct sweep s;

	ASSERT_EQ(0, MAP(IOVA, SMALL_PAGES));
	ASSERT_EQ(0, sweep_start(&s));
	do {
		ASSERT_EQ(0, ATTACH());
		ASSERT_TRUE(sweep_next(&s));
		ASSERT_FALSE(sweep_failed(&s, close(b->dev)));
		ASSERT_PINNED(0);
		ASSERT_EQ(0, reopen(b));
		ASSERT_EQ(0, vfio_bind(b->dev, b->iommufd, &b->devid));
	} while (s.injected);
	ASSERT_EQ(0, sweep_end(&s));
}

/* BIND: ENOMEM, the device stays unbound, and can be bound by the same file */
TEST_F_TIMEOUT(domain, bind_enomem, 120)
{
	struct bound *b = &self->b;
	struct sweep s;

	close(b->dev);
	ASSERT_EQ(0, reopen(b));
	ASSERT_EQ(0, sweep_start(&s));
	while (sweep_next(&s)) {
		if (sweep_failed(&s, vfio_bind(b->dev, b->iommufd,
					       &b->devid))) {
			ASSERT_EQ(-EINVAL, ATTACH());
			continue;
		}
		ASSERT_EQ(0, ATTACH());
		close(b->dev);
		ASSERT_EQ(0, reopen(b));
	}
	ASSERT_EQ(0, sweep_end(&s));
	EXPECT_LT(0, s.failed);
}

TEST_HARNESS_MAIN
