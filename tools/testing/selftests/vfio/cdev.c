// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules of a device's node: what BIND, ATTACH and DETACH take and refuse,
 * in which order, and that a close in any state leaves nothing behind.
 *
 *   open --- BIND(iommufd) --- ATTACH(IOAS) --- DETACH --- close
 *    |            |                                          ^
 *    +------------+------------------------------------------+
 */
#include <sys/stat.h>
#include <sys/uio.h>

#include "fail.h"
#include "vfio_test.h"

#define IOVA	0x1000000UL
#define NO_ID	4711

/* A node that is open, an iommufd with an IOAS; not bound yet. */
FIXTURE(node) {
	const char *bdf;
	int dev;
	int iommufd;
	uint32_t ioas;
};

FIXTURE_SETUP(node)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("TESTDEV0");
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
}

/* Whatever a test did, a new BIND of the device works after the close. */
FIXTURE_TEARDOWN(node)
{
	int dev;

	EXPECT_EQ(0, close(self->dev));
	dev = vfio_cdev_open(self->bdf);
	EXPECT_LE(0, dev);
	EXPECT_EQ(0, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(self->iommufd));
}

/*
 * /dev/vfio/devices is a directory, the device's vfio-dev directory in sysfs
 * has one entry, and its "dev" is the node's number.
 */
TEST_F(node, name)
{
	char name[64];
	struct stat st;

	ASSERT_EQ(0, stat("/dev/vfio/devices", &st));
	EXPECT_TRUE(S_ISDIR(st.st_mode));
	ASSERT_EQ(0, vfio_cdev_name(self->bdf, name, sizeof(name)));
	EXPECT_EQ(0, strncmp(name, "vfio", 4));
}

/* Until BIND every ioctl but BIND is EINVAL. */
TEST_F(node, ioctl_before_bind)
{
	static const unsigned long requests[] = {
		VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO,
		VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_SET_IRQS,
		VFIO_DEVICE_RESET, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
		VFIO_DEVICE_PCI_HOT_RESET, VFIO_DEVICE_FEATURE,
		VFIO_DEVICE_ATTACH_IOMMUFD_PT, VFIO_DEVICE_DETACH_IOMMUFD_PT,
		_IO(VFIO_TYPE, VFIO_BASE + 99),
	};
	uint32_t arg[64] = { sizeof(arg) };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++)
		EXPECT_EQ(-EINVAL, xioctl(self->dev, requests[i], arg))
			TH_LOG("request %#lx", requests[i]);
}

/* So are read, write and mmap. */
TEST_F(node, access_before_bind)
{
	uint64_t config = (uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40;
	uint32_t word = 0;

	EXPECT_EQ(-1, pread(self->dev, &word, sizeof(word), config));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pwrite(self->dev, &word, sizeof(word), config));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED,
				   self->dev, 0));
	EXPECT_EQ(EINVAL, errno);
}

static int bind_argsz(struct _test_data_node *self, uint32_t argsz,
		      uint32_t flags)
{
	struct {
		struct vfio_device_bind_iommufd bind;
		char more[64];
	} cmd = { .bind = {
		.argsz = argsz,
		.flags = flags,
		.iommufd = self->iommufd,
	} };

	return xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
}

/* BIND: argsz below 16 is EINVAL, and the file stays usable. */
TEST_F(node, bind_short_argsz)
{
	EXPECT_EQ(-EINVAL, bind_argsz(self, 0, 0));
	EXPECT_EQ(-EINVAL, bind_argsz(self, VFIO_ARGSZ_BIND - 1, 0));
	EXPECT_EQ(0, bind_argsz(self, VFIO_ARGSZ_BIND, 0));
}

/* BIND: a longer argsz, known or not, is taken (A11). */
TEST_F(node, bind_long_argsz)
{
	EXPECT_EQ(0, bind_argsz(self, sizeof(struct vfio_device_bind_iommufd) +
				64, 0));
}

/* BIND: unknown flags are EINVAL, and the file stays usable. */
TEST_F(node, bind_flags)
{
	EXPECT_EQ(-EINVAL, bind_argsz(self, 24, 1U << 1));
	EXPECT_EQ(-EINVAL, bind_argsz(self, 24, 1U << 31));
	EXPECT_EQ(0, bind_argsz(self, 24, 0));
}

/* BIND: a token needs room for its pointer; a device that takes none: EINVAL. */
TEST_F(node, bind_token)
{
	unsigned char uuid[16] = { 1 };
	struct vfio_device_bind_iommufd cmd = {
		.argsz = VFIO_ARGSZ_BIND,
		.flags = VFIO_DEVICE_BIND_FLAG_TOKEN,
		.iommufd = self->iommufd,
		.token_uuid_ptr = (uintptr_t)uuid,
	};

	EXPECT_EQ(-EINVAL, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
	cmd.argsz = sizeof(cmd);
	EXPECT_EQ(-EINVAL, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
	cmd.token_uuid_ptr = 0;
	EXPECT_EQ(-EFAULT, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
	cmd.flags = 0;
	EXPECT_EQ(0, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
}

/* BIND: the kernel does not log a token that it refuses. */
TEST_F(node, bind_token_silent)
{
	unsigned char uuid[16] = { 1 };
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_BIND_FLAG_TOKEN,
		.iommufd = self->iommufd,
		.token_uuid_ptr = (uintptr_t)uuid,
	};
	int klog = klog_open();

	ASSERT_LE(0, klog);
	EXPECT_EQ(-EINVAL, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd));
	EXPECT_EQ(0, klog_find(klog, "oken"));
	close(klog);
}

/* BIND: an argument that cannot be read is EFAULT. */
TEST_F(node, bind_bad_pointer)
{
	EXPECT_EQ(-EFAULT, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, NULL));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

/* BIND: an argument that cannot be written is EFAULT, and nothing is bound. */
TEST_F(node, bind_read_only_argument)
{
	struct vfio_device_bind_iommufd *cmd = alloc_memory(PAGE);

	ASSERT_NE(NULL, cmd);
	cmd->argsz = VFIO_ARGSZ_BIND;
	cmd->iommufd = self->iommufd;
	ASSERT_EQ(0, mprotect(cmd, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(self->dev, VFIO_DEVICE_BIND_IOMMUFD, cmd));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

/* BIND: negative fd EINVAL, no such fd EBADF, not an iommufd EBADFD (A10). */
TEST_F(node, bind_wrong_fd)
{
	int null = open("/dev/null", O_RDWR), event = eventfd(0, 0);
	int other = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, null);
	ASSERT_LE(0, event);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL, vfio_bind(self->dev, -1, NULL));
	EXPECT_EQ(-EINVAL, vfio_bind(self->dev, INT32_MIN, NULL));
	EXPECT_EQ(-EBADF, vfio_bind(self->dev, NO_ID, NULL));
	EXPECT_EQ(-EBADFD, vfio_bind(self->dev, null, NULL));
	EXPECT_EQ(-EBADFD, vfio_bind(self->dev, event, NULL));
	EXPECT_EQ(-EBADFD, vfio_bind(self->dev, other, NULL));
	EXPECT_EQ(-EBADFD, vfio_bind(self->dev, self->dev, NULL));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	close(null);
	close(event);
	close(other);
}

/* BIND twice on one file: EINVAL, to the same iommufd and to another. */
TEST_F(node, bind_twice)
{
	int iommufd2 = iommu_open();
	struct vfio_device_info info;

	ASSERT_LE(0, iommufd2);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(-EINVAL, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(-EINVAL, vfio_bind(self->dev, iommufd2, NULL));
	EXPECT_EQ(0, vfio_get_info(self->dev, &info));
	close(iommufd2);
}

/* BIND of a second open is EINVAL while the first is bound; then it works. */
TEST_F(node, bind_second_open)
{
	struct vfio_device_info info;
	int second = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, second);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(-EINVAL, vfio_bind(second, self->iommufd, NULL));
	EXPECT_EQ(-EINVAL, vfio_get_info(second, &info));
	EXPECT_EQ(0, vfio_get_info(self->dev, &info));
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(0, vfio_bind(second, self->iommufd, NULL));
	EXPECT_EQ(0, vfio_get_info(second, &info));
	self->dev = second;
}

/* The close of an open that was never bound does nothing to the bound one. */
TEST_F(node, close_second_open)
{
	struct vfio_device_info info;
	int second = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, second);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, close(second));
	EXPECT_EQ(0, vfio_get_info(self->dev, &info));
}

/* A failed BIND leaves the count of opens right: again and again. */
TEST_F(node, bind_fails_often)
{
	int null = open("/dev/null", O_RDWR), i;

	ASSERT_LE(0, null);
	for (i = 0; i < 50; i++)
		ASSERT_EQ(-EBADFD, vfio_bind(self->dev, null, NULL));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	close(null);
}

/* /dev/iommu may be opened read-only. */
TEST_F(node, bind_read_only_iommufd)
{
	int iommufd = open("/dev/iommu", O_RDONLY);
	uint32_t ioas;

	ASSERT_LE(0, iommufd);
	ASSERT_EQ(0, ioas_alloc(iommufd, &ioas));
	ASSERT_EQ(0, vfio_bind(self->dev, iommufd, NULL));
	EXPECT_EQ(0, vfio_attach(self->dev, &ioas));
	close(iommufd);
}

/* Ids: the device's, the IOAS's and the page table's are not 0 and differ. */
TEST_F(node, ids)
{
	uint32_t devid, pt = self->ioas;

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, &devid));
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	EXPECT_NE(0, devid);
	EXPECT_NE(0, pt);
	EXPECT_NE(devid, self->ioas);
	EXPECT_NE(pt, self->ioas);
	EXPECT_NE(pt, devid);
}

/* A close in any state; the teardown sees that nothing was left. */
TEST_F(node, close_bound)
{
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

TEST_F(node, close_attached)
{
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(0, vfio_attach(self->dev, &pt));
}

TEST_F(node, close_mapped)
{
	uint32_t pt = self->ioas;
	void *mem = alloc_memory(PAGE);

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	EXPECT_EQ(0, ioas_map(self->iommufd, self->ioas, mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
}

TEST_F(node, close_detached)
{
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	EXPECT_EQ(0, vfio_detach(self->dev));
}

TEST_F(node, close_with_irqs)
{
	int event = eventfd(0, EFD_CLOEXEC);

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(0, vfio_irq_enable(self->dev, VFIO_PCI_REQ_IRQ_INDEX, &event,
				     1));
}

/* A mapping of a BAR holds the file: only munmap() ends the bind. */
TEST_F(node, close_with_bar_mapped)
{
	int second = vfio_cdev_open(self->bdf);
	size_t size;
	void *bar;

	ASSERT_LE(0, second);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	bar = vfio_region_mmap(self->dev, TESTDEV_BAR, &size);
	ASSERT_NE(NULL, bar);
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(-EINVAL, vfio_bind(second, self->iommufd, NULL));
	ASSERT_EQ(0, munmap(bar, size));
	EXPECT_EQ(0, vfio_bind(second, self->iommufd, NULL));
	self->dev = second;
}

/* The device holds the iommufd's file, so the order of closing is free. */
TEST_F(node, close_iommufd_first)
{
	struct vfio_device_info info;
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	ASSERT_EQ(0, close(self->iommufd));
	EXPECT_EQ(0, vfio_get_info(self->dev, &info));
	EXPECT_EQ(0, vfio_detach(self->dev));
	pt = self->ioas;
	EXPECT_EQ(0, vfio_attach(self->dev, &pt));
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
}

/* A bound device. */
FIXTURE(bound) {
	int dev;
	int iommufd;
	uint32_t devid;
	uint32_t ioas;
};

FIXTURE_SETUP(bound)
{
	struct vdev vdev;

	REQUIRE_IOMMU();
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	vdev_bind(_metadata, &vdev, "TESTDEV0", self->iommufd);
	self->dev = vdev.fd;
	self->devid = vdev.id;
}

FIXTURE_TEARDOWN(bound)
{
	EXPECT_EQ(0, close(self->dev));
	EXPECT_EQ(0, close(self->iommufd));
}

/* ATTACH: no object has the id: ENOENT (A10). */
TEST_F(bound, attach_unknown_id)
{
	uint32_t pt = NO_ID;

	EXPECT_EQ(-ENOENT, vfio_attach(self->dev, &pt));
	pt = 0;
	EXPECT_EQ(-ENOENT, vfio_attach(self->dev, &pt));
	pt = UINT32_MAX;
	EXPECT_EQ(-ENOENT, vfio_attach(self->dev, &pt));
	pt = self->ioas;
	EXPECT_EQ(0, vfio_attach(self->dev, &pt));
}

/* ATTACH: the id of an IOAS of another iommufd is unknown here: ENOENT. */
TEST_F(bound, attach_foreign_ioas)
{
	int iommufd2 = iommu_open(), i;
	uint32_t pt = 0;

	ASSERT_LE(0, iommufd2);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, ioas_alloc(iommufd2, &pt));
	EXPECT_EQ(-ENOENT, vfio_attach(self->dev, &pt));
	close(iommufd2);
}

/* ATTACH: an object that is neither IOAS nor page table: EINVAL. */
TEST_F(bound, attach_wrong_type)
{
	uint32_t pt = self->devid;

	EXPECT_EQ(-EINVAL, vfio_attach(self->dev, &pt));
}

static int attach_argsz(struct _test_data_bound *self, uint32_t argsz,
			uint32_t flags)
{
	struct {
		struct vfio_device_attach_iommufd_pt attach;
		char more[64];
	} cmd = { .attach = {
		.argsz = argsz,
		.flags = flags,
		.pt_id = self->ioas,
	} };

	return xioctl(self->dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

/* ATTACH: argsz below 12 is EINVAL, a longer one is taken (A11). */
TEST_F(bound, attach_argsz)
{
	EXPECT_EQ(-EINVAL, attach_argsz(self, 0, 0));
	EXPECT_EQ(-EINVAL, attach_argsz(self, VFIO_ARGSZ_ATTACH - 1, 0));
	EXPECT_EQ(0, attach_argsz(self, VFIO_ARGSZ_ATTACH, 0));
	EXPECT_EQ(0, attach_argsz(self, VFIO_ARGSZ_ATTACH + 64, 0));
}

/* ATTACH: unknown flags are EINVAL; a PASID is not supported: EOPNOTSUPP. */
TEST_F(bound, attach_flags)
{
	EXPECT_EQ(-EINVAL, attach_argsz(self, 16, 1U << 1));
	EXPECT_EQ(-EINVAL, attach_argsz(self, 16, 1U << 31));
	EXPECT_EQ(-EINVAL, attach_argsz(self, VFIO_ARGSZ_ATTACH,
					VFIO_DEVICE_ATTACH_PASID));
	EXPECT_EQ(-EOPNOTSUPP, attach_argsz(self, 16,
					    VFIO_DEVICE_ATTACH_PASID));
	EXPECT_EQ(0, attach_argsz(self, 16, 0));
}

/* ATTACH and DETACH: an argument that cannot be used is EFAULT. */
TEST_F(bound, attach_bad_pointer)
{
	struct vfio_device_attach_iommufd_pt *cmd = alloc_memory(PAGE);

	ASSERT_NE(NULL, cmd);
	cmd->argsz = VFIO_ARGSZ_ATTACH;
	cmd->pt_id = self->ioas;
	ASSERT_EQ(0, mprotect(cmd, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, xioctl(self->dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
				  NULL));
	EXPECT_EQ(-EFAULT, xioctl(self->dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
				  cmd));
	EXPECT_EQ(-EFAULT, xioctl(self->dev, VFIO_DEVICE_DETACH_IOMMUFD_PT,
				  NULL));
	/* Nothing was attached: the IOAS is not in use. */
	EXPECT_EQ(0, iommu_destroy(self->iommufd, self->ioas));
}

static int detach_argsz(struct _test_data_bound *self, uint32_t argsz,
			uint32_t flags)
{
	struct {
		struct vfio_device_detach_iommufd_pt detach;
		char more[64];
	} cmd = { .detach = { .argsz = argsz, .flags = flags } };

	return xioctl(self->dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

/* DETACH: argsz below 8 is EINVAL, a longer one is taken (A11). */
TEST_F(bound, detach_argsz)
{
	EXPECT_EQ(-EINVAL, detach_argsz(self, 0, 0));
	EXPECT_EQ(-EINVAL, detach_argsz(self, VFIO_ARGSZ_DETACH - 1, 0));
	EXPECT_EQ(0, detach_argsz(self, VFIO_ARGSZ_DETACH, 0));
	EXPECT_EQ(0, detach_argsz(self, VFIO_ARGSZ_DETACH + 64, 0));
}

/* DETACH: unknown flags are EINVAL; a PASID is not supported: EOPNOTSUPP. */
TEST_F(bound, detach_flags)
{
	EXPECT_EQ(-EINVAL, detach_argsz(self, 12, 1U << 1));
	EXPECT_EQ(-EINVAL, detach_argsz(self, VFIO_ARGSZ_DETACH,
					VFIO_DEVICE_DETACH_PASID));
	EXPECT_EQ(-EOPNOTSUPP, detach_argsz(self, 12,
					    VFIO_DEVICE_DETACH_PASID));
}

/* DETACH with nothing attached is no error, as often as one likes. */
TEST_F(bound, detach_nothing)
{
	uint32_t pt = self->ioas;

	EXPECT_EQ(0, vfio_detach(self->dev));
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	EXPECT_EQ(0, vfio_detach(self->dev));
	EXPECT_EQ(0, vfio_detach(self->dev));
}

/* ATTACH gives the page table's id back, which is as good to attach to. */
TEST_F(bound, attach_page_table)
{
	uint32_t pt = self->ioas, again;

	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	ASSERT_NE(self->ioas, pt);
	again = pt;
	EXPECT_EQ(0, vfio_attach(self->dev, &again));
	EXPECT_EQ(pt, again);
	again = self->ioas;
	EXPECT_EQ(0, vfio_attach(self->dev, &again));
	EXPECT_EQ(pt, again);
}

/* An automatic page table goes with its last device: its id is unknown. */
TEST_F(bound, automatic_page_table_goes)
{
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->iommufd, pt));
	ASSERT_EQ(0, vfio_detach(self->dev));
	EXPECT_EQ(-ENOENT, iommu_destroy(self->iommufd, pt));
	EXPECT_EQ(-ENOENT, vfio_attach(self->dev, &pt));
}

/* DESTROY: an IOAS with a device is EBUSY, and goes on; after DETACH it goes. */
TEST_F(bound, destroy_ioas)
{
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->iommufd, self->ioas));
	ASSERT_EQ(0, vfio_detach(self->dev));
	EXPECT_EQ(0, iommu_destroy(self->iommufd, self->ioas));
}

/* DESTROY: a bound device is EBUSY; after the file's close its id is unknown. */
TEST_F(bound, destroy_device)
{
	EXPECT_EQ(-EBUSY, iommu_destroy(self->iommufd, self->devid));
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(-ENOENT, iommu_destroy(self->iommufd, self->devid));
	self->dev = open("/dev/null", O_RDONLY);	/* for the teardown */
}

/* Two devices of one iommufd have ids and page tables that do not collide. */
TEST_F(bound, second_device)
{
	uint32_t pt = self->ioas, pt2 = self->ioas;
	struct vdev vdev2;

	vdev_bind(_metadata, &vdev2, "EDU1", self->iommufd);
	EXPECT_NE(self->devid, vdev2.id);
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	ASSERT_EQ(0, vfio_attach(vdev2.fd, &pt2));
	EXPECT_EQ(pt, pt2)
		TH_LOG("compatible devices should share a page table");
	EXPECT_EQ(0, close(vdev2.fd));
}

/* Devices of two iommufds do not see one another's objects. */
TEST_F(bound, second_iommufd)
{
	int iommufd2 = iommu_open();
	struct vdev vdev2;
	uint32_t ioas2, pt;

	ASSERT_LE(0, iommufd2);
	vdev_bind(_metadata, &vdev2, "EDU1", iommufd2);
	ASSERT_EQ(0, ioas_alloc(iommufd2, &ioas2));
	pt = self->ioas;
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	pt = ioas2;
	ASSERT_EQ(0, vfio_attach(vdev2.fd, &pt));
	EXPECT_EQ(0, close(iommufd2));
	EXPECT_EQ(0, close(vdev2.fd));
}

/* A device that takes part in nothing yet can be used: regions, config. */
TEST_F(bound, regions_without_attach)
{
	uint32_t id = 0;
	size_t size;
	void *bar;

	ASSERT_EQ(0, vfio_config_read(self->dev, 0, &id, sizeof(id)));
	EXPECT_EQ(TESTDEV_ID, id);
	bar = vfio_region_mmap(self->dev, TESTDEV_BAR, &size);
	EXPECT_NE(NULL, bar);
}

/* Numbers that VFIO does not have are ENOTTY once bound. */
TEST_F(bound, unknown_ioctl)
{
	EXPECT_EQ(-ENOTTY, xioctl(self->dev, _IO(VFIO_TYPE, VFIO_BASE + 99),
				  NULL));
	EXPECT_EQ(-ENOTTY, xioctl(self->dev, VFIO_GROUP_GET_STATUS, NULL));
}

#define FAIL_MOST	1000	/* no ioctl allocates more often */

/*
 * Every allocation of BIND fails once: ENOMEM, and the file is not bound, or
 * BIND can do without.  The device has no interrupt pin: to route one the
 * kernel asks ACPI, whose interpreter does not survive this.
 */
TEST(bind_fail_nth)
{
	int iommufd = iommu_open(), fd, dev, injected = 1, rc;
	unsigned int nth, failed = 0;
	struct vfio_device_info info;
	const char *bdf;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE("TESTDEV0");
	ASSERT_LE(0, iommufd);
	fd = fail_nth_open();
	ASSERT_LE(0, fd);
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		dev = vfio_cdev_open(bdf);
		ASSERT_LE(0, dev);
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		rc = vfio_bind(dev, iommufd, NULL);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (rc) {
			ASSERT_EQ(1, injected);
			ASSERT_EQ(-ENOMEM, rc)
				TH_LOG("allocation %u", nth);
			ASSERT_EQ(-EINVAL, vfio_get_info(dev, &info));
			failed++;
		} else {
			ASSERT_EQ(0, vfio_get_info(dev, &info));
		}
		ASSERT_EQ(0, close(dev));
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, failed);
}

TEST_HARNESS_MAIN
