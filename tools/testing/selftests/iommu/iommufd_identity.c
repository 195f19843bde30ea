// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu=pt: what a device does for the kernel is not translated, so that it
 * reaches all of memory; what it does for user space is.
 *
 *   kernel's driver ---> bound ---> attached ---> detached
 *      identity         nothing    what is mapped   nothing
 */
#include "iommufd_utils.h"

#define IOVA		(16 * MB)

/* Is this the default domain of the device's group? */
static bool is_identity(const char *bdf)
{
	char path[PCI_PATH_MAX], type[32];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type",
		 bdf);
	return !sysfs_read(path, type, sizeof(type)) &&
	       !strncmp(type, "identity", 8);
}

FIXTURE(identity)
{
	struct bound b;
};

FIXTURE_SETUP(identity)
{
	ASSERT_TRUE(is_identity(REQUIRE_DEVICE("EDU0")))
		TH_LOG("iommu=pt is missing");
	SETUP_BOUND(&self->b);
}

FIXTURE_TEARDOWN(identity)
{
	teardown_bound(&self->b);
}

static uint64_t physical_address(const void *va)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (pread(pagemap, &entry, sizeof(entry),
		  (uintptr_t)va / PAGE * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(pagemap);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

/* For user space a physical address is an IOVA like any other. */
TEST_F(identity, physical_addresses)
{
	char *mem = alloc_memory(PAGE);
	struct edu edu;
	uint32_t ioas;
	uint64_t at;

	/* The other device keeps the page where it is. */
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	ASSERT_EQ(0, ioas_map(self->b.iommufd, self->b.ioas, mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
	at = physical_address(mem);
	ASSERT_NE(0, at);

	SETUP_EDU(&edu, &self->b);
	EXPECT_TRUE(dma_is_blocked(&edu, mem, at));
	ASSERT_EQ(0, ioas_alloc(self->b.iommufd, &ioas));
	ASSERT_EQ(0, attach_edu(&edu, ioas));
	EXPECT_TRUE(dma_is_blocked(&edu, mem, at));
	ASSERT_EQ(0, ioas_map(self->b.iommufd, ioas, mem, PAGE, at,
			      IOMMU_MAP_RW));
	EXPECT_TRUE(dma_works(&edu, mem, at));
	ASSERT_EQ(0, vfio_detach(edu.dev));
	EXPECT_TRUE(dma_is_blocked(&edu, mem, at));
	teardown_edu(&edu);
}

TEST_HARNESS_MAIN
