// SPDX-License-Identifier: GPL-2.0-only
/* What /proc/PID/fdinfo tells of the files of devices */
#include <limits.h>

#include "type1.h"
#include "vfio_test.h"

#define PATH_KEY	"vfio-device-syspath: "
#define ID_KEY		"vfio-iommufd-devid: "

/* What stands behind a key; false when it is not there. */
static bool tell(int fd, const char *key, char *value, size_t len)
{
	char path[64], line[PATH_MAX + 64];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, key, strlen(key));
	}
	fclose(file);
	if (found)
		snprintf(value, len, "%s", line + strlen(key));
	return found;
}

static void expect_path(struct __test_metadata *_metadata, int fd,
			const char *bdf)
{
	char link[128], expected[PATH_MAX], value[PATH_MAX];

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", bdf);
	ASSERT_NE(NULL, realpath(link, expected));
	ASSERT_TRUE(tell(fd, PATH_KEY, value, sizeof(value)));
	EXPECT_STREQ(expected, value);
}

/* By its node: the device always, its id once it is bound. */
TEST(node)
{
	int iommufd = iommu_open(), dev;
	const char *bdf;
	char value[32];
	uint32_t id;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE("TESTDEV0");
	dev = vfio_cdev_open(bdf);
	ASSERT_LE(0, dev);
	expect_path(_metadata, dev, bdf);
	EXPECT_FALSE(tell(dev, ID_KEY, value, sizeof(value)));
	ASSERT_EQ(0, vfio_bind(dev, iommufd, &id));
	expect_path(_metadata, dev, bdf);
	ASSERT_TRUE(tell(dev, ID_KEY, value, sizeof(value)));
	EXPECT_EQ(id, strtoul(value, NULL, 10));
}

/* A node whose device has gone says nothing. */
TEST(node_of_nothing)
{
	const char *bdf;
	char value[32];
	int dev;

	REQUIRE_IOMMU();
	bdf = REQUIRE_DEVICE("TESTDEV0");
	dev = vfio_cdev_open(bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, pci_unbind_driver(bdf));
	EXPECT_FALSE(tell(dev, PATH_KEY, value, sizeof(value)));
	EXPECT_EQ(0, close(dev));
}

/* By its group: an id with an iommufd, none with a container of VFIO's. */
static void by_group(struct __test_metadata *_metadata, const char *container,
		     bool has_id)
{
	const char *bdf = REQUIRE_DEVICE("TESTDEV0");
	struct type1 t1;
	char value[32];
	int dev;

	ASSERT_EQ(0, type1_open_by(&t1, bdf, container));
	dev = vfio_group_get_device(t1.group, bdf);
	ASSERT_LE(0, dev);
	expect_path(_metadata, dev, bdf);
	EXPECT_EQ(has_id, tell(dev, ID_KEY, value, sizeof(value)));
	EXPECT_EQ(0, close(dev));
	type1_close(&t1);
}

TEST(group)
{
	REQUIRE_IOMMU();
	by_group(_metadata, VFIO_CONTAINER, false);
	by_group(_metadata, "/dev/iommu", true);
}

TEST_HARNESS_MAIN
