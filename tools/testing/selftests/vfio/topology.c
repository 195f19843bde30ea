// SPDX-License-Identifier: GPL-2.0-only
/*
 * What depends on the machine's IOMMU: none at all, or one that does not
 * isolate the devices' MSIs; which page tables VT-d has; and on the kernel's
 * configuration: with groups or without, with VFIO's own containers or without.
 */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "vfio_test.h"

/* Without IOMMU vfio-pci's probe fails, so that there is no node. */
TEST(no_iommu)
{
	char name[64];
	const char *bdf;
	DIR *nodes;

	REQUIRE_ENV("topology");
	if (!iommu_is("none"))
		SKIP_TEST("this machine has an IOMMU");
	bdf = REQUIRE_ENV("EDU0");
	EXPECT_EQ(-ENOENT, pci_group(bdf));
	EXPECT_EQ(-EIO, pci_bind_driver(bdf, "vfio-pci"));
	EXPECT_EQ(-ENODEV, pci_driver(bdf, name, sizeof(name)));
	EXPECT_EQ(-ENOENT, vfio_cdev_name(bdf, name, sizeof(name)));
	nodes = opendir("/dev/vfio/devices");
	EXPECT_EQ(NULL, nodes);
	EXPECT_EQ(0, pci_unbind_driver(bdf));
}

/* /dev/iommu itself needs no IOMMU: an IOAS can be made and filled. */
TEST(iommufd_without_iommu)
{
	int iommufd = iommu_open();
	uint32_t ioas;
	void *mem;

	ASSERT_LE(0, iommufd);
	ASSERT_EQ(0, ioas_alloc(iommufd, &ioas));
	mem = alloc_memory(PAGE);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, ioas_map(iommufd, ioas, mem, PAGE, PAGE, IOMMU_MAP_RW));
	EXPECT_EQ(0, ioas_unmap(iommufd, ioas, PAGE, PAGE, NULL));
}

/*
 * virtio-iommu does not isolate MSIs: BIND is EPERM, unless the administrator
 * allows it.
 */
TEST(unsafe_interrupts)
{
	int iommufd = iommu_open(), dev;
	const char *bdf;
	struct edu edu;
	uint32_t pt;
	void *mem;

	REQUIRE_ENV("topology");
	if (!iommu_is("virtio"))
		SKIP_TEST("this machine isolates MSIs, or has no IOMMU");
	ASSERT_LE(0, iommufd);
	bdf = REQUIRE_DEVICE("EDU0");
	dev = vfio_cdev_open(bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, sysfs_write(UNSAFE_INTERRUPTS, "N"));
	EXPECT_EQ(-EPERM, vfio_bind(dev, iommufd, NULL));
	ASSERT_EQ(0, sysfs_write(UNSAFE_INTERRUPTS, "Y"));
	ASSERT_EQ(0, vfio_bind(dev, iommufd, NULL));

	mem = alloc_memory(PAGE);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, ioas_alloc(iommufd, &pt));
	ASSERT_EQ(0, ioas_map(iommufd, pt, mem, PAGE, 0x1000000,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, vfio_attach(dev, &pt));
	ASSERT_EQ(0, edu_open(&edu, dev));
	EXPECT_TRUE(dma_works(&edu, mem, 0x1000000));
	EXPECT_EQ(0, sysfs_write(UNSAFE_INTERRUPTS, "N"));
}

/* An IOMMU that does isolate MSIs asks for nothing. */
TEST(safe_interrupts)
{
	int iommufd = iommu_open();
	struct vdev vdev;

	REQUIRE_IOMMU();
	if (iommu_is("virtio"))
		SKIP_TEST("this machine does not isolate MSIs");
	ASSERT_LE(0, iommufd);
	ASSERT_EQ(0, sysfs_write(UNSAFE_INTERRUPTS, "N"));
	vdev_bind(_metadata, &vdev, "EDU0", iommufd);
}

#define ECAP_SMTS	0x080000000000ULL	/* scalable mode */
#define ECAP_SLTS	0x400000000000ULL	/* in which there are second-level tables */
#define ECAP_FLTS	0x800000000000ULL	/* and first-level ones */

/*
 * The machine says which page tables VT-d has in scalable mode, and that it is in
 * that.  A fault tells those of the first level from all others.
 */
TEST(vtd_tables)
{
	const char *tables = getenv("tables") ?: "legacy";
	bool first = !strcmp(tables, "first");
	bool second = !strcmp(tables, "second");
	uint64_t wanted = (first ? ECAP_SMTS | ECAP_FLTS : 0) |
			  (second ? ECAP_SMTS | ECAP_SLTS : 0);
	int klog = klog_open(), iommufd = iommu_open();
	char path[PCI_PATH_MAX], text[512];
	struct vdev vdev;
	struct edu edu;
	uint64_t ecap;
	uint32_t pt;

	REQUIRE_IOMMU();
	if (!iommu_is("vtd"))
		SKIP_TEST("this machine has no VT-d");
	edu_bind(_metadata, &vdev, &edu, "EDU0", iommufd);
	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/iommu/intel-iommu/ecap", vdev.bdf);
	ASSERT_EQ(0, sysfs_read(path, text, sizeof(text)));
	ecap = strtoull(text, NULL, 16);
	EXPECT_EQ(wanted, ecap & (ECAP_SMTS | ECAP_SLTS | ECAP_FLTS));
	ASSERT_EQ(0, sysfs_read("/proc/cmdline", text, sizeof(text)));
	EXPECT_EQ(first || second, !!strstr(text, "sm_on"));

	ASSERT_EQ(0, ioas_alloc(iommufd, &pt));
	ASSERT_EQ(0, vfio_attach(vdev.fd, &pt));
	ASSERT_EQ(0, edu_wait_fault(&edu, PAGE, klog, vdev.bdf, text,
				    sizeof(text)));
	EXPECT_EQ(first, !!strstr(text, "first-level")) TH_LOG("%s", text);
}

static bool variant_is(const char *name)
{
	const char *variant = getenv("variant");

	return !strcmp(variant ?: "", name);
}

/* VFIO_GROUP=n: the device's node is the only way. */
TEST(no_groups)
{
	struct vdev vdev;
	char path[64];

	REQUIRE_IOMMU();
	if (!variant_is("nogroup"))
		SKIP_TEST("this kernel has groups");
	vdev_bind(_metadata, &vdev, "EDU0", iommu_open());
	snprintf(path, sizeof(path), "/dev/vfio/%d", pci_group(vdev.bdf));
	EXPECT_EQ(-1, access(path, F_OK));
	EXPECT_EQ(-1, access("/dev/vfio/vfio", F_OK));
	EXPECT_EQ(-1, access("/sys/module/vfio_iommu_type1", F_OK));
}

#define VFIO_MINOR	196

/*
 * VFIO_CONTAINER=n: /dev/vfio/vfio is there all the same, is open for all, and
 * is a /dev/iommu that charges the process.  Otherwise it is none.
 */
TEST(container_of_iommufd)
{
	int container = open("/dev/vfio/vfio", O_RDWR);
	struct stat st;
	uint64_t mode;
	uint32_t ioas;

	if (variant_is("nogroup"))
		SKIP_TEST("this kernel has no groups");
	ASSERT_LE(0, container);
	ASSERT_EQ(0, fstat(container, &st));
	EXPECT_EQ(VFIO_MINOR, minor(st.st_rdev));
	EXPECT_EQ(0666, st.st_mode & 0777);
	if (!variant_is("container")) {
		EXPECT_GT(0, ioas_alloc(container, &ioas));
		return;
	}
	EXPECT_EQ(0, ioas_alloc(container, &ioas));
	ASSERT_EQ(0, iommu_get_rlimit_mode(container, &mode));
	EXPECT_EQ(1, mode);
	ASSERT_EQ(0, iommu_get_rlimit_mode(iommu_open(), &mode));
	EXPECT_EQ(0, mode);
}

TEST_HARNESS_MAIN
