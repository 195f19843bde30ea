// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts by eventfd, and resets, of devices bound through their cdevs. */
#include <linux/pci_regs.h>

#include "disk.h"
#include "nvme.h"
#include "vfio_test.h"

#define IOVA		0x1000000UL
#define TIMEOUT		60000	/* ms */
#define QUIET		200	/* ms in which nothing must come */

FIXTURE(irq) {
	int iommufd;
	uint32_t ioas;
	struct vdev vdev;
	struct edu edu;
	int event;
};

FIXTURE_SETUP(irq)
{
	uint32_t pt;

	REQUIRE_IOMMU();
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	edu_bind(_metadata, &self->vdev, &self->edu, "EDU0", self->iommufd);
	pt = self->ioas;
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	self->event = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->event);
	/* The device is not reset between tests: nothing may be pending. */
	edu_irq_ack(&self->edu, UINT32_MAX);
	ASSERT_EQ(0, edu_irq_status(&self->edu));
}

FIXTURE_TEARDOWN(irq)
{
	edu_irq_ack(&self->edu, UINT32_MAX);
	edu_close(&self->edu);
	EXPECT_EQ(0, close(self->vdev.fd));
	EXPECT_EQ(0, close(self->iommufd));
}

/* Each MSI the device sends counts the eventfd up by one. */
TEST_F(irq, msi)
{
	int i;

	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     &self->event, 1));
	for (i = 0; i < 3; i++) {
		edu_irq_raise(&self->edu, 1);
		EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
		edu_irq_ack(&self->edu, 1);
	}
	EXPECT_EQ(-ETIMEDOUT, eventfd_wait(self->event, QUIET));
}

/* A DMA that tells its end by MSI: the bytes are there when the event is. */
TEST_F(irq, msi_after_dma)
{
	char *mem = alloc_memory(PAGE);

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     &self->event, 1));
	fill(mem, DMA_LEN, 1);
	ASSERT_EQ(0, edu_read_memory(&self->edu, IOVA, 0, DMA_LEN));
	ASSERT_EQ(0, edu_write_memory_irq(&self->edu, 0, IOVA + DMA_LEN,
					  DMA_LEN));
	EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
	EXPECT_EQ(EDU_IRQ_DMA, edu_irq_status(&self->edu));
	EXPECT_EQ(0, memcmp(mem, mem + DMA_LEN, DMA_LEN));
}

/* Turned off, the interrupt signals nothing; on again, it does. */
TEST_F(irq, msi_disable)
{
	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     &self->event, 1));
	ASSERT_EQ(0, vfio_irq_disable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX));
	edu_irq_raise(&self->edu, 1);
	EXPECT_EQ(-ETIMEDOUT, eventfd_wait(self->event, QUIET));
	edu_irq_ack(&self->edu, 1);
	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     &self->event, 1));
	edu_irq_raise(&self->edu, 1);
	EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
}

/* MSIs do not go through the I/O address space: they come when detached. */
TEST_F(irq, msi_detached)
{
	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     &self->event, 1));
	ASSERT_EQ(0, vfio_detach(self->vdev.fd));
	edu_irq_raise(&self->edu, 1);
	EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
}

/* They go on when the device is moved to another I/O address space. */
TEST_F(irq, msi_after_replace)
{
	uint32_t pt;

	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     &self->event, 1));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &pt));
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	edu_irq_raise(&self->edu, 1);
	EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
}

/* INTx is masked when it signals, and comes again after the unmask. */
TEST_F(irq, intx)
{
	struct vfio_irq_info info;
	int i;

	ASSERT_EQ(0, vfio_irq_info(self->vdev.fd, VFIO_PCI_INTX_IRQ_INDEX,
				   &info));
	ASSERT_EQ(1, info.count);
	EXPECT_TRUE(info.flags & VFIO_IRQ_INFO_AUTOMASKED);
	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_INTX_IRQ_INDEX,
				     &self->event, 1));
	for (i = 0; i < 2; i++) {
		edu_irq_raise(&self->edu, 1);
		EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
		EXPECT_EQ(-ETIMEDOUT, eventfd_wait(self->event, QUIET));
		edu_irq_ack(&self->edu, 1);
		EXPECT_EQ(0, vfio_irq_action(self->vdev.fd,
					     VFIO_PCI_INTX_IRQ_INDEX,
					     VFIO_IRQ_SET_ACTION_UNMASK));
	}
	EXPECT_EQ(-ETIMEDOUT, eventfd_wait(self->event, QUIET));
}

/* A level that stays up signals again as soon as it is unmasked. */
TEST_F(irq, intx_level)
{
	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_INTX_IRQ_INDEX,
				     &self->event, 1));
	edu_irq_raise(&self->edu, 1);
	EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
	EXPECT_EQ(0, vfio_irq_action(self->vdev.fd, VFIO_PCI_INTX_IRQ_INDEX,
				     VFIO_IRQ_SET_ACTION_UNMASK));
	EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
}

#define NOINTXMASK	"/sys/module/vfio_pci/parameters/nointxmask"

/*
 * Two devices share a line, unless vfio-pci was told not to rely on what masks a
 * device's own INTx: the line is masked then, and the second device is EBUSY.
 */
TEST_F(irq, intx_line)
{
	uint32_t line, other_line;
	char nointxmask[8];
	struct vdev other;
	int event = eventfd(0, EFD_CLOEXEC), busy;

	ASSERT_LE(0, event);
	vdev_bind(_metadata, &other, "NIC0", self->iommufd);
	ASSERT_EQ(0, pci_attr(self->vdev.bdf, "irq", &line));
	ASSERT_EQ(0, pci_attr(other.bdf, "irq", &other_line));
	ASSERT_EQ(line, other_line);
	ASSERT_EQ(0, sysfs_read(NOINTXMASK, nointxmask, sizeof(nointxmask)));
	busy = nointxmask[0] == 'Y' ? -EBUSY : 0;

	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_INTX_IRQ_INDEX,
				     &self->event, 1));
	ASSERT_EQ(busy, vfio_irq_enable(other.fd, VFIO_PCI_INTX_IRQ_INDEX,
					&event, 1));
	edu_irq_raise(&self->edu, 1);
	EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
	EXPECT_EQ(-ETIMEDOUT, eventfd_wait(event, QUIET));
	edu_irq_ack(&self->edu, 1);

	ASSERT_EQ(0, vfio_irq_disable(self->vdev.fd, VFIO_PCI_INTX_IRQ_INDEX));
	EXPECT_EQ(0, vfio_irq_enable(other.fd, VFIO_PCI_INTX_IRQ_INDEX, &event,
				     1));
	EXPECT_EQ(busy, vfio_irq_enable(self->vdev.fd, VFIO_PCI_INTX_IRQ_INDEX,
					&self->event, 1));
	EXPECT_EQ(0, close(other.fd));
	close(event);
}

/* Who asks for it gets the event without the device. */
TEST_F(irq, trigger)
{
	ASSERT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     &self->event, 1));
	EXPECT_EQ(0, vfio_irq_action(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     VFIO_IRQ_SET_ACTION_TRIGGER));
	EXPECT_EQ(1, eventfd_wait(self->event, TIMEOUT));
}

/* What is not an eventfd, not an index or too many is EINVAL or EBADF. */
TEST_F(irq, bad_arguments)
{
	int many[64], null = open("/dev/null", O_RDWR), nothing = 4711, i;

	ASSERT_LE(0, null);
	for (i = 0; i < 64; i++)
		many[i] = self->event;
	EXPECT_EQ(-EINVAL, vfio_irq_enable(self->vdev.fd,
					   VFIO_PCI_MSI_IRQ_INDEX, many, 64));
	EXPECT_EQ(-EINVAL, vfio_irq_enable(self->vdev.fd, 99, many, 1));
	EXPECT_EQ(-EINVAL, vfio_irq_enable(self->vdev.fd,
					   VFIO_PCI_MSI_IRQ_INDEX, &null, 1));
	EXPECT_EQ(-EBADF, vfio_irq_enable(self->vdev.fd,
					  VFIO_PCI_MSI_IRQ_INDEX, &nothing,
					  1));
	EXPECT_EQ(0, vfio_irq_enable(self->vdev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				     many, 1));
	close(null);
}

/* A device without a reset method says so, and its RESET is EINVAL. */
TEST_F(irq, no_reset)
{
	struct vfio_device_info info;

	ASSERT_EQ(0, vfio_get_info(self->vdev.fd, &info));
	EXPECT_FALSE(info.flags & VFIO_DEVICE_FLAGS_RESET);
	EXPECT_EQ(-EINVAL, vfio_reset(self->vdev.fd));
}

/* Config space: what is read is the device's, what is written arrives. */
TEST_F(irq, config)
{
	uint16_t command, vendor = 0;

	EXPECT_EQ(0, vfio_config_read(self->vdev.fd, PCI_VENDOR_ID, &vendor,
				      sizeof(vendor)));
	EXPECT_EQ(EDU_VENDOR, vendor);
	command = 0;
	EXPECT_EQ(0, vfio_config_write(self->vdev.fd, PCI_COMMAND, &command,
				       sizeof(command)));
	EXPECT_EQ(0, vfio_enable_dma(self->vdev.fd));
	EXPECT_EQ(0, vfio_config_read(self->vdev.fd, PCI_COMMAND, &command,
				      sizeof(command)));
	EXPECT_TRUE(command & PCI_COMMAND_MASTER);
	EXPECT_EQ(0, edu_check(&self->edu));
}

/* The disk, bound and attached, with memory for its driver. */
FIXTURE(disk) {
	int iommufd;
	uint32_t ioas;
	struct vdev vdev;
	struct nvme nvme;
	void *mem;
	const char *sha256;
};

FIXTURE_SETUP(disk)
{
	uint32_t pt;

	REQUIRE_IOMMU();
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	vdev_bind(_metadata, &self->vdev, "NVME0", self->iommufd);
	self->sha256 = REQUIRE_ENV("NVME_SHA256");
	pt = self->ioas;
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	self->mem = alloc_memory(NVME_MEM_SIZE);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, self->mem,
			      NVME_MEM_SIZE, IOVA, IOMMU_MAP_RW));
	ASSERT_EQ(0, nvme_open(&self->nvme, self->vdev.fd, self->mem, IOVA));
}

FIXTURE_TEARDOWN(disk)
{
	nvme_close(&self->nvme);
	EXPECT_EQ(0, close(self->vdev.fd));
	EXPECT_EQ(0, close(self->iommufd));
}

/* The whole disk, a MSI-X for each command, and the host's checksum. */
TEST_F(disk, read_all)
{
	char hex[SHA256_HEX_LEN + 1];

	ASSERT_EQ(0, nvme_sha256(&self->nvme, hex));
	EXPECT_STREQ(self->sha256, hex);
	EXPECT_EQ(self->nvme.commands, self->nvme.interrupts);
}

/*
 * A command whose data is not mapped leaves memory alone, whether the
 * controller notices or not, and the next one works.
 */
TEST_F(disk, read_blocked)
{
	uint64_t iova = IOVA + NVME_CONTROL_SIZE;
	char *data = (char *)self->mem + NVME_CONTROL_SIZE;
	char *first = malloc(PAGE), *pattern = malloc(PAGE);
	uint32_t blocks = PAGE / self->nvme.block_size;
	int rc;

	ASSERT_NE(NULL, first);
	ASSERT_NE(NULL, pattern);
	fill(pattern, PAGE, 1);
	ASSERT_EQ(0, nvme_read(&self->nvme, 0, blocks));
	memcpy(first, data, PAGE);
	ASSERT_NE(0, memcmp(first, pattern, PAGE));

	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA,
				NVME_MEM_SIZE, NULL));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, self->mem,
			      NVME_CONTROL_SIZE, IOVA, IOMMU_MAP_RW));
	memcpy(data, pattern, PAGE);
	rc = nvme_read(&self->nvme, 0, blocks);
	if (rc)
		EXPECT_EQ(-EIO, rc);
	EXPECT_EQ(0, memcmp(data, pattern, PAGE));

	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, data,
			      NVME_MAX_TRANSFER, iova, IOMMU_MAP_RW));
	ASSERT_EQ(0, nvme_read(&self->nvme, 0, blocks));
	EXPECT_EQ(0, memcmp(data, first, PAGE));
}

/* RESET stops the controller; started again, it reads as before. */
TEST_F(disk, reset)
{
	struct vfio_device_info info;
	char *before = malloc(PAGE);
	uint32_t blocks = PAGE / self->nvme.block_size;

	ASSERT_NE(NULL, before);
	ASSERT_EQ(0, vfio_get_info(self->vdev.fd, &info));
	ASSERT_TRUE(info.flags & VFIO_DEVICE_FLAGS_RESET);
	ASSERT_EQ(0, nvme_read(&self->nvme, 0, blocks));
	memcpy(before, nvme_data(&self->nvme), PAGE);
	nvme_close(&self->nvme);
	ASSERT_EQ(0, vfio_reset(self->vdev.fd));
	ASSERT_EQ(0, nvme_open(&self->nvme, self->vdev.fd, self->mem, IOVA));
	ASSERT_EQ(0, nvme_read(&self->nvme, 0, blocks));
	EXPECT_EQ(0, memcmp(before, nvme_data(&self->nvme), PAGE));
}

/* A network card takes a RESET too, in any state of its attachment. */
TEST(card_reset)
{
	int iommufd = iommu_open();
	struct vdev vdev;
	uint32_t pt;

	REQUIRE_IOMMU();
	ASSERT_LE(0, iommufd);
	vdev_bind(_metadata, &vdev, "NIC0", iommufd);
	EXPECT_EQ(0, vfio_reset(vdev.fd));
	ASSERT_EQ(0, ioas_alloc(iommufd, &pt));
	ASSERT_EQ(0, vfio_attach(vdev.fd, &pt));
	EXPECT_EQ(0, vfio_reset(vdev.fd));
	ASSERT_EQ(0, vfio_detach(vdev.fd));
	EXPECT_EQ(0, vfio_reset(vdev.fd));
	EXPECT_EQ(0, close(vdev.fd));
	EXPECT_EQ(0, close(iommufd));
}

TEST_HARNESS_MAIN
