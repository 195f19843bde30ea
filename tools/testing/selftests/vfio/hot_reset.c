// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hot reset: a bus is reset with all that is on it, if nobody else has any of
 * it.  A device's node tells and proves that by the ids in its iommufd, a group
 * by descriptors of all groups concerned:
 *
 *   port ---- EDU_MF2 \ one group; two of them when
 *        ---- EDU_MF3 / there is no IOMMU
 *
 *   port ---- NIC0, alone
 */
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/resource.h>

#include "mmio.h"
#include "trace.h"
#include "type1.h"
#include "vfio_test.h"

#define IOVA		0x1000000UL
#define MAX_DEVICES	8
#define BY_ID		VFIO_PCI_HOT_RESET_FLAG_DEV_ID
#define ALL_OWNED	VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED
#define OWNED		((uint32_t)VFIO_PCI_DEVID_OWNED)
#define NOT_OWNED	((uint32_t)VFIO_PCI_DEVID_NOT_OWNED)

union reset_info {
	struct vfio_pci_hot_reset_info head;
	char room[sizeof(struct vfio_pci_hot_reset_info) +
		  MAX_DEVICES * sizeof(struct vfio_pci_dependent_device)];
};

/* What a hot reset would affect, with room for @count devices. */
static int reset_info(int dev, union reset_info *info, uint32_t count)
{
	memset(info, 0, sizeof(*info));
	info->head.argsz = sizeof(info->head) +
			   count * sizeof(*info->head.devices);
	return xioctl(dev, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
}

/* The device's devid or group_id; -2 when it is not affected. */
static uint32_t id_of(union reset_info *info, const char *bdf)
{
	struct vfio_pci_dependent_device *d = info->head.devices;
	char name[32];
	uint32_t i;

	for (i = 0; i < info->head.count; i++, d++) {
		snprintf(name, sizeof(name), "%04x:%02x:%02x.%x", d->segment,
			 d->bus, d->devfn >> 3, d->devfn & 7);
		if (!strcmp(name, bdf))
			return d->devid;
	}
	return -2;
}

static int hot_reset(int dev, const int *fds, uint32_t count)
{
	struct {
		struct vfio_pci_hot_reset head;
		int fds[MAX_DEVICES];
	} cmd = {
		.head.argsz = sizeof(cmd.head) + count * sizeof(*fds),
		.head.count = count,
	};

	if (count)
		memcpy(cmd.fds, fds, count * sizeof(*fds));
	return xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, &cmd);
}

/* ---- the lock of a set of devices, which a reset holds for long ---- */

#define LOCK_EVENT	"lock/lock_acquire"
#define SET_LOCK	"name == \"&new_dev_set->lock\""

static int watch_set_lock(void)
{
	int rc;

	rc = trace_begin();
	if (!rc)
		rc = trace_filter(LOCK_EVENT, SET_LOCK);
	return rc ? rc : trace_enable(LOCK_EVENT);
}

static int ask_info(int dev)
{
	union reset_info info;

	return reset_info(dev, &info, MAX_DEVICES);
}

static int ask_fdinfo(int dev)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", dev);
	return sysfs_read(path, text, sizeof(text));
}

/* How often the lock is taken to answer; or a negative errno. */
static int locks_of(int (*ask)(int dev), int dev)
{
	char text[TRACE_TEXT];
	int rc;

	rc = trace_clear();
	if (!rc)
		rc = ask(dev);
	return rc ? rc : trace_last("lock_acquire", text, sizeof(text));
}

/* Two functions of one group; the first is bound to the iommufd. */
FIXTURE(pair) {
	int iommufd;
	struct vdev vdev;
	struct edu edu;
	const char *sibling;
	void *mem;
};

FIXTURE_SETUP(pair)
{
	uint32_t pt;

	REQUIRE_IOMMU();
	self->sibling = REQUIRE_DEVICE("EDU_MF3");
	self->mem = alloc_memory(PAGE);
	ASSERT_NE(NULL, self->mem);
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	edu_bind(_metadata, &self->vdev, &self->edu, "EDU_MF2", self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &pt));
	ASSERT_EQ(0, ioas_map(self->iommufd, pt, self->mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
}

FIXTURE_TEARDOWN(pair)
{
	edu_close(&self->edu);
	EXPECT_EQ(0, close(self->vdev.fd));
	EXPECT_EQ(0, close(self->iommufd));
	EXPECT_EQ(0, pci_bind_driver(self->sibling, "vfio-pci"));
}

/* All is owned, a reset is done, and DMA works as before. */
static void expect_reset(struct __test_metadata *_metadata,
			 struct _test_data_pair *self, uint32_t sibling_id)
{
	union reset_info info;

	ASSERT_EQ(0, reset_info(self->vdev.fd, &info, MAX_DEVICES));
	EXPECT_EQ(BY_ID | ALL_OWNED, info.head.flags);
	EXPECT_EQ(2, info.head.count);
	EXPECT_EQ(self->vdev.id, id_of(&info, self->vdev.bdf));
	EXPECT_EQ(sibling_id, id_of(&info, self->sibling));
	EXPECT_EQ(0, hot_reset(self->vdev.fd, NULL, 0));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* Both are bound: both have their ids. */
TEST_F(pair, both_bound)
{
	uint32_t id;
	int dev;

	dev = vfio_cdev_open(self->sibling);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_bind(dev, self->iommufd, &id));
	expect_reset(_metadata, self, id);
	/* from either of them */
	EXPECT_EQ(0, hot_reset(dev, NULL, 0));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	EXPECT_EQ(0, close(dev));
}

/* The sibling is not in use, or only open: nobody else can have it. */
TEST_F(pair, sibling_unused)
{
	int dev;

	expect_reset(_metadata, self, OWNED);
	dev = vfio_cdev_open(self->sibling);
	ASSERT_LE(0, dev);
	expect_reset(_metadata, self, OWNED);
	EXPECT_EQ(0, close(dev));
}

/* A sibling without vfio driver is not ours: PCI_HOT_RESET is EINVAL. */
TEST_F(pair, sibling_without_driver)
{
	union reset_info info;

	ASSERT_EQ(0, pci_unbind_driver(self->sibling));
	ASSERT_EQ(0, reset_info(self->vdev.fd, &info, MAX_DEVICES));
	EXPECT_EQ(BY_ID, info.head.flags);
	EXPECT_EQ(2, info.head.count);
	EXPECT_EQ(self->vdev.id, id_of(&info, self->vdev.bdf));
	EXPECT_EQ(NOT_OWNED, id_of(&info, self->sibling));
	EXPECT_EQ(-EINVAL, hot_reset(self->vdev.fd, NULL, 0));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, pci_bind_driver(self->sibling, "vfio-pci"));
	expect_reset(_metadata, self, OWNED);
}

/* INFO: no room is ENOSPC and the count; argsz, pointers. */
TEST_F(pair, info_arguments)
{
	union reset_info info;

	EXPECT_EQ(-ENOSPC, reset_info(self->vdev.fd, &info, 0));
	EXPECT_EQ(2, info.head.count);
	EXPECT_EQ(BY_ID, info.head.flags & BY_ID);
	EXPECT_EQ(-ENOSPC, reset_info(self->vdev.fd, &info, 1));
	EXPECT_EQ(2, info.head.count);
	EXPECT_EQ(0, reset_info(self->vdev.fd, &info, 2));
	EXPECT_EQ(2, info.head.count);
	info.head.argsz = sizeof(info.head) - 1;
	EXPECT_EQ(-EINVAL, xioctl(self->vdev.fd,
				  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info));
	EXPECT_EQ(-EFAULT, xioctl(self->vdev.fd,
				  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, NULL));
}

/* PCI_HOT_RESET on a node takes no descriptors; flags, argsz, pointers. */
TEST_F(pair, reset_arguments)
{
	struct vfio_pci_hot_reset cmd = { .argsz = sizeof(cmd) - 1 };
	int dev = self->vdev.fd;

	EXPECT_EQ(-EINVAL, hot_reset(dev, &dev, 1));
	EXPECT_EQ(-EINVAL, hot_reset(dev, &self->iommufd, 1));
	EXPECT_EQ(-EINVAL, xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, &cmd));
	cmd.argsz = sizeof(cmd);
	cmd.flags = 1;
	EXPECT_EQ(-EINVAL, xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, &cmd));
	cmd.flags = 0;
	cmd.count = UINT32_MAX;
	EXPECT_EQ(-EINVAL, xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, &cmd));
	EXPECT_EQ(-EFAULT, xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, NULL));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* The same pair by its group: ids of groups, and descriptors as proof. */
FIXTURE(group) {
	struct type1 t1;
	const char *bdf;
	const char *sibling;
	int dev;
};

FIXTURE_VARIANT(group) {
	const char *container;
};

FIXTURE_VARIANT_ADD(group, vfio) {
	.container = VFIO_CONTAINER,
};

FIXTURE_VARIANT_ADD(group, iommufd) {
	.container = "/dev/iommu",
};

FIXTURE_SETUP(group)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("EDU_MF2");
	self->sibling = REQUIRE_DEVICE("EDU_MF3");
	ASSERT_EQ(0, type1_open_by(&self->t1, self->bdf, variant->container));
	self->dev = vfio_group_get_device(self->t1.group, self->bdf);
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(group)
{
	EXPECT_EQ(0, close(self->dev));
	type1_close(&self->t1);
}

TEST_F(group, reset)
{
	int group = pci_group(self->bdf);
	union reset_info info;

	EXPECT_EQ(-ENOSPC, reset_info(self->dev, &info, 1));
	EXPECT_EQ(2, info.head.count);
	ASSERT_EQ(0, reset_info(self->dev, &info, MAX_DEVICES));
	EXPECT_EQ(0, info.head.flags);
	EXPECT_EQ(2, info.head.count);
	EXPECT_EQ(group, id_of(&info, self->bdf));
	EXPECT_EQ(group, id_of(&info, self->sibling));
	EXPECT_EQ(0, hot_reset(self->dev, &self->t1.group, 1));
}

/* No descriptor EINVAL, too many EINVAL, a bad one EBADF, no group's EINVAL. */
TEST_F(group, arguments)
{
	int fds[] = { self->t1.group, self->t1.group, self->t1.group };
	int none = 4711, node = vfio_cdev_open(self->sibling);

	ASSERT_LE(0, node);
	EXPECT_EQ(-EINVAL, hot_reset(self->dev, NULL, 0));
	EXPECT_EQ(-EINVAL, hot_reset(self->dev, fds, 3));
	EXPECT_EQ(-EBADF, hot_reset(self->dev, &none, 1));
	EXPECT_EQ(-EINVAL, hot_reset(self->dev, &self->t1.container, 1));
	EXPECT_EQ(-EINVAL, hot_reset(self->dev, &self->dev, 1));
	EXPECT_EQ(-EINVAL, hot_reset(self->dev, &node, 1));
	EXPECT_EQ(0, hot_reset(self->dev, fds, 2));
	EXPECT_EQ(0, close(node));
}

/* Another group does not prove anything. */
TEST_F(group, not_covered)
{
	int other = vfio_group_open(REQUIRE_DEVICE("TESTDEV0"));

	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL, hot_reset(self->dev, &other, 1));
	EXPECT_EQ(0, close(other));
}

/* What is told of groups, and what the file is of, does not wait for a reset. */
TEST_F(group, asked_without_lock)
{
	ASSERT_EQ(0, watch_set_lock());
	EXPECT_EQ(0, locks_of(ask_info, self->dev));
	EXPECT_EQ(0, locks_of(ask_fdinfo, self->dev));
	trace_end();
}

/* A network card that is alone behind its port. */
FIXTURE(alone) {
	int iommufd;
	struct vdev vdev;
	void *regs;
	size_t size;
};

#define NIC_TDBAL	0x3800	/* where the send ring is: 0 after a reset */

FIXTURE_SETUP(alone)
{
	REQUIRE_IOMMU();
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	vdev_bind(_metadata, &self->vdev, "NIC0", self->iommufd);
	ASSERT_EQ(0, vfio_enable_dma(self->vdev.fd));
	self->regs = vfio_region_mmap(self->vdev.fd,
				      VFIO_PCI_BAR0_REGION_INDEX, &self->size);
	ASSERT_NE(NULL, self->regs);
}

FIXTURE_TEARDOWN(alone)
{
	EXPECT_EQ(0, munmap(self->regs, self->size));
	EXPECT_EQ(0, close(self->vdev.fd));
	EXPECT_EQ(0, close(self->iommufd));
}

static long page_faults(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? -1 : usage.ru_minflt;
}

/*
 * The device has been reset: its registers are what they are at power on, and
 * the mapping of them was taken away and comes back with the next access.
 */
TEST_F(alone, registers_and_mapping)
{
	union reset_info info;
	uint16_t command;
	long before;

	ASSERT_EQ(0, reset_info(self->vdev.fd, &info, MAX_DEVICES));
	EXPECT_EQ(BY_ID | ALL_OWNED, info.head.flags);
	EXPECT_EQ(1, info.head.count);
	EXPECT_EQ(self->vdev.id, id_of(&info, self->vdev.bdf));

	mmio_writel(self->regs, NIC_TDBAL, 0x12340);
	ASSERT_EQ(0x12340, mmio_readl(self->regs, NIC_TDBAL));
	before = page_faults();
	mmio_readl(self->regs, NIC_TDBAL);
	ASSERT_EQ(before, page_faults());
	ASSERT_EQ(0, hot_reset(self->vdev.fd, NULL, 0));
	before = page_faults();
	EXPECT_EQ(0, mmio_readl(self->regs, NIC_TDBAL));
	EXPECT_EQ(before + 1, page_faults());
	/* What the user set in configuration space was put back. */
	ASSERT_EQ(0, vfio_config_read(self->vdev.fd, PCI_COMMAND, &command,
				      sizeof(command)));
	EXPECT_TRUE(command & PCI_COMMAND_MASTER);
}

/* A reset wakes a device that sleeps, and lets it sleep again. */
TEST_F(alone, asleep)
{
	ASSERT_EQ(0, vfio_feature(self->vdev.fd,
				  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
				  VFIO_DEVICE_FEATURE_SET, NULL, 0));
	EXPECT_EQ(0, hot_reset(self->vdev.fd, NULL, 0));
	ASSERT_EQ(0, vfio_feature(self->vdev.fd,
				  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
				  VFIO_DEVICE_FEATURE_SET, NULL, 0));
	EXPECT_EQ(0, hot_reset(self->vdev.fd, NULL, 0));
}

/* Nor does what the file is of wait here; to tell of ids takes the lock. */
TEST_F(alone, asked_without_lock)
{
	ASSERT_EQ(0, watch_set_lock());
	EXPECT_EQ(0, locks_of(ask_fdinfo, self->vdev.fd));
	EXPECT_EQ(1, locks_of(ask_info, self->vdev.fd));
	trace_end();
}

static void *reset_function(void *arg)
{
	struct _test_data_alone *self = arg;

	return (void *)(intptr_t)vfio_reset(self->vdev.fd);
}

/* While another thread resets the function the memory is locked: EBUSY. */
TEST_F(alone, busy)
{
	bool was_busy = false;
	pthread_t thread;
	void *result;
	int i, rc;

	for (i = 0; i < 20 && !was_busy; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, reset_function,
					    self));
		usleep(10000 * i);
		rc = hot_reset(self->vdev.fd, NULL, 0);
		was_busy = rc == -EBUSY;
		EXPECT_TRUE(!rc || was_busy)
			TH_LOG("%d", rc);
		ASSERT_EQ(0, pthread_join(thread, &result));
	}
	EXPECT_TRUE(was_busy);
	EXPECT_EQ(0, hot_reset(self->vdev.fd, NULL, 0));
}

/* A device on the root bus cannot be reset so: ENODEV, on both paths. */
TEST(no_hot_reset)
{
	union reset_info info;
	struct type1 t1;
	struct vdev vdev;
	int iommufd, dev;

	REQUIRE_IOMMU();
	iommufd = iommu_open();
	ASSERT_LE(0, iommufd);
	vdev_bind(_metadata, &vdev, "TESTDEV0", iommufd);
	EXPECT_EQ(-ENODEV, reset_info(vdev.fd, &info, MAX_DEVICES));
	EXPECT_EQ(-ENODEV, hot_reset(vdev.fd, NULL, 0));
	ASSERT_EQ(0, close(vdev.fd));

	ASSERT_EQ(0, type1_open(&t1, vdev.bdf));
	dev = vfio_group_get_device(t1.group, vdev.bdf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-ENODEV, reset_info(dev, &info, MAX_DEVICES));
	EXPECT_EQ(-ENODEV, hot_reset(dev, &t1.group, 1));
	EXPECT_EQ(0, close(dev));
	type1_close(&t1);
	EXPECT_EQ(0, close(iommufd));
}

/*
 * A PF whose VFs are on its bus: a reset of the bus would reset them, but VFIO
 * does not reset them with it.  They are never ours, and EINVAL it is.
 */
TEST(virtual_functions)
{
	union reset_info info;
	struct vdev vdev;
	char vf[16];
	int iommufd;

	REQUIRE_IOMMU();
	iommufd = iommu_open();
	ASSERT_LE(0, iommufd);
	vdev_bind(_metadata, &vdev, "NVME1", iommufd);
	ASSERT_EQ(0, sysfs_write("/sys/module/vfio_pci/parameters/enable_sriov",
				 "Y"));
	ASSERT_EQ(0, pci_set_vfs(vdev.bdf, 1));
	ASSERT_EQ(0, pci_vf(vdev.bdf, 0, vf, sizeof(vf)));
	EXPECT_EQ(0, reset_info(vdev.fd, &info, MAX_DEVICES));
	EXPECT_EQ(BY_ID, info.head.flags);
	EXPECT_EQ(2, info.head.count);
	EXPECT_EQ(vdev.id, id_of(&info, vdev.bdf));
	EXPECT_EQ(NOT_OWNED, id_of(&info, vf));
	EXPECT_EQ(-EINVAL, hot_reset(vdev.fd, NULL, 0));
	ASSERT_EQ(0, pci_set_vfs(vdev.bdf, 0));
	EXPECT_EQ(0, reset_info(vdev.fd, &info, MAX_DEVICES));
	EXPECT_EQ(BY_ID | ALL_OWNED, info.head.flags);
	EXPECT_EQ(1, info.head.count);
	EXPECT_EQ(0, hot_reset(vdev.fd, NULL, 0));
	EXPECT_EQ(0, close(vdev.fd));
	EXPECT_EQ(0, close(iommufd));
}

/*
 * Without IOMMU each device that vfio-pci has is a group of its own: two groups
 * that only one reset resets.
 */
FIXTURE(groups) {
	int iommufd;
	const char *bdf[2];
};

FIXTURE_SETUP(groups)
{
	REQUIRE_ENV("topology");
	if (!iommu_is("none"))
		SKIP_TEST("this machine has an IOMMU");
	self->bdf[0] = REQUIRE_ENV("EDU_MF2");
	self->bdf[1] = REQUIRE_ENV("EDU_MF3");
	ASSERT_EQ(0, vfio_allow_noiommu(true));
	ASSERT_EQ(0, pci_bind_driver(self->bdf[0], "vfio-pci"));
	ASSERT_EQ(0, pci_bind_driver(self->bdf[1], "vfio-pci"));
	ASSERT_NE(pci_group(self->bdf[0]), pci_group(self->bdf[1]));
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
}

FIXTURE_TEARDOWN(groups)
{
	EXPECT_EQ(0, close(self->iommufd));
	EXPECT_EQ(0, pci_unbind_driver(self->bdf[0]));
	EXPECT_EQ(0, pci_unbind_driver(self->bdf[1]));
	EXPECT_EQ(0, vfio_allow_noiommu(false));
}

static int open_group(struct type1 *t1, const char *bdf)
{
	char path[64];
	int rc;

	t1->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (t1->container < 0)
		return -errno;
	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", pci_group(bdf));
	t1->group = open(path, O_RDWR | O_CLOEXEC);
	if (t1->group < 0)
		return -errno;
	rc = xioctl(t1->group, VFIO_GROUP_SET_CONTAINER, &t1->container);
	if (rc)
		return rc;
	return xioctl(t1->container, VFIO_SET_IOMMU,
		      (void *)(uintptr_t)VFIO_NOIOMMU_IOMMU);
}

static int bind_node(const char *bdf, int iommufd, uint32_t *id)
{
	int dev = vfio_cdev_open(bdf), rc;

	if (dev < 0)
		return dev;
	rc = vfio_bind(dev, iommufd, id);
	if (!rc)
		return dev;
	close(dev);
	return rc;
}

static void expect_sibling(struct __test_metadata *_metadata,
			   struct _test_data_groups *self, int dev, uint32_t id,
			   uint32_t sibling_id)
{
	bool owned = sibling_id != NOT_OWNED;
	union reset_info info;

	ASSERT_EQ(0, reset_info(dev, &info, MAX_DEVICES));
	EXPECT_EQ(BY_ID | (owned ? ALL_OWNED : 0), info.head.flags);
	EXPECT_EQ(2, info.head.count);
	EXPECT_EQ(id, id_of(&info, self->bdf[0]));
	EXPECT_EQ(sibling_id, id_of(&info, self->bdf[1]));
	EXPECT_EQ(owned ? 0 : -EINVAL, hot_reset(dev, NULL, 0));
}

/* Each group has to be ours: with nobody's or another iommufd's, EINVAL. */
TEST_F(groups, by_ids)
{
	int iommufd2 = iommu_open(), dev, sibling;
	uint32_t id, sibling_id;

	ASSERT_LE(0, iommufd2);
	dev = bind_node(self->bdf[0], self->iommufd, &id);
	ASSERT_LE(0, dev);
	expect_sibling(_metadata, self, dev, id, NOT_OWNED);
	sibling = bind_node(self->bdf[1], iommufd2, NULL);
	ASSERT_LE(0, sibling);
	expect_sibling(_metadata, self, dev, id, NOT_OWNED);
	ASSERT_EQ(0, close(sibling));
	sibling = bind_node(self->bdf[1], self->iommufd, &sibling_id);
	ASSERT_LE(0, sibling);
	expect_sibling(_metadata, self, dev, id, sibling_id);
	ASSERT_EQ(0, close(sibling));
	expect_sibling(_metadata, self, dev, id, NOT_OWNED);
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(iommufd2));
}

/* A group that is open by its own node is not ours either. */
TEST_F(groups, other_path)
{
	struct type1 t1;
	uint32_t id;
	int dev;

	dev = bind_node(self->bdf[0], self->iommufd, &id);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, open_group(&t1, self->bdf[1]));
	expect_sibling(_metadata, self, dev, id, NOT_OWNED);
	/* nor does its descriptor help */
	EXPECT_EQ(-EINVAL, hot_reset(dev, &t1.group, 1));
	type1_close(&t1);
	EXPECT_EQ(0, close(dev));
}

/* By groups: descriptors of all of them are needed. */
TEST_F(groups, by_groups)
{
	union reset_info info;
	struct type1 t1[2];
	int i, dev, fds[2];

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, open_group(&t1[i], self->bdf[i]));
		fds[i] = t1[i].group;
	}
	dev = vfio_group_get_device(t1[0].group, self->bdf[0]);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, reset_info(dev, &info, MAX_DEVICES));
	EXPECT_EQ(0, info.head.flags);
	EXPECT_EQ(2, info.head.count);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(pci_group(self->bdf[i]),
			  id_of(&info, self->bdf[i]));
	EXPECT_EQ(-EINVAL, hot_reset(dev, fds, 1));
	EXPECT_EQ(-EINVAL, hot_reset(dev, fds + 1, 1));
	EXPECT_EQ(0, hot_reset(dev, fds, 2));
	EXPECT_EQ(0, close(dev));
	for (i = 0; i < 2; i++)
		type1_close(&t1[i]);
}

/* By groups: INFO is EPERM when a device that has no driver has no group. */
TEST_F(groups, no_group)
{
	union reset_info info;
	struct type1 t1;
	int dev;

	ASSERT_EQ(0, pci_unbind_driver(self->bdf[1]));
	ASSERT_EQ(0, open_group(&t1, self->bdf[0]));
	dev = vfio_group_get_device(t1.group, self->bdf[0]);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EPERM, reset_info(dev, &info, MAX_DEVICES));
	EXPECT_EQ(-EINVAL, hot_reset(dev, &t1.group, 1));
	EXPECT_EQ(0, close(dev));
	type1_close(&t1);
}

TEST_HARNESS_MAIN
