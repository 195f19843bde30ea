/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the VFIO tests share.  The machine's init (tools/testing/vm) says in the
 * environment which IOMMU there is and which devices may be used:
 *
 *   topology          vtd, amd, virtio or none
 *   tables            first or second: the page tables of a VT-d that is in scalable
 *                     mode; not set for another
 *   TESTDEV0          a pci-testdev, for tests that any device serves
 *   EDU0, EDU1        edu devices, each in a group of its own
 *   EDU_MF0, EDU_MF1  two functions of an edu on the root bus, in one group
 *   EDU_MF2, EDU_MF3  the same behind a root port
 *   EDU_MF4, RNG_MF0  an edu and a device with a kernel driver, in one group
 *   NVME0             a disk, whose sha256 is NVME_SHA256
 *   NVME1             one without a disk, but with four virtual functions
 *   NIC0              a network card
 *
 * To enable a device with an interrupt pin takes a debug kernel half a second,
 * which it spends in ACPI.  pci-testdev has none.
 *
 * Devices are named by PCI address.  An empty variable says that the machine
 * cannot have the device, and the test is skipped; one that is not set at all
 * is a mistake of who runs the test, and fails it.
 */
#ifndef VFIO_TEST_H
#define VFIO_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "edu.h"
#include "iommu.h"
#include "klog.h"
#include "pci.h"
#include "vfio.h"

/* Emulation on a busy machine is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	120	/* seconds */

#define PAGE		4096UL
#define HUGE		(2UL << 20)

#define TESTDEV_ID	0x00051b36U	/* device and vendor */
#define TESTDEV_BAR	VFIO_PCI_BAR2_REGION_INDEX

/* Skips are final: the harness would go on after a skip in a setup. */
#define SKIP_TEST(fmt, ...) SKIP(_exit(255), fmt, ##__VA_ARGS__)

/* virtio-iommu does not isolate MSIs, so that BIND has to be told to go on. */
#define UNSAFE_INTERRUPTS \
	"/sys/module/iommufd/parameters/allow_unsafe_interrupts"
#define UNSAFE_INTERRUPTS_TYPE1 \
	"/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"

#define REQUIRE_ENV(name)	require_env(_metadata, name)
#define REQUIRE_DEVICE(name)	require_device(_metadata, name)
#define REQUIRE_IOMMU()		require_iommu(_metadata)

static inline const char *require_env(struct __test_metadata *_metadata,
				      const char *name)
{
	const char *value = getenv(name);

	ASSERT_NE(NULL, value)
		TH_LOG("%s is not set, see vfio_test.h", name);
	if (!*value)
		SKIP_TEST("this machine has no %s", name);
	return value;
}

/* A device of the environment, on vfio-pci. */
static inline const char *require_device(struct __test_metadata *_metadata,
					 const char *name)
{
	const char *bdf = require_env(_metadata, name);

	ASSERT_EQ(0, pci_bind_driver(bdf, "vfio-pci"))
		TH_LOG("%s does not go to vfio-pci", bdf);
	return bdf;
}

static inline bool iommu_is(const char *kind)
{
	const char *iommu = getenv("topology");

	return iommu && !strcmp(iommu, kind);
}

/* For tests that do not apply to a machine without IOMMU. */
static inline void require_iommu(struct __test_metadata *_metadata)
{
	require_env(_metadata, "topology");
	if (iommu_is("none"))
		SKIP_TEST("this machine has no IOMMU");
	if (!iommu_is("virtio"))
		return;
	ASSERT_EQ(0, sysfs_write(UNSAFE_INTERRUPTS, "Y"));
	ASSERT_EQ(0, sysfs_write(UNSAFE_INTERRUPTS_TYPE1, "Y"));
}

/* Zeroed, page aligned memory, or NULL. */
static inline void *alloc_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* Bytes that differ from those of any other @seed. */
static inline void fill(void *mem, size_t len, unsigned int seed)
{
	unsigned char *byte = mem;

	seed ^= 0x9e3779b9;
	while (len--) {
		seed = seed * 1103515245 + 12345;
		*byte++ = seed >> 16;
	}
}

/* A device bound to an iommufd through its cdev. */
struct vdev {
	const char *bdf;
	int fd;
	uint32_t id;
};

/* Open and bind a device of the environment. */
static inline void vdev_bind(struct __test_metadata *_metadata,
			     struct vdev *vdev, const char *name, int iommufd)
{
	vdev->bdf = REQUIRE_DEVICE(name);
	vdev->fd = vfio_cdev_open(vdev->bdf);
	ASSERT_LE(0, vdev->fd);
	ASSERT_EQ(0, vfio_bind(vdev->fd, iommufd, &vdev->id));
}

/* An edu device bound to an iommufd. */
static inline void edu_bind(struct __test_metadata *_metadata,
			    struct vdev *vdev, struct edu *edu,
			    const char *name, int iommufd)
{
	vdev_bind(_metadata, vdev, name, iommufd);
	ASSERT_EQ(0, edu_open(edu, vdev->fd));
}

#define DMA_LEN		1024UL

/*
 * Does the device read what is at @iova and write it behind?  @mem: the same
 * memory as this process sees it, 2 * DMA_LEN bytes.
 */
static inline bool dma_works(struct edu *edu, void *mem, uint64_t iova)
{
	static unsigned int seed;
	unsigned char *to = (unsigned char *)mem + DMA_LEN;

	fill(mem, DMA_LEN, ++seed);
	memset(to, 0, DMA_LEN);
	return !edu_copy(edu, iova, iova + DMA_LEN, DMA_LEN) &&
	       !memcmp(mem, to, DMA_LEN);
}

/* Does a write of the device to @iova leave @mem, what was there, alone? */
static inline bool dma_is_blocked(struct edu *edu, void *mem, uint64_t iova)
{
	uint64_t pattern = 0xa5a5a5a5a5a5a5a5ULL, word = pattern;

	memcpy(mem, &word, sizeof(word));
	if (edu_write_memory(edu, 0, iova, sizeof(word)))
		return false;
	memcpy(&word, mem, sizeof(word));
	return word == pattern;
}

#endif
