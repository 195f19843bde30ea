// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /dev/iommu and the VFIO device cdev are for, shown on three devices:
 *
 *   nvme ----+
 *            |   each behind the IOMMU, in a group of its own, given to
 *   edu -----+-- vfio-pci; the program sees nothing but /dev/iommu and
 *            |   /dev/vfio/devices/vfioN
 *   edu2 ----+
 *
 *  1. an NVMe driver in user space reads a whole disk;
 *  2. a DMA engine reaches what is mapped for it and nothing else;
 *  3. two devices share an I/O address space; one leaves, the other stays.
 *
 * Ends with 0 when all of it was seen to work, else with 1 and the reason.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"
#include "edu.h"
#include "iommu.h"
#include "klog.h"
#include "nvme.h"
#include "pci.h"
#include "vfio.h"

#define NVME_IOVA	0x1000000
#define EDU_IOVA	0x2000000
#define EDU_MEM_SIZE	4096
#define EDU_HALF	(EDU_MEM_SIZE / 2)

struct device {
	const char *bdf;
	int fd;
	uint32_t devid;
};

struct demo {
	int iommufd;
	uint32_t ioas;
	int klog;
	struct device nvme;
	struct device edu;
	struct device edu2;
	const char *sha256;
};

static void fail(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "vfio_demo: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void check(int rc, const char *fmt, ...)
{
	char what[256];
	va_list args;

	if (rc >= 0)
		return;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	fail("%s: %s", what, strerror(-rc));
}

static void say(const char *what, const char *fmt, ...)
{
	va_list args;

	printf("   %-10s", what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Memory for a device: this process's, mapped into the I/O address space. */
static void *map_memory(struct demo *demo, size_t size, uint64_t iova)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		fail("%zu bytes of memory: %s", size, strerror(errno));
	check(ioas_map(demo->iommufd, demo->ioas, mem, size, iova,
		       IOMMU_MAP_RW),
	      "mapping %zu bytes at IOVA %#llx", size,
	      (unsigned long long)iova);
	say("map", "%zu bytes at IOVA %#llx, readable and writeable", size,
	    (unsigned long long)iova);
	return mem;
}

/* From a PCI address to a device that does DMA through the IOAS. */
static void take_device(struct demo *demo, struct device *dev)
{
	uint32_t vendor, device, pt = demo->ioas;
	char driver[64], node[64];

	check(pci_attr(dev->bdf, "vendor", &vendor), "%s", dev->bdf);
	check(pci_attr(dev->bdf, "device", &device), "%s", dev->bdf);
	if (pci_driver(dev->bdf, driver, sizeof(driver)))
		strcpy(driver, "none");
	check(pci_bind_driver(dev->bdf, "vfio-pci"),
	      "giving %s to vfio-pci", dev->bdf);
	check(vfio_cdev_name(dev->bdf, node, sizeof(node)),
	      "the cdev of %s", dev->bdf);
	say("device", "%s, PCI id %04x:%04x, driver was %s, now vfio-pci",
	    dev->bdf, vendor, device, driver);
	say("group", "%d, node /dev/vfio/devices/%s", pci_group(dev->bdf),
	    node);

	dev->fd = vfio_cdev_open(dev->bdf);
	check(dev->fd, "opening /dev/vfio/devices/%s", node);
	check(vfio_bind(dev->fd, demo->iommufd, &dev->devid),
	      "binding %s to /dev/iommu", dev->bdf);
	say("bind", "to /dev/iommu, device id %u", dev->devid);
	check(vfio_attach(dev->fd, &pt), "attaching %s to the IOAS", dev->bdf);
	say("attach", "to IOAS %u, page table id %u", demo->ioas, pt);
}

static void demo_nvme(struct demo *demo)
{
	char hex[SHA256_HEX_LEN + 1];
	double start, took;
	struct nvme nvme;
	void *mem;

	printf("\n1. an NVMe driver in user space\n");
	take_device(demo, &demo->nvme);
	mem = map_memory(demo, NVME_MEM_SIZE, NVME_IOVA);

	check(nvme_open(&nvme, demo->nvme.fd, mem, NVME_IOVA),
	      "starting the NVMe controller");
	say("reset", "controller is ready, NVMe %u.%u: \"%s\", serial \"%s\"",
	    nvme.version >> 16, nvme.version >> 8 & 0xff, nvme.model,
	    nvme.serial);
	say("disk", "%llu blocks of %u bytes",
	    (unsigned long long)nvme.blocks, nvme.block_size);

	start = seconds();
	check(nvme_sha256(&nvme, hex), "reading the disk");
	took = seconds() - start;
	say("read", "%llu bytes, %u at a time, in %.1f s",
	    (unsigned long long)nvme.blocks * nvme.block_size,
	    nvme.max_transfer, took);
	say("irqs", "%llu commands, %llu MSI-X interrupts by eventfd",
	    (unsigned long long)nvme.commands,
	    (unsigned long long)nvme.interrupts);
	say("sha256", "%s", hex);
	if (strcasecmp(hex, demo->sha256))
		fail("the disk's sha256 is not the host's, %s", demo->sha256);
	say("verified", "the host computed the same checksum of its file");
	nvme_close(&nvme);
}

static void fill(unsigned char *mem, size_t len, unsigned int seed)
{
	while (len--) {
		seed = seed * 1103515245 + 12345;
		*mem++ = seed >> 16;
	}
}

/*
 * The device writes its page to @iova, which must be blocked: @mem, what was
 * there, keeps its bytes, and VT-d tells of the fault.
 */
static void must_be_blocked(struct demo *demo, struct device *dev,
			    struct edu *edu, unsigned char *mem, uint64_t iova)
{
	unsigned char before[EDU_HALF];
	char line[512];

	memset(mem, 0xa5, EDU_HALF);
	memcpy(before, mem, EDU_HALF);
	check(edu_write_memory(edu, 0, iova, EDU_HALF), "DMA of %s", dev->bdf);
	if (memcmp(before, mem, EDU_HALF))
		fail("a DMA to unmapped IOVA %#llx changed memory",
		     (unsigned long long)iova);
	say("verified", "its DMA there now leaves memory untouched");
	check(edu_wait_fault(edu, iova, demo->klog, dev->bdf, line,
			     sizeof(line)),
	      "waiting for VT-d to log the fault");
	say("fault", "%s", line);
}

static void demo_edu(struct demo *demo, struct edu *edu)
{
	unsigned char *mem;
	uint64_t unmapped;

	printf("\n2. a DMA engine that reaches only what is mapped\n");
	take_device(demo, &demo->edu);
	check(edu_open(edu, demo->edu.fd), "the edu device");
	check(edu_check(edu), "the edu device's self test");
	mem = map_memory(demo, EDU_MEM_SIZE, EDU_IOVA);

	fill(mem, EDU_HALF, 1);
	check(edu_copy(edu, EDU_IOVA, EDU_IOVA + EDU_HALF, EDU_HALF),
	      "DMA of %s", demo->edu.bdf);
	if (memcmp(mem, mem + EDU_HALF, EDU_HALF))
		fail("the bytes that came back are not those sent");
	say("dma", "%u bytes to the device and back, equal", EDU_HALF);

	check(ioas_unmap(demo->iommufd, demo->ioas, EDU_IOVA, EDU_MEM_SIZE,
			 &unmapped), "unmapping");
	if (unmapped != EDU_MEM_SIZE)
		fail("%llu bytes unmapped, not %u",
		     (unsigned long long)unmapped, EDU_MEM_SIZE);
	say("unmap", "%llu bytes at IOVA %#x", (unsigned long long)unmapped,
	    EDU_IOVA);
	must_be_blocked(demo, &demo->edu, edu, mem, EDU_IOVA);
	munmap(mem, EDU_MEM_SIZE);
}

/* One device's bytes reach the other through memory that both see. */
static void relay(struct edu *from, struct edu *to, unsigned char *mem)
{
	unsigned char sent[EDU_HALF];

	fill(mem, EDU_MEM_SIZE, 2);
	memcpy(sent, mem, EDU_HALF);
	check(edu_read_memory(from, EDU_IOVA, 0, EDU_HALF), "DMA");
	memset(mem, 0, EDU_MEM_SIZE);
	check(edu_write_memory(from, 0, EDU_IOVA, EDU_HALF), "DMA");
	check(edu_copy(to, EDU_IOVA, EDU_IOVA + EDU_HALF, EDU_HALF), "DMA");
	if (memcmp(mem + EDU_HALF, sent, EDU_HALF))
		fail("what went through both devices is not what was sent");
	say("dma", "%u bytes: memory, first device, memory, second device, memory: equal",
	    EDU_HALF);
}

static void demo_shared(struct demo *demo, struct edu *edu)
{
	unsigned char *mem;
	struct edu edu2;

	printf("\n3. two devices in one I/O address space\n");
	take_device(demo, &demo->edu2);
	check(edu_open(&edu2, demo->edu2.fd), "the second edu device");
	mem = map_memory(demo, EDU_MEM_SIZE, EDU_IOVA);
	relay(edu, &edu2, mem);

	check(vfio_detach(demo->edu.fd), "detaching %s", demo->edu.bdf);
	say("detach", "%s, the first", demo->edu.bdf);
	must_be_blocked(demo, &demo->edu, edu, mem + EDU_HALF,
			EDU_IOVA + EDU_HALF);

	fill(mem, EDU_MEM_SIZE, 3);
	check(edu_copy(&edu2, EDU_IOVA, EDU_IOVA + EDU_HALF, EDU_HALF),
	      "DMA of %s", demo->edu2.bdf);
	if (memcmp(mem, mem + EDU_HALF, EDU_HALF))
		fail("the device that stayed no longer reaches memory");
	say("verified", "%s, the second, goes on: %u bytes out and back, equal",
	    demo->edu2.bdf, EDU_HALF);
	edu_close(&edu2);
}

static void usage(void)
{
	fprintf(stderr, "vfio_demo --nvme BDF --nvme-sha256 HEX --edu BDF --edu2 BDF\n");
	exit(2);
}

static void parse(struct demo *demo, int argc, char **argv)
{
	static const struct option options[] = {
		{ "nvme", required_argument, NULL, 'n' },
		{ "nvme-sha256", required_argument, NULL, 's' },
		{ "edu", required_argument, NULL, 'e' },
		{ "edu2", required_argument, NULL, 'f' },
		{ }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'n':
			demo->nvme.bdf = optarg;
			break;
		case 's':
			demo->sha256 = optarg;
			break;
		case 'e':
			demo->edu.bdf = optarg;
			break;
		case 'f':
			demo->edu2.bdf = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || !demo->nvme.bdf || !demo->sha256 ||
	    !demo->edu.bdf || !demo->edu2.bdf)
		usage();
}

int main(int argc, char **argv)
{
	struct demo demo = { };
	struct edu edu;

	parse(&demo, argc, argv);
	demo.klog = klog_open();
	check(demo.klog, "opening /dev/kmsg");
	demo.iommufd = iommu_open();
	check(demo.iommufd, "opening /dev/iommu");
	check(ioas_alloc(demo.iommufd, &demo.ioas), "a new IOAS");
	printf("/dev/iommu is open, the I/O address space (IOAS) has id %u\n",
	       demo.ioas);

	demo_nvme(&demo);
	demo_edu(&demo, &edu);
	demo_shared(&demo, &edu);

	printf("\nAll verified.\n");
	return 0;
}
