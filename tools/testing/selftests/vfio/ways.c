// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user-space NVMe driver by all three ways to a device, as root and as
 * somebody who has no privilege but the open files:
 *
 *    container of type1 --+-- group --- NVME0      WAY_TYPE1
 *    /dev/iommu ----------+-- group --- EDU0       WAY_COMPAT
 *                         |
 *    /dev/iommu ----------+-- node ---- NVME0      WAY_CDEV
 *                         +-- node ---- EDU0
 */
#include <grp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "disk.h"
#include "fds.h"
#include "mdev.h"
#include "nvme.h"
#include "type1.h"
#include "vfio_test.h"

#define IOVA_DISK	0x1000000UL
#define IOVA_EDU	0x2000000UL
#define NOBODY		65534
#define VMM		1000	/* the group of tools/udev/70-iommufd.rules */

FIXTURE(ways) {
	const char *nvme;
	const char *edu;
	const char *sha256;
};

FIXTURE_VARIANT(ways) {
	enum way way;
};

FIXTURE_VARIANT_ADD(ways, type1) {
	.way = WAY_TYPE1,
};

FIXTURE_VARIANT_ADD(ways, compat) {
	.way = WAY_COMPAT,
};

FIXTURE_VARIANT_ADD(ways, cdev) {
	.way = WAY_CDEV,
};

FIXTURE_SETUP(ways)
{
	REQUIRE_IOMMU();
	self->nvme = REQUIRE_DEVICE("NVME0");
	self->edu = REQUIRE_DEVICE("EDU0");
	self->sha256 = REQUIRE_ENV("NVME_SHA256");
}

FIXTURE_TEARDOWN(ways)
{
}

/* The whole disk, read by DMA.  Returns 0 or the step that failed. */
static int read_disk(struct space *space, struct member *member,
		     const char *expected)
{
	void *mem = alloc_memory(NVME_MEM_SIZE);
	char hex[SHA256_HEX_LEN + 1];
	struct nvme nvme;

	if (!mem || space_map(space, mem, NVME_MEM_SIZE, IOVA_DISK,
			      IOMMU_MAP_RW))
		return 1;
	if (nvme_open(&nvme, member->dev, mem, IOVA_DISK))
		return 2;
	if (nvme_sha256(&nvme, hex))
		return 3;
	nvme_close(&nvme);
	if (strcmp(hex, expected))
		return 4;
	return space_unmap(space, IOVA_DISK, NVME_MEM_SIZE) ? 5 : 0;
}

static int use_edu(struct space *space, struct member *member)
{
	void *mem = alloc_memory(PAGE);
	struct edu edu;
	int step = 0;

	if (!mem || space_map(space, mem, PAGE, IOVA_EDU, IOMMU_MAP_RW))
		return 11;
	if (edu_open(&edu, member->dev))
		return 12;
	if (!dma_works(&edu, mem, IOVA_EDU))
		step = 13;
	edu_close(&edu);
	return step;
}

TEST_F(ways, disk)
{
	struct member member;
	struct space space;

	ASSERT_EQ(0, space_open(&space, variant->way));
	ASSERT_EQ(0, space_add_pci(&space, &member, self->nvme));
	EXPECT_EQ(0, read_disk(&space, &member, self->sha256));
	member_close(&member);
	space_close(&space);
}

/* A second device reaches the same, and keeps on when the first has gone. */
TEST_F(ways, disk_beside_edu)
{
	struct member disk, edu;
	struct space space;

	ASSERT_EQ(0, space_open(&space, variant->way));
	ASSERT_EQ(0, space_add_pci(&space, &disk, self->nvme));
	ASSERT_EQ(0, space_add_pci(&space, &edu, self->edu));
	EXPECT_EQ(0, use_edu(&space, &edu));
	EXPECT_EQ(0, read_disk(&space, &disk, self->sha256));
	member_close(&disk);
	EXPECT_EQ(0, space_unmap(&space, IOVA_EDU, PAGE));
	EXPECT_EQ(0, use_edu(&space, &edu));
	member_close(&edu);
	space_close(&space);
}

/* Enough to pin for both devices, and no capability */
static int become_nobody(void)
{
	struct rlimit limit = { 2 * NVME_MEM_SIZE, 2 * NVME_MEM_SIZE };

	return setrlimit(RLIMIT_MEMLOCK, &limit) || setgroups(0, NULL) ||
	       setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY);
}

/* fds: the container or iommufd, what there is of the disk, and of edu */
static int use_as_nobody(int sock, enum way way, const char *nvme,
			 const char *edu, const char *sha256)
{
	struct space space = { .way = way };
	struct member members[2];
	int fds[3], step;

	if (become_nobody() || receive_fds(sock, fds, 3))
		return 21;
	space.fd = fds[0];
	if (way == WAY_CDEV && ioas_alloc(space.fd, &space.ioas))
		return 22;
	if (space_add_file(&space, &members[0], nvme, fds[1]))
		return 23;
	if (space_add_file(&space, &members[1], edu, fds[2]))
		return 24;
	step = use_edu(&space, &members[1]);
	return step ?: read_disk(&space, &members[0], sha256);
}

/* Who has no right to open anything gets all of it opened, and uses it. */
TEST_F(ways, unprivileged)
{
	int sock[2], fds[3], status, i;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(use_as_nobody(sock[1], variant->way, self->nvme,
				    self->edu, self->sha256));

	fds[0] = open(variant->way == WAY_TYPE1 ? "/dev/vfio/vfio" :
						  "/dev/iommu", O_RDWR);
	if (variant->way == WAY_CDEV) {
		fds[1] = vfio_cdev_open(self->nvme);
		fds[2] = vfio_cdev_open(self->edu);
	} else {
		fds[1] = vfio_group_open(self->nvme);
		fds[2] = vfio_group_open(self->edu);
	}
	for (i = 0; i < 3; i++)
		ASSERT_LE(0, fds[i]);
	ASSERT_EQ(0, send_fds(sock[0], fds, 3));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, close(fds[i]));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("it failed at step %d", WEXITSTATUS(status));
}

static int as_member_of(gid_t group, const char *nvme, const char *sha256)
{
	struct member member;
	struct space space;

	if (setgroups(1, &group) || setresgid(NOBODY, NOBODY, NOBODY))
		return 31;
	if (setresuid(NOBODY, NOBODY, NOBODY))
		return 32;
	if (space_open(&space, WAY_CDEV))
		return 33;
	if (space_add_pci(&space, &member, nvme))
		return 34;
	return read_disk(&space, &member, sha256);
}

/* Permissions as the udev rule sets them let the group's members in. */
TEST(by_permissions)
{
	struct rlimit limit = { 2 * NVME_MEM_SIZE, 2 * NVME_MEM_SIZE };
	const char *nvme, *sha256;
	char name[64], node[128];
	int status;
	pid_t pid;

	REQUIRE_IOMMU();
	nvme = REQUIRE_DEVICE("NVME0");
	sha256 = REQUIRE_ENV("NVME_SHA256");
	ASSERT_EQ(0, vfio_cdev_name(nvme, name, sizeof(name)));
	snprintf(node, sizeof(node), "/dev/vfio/devices/%s", name);
	ASSERT_EQ(0, chown("/dev/iommu", 0, VMM));
	ASSERT_EQ(0, chmod("/dev/iommu", 0660));
	ASSERT_EQ(0, chown(node, 0, VMM));
	ASSERT_EQ(0, chmod(node, 0660));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(as_member_of(VMM, nvme, sha256));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	/* Not so those of another one. */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(as_member_of(VMM + 1, nvme, sha256) != 33);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, chown("/dev/iommu", 0, 0));
	EXPECT_EQ(0, chown(node, 0, 0));
}

TEST_HARNESS_MAIN
