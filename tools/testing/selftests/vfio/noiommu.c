// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices without an IOMMU, where the administrator lets them be used: by their
 * group with a container or an iommufd, and by their node.
 */
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mdev.h"
#include "type1.h"
#include "vfio_test.h"

#define MODULE	"/t/test_mdev.ko"
#define UUID	"6d4f7e52-1d0c-4f5b-9a2e-2c5d1c0a8e21"

static int drop_cap(unsigned int cap)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[cap / 32].effective &= ~(1U << cap % 32);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

FIXTURE(noiommu) {
	const char *bdf;
	int iommufd;
};

FIXTURE_SETUP(noiommu)
{
	REQUIRE_ENV("topology");
	if (!iommu_is("none"))
		SKIP_TEST("this machine has an IOMMU");
	self->bdf = REQUIRE_ENV("EDU0");
	ASSERT_EQ(0, vfio_allow_noiommu(true));
	ASSERT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
}

FIXTURE_TEARDOWN(noiommu)
{
	EXPECT_EQ(0, close(self->iommufd));
	EXPECT_EQ(0, pci_unbind_driver(self->bdf));
	EXPECT_EQ(0, vfio_allow_noiommu(false));
}

/* The name says what it is; the kernel is tainted (bit 6). */
TEST_F(noiommu, name)
{
	char name[64], tainted[32];

	ASSERT_EQ(0, vfio_cdev_name(self->bdf, name, sizeof(name)));
	EXPECT_EQ(0, strncmp(name, "noiommu-vfio", 12));
	ASSERT_EQ(0, sysfs_read("/proc/sys/kernel/tainted", tainted,
				sizeof(tainted)));
	EXPECT_TRUE(strtoul(tainted, NULL, 0) & 1UL << 6);
}

/* BIND returns an id and gives access; ATTACH is EOPNOTSUPP. */
TEST_F(noiommu, node)
{
	struct vfio_device_info info;
	uint32_t devid = 0, ioas;
	struct edu edu;
	int dev;

	dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EINVAL, vfio_get_info(dev, &info));
	ASSERT_EQ(0, vfio_bind(dev, self->iommufd, &devid));
	EXPECT_NE(0, devid);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas));
	EXPECT_NE(devid, ioas);
	EXPECT_EQ(-EOPNOTSUPP, vfio_attach(dev, &ioas));
	EXPECT_EQ(0, vfio_detach(dev));
	/* The driver, not the user, ends it. */
	EXPECT_EQ(-EBUSY, iommu_destroy(self->iommufd, devid));
	EXPECT_EQ(0, vfio_get_info(dev, &info));
	ASSERT_EQ(0, edu_open(&edu, dev));
	EXPECT_EQ(0, edu_check(&edu));
	edu_close(&edu);
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(-ENOENT, iommu_destroy(self->iommufd, devid));
}

/* CAP_SYS_RAWIO at open. */
TEST_F(noiommu, open_needs_rawio)
{
	ASSERT_EQ(0, drop_cap(CAP_SYS_RAWIO));
	EXPECT_EQ(-EPERM, vfio_cdev_open(self->bdf));
}

/* And again at BIND, for a file that somebody else has opened. */
TEST_F(noiommu, bind_needs_rawio)
{
	int dev = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, drop_cap(CAP_SYS_RAWIO));
	EXPECT_EQ(-EPERM, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(0, close(dev));
}

static int noiommu_group_open(const char *bdf)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", pci_group(bdf));
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The group, with a container of VFIO's or an iommufd in its place */
static void use_group(struct __test_metadata *_metadata, const char *bdf,
		      int container)
{
	int group = noiommu_group_open(bdf), dev;
	struct edu edu;

	ASSERT_LE(0, group);
	ASSERT_EQ(0, vfio_group_set_container(group, container));
	EXPECT_NE(0, vfio_set_iommu(container, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, vfio_set_iommu(container, VFIO_NOIOMMU_IOMMU));
	dev = vfio_group_get_device(group, bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, edu_open(&edu, dev));
	EXPECT_EQ(0, edu_check(&edu));
	edu_close(&edu);
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(group));
}

TEST_F(noiommu, group)
{
	int container = open(VFIO_CONTAINER, O_RDWR);

	ASSERT_LE(0, container);
	use_group(_metadata, self->bdf, container);
	EXPECT_EQ(0, close(container));
}

TEST_F(noiommu, group_of_iommufd)
{
	use_group(_metadata, self->bdf, self->iommufd);
}

/* An iommufd with an address space for VFIO is for groups with an IOMMU. */
TEST_F(noiommu, group_does_not_mix)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_VFIO_IOAS_SET,
	};
	int group;

	group = noiommu_group_open(self->bdf);
	ASSERT_LE(0, group);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &cmd.ioas_id));
	ASSERT_EQ(0, xioctl(self->iommufd, IOMMU_VFIO_IOAS, &cmd));
	EXPECT_EQ(-EINVAL, vfio_group_set_container(group, self->iommufd));
	cmd.op = IOMMU_VFIO_IOAS_CLEAR;
	ASSERT_EQ(0, xioctl(self->iommufd, IOMMU_VFIO_IOAS, &cmd));
	EXPECT_EQ(0, vfio_group_set_container(group, self->iommufd));
	EXPECT_EQ(0, close(group));
}

/* Nor do groups of both kinds mix, whichever comes first. */
TEST_F(noiommu, groups_do_not_mix)
{
	int group, emulated;

	ASSERT_EQ(0, module_load(MODULE));
	mdev_remove(UUID);
	ASSERT_EQ(0, mdev_create("test_mdev", "test_mdev-dma", UUID));
	emulated = mdev_group_open(UUID);
	ASSERT_LE(0, emulated);
	group = noiommu_group_open(self->bdf);
	ASSERT_LE(0, group);

	ASSERT_EQ(0, vfio_group_set_container(group, self->iommufd));
	EXPECT_EQ(-EINVAL, vfio_group_set_container(emulated, self->iommufd));
	ASSERT_EQ(0, close(group));
	ASSERT_EQ(0, vfio_group_set_container(emulated, self->iommufd));
	group = noiommu_group_open(self->bdf);
	ASSERT_LE(0, group);
	EXPECT_EQ(-EINVAL, vfio_group_set_container(group, self->iommufd));
	EXPECT_EQ(0, close(group));
	EXPECT_EQ(0, close(emulated));
	EXPECT_EQ(0, mdev_remove(UUID));
}

/* SET_CONTAINER, SET_IOMMU and the open of the device take CAP_SYS_RAWIO. */
TEST_F(noiommu, group_needs_rawio)
{
	int group = noiommu_group_open(self->bdf);
	pid_t pid;
	int status;

	ASSERT_LE(0, group);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(drop_cap(CAP_SYS_RAWIO) ||
		      vfio_group_set_container(group, self->iommufd) != -EPERM);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	ASSERT_EQ(0, vfio_group_set_container(group, self->iommufd));
	ASSERT_EQ(0, drop_cap(CAP_SYS_RAWIO));
	EXPECT_EQ(-EPERM, vfio_set_iommu(self->iommufd, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(-EPERM, vfio_group_get_device(group, self->bdf));
	EXPECT_EQ(0, close(group));
}

/* So does each further open of a device that somebody else has open. */
static void expect_each_open_needs_rawio(struct __test_metadata *_metadata,
					 const char *bdf, int container)
{
	int group = noiommu_group_open(bdf), dev, dev2;

	ASSERT_LE(0, group);
	ASSERT_EQ(0, vfio_group_set_container(group, container));
	ASSERT_EQ(0, vfio_set_iommu(container, VFIO_NOIOMMU_IOMMU));
	dev = vfio_group_get_device(group, bdf);
	ASSERT_LE(0, dev);
	dev2 = vfio_group_get_device(group, bdf);
	EXPECT_LE(0, dev2);
	ASSERT_EQ(0, drop_cap(CAP_SYS_RAWIO));
	EXPECT_EQ(-EPERM, vfio_group_get_device(group, bdf));
	EXPECT_EQ(0, close(dev2));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(group));
}

TEST_F(noiommu, second_open_needs_rawio)
{
	int container = open(VFIO_CONTAINER, O_RDWR);

	ASSERT_LE(0, container);
	expect_each_open_needs_rawio(_metadata, self->bdf, container);
	EXPECT_EQ(0, close(container));
}

TEST_F(noiommu, second_open_of_iommufd_needs_rawio)
{
	expect_each_open_needs_rawio(_metadata, self->bdf, self->iommufd);
}

/* The group and the node exclude one another as elsewhere. */
TEST_F(noiommu, exclusion)
{
	int group = noiommu_group_open(self->bdf);
	int dev = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, group);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EBUSY, vfio_bind(dev, self->iommufd, NULL));
	ASSERT_EQ(0, close(group));
	ASSERT_EQ(0, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(-EBUSY, noiommu_group_open(self->bdf));
	EXPECT_EQ(0, close(dev));
}

TEST_HARNESS_MAIN
