// SPDX-License-Identifier: GPL-2.0-only
/*
 * example BDF
 *
 * Opens a PCI device that vfio-pci has, such as 0000:00:05.0, by its node.  Lets
 * it reach a page of this program's memory and nothing else, says what it is,
 * and gives all of it back.  Takes the headers of this kernel and a libc.
 *
 * Documentation/driver-api/vfio-cdev.rst goes through it function by function.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LENGTH	4096
#define IOVA	0x100000

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

/* Now the device's DMA to IOVA reads and writes the memory. */
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

/* What vfio.rst says of a device holds for this one, however it was opened. */
static void describe_device(int device)
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
}

int main(int argc, char **argv)
{
	int device, iommufd;
	uint32_t ioas;
	void *memory;

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
	ioas = make_address_space(iommufd);
	map_memory(iommufd, ioas, memory);
	attach_device(device, ioas);
	describe_device(device);
	detach_device(device);

	/* In any order; without the detach this would do the same. */
	close(device);
	close(iommufd);
	printf("closed\n");
	return 0;
}
