// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu=pt: what a device does for the kernel is not translated, so that it
 * reaches all of memory; what it does for user space is.
 *
 *   kernel's driver ---> bound ---> attached ---> detached ---> kernel's driver
 *      identity         nothing    what is mapped   nothing         identity
 */
#include "iommufd_utils.h"
#include "mdev.h"
#include "nvme.h"

#define IOVA		(16 * MB)
#define LENGTH		(MB / 4)
#define MAX_DISKS	8

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

/* How a disk goes back to the kernel's driver */
FIXTURE(disk)
{
	const char *bdf;
	char *kernel, *user;	/* what is read */
};

FIXTURE_VARIANT(disk)
{
	bool detach;
};

FIXTURE_VARIANT_ADD(disk, detached) { .detach = true };
FIXTURE_VARIANT_ADD(disk, attached) { .detach = false };

FIXTURE_SETUP(disk)
{
	self->bdf = REQUIRE_DEVICE("NVME0");
	REQUIRE_IOMMU();
	ASSERT_TRUE(is_identity(self->bdf))
		TH_LOG("iommu=pt is missing");
	ASSERT_EQ(0, module_load("/t/nvme-core.ko"));
	ASSERT_EQ(0, module_load("/t/nvme.ko"));
	self->kernel = alloc_memory(LENGTH);
	self->user = alloc_memory(NVME_MEM_SIZE);
	ASSERT_NE(NULL, self->kernel);
	ASSERT_NE(NULL, self->user);
}

FIXTURE_TEARDOWN(disk)
{
	EXPECT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
	EXPECT_EQ(0, module_unload("nvme"));
	EXPECT_EQ(0, module_unload("nvme_core"));
}

/* The disk's node, once its driver has found it; no other one has a disk. */
static int disk_open(void)
{
	char path[32];
	int fd, i, j;

	for (i = 0; i < 600; i++) {
		for (j = 0; j < MAX_DISKS; j++) {
			snprintf(path, sizeof(path), "/dev/nvme%dn1", j);
			fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
			if (fd >= 0)
				return fd;
		}
		usleep(100000);
	}
	return -ETIMEDOUT;
}

/* The device's DMA goes to the caller's own pages. */
static int read_by_kernel(const char *bdf, char *mem)
{
	int rc = pci_bind_driver(bdf, "nvme"), fd;

	if (rc)
		return rc;
	fd = disk_open();
	if (fd < 0)
		return fd;
	memset(mem, 0, LENGTH);
	rc = read(fd, mem, LENGTH) == LENGTH ? 0 : -EIO;
	close(fd);
	return rc;
}

#define READ_BY_USER() do {						\
	int __iommufd = iommu_open();					\
	struct nvme __nvme;						\
	struct vdev __vdev;						\
	uint32_t __pt;							\
									\
	ASSERT_LE(0, __iommufd);					\
	vdev_bind(_metadata, &__vdev, "NVME0", __iommufd);		\
	ASSERT_EQ(0, ioas_alloc(__iommufd, &__pt));			\
	ASSERT_EQ(0, ioas_map(__iommufd, __pt, self->user,		\
			      NVME_MEM_SIZE, IOVA, IOMMU_MAP_RW));	\
	ASSERT_EQ(0, vfio_attach(__vdev.fd, &__pt));			\
	ASSERT_EQ(0, nvme_open(&__nvme, __vdev.fd, self->user, IOVA));	\
	ASSERT_EQ(0, nvme_read(&__nvme, 0,				\
			       LENGTH / __nvme.block_size));		\
	EXPECT_EQ(0, memcmp(self->kernel, nvme_data(&__nvme), LENGTH));	\
	nvme_close(&__nvme);						\
	if (variant->detach)						\
		ASSERT_EQ(0, vfio_detach(__vdev.fd));			\
	close(__vdev.fd);						\
	close(__iommufd);						\
} while (0)

/* The kernel's driver reads the disk before and after user space's. */
TEST_F(disk, back_and_forth)
{
	int i;

	ASSERT_EQ(0, read_by_kernel(self->bdf, self->kernel));
	for (i = 0; i < 2; i++) {
		READ_BY_USER();
		ASSERT_EQ(0, read_by_kernel(self->bdf, self->kernel));
		EXPECT_EQ(0, memcmp(self->kernel,
				    self->user + NVME_CONTROL_SIZE, LENGTH));
	}
}

TEST_HARNESS_MAIN
