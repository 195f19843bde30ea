// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/self/fdinfo of /dev/iommu: every key, by value, before and after what
 * changes it; and that it can be read at any time.
 *
 *   memory  --- IOAS --- mock devices, accesses
 */
#include "iommufd_utils.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#define IOVA	((uint64_t)MOCK_APERTURE_START)
#define HALF	(PAGE / 2)			/* the mock's page */

FIXTURE(fdinfo)
{
	int fd;
	uint32_t ioas;
	char *mem;
};

FIXTURE_SETUP(fdinfo)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_alloc(self->fd, &self->ioas));
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(fdinfo)
{
	close(self->fd);
}

/* The value of a key, of which there is one; false without it. */
static bool read_key(int fd, const char *key, char *value, size_t size)
{
	size_t len = strlen(key);
	char path[64], line[256];
	int found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, len) || strncmp(line + len, ":\t", 2))
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(value, size, "%s", line + len + 2);
		found++;
	}
	fclose(file);
	return found == 1;
}

/* As a number; -1 without it. */
static int64_t number(int fd, const char *key)
{
	char value[64], *end;
	int64_t n;

	if (!read_key(fd, key, value, sizeof(value)))
		return -1;
	n = strtoll(value, &end, 10);
	return end == value || *end ? -1 : n;
}

static int64_t ioas_number(int fd, uint32_t ioas, const char *what)
{
	char key[64];

	snprintf(key, sizeof(key), "ioas-%u-%s", ioas, what);
	return number(fd, key);
}

#define EXPECT_MODE(mode) do {						\
	char __value[64] = "";						\
									\
	EXPECT_TRUE(read_key(self->fd, "accounting-mode", __value,	\
			     sizeof(__value)));				\
	EXPECT_STREQ(mode, __value);					\
} while (0)

#define EXPECT_OBJECTS(ioas, hwpt, device, access) do {			\
	EXPECT_EQ(ioas, number(self->fd, "objects-ioas"));		\
	EXPECT_EQ(hwpt, number(self->fd, "objects-hwpt"));		\
	EXPECT_EQ(device, number(self->fd, "objects-device"));		\
	EXPECT_EQ(access, number(self->fd, "objects-access"));		\
} while (0)

#define EXPECT_IOAS_NUMBER(n, ioas, what)				\
	EXPECT_EQ((int64_t)(n), ioas_number(self->fd, ioas, what))

#define EXPECT_MEMORY(ioas, areas, mapped, pinned) do {			\
	uint32_t __ioas = ioas;						\
									\
	EXPECT_IOAS_NUMBER(areas, __ioas, "areas");			\
	EXPECT_IOAS_NUMBER(mapped, __ioas, "mapped");			\
	EXPECT_IOAS_NUMBER(pinned, __ioas, "pinned");			\
} while (0)

#define EXPECT_USERS(ioas, devices, accesses) do {			\
	uint32_t __ioas = ioas;						\
									\
	EXPECT_IOAS_NUMBER(devices, __ioas, "devices");			\
	EXPECT_IOAS_NUMBER(accesses, __ioas, "accesses");		\
} while (0)

static int test_op(int fd, uint32_t op, uint32_t id, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return xioctl(fd, IOMMU_TEST_CMD, cmd);
}

static int make_device(int fd, uint32_t pt, uint32_t *device)
{
	struct iommu_test_cmd cmd = {};
	int rc = test_op(fd, IOMMU_TEST_OP_MOCK_DOMAIN, pt, &cmd);

	*device = cmd.mock_domain.out_stdev_id;
	return rc;
}

static int move_device(int fd, uint32_t device, uint32_t pt)
{
	struct iommu_test_cmd cmd = { .mock_domain_replace.pt_id = pt };

	return test_op(fd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, device, &cmd);
}

/* The file of an access that pins, or a negative errno */
static int make_access(int fd, uint32_t ioas)
{
	struct iommu_test_cmd cmd = {
		.create_access.flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES,
	};
	int rc = test_op(fd, IOMMU_TEST_OP_CREATE_ACCESS, ioas, &cmd);

	return rc ?: (int)cmd.create_access.out_access_fd;
}

static int access_pin(int fd, int access, uint64_t iova, uint64_t length,
		      const void *mem)
{
	struct iommu_test_cmd cmd = {
		.access_pages = { .iova = iova, .length = length,
				  .uptr = (uintptr_t)mem },
	};

	return test_op(fd, IOMMU_TEST_OP_ACCESS_PAGES, access, &cmd);
}

#define MAP(ioas, offset, iova, length)					\
	ioas_map(self->fd, ioas, self->mem + (offset), length, iova,	\
		 IOMMU_MAP_RW)
#define UNMAP(ioas, iova, length)					\
	ioas_unmap(self->fd, ioas, iova, length, NULL)

/* Of an empty context; and who pays, as IOMMU_OPTION_RLIMIT_MODE has it */
TEST_F(fdinfo, empty)
{
	ASSERT_EQ(0, iommu_destroy(self->fd, self->ioas));
	EXPECT_MODE("user");
	EXPECT_OBJECTS(0, 0, 0, 0);
	EXPECT_IOAS_NUMBER(-1, self->ioas, "areas");
	ASSERT_EQ(0, iommu_set_rlimit_mode(self->fd, 1));
	EXPECT_MODE("process");
	ASSERT_EQ(0, iommu_set_rlimit_mode(self->fd, 0));
	EXPECT_MODE("user");
}

/* Each line is a key of lower case, a colon, a tab and a value. */
TEST_F(fdinfo, one_form)
{
	char path[64], line[256];
	size_t key, ours = 0;
	uint32_t device;
	FILE *file;

	ASSERT_EQ(0, make_device(self->fd, self->ioas, &device));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	file = fopen(path, "r");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file)) {
		key = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789-");
		if (line[key] == '_')		/* mnt_id */
			continue;
		EXPECT_LT(0, key);
		EXPECT_EQ(0, strncmp(line + key, ":\t", 2));
		EXPECT_LT(1, strlen(line + key + 2));
		EXPECT_EQ('\n', line[strlen(line) - 1]);
		ours += !strncmp(line, "objects-", 8) ||
			!strncmp(line, "ioas-", 5);
	}
	fclose(file);
	/* four types of objects, and five of the IOAS */
	EXPECT_EQ(9, ours);
}

/* What is mapped, without a device: nothing is pinned. */
TEST_F(fdinfo, map)
{
	EXPECT_OBJECTS(1, 0, 0, 0);
	EXPECT_MEMORY(self->ioas, 0, 0, 0);
	EXPECT_USERS(self->ioas, 0, 0);
	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA, PAGES(3)));
	EXPECT_MEMORY(self->ioas, 1, PAGES(3), 0);
	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA + MB, HALF));
	EXPECT_MEMORY(self->ioas, 2, PAGES(3) + HALF, 0);
	ASSERT_EQ(0, UNMAP(self->ioas, IOVA, PAGES(3)));
	EXPECT_MEMORY(self->ioas, 1, HALF, 0);
	ASSERT_EQ((int64_t)HALF, unmap_all(self->fd, self->ioas));
	EXPECT_MEMORY(self->ioas, 0, 0, 0);
}

/* A map that fails, or an area that is refused, is not counted. */
TEST_F(fdinfo, failed_map)
{
	uint32_t device;

	ASSERT_EQ(0, make_device(self->fd, self->ioas, &device));
	ASSERT_EQ(0, munmap(self->mem + PAGES(2), PAGE));
	EXPECT_EQ(-EFAULT, MAP(self->ioas, 0, IOVA, PAGES(4)));
	EXPECT_MEMORY(self->ioas, 0, 0, 0);
	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA, PAGES(2)));
	EXPECT_EQ(-EEXIST, MAP(self->ioas, 0, IOVA, PAGES(1)));
	EXPECT_MEMORY(self->ioas, 1, PAGES(2), PAGES(2));
}

/* A device that comes pins all, whole pages; one that goes unpins. */
TEST_F(fdinfo, device)
{
	uint32_t first, second;

	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA, PAGES(3)));
	ASSERT_EQ(0, MAP(self->ioas, PAGES(4), IOVA + MB, HALF));
	ASSERT_EQ(0, make_device(self->fd, self->ioas, &first));
	EXPECT_OBJECTS(1, 1, 1, 0);
	EXPECT_USERS(self->ioas, 1, 0);
	EXPECT_MEMORY(self->ioas, 2, PAGES(3) + HALF, PAGES(4));
	ASSERT_EQ(0, make_device(self->fd, self->ioas, &second));
	EXPECT_OBJECTS(1, 1, 2, 0);
	EXPECT_USERS(self->ioas, 2, 0);
	EXPECT_MEMORY(self->ioas, 2, PAGES(3) + HALF, PAGES(4));

	ASSERT_EQ(0, MAP(self->ioas, PAGES(8), IOVA + 2 * MB, PAGES(2)));
	EXPECT_MEMORY(self->ioas, 3, PAGES(5) + HALF, PAGES(6));
	ASSERT_EQ(0, UNMAP(self->ioas, IOVA, PAGES(3)));
	EXPECT_MEMORY(self->ioas, 2, PAGES(2) + HALF, PAGES(3));

	ASSERT_EQ(0, iommu_destroy(self->fd, first));
	EXPECT_USERS(self->ioas, 1, 0);
	EXPECT_MEMORY(self->ioas, 2, PAGES(2) + HALF, PAGES(3));
	ASSERT_EQ(0, iommu_destroy(self->fd, second));
	EXPECT_USERS(self->ioas, 0, 0);
	EXPECT_OBJECTS(1, 0, 0, 0);
	EXPECT_MEMORY(self->ioas, 2, PAGES(2) + HALF, 0);
}

/* A device that moves counts where it is, also behind a HWPT of the user's. */
TEST_F(fdinfo, move)
{
	struct iommu_test_cmd cmd = {};
	uint32_t other, hwpt;

	ASSERT_EQ(0, ioas_alloc(self->fd, &other));
	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA, PAGES(3)));
	ASSERT_EQ(0, MAP(other, 0, IOVA, PAGES(2)));
	ASSERT_EQ(0, test_op(self->fd, IOMMU_TEST_OP_MOCK_DOMAIN, self->ioas,
			     &cmd));
	EXPECT_USERS(self->ioas, 1, 0);
	EXPECT_USERS(other, 0, 0);
	EXPECT_MEMORY(self->ioas, 1, PAGES(3), PAGES(3));
	EXPECT_MEMORY(other, 1, PAGES(2), 0);

	ASSERT_EQ(0, hwpt_alloc(self->fd, cmd.mock_domain.out_idev_id, other,
				&hwpt));
	EXPECT_OBJECTS(2, 2, 1, 0);
	EXPECT_USERS(other, 0, 0);
	ASSERT_EQ(0, move_device(self->fd, cmd.mock_domain.out_stdev_id,
				 hwpt));
	EXPECT_OBJECTS(2, 1, 1, 0);
	EXPECT_USERS(self->ioas, 0, 0);
	EXPECT_USERS(other, 1, 0);
	EXPECT_MEMORY(self->ioas, 1, PAGES(3), 0);
	EXPECT_MEMORY(other, 1, PAGES(2), PAGES(2));
}

/* What two areas show is pinned once, and by part when the whole is gone. */
TEST_F(fdinfo, copy)
{
	uint32_t device, other;

	ASSERT_EQ(0, make_device(self->fd, self->ioas, &device));
	ASSERT_EQ(0, ioas_alloc(self->fd, &other));
	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA, PAGES(8)));
	ASSERT_EQ(0, ioas_copy(self->fd, self->ioas, IOVA + MB, self->ioas,
			       IOVA + PAGES(2), PAGES(4), IOMMU_MAP_RW));
	EXPECT_MEMORY(self->ioas, 2, PAGES(12), PAGES(8));

	/* All that is pinned of the mapping, also where only a part is seen */
	ASSERT_EQ(0, ioas_copy(self->fd, other, IOVA, self->ioas, IOVA, PAGE,
			       IOMMU_MAP_RW));
	EXPECT_MEMORY(other, 1, PAGE, PAGES(8));

	ASSERT_EQ(0, UNMAP(self->ioas, IOVA, PAGES(8)));
	EXPECT_MEMORY(self->ioas, 1, PAGES(4), PAGES(4));
	ASSERT_EQ(0, UNMAP(self->ioas, IOVA + MB, PAGES(4)));
	EXPECT_MEMORY(self->ioas, 0, 0, 0);
	EXPECT_MEMORY(other, 1, PAGE, 0);

	/* The same memory, mapped twice, is pinned twice. */
	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA, PAGES(8)));
	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA + MB, PAGES(8)));
	EXPECT_MEMORY(self->ioas, 2, PAGES(16), PAGES(16));
}

/* An access is counted, and so is what it pins. */
TEST_F(fdinfo, access)
{
	int access;

	ASSERT_EQ(0, MAP(self->ioas, 0, IOVA, PAGES(8)));
	access = make_access(self->fd, self->ioas);
	ASSERT_LE(0, access);
	EXPECT_OBJECTS(1, 0, 0, 1);
	EXPECT_USERS(self->ioas, 0, 1);
	EXPECT_MEMORY(self->ioas, 1, PAGES(8), 0);
	ASSERT_EQ(0, access_pin(self->fd, access, IOVA + PAGE, PAGES(2),
				self->mem + PAGE));
	EXPECT_MEMORY(self->ioas, 1, PAGES(8), PAGES(2));
	close(access);
	EXPECT_OBJECTS(1, 0, 0, 0);
	EXPECT_USERS(self->ioas, 0, 0);
	EXPECT_MEMORY(self->ioas, 1, PAGES(8), 0);
}

/* So many areas that they are not all looked at in one go */
TEST_F(fdinfo, many_areas)
{
	const int nr = 5000;
	uint32_t device;
	int i;

	ASSERT_EQ(0, make_device(self->fd, self->ioas, &device));
	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, MAP(self->ioas, PAGES(i % 256),
				 IOVA + PAGES(2 * i), PAGE));
	EXPECT_MEMORY(self->ioas, nr, PAGES(nr), PAGES(nr));
	/* all of which are shown once more */
	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, ioas_copy(self->fd, self->ioas,
				       IOVA + PAGES(2 * i + 1), self->ioas,
				       IOVA + PAGES(2 * i), PAGE,
				       IOMMU_MAP_RW));
	EXPECT_MEMORY(self->ioas, 2 * nr, PAGES(2 * nr), PAGES(nr));
}

/* So many IOAS that they do not fit into the first buffer */
TEST_F(fdinfo, many_ioas)
{
	uint32_t ioas[500];
	int i;

	for (i = 0; i < 500; i++) {
		ASSERT_EQ(0, ioas_alloc(self->fd, &ioas[i]));
		ASSERT_EQ(0, MAP(ioas[i], 0, IOVA, PAGES(i % 256 + 1)));
	}
	EXPECT_OBJECTS(501, 0, 0, 0);
	for (i = 0; i < 500; i += 83)
		EXPECT_MEMORY(ioas[i], 1, PAGES(i % 256 + 1), 0);
}

/* ---- while others work ---- */

struct worker {
	pthread_t thread;
	int fd;
	uint32_t ioas;
	char *mem;
	int nr;
	int rc;			/* 0, or the first error */
};

static bool workers_stop;

static void *map_and_unmap(void *arg)
{
	struct worker *w = arg;
	uint64_t iova = IOVA + w->nr * 16 * MB;
	int i;

	while (!__atomic_load_n(&workers_stop, __ATOMIC_RELAXED) && !w->rc) {
		for (i = 0; i < 64 && !w->rc; i++)
			w->rc = ioas_map(w->fd, w->ioas, w->mem,
					 PAGES(i % 4 + 1), iova + i * 32 * KB,
					 IOMMU_MAP_RW);
		if (!w->rc)
			w->rc = ioas_unmap(w->fd, w->ioas, iova, 16 * MB, NULL);
	}
	return NULL;
}

static void *make_and_destroy(void *arg)
{
	struct worker *w = arg;
	uint32_t device, ioas;

	while (!__atomic_load_n(&workers_stop, __ATOMIC_RELAXED) && !w->rc) {
		w->rc = ioas_alloc(w->fd, &ioas);
		if (!w->rc)
			w->rc = make_device(w->fd, ioas, &device);
		if (!w->rc)
			w->rc = move_device(w->fd, device, w->ioas);
		if (!w->rc)
			w->rc = iommu_destroy(w->fd, ioas);
		if (!w->rc)
			w->rc = iommu_destroy(w->fd, device);
	}
	return NULL;
}

/* Whoever looks disturbs no one: none of their calls fails, DESTROY included. */
TEST_F(fdinfo, while_others_work)
{
	struct worker workers[4] = {};
	int64_t mapped;
	int i;

	workers_stop = false;
	for (i = 0; i < 4; i++) {
		workers[i] = (struct worker){
			.fd = self->fd, .ioas = self->ioas,
			.mem = self->mem, .nr = i,
		};
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL,
					    i < 2 ? map_and_unmap :
						    make_and_destroy,
					    &workers[i]));
	}
	for (i = 0; i < 300; i++) {
		mapped = ioas_number(self->fd, self->ioas, "mapped");
		EXPECT_LE(0, mapped);
		EXPECT_GE((int64_t)PAGES(2 * 160), mapped);
		EXPECT_EQ(0, mapped % PAGE);
	}
	__atomic_store_n(&workers_stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 4; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].rc);
	}
	EXPECT_OBJECTS(1, 0, 0, 0);
	EXPECT_MEMORY(self->ioas, 0, 0, 0);
	EXPECT_USERS(self->ioas, 0, 0);
}

/* ---- a device of flesh and blood ---- */

TEST(real_device)
{
	struct {
		int fd;
	} s = {}, *self = &s;
	struct bound b;
	char *mem;

	REQUIRE_IOMMU();
	SETUP_BOUND(&b);
	self->fd = b.iommufd;
	mem = alloc_memory(MB);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, ioas_map(b.iommufd, b.ioas, mem, PAGES(5), MB,
			      IOMMU_MAP_RW));
	EXPECT_OBJECTS(1, 0, 1, 0);
	EXPECT_USERS(b.ioas, 0, 0);
	EXPECT_MEMORY(b.ioas, 1, PAGES(5), 0);
	ASSERT_EQ(0, attach(&b, b.ioas));
	EXPECT_OBJECTS(1, 1, 1, 0);
	EXPECT_USERS(b.ioas, 1, 0);
	EXPECT_MEMORY(b.ioas, 1, PAGES(5), PAGES(5));
	ASSERT_EQ(0, vfio_detach(b.dev));
	EXPECT_USERS(b.ioas, 0, 0);
	EXPECT_MEMORY(b.ioas, 1, PAGES(5), 0);
	teardown_bound(&b);
}

TEST_HARNESS_MAIN
