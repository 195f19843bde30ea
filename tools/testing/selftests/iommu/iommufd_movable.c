// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of ZONE_MOVABLE, where no page may be pinned for long: what is mapped for
 * a device leaves it, and what is mapped before it is there does not get there.
 *
 *   memory --- IOAS --- mock device
 */
#include <linux/memfd.h>

#include "iommufd_utils.h"
#include "slow_file.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#define IOVA		(32 * MB)
#define LENGTH		(6 * MB)
#define NR_HUGE		"/proc/sys/vm/nr_hugepages"
#define RO		IOMMU_IOAS_MAP_READABLE
#define RW		IOMMU_MAP_RW

/* Page frames */
struct zone {
	uint64_t first;
	uint64_t end;
};

FIXTURE(movable)
{
	int iommufd;
	uint32_t ioas;
	uint32_t hwpt;
	struct zone zone;
};

/* A line of /proc/zoneinfo after that of the zone */
static uint64_t zone_number(const char *zone, const char *name)
{
	char line[256], word[64];
	uint64_t value = 0;
	bool found = false;
	FILE *file;

	file = fopen("/proc/zoneinfo", "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %*d, zone %63s", word) == 1)
			found = !strcmp(word, zone);
		else if (found && sscanf(line, " %63s %lu", word, &value) == 2 &&
			 !strcmp(word, name))
			break;
		value = 0;
	}
	fclose(file);
	return value;
}

/* Of the pages that are there, how many are in the zone? */
static long count_movable(struct zone *zone, char *mem, size_t len)
{
	uint64_t entries[LENGTH / PAGE], pfn;
	size_t size = len / PAGE * sizeof(*entries), i;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	long count = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, entries, size,
		  (uintptr_t)mem / PAGE * sizeof(*entries)) != size)
		count = -EIO;
	close(fd);
	if (count)
		return count;
	for (i = 0; i < len / PAGE; i++) {
		pfn = entries[i] & ((1ULL << 55) - 1);
		/* present */
		if (entries[i] >> 63 && pfn >= zone->first && pfn < zone->end)
			count++;
	}
	return count;
}

static int test_op(int fd, uint32_t op, uint32_t id, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return xioctl(fd, IOMMU_TEST_CMD, cmd);
}

FIXTURE_SETUP(movable)
{
	struct iommu_test_cmd cmd = {};

	self->zone.first = zone_number("Movable", "start_pfn:");
	self->zone.end = self->zone.first + zone_number("Movable", "spanned");
	ASSERT_LT(self->zone.first, self->zone.end)
		TH_LOG("there is no ZONE_MOVABLE: movablecore= is missing");
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, test_op(self->iommufd, IOMMU_TEST_OP_MOCK_DOMAIN,
			     self->ioas, &cmd));
	self->hwpt = cmd.mock_domain.out_hwpt_id;
}

FIXTURE_TEARDOWN(movable)
{
	close(self->iommufd);
	sysfs_write(NR_HUGE, "0");
}

#define MAP_FILE(fd)							\
	ioas_map_file(self->iommufd, self->ioas, fd, 0, LENGTH, IOVA, RW)
#define MAP(mem, length, flags)						\
	ioas_map(self->iommufd, self->ioas, mem, length, IOVA, flags)
#define MOVABLE(mem, length)	count_movable(&self->zone, mem, length)

/* The device sees the pages that the process sees, none of them of the zone. */
#define EXPECT_MOVED_OUT(mem, len) do {					\
	char *__va = mem;						\
	struct iommu_test_cmd __cmd = {					\
		.check_map = { .iova = IOVA, .length = len,		\
			       .uptr = (uintptr_t)__va },		\
	};								\
									\
	EXPECT_EQ(0, test_op(self->iommufd, IOMMU_TEST_OP_MD_CHECK_MAP,	\
			     self->hwpt, &__cmd));			\
	EXPECT_EQ(0, MOVABLE(__va, __cmd.check_map.length));		\
} while (0)

/* A memfd and a mapping of it; that reserves huge pages, but touches none. */
static int new_file(unsigned int flags, char **mem)
{
	int fd = memfd_create("file", flags);

	if (fd < 0 || ftruncate(fd, LENGTH))
		return -errno;
	*mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return *mem == MAP_FAILED ? -errno : fd;
}

/* One huge page more than the file has, all of the zone */
#define NEW_HUGE_FILE(mem) ({						\
	char *__mem;							\
	int __fd;							\
									\
	ASSERT_EQ(0, sysfs_write(NR_HUGE, "4"));			\
	__fd = new_file(MFD_HUGETLB, &__mem);				\
	ASSERT_LE(0, __fd);						\
	memset(__mem, 1, LENGTH);					\
	ASSERT_EQ(LENGTH / PAGE, MOVABLE(__mem, LENGTH));		\
	ASSERT_EQ(0, munmap(__mem, LENGTH));				\
	close(__fd);							\
	__fd = new_file(MFD_HUGETLB, mem);				\
	ASSERT_LE(0, __fd);						\
	__fd;								\
})

/* Huge pages that were reserved but not touched yet */
TEST_F(movable, huge_file_untouched)
{
	char *mem;
	int fd = NEW_HUGE_FILE(&mem);

	ASSERT_EQ(0, MAP_FILE(fd));
	EXPECT_EQ(0, mem[0]);
	memset(mem, 2, LENGTH);
	EXPECT_MOVED_OUT(mem, LENGTH);
	EXPECT_EQ((int64_t)LENGTH, unmap_all(self->iommufd, self->ioas));
}

/* Huge pages that nobody reserved */
TEST_F(movable, huge_file_unreserved)
{
	char *mem;
	int fd = NEW_HUGE_FILE(&mem);

	ASSERT_EQ(0, munmap(mem, LENGTH));
	close(fd);
	fd = memfd_create("file", MFD_HUGETLB);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, LENGTH));
	ASSERT_EQ(0, MAP_FILE(fd));
	mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	memset(mem, 2, LENGTH);
	EXPECT_MOVED_OUT(mem, LENGTH);
}

/* Huge pages with something in them */
TEST_F(movable, huge_file_touched)
{
	char *mem;
	int fd = NEW_HUGE_FILE(&mem);

	memset(mem, 2, LENGTH);
	ASSERT_LT(0, MOVABLE(mem, LENGTH));
	ASSERT_EQ(0, MAP_FILE(fd));
	EXPECT_EQ(2, mem[LENGTH - 1]);
	memset(mem, 3, LENGTH);
	EXPECT_MOVED_OUT(mem, LENGTH);
}

/* The same, found by its address */
TEST_F(movable, huge_memory)
{
	char *mem;

	NEW_HUGE_FILE(&mem);
	memset(mem, 2, LENGTH / 2);
	ASSERT_LT(0, MOVABLE(mem, LENGTH));
	ASSERT_EQ(0, MAP(mem, LENGTH, RW));
	EXPECT_EQ(2, mem[0]);
	EXPECT_MOVED_OUT(mem, LENGTH);
}

/* A file in memory, half of which is there */
TEST_F(movable, file)
{
	char *mem;
	int fd = new_file(0, &mem);

	ASSERT_LE(0, fd);
	memset(mem, 2, LENGTH / 2);
	ASSERT_LT(0, MOVABLE(mem, LENGTH));
	ASSERT_EQ(0, MAP_FILE(fd));
	EXPECT_EQ(2, mem[0]);
	memset(mem, 3, LENGTH);
	EXPECT_MOVED_OUT(mem, LENGTH);
}

/* Memory, half of which is there */
TEST_F(movable, memory)
{
	char *mem = alloc_memory(LENGTH);

	ASSERT_NE(NULL, mem);
	memset(mem, 2, LENGTH / 2);
	ASSERT_LT(0, MOVABLE(mem, LENGTH));
	ASSERT_EQ(0, MAP(mem, LENGTH, RW));
	EXPECT_EQ(2, mem[0]);
	EXPECT_MOVED_OUT(mem, LENGTH);
}

#define NR_FILE		32U	/* pages of a file on a server */

/* Pages of a file, some of which are cached */
TEST_F(movable, file_on_server)
{
	struct slow_file file;
	char *mem, byte;
	int i;

	ASSERT_EQ(0, slow_file_start(&file, NR_FILE));
	mem = mmap(NULL, PAGES(NR_FILE), PROT_READ, MAP_SHARED, file.fd, 0);
	EXPECT_NE(MAP_FAILED, mem);
	for (i = 0; i < NR_FILE; i += 2)
		EXPECT_EQ(1, pread(file.fd, &byte, 1, PAGES(i)));
	EXPECT_EQ(1, mem[0]);
	EXPECT_LT(0, MOVABLE(mem, PAGES(NR_FILE)));
	EXPECT_EQ(0, MAP(mem, PAGES(NR_FILE), RO));
	for (i = 0; i < NR_FILE; i++)
		EXPECT_EQ(i + 1, mem[PAGES(i)]);
	EXPECT_MOVED_OUT(mem, PAGES(NR_FILE));
	EXPECT_EQ((int64_t)PAGES(NR_FILE),
		  unmap_all(self->iommufd, self->ioas));
	munmap(mem, PAGES(NR_FILE));
	slow_file_stop(&file);
}

TEST_HARNESS_MAIN
