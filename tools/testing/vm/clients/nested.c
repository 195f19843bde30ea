// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel for a machine inside a guest, to which the guest gave edu and NVMe
 * devices.  It has each edu move data from page to page and send MSIs, and each
 * NVMe read its disk: the devices get physical addresses, and find the memory
 * only if the guest mapped it there.
 *
 * Says "ok WHAT" or "not ok WHAT" of each on the serial port and powers off.  With
 * "unplug" on its command line it first lets go of a device that is unplugged,
 * which the guest sees by "unplugged" on the serial port, and waits for another
 * one in its place, which it tries as well.  With "iommu" it has the devices use
 * the machine's VT-d.
 *
 * There is no paging, and the CPU takes no interrupts.
 */
#include "nested.h"

#define COM1			0x3f8
#define COM_STATUS		5
#define COM_STATUS_EMPTY	0x20

#define PM1_CONTROL		0x604		/* where SeaBIOS puts it */
#define PM1_SLEEP_ENABLE	0x2000		/* type 0 is power off */

#define PCI_ADDRESS		0xcf8
#define PCI_DATA		0xcfc
#define PCI_ENABLE		0x80000000
#define PCI_DEVFNS		256		/* of bus 0 */
#define PCI_ID			0x00
#define PCI_COMMAND		0x04
#define PCI_COMMAND_DMA		0x6		/* memory space, bus master */
#define PCI_BAR0		0x10
#define PCI_CAPS		0x34
#define PCI_CAP_MSI		0x05
#define PCI_MSI_ENABLE		0x10000
#define PCI_MSI_64BIT		0x800000

#define APIC			0xfee00000
#define APIC_SPURIOUS		0x0f0
#define APIC_SPURIOUS_ENABLE	0x1ff
#define APIC_REQUESTS		0x200

#define VECTORS			0x40
#define VECTORS_STEP		7
#define MSIS			3		/* of each device */

#define EDU_PCI_ID		0x11e81234
#define EDU_ID			0x00
#define EDU_ID_VALUE		0x010000ed
#define EDU_LIVENESS		0x04
#define EDU_IRQ_RAISE		0x60
#define EDU_IRQ_ACK		0x64
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_CMD		0x98
#define EDU_DMA_START		0x1
#define EDU_DMA_TO_MEMORY	0x2
#define EDU_BUFFER		0x40000
#define EDU_MAX_DMA		2048

#define NVME_PCI_ID		0x00101b36
#define NVME_CC			0x14
#define NVME_CC_ENABLE		0x460001	/* entries of 64 and 16 bytes */
#define NVME_CSTS		0x1c
#define NVME_AQA		0x24
#define NVME_ASQ		0x28
#define NVME_ACQ		0x30
#define NVME_DOORBELLS		0x1000
#define NVME_CREATE_SQ		0x01
#define NVME_CREATE_CQ		0x05
#define NVME_READ		0x02
#define NVME_ENTRIES		4
#define NVME_BLOCK		512
#define NVME_MEMORY		0x800000U
#define NVME_PAGES		7

/* How a machine of type pc asks to plug and unplug. */
#define HOTPLUG_UP		0xae00
#define HOTPLUG_DOWN		0xae04
#define HOTPLUG_EJECT		0xae08

#define MEMORY			0x1000000U	/* free from here on */
#define COPIES			16
#define STEP			0x400000U	/* between two copies' pages */

static void io_write8(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void io_write16(uint16_t port, uint16_t value)
{
	asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static void io_write32(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t io_read8(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint32_t io_read32(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void print(const char *text)
{
	for (; *text; text++) {
		while (!(io_read8(COM1 + COM_STATUS) & COM_STATUS_EMPTY))
			;
		io_write8(COM1, *text);
	}
}

static bool report(const char *what, bool ok)
{
	print(ok ? "ok " : "not ok ");
	print(what);
	print("\n");
	return ok;
}

static uint32_t config_read(uint32_t devfn, uint32_t reg)
{
	io_write32(PCI_ADDRESS, PCI_ENABLE | devfn << 8 | reg);
	return io_read32(PCI_DATA);
}

static void config_write(uint32_t devfn, uint32_t reg, uint32_t value)
{
	io_write32(PCI_ADDRESS, PCI_ENABLE | devfn << 8 | reg);
	io_write32(PCI_DATA, value);
}

static bool check_device(uint32_t edu)
{
	if (readl(edu + EDU_ID) != EDU_ID_VALUE)
		return false;
	writel(edu + EDU_LIVENESS, 0x12345678);
	return readl(edu + EDU_LIVENESS) == ~0x12345678U;
}

/* What is to be added to an address of memory for a device. */
static uint32_t offset;

static bool transfer(uint32_t edu, uint32_t from, uint32_t to, uint32_t command)
{
	int i;

	writel(edu + EDU_DMA_SRC, from);
	writel(edu + EDU_DMA_DST, to);
	writel(edu + EDU_DMA_COUNT, EDU_MAX_DMA);
	writel(edu + EDU_DMA_CMD, command | EDU_DMA_START);
	for (i = 0; i < TRIES; i++) {
		if (!(readl(edu + EDU_DMA_CMD) & EDU_DMA_START))
			return true;
	}
	return false;
}

static bool copy(uint32_t edu, uint32_t from, uint32_t to)
{
	uint32_t i, word = from;

	for (i = 0; i < EDU_MAX_DMA; i += 4) {
		word = word * 1664525 + 1013904223;
		writel(from + i, word);
		writel(to + i, 0);
	}
	if (!transfer(edu, from + offset, EDU_BUFFER, 0) ||
	    !transfer(edu, EDU_BUFFER, to + offset, EDU_DMA_TO_MEMORY))
		return false;
	for (i = 0; i < EDU_MAX_DMA; i += 4) {
		if (readl(to + i) != readl(from + i))
			return false;
	}
	return true;
}

/* Between pages all over the memory. */
static bool check_dma(uint32_t edu)
{
	uint32_t i, page;

	for (i = 0; i < COPIES; i++) {
		page = MEMORY + i * STEP;
		if (!copy(edu, page, page + STEP / 2))
			return false;
	}
	return true;
}

static bool untouched(uint32_t edu, uint32_t page)
{
	uint32_t i;

	for (i = 0; i < EDU_MAX_DMA; i += 4)
		writel(page + i, i);
	if (!transfer(edu, EDU_BUFFER, page + offset, EDU_DMA_TO_MEMORY))
		return false;
	for (i = 0; i < EDU_MAX_DMA; i += 4) {
		if (readl(page + i) != i)
			return false;
	}
	return true;
}

/* Of memory that was taken from the VT-d's table and put there again. */
static bool check_unmap(uint32_t edu)
{
	uint32_t page = MEMORY + STEP / 2;

	return copy(edu, MEMORY, page) &&
	       vtd_unmap(page) && untouched(edu, page) &&
	       vtd_map(page) && copy(edu, MEMORY, page);
}

static uint32_t find_msi(uint32_t devfn)
{
	uint32_t cap = config_read(devfn, PCI_CAPS) & 0xff;

	while (cap && (config_read(devfn, cap) & 0xff) != PCI_CAP_MSI)
		cap = config_read(devfn, cap) >> 8 & 0xff;
	return cap;
}

static void set_msi(uint32_t devfn, uint32_t cap, uint32_t vector)
{
	uint32_t control = config_read(devfn, cap);
	uint32_t data = control & PCI_MSI_64BIT ? cap + 12 : cap + 8;

	config_write(devfn, cap + 4, APIC);
	if (control & PCI_MSI_64BIT)
		config_write(devfn, cap + 8, 0);
	config_write(devfn, data, vector);
	config_write(devfn, cap, control | PCI_MSI_ENABLE);
}

/*
 * The CPU takes no interrupts, so one that came stays a request: each vector is
 * used once.
 */
static uint32_t next_vector = VECTORS;

static bool requested(uint32_t vector)
{
	return readl(APIC + APIC_REQUESTS + vector / 32 * 16) >> vector % 32 & 1;
}

static bool check_msi(uint32_t edu, uint32_t devfn)
{
	uint32_t cap = find_msi(devfn), n, vector;
	int i;

	if (!cap)
		return false;
	writel(APIC + APIC_SPURIOUS, APIC_SPURIOUS_ENABLE);
	for (n = 0; n < MSIS; n++) {
		vector = next_vector;
		next_vector += VECTORS_STEP;
		set_msi(devfn, cap, vector);
		if (requested(vector))
			return false;
		writel(edu + EDU_IRQ_RAISE, 1);
		for (i = 0; i < TRIES && !requested(vector); i++)
			;
		writel(edu + EDU_IRQ_ACK, 1);
		if (i == TRIES)
			return false;
	}
	return true;
}

/*
 * An NVMe has its queues and data in pages of their own.  There is one command at
 * a time, and no interrupt: its end is seen in memory.
 */
#define NVME_PAGE(n)		(NVME_MEMORY + (n) * 4096U)

static uint16_t nvme_tail[2], nvme_phase[2];

static bool nvme_wait_ready(uint32_t bar, uint32_t ready)
{
	int i;

	for (i = 0; i < TRIES; i++) {
		if ((readl(bar + NVME_CSTS) & 1) == ready)
			return true;
	}
	return false;
}

/* Queue 0 is in pages 0 and 1, queue 1 in pages 2 and 3. */
static bool nvme_command(uint32_t bar, uint32_t queue, uint32_t opcode,
			 uint32_t nsid, uint32_t page, uint32_t dw10,
			 uint32_t dw11)
{
	uint32_t index = nvme_tail[queue] % NVME_ENTRIES;
	uint32_t entry = NVME_PAGE(queue * 2) + index * 64;
	uint32_t end = NVME_PAGE(queue * 2 + 1) + index * 16 + 12;
	uint32_t doorbell = bar + NVME_DOORBELLS + queue * 8;
	uint32_t next = (index + 1) % NVME_ENTRIES;
	int i;

	for (i = 0; i < 64; i += 4)
		writel(entry + i, 0);
	writel(entry, opcode | (uint32_t)nvme_tail[queue] << 16);
	writel(entry + 4, nsid);
	writel(entry + 24, page);
	writel(entry + 40, dw10);
	writel(entry + 44, dw11);
	writel(doorbell, next);
	for (i = 0; i < TRIES; i++) {
		if ((readl(end) >> 16 & 1) != nvme_phase[queue])
			break;
	}
	if (i == TRIES)
		return false;
	nvme_tail[queue]++;
	if (!next)
		nvme_phase[queue] ^= 1;
	writel(doorbell + 4, next);
	return readl(end) >> 17 == 0;
}

/* Resets it, and makes its queues. */
static bool nvme_start(uint32_t bar)
{
	uint32_t i;

	for (i = 0; i < NVME_PAGES * 4096; i += 4)
		writel(NVME_MEMORY + i, 0);
	for (i = 0; i < 2; i++) {
		nvme_tail[i] = 0;
		nvme_phase[i] = 0;
	}
	writel(bar + NVME_CC, 0);
	if (!nvme_wait_ready(bar, 0))
		return false;
	writel(bar + NVME_AQA, (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1));
	writel(bar + NVME_ASQ, NVME_PAGE(0));
	writel(bar + NVME_ASQ + 4, 0);
	writel(bar + NVME_ACQ, NVME_PAGE(1));
	writel(bar + NVME_ACQ + 4, 0);
	writel(bar + NVME_CC, NVME_CC_ENABLE);
	return nvme_wait_ready(bar, 1) &&
	       nvme_command(bar, 0, NVME_CREATE_CQ, 0, NVME_PAGE(3),
			    (NVME_ENTRIES - 1) << 16 | 1, 1) &&
	       nvme_command(bar, 0, NVME_CREATE_SQ, 0, NVME_PAGE(2),
			    (NVME_ENTRIES - 1) << 16 | 1, 1 << 16 | 1);
}

/* The disk holds bytes that look random: two places never hold the same. */
static bool nvme_read(uint32_t bar)
{
	uint32_t i, same = 0;

	if (!nvme_command(bar, 1, NVME_READ, 1, NVME_PAGE(4), 0, 0) ||
	    !nvme_command(bar, 1, NVME_READ, 1, NVME_PAGE(5), 0, 0) ||
	    !nvme_command(bar, 1, NVME_READ, 1, NVME_PAGE(6), 8, 0))
		return false;
	for (i = 0; i < NVME_BLOCK; i += 4) {
		if (readl(NVME_PAGE(4) + i) != readl(NVME_PAGE(5) + i))
			return false;
		same += readl(NVME_PAGE(4) + i) == readl(NVME_PAGE(6) + i);
	}
	return same < 4;
}

static bool find_word(uint32_t text, const char *word)
{
	const char *at = (const char *)text;
	int i;

	for (; *at; at++) {
		for (i = 0; word[i] && at[i] == word[i]; i++)
			;
		if (!word[i])
			return true;
	}
	return false;
}

/* Its memory, which then answers. */
static uint32_t enable(uint32_t devfn)
{
	config_write(devfn, PCI_COMMAND, PCI_COMMAND_DMA);
	return config_read(devfn, PCI_BAR0) & ~0xfU;
}

static void try_edu(uint32_t devfn)
{
	uint32_t edu = enable(devfn);

	if (report("device", edu && check_device(edu))) {
		report("dma", check_dma(edu));
		if (offset)
			report("unmap", check_unmap(edu));
		report("msi", check_msi(edu, devfn));
	}
}

static void try_nvme(uint32_t devfn)
{
	uint32_t bar = enable(devfn);

	if (report("nvme", bar && nvme_start(bar)))
		report("nvme read", nvme_read(bar));
}

static void try_devices(void)
{
	uint32_t devfn;

	for (devfn = 0; devfn < PCI_DEVFNS; devfn++) {
		switch (config_read(devfn, PCI_ID)) {
		case EDU_PCI_ID:
			try_edu(devfn);
			break;
		case NVME_PCI_ID:
			try_nvme(devfn);
			break;
		}
	}
}

/* Slots, a bit each, that something was plugged into or is to leave. */
static uint32_t wait_slots(uint16_t port)
{
	uint32_t slots;

	do
		slots = io_read32(port);
	while (!slots);
	return slots;
}

static void wait_for_another(void)
{
	uint32_t slots = wait_slots(HOTPLUG_DOWN);
	uint32_t devfn = (31 - __builtin_clz(slots)) << 3;
	uint32_t bar = config_read(devfn, PCI_BAR0);

	io_write32(HOTPLUG_EJECT, slots);
	print("unplugged\n");
	wait_slots(HOTPLUG_UP);
	config_write(devfn, PCI_BAR0, bar);
}

void nested(uint32_t magic, const struct multiboot_info *info)
{
	if (magic == MULTIBOOT_MAGIC && find_word(info->cmdline, "iommu") &&
	    report("iommu", vtd_start()))
		offset = VTD_OFFSET;
	try_devices();
	if (magic == MULTIBOOT_MAGIC && find_word(info->cmdline, "unplug")) {
		wait_for_another();
		try_devices();
	}
	io_write16(PM1_CONTROL, PM1_SLEEP_ENABLE);
}
