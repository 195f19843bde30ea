// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may show its guest a device's ATS: IOMMU_GET_HW_INFO says
 * IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, unless the unit and the device have it.
 *
 *   VT-d with device IOTLBs --+-- RNG0, which has ATS
 *                             +-- TESTDEV0, which has none
 */
#include "iommufd_utils.h"

static int capabilities(int iommufd, uint32_t dev, uint64_t *caps)
{
	struct iommu_hw_info cmd = { .size = sizeof(cmd), .dev_id = dev };
	int rc = xioctl(iommufd, IOMMU_GET_HW_INFO, &cmd);

	*caps = cmd.out_capabilities;
	return rc;
}

FIXTURE(ats)
{
	struct vdev vdev;
	int iommufd;
	uint32_t ioas;
};

FIXTURE_VARIANT(ats)
{
	const char *device;
	uint64_t caps;
};

FIXTURE_VARIANT_ADD(ats, with)
{
	.device = "RNG0",
	.caps = 0,
};

FIXTURE_VARIANT_ADD(ats, without)
{
	.device = "TESTDEV0",
	.caps = IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED,
};

FIXTURE_SETUP(ats)
{
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	vdev_bind(_metadata, &self->vdev, variant->device, self->iommufd);
}

FIXTURE_TEARDOWN(ats)
{
	close(self->vdev.fd);
	close(self->iommufd);
}

/* It is the same before and after an attach, which is when ATS is turned on. */
TEST_F(ats, capability)
{
	uint32_t pt = self->ioas;
	uint64_t caps;

	ASSERT_EQ(0, capabilities(self->iommufd, self->vdev.id, &caps));
	EXPECT_EQ(variant->caps, caps);
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	ASSERT_EQ(0, capabilities(self->iommufd, self->vdev.id, &caps));
	EXPECT_EQ(variant->caps, caps);
}

TEST_HARNESS_MAIN
