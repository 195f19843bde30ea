// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that is taken from its device while programs have the device open:
 * who bound it is asked to let go, and waited for; who did not is not.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "monitor.h"
#include "vfio_test.h"

#define IOVA	0x1000000UL
#define TIMEOUT	60000	/* ms */
#define QUIET	300	/* ms in which an unbind that must wait does not end */

FIXTURE(unplug) {
	const char *bdf;
	int iommufd;
	int dev;
};

FIXTURE_SETUP(unplug)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("TESTDEV0");
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
}

/* The device can be had again. */
FIXTURE_TEARDOWN(unplug)
{
	int dev;

	EXPECT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
	dev = vfio_cdev_open(self->bdf);
	EXPECT_LE(0, dev);
	EXPECT_EQ(0, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(self->iommufd));
}

/* Unbind the driver in a process that holds no file of the device. */
static pid_t start_unbind(struct _test_data_unplug *self)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	close(self->dev);
	close(self->iommufd);
	_exit(pci_unbind_driver(self->bdf) ? 1 : 0);
}

/* Wait for the unbind to end: its exit status; -1 when it has not ended. */
static int wait_unbind(pid_t pid, int timeout_ms)
{
	struct timespec tick = { .tv_nsec = 10000000 };
	int status;

	for (; timeout_ms > 0; timeout_ms -= 10) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
		nanosleep(&tick, NULL);
	}
	return -1;
}

static bool driver_is_gone(struct _test_data_unplug *self)
{
	char name[64];

	return pci_driver(self->bdf, name, sizeof(name)) == -ENODEV &&
	       vfio_cdev_name(self->bdf, name, sizeof(name)) == -ENOENT;
}

/* Unbind while bound: the request eventfd is raised, unbind waits for close. */
TEST_F(unplug, bound)
{
	struct vfio_device_info info;
	int request = eventfd(0, EFD_CLOEXEC);
	pid_t pid;

	ASSERT_LE(0, request);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, vfio_irq_enable(self->dev, VFIO_PCI_REQ_IRQ_INDEX,
				     &request, 1));
	pid = start_unbind(self);
	ASSERT_LE(0, pid);
	EXPECT_LE(1, eventfd_wait(request, TIMEOUT));
	EXPECT_EQ(-1, wait_unbind(pid, QUIET));
	EXPECT_EQ(0, vfio_get_info(self->dev, &info));
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(0, wait_unbind(pid, TIMEOUT));
	EXPECT_TRUE(driver_is_gone(self));
}

/* The same when attached and mapped, and nobody asked for the request event. */
TEST_F(unplug, attached)
{
	void *mem = alloc_memory(PAGE);
	uint32_t pt;
	pid_t pid;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &pt));
	ASSERT_EQ(0, ioas_map(self->iommufd, pt, mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	pid = start_unbind(self);
	ASSERT_LE(0, pid);
	EXPECT_EQ(-1, wait_unbind(pid, QUIET));
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(0, wait_unbind(pid, TIMEOUT));
	EXPECT_TRUE(driver_is_gone(self));
}

/* While the unbind waits, nobody new gets in: the name is gone. */
TEST_F(unplug, no_new_open)
{
	char name[64];
	pid_t pid;

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	pid = start_unbind(self);
	ASSERT_LE(0, pid);
	EXPECT_EQ(-1, wait_unbind(pid, QUIET));
	EXPECT_EQ(-ENOENT, vfio_cdev_name(self->bdf, name, sizeof(name)));
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(0, wait_unbind(pid, TIMEOUT));
}

/*
 * A file that was opened and not bound holds nothing: the unbind does not
 * wait for it, and BIND is ENODEV from then on.
 */
TEST_F(unplug, open_not_bound)
{
	struct vfio_device_info info;
	pid_t pid;

	pid = start_unbind(self);
	ASSERT_LE(0, pid);
	EXPECT_EQ(0, wait_unbind(pid, TIMEOUT));
	EXPECT_TRUE(driver_is_gone(self));
	EXPECT_EQ(-ENODEV, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(-EINVAL, vfio_get_info(self->dev, &info));
	/* Not even when the device is back: that is another node. */
	ASSERT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
	EXPECT_EQ(-ENODEV, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(0, close(self->dev));
}

/* A second open of a bound device does not make the unbind wait longer. */
TEST_F(unplug, second_open)
{
	int second = vfio_cdev_open(self->bdf);
	pid_t pid;

	ASSERT_LE(0, second);
	ASSERT_EQ(0, fcntl(second, F_SETFD, FD_CLOEXEC));
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	pid = start_unbind(self);
	ASSERT_LE(0, pid);
	EXPECT_EQ(-1, wait_unbind(pid, QUIET));
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(0, wait_unbind(pid, TIMEOUT));
	EXPECT_EQ(-ENODEV, vfio_bind(second, self->iommufd, NULL));
	EXPECT_EQ(0, close(second));
}

/* The process that has the device is killed: its files close, unbind ends. */
TEST_F(unplug, holder_is_killed)
{
	int ready[2], status;
	pid_t holder, pid;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	holder = fork();
	ASSERT_LE(0, holder);
	if (!holder) {
		if (vfio_bind(self->dev, self->iommufd, NULL) ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_EQ(0, close(self->dev));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(pci_unbind_driver(self->bdf) ? 1 : 0);
	EXPECT_EQ(-1, wait_unbind(pid, QUIET));
	ASSERT_EQ(0, kill(holder, SIGKILL));
	ASSERT_EQ(holder, waitpid(holder, &status, 0));
	EXPECT_EQ(0, wait_unbind(pid, TIMEOUT));
	EXPECT_TRUE(driver_is_gone(self));
}

/* The node comes and goes with the driver, as often as one likes. */
TEST_F(unplug, again_and_again)
{
	char name[64];
	int i;

	ASSERT_EQ(0, close(self->dev));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, pci_unbind_driver(self->bdf));
		ASSERT_TRUE(driver_is_gone(self));
		ASSERT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
		ASSERT_EQ(0, vfio_cdev_name(self->bdf, name, sizeof(name)));
	}
}

struct race {
	struct _test_data_unplug *self;
	bool stop;
	unsigned int bound;	/* BINDs that worked */
};

static void *open_and_bind(void *arg)
{
	struct race *race = arg;
	int dev;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		dev = vfio_cdev_open(race->self->bdf);
		if (dev < 0)
			continue;
		if (!vfio_bind(dev, race->self->iommufd, NULL))
			race->bound++;
		close(dev);
	}
	return NULL;
}

/* Open, BIND and close race unbind and probe: nothing hangs or is lost. */
TEST_F(unplug, race)
{
	struct race race[2] = { { .self = self }, { .self = self } };
	pthread_t thread[2];
	int i;

	ASSERT_EQ(0, close(self->dev));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, open_and_bind,
					    &race[i]));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, pci_unbind_driver(self->bdf));
		EXPECT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
		usleep(20000);
	}
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&race[i].stop, true, __ATOMIC_RELAXED);
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
	}
	EXPECT_LT(0, race[0].bound + race[1].bound);
}

#define NR_PAIRS	30

static pthread_barrier_t no_driver;

static void *rebind_often(void *bdf)
{
	int i, rc = 0;

	for (i = 0; i < NR_PAIRS; i++) {
		rc |= pci_unbind_driver(bdf);
		pthread_barrier_wait(&no_driver);
		rc |= pci_bind_driver(bdf, "vfio-pci");
	}
	return (void *)(intptr_t)rc;
}

/* Both devices of a group get their driver at once, and make one group. */
TEST(two_of_a_group)
{
	const char *bdf[2];
	pthread_t thread[2];
	void *result;
	int i;

	REQUIRE_IOMMU();
	bdf[0] = REQUIRE_DEVICE("EDU_MF0");
	bdf[1] = REQUIRE_DEVICE("EDU_MF1");
	ASSERT_EQ(0, pthread_barrier_init(&no_driver, NULL, 2));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, rebind_often,
					    (void *)bdf[i]));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &result));
		EXPECT_EQ(NULL, result);
	}
}

/* A device that the machine itself takes away, and gives back. */
FIXTURE(hotplug) {
	const char *bdf;
	int iommufd;
	int monitor;
	int dev;
};

static bool wait_present(const char *bdf, bool present)
{
	int ms;

	for (ms = 0; ms < TIMEOUT; ms += 10) {
		if (!pci_present(bdf) == present)
			return true;
		usleep(10000);
	}
	return false;
}

FIXTURE_SETUP(hotplug)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("NIC0");
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	self->monitor = monitor_open();
	ASSERT_LE(0, self->monitor);
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
}

#define PLUG	"device_add e1000e,id=nic0,bus=port1,romfile="

/* The machine is told a moment after the kernel let the device go. */
static int plug_device(struct _test_data_hotplug *self)
{
	int ms, rc = -EIO;

	for (ms = 0; rc == -EIO && ms < TIMEOUT; ms += 100) {
		rc = monitor_command(self->monitor, PLUG);
		usleep(100000);
	}
	return rc;
}

/*
 * The device is there a moment before drivers may have it, and said to have a
 * driver a moment before that has made its node.
 */
static int open_plugged(const char *bdf)
{
	int ms, dev = -ENOENT;

	for (ms = 0; dev == -ENOENT && ms < TIMEOUT; ms += 10) {
		if (!pci_bind_driver(bdf, "vfio-pci"))
			dev = vfio_cdev_open(bdf);
		usleep(10000);
	}
	return dev;
}

/* Plugged again, the device can be had again. */
FIXTURE_TEARDOWN(hotplug)
{
	int dev;

	EXPECT_EQ(0, plug_device(self));
	EXPECT_TRUE(wait_present(self->bdf, true));
	dev = open_plugged(self->bdf);
	EXPECT_LE(0, dev);
	EXPECT_EQ(0, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(self->monitor));
	EXPECT_EQ(0, close(self->iommufd));
}

static int unplug_device(struct _test_data_hotplug *self)
{
	return monitor_command(self->monitor, "device_del nic0");
}

/* Nobody has it bound: it goes, and a file that was open can do nothing. */
TEST_F(hotplug, open_not_bound)
{
	struct vfio_device_info info;

	ASSERT_EQ(0, unplug_device(self));
	ASSERT_TRUE(wait_present(self->bdf, false));
	EXPECT_EQ(-ENODEV, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(-EINVAL, vfio_get_info(self->dev, &info));
	EXPECT_EQ(0, close(self->dev));
}

/*
 * Bound, attached, its memory and its registers mapped: the user is asked to
 * let go and waited for, and goes on until then.  The memory stays mapped in
 * the IOAS, which has no device then.
 */
TEST_F(hotplug, mapped)
{
	int request = eventfd(0, EFD_CLOEXEC), second;
	void *mem = alloc_memory(PAGE), *regs;
	uint32_t ioas, pt, id;
	size_t size;

	ASSERT_LE(0, request);
	ASSERT_NE(NULL, mem);
	second = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	ASSERT_EQ(0, ioas_map(self->iommufd, ioas, mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
	pt = ioas;
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	ASSERT_EQ(0, vfio_enable_dma(self->dev));
	regs = vfio_region_mmap(self->dev, VFIO_PCI_BAR0_REGION_INDEX, &size);
	ASSERT_NE(NULL, regs);
	ASSERT_EQ(0, vfio_irq_enable(self->dev, VFIO_PCI_REQ_IRQ_INDEX,
				     &request, 1));
	ASSERT_EQ(0, unplug_device(self));
	EXPECT_LE(1, eventfd_wait(request, TIMEOUT));
	EXPECT_EQ(0, vfio_config_read(self->dev, 0, &id, sizeof(id)));
	EXPECT_EQ(0x10d38086, id);
	EXPECT_EQ(-EBUSY, iommu_destroy(self->iommufd, ioas));
	/* The mapping of the registers holds the file. */
	ASSERT_EQ(0, close(self->dev));
	usleep(QUIET * 1000);
	EXPECT_EQ(0, pci_present(self->bdf));
	ASSERT_EQ(0, munmap(regs, size));
	EXPECT_TRUE(wait_present(self->bdf, false));
	EXPECT_EQ(-ENODEV, vfio_bind(second, self->iommufd, NULL));
	EXPECT_EQ(0, close(second));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, ioas, IOVA, PAGE, NULL));
	EXPECT_EQ(0, iommu_destroy(self->iommufd, ioas));
	EXPECT_EQ(0, close(request));
}

TEST_HARNESS_MAIN
