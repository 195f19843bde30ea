// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that share an iommu_group, and the group's own node beside those of
 * its devices:
 *
 *    iommufd ---- EDU_MF0 --+
 *       |                   +-- one group, one page table at a time
 *       +-------- EDU_MF1 --+
 *
 * once with two functions on the root bus and once with two behind a port.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include "fds.h"
#include "type1.h"
#include "vfio_test.h"

#define IOVA		0x1000000UL
#define IOVA2		0x2000000UL

/* Both devices of the group bound to one iommufd with two IOAS. */
FIXTURE(pair) {
	int iommufd;
	uint32_t ioas;		/* has mem at IOVA */
	uint32_t ioas2;		/* has mem2 at IOVA2 */
	unsigned char *mem;
	unsigned char *mem2;
	struct vdev vdev[2];
	struct edu edu[2];
};

FIXTURE_VARIANT(pair) {
	const char *names[2];
	bool behind_port;
};

FIXTURE_VARIANT_ADD(pair, root_bus) {
	.names = { "EDU_MF0", "EDU_MF1" },
};

FIXTURE_VARIANT_ADD(pair, behind_port) {
	.names = { "EDU_MF2", "EDU_MF3" },
	.behind_port = true,
};

FIXTURE_SETUP(pair)
{
	int i;

	REQUIRE_IOMMU();
	/* QEMU gives it the requester ids that buses have before numbering. */
	if (variant->behind_port && iommu_is("amd"))
		SKIP_TEST("QEMU's AMD-Vi tells apart devices of bus 0 only");
	self->mem = alloc_memory(2 * PAGE);
	ASSERT_NE(NULL, self->mem);
	self->mem2 = self->mem + PAGE;
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas2));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, self->mem, PAGE, IOVA,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas2, self->mem2, PAGE,
			      IOVA2, IOMMU_MAP_RW));
	/* Both leave the kernel's hands before either is bound. */
	for (i = 0; i < 2; i++)
		REQUIRE_DEVICE(variant->names[i]);
	for (i = 0; i < 2; i++)
		edu_bind(_metadata, &self->vdev[i], &self->edu[i],
			 variant->names[i], self->iommufd);
	ASSERT_EQ(pci_group(self->vdev[0].bdf), pci_group(self->vdev[1].bdf));
}

FIXTURE_TEARDOWN(pair)
{
	int i;

	for (i = 0; i < 2; i++) {
		edu_close(&self->edu[i]);
		EXPECT_EQ(0, close(self->vdev[i].fd));
	}
	EXPECT_EQ(0, close(self->iommufd));
}

static int attach(struct vdev *vdev, uint32_t pt)
{
	return vfio_attach(vdev->fd, &pt);
}

static bool in_first(struct _test_data_pair *self, int i)
{
	return dma_works(&self->edu[i], self->mem, IOVA) &&
	       dma_is_blocked(&self->edu[i], self->mem2, IOVA2);
}

static bool in_second(struct _test_data_pair *self, int i)
{
	return dma_works(&self->edu[i], self->mem2, IOVA2) &&
	       dma_is_blocked(&self->edu[i], self->mem, IOVA);
}

/* ATTACH of both to one IOAS: one page table, and both reach memory. */
TEST_F(pair, one_ioas)
{
	uint32_t pt = self->ioas, pt2 = self->ioas;

	ASSERT_EQ(0, vfio_attach(self->vdev[0].fd, &pt));
	ASSERT_EQ(0, vfio_attach(self->vdev[1].fd, &pt2));
	EXPECT_EQ(pt, pt2);
	EXPECT_TRUE(in_first(self, 0));
	EXPECT_TRUE(in_first(self, 1));
}

/* ATTACH of the second to another IOAS: EINVAL, the first goes on. */
TEST_F(pair, second_elsewhere)
{
	ASSERT_EQ(0, attach(&self->vdev[0], self->ioas));
	EXPECT_EQ(-EINVAL, attach(&self->vdev[1], self->ioas2));
	EXPECT_TRUE(in_first(self, 0));
	EXPECT_EQ(0, attach(&self->vdev[1], self->ioas));
	EXPECT_TRUE(in_first(self, 1));
}

/* ATTACH of one that is attached moves the whole group. */
TEST_F(pair, replace_moves_both)
{
	uint32_t pt = self->ioas2, pt2 = self->ioas2;

	ASSERT_EQ(0, attach(&self->vdev[0], self->ioas));
	ASSERT_EQ(0, attach(&self->vdev[1], self->ioas));
	ASSERT_EQ(0, vfio_attach(self->vdev[0].fd, &pt));
	EXPECT_TRUE(in_second(self, 0));
	EXPECT_TRUE(in_second(self, 1));
	ASSERT_EQ(0, vfio_attach(self->vdev[1].fd, &pt2));
	EXPECT_EQ(pt, pt2);
	EXPECT_EQ(0, vfio_detach(self->vdev[0].fd));
	EXPECT_TRUE(in_second(self, 1));
	EXPECT_EQ(0, iommu_destroy(self->iommufd, self->ioas));
}

/* DETACH of one: the other goes on; of both: none reaches memory. */
TEST_F(pair, detach_one)
{
	ASSERT_EQ(0, attach(&self->vdev[0], self->ioas));
	ASSERT_EQ(0, attach(&self->vdev[1], self->ioas));
	ASSERT_EQ(0, vfio_detach(self->vdev[0].fd));
	EXPECT_TRUE(in_first(self, 1));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->iommufd, self->ioas));
	EXPECT_EQ(-EINVAL, attach(&self->vdev[0], self->ioas2));
	ASSERT_EQ(0, vfio_detach(self->vdev[1].fd));
	EXPECT_TRUE(dma_is_blocked(&self->edu[0], self->mem, IOVA));
	EXPECT_TRUE(dma_is_blocked(&self->edu[1], self->mem, IOVA));
	EXPECT_EQ(0, attach(&self->vdev[0], self->ioas2));
	EXPECT_TRUE(in_second(self, 0));
}

/* The close of one: the other goes on. */
TEST_F(pair, close_one)
{
	ASSERT_EQ(0, attach(&self->vdev[0], self->ioas));
	ASSERT_EQ(0, attach(&self->vdev[1], self->ioas));
	edu_close(&self->edu[0]);
	ASSERT_EQ(0, close(self->vdev[0].fd));
	EXPECT_TRUE(in_first(self, 1));
	edu_bind(_metadata, &self->vdev[0], &self->edu[0], variant->names[0],
		 self->iommufd);
	EXPECT_EQ(0, attach(&self->vdev[0], self->ioas));
	EXPECT_TRUE(in_first(self, 0));
}

/* BIND of the group's second device by another iommufd: EPERM. */
TEST_F(pair, second_iommufd)
{
	int iommufd2 = iommu_open();

	ASSERT_LE(0, iommufd2);
	edu_close(&self->edu[1]);
	ASSERT_EQ(0, close(self->vdev[1].fd));
	self->vdev[1].fd = vfio_cdev_open(self->vdev[1].bdf);
	ASSERT_LE(0, self->vdev[1].fd);
	EXPECT_EQ(-EPERM, vfio_bind(self->vdev[1].fd, iommufd2, NULL));
	EXPECT_EQ(0, vfio_bind(self->vdev[1].fd, self->iommufd, NULL));
	ASSERT_EQ(0, edu_open(&self->edu[1], self->vdev[1].fd));
	EXPECT_EQ(0, close(iommufd2));
}

/* Open of the group: EBUSY until the last of its devices is let go. */
TEST_F(pair, group_is_busy)
{
	int group;

	EXPECT_EQ(-EBUSY, vfio_group_open(self->vdev[0].bdf));
	edu_close(&self->edu[0]);
	ASSERT_EQ(0, close(self->vdev[0].fd));
	EXPECT_EQ(-EBUSY, vfio_group_open(self->vdev[0].bdf));
	edu_close(&self->edu[1]);
	ASSERT_EQ(0, close(self->vdev[1].fd));
	group = vfio_group_open(self->vdev[0].bdf);
	EXPECT_LE(0, group);
	EXPECT_EQ(0, close(group));
	edu_bind(_metadata, &self->vdev[0], &self->edu[0], variant->names[0],
		 self->iommufd);
	edu_bind(_metadata, &self->vdev[1], &self->edu[1], variant->names[1],
		 self->iommufd);
}

/* A group that the kernel uses too, through a driver on its second device. */
FIXTURE(mixed) {
	const char *ours;
	const char *kernels;
	int iommufd;
	int dev;
};

#define KERNEL_DRIVER	"virtio-pci"

FIXTURE_SETUP(mixed)
{
	REQUIRE_IOMMU();
	self->ours = REQUIRE_DEVICE("EDU_MF4");
	self->kernels = REQUIRE_ENV("RNG_MF0");
	ASSERT_EQ(0, pci_unbind_driver(self->kernels));
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	self->dev = vfio_cdev_open(self->ours);
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(pci_group(self->ours), pci_group(self->kernels));
}

FIXTURE_TEARDOWN(mixed)
{
	EXPECT_EQ(0, close(self->dev));
	EXPECT_EQ(0, close(self->iommufd));
	EXPECT_EQ(0, pci_unbind_driver(self->kernels));
}

/* BIND while a kernel driver has the sibling: EPERM; afterwards it works. */
TEST_F(mixed, kernel_driver)
{
	ASSERT_EQ(0, pci_bind_driver(self->kernels, KERNEL_DRIVER));
	EXPECT_EQ(-EPERM, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, pci_unbind_driver(self->kernels));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

/* While bound, no kernel driver gets the sibling; after the close it does. */
TEST_F(mixed, kernel_driver_refused)
{
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(-EIO, pci_bind_driver(self->kernels, KERNEL_DRIVER));
	ASSERT_EQ(0, close(self->dev));
	EXPECT_EQ(0, pci_bind_driver(self->kernels, KERNEL_DRIVER));
	self->dev = vfio_cdev_open(self->ours);
	ASSERT_LE(0, self->dev);
}

/* A sibling without a driver is no obstacle. */
TEST_F(mixed, no_driver)
{
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

/* The group path beside the cdev, on a device alone in its group. */
FIXTURE(paths) {
	const char *bdf;
	int iommufd;
	int dev;
};

FIXTURE_SETUP(paths)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("TESTDEV0");
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(paths)
{
	EXPECT_EQ(0, close(self->dev));
	EXPECT_EQ(0, close(self->iommufd));
}

/* BIND while the group is open, with or without container: EBUSY. */
TEST_F(paths, bind_of_open_group)
{
	struct type1 t1;
	int group;

	group = vfio_group_open(self->bdf);
	ASSERT_LE(0, group);
	EXPECT_EQ(-EBUSY, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, close(group));
	ASSERT_EQ(0, type1_open(&t1, self->bdf));
	EXPECT_EQ(-EBUSY, vfio_bind(self->dev, self->iommufd, NULL));
	type1_close(&t1);
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

/* Open of the group while the device is bound: EBUSY; then it works. */
TEST_F(paths, open_group_of_bound)
{
	struct type1 t1;

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(-EBUSY, vfio_group_open(self->bdf));
	ASSERT_EQ(0, close(self->dev));
	ASSERT_EQ(0, type1_open(&t1, self->bdf));
	type1_close(&t1);
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
}

/* An open node that is not bound does not keep the group closed. */
TEST_F(paths, open_group_of_unbound)
{
	int group = vfio_group_open(self->bdf);

	EXPECT_LE(0, group);
	EXPECT_EQ(0, close(group));
}

/* A device file of the group: BIND is EINVAL, ATTACH and DETACH ENOTTY. */
TEST_F(paths, ioctls_on_group_file)
{
	struct vfio_device_info info;
	struct type1 t1;
	uint32_t pt;
	int dev;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &pt));
	ASSERT_EQ(0, type1_open(&t1, self->bdf));
	dev = vfio_group_get_device(t1.group, self->bdf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EINVAL, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(-ENOTTY, vfio_attach(dev, &pt));
	EXPECT_EQ(-ENOTTY, vfio_detach(dev));
	EXPECT_EQ(0, vfio_get_info(dev, &info));
	EXPECT_EQ(0, close(dev));
	type1_close(&t1);
}

/* A device file of the group keeps the cdev out after the group is closed. */
TEST_F(paths, group_file_outlives_group)
{
	struct type1 t1;
	int dev;

	ASSERT_EQ(0, type1_open(&t1, self->bdf));
	dev = vfio_group_get_device(t1.group, self->bdf);
	ASSERT_LE(0, dev);
	type1_close(&t1);
	EXPECT_EQ(-EBUSY, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, close(dev));
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

/*
 * A process that only holds a file, which it got from another one.  It tells
 * when it has the file, and keeps it until it is let go.
 */
struct holder {
	pid_t pid;
	int sock;
};

static void hold(int sock)
{
	char byte = 0;
	int fd;

	if (!receive_fds(sock, &fd, 1) && write(sock, &byte, 1) == 1)
		(void)!read(sock, &byte, 1);
	_exit(0);
}

/* Hands @fd over, and has it no more itself. */
static void give_away(struct __test_metadata *_metadata, struct holder *holder,
		      int fd)
{
	int sock[2];
	char byte;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	holder->pid = fork();
	ASSERT_LE(0, holder->pid);
	if (!holder->pid) {
		close(sock[0]);
		close(fd);
		hold(sock[1]);
	}
	ASSERT_EQ(0, close(sock[1]));
	holder->sock = sock[0];
	ASSERT_EQ(0, send_fds(holder->sock, &fd, 1));
	ASSERT_EQ(1, read(holder->sock, &byte, 1));
	ASSERT_EQ(0, close(fd));
}

static void end_holder(struct __test_metadata *_metadata, struct holder *holder)
{
	ASSERT_EQ(0, close(holder->sock));
	ASSERT_EQ(holder->pid, waitpid(holder->pid, NULL, 0));
}

/* Each file keeps the other way shut in whose hands it may be. */
TEST_F(paths, group_passed_on)
{
	struct holder holder;
	int group = vfio_group_open(self->bdf);

	ASSERT_LE(0, group);
	EXPECT_EQ(0, close(self->dev));
	give_away(_metadata, &holder, group);
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
	EXPECT_EQ(-EBUSY, vfio_bind(self->dev, self->iommufd, NULL));
	end_holder(_metadata, &holder);
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

TEST_F(paths, device_of_group_passed_on)
{
	struct holder holder;
	struct type1 t1;
	int dev;

	ASSERT_EQ(0, type1_open(&t1, self->bdf));
	dev = vfio_group_get_device(t1.group, self->bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, close(t1.group));
	ASSERT_EQ(0, close(t1.container));
	give_away(_metadata, &holder, dev);
	EXPECT_EQ(-EBUSY, vfio_bind(self->dev, self->iommufd, NULL));
	end_holder(_metadata, &holder);
	EXPECT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
}

TEST_F(paths, bound_node_passed_on)
{
	struct holder holder;
	int group;

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	give_away(_metadata, &holder, self->dev);
	EXPECT_EQ(-EBUSY, vfio_group_open(self->bdf));
	end_holder(_metadata, &holder);
	group = vfio_group_open(self->bdf);
	EXPECT_LE(0, group);
	EXPECT_EQ(0, close(group));
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
}

TEST_HARNESS_MAIN
