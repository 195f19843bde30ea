// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommufd as the container of groups:
 *
 *    EDU0 --- group --+
 *                     +-- /dev/iommu, and the IOAS that VFIO's ioctls mean
 *    EDU1 --- group --+
 */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fail.h"
#include "killable.h"
#include "type1.h"
#include "vfio_test.h"

#define IOVA		0x1000000UL
#define TYPE1_RW	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define NOBODY		65534
#define FAIL_MOST	1000	/* no ioctl allocates more often */

/* The IOAS that the container's ioctls mean. */
static int vfio_ioas(int iommufd, uint32_t *id)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_VFIO_IOAS_GET,
	};
	int rc = xioctl(iommufd, IOMMU_VFIO_IOAS, &cmd);

	*id = cmd.ioas_id;
	return rc;
}

static int vfio_ioas_set(int iommufd, uint32_t id)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = id,
	};

	return xioctl(iommufd, IOMMU_VFIO_IOAS, &cmd);
}

static uint32_t group_flags(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	return xioctl(group, VFIO_GROUP_GET_STATUS, &status) ? ~0U :
							      status.flags;
}

static int unset_container(int group)
{
	return xioctl(group, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

static int has_extension(int container, unsigned long extension)
{
	return xioctl(container, VFIO_CHECK_EXTENSION, (void *)extension);
}

FIXTURE(container) {
	const char *bdf;
	struct type1 t1;	/* the container is an iommufd */
	unsigned char *mem;
};

/* A group with an iommufd; no address space chosen, no device open. */
FIXTURE_SETUP(container)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("EDU0");
	self->mem = alloc_memory(PAGE);
	ASSERT_NE(NULL, self->mem);
	self->t1.container = iommu_open();
	ASSERT_LE(0, self->t1.container);
	self->t1.group = vfio_group_open(self->bdf);
	ASSERT_LE(0, self->t1.group);
}

FIXTURE_TEARDOWN(container)
{
}

static void set_container(struct __test_metadata *_metadata,
			  struct _test_data_container *self)
{
	ASSERT_EQ(0, vfio_group_set_container(self->t1.group,
					      self->t1.container));
}

/* Nothing is there before a group is: then an IOAS, the same for all. */
TEST_F(container, ioas)
{
	uint32_t first, second;

	EXPECT_EQ(-ENODEV, vfio_ioas(self->t1.container, &first));
	EXPECT_EQ(-ENODEV, vfio_set_iommu(self->t1.container,
					  VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-ENODEV, has_extension(self->t1.container,
					 VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(-ENODEV, type1_map(&self->t1, self->mem, PAGE, IOVA,
				     TYPE1_RW));
	set_container(_metadata, self);
	ASSERT_EQ(0, vfio_ioas(self->t1.container, &first));
	EXPECT_EQ(0, vfio_set_iommu(self->t1.container, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, type1_map(&self->t1, self->mem, PAGE, IOVA, TYPE1_RW));
	EXPECT_EQ(-EEXIST, ioas_map(self->t1.container, first, self->mem, PAGE,
				    IOVA, IOMMU_MAP_RW));

	/* It outlives the group, with what is mapped there. */
	ASSERT_EQ(0, unset_container(self->t1.group));
	ASSERT_EQ(0, vfio_ioas(self->t1.container, &second));
	EXPECT_EQ(first, second);
	EXPECT_EQ(-EEXIST, type1_map(&self->t1, self->mem, PAGE, IOVA,
				     TYPE1_RW));
}

/* One that the user has named before is taken. */
TEST_F(container, ioas_of_the_user)
{
	uint32_t mine, meant;

	ASSERT_EQ(0, ioas_alloc(self->t1.container, &mine));
	ASSERT_EQ(0, vfio_ioas_set(self->t1.container, mine));
	set_container(_metadata, self);
	ASSERT_EQ(0, vfio_ioas(self->t1.container, &meant));
	EXPECT_EQ(mine, meant);
}

/* The group says that it can be used, and may be used by one container. */
TEST_F(container, group_status)
{
	int other = iommu_open(), vfio = open(VFIO_CONTAINER, O_RDWR);
	const uint32_t both = VFIO_GROUP_FLAGS_VIABLE |
			      VFIO_GROUP_FLAGS_CONTAINER_SET;

	ASSERT_LE(0, other);
	ASSERT_LE(0, vfio);
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, group_flags(self->t1.group));
	EXPECT_EQ(-EINVAL, unset_container(self->t1.group));
	set_container(_metadata, self);
	EXPECT_EQ(both, group_flags(self->t1.group));
	EXPECT_EQ(-EINVAL, vfio_group_set_container(self->t1.group, other));
	EXPECT_EQ(-EINVAL, vfio_group_set_container(self->t1.group, vfio));
	ASSERT_EQ(0, unset_container(self->t1.group));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, group_flags(self->t1.group));
	EXPECT_EQ(0, vfio_group_set_container(self->t1.group, other));
}

/* Neither container nor iommufd: EINVAL; no file at all: EBADF. */
TEST_F(container, wrong_fd)
{
	int other = eventfd(0, 0);

	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL, vfio_group_set_container(self->t1.group, other));
	EXPECT_EQ(-EBADF, vfio_group_set_container(self->t1.group, -1));
	EXPECT_EQ(-EINVAL, vfio_group_set_container(self->t1.group,
						    self->t1.group));
}

/* A device takes a container first; then it reaches what was mapped before. */
TEST_F(container, map_then_open)
{
	struct edu edu;
	int dev;

	EXPECT_EQ(-EINVAL, vfio_group_get_device(self->t1.group, self->bdf));
	set_container(_metadata, self);
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, IOVA, TYPE1_RW));
	dev = vfio_group_get_device(self->t1.group, self->bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, edu_open(&edu, dev));
	EXPECT_TRUE(dma_works(&edu, self->mem, IOVA));
	ASSERT_EQ(0, type1_unmap(&self->t1, IOVA, PAGE));
	EXPECT_TRUE(dma_is_blocked(&edu, self->mem, IOVA));
	EXPECT_EQ(-EBUSY, unset_container(self->t1.group));
}

/* A device may be opened more than once; the last close lets it go. */
TEST_F(container, open_twice)
{
	struct edu edu;
	int dev[2], i;

	set_container(_metadata, self);
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, IOVA, TYPE1_RW));
	for (i = 0; i < 2; i++) {
		dev[i] = vfio_group_get_device(self->t1.group, self->bdf);
		ASSERT_LE(0, dev[i]);
	}
	ASSERT_EQ(0, close(dev[0]));
	ASSERT_EQ(0, edu_open(&edu, dev[1]));
	EXPECT_TRUE(dma_works(&edu, self->mem, IOVA));
	edu_close(&edu);
	ASSERT_EQ(0, close(dev[1]));
	ASSERT_EQ(0, unset_container(self->t1.group));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, group_flags(self->t1.group));
}

/* The file of the device holds all that it needs. */
TEST_F(container, device_outlives_all)
{
	struct edu edu;
	int dev;

	set_container(_metadata, self);
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, IOVA, TYPE1_RW));
	dev = vfio_group_get_device(self->t1.group, self->bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, edu_open(&edu, dev));
	type1_close(&self->t1);
	EXPECT_TRUE(dma_works(&edu, self->mem, IOVA));
	EXPECT_EQ(-EBUSY, vfio_group_open(self->bdf));
}

/* What the user has taken away a device cannot be attached to. */
TEST_F(container, ioas_destroyed)
{
	uint32_t ioas;

	set_container(_metadata, self);
	ASSERT_EQ(0, vfio_ioas(self->t1.container, &ioas));
	ASSERT_EQ(0, iommu_destroy(self->t1.container, ioas));
	EXPECT_EQ(-ENODEV, vfio_group_get_device(self->t1.group, self->bdf));
	/* Nothing of the attempt is left. */
	EXPECT_EQ(0, unset_container(self->t1.group));
	set_container(_metadata, self);
	EXPECT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
}

/* Something is mapped where the device cannot reach it: not opened. */
TEST_F(container, unreachable)
{
	unsigned long msi = 0xfee00000;
	int dev;

	set_container(_metadata, self);
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, msi, TYPE1_RW));
	dev = vfio_group_get_device(self->t1.group, self->bdf);
	if (iommu_is("virtio") && dev >= 0)
		SKIP_TEST("this IOMMU reserves nothing there");
	EXPECT_EQ(-EADDRINUSE, dev);
	ASSERT_EQ(0, type1_unmap(&self->t1, msi, PAGE));
	EXPECT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
}

/* Memory that the program no longer has is pinned, or not, by the open. */
TEST_F(container, memory_gone)
{
	set_container(_metadata, self);
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, IOVA, TYPE1_RW));
	ASSERT_EQ(0, munmap(self->mem, PAGE));
	EXPECT_EQ(-EFAULT, vfio_group_get_device(self->t1.group, self->bdf));
	ASSERT_EQ(0, type1_unmap(&self->t1, IOVA, PAGE));
	EXPECT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
}

/* So is more than the program may pin. */
TEST_F(container, memlock)
{
	struct rlimit limit = { 0 };

	set_container(_metadata, self);
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, setresuid(NOBODY, NOBODY, NOBODY));
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, IOVA, TYPE1_RW));
	EXPECT_EQ(-ENOMEM, vfio_group_get_device(self->t1.group, self->bdf));
	ASSERT_EQ(0, type1_unmap(&self->t1, IOVA, PAGE));
	EXPECT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
}

/* A kernel driver uses a device of the group: EPERM when one is opened. */
TEST_F(container, kernel_driver)
{
	const char *kernels = REQUIRE_ENV("RNG_MF0");
	const char *ours = REQUIRE_DEVICE("EDU_MF4");
	int group;

	ASSERT_EQ(0, pci_bind_driver(kernels, "virtio-pci"));
	group = vfio_group_open(ours);
	ASSERT_LE(0, group);
	EXPECT_EQ(0, group_flags(group));
	ASSERT_EQ(0, vfio_group_set_container(group, self->t1.container));
	EXPECT_EQ(-EPERM, vfio_group_get_device(group, ours));
	ASSERT_EQ(0, pci_unbind_driver(kernels));
	EXPECT_LE(0, vfio_group_get_device(group, ours));
}

/* Interrupts are not isolated: EPERM, unless the administrator allows it. */
TEST_F(container, unsafe_interrupts)
{
	if (!iommu_is("virtio"))
		SKIP_TEST("this machine isolates MSIs");
	set_container(_metadata, self);
	ASSERT_EQ(0, sysfs_write(UNSAFE_INTERRUPTS, "N"));
	EXPECT_EQ(-EPERM, vfio_group_get_device(self->t1.group, self->bdf));
	ASSERT_EQ(0, sysfs_write(UNSAFE_INTERRUPTS, "Y"));
	EXPECT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
}

/* Two groups in one iommufd share what is mapped, and one page table. */
TEST_F(container, two_groups)
{
	const char *bdf = REQUIRE_DEVICE("EDU1");
	struct edu edu[2];
	int group, dev;

	set_container(_metadata, self);
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, IOVA, TYPE1_RW));
	group = vfio_group_open(bdf);
	ASSERT_LE(0, group);
	ASSERT_EQ(0, vfio_group_set_container(group, self->t1.container));
	dev = vfio_group_get_device(self->t1.group, self->bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, edu_open(&edu[0], dev));
	dev = vfio_group_get_device(group, bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, edu_open(&edu[1], dev));
	EXPECT_TRUE(dma_works(&edu[0], self->mem, IOVA));
	EXPECT_TRUE(dma_works(&edu[1], self->mem, IOVA));
}

/* A group beside a device that was bound to the iommufd by its node */
TEST_F(container, beside_a_node)
{
	struct vdev vdev;
	struct edu edu;
	uint32_t ioas;

	set_container(_metadata, self);
	ASSERT_EQ(0, type1_map(&self->t1, self->mem, PAGE, IOVA, TYPE1_RW));
	ASSERT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
	edu_bind(_metadata, &vdev, &edu, "EDU1", self->t1.container);
	ASSERT_EQ(0, vfio_ioas(self->t1.container, &ioas));
	ASSERT_EQ(0, vfio_attach(vdev.fd, &ioas));
	EXPECT_TRUE(dma_works(&edu, self->mem, IOVA));
}

/* The device's own node stays shut while the group has it, and likewise. */
TEST_F(container, node_is_shut)
{
	int node = vfio_cdev_open(self->bdf), dev;

	ASSERT_LE(0, node);
	set_container(_metadata, self);
	EXPECT_EQ(-EBUSY, vfio_bind(node, self->t1.container, NULL));
	dev = vfio_group_get_device(self->t1.group, self->bdf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EBUSY, vfio_bind(node, self->t1.container, NULL));
	ASSERT_EQ(0, close(self->t1.group));
	EXPECT_EQ(-EBUSY, vfio_bind(node, self->t1.container, NULL));
	ASSERT_EQ(0, close(dev));
	EXPECT_EQ(0, vfio_bind(node, self->t1.container, NULL));
	EXPECT_EQ(-EBUSY, vfio_group_open(self->bdf));
}

/*
 * An open of the device pins what is mapped, which takes as long as the memory
 * takes to come.  Others who want something of the group wait, and can be
 * killed.
 */
TEST_F(container, busy_group)
{
	int node = vfio_cdev_open(self->bdf), iommufd = self->t1.container;
	unsigned char *held = alloc_memory(PAGE);
	int group = self->t1.group, uffd;
	pid_t opener;

	ASSERT_LE(0, node);
	ASSERT_NE(NULL, held);
	uffd = hold_faults(held, PAGE);
	ASSERT_LE(0, uffd);
	set_container(_metadata, self);
	ASSERT_EQ(0, type1_map(&self->t1, held, PAGE, IOVA, TYPE1_RW));
	opener = fork();
	ASSERT_LE(0, opener);
	if (!opener)
		_exit(-vfio_group_get_device(group, self->bdf));
	EXPECT_TRUE(wait_for_fault(uffd));

	EXPECT_KILLABLE(group_flags(group));
	EXPECT_KILLABLE(vfio_group_set_container(group, iommufd));
	EXPECT_KILLABLE(unset_container(group));
	EXPECT_KILLABLE(vfio_group_get_device(group, self->bdf));
	EXPECT_KILLABLE(vfio_group_open(self->bdf));
	EXPECT_KILLABLE(vfio_bind(node, iommufd, NULL));

	EXPECT_EQ(SIGKILL, kill_and_wait(opener));
	close(uffd);
	/* Nothing of all that is left. */
	EXPECT_EQ(VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE,
		  group_flags(group));
	EXPECT_LE(0, vfio_group_get_device(group, self->bdf));
}

/* A device owned by an iommufd, of a group that another one wants to use */
TEST_F(container, owned_elsewhere)
{
	const char *second = REQUIRE_DEVICE("EDU_MF1");
	const char *first = REQUIRE_DEVICE("EDU_MF0");
	int other = iommu_open(), group;
	struct type1 t1;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, type1_open(&t1, first));
	/* The group can be opened once only, whoever has it. */
	EXPECT_EQ(-EBUSY, vfio_group_open(second));
	type1_close(&t1);
	group = vfio_group_open(second);
	ASSERT_LE(0, group);
	ASSERT_EQ(0, vfio_group_set_container(group, other));
	EXPECT_LE(0, vfio_group_get_device(group, first));
	EXPECT_LE(0, vfio_group_get_device(group, second));
}

/* DMA_CC is known before a device is open, and does not change then. */
TEST_F(container, dma_cc)
{
	int before, after;

	set_container(_metadata, self);
	before = has_extension(self->t1.container, VFIO_DMA_CC_IOMMU);
	ASSERT_LE(0, vfio_group_get_device(self->t1.group, self->bdf));
	after = has_extension(self->t1.container, VFIO_DMA_CC_IOMMU);
	EXPECT_EQ(before, after);
	/* AMD's can always be enforced, QEMU's VT-d here and virtio cannot. */
	EXPECT_EQ(iommu_is("amd"), before);
}

/* Without CONFIG_VFIO_NOIOMMU's groups there is no such mode. */
TEST_F(container, set_noiommu)
{
	EXPECT_EQ(-EINVAL, vfio_set_iommu(self->t1.container,
					  VFIO_NOIOMMU_IOMMU));
	set_container(_metadata, self);
	EXPECT_EQ(-EINVAL, vfio_set_iommu(self->t1.container,
					  VFIO_NOIOMMU_IOMMU));
}

/* Version 1 cuts mappings, the device sees just the rest. */
TEST_F(container, type1_version_1)
{
	unsigned char *mem = alloc_memory(HUGE);
	struct edu edu;
	int dev;

	ASSERT_NE(NULL, mem);
	set_container(_metadata, self);
	ASSERT_EQ(0, vfio_set_iommu(self->t1.container, VFIO_TYPE1_IOMMU));
	dev = vfio_group_get_device(self->t1.group, self->bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, edu_open(&edu, dev));
	ASSERT_EQ(0, type1_map(&self->t1, mem, HUGE, HUGE, TYPE1_RW));
	ASSERT_EQ(0, type1_unmap(&self->t1, HUGE + PAGE, PAGE));
	EXPECT_TRUE(dma_works(&edu, mem, HUGE));
	EXPECT_TRUE(dma_is_blocked(&edu, mem + PAGE, HUGE + PAGE));
	EXPECT_TRUE(dma_works(&edu, mem + 2 * PAGE, HUGE + 2 * PAGE));
}

/*
 * Every allocation fails once, of SET_CONTAINER and of GET_DEVICE_FD: ENOMEM,
 * and nothing has happened; or it can do without.  The device has no interrupt
 * pin, see bind_fail_nth of cdev.c.
 */
TEST(fail_nth)
{
	int fd = fail_nth_open(), group, iommufd, injected = 1, dev, rc;
	unsigned int nth, not_set = 0, not_opened = 0;
	const char *bdf;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE("TESTDEV0");
	ASSERT_LE(0, fd);
	group = vfio_group_open(bdf);
	ASSERT_LE(0, group);
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		iommufd = iommu_open();
		ASSERT_LE(0, iommufd);
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		rc = vfio_group_set_container(group, iommufd);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (rc) {
			ASSERT_EQ(-ENOMEM, rc);
			not_set++;
		}
		ASSERT_EQ(rc ? -EINVAL : 0, unset_container(group));
		ASSERT_EQ(0, close(iommufd));
	}
	EXPECT_LT(0, not_set);

	iommufd = iommu_open();
	ASSERT_EQ(0, vfio_group_set_container(group, iommufd));
	for (nth = 1, injected = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		dev = vfio_group_get_device(group, bdf);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (dev < 0) {
			ASSERT_EQ(-ENOMEM, dev);
			not_opened++;
		} else {
			ASSERT_EQ(0, close(dev));
		}
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, not_opened);
	EXPECT_EQ(0, unset_container(group));
}

/* Two threads: one opens the group's way, the other binds by the node. */
struct race {
	const char *bdf;
	int iommufd;
	pthread_barrier_t barrier;
	int group;
	int node;
};

static void *open_the_group(void *arg)
{
	struct race *race = arg;

	pthread_barrier_wait(&race->barrier);
	race->group = vfio_group_open(race->bdf);
	return NULL;
}

TEST(racing_opens)
{
	int i, bound, groups = 0, nodes = 0;
	struct race race;
	pthread_t thread;

	REQUIRE_IOMMU();
	race.bdf = REQUIRE_DEVICE("TESTDEV0");
	race.iommufd = iommu_open();
	ASSERT_LE(0, race.iommufd);
	ASSERT_EQ(0, pthread_barrier_init(&race.barrier, NULL, 2));
	for (i = 0; i < 100; i++) {
		race.node = vfio_cdev_open(race.bdf);
		ASSERT_LE(0, race.node);
		ASSERT_EQ(0, pthread_create(&thread, NULL, open_the_group,
					    &race));
		pthread_barrier_wait(&race.barrier);
		bound = vfio_bind(race.node, race.iommufd, NULL);
		ASSERT_EQ(0, pthread_join(thread, NULL));

		/* One of them at least gets EBUSY, and nothing else. */
		EXPECT_TRUE(bound == 0 || bound == -EBUSY);
		EXPECT_TRUE(race.group >= 0 || race.group == -EBUSY);
		EXPECT_FALSE(bound == 0 && race.group >= 0);
		nodes += !bound;
		groups += race.group >= 0;
		if (race.group >= 0)
			ASSERT_EQ(0, close(race.group));
		ASSERT_EQ(0, close(race.node));
	}
	EXPECT_LT(0, nodes + groups);
	TH_LOG("the group won %d times, the node %d times", groups, nodes);
}

TEST_HARNESS_MAIN
