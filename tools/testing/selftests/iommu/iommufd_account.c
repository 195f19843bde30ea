// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who pays for pinned memory, and that each payer gets everything back.
 *
 * Each test is a user of its own, without the capability that lifts the limit
 * unless it says otherwise, and may lock 16 pages.  In mode 0 the user pays, in
 * mode 1 the process does, as VmLck in /proc/self/status shows.  VmPin counts
 * in both.
 */
#include "iommufd_utils.h"

#define IOVA		MB
#define LIMIT		16		/* pages */
#define FIRST_UID	40000

FIXTURE(account)
{
	struct bound b;
	char *mem;
	long pinned;	/* before any MAP */
	long locked;
};

FIXTURE_VARIANT(account)
{
	uint64_t mode;
	int uid;	/* each variant is a user of its own */
};

FIXTURE_VARIANT_ADD(account, user)
{
	.mode = 0,
	.uid = FIRST_UID,
};

FIXTURE_VARIANT_ADD(account, process)
{
	.mode = 1,
	.uid = FIRST_UID + 1,
};

FIXTURE_SETUP(account)
{
	const char *bdf = REQUIRE_DEVICE("TESTDEV0");
	struct bound *b = &self->b;

	REQUIRE_IOMMU();
	b->iommufd = iommu_open();
	ASSERT_LE(0, b->iommufd);
	ASSERT_EQ(0, iommu_set_rlimit_mode(b->iommufd, variant->mode));
	b->dev = vfio_cdev_open(bdf);
	ASSERT_LE(0, b->dev);
	ASSERT_EQ(0, vfio_bind(b->dev, b->iommufd, &b->devid));
	ASSERT_EQ(0, ioas_alloc(b->iommufd, &b->ioas));

	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	self->pinned = pinned();
	self->locked = locked();
	ASSERT_LE(0, self->pinned);
	ASSERT_LE(0, self->locked);
	ASSERT_EQ(0, set_memlock(PAGES(LIMIT)));
}

FIXTURE_TEARDOWN(account)
{
	teardown_bound(&self->b);
}

#define MAP(iova, npages)						\
	ioas_map(self->b.iommufd, self->b.ioas, self->mem,		\
		 PAGES(npages), iova, IOMMU_MAP_RW)
#define UNMAP(iova, npages)						\
	ioas_unmap(self->b.iommufd, self->b.ioas, iova, PAGES(npages), NULL)
#define UNMAP_ALL()	unmap_all(self->b.iommufd, self->b.ioas)
#define ATTACH()	attach(&self->b, self->b.ioas)

/* A user without CAP_IPC_LOCK, and without any other capability */
#define BECOME_USER()	ASSERT_EQ(0, setresuid(variant->uid, variant->uid, \
					       variant->uid))

/* This many pages are pinned, and locked where the process pays. */
#define EXPECT_PAGES(n) do {						\
	long __bytes = PAGES(n), __locked;				\
									\
	EXPECT_EQ(self->pinned + __bytes, pinned());			\
	__locked = self->locked + (variant->mode ? __bytes : 0);	\
	EXPECT_EQ(__locked, locked_falls_to(__locked));			\
} while (0)

/* The whole limit is there, no page more: all was given back exactly. */
#define EXPECT_LIMIT_UNUSED() do {					\
	EXPECT_PAGES(0);						\
	EXPECT_EQ(-ENOMEM, MAP(IOVA, LIMIT + 1));			\
	EXPECT_PAGES(0);						\
	EXPECT_EQ(0, MAP(IOVA, LIMIT));					\
	EXPECT_EQ(-ENOMEM, MAP(2 * IOVA, 1));				\
	EXPECT_PAGES(LIMIT);						\
	EXPECT_EQ(0, UNMAP(IOVA, LIMIT));				\
	EXPECT_PAGES(0);						\
} while (0)

/* Runs code in a child, which says by its exit status how it went. */
#define IN_CHILD(code) do {						\
	int __status;							\
	pid_t __pid = fork();						\
									\
	ASSERT_LE(0, __pid);						\
	if (!__pid)							\
		_exit(code);						\
	ASSERT_EQ(__pid, waitpid(__pid, &__status, 0));			\
	EXPECT_EQ(0, __status);						\
} while (0)

/* MAP above RLIMIT_MEMLOCK: ENOMEM; up to it, to the page, it works */
TEST_F(account, map_enomem)
{
	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	EXPECT_LIMIT_UNUSED();
	ASSERT_EQ(0, set_memlock(0));
	EXPECT_EQ(-ENOMEM, MAP(IOVA, 1));
}

/* Many small maps add up, and each gives back its own. */
TEST_F(account, map_adds_up)
{
	int i;

	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	for (i = 0; i < LIMIT; i++)
		ASSERT_EQ(0, MAP(IOVA * (i + 1), 1));
	EXPECT_EQ(-ENOMEM, MAP(IOVA * (LIMIT + 1), 1));
	EXPECT_EQ(0, UNMAP(IOVA, 1));
	EXPECT_EQ(-ENOMEM, MAP(IOVA * (LIMIT + 1), 2));
	EXPECT_EQ(0, MAP(IOVA * (LIMIT + 1), 1));
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* A MAP that fails half way gives back what it had charged. */
TEST_F(account, failed_map_gives_back)
{
	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, munmap(self->mem + PAGES(LIMIT - 1), PAGE));
	EXPECT_EQ(-EFAULT, MAP(IOVA, LIMIT));
	EXPECT_PAGES(0);
	ASSERT_NE(MAP_FAILED,
		  mmap(self->mem + PAGES(LIMIT - 1), PAGE,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_LIMIT_UNUSED();
}

/* Without a domain nothing is charged, be it far above the limit. */
TEST_F(account, map_without_domain_is_free)
{
	BECOME_USER();
	EXPECT_EQ(0, MAP(IOVA, 10 * LIMIT));
	EXPECT_PAGES(0);
	EXPECT_EQ(PAGES(10 * LIMIT), UNMAP_ALL());
}

/* Attach with more mapped than the limit: ENOMEM, and nothing is charged */
TEST_F(account, attach_enomem)
{
	BECOME_USER();
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	ASSERT_EQ(0, MAP(2 * IOVA, 1));
	EXPECT_EQ(-ENOMEM, ATTACH());
	EXPECT_PAGES(0);
	ASSERT_EQ(0, UNMAP(2 * IOVA, 1));
	EXPECT_EQ(0, ATTACH());
	EXPECT_PAGES(LIMIT);
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_PAGES(0);
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* The limit is that of the process at the time when memory gets pinned. */
TEST_F(account, limit_raised)
{
	BECOME_USER();
	ASSERT_EQ(0, MAP(IOVA, 2 * LIMIT));
	EXPECT_EQ(-ENOMEM, ATTACH());
	ASSERT_EQ(0, set_memlock(PAGES(2 * LIMIT)));
	EXPECT_EQ(0, ATTACH());
	EXPECT_PAGES(2 * LIMIT);
	EXPECT_EQ(PAGES(2 * LIMIT), UNMAP_ALL());
	EXPECT_PAGES(0);
}

/* With CAP_IPC_LOCK there is no limit; VmPin counts all the same. */
TEST_F(account, capability_lifts_limit)
{
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(IOVA, 2 * LIMIT));
	EXPECT_EQ(self->pinned + PAGES(2 * LIMIT), pinned());
	EXPECT_EQ(PAGES(2 * LIMIT), UNMAP_ALL());
	EXPECT_PAGES(0);

	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	EXPECT_EQ(-ENOMEM, MAP(IOVA, 2 * LIMIT));
}

/* It is the capability at the time of the MAP that counts, not at attach. */
TEST_F(account, capability_decided_at_map)
{
	ASSERT_EQ(0, MAP(IOVA, 2 * LIMIT));
	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, MAP(2 * IOVA, 1));
	EXPECT_EQ(0, ATTACH());
	EXPECT_EQ(self->pinned + PAGES(2 * LIMIT + 1), pinned());
	EXPECT_EQ(PAGES(2 * LIMIT + 1), UNMAP_ALL());
	EXPECT_PAGES(0);
}

/* Detach, close and DESTROY give back, too. */
TEST_F(account, close_gives_back)
{
	struct bound *b = &self->b;

	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	EXPECT_PAGES(LIMIT);
	close(b->dev);
	b->dev = -1;
	EXPECT_PAGES(0);
	EXPECT_EQ(0, iommu_destroy(b->iommufd, b->ioas));
	close(b->iommufd);
	b->iommufd = -1;
	EXPECT_PAGES(0);
}

#define COPY(to, from, npages)						\
	ioas_copy(self->b.iommufd, self->b.ioas, to, self->b.ioas, from, \
		  PAGES(npages), IOMMU_MAP_RW)

/* Copies are charged with what they are of, once, until the last one goes. */
TEST_F(account, copies)
{
	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	EXPECT_EQ(0, COPY(2 * IOVA, IOVA, LIMIT));
	EXPECT_EQ(0, COPY(3 * IOVA, IOVA + PAGE, 3));
	EXPECT_PAGES(LIMIT);
	EXPECT_EQ(-ENOMEM, MAP(4 * IOVA, 1));
	EXPECT_EQ(0, UNMAP(IOVA, LIMIT));
	EXPECT_PAGES(LIMIT);
	EXPECT_EQ(0, UNMAP(2 * IOVA, LIMIT));
	EXPECT_PAGES(3);
	EXPECT_EQ(-ENOMEM, MAP(4 * IOVA, LIMIT - 2));
	EXPECT_EQ(0, MAP(4 * IOVA, LIMIT - 3));
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* A copy of what is not pinned is charged for its part: ENOMEM above the limit */
TEST_F(account, copy_enomem)
{
	uint32_t other;

	BECOME_USER();
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &other));
	ASSERT_EQ(0, ioas_map(self->b.iommufd, other, self->mem,
			      PAGES(10 * LIMIT), IOVA, IOMMU_MAP_RW));
	ASSERT_EQ(0, ATTACH());
	EXPECT_EQ(-ENOMEM, ioas_copy(self->b.iommufd, self->b.ioas, IOVA, other,
				     IOVA + PAGES(5), PAGES(LIMIT + 1),
				     IOMMU_MAP_RW));
	EXPECT_PAGES(0);
	EXPECT_EQ(0, ioas_copy(self->b.iommufd, self->b.ioas, IOVA, other,
			       IOVA + PAGES(5), PAGES(LIMIT), IOMMU_MAP_RW));
	EXPECT_PAGES(LIMIT);
	EXPECT_EQ(0, iommu_destroy(self->b.iommufd, other));
	EXPECT_PAGES(LIMIT);
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* Who mapped pays for a copy, not who copies, nor who attaches. */
TEST_F(account, copier_does_not_pay)
{
	BECOME_USER();
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	IN_CHILD(ATTACH() || COPY(2 * IOVA, IOVA, LIMIT) ||
		 UNMAP(IOVA, LIMIT) || pinned() != 0 || locked() != 0);
	EXPECT_PAGES(LIMIT);
	IN_CHILD(UNMAP(2 * IOVA, LIMIT) || pinned() != 0);
	EXPECT_LIMIT_UNUSED();
}

/* fork: the child has pinned nothing, and its end gives nothing back. */
TEST_F(account, fork_child_ends)
{
	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	IN_CHILD(pinned() != 0 || locked() != 0);
	EXPECT_PAGES(LIMIT);
	EXPECT_EQ(-ENOMEM, MAP(2 * IOVA, 1));
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* fork: UNMAP by the child gives back to the parent, who mapped. */
TEST_F(account, fork_child_unmaps)
{
	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, MAP(IOVA, LIMIT));
	IN_CHILD(UNMAP(IOVA, LIMIT) || pinned() != 0);
	EXPECT_LIMIT_UNUSED();
}

/* fork: memory stays what the device sees although a child shares it. */
TEST_F(account, fork_no_copy_on_write)
{
	struct edu edu;

	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, self->b.ioas));
	BECOME_USER();
	fill(self->mem, PAGE, 1);
	ASSERT_EQ(0, MAP(IOVA, 2));
	IN_CHILD((fill(self->mem, PAGE, 2), 0));
	fill(self->mem, 64, 3);
	ASSERT_EQ(0, edu_copy(&edu, IOVA, IOVA + PAGE, 64));
	EXPECT_EQ(0, memcmp(self->mem, self->mem + PAGE, 64));
	teardown_edu(&edu);
}

/* Maps of another process are charged to it, in mode 1 only to it. */
TEST_F(account, mapper_pays)
{
	int to_child[2], to_parent[2], status;
	char c = 0;
	pid_t pid;

	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		c = MAP(IOVA, LIMIT) || pinned() != PAGES(LIMIT) ||
		    locked() != (variant->mode ? PAGES(LIMIT) : 0);
		if (write(to_parent[1], &c, 1) != 1 ||
		    read(to_child[0], &c, 1) != 1)
			_exit(1);
		_exit(pinned() != 0 || locked_falls_to(0) != 0);
	}
	ASSERT_EQ(1, read(to_parent[0], &c, 1));
	EXPECT_EQ(0, c);
	EXPECT_PAGES(0);
	EXPECT_EQ(variant->mode ? 0 : -ENOMEM, MAP(2 * IOVA, LIMIT));
	EXPECT_EQ(PAGES(variant->mode ? 2 * LIMIT : LIMIT), UNMAP_ALL());
	ASSERT_EQ(1, write(to_child[1], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_LIMIT_UNUSED();
}

/* A mapper that ended still pays until the UNMAP: its user does, in mode 0. */
TEST_F(account, mapper_gone)
{
	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	IN_CHILD(-MAP(IOVA, LIMIT));
	EXPECT_PAGES(0);
	EXPECT_EQ(variant->mode ? 0 : -ENOMEM, MAP(2 * IOVA, LIMIT));
	EXPECT_EQ(PAGES(variant->mode ? 2 * LIMIT : LIMIT), UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* exec: the old memory stays pinned and mapped, and paid for, until the UNMAP. */
TEST_F(account, exec)
{
	int fds[2], status;
	pid_t pid;
	char c;

	BECOME_USER();
	ASSERT_EQ(0, ATTACH());
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		c = MAP(IOVA, LIMIT) ? 1 : 0;
		if (write(fds[1], &c, 1) == 1)
			execl("/bin/sleep", "sleep", "100", NULL);
		_exit(1);
	}
	close(fds[1]);
	ASSERT_EQ(1, read(fds[0], &c, 1));
	EXPECT_EQ(0, c);
	/* The pipe's other end closes with the exec. */
	ASSERT_EQ(0, read(fds[0], &c, 1));
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_PAGES(0);
	EXPECT_EQ(variant->mode ? 0 : -ENOMEM, MAP(2 * IOVA, 1));
	EXPECT_EQ(0, UNMAP(IOVA, LIMIT));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(variant->mode ? PAGE : 0, UNMAP_ALL());
	EXPECT_LIMIT_UNUSED();
}

/* The file passed over a socket: who received it maps and pays. */
TEST_F(account, passed_file)
{
	int sock[2], fd, status;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sock));
	ASSERT_EQ(0, ATTACH());
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* What fork inherited is not to be used. */
		close(self->b.iommufd);
		close(self->b.dev);
		fd = receive_fd(sock[1]);
		if (fd < 0 || setresuid(variant->uid, variant->uid,
					variant->uid))
			_exit(1);
		_exit(ioas_map(fd, self->b.ioas, self->mem, PAGES(LIMIT), IOVA,
			       IOMMU_MAP_RW) ||
		      ioas_map(fd, self->b.ioas, self->mem, PAGE, 2 * IOVA,
			       IOMMU_MAP_RW) != -ENOMEM ||
		      pinned() != PAGES(LIMIT) ||
		      locked() != (variant->mode ? PAGES(LIMIT) : 0));
	}
	ASSERT_EQ(0, send_fd(sock[0], self->b.iommufd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_PAGES(0);
	EXPECT_EQ(PAGES(LIMIT), UNMAP_ALL());
	BECOME_USER();
	EXPECT_LIMIT_UNUSED();
}

TEST_HARNESS_MAIN
