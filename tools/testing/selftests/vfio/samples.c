// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux's sample mediated devices, whose drivers know nothing of iommufd, work
 * by group and by node: a serial port, and two displays.
 */
#include <linux/serial_reg.h>
#include <sys/ioctl.h>

#include "mdev.h"
#include "vfio_test.h"

#define UUID	"6d4f7e52-1d0c-4f5b-9a2e-2c5d1c0a8e03"

#define XRGB8888	0x34325258	/* fourcc code XR24 */
#define PIXEL		sizeof(uint32_t)

FIXTURE(samples) {
	struct space space;
	struct member member;
	int dev;
};

FIXTURE_VARIANT(samples) {
	enum way way;
};

FIXTURE_VARIANT_ADD(samples, type1) {
	.way = WAY_TYPE1,
};

FIXTURE_VARIANT_ADD(samples, compat) {
	.way = WAY_COMPAT,
};

FIXTURE_VARIANT_ADD(samples, cdev) {
	.way = WAY_CDEV,
};

FIXTURE_SETUP(samples)
{
	mdev_remove(UUID);
	ASSERT_EQ(0, space_open(&self->space, variant->way));
}

FIXTURE_TEARDOWN(samples)
{
	space_close(&self->space);
}

/*
 * None of their drivers pins, which is their own business: as for any emulated
 * device, what is mapped is whole pages.
 */
static void check_alignment(struct __test_metadata *_metadata,
			    struct _test_data_samples *self)
{
	struct iommu_iova_range ranges[8];
	uint32_t num = 8;
	uint64_t alignment = 0;
	void *mem = alloc_memory(PAGE);

	if (self->space.way != WAY_CDEV)
		return;
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, ioas_ranges(self->space.fd, self->space.ioas, ranges,
				 &num, &alignment));
	EXPECT_EQ(PAGE, alignment);
	EXPECT_EQ(-EINVAL, space_map(&self->space, mem, PAGE / 2, 0x2000000,
				     IOMMU_MAP_RW));
}

/* With some memory that the device could reach. */
static void open_sample(struct __test_metadata *_metadata,
			struct _test_data_samples *self, const char *parent,
			const char *type)
{
	struct vfio_device_info info;
	char path[64];
	void *mem = alloc_memory(PAGE);

	snprintf(path, sizeof(path), "/t/%s.ko", parent);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, module_load(path));
	ASSERT_EQ(0, mdev_create(parent, type, UUID));
	ASSERT_EQ(0, space_add_mdev(&self->space, &self->member, UUID));
	ASSERT_EQ(0, space_map(&self->space, mem, PAGE, 0x1000000,
			       IOMMU_MAP_RW));
	self->dev = self->member.dev;
	ASSERT_EQ(0, vfio_get_info(self->dev, &info));
	EXPECT_EQ(VFIO_DEVICE_FLAGS_PCI, info.flags & VFIO_DEVICE_FLAGS_PCI);
	check_alignment(_metadata, self);
}

/* Afterwards nothing holds the module. */
static void close_sample(struct __test_metadata *_metadata,
			 struct _test_data_samples *self, const char *parent)
{
	EXPECT_EQ(-EAGAIN, module_unload(parent));
	member_close(&self->member);
	EXPECT_EQ(0, mdev_remove(UUID));
	EXPECT_EQ(-ENOENT, mdev_group(UUID));
	EXPECT_EQ(0, module_unload(parent));
}

static int region_of(int dev, uint32_t index, struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	return vfio_region_info(dev, index, info);
}

/* "vendor" and "device" of the configuration space */
static uint32_t pci_id(int dev)
{
	uint32_t id = 0;

	return vfio_config_read(dev, 0, &id, sizeof(id)) ? 0 : id;
}

static int uart_write(int dev, off_t bar, int reg, uint8_t value)
{
	return pwrite(dev, &value, 1, bar + reg) == 1 ? 0 : -EIO;
}

static int uart_read(int dev, off_t bar, int reg)
{
	uint8_t value;

	return pread(dev, &value, 1, bar + reg) == 1 ? value : -EIO;
}

/* A serial port that hears what it sends, and raises an interrupt. */
TEST_F(samples, mtty)
{
	int event = eventfd(0, EFD_CLOEXEC), dev;
	struct vfio_region_info info;
	static const char text[] = "mdev";
	int i;

	ASSERT_LE(0, event);
	open_sample(_metadata, self, "mtty", "mtty-1");
	dev = self->dev;
	EXPECT_EQ(0x32534348, pci_id(dev));
	ASSERT_EQ(0, region_of(dev, VFIO_PCI_BAR0_REGION_INDEX, &info));
	ASSERT_EQ(8, info.size);
	ASSERT_EQ(0, vfio_irq_enable(dev, VFIO_PCI_INTX_IRQ_INDEX, &event, 1));

	ASSERT_EQ(0, uart_write(dev, info.offset, UART_SCR, 0x5a));
	EXPECT_EQ(0x5a, uart_read(dev, info.offset, UART_SCR));
	ASSERT_EQ(0, uart_write(dev, info.offset, UART_FCR,
				UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR));
	ASSERT_EQ(0, uart_write(dev, info.offset, UART_IER, UART_IER_RDI));
	EXPECT_EQ(0, uart_read(dev, info.offset, UART_LSR) & UART_LSR_DR);
	for (i = 0; text[i]; i++)
		ASSERT_EQ(0, uart_write(dev, info.offset, UART_TX, text[i]));
	EXPECT_LE(1, eventfd_wait(event, 60000));
	for (i = 0; text[i]; i++) {
		EXPECT_EQ(UART_LSR_DR,
			  uart_read(dev, info.offset, UART_LSR) & UART_LSR_DR);
		EXPECT_EQ(text[i], uart_read(dev, info.offset, UART_RX));
	}
	EXPECT_EQ(0, uart_read(dev, info.offset, UART_LSR) & UART_LSR_DR);

	/* It does not do that by itself. */
	EXPECT_EQ(0, vfio_irq_disable(dev, VFIO_PCI_INTX_IRQ_INDEX));
	close_sample(_metadata, self, "mtty");
}

/* A display with its picture in a region that a program maps. */
TEST_F(samples, mdpy)
{
	struct vfio_device_gfx_plane_info plane = {
		.argsz = sizeof(plane),
		.flags = VFIO_GFX_PLANE_TYPE_REGION,
	};
	static const uint32_t pixels[2] = { 0x112233, 0x445566 };
	struct vfio_region_info info;
	unsigned char *picture;
	uint32_t pixel;
	size_t size;

	open_sample(_metadata, self, "mdpy", "mdpy-vga");
	EXPECT_EQ(0x000f1b36, pci_id(self->dev));
	ASSERT_EQ(0, xioctl(self->dev, VFIO_DEVICE_QUERY_GFX_PLANE, &plane));
	EXPECT_EQ(XRGB8888, plane.drm_format);
	EXPECT_EQ(640, plane.width);
	EXPECT_EQ(480, plane.height);
	ASSERT_EQ(0, region_of(self->dev, VFIO_PCI_BAR0_REGION_INDEX, &info));
	EXPECT_LE(plane.stride * plane.height, info.size);

	picture = vfio_region_mmap(self->dev, VFIO_PCI_BAR0_REGION_INDEX,
				   &size);
	ASSERT_NE(NULL, picture);
	/* Its read() and write() know the first pixel only. */
	memcpy(picture, &pixels[0], PIXEL);
	ASSERT_EQ(PIXEL, pread(self->dev, &pixel, PIXEL, info.offset));
	EXPECT_EQ(pixels[0], pixel);
	ASSERT_EQ(PIXEL, pwrite(self->dev, &pixels[1], PIXEL, info.offset));
	EXPECT_EQ(0, memcmp(picture, &pixels[1], PIXEL));
	ASSERT_EQ(0, munmap(picture, size));
	close_sample(_metadata, self, "mdpy");
}

/* Registers of the interface that the display is programmed by */
enum {
	VBE_XRES = 1,
	VBE_YRES,
	VBE_BPP,
	VBE_ENABLE,
};

static int vbe_write(int dev, off_t bar, int reg, uint16_t value)
{
	return pwrite(dev, &value, 2, bar + 0x500 + 2 * reg) == 2 ? 0 : -EIO;
}

/* A display that gives its picture out as a dma-buf. */
TEST_F(samples, mbochs)
{
	struct vfio_device_gfx_plane_info plane = {
		.argsz = sizeof(plane),
		.flags = VFIO_GFX_PLANE_TYPE_DMABUF,
		.drm_plane_type = 1,	/* primary */
	};
	struct vfio_region_info mmio, memory;
	static unsigned char line[64], back[64];
	int buf;

	open_sample(_metadata, self, "mbochs", "mbochs-small");
	EXPECT_EQ(0x11111234, pci_id(self->dev));
	ASSERT_EQ(0, region_of(self->dev, VFIO_PCI_BAR0_REGION_INDEX,
			       &memory));
	ASSERT_EQ(0, region_of(self->dev, VFIO_PCI_BAR2_REGION_INDEX, &mmio));
	ASSERT_EQ(0, vbe_write(self->dev, mmio.offset, VBE_XRES, 64));
	ASSERT_EQ(0, vbe_write(self->dev, mmio.offset, VBE_YRES, 64));
	ASSERT_EQ(0, vbe_write(self->dev, mmio.offset, VBE_BPP, 32));
	ASSERT_EQ(0, vbe_write(self->dev, mmio.offset, VBE_ENABLE, 1));

	/* The first query of a picture makes it, and says that it failed. */
	xioctl(self->dev, VFIO_DEVICE_QUERY_GFX_PLANE, &plane);
	ASSERT_EQ(0, xioctl(self->dev, VFIO_DEVICE_QUERY_GFX_PLANE, &plane));
	EXPECT_EQ(XRGB8888, plane.drm_format);
	EXPECT_EQ(64, plane.width);
	EXPECT_EQ(64 * 64 * 4, plane.size);

	buf = ioctl(self->dev, VFIO_DEVICE_GET_GFX_DMABUF, &plane.dmabuf_id);
	ASSERT_LE(0, buf);
	EXPECT_EQ(plane.size, lseek(buf, 0, SEEK_END));

	fill(line, sizeof(line), 3);
	ASSERT_EQ(sizeof(line), pwrite(self->dev, line, sizeof(line),
				       memory.offset + PAGE));
	ASSERT_EQ(sizeof(back), pread(self->dev, back, sizeof(back),
				      memory.offset + PAGE));
	EXPECT_EQ(0, memcmp(line, back, sizeof(line)));
	ASSERT_EQ(0, close(buf));
	close_sample(_metadata, self, "mbochs");
}

TEST_HARNESS_MAIN
