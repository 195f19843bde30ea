// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO's container ioctls on /dev/iommu: which IOAS they mean, what they say
 * there is, and how they map.  A device is attached to the IOAS by its cdev.
 *
 *   device --- HWPT --- IOAS <--- by its id, and by the container's ioctls
 */
#include "iommufd_utils.h"

#define IOVA	MB
#define CHAIN	sizeof(struct vfio_iommu_type1_info)
#define RW	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define FILLER	0xa5

static int vfio_ioas(int fd, uint16_t op, uint32_t *ioas)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = op,
		.ioas_id = *ioas,
	};
	int rc;

	rc = xioctl(fd, IOMMU_VFIO_IOAS, &cmd);
	*ioas = cmd.ioas_id;
	return rc;
}

static int set_compat(int fd, uint32_t ioas)
{
	return vfio_ioas(fd, IOMMU_VFIO_IOAS_SET, &ioas);
}

/* The id, or a negative errno */
static int get_compat(int fd)
{
	uint32_t ioas = 0;
	int rc = vfio_ioas(fd, IOMMU_VFIO_IOAS_GET, &ioas);

	return rc ? rc : (int)ioas;
}

static int clear_compat(int fd)
{
	uint32_t ioas = 0;

	return vfio_ioas(fd, IOMMU_VFIO_IOAS_CLEAR, &ioas);
}

static int check_extension(int fd, unsigned long extension)
{
	return xioctl(fd, VFIO_CHECK_EXTENSION, (void *)extension);
}

static int set_iommu(int fd, unsigned long type)
{
	return xioctl(fd, VFIO_SET_IOMMU, (void *)type);
}

static int map_dma(int fd, const void *va, uint64_t iova, uint64_t length,
		   uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = length,
	};

	return xioctl(fd, VFIO_IOMMU_MAP_DMA, &map);
}

/* The bytes unmapped, or a negative errno */
static int64_t unmap_flags(int fd, uint64_t iova, uint64_t length,
			   uint32_t flags)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = length,
	};
	int rc;

	rc = xioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
	return rc ? rc : (int64_t)unmap.size;
}

static int64_t unmap_dma(int fd, uint64_t iova, uint64_t length)
{
	return unmap_flags(fd, iova, length, 0);
}

static int64_t unmap_all_dma(int fd)
{
	return unmap_flags(fd, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL);
}

static bool is_filled(const unsigned char *byte, size_t n)
{
	while (n && *byte == FILLER) {
		byte++;
		n--;
	}
	return !n;
}

/* ---- without an IOAS ---- */

FIXTURE(none)
{
	int fd;
};

FIXTURE_SETUP(none)
{
	self->fd = iommu_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(none)
{
	close(self->fd);
}

/* The version of the interface is 0. */
TEST_F(none, api_version)
{
	EXPECT_EQ(VFIO_API_VERSION, xioctl(self->fd, VFIO_GET_API_VERSION, NULL));
}

/* Type1 in both versions, unmapping all, and no IOMMU: there; others: not */
TEST_F(none, extensions)
{
	unsigned long extension;

	for (extension = 0; extension < 64; extension++) {
		switch (extension) {
		case VFIO_TYPE1_IOMMU:
		case VFIO_TYPE1v2_IOMMU:
		case VFIO_UNMAP_ALL:
		case VFIO_NOIOMMU_IOMMU:
			EXPECT_EQ(1, check_extension(self->fd, extension));
			break;
		case VFIO_DMA_CC_IOMMU:
			break;
		default:
			EXPECT_EQ(0, check_extension(self->fd, extension));
		}
	}
	EXPECT_EQ(0, check_extension(self->fd, 1UL << 32 | VFIO_TYPE1_IOMMU));
	EXPECT_EQ(0, check_extension(self->fd, ~0UL));
}

/* Whether DMA is coherent has no answer yet: ENODEV */
TEST_F(none, coherency_enodev)
{
	EXPECT_EQ(-ENODEV, check_extension(self->fd, VFIO_DMA_CC_IOMMU));
}

/* The types that need an IOAS: ENODEV; those that are not there: EINVAL */
TEST_F(none, set_iommu)
{
	EXPECT_EQ(-ENODEV, set_iommu(self->fd, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(-ENODEV, set_iommu(self->fd, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-EINVAL, set_iommu(self->fd, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(-EINVAL, set_iommu(self->fd, VFIO_SPAPR_TCE_IOMMU));
	EXPECT_EQ(-EINVAL, set_iommu(self->fd, VFIO_TYPE1_NESTING_IOMMU));
	EXPECT_EQ(-EINVAL, set_iommu(self->fd, 0));
	EXPECT_EQ(-EINVAL, set_iommu(self->fd, ~0UL));
}

/* MAP, UNMAP and GET_INFO: ENODEV; but argsz and flags come first: EINVAL */
TEST_F(none, calls_enodev)
{
	struct vfio_iommu_type1_dma_map map = { .size = PAGE };
	struct vfio_iommu_type1_dma_unmap unmap = { .size = PAGE };
	struct vfio_iommu_type1_info info = {};
	uint32_t flag;

	for (map.argsz = 0; map.argsz < 32; map.argsz++)
		EXPECT_EQ(-EINVAL, xioctl(self->fd, VFIO_IOMMU_MAP_DMA, &map));
	for (flag = 4; flag; flag <<= 1) {
		map.flags = flag | RW;
		EXPECT_EQ(-EINVAL, xioctl(self->fd, VFIO_IOMMU_MAP_DMA, &map));
	}
	map.flags = RW;
	EXPECT_EQ(-ENODEV, xioctl(self->fd, VFIO_IOMMU_MAP_DMA, &map));

	for (unmap.argsz = 0; unmap.argsz < 24; unmap.argsz++)
		EXPECT_EQ(-EINVAL,
			  xioctl(self->fd, VFIO_IOMMU_UNMAP_DMA, &unmap));
	for (flag = 1; flag; flag <<= 1) {
		unmap.flags = flag;
		if (flag != VFIO_DMA_UNMAP_FLAG_ALL)
			EXPECT_EQ(-EINVAL, xioctl(self->fd,
						  VFIO_IOMMU_UNMAP_DMA,
						  &unmap));
	}
	unmap.flags = 0;
	EXPECT_EQ(-ENODEV, xioctl(self->fd, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_EQ(-ENODEV, unmap_all_dma(self->fd));

	for (info.argsz = 0; info.argsz < 16; info.argsz++)
		EXPECT_EQ(-EINVAL, xioctl(self->fd, VFIO_IOMMU_GET_INFO, &info));
	EXPECT_EQ(-ENODEV, xioctl(self->fd, VFIO_IOMMU_GET_INFO, &info));
}

/* An argument that cannot be read: EFAULT */
TEST_F(none, argument_efault)
{
	EXPECT_EQ(-EFAULT, xioctl(self->fd, VFIO_IOMMU_MAP_DMA, NULL));
	EXPECT_EQ(-EFAULT, xioctl(self->fd, VFIO_IOMMU_UNMAP_DMA, NULL));
	EXPECT_EQ(-EFAULT, xioctl(self->fd, VFIO_IOMMU_GET_INFO, NULL));
}

/* Dirty pages, and what other IOMMUs have: ENOTTY */
TEST_F(none, others_enotty)
{
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, VFIO_IOMMU_DIRTY_PAGES, NULL));
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, VFIO_IOMMU_ENABLE, NULL));
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, VFIO_IOMMU_DISABLE, NULL));
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, VFIO_GROUP_GET_STATUS, NULL));
	EXPECT_EQ(-ENOTTY, xioctl(self->fd, VFIO_DEVICE_GET_INFO, NULL));
}

/* IOMMU_VFIO_IOAS names the IOAS, or none: ENODEV */
TEST_F(none, vfio_ioas)
{
	uint32_t a, b;

	EXPECT_EQ(-ENODEV, get_compat(self->fd));
	EXPECT_EQ(0, clear_compat(self->fd));
	ASSERT_EQ(0, ioas_alloc(self->fd, &a));
	ASSERT_EQ(0, ioas_alloc(self->fd, &b));
	EXPECT_EQ(-ENODEV, get_compat(self->fd));
	EXPECT_EQ(0, set_compat(self->fd, a));
	EXPECT_EQ(a, get_compat(self->fd));
	EXPECT_EQ(0, set_compat(self->fd, a));
	EXPECT_EQ(0, set_compat(self->fd, b));
	EXPECT_EQ(b, get_compat(self->fd));
	EXPECT_EQ(0, clear_compat(self->fd));
	EXPECT_EQ(-ENODEV, get_compat(self->fd));
}

/* SET of an id that no IOAS has: ENOENT, and the one before stays */
TEST_F(none, vfio_ioas_enoent)
{
	uint32_t ioas;

	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
	ASSERT_EQ(0, set_compat(self->fd, ioas));
	EXPECT_EQ(-ENOENT, set_compat(self->fd, 0));
	EXPECT_EQ(-ENOENT, set_compat(self->fd, NO_ID));
	EXPECT_EQ(ioas, get_compat(self->fd));
}

/* An op that no one knows, or a reserved field: EOPNOTSUPP */
TEST_F(none, vfio_ioas_eopnotsupp)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .__reserved = 1 };
	uint32_t ioas;

	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
	ASSERT_EQ(0, set_compat(self->fd, ioas));
	for (cmd.op = 0; cmd.op < 3; cmd.op++)
		EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_VFIO_IOAS, &cmd));
	cmd.__reserved = 0;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_VFIO_IOAS, &cmd));
	cmd.op = UINT16_MAX;
	EXPECT_EQ(-EOPNOTSUPP, xioctl(self->fd, IOMMU_VFIO_IOAS, &cmd));
	EXPECT_EQ(ioas, get_compat(self->fd));
}

/* The IOAS can be destroyed; another one with its id is not taken for it. */
TEST_F(none, vfio_ioas_destroyed)
{
	uint32_t ioas, again;

	ASSERT_EQ(0, ioas_alloc(self->fd, &ioas));
	ASSERT_EQ(0, set_compat(self->fd, ioas));
	EXPECT_EQ(0, iommu_destroy(self->fd, ioas));
	EXPECT_EQ(-ENODEV, get_compat(self->fd));
	ASSERT_EQ(0, ioas_alloc(self->fd, &again));
	ASSERT_EQ(ioas, again);
	EXPECT_EQ(-ENODEV, get_compat(self->fd));
	EXPECT_EQ(-ENODEV, unmap_all_dma(self->fd));
}

struct destroyer {
	int fd;
	bool stop;
};

static void *set_and_destroy(void *data)
{
	struct destroyer *d = data;
	uint32_t ioas;

	while (!__atomic_load_n(&d->stop, __ATOMIC_RELAXED)) {
		if (ioas_alloc(d->fd, &ioas))
			continue;
		set_compat(d->fd, ioas);
		iommu_destroy(d->fd, ioas);
	}
	return NULL;
}

/* Calls while the IOAS is destroyed under them: they work or say ENODEV. */
TEST_F(none, vfio_ioas_race)
{
	struct destroyer d = { .fd = self->fd };
	char *mem = alloc_memory(PAGE);
	int i, rc, found = 0, wrong = 0;
	pthread_t thread;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, pthread_create(&thread, NULL, set_and_destroy, &d));
	for (i = 0; i < 20000; i++) {
		rc = get_compat(self->fd);
		found += rc > 0;
		wrong += rc < 0 && rc != -ENODEV;
		rc = map_dma(self->fd, mem, IOVA, PAGE, RW);
		wrong += rc && rc != -ENODEV;
		rc = unmap_dma(self->fd, IOVA, PAGE);
		wrong += rc < 0 && rc != -ENODEV;
	}
	__atomic_store_n(&d.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_LT(0, found);
	EXPECT_EQ(0, wrong);
}

/* ---- with an IOAS, to which a device is attached ---- */

FIXTURE(type1)
{
	struct bound b;
	int fd;		/* that of @b */
	char *mem;
	long pinned;	/* before any MAP */
};

FIXTURE_VARIANT(type1)
{
	unsigned long version;
};

FIXTURE_VARIANT_ADD(type1, v1)
{
	.version = VFIO_TYPE1_IOMMU,
};

FIXTURE_VARIANT_ADD(type1, v2)
{
	.version = VFIO_TYPE1v2_IOMMU,
};

FIXTURE_SETUP(type1)
{
	SETUP_BOUND(&self->b);
	self->fd = self->b.iommufd;
	self->mem = alloc_memory(MB);
	ASSERT_NE(NULL, self->mem);
	self->pinned = pinned();
	ASSERT_EQ(0, attach(&self->b, self->b.ioas));
	ASSERT_EQ(0, set_compat(self->fd, self->b.ioas));
	ASSERT_EQ(0, set_iommu(self->fd, variant->version));
}

FIXTURE_TEARDOWN(type1)
{
	teardown_bound(&self->b);
}

/* Version 1 turns huge pages off. */
TEST_F(type1, huge_pages)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_GET,
		.object_id = self->b.ioas,
	};

	EXPECT_EQ(0, xioctl(self->fd, IOMMU_OPTION, &cmd));
	EXPECT_EQ(variant->version == VFIO_TYPE1v2_IOMMU, cmd.val64);
}

/* Which it cannot when something is mapped with them: EINVAL */
TEST_F(type1, set_iommu_einval)
{
	bool v1 = variant->version == VFIO_TYPE1_IOMMU;

	ASSERT_EQ(0, map_dma(self->fd, self->mem, IOVA, PAGE, RW));
	EXPECT_EQ(v1 ? 0 : -EINVAL, set_iommu(self->fd, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(0, set_iommu(self->fd, VFIO_TYPE1v2_IOMMU));
}

/* Coherent if the IOMMU enforces it on what is attached */
TEST_F(type1, coherency)
{
	char path[PCI_PATH_MAX], ecap[64];
	int expected = iommu_is("amd");

	if (iommu_is("vtd")) {
		snprintf(path, sizeof(path),
			 "/sys/bus/pci/devices/%s/iommu/intel-iommu/ecap",
			 getenv("TESTDEV0"));
		ASSERT_EQ(0, sysfs_read(path, ecap, sizeof(ecap)));
		expected = strtoull(ecap, NULL, 16) >> 7 & 1;
	}
	EXPECT_EQ(expected, check_extension(self->fd, VFIO_DMA_CC_IOMMU));
	ASSERT_EQ(0, vfio_detach(self->b.dev));
	EXPECT_EQ(0, check_extension(self->fd, VFIO_DMA_CC_IOMMU));
}

/* The container's mapping is one of the IOAS: pinned, charged, EEXIST. */
TEST_F(type1, map)
{
	uint64_t unmapped;

	ASSERT_EQ(0, map_dma(self->fd, self->mem, IOVA, PAGES(3), RW));
	EXPECT_EQ(self->pinned + PAGES(3), pinned());
	EXPECT_EQ(-EEXIST, map_dma(self->fd, self->mem, IOVA + PAGES(2),
				   PAGES(3), RW));
	EXPECT_EQ(0, ioas_unmap(self->fd, self->b.ioas, IOVA, PAGES(3),
				&unmapped));
	EXPECT_EQ(PAGES(3), unmapped);
	EXPECT_EQ(self->pinned, pinned());
}

/* The errnos of IOMMU_IOAS_MAP; nothing stays mapped or pinned */
TEST_F(type1, map_errnos)
{
	const uint64_t max = UINT64_MAX;

	EXPECT_EQ(-EINVAL, map_dma(self->fd, self->mem, IOVA, PAGE, 0));
	EXPECT_EQ(-EINVAL, map_dma(self->fd, self->mem, IOVA, 0, RW));
	EXPECT_EQ(-EINVAL, map_dma(self->fd, self->mem, IOVA, PAGE - 1, RW));
	EXPECT_EQ(-EINVAL, map_dma(self->fd, self->mem, IOVA + 1, PAGE, RW));
	EXPECT_EQ(-EOVERFLOW, map_dma(self->fd, self->mem, max, PAGE, RW));
	EXPECT_EQ(-EOVERFLOW, map_dma(self->fd, self->mem, IOVA, max, RW));
	EXPECT_EQ(-EOVERFLOW, map_dma(self->fd, self->mem, max - PAGE + 1,
				      PAGES(2), RW));
	EXPECT_EQ(-EINVAL, map_dma(self->fd, self->mem, MSI_START, PAGE, RW));
	ASSERT_EQ(0, munmap(self->mem + PAGE, PAGE));
	EXPECT_EQ(-EFAULT, map_dma(self->fd, self->mem, IOVA, PAGES(3), RW));
	EXPECT_EQ(0, unmap_all_dma(self->fd));
	EXPECT_EQ(self->pinned, pinned());
}

/* Flags say what the device may do; one of them is enough. */
TEST_F(type1, map_flags)
{
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, map_dma(self->fd, self->mem, IOVA, PAGE,
				   VFIO_DMA_MAP_FLAG_WRITE));
	EXPECT_EQ(0, map_dma(self->fd, self->mem, IOVA, PAGE,
			     VFIO_DMA_MAP_FLAG_READ));
	EXPECT_EQ(0, map_dma(self->fd, self->mem + PAGE, IOVA + PAGE, PAGE,
			     VFIO_DMA_MAP_FLAG_WRITE));
	EXPECT_EQ(PAGES(2), unmap_dma(self->fd, IOVA, PAGES(2)));
}

/* UNMAP tells the bytes; where there is nothing they are 0, and no error */
TEST_F(type1, unmap)
{
	EXPECT_EQ(0, unmap_dma(self->fd, IOVA, PAGE));
	ASSERT_EQ(0, map_dma(self->fd, self->mem, IOVA, PAGES(2), RW));
	ASSERT_EQ(0, map_dma(self->fd, self->mem, 3 * IOVA, PAGES(3), RW));
	EXPECT_EQ(0, unmap_dma(self->fd, 2 * IOVA, PAGE));
	EXPECT_EQ(PAGES(2), unmap_dma(self->fd, IOVA, IOVA));
	EXPECT_EQ(0, unmap_dma(self->fd, IOVA, IOVA));
	EXPECT_EQ(PAGES(3), unmap_dma(self->fd, 0, 4 * IOVA));
	EXPECT_EQ(self->pinned, pinned());
}

/* UNMAP of length 0: EINVAL; of a range that wraps: EOVERFLOW */
TEST_F(type1, unmap_errnos)
{
	const uint64_t max = UINT64_MAX;

	EXPECT_EQ(-EINVAL, unmap_dma(self->fd, IOVA, 0));
	EXPECT_EQ(-EINVAL, unmap_dma(self->fd, 0, 0));
	EXPECT_EQ(-EOVERFLOW, unmap_dma(self->fd, max, PAGE));
	EXPECT_EQ(-EOVERFLOW, unmap_dma(self->fd, 0, max));
	EXPECT_EQ(-EOVERFLOW, unmap_dma(self->fd, max - PAGE + 1, PAGES(2)));
}

/* UNMAP in halves, as QEMU does */
TEST_F(type1, unmap_halves)
{
	const uint64_t half = 1ULL << 63;

	ASSERT_EQ(0, map_dma(self->fd, self->mem, IOVA, PAGES(2), RW));
	EXPECT_EQ(0, unmap_dma(self->fd, half, half));
	EXPECT_EQ(PAGES(2), unmap_dma(self->fd, 0, half));
	EXPECT_EQ(0, unmap_dma(self->fd, 0, half));
}

/* UNMAP of everything wants iova and size 0: else EINVAL */
TEST_F(type1, unmap_all)
{
	const uint32_t all = VFIO_DMA_UNMAP_FLAG_ALL;

	EXPECT_EQ(0, unmap_all_dma(self->fd));
	ASSERT_EQ(0, map_dma(self->fd, self->mem, 0, PAGES(2), RW));
	ASSERT_EQ(0, map_dma(self->fd, self->mem, 3 * IOVA, PAGES(3), RW));
	EXPECT_EQ(-EINVAL, unmap_flags(self->fd, IOVA, 0, all));
	EXPECT_EQ(-EINVAL, unmap_flags(self->fd, 0, PAGE, all));
	EXPECT_EQ(PAGES(5), unmap_all_dma(self->fd));
	EXPECT_EQ(self->pinned, pinned());
}

/* UNMAP of a part of a mapping: version 2 ENOENT, version 1 cuts it */
TEST_F(type1, unmap_part)
{
	bool v1 = variant->version == VFIO_TYPE1_IOMMU;
	const int64_t refused = -ENOENT;

	ASSERT_EQ(0, map_dma(self->fd, self->mem, IOVA, PAGES(8), RW));
	EXPECT_EQ(v1 ? PAGE : refused,
		  unmap_dma(self->fd, IOVA + PAGES(3), PAGE));
	EXPECT_EQ(v1 ? PAGES(2) : refused, unmap_dma(self->fd, IOVA, PAGES(2)));
	EXPECT_EQ(v1 ? PAGE : refused,
		  unmap_dma(self->fd, IOVA + PAGES(7), PAGES(5)));
	EXPECT_EQ(self->pinned + PAGES(v1 ? 4 : 8), pinned());
	EXPECT_EQ(v1 ? 0 : refused,
		  unmap_dma(self->fd, IOVA + PAGES(3), PAGE));
	EXPECT_EQ(PAGES(v1 ? 4 : 8), unmap_all_dma(self->fd));
	EXPECT_EQ(self->pinned, pinned());
}

/* The same within a huge page; DMA reaches what is left on both sides of it. */
TEST_F(type1, unmap_part_of_huge_page)
{
	bool v1 = variant->version == VFIO_TYPE1_IOMMU;
	const uint64_t part = HUGE + PAGES(100);
	struct edu edu;
	char *huge;

	SETUP_EDU(&edu, &self->b);
	ASSERT_EQ(0, attach_edu(&edu, self->b.ioas));
	huge = alloc_memory(2 * HUGE);
	ASSERT_NE(NULL, huge);
	huge = (char *)(((uintptr_t)huge + HUGE - 1) & ~(HUGE - 1));
	ASSERT_EQ(0, madvise(huge, HUGE, MADV_HUGEPAGE));
	fill(huge, HUGE, 1);

	ASSERT_EQ(0, map_dma(self->fd, huge, HUGE, HUGE, RW));
	EXPECT_EQ(v1 ? (int64_t)PAGE : -ENOENT,
		  unmap_dma(self->fd, part, PAGE));
	EXPECT_EQ(self->pinned + HUGE - (v1 ? PAGE : 0), pinned());
	EXPECT_EQ(0, edu_copy(&edu, part - PAGE, part + PAGE, 64));
	EXPECT_EQ(0, memcmp(huge + PAGES(99), huge + PAGES(101), 64));
	/* A hole can be mapped again. */
	EXPECT_EQ(v1 ? 0 : -EEXIST,
		  map_dma(self->fd, self->mem, part, PAGE, RW));
	EXPECT_EQ(0, edu_copy(&edu, part - PAGE, part, 64));
	EXPECT_EQ(0, memcmp(huge + PAGES(99), v1 ? self->mem : huge + PAGES(100),
			    64));
	EXPECT_EQ(HUGE, unmap_dma(self->fd, HUGE, HUGE));
	EXPECT_EQ(self->pinned, pinned());
	teardown_edu(&edu);
}

/* ---- VFIO_IOMMU_GET_INFO ---- */

struct info_buf {
	struct vfio_iommu_type1_info info;
	unsigned char chain[1000];
};

static int get_info(int fd, struct info_buf *buf, uint32_t argsz)
{
	memset(buf, FILLER, sizeof(*buf));
	buf->info.argsz = argsz;
	return xioctl(fd, VFIO_IOMMU_GET_INFO, buf);
}

/* Nothing was written from byte @n on. */
static bool untouched(struct info_buf *buf, size_t n)
{
	return is_filled((unsigned char *)buf + n, sizeof(*buf) - n);
}

/* Too short for the chain: tells how long it is, and writes what is known */
TEST_F(type1, info_short)
{
	struct info_buf buf;
	uint32_t argsz, needed;

	ASSERT_EQ(0, get_info(self->fd, &buf, CHAIN));
	needed = buf.info.argsz;
	EXPECT_LT(CHAIN, needed);
	for (argsz = 16; argsz < needed; argsz++) {
		ASSERT_EQ(0, get_info(self->fd, &buf, argsz));
		EXPECT_EQ(needed, buf.info.argsz);
		EXPECT_EQ(VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
			  buf.info.flags);
		if (argsz >= 20)
			EXPECT_EQ(0, buf.info.cap_offset);
		EXPECT_TRUE(untouched(&buf, argsz < 20 ? 16 : 20));
	}
}

/* The page sizes: at least what mappings have to be aligned to */
TEST_F(type1, info_page_sizes)
{
	struct info_buf buf;
	uint64_t alignment;
	uint32_t num = 0;

	EXPECT_EQ(-EMSGSIZE, ioas_ranges(self->fd, self->b.ioas, NULL, &num,
					 &alignment));
	ASSERT_EQ(0, get_info(self->fd, &buf, 16));
	EXPECT_EQ(alignment, buf.info.iova_pgsizes & -buf.info.iova_pgsizes);
}

/* The chain: the ranges as the IOAS has them, and no limit of mappings */
TEST_F(type1, info_chain)
{
	struct vfio_iommu_type1_info_cap_iova_range *iovas;
	struct vfio_iommu_type1_info_dma_avail *avail;
	struct iommu_iova_range ranges[16];
	uint32_t num = 16, needed, i;
	struct info_buf buf;
	uint64_t alignment;

	ASSERT_EQ(0, ioas_ranges(self->fd, self->b.ioas, ranges, &num,
				 &alignment));
	ASSERT_EQ(0, get_info(self->fd, &buf, 0x10));
	needed = buf.info.argsz;
	ASSERT_GE(sizeof(buf), needed);
	ASSERT_EQ(0, get_info(self->fd, &buf, needed));
	EXPECT_EQ(needed, buf.info.argsz);
	ASSERT_EQ(CHAIN, buf.info.cap_offset);
	EXPECT_TRUE(untouched(&buf, needed));

	iovas = (void *)&buf + buf.info.cap_offset;
	EXPECT_EQ(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, iovas->header.id);
	EXPECT_EQ(1, iovas->header.version);
	EXPECT_EQ(0, iovas->reserved);
	ASSERT_EQ(num, iovas->nr_iovas);
	for (i = 0; i < num; i++) {
		EXPECT_EQ(ranges[i].start, iovas->iova_ranges[i].start);
		EXPECT_EQ(ranges[i].last, iovas->iova_ranges[i].end);
	}
	ASSERT_EQ(CHAIN + sizeof(*iovas) + num * 16, iovas->header.next);

	avail = (void *)&buf + iovas->header.next;
	EXPECT_EQ(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, avail->header.id);
	EXPECT_EQ(1, avail->header.version);
	EXPECT_EQ(0, avail->header.next);
	EXPECT_EQ(UINT32_MAX, avail->avail);
	EXPECT_EQ(needed, iovas->header.next + sizeof(*avail));
}

/* More room than needed is left as it was, and argsz with it. */
TEST_F(type1, info_long)
{
	struct info_buf buf;
	uint32_t needed;

	ASSERT_EQ(0, get_info(self->fd, &buf, 16));
	needed = buf.info.argsz;
	ASSERT_EQ(0, get_info(self->fd, &buf, sizeof(buf)));
	EXPECT_EQ(sizeof(buf), buf.info.argsz);
	EXPECT_EQ(CHAIN, buf.info.cap_offset);
	EXPECT_TRUE(untouched(&buf, needed));
}

/* A chain that cannot be written: EFAULT */
TEST_F(type1, info_efault)
{
	char *page = alloc_memory(PAGES(2));
	struct vfio_iommu_type1_info *info;

	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, mprotect(page + PAGE, PAGE, PROT_NONE));
	info = (void *)(page + PAGE - CHAIN);
	info->argsz = 4096;
	EXPECT_EQ(-EFAULT, xioctl(self->fd, VFIO_IOMMU_GET_INFO, info));
	info->argsz = CHAIN;
	EXPECT_EQ(0, xioctl(self->fd, VFIO_IOMMU_GET_INFO, info));
}

TEST_HARNESS_MAIN
