// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device can reach, tried with a real DMA engine:
 *
 *   memory --- MAP ---> IOAS <--- ATTACH --- edu
 *
 * Every mapping must lead to its own bytes, everything else must be blocked,
 * and a change that fails must leave what was there working.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "fail.h"
#include "vfio_test.h"

#define IOVA		0x1000000UL
#define IOVA2		0x2000000UL
#define MSI_IOVA	0xfee00000UL	/* reserved by every x86 IOMMU */

FIXTURE(dma) {
	int iommufd;
	uint32_t ioas;
	struct vdev vdev;
	struct edu edu;
	unsigned char *mem;	/* 16 pages, not mapped yet */
};

FIXTURE_SETUP(dma)
{
	REQUIRE_IOMMU();
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	edu_bind(_metadata, &self->vdev, &self->edu, "EDU0", self->iommufd);
	self->mem = alloc_memory(16 * PAGE);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(dma)
{
	edu_close(&self->edu);
	EXPECT_EQ(0, close(self->vdev.fd));
	EXPECT_EQ(0, close(self->iommufd));
}

static int attach(struct _test_data_dma *self)
{
	uint32_t pt = self->ioas;

	return vfio_attach(self->vdev.fd, &pt);
}

static int map_rw(struct _test_data_dma *self, void *mem, uint64_t len,
		  uint64_t iova)
{
	return ioas_map(self->iommufd, self->ioas, mem, len, iova,
			IOMMU_MAP_RW);
}

/* One page, the smallest mapping. */
TEST_F(dma, one_page)
{
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* A mapping made before ATTACH is there after it. */
TEST_F(dma, map_before_attach)
{
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	ASSERT_EQ(0, attach(self));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* The kernel chooses the IOVA: never 0, and it leads to the memory. */
TEST_F(dma, automatic_iova)
{
	uint64_t iova;

	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, ioas_map_anywhere(self->iommufd, self->ioas, self->mem,
				       PAGE, &iova, IOMMU_MAP_RW));
	EXPECT_NE(0, iova);
	EXPECT_TRUE(dma_works(&self->edu, self->mem, iova));
}

/* Pages that are anywhere in memory are one stretch to the device. */
TEST_F(dma, scattered_pages)
{
	static const int order[] = {
		7, 2, 13, 0, 11, 5, 15, 8, 3, 10, 1, 14, 6, 12, 9, 4
	};
	unsigned int i;

	ASSERT_EQ(0, madvise(self->mem, 16 * PAGE, MADV_NOHUGEPAGE));
	for (i = 0; i < ARRAY_SIZE(order); i++)
		self->mem[order[i] * PAGE] = 1;
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem, 16 * PAGE, IOVA));
	for (i = 1; i < 16; i += 5) {
		unsigned long edge = i * PAGE - DMA_LEN;

		EXPECT_TRUE(dma_works(&self->edu, self->mem + edge,
				      IOVA + edge));
	}
}

/* Both ends and the middle of a huge page. */
static void check_huge(struct __test_metadata *_metadata,
		       struct _test_data_dma *self, unsigned char *mem)
{
	const unsigned long offsets[] = { 0, HUGE / 2, HUGE - 2 * DMA_LEN };
	unsigned int i;

	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, mem, HUGE, IOVA));
	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		EXPECT_TRUE(dma_works(&self->edu, mem + offsets[i],
				      IOVA + offsets[i]));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, HUGE, NULL));
	EXPECT_TRUE(dma_is_blocked(&self->edu, mem + HUGE - 8,
				   IOVA + HUGE - 8));
}

static void *mmap_hugetlb(void)
{
	return mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

TEST_F(dma, hugetlb)
{
	unsigned char *mem;

	mem = mmap_hugetlb();
	if (mem == MAP_FAILED) {
		ASSERT_EQ(0, sysfs_write("/proc/sys/vm/nr_hugepages", "4"));
		mem = mmap_hugetlb();
	}
	ASSERT_NE(MAP_FAILED, mem)
		TH_LOG("the kernel has no 2 MiB huge page to give");
	check_huge(_metadata, self, mem);
}

/* Of anonymous memory that khugepaged may make huge, this is. */
static bool is_thp(const void *mem)
{
	unsigned long start, kb;
	bool ours = false;
	char line[256];
	FILE *smaps;

	smaps = fopen("/proc/self/smaps", "r");
	if (!smaps)
		return false;
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%*x %*c", &start) == 1)
			ours = start <= (unsigned long)mem;
		if (ours && sscanf(line, "AnonHugePages: %lu", &kb) == 1 && kb)
			break;
		kb = 0;
	}
	fclose(smaps);
	return kb;
}

TEST_F(dma, transparent_huge_page)
{
	unsigned char *mem = alloc_memory(2 * HUGE);

	ASSERT_NE(NULL, mem);
	mem += -(unsigned long)mem % HUGE;
	ASSERT_EQ(0, madvise(mem, HUGE, MADV_HUGEPAGE));
	memset(mem, 1, HUGE);
	ASSERT_TRUE(is_thp(mem));
	check_huge(_metadata, self, mem);
}

/* A part of a huge page may be mapped, at an IOVA that is less aligned. */
TEST_F(dma, part_of_a_huge_page)
{
	unsigned char *mem = alloc_memory(2 * HUGE);

	ASSERT_NE(NULL, mem);
	mem += -(unsigned long)mem % HUGE;
	ASSERT_EQ(0, madvise(mem, HUGE, MADV_HUGEPAGE));
	memset(mem, 1, HUGE);
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, mem + 3 * PAGE, 5 * PAGE, IOVA + PAGE));
	EXPECT_TRUE(dma_works(&self->edu, mem + 3 * PAGE, IOVA + PAGE));
	EXPECT_TRUE(dma_works(&self->edu, mem + 8 * PAGE - 2 * DMA_LEN,
			      IOVA + 6 * PAGE - 2 * DMA_LEN));
	EXPECT_TRUE(dma_is_blocked(&self->edu, mem + 8 * PAGE,
				   IOVA + 6 * PAGE));
	EXPECT_TRUE(dma_is_blocked(&self->edu, mem + 3 * PAGE - 8,
				   IOVA + PAGE - 8));
}

/* One MAP may span VMAs of different kinds. */
TEST_F(dma, across_vmas)
{
	unsigned char *mem = self->mem;
	unsigned long edge = PAGE - DMA_LEN;
	int fd;

	fd = memfd_create("across_vmas", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	ASSERT_EQ(mem + PAGE,
		  mmap(mem + PAGE, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, fd, 0));
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, mem, 3 * PAGE, IOVA));
	EXPECT_TRUE(dma_works(&self->edu, mem + edge, IOVA + edge));
	EXPECT_TRUE(dma_works(&self->edu, mem + PAGE + edge,
			      IOVA + PAGE + edge));
}

/* What the device writes to shared memory, others see. */
TEST_F(dma, shared_memory)
{
	unsigned char *mem, *other;
	int fd;

	fd = memfd_create("shared_memory", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	other = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, mem, PAGE, IOVA));
	ASSERT_TRUE(dma_works(&self->edu, mem, IOVA));
	EXPECT_EQ(0, memcmp(mem, other, 2 * DMA_LEN));
}

/* READABLE alone: the device reads, but does not change memory. */
TEST_F(dma, read_only)
{
	unsigned char *mem = self->mem;

	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, mem, PAGE, IOVA,
			      IOMMU_IOAS_MAP_READABLE));
	ASSERT_EQ(0, map_rw(self, mem + PAGE, PAGE, IOVA + PAGE));
	fill(mem, DMA_LEN, 1);
	ASSERT_EQ(0, edu_copy(&self->edu, IOVA, IOVA + PAGE, DMA_LEN));
	EXPECT_EQ(0, memcmp(mem, mem + PAGE, DMA_LEN));
	EXPECT_TRUE(dma_is_blocked(&self->edu, mem, IOVA));
}

/*
 * READABLE memory that is private and not written yet: the device must see
 * what the program writes later, not the zero page or the file.
 */
TEST_F(dma, read_only_sees_later_writes)
{
	unsigned char *mem = self->mem;

	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, mem, PAGE, IOVA,
			      IOMMU_IOAS_MAP_READABLE));
	ASSERT_EQ(0, map_rw(self, mem + PAGE, PAGE, IOVA + PAGE));
	fill(mem, DMA_LEN, 2);
	ASSERT_EQ(0, edu_copy(&self->edu, IOVA, IOVA + PAGE, DMA_LEN));
	EXPECT_EQ(0, memcmp(mem, mem + PAGE, DMA_LEN));
}

/* A fork makes pages copy-on-write; the parent keeps those the device has. */
TEST_F(dma, fork)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	ASSERT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		pause();
		_exit(0);
	}
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
}

/* Memory stays pinned after munmap(), until UNMAP. */
TEST_F(dma, munmap_first)
{
	uint64_t bytes;
	unsigned char *mem = self->mem;

	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, mem, PAGE, IOVA));
	ASSERT_EQ(0, map_rw(self, mem + PAGE, PAGE, IOVA + PAGE));
	fill(mem, DMA_LEN, 3);
	fill(mem + 2 * PAGE, DMA_LEN, 3);
	ASSERT_EQ(0, munmap(mem, PAGE));
	ASSERT_EQ(0, edu_copy(&self->edu, IOVA, IOVA + PAGE, DMA_LEN));
	EXPECT_EQ(0, memcmp(mem + PAGE, mem + 2 * PAGE, DMA_LEN));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, PAGE, &bytes));
	EXPECT_EQ(PAGE, bytes);
}

/*
 * MAP: length, IOVA and the offset in the page must be multiples of the
 * alignment that IOVA_RANGES tells, which a device's page size raises: EINVAL.
 */
TEST_F(dma, unaligned)
{
	struct iommu_iova_range ranges[16];
	uint32_t num = ARRAY_SIZE(ranges);
	uint64_t align;

	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, ioas_ranges(self->iommufd, self->ioas, ranges, &num,
				 &align));
	ASSERT_EQ(PAGE, align);
	EXPECT_EQ(-EINVAL, map_rw(self, self->mem, PAGE, IOVA + 512));
	EXPECT_EQ(-EINVAL, map_rw(self, self->mem, PAGE + 512, IOVA));
	EXPECT_EQ(-EINVAL, map_rw(self, self->mem + 512, PAGE, IOVA));
	EXPECT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* ATTACH: the device's page size does not fit what is mapped: EADDRINUSE. */
TEST_F(dma, attach_unaligned)
{
	ASSERT_EQ(0, map_rw(self, self->mem + 512, 1024, IOVA + 512));
	EXPECT_EQ(-EADDRINUSE, attach(self));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA + 512, 1024,
				NULL));
	EXPECT_EQ(0, attach(self));
}

/* ATTACH: a mapping is where the device's IOVAs are reserved: EADDRINUSE. */
TEST_F(dma, attach_reserved)
{
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, MSI_IOVA));
	EXPECT_EQ(-EADDRINUSE, attach(self));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, MSI_IOVA, PAGE,
				NULL));
	EXPECT_EQ(0, attach(self));
	EXPECT_EQ(-EINVAL, map_rw(self, self->mem, PAGE, MSI_IOVA));
}

/*
 * Without a device MAP only records; ATTACH finds that there is no memory:
 * EFAULT, and the device is as it was.
 */
TEST_F(dma, attach_no_memory)
{
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	ASSERT_EQ(0, map_rw(self, self->mem + PAGE, PAGE, IOVA2));
	ASSERT_EQ(0, munmap(self->mem + PAGE, PAGE));
	EXPECT_EQ(-EFAULT, attach(self));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA2, PAGE, NULL));
	EXPECT_EQ(0, attach(self));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* MAP of what is not there: EFAULT, and no part of it is mapped. */
TEST_F(dma, map_no_memory)
{
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, munmap(self->mem + 3 * PAGE, PAGE));
	EXPECT_EQ(-EFAULT, map_rw(self, self->mem, 4 * PAGE, IOVA));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	EXPECT_EQ(-ENOENT, ioas_unmap(self->iommufd, self->ioas, IOVA,
				      4 * PAGE, NULL));
	EXPECT_EQ(0, map_rw(self, self->mem, 3 * PAGE, IOVA));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* MAP for writing of memory the program may only read: EFAULT. */
TEST_F(dma, map_read_only_memory)
{
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, mprotect(self->mem, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, map_rw(self, self->mem, PAGE, IOVA));
	EXPECT_EQ(0, ioas_map(self->iommufd, self->ioas, self->mem, PAGE, IOVA,
			      IOMMU_IOAS_MAP_READABLE));
}

/* After UNMAP the same DMA leaves memory alone, and VT-d logs the fault. */
TEST_F(dma, unmap_isolates)
{
	int klog = klog_open();
	char line[512];

	ASSERT_LE(0, klog);
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	ASSERT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, PAGE, NULL));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	if (iommu_is("vtd"))
		EXPECT_EQ(0, edu_wait_fault(&self->edu, IOVA, klog,
					    self->vdev.bdf, line,
					    sizeof(line)));
}

/* A fault of the device takes nothing else away. */
TEST_F(dma, fault_is_harmless)
{
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem + PAGE, IOVA2));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* BIND gives no DMA, nor does ATTACH after DETACH. */
TEST_F(dma, only_while_attached)
{
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, attach(self));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, vfio_detach(self->vdev.fd));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	ASSERT_EQ(0, attach(self));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
}

/* The bound device keeps its I/O address space when /dev/iommu is closed. */
TEST_F(dma, iommufd_closed_first)
{
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	ASSERT_EQ(0, close(self->iommufd));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	self->iommufd = open("/dev/null", O_RDONLY);	/* for the teardown */
}

/* Two devices in one IOAS see the same memory; one leaves, the other stays. */
TEST_F(dma, two_devices_one_ioas)
{
	uint32_t pt = self->ioas;
	struct vdev vdev2;
	struct edu edu2;

	edu_bind(_metadata, &vdev2, &edu2, "EDU1", self->iommufd);
	EXPECT_NE(self->vdev.id, vdev2.id);
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	ASSERT_EQ(0, vfio_attach(vdev2.fd, &pt));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	EXPECT_TRUE(dma_works(&edu2, self->mem, IOVA));

	ASSERT_EQ(0, map_rw(self, self->mem + PAGE, PAGE, IOVA2));
	EXPECT_TRUE(dma_works(&self->edu, self->mem + PAGE, IOVA2));
	EXPECT_TRUE(dma_works(&edu2, self->mem + PAGE, IOVA2));

	ASSERT_EQ(0, vfio_detach(self->vdev.fd));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem, IOVA));
	EXPECT_TRUE(dma_works(&edu2, self->mem, IOVA));
	ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, PAGE, NULL));
	EXPECT_TRUE(dma_is_blocked(&edu2, self->mem, IOVA));
	edu_close(&edu2);
	close(vdev2.fd);
}

/* The same IOVA in two IOAS leads each device to its own memory. */
TEST_F(dma, two_devices_two_ioas)
{
	uint32_t ioas2, pt;
	struct vdev vdev2;
	struct edu edu2;

	edu_bind(_metadata, &vdev2, &edu2, "EDU1", self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &ioas2));
	ASSERT_EQ(0, attach(self));
	pt = ioas2;
	ASSERT_EQ(0, vfio_attach(vdev2.fd, &pt));
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	ASSERT_EQ(0, ioas_map(self->iommufd, ioas2, self->mem + PAGE, PAGE,
			      IOVA, IOMMU_MAP_RW));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	EXPECT_TRUE(dma_works(&edu2, self->mem + PAGE, IOVA));
	EXPECT_TRUE(dma_is_blocked(&edu2, self->mem, IOVA));
	EXPECT_TRUE(dma_is_blocked(&self->edu, self->mem + PAGE, IOVA));
	edu_close(&edu2);
	close(vdev2.fd);
}

/* A second device's ATTACH may fail, and the first one's DMA goes on. */
TEST_F(dma, second_device_bad_pt)
{
	struct vdev vdev2;
	uint32_t pt = 4711;

	vdev_bind(_metadata, &vdev2, "EDU1", self->iommufd);
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem, PAGE, IOVA));
	EXPECT_EQ(-ENOENT, vfio_attach(vdev2.fd, &pt));
	EXPECT_TRUE(dma_works(&self->edu, self->mem, IOVA));
	close(vdev2.fd);
}

#define RACE_SECONDS	3
#define HIGH_IOVA	0x10000000000ULL	/* where AMD's tables grow a level */

struct mapper {
	struct _test_data_dma *self;
	uint64_t iova;
	bool stop;
	unsigned int rounds;
	int error;
};

static void *map_and_unmap(void *arg)
{
	struct mapper *mapper = arg;
	struct _test_data_dma *self = mapper->self;
	int rc = 0;

	while (!rc && !__atomic_load_n(&mapper->stop, __ATOMIC_RELAXED)) {
		rc = map_rw(self, self->mem, 4 * PAGE, mapper->iova);
		if (!rc)
			rc = ioas_unmap(self->iommufd, self->ioas,
					mapper->iova, 4 * PAGE, NULL);
		mapper->rounds++;
	}
	mapper->error = rc;
	return NULL;
}

/* Maps and unmaps race one another and a second device's comings and goings. */
TEST_F(dma, race)
{
	struct mapper mappers[] = {
		{ .self = self, .iova = IOVA2 },
		{ .self = self, .iova = HIGH_IOVA },
	};
	pthread_t threads[ARRAY_SIZE(mappers)];
	time_t end = time(NULL) + RACE_SECONDS;
	struct vdev vdev2;
	uint32_t pt;
	unsigned int i;

	vdev_bind(_metadata, &vdev2, "EDU1", self->iommufd);
	ASSERT_EQ(0, attach(self));
	ASSERT_EQ(0, map_rw(self, self->mem + 8 * PAGE, PAGE, IOVA));
	for (i = 0; i < ARRAY_SIZE(mappers); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, map_and_unmap,
					    &mappers[i]));
	do {
		pt = self->ioas;
		EXPECT_EQ(0, vfio_attach(vdev2.fd, &pt));
		EXPECT_EQ(0, vfio_detach(vdev2.fd));
		EXPECT_TRUE(dma_works(&self->edu, self->mem + 8 * PAGE, IOVA));
	} while (time(NULL) < end);
	for (i = 0; i < ARRAY_SIZE(mappers); i++) {
		__atomic_store_n(&mappers[i].stop, true, __ATOMIC_RELAXED);
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, mappers[i].error);
		EXPECT_LT(0, mappers[i].rounds);
	}
	EXPECT_EQ(0, close(vdev2.fd));
}

/*
 * Replace: the device moves from an IOAS with a page at IOVA to another that
 * has one at IOVA2.
 */
FIXTURE(replace) {
	FIXTURE_DATA(dma) dma;
	uint32_t ioas2;
	unsigned char *mem2;
};

FIXTURE_SETUP(replace)
{
	struct _test_data_dma *dma = &self->dma;

	dma_setup(_metadata, dma, NULL);
	self->mem2 = dma->mem + PAGE;
	ASSERT_EQ(0, attach(dma));
	ASSERT_EQ(0, map_rw(dma, dma->mem, PAGE, IOVA));
	ASSERT_EQ(0, ioas_alloc(dma->iommufd, &self->ioas2));
	ASSERT_EQ(0, ioas_map(dma->iommufd, self->ioas2, self->mem2, PAGE,
			      IOVA2, IOMMU_MAP_RW));
}

FIXTURE_TEARDOWN(replace)
{
	dma_teardown(_metadata, &self->dma, NULL);
}

static int move(struct _test_data_replace *self, uint32_t ioas)
{
	return vfio_attach(self->dma.vdev.fd, &ioas);
}

static bool in_first(struct _test_data_replace *self)
{
	struct edu *edu = &self->dma.edu;

	return dma_works(edu, self->dma.mem, IOVA) &&
	       dma_is_blocked(edu, self->mem2, IOVA2);
}

static bool in_second(struct _test_data_replace *self)
{
	struct edu *edu = &self->dma.edu;

	return dma_works(edu, self->mem2, IOVA2) &&
	       dma_is_blocked(edu, self->dma.mem, IOVA);
}

/* There and back: the mappings of the one work, those of the other fault. */
TEST_F(replace, works)
{
	ASSERT_TRUE(in_first(self));
	ASSERT_EQ(0, move(self, self->ioas2));
	EXPECT_TRUE(in_second(self));
	ASSERT_EQ(0, move(self, self->dma.ioas));
	EXPECT_TRUE(in_first(self));
}

/* What is mapped later goes to where the device is now. */
TEST_F(replace, map_after)
{
	struct _test_data_dma *dma = &self->dma;

	ASSERT_EQ(0, move(self, self->ioas2));
	ASSERT_EQ(0, map_rw(dma, dma->mem + 2 * PAGE, PAGE, IOVA + PAGE));
	EXPECT_TRUE(dma_is_blocked(&dma->edu, dma->mem + 2 * PAGE,
				   IOVA + PAGE));
	ASSERT_EQ(0, ioas_map(dma->iommufd, self->ioas2, dma->mem + 3 * PAGE,
			      PAGE, IOVA2 + PAGE, IOMMU_MAP_RW));
	EXPECT_TRUE(dma_works(&dma->edu, dma->mem + 3 * PAGE, IOVA2 + PAGE));
}

/* The IOAS that was left is free: DESTROY works. */
TEST_F(replace, destroy_old)
{
	ASSERT_EQ(-EBUSY, iommu_destroy(self->dma.iommufd, self->dma.ioas));
	ASSERT_EQ(0, move(self, self->ioas2));
	EXPECT_EQ(0, iommu_destroy(self->dma.iommufd, self->dma.ioas));
	EXPECT_EQ(-EBUSY, iommu_destroy(self->dma.iommufd, self->ioas2));
}

/* To where it is already: nothing changes. */
TEST_F(replace, same)
{
	ASSERT_EQ(0, move(self, self->dma.ioas));
	EXPECT_TRUE(in_first(self));
}

/* ENOENT and EINVAL leave the device where it is. */
TEST_F(replace, bad_pt)
{
	EXPECT_EQ(-ENOENT, move(self, 4711));
	EXPECT_EQ(-EINVAL, move(self, self->dma.vdev.id));
	EXPECT_TRUE(in_first(self));
}

/* So does a mapping where IOVAs are reserved: EADDRINUSE. */
TEST_F(replace, reserved)
{
	ASSERT_EQ(0, ioas_map(self->dma.iommufd, self->ioas2,
			      self->dma.mem + 2 * PAGE, PAGE, MSI_IOVA,
			      IOMMU_MAP_RW));
	EXPECT_EQ(-EADDRINUSE, move(self, self->ioas2));
	EXPECT_TRUE(in_first(self));
}

/* So does memory that is not there: EFAULT. */
TEST_F(replace, no_memory)
{
	ASSERT_EQ(0, ioas_map(self->dma.iommufd, self->ioas2,
			      self->dma.mem + 2 * PAGE, PAGE, IOVA2 + PAGE,
			      IOMMU_MAP_RW));
	ASSERT_EQ(0, munmap(self->dma.mem + 2 * PAGE, PAGE));
	EXPECT_EQ(-EFAULT, move(self, self->ioas2));
	EXPECT_TRUE(in_first(self));
}

#define FAIL_MOST	1000	/* no ioctl allocates more often */

/*
 * Every allocation on the way fails once.  After each failed ATTACH, DMA
 * through the old mappings works as before.
 */
TEST_F_TIMEOUT(replace, fail_nth, 300)
{
	int fd = fail_nth_open(), injected = 1, rc;
	unsigned int nth, failed = 0;

	ASSERT_LE(0, fd);
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		rc = move(self, self->ioas2);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (rc) {
			ASSERT_EQ(1, injected);
			ASSERT_EQ(-ENOMEM, rc);
			ASSERT_TRUE(in_first(self))
				TH_LOG("lost at allocation %u", nth);
			failed++;
			continue;
		}
		ASSERT_TRUE(in_second(self));
		ASSERT_EQ(0, move(self, self->dma.ioas));
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, failed);
	TH_LOG("%u of %u injected failures failed the call", failed, nth - 2);
}

/* The same for a first ATTACH: it fails whole or works. */
TEST_F_TIMEOUT(dma, attach_fail_nth, 300)
{
	int fd = fail_nth_open(), injected = 1, rc;
	unsigned int nth, failed = 0;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_rw(self, self->mem, 4 * PAGE, IOVA));
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		rc = attach(self);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (rc) {
			ASSERT_EQ(1, injected);
			ASSERT_EQ(-ENOMEM, rc);
			ASSERT_TRUE(dma_is_blocked(&self->edu, self->mem,
						   IOVA));
			failed++;
			continue;
		}
		ASSERT_TRUE(dma_works(&self->edu, self->mem, IOVA));
		ASSERT_EQ(0, vfio_detach(self->vdev.fd));
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, failed);
}

/* The same for MAP, of memory that is in pieces. */
TEST_F_TIMEOUT(dma, map_fail_nth, 300)
{
	int fd = fail_nth_open(), injected = 1, rc;
	unsigned int nth, failed = 0;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, madvise(self->mem, 16 * PAGE, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, attach(self));
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		rc = map_rw(self, self->mem, 16 * PAGE, IOVA);
		injected = fail_nth_disarm(fd);
		ASSERT_LE(0, injected);
		if (rc) {
			/* Pages that cannot be faulted in are EFAULT. */
			ASSERT_EQ(1, injected);
			if (rc != -EFAULT)
				ASSERT_EQ(-ENOMEM, rc);
			ASSERT_TRUE(dma_is_blocked(&self->edu, self->mem,
						   IOVA));
			failed++;
			continue;
		}
		ASSERT_TRUE(dma_works(&self->edu, self->mem, IOVA));
		ASSERT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA,
					16 * PAGE, NULL));
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, failed);
}

/* UNMAP and DETACH allocate nothing that they could fail for. */
TEST_F(dma, teardown_fail_nth)
{
	int fd = fail_nth_open();
	unsigned int nth;

	ASSERT_LE(0, fd);
	for (nth = 1; nth < 6; nth++) {
		ASSERT_EQ(0, attach(self));
		ASSERT_EQ(0, map_rw(self, self->mem, 16 * PAGE, IOVA));
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA,
					16 * PAGE, NULL));
		ASSERT_LE(0, fail_nth_disarm(fd));
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		EXPECT_EQ(0, vfio_detach(self->vdev.fd));
		ASSERT_LE(0, fail_nth_disarm(fd));
	}
}

/*
 * Nor does the close of an attached device.  The one here has no interrupt pin:
 * to route one the kernel asks ACPI, whose interpreter does not survive this.
 */
TEST(close_fail_nth)
{
	int iommufd = iommu_open(), fd;
	void *mem = alloc_memory(PAGE);
	uint32_t ioas, pt;
	struct vdev vdev;
	unsigned int nth;

	REQUIRE_IOMMU();
	ASSERT_LE(0, iommufd);
	ASSERT_NE(NULL, mem);
	fd = fail_nth_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioas_alloc(iommufd, &ioas));
	ASSERT_EQ(0, ioas_map(iommufd, ioas, mem, PAGE, IOVA, IOMMU_MAP_RW));
	for (nth = 1; nth < 10; nth++) {
		vdev_bind(_metadata, &vdev, "TESTDEV0", iommufd);
		pt = ioas;
		ASSERT_EQ(0, vfio_attach(vdev.fd, &pt));
		ASSERT_EQ(0, fail_nth_arm(fd, nth));
		EXPECT_EQ(0, close(vdev.fd));
		ASSERT_LE(0, fail_nth_disarm(fd));
	}
	EXPECT_EQ(0, iommu_destroy(iommufd, ioas));
}

TEST_HARNESS_MAIN
