// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that reports an error by PCIe's means: its user is told by the
 * eventfd of VFIO_PCI_ERR_IRQ_INDEX, on a device's node as on a group's, and
 * when the device sleeps.
 */
#include <linux/pci_regs.h>

#include "monitor.h"
#include "type1.h"
#include "vfio_test.h"

#define TIMEOUT		60000	/* ms */
#define QUIET		1000	/* ms in which nothing must come */

#define ENTRY		VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
#define ENTRY_WAKEUP	VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP
#define EXIT		VFIO_DEVICE_FEATURE_LOW_POWER_EXIT

/* An uncorrectable error that the device survives */
#define INJECT		"pcie_aer_inject_error rng0 COMP_ABORT"

FIXTURE(aer) {
	const char *bdf;
	const char *neighbour;
	int iommufd;
	int monitor;
	int event;
};

FIXTURE_SETUP(aer)
{
	REQUIRE_IOMMU();
	/* The rest of its group leaves the kernel's hands with it. */
	self->neighbour = REQUIRE_DEVICE("EDU_MF4");
	self->bdf = REQUIRE_DEVICE("RNG_MF0");
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	self->monitor = monitor_open();
	ASSERT_LE(0, self->monitor);
	self->event = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->event);
}

FIXTURE_TEARDOWN(aer)
{
	EXPECT_EQ(0, pci_unbind_driver(self->bdf));
	EXPECT_EQ(0, close(self->event));
	EXPECT_EQ(0, close(self->monitor));
	EXPECT_EQ(0, close(self->iommufd));
}

static int bind_device(struct _test_data_aer *self)
{
	int dev = vfio_cdev_open(self->bdf), rc;

	if (dev < 0)
		return dev;
	rc = vfio_bind(dev, self->iommufd, NULL);
	if (!rc)
		return dev;
	close(dev);
	return rc;
}

/* The offset of the capability of PCIe, or 0. */
static uint8_t pcie_capability(int dev)
{
	uint8_t pos, next[2];

	if (vfio_config_read(dev, PCI_CAPABILITY_LIST, &pos, sizeof(pos)))
		return 0;
	while (pos && !vfio_config_read(dev, pos, next, sizeof(next))) {
		if (next[0] == PCI_CAP_ID_EXP)
			return pos;
		pos = next[1];
	}
	return 0;
}

/* A device says nothing of its errors until it is told to: by its user here. */
static int report_errors(int dev)
{
	uint8_t pos = pcie_capability(dev);
	uint16_t control;
	int rc;

	if (!pos)
		return -ENOENT;
	pos += PCI_EXP_DEVCTL;
	rc = vfio_config_read(dev, pos, &control, sizeof(control));
	if (rc)
		return rc;
	control |= PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
		   PCI_EXP_DEVCTL_FERE;
	return vfio_config_write(dev, pos, &control, sizeof(control));
}

static bool error_is_told(struct __test_metadata *_metadata,
			  struct _test_data_aer *self, int dev)
{
	uint32_t id = 0;

	EXPECT_EQ(0, report_errors(dev));
	EXPECT_EQ(0, monitor_command(self->monitor, INJECT));
	EXPECT_LE(1, eventfd_wait(self->event, TIMEOUT));
	EXPECT_EQ(0, vfio_config_read(dev, 0, &id, sizeof(id)));
	return id == 0x10441af4;
}

/* Each error signals the eventfd, and the device goes on. */
TEST_F(aer, node)
{
	int dev = bind_device(self);
	struct vfio_irq_info info;

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_irq_info(dev, VFIO_PCI_ERR_IRQ_INDEX, &info));
	EXPECT_EQ(1, info.count);
	EXPECT_TRUE(info.flags & VFIO_IRQ_INFO_EVENTFD);
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_ERR_IRQ_INDEX, &self->event,
				     1));
	EXPECT_TRUE(error_is_told(_metadata, self, dev));
	EXPECT_TRUE(error_is_told(_metadata, self, dev));
	EXPECT_EQ(0, close(dev));
}

/* The same when the device is attached to an I/O address space. */
TEST_F(aer, attached)
{
	int dev = bind_device(self);
	uint32_t pt;

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &pt));
	ASSERT_EQ(0, vfio_attach(dev, &pt));
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_ERR_IRQ_INDEX, &self->event,
				     1));
	EXPECT_TRUE(error_is_told(_metadata, self, dev));
	EXPECT_EQ(0, close(dev));
}

/* Who turned it off, or closed the device, is not told. */
TEST_F(aer, turned_off)
{
	int dev = bind_device(self);

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_ERR_IRQ_INDEX, &self->event,
				     1));
	ASSERT_EQ(0, vfio_irq_disable(dev, VFIO_PCI_ERR_IRQ_INDEX));
	EXPECT_EQ(0, monitor_command(self->monitor, INJECT));
	EXPECT_EQ(-ETIMEDOUT, eventfd_wait(self->event, QUIET));
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_ERR_IRQ_INDEX, &self->event,
				     1));
	EXPECT_TRUE(error_is_told(_metadata, self, dev));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, monitor_command(self->monitor, INJECT));
	EXPECT_EQ(-ETIMEDOUT, eventfd_wait(self->event, QUIET));
}

/* The device's registers can be reset with all that is on its bus. */
static int hot_reset(int dev)
{
	struct vfio_pci_hot_reset cmd = {
		.argsz = sizeof(cmd),
	};

	return xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, &cmd);
}

/*
 * What the kernel locks for a reset and to set up interrupts, in the order that
 * an error must not turn around: lockdep has to have seen both.
 */
static int take_locks(struct _test_data_aer *self, int dev)
{
	int rc;

	rc = hot_reset(dev);
	if (!rc)
		rc = vfio_irq_enable(dev, VFIO_PCI_MSIX_IRQ_INDEX, &self->event,
				     1);
	return rc ? rc : vfio_irq_disable(dev, VFIO_PCI_MSIX_IRQ_INDEX);
}

static int set_feature(int dev, uint32_t feature, void *data, size_t len)
{
	return vfio_feature(dev, feature, VFIO_DEVICE_FEATURE_SET, data, len);
}

static bool falls_asleep(struct _test_data_aer *self)
{
	return !pci_power_wait(self->bdf, "suspended");
}

/* It wakes for the report only, INTx or not. */
TEST_F(aer, asleep)
{
	int dev = bind_device(self), intx = eventfd(0, EFD_CLOEXEC), i;
	uint32_t id = 0;

	ASSERT_LE(0, dev);
	ASSERT_LE(0, intx);
	ASSERT_EQ(0, take_locks(self, dev));
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_ERR_IRQ_INDEX, &self->event,
				     1));
	ASSERT_EQ(0, report_errors(dev));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, set_feature(dev, ENTRY, NULL, 0));
		ASSERT_TRUE(falls_asleep(self));
		EXPECT_EQ(0, monitor_command(self->monitor, INJECT));
		EXPECT_LE(1, eventfd_wait(self->event, TIMEOUT));
		EXPECT_TRUE(falls_asleep(self));
		ASSERT_EQ(0, set_feature(dev, EXIT, NULL, 0));
		if (!i)
			ASSERT_EQ(0, vfio_irq_enable(dev,
						     VFIO_PCI_INTX_IRQ_INDEX,
						     &intx, 1));
	}
	EXPECT_EQ(0, vfio_config_read(dev, 0, &id, sizeof(id)));
	EXPECT_EQ(0x10441af4, id);
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(intx));
}

/* The report ends a sleep that an eventfd tells the end of. */
TEST_F(aer, asleep_with_wakeup)
{
	int dev = bind_device(self), wakeup = eventfd(0, EFD_CLOEXEC), i;
	struct vfio_device_low_power_entry_with_wakeup entry = {
		.wakeup_eventfd = wakeup,
	};
	char status[32];

	ASSERT_LE(0, dev);
	ASSERT_LE(0, wakeup);
	ASSERT_EQ(0, take_locks(self, dev));
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_ERR_IRQ_INDEX, &self->event,
				     1));
	ASSERT_EQ(0, report_errors(dev));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, set_feature(dev, ENTRY_WAKEUP, &entry,
					 sizeof(entry)));
		ASSERT_TRUE(falls_asleep(self));
		EXPECT_EQ(0, monitor_command(self->monitor, INJECT));
		EXPECT_LE(1, eventfd_wait(self->event, TIMEOUT));
		EXPECT_EQ(1, eventfd_wait(wakeup, TIMEOUT));
		usleep(QUIET * 1000);
		ASSERT_EQ(0, pci_power_status(self->bdf, status,
					      sizeof(status)));
		EXPECT_STREQ("active", status);
	}
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(wakeup));
}

/* A device that nobody has sleeps, too: its neighbour's error wakes it. */
TEST_F(aer, neighbour_asleep)
{
	int dev = bind_device(self);

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, take_locks(self, dev));
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_ERR_IRQ_INDEX, &self->event,
				     1));
	ASSERT_EQ(0, pci_power_wait(self->neighbour, "suspended"));
	EXPECT_TRUE(error_is_told(_metadata, self, dev));
	EXPECT_EQ(0, pci_power_wait(self->neighbour, "suspended"));
	EXPECT_EQ(0, close(dev));
}

TEST_F(aer, group)
{
	struct type1 t1;
	int dev;

	ASSERT_EQ(0, type1_open(&t1, self->bdf));
	dev = vfio_group_get_device(t1.group, self->bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_ERR_IRQ_INDEX, &self->event,
				     1));
	EXPECT_TRUE(error_is_told(_metadata, self, dev));
	EXPECT_EQ(0, close(dev));
	type1_close(&t1);
}

TEST_HARNESS_MAIN
