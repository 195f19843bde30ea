// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a struct of a program's is: shorter or longer than the kernel's, as
 * programs are that were built with another header, or for 32 bits.
 */
#include <linux/pci_regs.h>
#include <stddef.h>
#include <stdio.h>

#include "vfio_test.h"

#define TAIL	64
#define FILLER	0xa5

FIXTURE(argsz) {
	const char *bdf;
	int dev;
	int iommufd;
};

FIXTURE_SETUP(argsz)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("TESTDEV0");
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
}

FIXTURE_TEARDOWN(argsz)
{
	close(self->dev);
	close(self->iommufd);
}

/* ---- BIND, ATTACH, DETACH ---- */

#define BIND_SIZE	sizeof(struct vfio_device_bind_iommufd)

/* With as many bytes behind what is known, the last of which is @last */
static int bind_tail(struct _test_data_argsz *self, uint32_t argsz,
		     uint32_t flags, int iommufd, char last)
{
	struct {
		struct vfio_device_bind_iommufd bind;
		char more[TAIL];
	} cmd = { .bind = {
		.argsz = argsz,
		.flags = flags,
		.iommufd = iommufd,
	} };

	cmd.more[TAIL - 1] = last;
	return xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
}

/* What is not known and not 0: E2BIG, before the flags and the iommufd */
TEST_F(argsz, bind_tail_e2big)
{
	EXPECT_EQ(-E2BIG, bind_tail(self, BIND_SIZE + TAIL, 0, self->iommufd,
				    1));
	EXPECT_EQ(-E2BIG, bind_tail(self, BIND_SIZE + TAIL, 1U << 31,
				    self->iommufd, 1));
	EXPECT_EQ(-E2BIG, bind_tail(self, BIND_SIZE + TAIL, 0, -1, 1));
	/* It does not count behind argsz. */
	EXPECT_EQ(-EINVAL, bind_tail(self, BIND_SIZE + TAIL - 1, 1U << 31,
				     self->iommufd, 1));
	EXPECT_EQ(0, bind_tail(self, BIND_SIZE + TAIL - 1, 0, self->iommufd,
			       1));
}

TEST_F(argsz, bind_tail_of_zeroes)
{
	EXPECT_EQ(0, bind_tail(self, BIND_SIZE + TAIL, 0, self->iommufd, 0));
}

/* More than any kernel will know: E2BIG.  Memory that ends before: EFAULT */
TEST_F(argsz, bind_huge)
{
	char *page = alloc_memory(2 * PAGE);
	struct vfio_device_bind_iommufd *cmd =
		(void *)(page + PAGE - BIND_SIZE);

	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, munmap(page + PAGE, PAGE));
	cmd->iommufd = self->iommufd;
	cmd->argsz = UINT32_MAX;
	EXPECT_EQ(-E2BIG, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, cmd));
	cmd->argsz = BIND_SIZE + 1;
	EXPECT_EQ(-EFAULT, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, cmd));
	cmd->argsz = BIND_SIZE;
	EXPECT_EQ(0, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, cmd));
}

/* ATTACH and DETACH: nobody looks at what is behind what is known. */
TEST_F(argsz, attach_tail)
{
	struct {
		struct vfio_device_attach_iommufd_pt cmd;
		char more[TAIL];
	} attach = { .cmd.argsz = sizeof(attach) };
	struct {
		struct vfio_device_detach_iommufd_pt cmd;
		char more[TAIL];
	} detach = { .cmd.argsz = sizeof(detach) };

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &attach.cmd.pt_id));
	memset(attach.more, FILLER, TAIL);
	memset(detach.more, FILLER, TAIL);
	EXPECT_EQ(0, xioctl(self->dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
			    &attach));
	EXPECT_EQ(0, xioctl(self->dev, VFIO_DEVICE_DETACH_IOMMUFD_PT,
			    &detach));
}

/* ---- VFIO_DEVICE_GET_INFO ---- */

/* As programs know it that were built before it had a pad, or capabilities */
#define INFO_OLDEST	offsetof(struct vfio_device_info, cap_offset)
#define INFO_OLD	offsetof(struct vfio_device_info, pad)

union info_buf {
	struct vfio_device_info info;
	unsigned char bytes[sizeof(struct vfio_device_info) + TAIL];
};

static int get_info(int dev, union info_buf *buf, uint32_t argsz)
{
	memset(buf, FILLER, sizeof(*buf));
	buf->info.argsz = argsz;
	return xioctl(dev, VFIO_DEVICE_GET_INFO, buf);
}

static bool untouched(const union info_buf *buf, size_t from)
{
	while (from < sizeof(*buf))
		if (buf->bytes[from++] != FILLER)
			return false;
	return true;
}

/* A device without capabilities: each length is taken, and no byte behind it. */
TEST_F(argsz, device_info)
{
	union info_buf buf;
	uint32_t argsz;

	ASSERT_EQ(16, INFO_OLDEST);
	ASSERT_EQ(20, INFO_OLD);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	for (argsz = 0; argsz < INFO_OLDEST; argsz++)
		EXPECT_EQ(-EINVAL, get_info(self->dev, &buf, argsz));
	for (; argsz <= sizeof(buf); argsz++) {
		ASSERT_EQ(0, get_info(self->dev, &buf, argsz));
		EXPECT_EQ(argsz, buf.info.argsz);
		EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI,
			  buf.info.flags & ~VFIO_DEVICE_FLAGS_RESET);
		EXPECT_EQ(VFIO_PCI_NUM_REGIONS, buf.info.num_regions);
		EXPECT_EQ(VFIO_PCI_NUM_IRQS, buf.info.num_irqs);
		if (argsz >= INFO_OLD)
			EXPECT_EQ(0, buf.info.cap_offset);
		EXPECT_TRUE(untouched(&buf, argsz < INFO_OLD ? INFO_OLDEST :
							       INFO_OLD));
	}
}

/* A little-endian number of a device's configuration space */
static uint32_t config(FILE *file, long at, size_t len)
{
	uint32_t value = 0;

	return fseek(file, at, SEEK_SET) || fread(&value, 1, len, file) != len ?
		0 : value;
}

/* What the port above the device says it completes, as sysfs shows it */
static uint32_t port_completes(const char *bdf)
{
	char path[PCI_PATH_MAX];
	uint32_t at, cap = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/../config", bdf);
	file = fopen(path, "r");
	if (!file)
		return UINT32_MAX;
	for (at = config(file, PCI_CAPABILITY_LIST, 1); at;
	     at = config(file, at + PCI_CAP_LIST_NEXT, 1))
		if (config(file, at, 1) == PCI_CAP_ID_EXP)
			cap = config(file, at + PCI_EXP_DEVCAP2, 4);
	fclose(file);
	return (cap & PCI_EXP_DEVCAP2_ATOMIC_COMP32 ?
			VFIO_PCI_ATOMIC_COMP32 : 0) |
	       (cap & PCI_EXP_DEVCAP2_ATOMIC_COMP64 ?
			VFIO_PCI_ATOMIC_COMP64 : 0) |
	       (cap & PCI_EXP_DEVCAP2_ATOMIC_COMP128 ?
			VFIO_PCI_ATOMIC_COMP128 : 0);
}

static uint32_t told_atomic_comp(const union info_buf *buf)
{
	const struct vfio_device_info_cap_pci_atomic_comp *cap;
	uint32_t at;

	for (at = buf->info.cap_offset; at; at = cap->header.next) {
		cap = (const void *)(buf->bytes + at);
		if (cap->header.id == VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP)
			return cap->flags;
	}
	return 0;
}

/*
 * The AtomicOps that the root port above the device completes; no capability
 * when it does none, as QEMU's.
 */
TEST_F(argsz, atomic_comp)
{
	const char *bdf = REQUIRE_DEVICE("NIC0");
	uint32_t expected = port_completes(bdf);
	union info_buf buf;
	int dev;

	ASSERT_NE(UINT32_MAX, expected);
	dev = vfio_cdev_open(bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_bind(dev, self->iommufd, NULL));
	ASSERT_EQ(0, get_info(dev, &buf, sizeof(buf)));
	EXPECT_EQ(expected, told_atomic_comp(&buf));
	EXPECT_EQ(expected ? VFIO_DEVICE_FLAGS_CAPS : 0,
		  buf.info.flags & VFIO_DEVICE_FLAGS_CAPS);
	if (expected) {
		/* It is told how much room that takes. */
		ASSERT_EQ(0, get_info(dev, &buf, INFO_OLD));
		EXPECT_LT(sizeof(struct vfio_device_info), buf.info.argsz);
		EXPECT_EQ(0, buf.info.cap_offset);
	}
	close(dev);
}

TEST_HARNESS_MAIN
