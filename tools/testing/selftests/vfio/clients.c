// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VMMs and drivers that exist rely on, a case for each; the name begins
 * with the number that the case has in the project's list of clients' needs.
 */
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "type1.h"
#include "fds.h"
#include "vfio_test.h"

#define IOVA		0x1000000UL
#define NOBODY		65534
#define HALF		0x8000000000000000ULL
#define MSI_IOVA	0xfee00000ULL

/* As a client is when it begins to map. */
FIXTURE(client) {
	int iommufd;
	uint32_t ioas;
	struct vdev vdev;
	unsigned char *mem;	/* 16 pages */
};

FIXTURE_SETUP(client)
{
	uint32_t pt;

	REQUIRE_IOMMU();
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	vdev_bind(_metadata, &self->vdev, "TESTDEV0", self->iommufd);
	pt = self->ioas;
	ASSERT_EQ(0, vfio_attach(self->vdev.fd, &pt));
	self->mem = alloc_memory(16 * PAGE);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, vfio_detach(self->vdev.fd));
	EXPECT_EQ(0, iommu_destroy(self->iommufd, self->ioas));
	EXPECT_EQ(0, close(self->vdev.fd));
	EXPECT_EQ(0, close(self->iommufd));
}

static int map(struct _test_data_client *self, void *mem, uint64_t len,
	       uint64_t iova)
{
	return ioas_map(self->iommufd, self->ioas, mem, len, iova,
			IOMMU_MAP_RW);
}

static int unmap(struct _test_data_client *self, uint64_t iova, uint64_t len,
		 uint64_t *bytes)
{
	return ioas_unmap(self->iommufd, self->ioas, iova, len, bytes);
}

/* IOVA_RANGES with room for none: EMSGSIZE and the number there is. */
TEST_F(client, a1_iova_ranges_count)
{
	uint32_t num = 0;

	EXPECT_EQ(-EMSGSIZE, ioas_ranges(self->iommufd, self->ioas, NULL, &num,
					 NULL));
	EXPECT_LT(0, num);
}

/* Again with the array: sorted, apart, without the IOMMU's MSI window. */
TEST_F(client, a2_iova_ranges_array)
{
	struct iommu_iova_range *ranges;
	uint32_t num = 0, seen, i;

	ASSERT_EQ(-EMSGSIZE, ioas_ranges(self->iommufd, self->ioas, NULL, &num,
					 NULL));
	ranges = calloc(num, sizeof(*ranges));
	ASSERT_NE(NULL, ranges);
	seen = num;
	ASSERT_EQ(0, ioas_ranges(self->iommufd, self->ioas, ranges, &seen,
				 NULL));
	ASSERT_EQ(num, seen);
	for (i = 0; i < num; i++) {
		EXPECT_LE(ranges[i].start, ranges[i].last);
		if (i)
			EXPECT_LT(ranges[i - 1].last, ranges[i].start);
		EXPECT_FALSE(ranges[i].start <= MSI_IOVA &&
			     ranges[i].last >= MSI_IOVA);
	}
}

/* The ranges are those of the device's aperture while it is attached. */
TEST_F(client, a2_iova_ranges_shrink)
{
	struct iommu_iova_range range;
	uint32_t fresh, num = 1;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &fresh));
	ASSERT_EQ(0, ioas_ranges(self->iommufd, fresh, &range, &num, NULL));
	EXPECT_EQ(1, num);
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(UINT64_MAX, range.last);
	num = 1;
	EXPECT_EQ(-EMSGSIZE, ioas_ranges(self->iommufd, self->ioas, &range,
					 &num, NULL));
	EXPECT_LT(1, num);
	EXPECT_GT(MSI_IOVA, range.last);
}

/* The alignment is a power of two, so that its negative is a page mask. */
TEST_F(client, a3_alignment)
{
	uint64_t align = 0;
	uint32_t num = 0;

	ASSERT_EQ(-EMSGSIZE, ioas_ranges(self->iommufd, self->ioas, NULL, &num,
					 &align));
	EXPECT_LT(0, align);
	EXPECT_GE(PAGE, align);
	EXPECT_EQ(0, align & (align - 1));
}

/* UNMAP where there is nothing: exactly ENOENT. */
TEST_F(client, a4_unmap_nothing)
{
	EXPECT_EQ(-ENOENT, unmap(self, IOVA, PAGE, NULL));
}

/* UNMAP of everything there is works when that is nothing. */
TEST_F(client, a5_unmap_all_of_nothing)
{
	EXPECT_EQ(0, unmap(self, 0, UINT64_MAX, NULL));
	ASSERT_EQ(0, map(self, self->mem, PAGE, IOVA));
	EXPECT_EQ(0, unmap(self, 0, UINT64_MAX, NULL));
	EXPECT_EQ(0, unmap(self, 0, UINT64_MAX, NULL));
}

/* The address space in halves: what is there goes, ENOENT where nothing is. */
TEST_F(client, a6_unmap_halves)
{
	uint64_t bytes = 0;

	EXPECT_EQ(-ENOENT, unmap(self, 0, HALF, NULL));
	EXPECT_EQ(-ENOENT, unmap(self, HALF, HALF, NULL));
	ASSERT_EQ(0, map(self, self->mem, PAGE, IOVA));
	ASSERT_EQ(0, map(self, self->mem, 2 * PAGE, IOVA + PAGE));
	EXPECT_EQ(-ENOENT, unmap(self, HALF, HALF, NULL));
	EXPECT_EQ(0, unmap(self, 0, HALF, &bytes));
	EXPECT_EQ(3 * PAGE, bytes);
}

/* UNMAP tells how many bytes were mapped in its range. */
TEST_F(client, a7_unmap_bytes)
{
	uint64_t bytes = 0;

	ASSERT_EQ(0, map(self, self->mem, PAGE, IOVA));
	ASSERT_EQ(0, map(self, self->mem + PAGE, 2 * PAGE, IOVA + 8 * PAGE));
	EXPECT_EQ(0, unmap(self, IOVA, 16 * PAGE, &bytes));
	EXPECT_EQ(3 * PAGE, bytes);
	ASSERT_EQ(0, map(self, self->mem, 16 * PAGE, IOVA));
	EXPECT_EQ(0, unmap(self, 0, UINT64_MAX, &bytes));
	EXPECT_EQ(16 * PAGE, bytes);
}

/* MAP over a mapping, wholly or in part: EEXIST. */
TEST_F(client, a8_map_overlap)
{
	ASSERT_EQ(0, map(self, self->mem, 2 * PAGE, IOVA));
	EXPECT_EQ(-EEXIST, map(self, self->mem, 2 * PAGE, IOVA));
	EXPECT_EQ(-EEXIST, map(self, self->mem, PAGE, IOVA + PAGE));
	EXPECT_EQ(-EEXIST, map(self, self->mem, 16 * PAGE, IOVA - 8 * PAGE));
	EXPECT_EQ(0, map(self, self->mem, PAGE, IOVA + 2 * PAGE));
}

/* MAP of a BAR that is mapped into the program: EFAULT. */
TEST_F(client, a9_map_bar)
{
	size_t size;
	void *bar;

	bar = vfio_region_mmap(self->vdev.fd, TESTDEV_BAR, &size);
	ASSERT_NE(NULL, bar);
	EXPECT_EQ(-EFAULT, map(self, bar, size, IOVA));
	EXPECT_EQ(-ENOENT, unmap(self, IOVA, size, NULL));
	EXPECT_EQ(0, map(self, self->mem, PAGE, IOVA));
}

/* Calls in the wrong order fail, and the right ones work after them. */
TEST_F(client, a10_wrong_order)
{
	struct vfio_device_info info;
	uint32_t pt = 4711;
	int dev;

	ASSERT_EQ(0, close(self->vdev.fd));
	dev = vfio_cdev_open(self->vdev.bdf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EINVAL, vfio_get_info(dev, &info));
	EXPECT_EQ(-EINVAL, vfio_bind(dev, -1, NULL));
	EXPECT_EQ(0, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(-EINVAL, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(-ENOENT, vfio_attach(dev, &pt));
	pt = self->ioas;
	EXPECT_EQ(0, vfio_attach(dev, &pt));
	EXPECT_EQ(0, vfio_get_info(dev, &info));
	self->vdev.fd = dev;
}

/* A client built against newer headers passes a bigger argsz. */
TEST_F(client, a11_bigger_argsz)
{
	struct {
		struct vfio_device_info info;
		char more[64];
	} info = { .info.argsz = sizeof(info) };
	struct {
		struct vfio_region_info info;
		char more[64];
	} region = { .info.argsz = sizeof(region) };
	struct {
		struct vfio_device_attach_iommufd_pt attach;
		char more[64];
	} attach = { .attach.argsz = sizeof(attach),
		     .attach.pt_id = self->ioas };

	EXPECT_EQ(0, xioctl(self->vdev.fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_EQ(0, xioctl(self->vdev.fd, VFIO_DEVICE_GET_REGION_INFO,
			    &region));
	EXPECT_EQ(0, xioctl(self->vdev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
			    &attach));
}

/* Drop all capabilities, by becoming somebody else. */
static int become_nobody(void)
{
	return setresuid(NOBODY, NOBODY, NOBODY) ? -errno : 0;
}

/* RLIMIT_MODE 1 right after the open, as who may; EBUSY once objects exist. */
TEST(a18_rlimit_mode)
{
	int iommufd = iommu_open();
	uint64_t mode = 1;
	uint32_t ioas;

	ASSERT_LE(0, iommufd);
	EXPECT_EQ(0, iommu_get_rlimit_mode(iommufd, &mode));
	EXPECT_EQ(0, mode);
	EXPECT_EQ(-EINVAL, iommu_set_rlimit_mode(iommufd, 2));
	EXPECT_EQ(0, iommu_set_rlimit_mode(iommufd, 1));
	EXPECT_EQ(0, iommu_get_rlimit_mode(iommufd, &mode));
	EXPECT_EQ(1, mode);
	ASSERT_EQ(0, ioas_alloc(iommufd, &ioas));
	EXPECT_EQ(-EBUSY, iommu_set_rlimit_mode(iommufd, 0));
	EXPECT_EQ(-EBUSY, iommu_set_rlimit_mode(iommufd, 1));
}

/* Without CAP_SYS_RESOURCE: EPERM, and the mode is as it was. */
TEST(a18_rlimit_mode_unprivileged)
{
	int iommufd = iommu_open();
	uint64_t mode = 1;

	ASSERT_LE(0, iommufd);
	ASSERT_EQ(0, become_nobody());
	EXPECT_EQ(-EPERM, iommu_set_rlimit_mode(iommufd, 1));
	EXPECT_EQ(0, iommu_get_rlimit_mode(iommufd, &mode));
	EXPECT_EQ(0, mode);
}

/* A line of this process's status, in kB: "VmLck", "VmPin". */
static long status_kb(const char *key)
{
	char line[128];
	long kb = -1;
	FILE *status;

	status = fopen("/proc/self/status", "r");
	if (!status)
		return -1;
	while (kb < 0 && fgets(line, sizeof(line), status))
		if (!strncmp(line, key, strlen(key)))
			kb = atol(line + strlen(key) + 1);
	fclose(status);
	return kb;
}

#define A19_PAGES	16

/*
 * The receiver, without any privilege, does all that a VMM does and is charged
 * for it.  Returns 0 or the number of the step that failed.
 */
static int a19_receiver(int sock)
{
	struct rlimit limit = { A19_PAGES * PAGE, A19_PAGES * PAGE };
	long locked, pinned;
	uint32_t ioas, pt;
	struct edu edu;
	char *mem;
	int fds[2];

	if (receive_fds(sock, fds, 2) || setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    become_nobody())
		return 1;
	mem = alloc_memory((A19_PAGES + 1) * PAGE);
	if (!mem)
		return 2;
	if (vfio_bind(fds[1], fds[0], NULL) || ioas_alloc(fds[0], &ioas))
		return 3;
	pt = ioas;
	if (vfio_attach(fds[1], &pt))
		return 4;
	locked = status_kb("VmLck");
	pinned = status_kb("VmPin");
	if (ioas_map(fds[0], ioas, mem, A19_PAGES * PAGE, IOVA, IOMMU_MAP_RW))
		return 5;
	if (status_kb("VmLck") - locked != A19_PAGES * PAGE / 1024)
		return 6;
	if (status_kb("VmPin") - pinned != A19_PAGES * PAGE / 1024)
		return 7;
	if (ioas_map(fds[0], ioas, mem + A19_PAGES * PAGE, PAGE,
		     IOVA + A19_PAGES * PAGE, IOMMU_MAP_RW) != -ENOMEM)
		return 8;
	if (edu_open(&edu, fds[1]) || !dma_works(&edu, mem, IOVA))
		return 9;
	if (ioas_unmap(fds[0], ioas, IOVA, A19_PAGES * PAGE, NULL))
		return 10;
	if (status_kb("VmLck") != locked || status_kb("VmPin") != pinned)
		return 11;
	return 0;
}

/*
 * A manager opens both files and passes them on; who receives them maps.  In
 * RLIMIT_MODE 1 the mapper is charged, by its own limit, and the manager not.
 */
TEST(a19_files_passed)
{
	int sock[2], fds[2], status;
	const char *bdf;
	long locked;
	pid_t pid;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE("EDU0");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(sock[0]);
		_exit(a19_receiver(sock[1]));
	}
	close(sock[1]);
	locked = status_kb("VmLck");
	ASSERT_LE(0, locked);
	fds[0] = iommu_open();
	ASSERT_LE(0, fds[0]);
	ASSERT_EQ(0, iommu_set_rlimit_mode(fds[0], 1));
	fds[1] = vfio_cdev_open(bdf);
	ASSERT_LE(0, fds[1]);
	ASSERT_EQ(0, send_fds(sock[0], fds, 2));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("the receiver failed at step %d", WEXITSTATUS(status));
	EXPECT_EQ(locked, status_kb("VmLck"));
}

/* The receiver may die at any time; who has the files goes on with them. */
TEST(a19_receiver_dies)
{
	int sock[2], fds[2], status;
	struct vfio_device_info info;
	const char *bdf;
	struct edu edu;
	pid_t pid;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE("EDU0");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	fds[0] = iommu_open();
	ASSERT_LE(0, fds[0]);
	fds[1] = vfio_cdev_open(bdf);
	ASSERT_LE(0, fds[1]);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		uint32_t ioas, pt;

		if (vfio_bind(fds[1], fds[0], NULL) ||
		    ioas_alloc(fds[0], &ioas))
			_exit(1);
		pt = ioas;
		if (vfio_attach(fds[1], &pt))
			_exit(2);
		_exit(ioas_map(fds[0], ioas, alloc_memory(PAGE), PAGE, IOVA,
			       IOMMU_MAP_RW) ? 3 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(0, vfio_get_info(fds[1], &info));
	/* What the dead one mapped is still pinned: DMA there hurts nobody. */
	ASSERT_EQ(0, edu_open(&edu, fds[1]));
	EXPECT_EQ(0, edu_copy(&edu, IOVA, IOVA + DMA_LEN, DMA_LEN));
	edu_close(&edu);
	EXPECT_EQ(0, close(fds[1]));
	EXPECT_EQ(0, close(fds[0]));
}

/* The group of a bound device: EBUSY; of a device let go: as ever. */
TEST_F(client, a22_group_is_busy)
{
	int group;

	EXPECT_EQ(-EBUSY, vfio_group_open(self->vdev.bdf));
	ASSERT_EQ(0, close(self->vdev.fd));
	group = vfio_group_open(self->vdev.bdf);
	EXPECT_LE(0, group);
	self->vdev.fd = vfio_cdev_open(self->vdev.bdf);
	ASSERT_LE(0, self->vdev.fd);
	EXPECT_EQ(-EBUSY, vfio_bind(self->vdev.fd, self->iommufd, NULL));
	EXPECT_EQ(0, close(group));
	EXPECT_EQ(0, vfio_bind(self->vdev.fd, self->iommufd, NULL));
}

/* PCI devices: at least 8 regions (to config) and 3 interrupt indexes. */
TEST_F(client, a24_regions_and_irqs)
{
	struct vfio_region_info region;
	struct vfio_device_info info;
	struct vfio_irq_info irq;
	uint32_t i;

	ASSERT_EQ(0, vfio_get_info(self->vdev.fd, &info));
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_PCI);
	EXPECT_LE(8, info.num_regions);
	EXPECT_LE(3, info.num_irqs);
	for (i = 0; i <= VFIO_PCI_CONFIG_REGION_INDEX; i++)
		EXPECT_EQ(0, vfio_region_info(self->vdev.fd, i, &region));
	EXPECT_LT(0, region.size);
	for (i = 0; i <= VFIO_PCI_MSIX_IRQ_INDEX; i++)
		EXPECT_EQ(0, vfio_irq_info(self->vdev.fd, i, &irq));
}

TEST_HARNESS_MAIN
