// SPDX-License-Identifier: GPL-2.0-only
/*
 * example BDF
 *
 * Opens a PCI device that vfio-pci has, such as 0000:00:05.0, by its node.  Lets
 * it reach a page of this program's memory and nothing else, says what it is,
 * moves it to another address space, unmaps, and gives all of it back.  If it is
 * QEMU's edu device (-device edu), it has that copy memory at each step.  Takes the
 * headers of this kernel and a libc.
 *
 * Documentation/driver-api/vfio-cdev.rst goes through it function by function.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LENGTH		4096
#define HALF		(LENGTH / 2)
#define IOVA		0x100000

/* QEMU's edu device: it copies between addresses and a buffer of its own. */
#define EDU		0x11e81234	/* device and vendor */
#define EDU_ADDRESSES	0xfffffff	/* it has 28 address bits */
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_START	0x1		/* set until the copy is done */
#define EDU_TO_MEMORY	0x2
#define EDU_BUFFER	0x40000

/* The node has the name of the only entry of the device's vfio-dev. */
static int open_node(const char *bdf)
{
	struct dirent *entry;
	char path[512];
	int device;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	do
		entry = readdir(dir);
	while (entry && entry->d_name[0] == '.');
	if (!entry)
		errx(1, "%s is empty", path);

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
	closedir(dir);
	device = open(path, O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(1, "%s", path);
	printf("%s is %s\n", bdf, path);
	return device;
}

/* From here on the device can be used, but its DMA is blocked. */
static void bind_device(int device, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};

	if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		err(1, "VFIO_DEVICE_BIND_IOMMUFD");
	printf("bound as device %u\n", bind.out_devid);
}

static uint32_t make_address_space(int iommufd)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		err(1, "IOMMU_IOAS_ALLOC");
	return alloc.out_ioas_id;
}

static void map_memory(int iommufd, uint32_t ioas, void *memory)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = LENGTH,
		.iova = IOVA,
	};

	if (ioctl(iommufd, IOMMU_IOAS_MAP, &map))
		err(1, "IOMMU_IOAS_MAP");
	printf("mapped %d bytes at %#x\n", LENGTH, IOVA);
}

/*
 * Now the device's DMA to IOVA reads and writes the memory.  A device that is
 * attached moves, with no time in between when it is attached to nothing.
 */
static void attach_device(int device, uint32_t ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = ioas,
	};

	if (ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		err(1, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
	printf("attached to address space %u by page table %u\n", ioas,
	       attach.pt_id);
}

/* Asks with no room first, to learn how many there are. */
static void print_ranges(int iommufd, uint32_t ioas)
{
	struct iommu_ioas_iova_ranges ask = {
		.size = sizeof(ask),
		.ioas_id = ioas,
	};
	struct iommu_iova_range *ranges = NULL;
	uint32_t i;

	while (ioctl(iommufd, IOMMU_IOAS_IOVA_RANGES, &ask)) {
		if (errno != EMSGSIZE)
			err(1, "IOMMU_IOAS_IOVA_RANGES");
		ranges = realloc(ranges, ask.num_iovas * sizeof(*ranges));
		if (!ranges)
			err(1, "%u ranges", ask.num_iovas);
		ask.allowed_iovas = (uintptr_t)ranges;
	}
	for (i = 0; i < ask.num_iovas; i++)
		printf("can be mapped: %#llx to %#llx\n",
		       (unsigned long long)ranges[i].start,
		       (unsigned long long)ranges[i].last);
	printf("in multiples of %llu bytes\n",
	       (unsigned long long)ask.out_iova_alignment);
	free(ranges);
}

/* The kernel is to choose no IOVA that has more bits than the device. */
static void allow_addresses(int iommufd, uint32_t ioas, uint64_t last)
{
	struct iommu_iova_range range = { .start = 0, .last = last };
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow),
		.ioas_id = ioas,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	if (ioctl(iommufd, IOMMU_IOAS_ALLOW_IOVAS, &allow))
		err(1, "IOMMU_IOAS_ALLOW_IOVAS");
}

/* What is mapped twice by a copy is pinned and charged once. */
static uint64_t copy_mapping(int iommufd, uint32_t from, uint32_t to)
{
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.length = LENGTH,
		.src_iova = IOVA,
	};

	if (ioctl(iommufd, IOMMU_IOAS_COPY, &copy))
		err(1, "IOMMU_IOAS_COPY");
	printf("copied to address space %u at %#llx\n", to,
	       (unsigned long long)copy.dst_iova);
	return copy.dst_iova;
}

/* When this returns, no device reaches the memory at that IOVA. */
static void unmap_memory(int iommufd, uint32_t ioas, uint64_t iova)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas,
		.iova = iova,
		.length = LENGTH,
	};

	if (ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap))
		err(1, "IOMMU_IOAS_UNMAP");
	printf("unmapped %llu bytes at %#llx\n",
	       (unsigned long long)unmap.length, (unsigned long long)iova);
}

static void detach_device(int device)
{
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
	};

	if (ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach))
		err(1, "VFIO_DEVICE_DETACH_IOMMUFD_PT");
}

static struct vfio_region_info get_region(int device, uint32_t index)
{
	struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = index,
	};

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region))
		err(1, "VFIO_DEVICE_GET_REGION_INFO of region %u", index);
	return region;
}

/*
 * What vfio.rst says of a device holds for this one, however it was opened.
 * Returns what it is, as EDU above.
 */
static uint32_t describe_device(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region;
	uint16_t id[2];
	uint32_t i;

	if (ioctl(device, VFIO_DEVICE_GET_INFO, &info))
		err(1, "VFIO_DEVICE_GET_INFO");
	printf("%u regions, %u kinds of interrupts\n", info.num_regions,
	       info.num_irqs);
	for (i = 0; i < VFIO_PCI_VGA_REGION_INDEX; i++) {
		region = get_region(device, i);
		if (region.size)
			printf("region %u: %llu bytes\n", i,
			       (unsigned long long)region.size);
	}

	region = get_region(device, VFIO_PCI_CONFIG_REGION_INDEX);
	if (pread(device, id, sizeof(id), region.offset) != sizeof(id))
		err(1, "configuration space");
	printf("vendor %04x, device %04x\n", id[0], id[1]);
	return (uint32_t)id[1] << 16 | id[0];
}

/* The registers can be read and written since the bind; DMA is another matter. */
static void enable_dma(int device)
{
	struct vfio_region_info config;
	uint16_t command;
	off_t offset;

	config = get_region(device, VFIO_PCI_CONFIG_REGION_INDEX);
	offset = config.offset + PCI_COMMAND;
	if (pread(device, &command, sizeof(command), offset) != sizeof(command))
		err(1, "command register");
	command |= PCI_COMMAND_MASTER;
	if (pwrite(device, &command, sizeof(command), offset) != sizeof(command))
		err(1, "command register");
}

/* The mapping holds the device's file: it is closed by munmap() and close(). */
static uint64_t *map_registers(int device, size_t *size)
{
	struct vfio_region_info bar;
	void *registers;

	bar = get_region(device, VFIO_PCI_BAR0_REGION_INDEX);
	*size = bar.size;
	registers = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 device, bar.offset);
	if (registers == MAP_FAILED)
		err(1, "region 0");
	return registers;
}

/* What the program wrote to memory before, the device finds there. */
static void write_register(uint64_t *registers, int at, uint64_t value)
{
	__atomic_store_n(registers + at / 8, value, __ATOMIC_RELEASE);
}

static uint64_t read_register(uint64_t *registers, int at)
{
	return __atomic_load_n(registers + at / 8, __ATOMIC_ACQUIRE);
}

static void edu_copy(uint64_t *registers, uint64_t source, uint64_t target,
		     uint64_t command)
{
	int ms;

	write_register(registers, EDU_SOURCE, source);
	write_register(registers, EDU_TARGET, target);
	write_register(registers, EDU_COUNT, HALF);
	write_register(registers, EDU_COMMAND, command | EDU_START);
	for (ms = 0; read_register(registers, EDU_COMMAND) & EDU_START; ms++) {
		if (ms == 60000)
			errx(1, "the device does not finish");
		usleep(1000);
	}
}

/* Whether the device can copy one half of the page at an IOVA to the other half */
static bool reaches_memory(uint64_t *registers, char *memory, uint64_t iova)
{
	static const char text[] = "from the program, by the device";

	memset(memory, 0, LENGTH);
	strcpy(memory, text);
	edu_copy(registers, iova, EDU_BUFFER, 0);
	edu_copy(registers, EDU_BUFFER, iova + HALF, EDU_TO_MEMORY);
	return !strcmp(memory + HALF, text);
}

/* Only a program that knows the device can have it do DMA. */
static void expect_dma(uint64_t *registers, char *memory, uint64_t iova,
		       bool expected)
{
	if (!registers)
		return;
	if (reaches_memory(registers, memory, iova) != expected)
		errx(1, "DMA to %#llx %s", (unsigned long long)iova,
		     expected ? "did not arrive" : "is not blocked");
	printf("DMA to %#llx %s\n", (unsigned long long)iova,
	       expected ? "arrives" : "is blocked");
}

int main(int argc, char **argv)
{
	uint64_t *registers = NULL;
	uint32_t first, second;
	int device, iommufd;
	uint64_t iova;
	void *memory;
	size_t size;

	if (argc != 2)
		errx(1, "usage: example BDF");

	device = open_node(argv[1]);
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommufd < 0)
		err(1, "/dev/iommu");
	memory = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "memory");

	bind_device(device, iommufd);
	first = make_address_space(iommufd);
	map_memory(iommufd, first, memory);
	attach_device(device, first);
	print_ranges(iommufd, first);
	if (describe_device(device) == EDU) {
		enable_dma(device);
		registers = map_registers(device, &size);
	}
	expect_dma(registers, memory, IOVA, true);

	/* The same memory at another IOVA of another address space */
	second = make_address_space(iommufd);
	allow_addresses(iommufd, second, EDU_ADDRESSES);
	iova = copy_mapping(iommufd, first, second);
	attach_device(device, second);
	unmap_memory(iommufd, first, IOVA);
	expect_dma(registers, memory, iova, true);
	unmap_memory(iommufd, second, iova);
	expect_dma(registers, memory, iova, false);

	/* In any order; without the detach it would do the same. */
	detach_device(device);
	if (registers)
		munmap(registers, size);
	close(device);
	close(iommufd);
	printf("closed\n");
	return 0;
}
