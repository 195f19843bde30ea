// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel for a machine inside a guest, to which the guest gave an edu device.
 * It has the device move data from page to page and send MSIs: the device gets
 * physical addresses, and finds the memory only if the guest mapped it there.
 *
 * Says "ok WHAT" or "not ok WHAT" of each on the serial port and powers off.
 * There is no paging, and the CPU takes no interrupts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nested.h"

#define COM1			0x3f8
#define COM_STATUS		5
#define COM_STATUS_EMPTY	0x20

#define PM1_CONTROL		0x604		/* where SeaBIOS puts it */
#define PM1_SLEEP_ENABLE	0x2000		/* type 0 is power off */

#define PCI_ADDRESS		0xcf8
#define PCI_DATA		0xcfc
#define PCI_ENABLE		0x80000000
#define PCI_DEVFNS		(256 * 256)	/* of all buses */
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

#define MEMORY			0x1000000U	/* free from here on */
#define COPIES			16
#define STEP			0x400000U	/* between two copies' pages */

#define TRIES			20000000

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

static uint32_t readl(uint32_t address)
{
	return __atomic_load_n((uint32_t *)address, __ATOMIC_ACQUIRE);
}

static void writel(uint32_t address, uint32_t value)
{
	__atomic_store_n((uint32_t *)address, value, __ATOMIC_RELEASE);
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

/* Its bus, device and function; PCI_DEVFNS if there is none. */
static uint32_t find_edu(void)
{
	uint32_t devfn;

	for (devfn = 0; devfn < PCI_DEVFNS; devfn++) {
		if (config_read(devfn, PCI_ID) == EDU_PCI_ID)
			break;
	}
	return devfn;
}

static bool check_device(uint32_t edu)
{
	if (readl(edu + EDU_ID) != EDU_ID_VALUE)
		return false;
	writel(edu + EDU_LIVENESS, 0x12345678);
	return readl(edu + EDU_LIVENESS) == ~0x12345678U;
}

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
	if (!transfer(edu, from, EDU_BUFFER, 0) ||
	    !transfer(edu, EDU_BUFFER, to, EDU_DMA_TO_MEMORY))
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

/* The CPU takes no interrupts, so one that came stays a request. */
static bool requested(uint32_t vector)
{
	return readl(APIC + APIC_REQUESTS + vector / 32 * 16) >> vector % 32 & 1;
}

static bool check_msi(uint32_t edu, uint32_t devfn)
{
	uint32_t cap = find_msi(devfn), vector;
	int i;

	if (!cap)
		return false;
	writel(APIC + APIC_SPURIOUS, APIC_SPURIOUS_ENABLE);
	for (vector = 0x40; vector < 0x80; vector += 0x11) {
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

void nested(void)
{
	uint32_t devfn = find_edu(), edu = 0;

	if (devfn < PCI_DEVFNS) {
		config_write(devfn, PCI_COMMAND, PCI_COMMAND_DMA);
		edu = config_read(devfn, PCI_BAR0) & ~0xfU;
	}
	if (report("device", edu && check_device(edu))) {
		report("dma", check_dma(edu));
		report("msi", check_msi(edu, devfn));
	}
	io_write16(PM1_CONTROL, PM1_SLEEP_ENABLE);
}
