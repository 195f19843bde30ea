// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that sleep: VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY lets the kernel put
 * a bound device into a low power state.  Whatever needs it wakes it, but for
 * mappings of its BARs, which may not be touched until _EXIT.
 */
#include <setjmp.h>
#include <signal.h>

#include "mmio.h"
#include "type1.h"
#include "vfio_test.h"

#define IOVA		0x1000000UL
#define TIMEOUT		60000	/* ms */
#define QUIET		300	/* ms in which nothing must come */

#define ENTRY		VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
#define ENTRY_WAKEUP	VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP
#define EXIT		VFIO_DEVICE_FEATURE_LOW_POWER_EXIT
#define PROBE		VFIO_DEVICE_FEATURE_PROBE
#define GET		VFIO_DEVICE_FEATURE_GET
#define SET		VFIO_DEVICE_FEATURE_SET

/* A bound device; one has the capability to sleep, of one only the rest does */
FIXTURE(power) {
	int iommufd;
	uint32_t ioas;
	struct vdev vdev;
	uint32_t id;
};

FIXTURE_VARIANT(power) {
	const char *name;
	uint32_t id;
};

FIXTURE_VARIANT_ADD(power, with_capability) {
	.name = "NIC0",
	.id = 0x10d38086,
};

FIXTURE_VARIANT_ADD(power, without) {
	.name = "EDU0",
	.id = EDU_DEVICE << 16 | EDU_VENDOR,
};

FIXTURE_SETUP(power)
{
	REQUIRE_IOMMU();
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	vdev_bind(_metadata, &self->vdev, variant->name, self->iommufd);
	ASSERT_EQ(0, vfio_enable_dma(self->vdev.fd));
	self->id = variant->id;
}

FIXTURE_TEARDOWN(power)
{
	EXPECT_EQ(0, close(self->vdev.fd));
	EXPECT_EQ(0, close(self->iommufd));
}

static int enter(int dev)
{
	return vfio_feature(dev, ENTRY, SET, NULL, 0);
}

static int leave(int dev)
{
	return vfio_feature(dev, EXIT, SET, NULL, 0);
}

static int enter_with_wakeup(int dev, int event)
{
	struct vfio_device_low_power_entry_with_wakeup entry = {
		.wakeup_eventfd = event,
	};

	return vfio_feature(dev, ENTRY_WAKEUP, SET, &entry, sizeof(entry));
}

static bool falls_asleep(struct _test_data_power *self)
{
	return !pci_power_wait(self->vdev.bdf, "suspended");
}

static bool is_awake(struct _test_data_power *self)
{
	char status[32];

	usleep(QUIET * 1000);
	return !pci_power_status(self->vdev.bdf, status, sizeof(status)) &&
	       !strcmp(status, "active");
}

static bool answers(struct _test_data_power *self)
{
	uint32_t id = 0;

	return !vfio_config_read(self->vdev.fd, 0, &id, sizeof(id)) &&
	       id == self->id;
}

/* A device without users sleeps, one that is bound does not. */
TEST_F(power, open_and_close)
{
	EXPECT_TRUE(is_awake(self));
	ASSERT_EQ(0, close(self->vdev.fd));
	EXPECT_TRUE(falls_asleep(self));
	self->vdev.fd = vfio_cdev_open(self->vdev.bdf);
	ASSERT_LE(0, self->vdev.fd);
	EXPECT_TRUE(falls_asleep(self));
	ASSERT_EQ(0, vfio_bind(self->vdev.fd, self->iommufd, NULL));
	EXPECT_TRUE(is_awake(self));
}

/* ENTRY lets it sleep until EXIT. */
TEST_F(power, entry_and_exit)
{
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, enter(self->vdev.fd));
		EXPECT_TRUE(falls_asleep(self));
		ASSERT_EQ(0, leave(self->vdev.fd));
		EXPECT_TRUE(is_awake(self));
		EXPECT_TRUE(answers(self));
	}
}

/* ENTRY twice is EINVAL, EXIT twice is not. */
TEST_F(power, again)
{
	EXPECT_EQ(0, leave(self->vdev.fd));
	ASSERT_EQ(0, enter(self->vdev.fd));
	EXPECT_EQ(-EINVAL, enter(self->vdev.fd));
	EXPECT_TRUE(falls_asleep(self));
	EXPECT_EQ(0, leave(self->vdev.fd));
	EXPECT_EQ(0, leave(self->vdev.fd));
}

/* Asleep, the device answers: it wakes for that and falls asleep again. */
TEST_F(power, access_asleep)
{
	struct vfio_device_info info;
	struct vfio_region_info bar;
	uint32_t word;

	ASSERT_EQ(0, enter(self->vdev.fd));
	ASSERT_TRUE(falls_asleep(self));
	EXPECT_TRUE(answers(self));
	EXPECT_TRUE(falls_asleep(self));
	EXPECT_EQ(0, vfio_get_info(self->vdev.fd, &info));
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_PCI);
	EXPECT_EQ(0, vfio_region_info(self->vdev.fd, VFIO_PCI_BAR0_REGION_INDEX,
				      &bar));
	EXPECT_EQ(sizeof(word), pread(self->vdev.fd, &word, sizeof(word),
				      bar.offset));
	EXPECT_TRUE(falls_asleep(self));
}

static sigjmp_buf no_access;

static void on_sigbus(int sig)
{
	siglongjmp(no_access, 1);
}

static bool can_read(const void *regs)
{
	if (sigsetjmp(no_access, 1))
		return false;
	mmio_readl(regs, 0);
	return true;
}

/* A mapping of a BAR is SIGBUS from ENTRY to EXIT, and then there again. */
TEST_F(power, mapping)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	size_t size;
	void *regs;

	ASSERT_EQ(0, sigaction(SIGBUS, &action, NULL));
	regs = vfio_region_mmap(self->vdev.fd, VFIO_PCI_BAR0_REGION_INDEX,
				&size);
	ASSERT_NE(NULL, regs);
	EXPECT_TRUE(can_read(regs));
	ASSERT_EQ(0, enter(self->vdev.fd));
	EXPECT_FALSE(can_read(regs));
	EXPECT_TRUE(falls_asleep(self));
	EXPECT_FALSE(can_read(regs));
	/* Who wakes it otherwise does not give the mapping back. */
	EXPECT_TRUE(answers(self));
	EXPECT_FALSE(can_read(regs));
	ASSERT_EQ(0, leave(self->vdev.fd));
	EXPECT_TRUE(can_read(regs));
	ASSERT_EQ(0, munmap(regs, size));
}

/* With an eventfd the first access ends the sleep, and says so. */
TEST_F(power, wakeup)
{
	int event = eventfd(0, EFD_CLOEXEC), i;

	ASSERT_LE(0, event);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, enter_with_wakeup(self->vdev.fd, event));
		ASSERT_TRUE(falls_asleep(self));
		EXPECT_EQ(-ETIMEDOUT, eventfd_wait(event, QUIET));
		EXPECT_TRUE(answers(self));
		EXPECT_EQ(1, eventfd_wait(event, TIMEOUT));
		EXPECT_TRUE(is_awake(self));
	}
	EXPECT_EQ(-EINVAL, enter_with_wakeup(self->vdev.fd, -1));
	EXPECT_EQ(-EBADF, enter_with_wakeup(self->vdev.fd, 4711));
	EXPECT_EQ(-EINVAL, enter_with_wakeup(self->vdev.fd,
					     self->iommufd));
	EXPECT_TRUE(is_awake(self));
	EXPECT_EQ(0, close(event));
}

/* The device is taken to another I/O address space in its sleep. */
TEST_F(power, attach_asleep)
{
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, enter(self->vdev.fd));
	ASSERT_TRUE(falls_asleep(self));
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	EXPECT_TRUE(falls_asleep(self));
	ASSERT_EQ(0, vfio_detach(self->vdev.fd));
	EXPECT_TRUE(falls_asleep(self));
	pt = self->ioas;
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	ASSERT_EQ(0, leave(self->vdev.fd));
	EXPECT_TRUE(answers(self));
}

static bool wakes(struct _test_data_power *self, int event)
{
	return eventfd_wait(event, QUIET) == 1 && is_awake(self);
}

/* Its IOMMU's driver reaches into the device, which ATTACH and DETACH wake. */
TEST_F(power, attach_wakes)
{
	int event = eventfd(0, EFD_CLOEXEC), i;
	uint32_t pt;

	ASSERT_LE(0, event);
	/* at first, in place of what there was, and again to the same */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, enter_with_wakeup(self->vdev.fd, event));
		ASSERT_TRUE(falls_asleep(self));
		pt = self->ioas;
		if (i == 1)
			ASSERT_EQ(0, ioas_alloc(self->iommufd, &pt));
		ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
		EXPECT_TRUE(wakes(self, event));
	}
	ASSERT_EQ(0, enter_with_wakeup(self->vdev.fd, event));
	ASSERT_TRUE(falls_asleep(self));
	ASSERT_EQ(0, vfio_detach(self->vdev.fd));
	EXPECT_TRUE(wakes(self, event));
	EXPECT_EQ(0, close(event));
}

/* An ATTACH or BIND that fails does not keep the device awake. */
TEST_F(power, failure_asleep)
{
	int null = open("/dev/null", O_RDWR);
	uint32_t pt = -1;

	ASSERT_LE(0, null);
	ASSERT_EQ(0, enter(self->vdev.fd));
	ASSERT_TRUE(falls_asleep(self));
	EXPECT_EQ(-ENOENT, vfio_attach(self->vdev.fd, &pt));
	EXPECT_TRUE(falls_asleep(self));
	ASSERT_EQ(0, close(self->vdev.fd));
	EXPECT_TRUE(falls_asleep(self));
	self->vdev.fd = vfio_cdev_open(self->vdev.bdf);
	ASSERT_LE(0, self->vdev.fd);
	EXPECT_EQ(-EBADFD, vfio_bind(self->vdev.fd, null, NULL));
	EXPECT_TRUE(falls_asleep(self));
	EXPECT_EQ(0, close(null));
}

/* DMA works afterwards, in what was mapped and attached meanwhile. */
TEST_F(power, dma_afterwards)
{
	uint32_t pt = self->ioas;
	struct edu edu;
	void *mem;

	if (strcmp(variant->name, "EDU0"))
		SKIP_TEST("%s is no DMA engine", variant->name);
	mem = alloc_memory(PAGE);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, edu_open(&edu, self->vdev.fd));
	ASSERT_EQ(0, enter(self->vdev.fd));
	ASSERT_TRUE(falls_asleep(self));
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, leave(self->vdev.fd));
	EXPECT_TRUE(dma_works(&edu, mem, IOVA));
	edu_close(&edu);
}

/* The close of a device that sleeps; the next BIND finds it awake. */
TEST_F(power, close_asleep)
{
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	ASSERT_EQ(0, enter(self->vdev.fd));
	ASSERT_TRUE(falls_asleep(self));
	ASSERT_EQ(0, close(self->vdev.fd));
	self->vdev.fd = vfio_cdev_open(self->vdev.bdf);
	ASSERT_LE(0, self->vdev.fd);
	ASSERT_EQ(0, vfio_bind(self->vdev.fd, self->iommufd, NULL));
	EXPECT_TRUE(is_awake(self));
	EXPECT_TRUE(answers(self));
	EXPECT_EQ(0, enter(self->vdev.fd));
}

#define FEATURES	16	/* more than there are */

static const uint32_t ops[] = {
	0, PROBE, GET, PROBE | GET, PROBE | SET, PROBE | GET | SET, 1U << 31,
};

static void ask_features(int dev, int (*answer)[ARRAY_SIZE(ops)])
{
	uint32_t feature;
	char data[64];
	int i;

	for (feature = 0; feature < FEATURES; feature++)
		for (i = 0; i < ARRAY_SIZE(ops); i++)
			answer[feature][i] = vfio_feature(dev, feature, ops[i],
							  data, sizeof(data));
}

/* DEVICE_FEATURE says the same on a device's node and by its group. */
TEST_F(power, features_of_both_paths)
{
	int node[FEATURES][ARRAY_SIZE(ops)], group[FEATURES][ARRAY_SIZE(ops)];
	struct type1 t1;
	int dev, i, j;

	ask_features(self->vdev.fd, node);
	EXPECT_EQ(0, vfio_feature(self->vdev.fd, ENTRY, PROBE | SET, NULL, 0));
	EXPECT_EQ(0, node[ENTRY][4]);
	EXPECT_EQ(0, node[ENTRY_WAKEUP][4]);
	EXPECT_EQ(0, node[EXIT][4]);
	EXPECT_EQ(-EINVAL, node[ENTRY][2]);
	EXPECT_EQ(-EINVAL, node[ENTRY][3]);
	EXPECT_EQ(-ENOTTY, node[FEATURES - 1][4]);
	EXPECT_EQ(0, close(self->vdev.fd));

	ASSERT_EQ(0, type1_open(&t1, self->vdev.bdf));
	dev = vfio_group_get_device(t1.group, self->vdev.bdf);
	ASSERT_LE(0, dev);
	ask_features(dev, group);
	for (i = 0; i < FEATURES; i++)
		for (j = 0; j < ARRAY_SIZE(ops); j++)
			EXPECT_EQ(group[i][j], node[i][j])
				TH_LOG("feature %d, flags %#x", i, ops[j]);
	/* and does the same */
	EXPECT_EQ(0, enter(dev));
	EXPECT_EQ(-EINVAL, enter(dev));
	EXPECT_TRUE(falls_asleep(self));
	EXPECT_EQ(0, leave(dev));
	EXPECT_TRUE(is_awake(self));
	EXPECT_EQ(0, close(dev));
	type1_close(&t1);
	self->vdev.fd = vfio_cdev_open(self->vdev.bdf);
}

/* DEVICE_FEATURE: argsz too small, no argument. */
TEST_F(power, feature_arguments)
{
	struct vfio_device_feature cmd = {
		.argsz = sizeof(cmd) - 1,
		.flags = SET | ENTRY,
	};
	int dev = self->vdev.fd;

	EXPECT_EQ(-EINVAL, xioctl(dev, VFIO_DEVICE_FEATURE, &cmd));
	EXPECT_EQ(-EFAULT, xioctl(dev, VFIO_DEVICE_FEATURE, NULL));
	/* no room for the eventfd */
	EXPECT_EQ(-EINVAL, vfio_feature(dev, ENTRY_WAKEUP, SET, NULL, 0));
	EXPECT_TRUE(is_awake(self));
}

TEST_HARNESS_MAIN
