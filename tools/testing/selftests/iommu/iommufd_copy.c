// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_COPY: the same memory at another address, or in another IOAS.
 *
 *   memory     |  A  A  A  A |  B  B |           |  C |
 *   source     +-------------+-------+- nothing -+----+
 *   offset     0             4       6           8    9   pages from IOVA
 *              read, write     read                read, write
 */
#include "iommufd_utils.h"

#define IOVA	MB
#define RO	IOMMU_IOAS_MAP_READABLE
#define RW	IOMMU_MAP_RW

FIXTURE(copy)
{
	int fd;
	uint32_t src;
	uint32_t dst;
	char *mem;
};

#define MAP(at, n, flags) ({						\
	uint64_t __at = PAGES(at);					\
									\
	ioas_map(self->fd, self->src, self->mem + __at, PAGES(n),	\
		 IOVA + __at, flags);					\
})
/* Of pages; to the same place in the other IOAS, or to another. */
#define COPY_TO(iova, at, n, flags)					\
	ioas_copy(self->fd, self->dst, iova, self->src,			\
		  IOVA + PAGES(at), PAGES(n), flags)
#define COPY(at, n, flags) ({						\
	uint64_t __at = at;						\
									\
	COPY_TO(IOVA + PAGES(__at), __at, n, flags);			\
})
#define EXPECT_DST_EMPTY()	EXPECT_EQ(0, unmap_all(self->fd, self->dst))
#define EXPECT_SRC_WHOLE()						\
	EXPECT_EQ(PAGES(7), unmap_all(self->fd, self->src))

FIXTURE_SETUP(copy)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->src));
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->dst));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, MAP(0, 4, RW));
	ASSERT_EQ(0, MAP(4, 2, RO));
	ASSERT_EQ(0, MAP(8, 1, RW));
}

FIXTURE_TEARDOWN(copy)
{
	close(self->fd);
}

/* A source range that is not wholly mapped: ENOENT, and nothing is copied */
TEST_F(copy, unmapped_enoent)
{
	EXPECT_EQ(-ENOENT, COPY(6, 1, RO));
	EXPECT_EQ(-ENOENT, COPY(5, 2, RO));
	EXPECT_EQ(-ENOENT, COPY(7, 2, RO));
	EXPECT_EQ(-ENOENT, COPY(0, 9, RO));
	EXPECT_EQ(-ENOENT, COPY(8, 2, RO));
	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, self->dst, 0, self->src,
				     IOVA - 1, 2, RO));
	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, self->dst, 0, self->src,
				     IOVA + PAGES(6) - 1, 2, RO));
	EXPECT_DST_EMPTY();
	EXPECT_SRC_WHOLE();
	EXPECT_EQ(-ENOENT, COPY(0, 1, RO));
}

/* The same at either end of all addresses, where first - 1 and last + 1 wrap */
TEST_F(copy, unmapped_at_the_ends_enoent)
{
	uint64_t top = -PAGE;

	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, self->dst, PAGE, self->src,
				     0, PAGE, RO));
	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, self->dst, PAGE, self->src,
				     0, IOVA + PAGE, RO));
	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, self->dst, PAGE, self->src,
				     top, PAGE, RO));
	EXPECT_DST_EMPTY();

	ASSERT_EQ(0, ioas_map(self->fd, self->src, self->mem, PAGE, 0, RW));
	ASSERT_EQ(0, ioas_map(self->fd, self->src, self->mem, PAGE, top, RW));
	EXPECT_EQ(0, ioas_copy(self->fd, self->dst, top, self->src, 0, PAGE,
			       RO));
	EXPECT_EQ(0, ioas_copy(self->fd, self->dst, 0, self->src, top, PAGE,
			       RO));
	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, self->dst, IOVA, self->src, 0,
				     PAGE + 1, RO));
	EXPECT_EQ(PAGES(2), unmap_all(self->fd, self->dst));
}

/* A copy that may write, of what is mapped read-only: EPERM, nothing copied */
TEST_F(copy, read_only_eperm)
{
	EXPECT_EQ(-EPERM, COPY(4, 2, RW));
	EXPECT_EQ(-EPERM, COPY(5, 1, IOMMU_IOAS_MAP_WRITEABLE));
	EXPECT_EQ(-EPERM, COPY(3, 2, RW));
	EXPECT_EQ(-EPERM, COPY(0, 6, RW));
	EXPECT_DST_EMPTY();
	EXPECT_EQ(0, COPY(0, 6, RO));
	EXPECT_EQ(PAGES(6), unmap_all(self->fd, self->dst));
	EXPECT_SRC_WHOLE();
}

/* Neither READABLE nor WRITEABLE: EINVAL; length 0, or one too long: EINVAL */
TEST_F(copy, einval)
{
	EXPECT_EQ(-EINVAL, COPY(0, 1, 0));
	EXPECT_EQ(-EINVAL, COPY(0, 0, RO));
	EXPECT_EQ(-EINVAL, ioas_copy(self->fd, self->dst, 0, self->src, 0,
				     UINT64_MAX - PAGE + 1, RO));
	EXPECT_DST_EMPTY();
}

/* An IOVA or a length of ULONG_MAX, and what wraps: EOVERFLOW */
TEST_F(copy, eoverflow)
{
	EXPECT_EQ(-EOVERFLOW, COPY_TO(UINT64_MAX, 0, 1, RO));
	EXPECT_EQ(-EOVERFLOW, ioas_copy(self->fd, self->dst, 0, self->src,
					IOVA, UINT64_MAX, RO));
	EXPECT_EQ(-EOVERFLOW, ioas_copy(self->fd, self->dst, 0, self->src,
					UINT64_MAX, 1, RO));
	EXPECT_EQ(-EOVERFLOW, ioas_copy(self->fd, self->dst, 0, self->src,
					-PAGE, PAGES(2), RO));
	EXPECT_EQ(-EOVERFLOW, COPY_TO(-PAGE, 0, 2, RO));
	EXPECT_DST_EMPTY();
}

/* An id that is no IOAS, at either end: ENOENT */
TEST_F(copy, unknown_ioas_enoent)
{
	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, NO_ID, IOVA, self->src, IOVA,
				     PAGE, RO));
	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, self->dst, IOVA, NO_ID, IOVA,
				     PAGE, RO));
	EXPECT_EQ(-ENOENT, ioas_copy(self->fd, 0, IOVA, 0, IOVA, PAGE, RO));
	EXPECT_DST_EMPTY();
}

/* Flags, overflow, permission, ids, and only then the rest */
TEST_F(copy, order_of_checks)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = 1U << 31,
		.dst_ioas_id = NO_ID,
		.src_ioas_id = NO_ID,
		.length = UINT64_MAX,
	};
	int bit;

	for (bit = 3; bit < 32; bit++) {
		cmd.flags = RW | 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_IOAS_COPY, &cmd));
	}
	cmd.flags = 0;
	EXPECT_EQ(-EOVERFLOW, xioctl(self->fd, IOMMU_IOAS_COPY, &cmd));
	cmd.length = 0;
	EXPECT_EQ(-EINVAL, xioctl(self->fd, IOMMU_IOAS_COPY, &cmd));
	cmd.flags = RO;
	EXPECT_EQ(-ENOENT, xioctl(self->fd, IOMMU_IOAS_COPY, &cmd));
	cmd.dst_ioas_id = self->dst;
	EXPECT_EQ(-ENOENT, xioctl(self->fd, IOMMU_IOAS_COPY, &cmd));
	cmd.src_ioas_id = self->src;
	EXPECT_EQ(-EINVAL, xioctl(self->fd, IOMMU_IOAS_COPY, &cmd));
}

/* Onto a mapping: EEXIST, also where the source itself is; nothing changes */
TEST_F(copy, overlap_eexist)
{
	ASSERT_EQ(0, COPY(0, 4, RW));
	EXPECT_EQ(-EEXIST, COPY(0, 4, RW));
	EXPECT_EQ(-EEXIST, COPY_TO(IOVA + PAGES(3), 0, 2, RW));
	EXPECT_EQ(-EEXIST, COPY_TO(IOVA - PAGE, 0, 2, RW));
	EXPECT_EQ(PAGES(4), unmap_all(self->fd, self->dst));
	EXPECT_EQ(-EEXIST, ioas_copy(self->fd, self->src, IOVA + PAGE,
				     self->src, IOVA, PAGE, RW));
	EXPECT_SRC_WHOLE();
}

/* Within one IOAS */
TEST_F(copy, same_ioas)
{
	ASSERT_EQ(0, ioas_copy(self->fd, self->src, 2 * IOVA, self->src, IOVA,
			       PAGES(6), RO));
	/* Read-only as a copy, but the memory is writable as far as it was. */
	EXPECT_EQ(0, ioas_copy(self->fd, self->src, 3 * IOVA, self->src,
			       2 * IOVA, PAGES(6), RO));
	EXPECT_EQ(PAGES(7 + 12), unmap_all(self->fd, self->src));
}

/* Any part, of one mapping or of several that adjoin, down to a byte */
TEST_F(copy, any_part)
{
	uint64_t length;

	EXPECT_EQ(0, COPY_TO(0, 3, 2, RO));
	EXPECT_EQ(0, ioas_copy(self->fd, self->dst, 77 * PAGE + 5, self->src,
			       IOVA + PAGES(4) - 3, 7, RO));
	EXPECT_EQ(0, ioas_copy(self->fd, self->dst, IOVA, self->src,
			       IOVA + PAGES(9) - 1, 1, RW));
	/* What came of two mappings is two mappings. */
	EXPECT_EQ(-ENOENT, ioas_unmap(self->fd, self->dst, 0, PAGE - 1, NULL));
	EXPECT_EQ(0, ioas_unmap(self->fd, self->dst, 0, PAGE, &length));
	EXPECT_EQ(PAGE, length);
	EXPECT_EQ(0, ioas_unmap(self->fd, self->dst, PAGE, PAGE, &length));
	EXPECT_EQ(PAGE, length);
	EXPECT_EQ(0, ioas_unmap(self->fd, self->dst, 77 * PAGE + 5, 7,
				&length));
	EXPECT_EQ(7, length);
	EXPECT_EQ(1, unmap_all(self->fd, self->dst));
}

/* An IOVA of the kernel's choice: free, not 0, with the memory's page offset */
TEST_F(copy, anywhere)
{
	uint64_t iova[16];
	int i, j;

	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, ioas_copy_anywhere(self->fd, self->dst, &iova[i],
						self->src, IOVA + i,
						PAGES(5), RO));
		EXPECT_NE(0, iova[i]);
		EXPECT_EQ(i, iova[i] % PAGE);
		for (j = 0; j < i; j++)
			EXPECT_TRUE(iova[i] >= iova[j] + PAGES(5) ||
				    iova[j] >= iova[i] + PAGES(5));
	}
	EXPECT_EQ(16 * PAGES(5), unmap_all(self->fd, self->dst));
}

/* A copy outlives its source, and can be copied. */
TEST_F(copy, source_goes)
{
	ASSERT_EQ(0, COPY(0, 6, RO));
	ASSERT_EQ(0, iommu_destroy(self->fd, self->src));
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->src));
	EXPECT_EQ(0, ioas_copy(self->fd, self->src, 0, self->dst,
			       IOVA + PAGES(2), PAGES(3), RO));
	EXPECT_EQ(PAGES(6), unmap_all(self->fd, self->dst));
	EXPECT_EQ(PAGES(3), unmap_all(self->fd, self->src));
}

/* A reply that cannot be written: EFAULT, and nothing is copied */
TEST_F(copy, reply_efault)
{
	struct iommu_ioas_copy *cmd = alloc_memory(PAGE);

	ASSERT_NE(NULL, cmd);
	*cmd = (struct iommu_ioas_copy){
		.size = sizeof(*cmd),
		.flags = RO,
		.dst_ioas_id = self->dst,
		.src_ioas_id = self->src,
		.length = PAGES(6),
		.src_iova = IOVA,
	};
	ASSERT_EQ(0, mprotect(cmd, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(self->fd, IOMMU_IOAS_COPY, cmd));
	EXPECT_DST_EMPTY();
	EXPECT_SRC_WHOLE();
}

/*
 * With devices: the testdev is attached to one IOAS, the edu to another, which
 * is what is copied to.
 */
FIXTURE(dma)
{
	struct bound b;
	struct edu edu;
	uint32_t other;
	char *mem;
	long pinned;
};

FIXTURE_SETUP(dma)
{
	SETUP_BOUND(&self->b);
	SETUP_EDU(&self->edu, &self->b);
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &self->other));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	self->pinned = pinned();
}

FIXTURE_TEARDOWN(dma)
{
	teardown_edu(&self->edu);
	teardown_bound(&self->b);
}

#define MAP_PAGES(n)							\
	ioas_map(self->b.iommufd, self->b.ioas, self->mem, PAGES(n), IOVA, RW)
#define COPY_OVER(iova, from, n, flags)					\
	ioas_copy(self->b.iommufd, self->other, iova, self->b.ioas,	\
		  IOVA + PAGES(from), PAGES(n), flags)
#define UNMAP_SRC()	unmap_all(self->b.iommufd, self->b.ioas)
#define UNMAP_DST()	unmap_all(self->b.iommufd, self->other)
#define ATTACH()	attach(&self->b, self->b.ioas)
#define ATTACH_EDU()	attach_edu(&self->edu, self->other)
#define EXPECT_PINNED(n)						\
	EXPECT_EQ(self->pinned + (long)PAGES(n), pinned())

/* A copy leads to the same bytes; they are pinned and counted once. */
TEST_F(dma, copy_pins_once)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, MAP_PAGES(4));
	EXPECT_PINNED(4);
	ASSERT_EQ(0, COPY_OVER(2 * IOVA, 0, 4, RW));
	ASSERT_EQ(0, COPY_OVER(3 * IOVA, 1, 2, RW));
	EXPECT_PINNED(4);
	EXPECT_TRUE(dma_works(&self->edu, self->mem, 2 * IOVA));
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGE, 3 * IOVA));

	EXPECT_EQ(PAGES(4), UNMAP_SRC());
	EXPECT_PINNED(4);
	EXPECT_TRUE(dma_works(&self->edu, self->mem, 2 * IOVA));
	/* What is left is all that is pinned. */
	EXPECT_EQ(0, ioas_unmap(self->b.iommufd, self->other, 2 * IOVA,
				PAGES(4), NULL));
	EXPECT_PINNED(2);
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGE, 3 * IOVA));
	EXPECT_EQ(PAGES(2), UNMAP_DST());
	EXPECT_PINNED(0);
}

/* Only what a domain shows is pinned: of a copied part, that part. */
TEST_F(dma, copy_pins_its_part)
{
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, MAP_PAGES(16));
	EXPECT_PINNED(0);
	ASSERT_EQ(0, COPY_OVER(2 * IOVA, 5, 3, RW));
	EXPECT_PINNED(3);
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGES(5), 2 * IOVA));
	ASSERT_EQ(0, ATTACH());
	EXPECT_PINNED(16);
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_PINNED(3);
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGES(5), 2 * IOVA));
	EXPECT_EQ(PAGES(3), UNMAP_DST());
	EXPECT_PINNED(0);
}

/*
 * A copy of what is pinned, and the attach of a further domain to it, look
 * nothing up: the process's memory is not there any more, so that a look would
 * be EFAULT, and what replaced it is not what the device reaches.
 */
TEST_F(dma, copy_does_not_pin_again)
{
	char out[64];

	memset(self->mem, 0x5a, PAGE);
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP_PAGES(4));
	ASSERT_EQ(0, munmap(self->mem, PAGES(4)));

	ASSERT_EQ(0, COPY_OVER(2 * IOVA, 0, 4, RW));
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, COPY_OVER(3 * IOVA, 0, 4, RW));
	EXPECT_PINNED(4);
	/* Into memory that can be seen */
	ASSERT_EQ(0, ioas_map(self->b.iommufd, self->other,
			      self->mem + PAGES(8), PAGE, 4 * IOVA, RW));
	ASSERT_EQ(0, edu_copy(&self->edu, 2 * IOVA, 4 * IOVA, 64));
	memset(out, 0x5a, sizeof(out));
	EXPECT_EQ(0, memcmp(self->mem + PAGES(8), out, sizeof(out)));
	ASSERT_EQ(0, edu_copy(&self->edu, 3 * IOVA, 4 * IOVA + 64, 64));
	EXPECT_EQ(0, memcmp(self->mem + PAGES(8) + 64, out, sizeof(out)));
	/* A MAP would look. */
	EXPECT_EQ(-EFAULT, ioas_map(self->b.iommufd, self->other, self->mem,
				    PAGE, 5 * IOVA, RW));
}

/* Nor is the process needed that mapped; without any pin it is: EFAULT. */
TEST_F(dma, mapper_gone)
{
	pid_t pid;
	int status;

	ASSERT_EQ(0, ATTACH());
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-MAP_PAGES(2));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, ATTACH_EDU());
	EXPECT_EQ(0, COPY_OVER(2 * IOVA, 0, 2, RW));
	EXPECT_EQ(0, edu_copy(&self->edu, 2 * IOVA, 2 * IOVA + PAGE, 64));
	EXPECT_EQ(PAGES(2), UNMAP_DST());
	/* Now the last pin goes. */
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(-EFAULT, COPY_OVER(2 * IOVA, 0, 2, RW));
	EXPECT_EQ(0, UNMAP_DST());
	EXPECT_EQ(-EFAULT, ATTACH());
}

/* A read-only copy of writable memory: the device cannot write by it. */
TEST_F(dma, read_only_copy)
{
	ASSERT_EQ(0, ATTACH_EDU());
	ASSERT_EQ(0, MAP_PAGES(1));
	ASSERT_EQ(0, COPY_OVER(2 * IOVA, 0, 1, RO));
	ASSERT_EQ(0, COPY_OVER(3 * IOVA, 0, 1, RW));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, 2 * IOVA));
	fill(self->mem, 64, 1);
	EXPECT_EQ(0, edu_copy(&self->edu, 2 * IOVA, 3 * IOVA + 64, 64));
	EXPECT_EQ(0, memcmp(self->mem, self->mem + 64, 64));
}

/* The destination's limits: unaligned or reserved is EINVAL, nothing stays */
TEST_F(dma, limits_einval)
{
	ASSERT_EQ(0, MAP_PAGES(4));
	ASSERT_EQ(0, ATTACH_EDU());
	EXPECT_EQ(-EINVAL, COPY_OVER(2 * IOVA + 1, 0, 1, RW));
	EXPECT_EQ(-EINVAL, ioas_copy(self->b.iommufd, self->other, 2 * IOVA,
				     self->b.ioas, IOVA + 1, PAGE, RW));
	EXPECT_EQ(-EINVAL, ioas_copy(self->b.iommufd, self->other, 2 * IOVA,
				     self->b.ioas, IOVA, PAGE - 1, RW));
	EXPECT_EQ(-EINVAL, COPY_OVER(MSI_START, 0, 1, RW));
	EXPECT_EQ(-EINVAL, COPY_OVER(MSI_START - PAGE, 0, 2, RW));
	EXPECT_EQ(0, UNMAP_DST());
	EXPECT_PINNED(0);
}

/* A copy whose memory cannot be pinned: EFAULT, and the source stays as it is */
TEST_F(dma, no_memory_efault)
{
	ASSERT_EQ(0, MAP_PAGES(4));
	ASSERT_EQ(0, munmap(self->mem + PAGES(2), PAGE));
	ASSERT_EQ(0, ATTACH_EDU());
	EXPECT_EQ(-EFAULT, COPY_OVER(2 * IOVA, 0, 4, RW));
	EXPECT_PINNED(0);
	EXPECT_EQ(0, COPY_OVER(2 * IOVA, 0, 2, RW));
	EXPECT_PINNED(2);
	EXPECT_EQ(PAGES(2), UNMAP_DST());
	EXPECT_EQ(PAGES(4), UNMAP_SRC());
}

TEST_HARNESS_MAIN
