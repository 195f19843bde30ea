// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example of Documentation/driver-api/vfio-cdev.rst, which stands beside
 * this program: what it says of a device, and what it says when it cannot have
 * one.
 */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

#include "type1.h"
#include "vfio_test.h"

#define NO_DEVICE	"ffff:ff:1f.7"
#define SYSFS		"/sys/bus/pci/devices/"
#define NO_NODE		"/vfio-dev: No such file or directory"
#define BIND		"VFIO_DEVICE_BIND_IOMMUFD"

/* The example as its user runs it */
struct run {
	int status;		/* that it exited with, or a negative errno */
	char said[4096];
};

static void exec_example(const char *bdf, int output)
{
	char path[PATH_MAX + 16] = "";

	if (readlink("/proc/self/exe", path, PATH_MAX) < 0)
		_exit(126);
	strcat(dirname(path), "/example");
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execl(path, "example", bdf, NULL);
	_exit(127);
}

static void run_example(struct run *run, const char *bdf)
{
	size_t len = 0;
	int output[2];
	ssize_t n;
	pid_t pid;

	run->status = -EIO;
	if (pipe(output))
		return;
	pid = fork();
	if (!pid)
		exec_example(bdf, output[1]);
	close(output[1]);
	while ((n = read(output[0], run->said + len,
			 sizeof(run->said) - 1 - len)) > 0)
		len += n;
	run->said[len] = '\0';
	close(output[0]);
	if (waitpid(pid, &run->status, 0) == pid && WIFEXITED(run->status))
		run->status = WEXITSTATUS(run->status);
}

static bool says(struct run *run, const char *line)
{
	const char *at = run->said;

	/* whole lines only */
	while ((at = strstr(at, line))) {
		if ((at == run->said || at[-1] == '\n') &&
		    at[strlen(line)] == '\n')
			return true;
		at++;
	}
	return false;
}

/* What it says of a device that it can have do DMA, and of no other */
static const char *const dma_lines[] = {
	"DMA to 0x100000 arrives",
	"DMA to 0x1000 arrives",
	"DMA to 0x1000 is blocked",
};

/* All that can be said of any device; twice, as nothing must be left of it. */
static void expect_device(struct __test_metadata *_metadata, const char *name,
			  const char *ids, const char *region, bool dma)
{
	char line[256], node[64];
	const char *bdf;
	unsigned int j;
	struct run run;
	int i;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE(name);
	ASSERT_EQ(0, vfio_cdev_name(bdf, node, sizeof(node)));
	snprintf(line, sizeof(line), "%s is /dev/vfio/devices/%s", bdf, node);
	for (i = 0; i < 2; i++) {
		run_example(&run, bdf);
		EXPECT_EQ(0, run.status);
		EXPECT_TRUE(says(&run, line));
		EXPECT_TRUE(says(&run, "bound as device 1"));
		EXPECT_TRUE(says(&run, "mapped 4096 bytes at 0x100000"));
		EXPECT_TRUE(says(&run, "attached to address space 2 by page table 3"));
		EXPECT_TRUE(says(&run, "9 regions, 5 kinds of interrupts"));
		EXPECT_TRUE(says(&run, region));
		EXPECT_TRUE(says(&run, ids));
		EXPECT_TRUE(says(&run, "in multiples of 4096 bytes"));
		EXPECT_TRUE(says(&run, "copied to address space 4 at 0x1000"));
		EXPECT_TRUE(says(&run, "attached to address space 4 by page table 5"));
		EXPECT_TRUE(says(&run, "unmapped 4096 bytes at 0x100000"));
		EXPECT_TRUE(says(&run, "unmapped 4096 bytes at 0x1000"));
		for (j = 0; j < ARRAY_SIZE(dma_lines); j++)
			EXPECT_EQ(dma, says(&run, dma_lines[j]));
		EXPECT_TRUE(says(&run, "closed"));
		if (!_metadata->passed)
			TH_LOG("it said:\n%s", run.said);
	}
}

TEST(edu)
{
	expect_device(_metadata, "EDU0", "vendor 1234, device 11e8",
		      "region 0: 1048576 bytes", true);
}

TEST(testdev)
{
	expect_device(_metadata, "TESTDEV0", "vendor 1b36, device 0005",
		      "region 0: 4096 bytes", false);
}

/* It fails with 1 and names what failed. */
static void expect_failure(struct __test_metadata *_metadata, const char *bdf,
			   const char *line)
{
	struct run run;

	run_example(&run, bdf);
	EXPECT_EQ(1, run.status);
	EXPECT_TRUE(says(&run, line))
		TH_LOG("it said:\n%s", run.said);
	EXPECT_FALSE(says(&run, "closed"));
}

TEST(no_such_device)
{
	expect_failure(_metadata, NO_DEVICE,
		       "example: " SYSFS NO_DEVICE NO_NODE);
}

/* Of a driver that is not VFIO's, or of none */
TEST(device_without_node)
{
	char line[128];
	const char *bdf;

	REQUIRE_IOMMU();
	bdf = REQUIRE_ENV("RNG_MF0");
	ASSERT_EQ(0, pci_unbind_driver(bdf));
	snprintf(line, sizeof(line), "example: " SYSFS "%s" NO_NODE, bdf);
	expect_failure(_metadata, bdf, line);
}

/* That somebody else has bound */
TEST(device_in_use)
{
	int iommufd = iommu_open();
	struct vdev vdev;

	REQUIRE_IOMMU();
	ASSERT_LE(0, iommufd);
	vdev_bind(_metadata, &vdev, "TESTDEV0", iommufd);
	expect_failure(_metadata, vdev.bdf,
		       "example: " BIND ": Invalid argument");
}

/* The user of a group has it. */
TEST(device_of_open_group)
{
	const char *bdf;
	int group;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE("TESTDEV0");
	group = vfio_group_open(bdf);
	ASSERT_LE(0, group);
	expect_failure(_metadata, bdf,
		       "example: " BIND ": Device or resource busy");
	EXPECT_EQ(0, close(group));
}

TEST_HARNESS_MAIN
