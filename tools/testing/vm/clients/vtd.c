// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VT-d of a nested machine: all devices of bus 0 find the memory by one table,
 * at addresses that are VTD_OFFSET higher than its own, in pages of 2 MiB.
 */
#include "nested.h"

#define VTD			0xfed90000U
#define VTD_VERSION		0x00
#define VTD_COMMAND		0x18
#define VTD_STATUS		0x1c
#define VTD_ROOT		0x20
#define VTD_CONTEXTS		0x28	/* what is cached of them; and of pages: */
#define VTD_PAGES		0xf8
#define VTD_TRANSLATE		0x80000000
#define VTD_SET_ROOT		0x40000000

/* In the upper halves of the registers: all that is cached is to be forgotten. */
#define VTD_INVALIDATE		0x80000000
#define VTD_ALL_CONTEXTS	0x20000000
#define VTD_ALL_PAGES		0x10000000

#define PRESENT			0x1
#define READ_WRITE		0x3
#define LARGE			0x80	/* 2 MiB */
#define LARGE_SHIFT		21
#define THREE_LEVELS		0x1
#define DOMAIN			0x100

/* The tables, a page each: of buses, of devices, of 1 GiB and of 2 MiB. */
#define TABLE(n)		(0x900000U + (n) * 4096U)
#define TABLES			4

static bool wait_bits(uint32_t reg, uint32_t bits, uint32_t value)
{
	int i;

	for (i = 0; i < TRIES; i++) {
		if ((readl(VTD + reg) & bits) == value)
			return true;
	}
	return false;
}

static bool invalidate(uint32_t reg, uint32_t what)
{
	writel(VTD + reg, 0);
	writel(VTD + reg + 4, VTD_INVALIDATE | what);
	return wait_bits(reg + 4, VTD_INVALIDATE, 0);
}

static bool set(uint32_t page, uint32_t flags)
{
	uint32_t index = page >> LARGE_SHIFT;

	writel(TABLE(3) + index * 8, flags ? index << LARGE_SHIFT | flags : 0);
	return invalidate(VTD_PAGES, VTD_ALL_PAGES);
}

bool vtd_map(uint32_t page)
{
	return set(page, LARGE | READ_WRITE);
}

bool vtd_unmap(uint32_t page)
{
	return set(page, 0);
}

static void make_tables(void)
{
	uint32_t i;

	for (i = 0; i < TABLES * 4096; i += 4)
		writel(TABLE(0) + i, 0);
	writel(TABLE(0), TABLE(1) | PRESENT);
	for (i = 0; i < 4096; i += 16) {
		writel(TABLE(1) + i, TABLE(2) | PRESENT);
		writel(TABLE(1) + i + 8, DOMAIN | THREE_LEVELS);
	}
	writel(TABLE(2) + (VTD_OFFSET >> 30) * 8, TABLE(3) | READ_WRITE);
	/* The first 2 MiB are more than one kind of memory, which QEMU cannot map. */
	for (i = 1; i < VTD_MEMORY >> LARGE_SHIFT; i++)
		writel(TABLE(3) + i * 8, i << LARGE_SHIFT | LARGE | READ_WRITE);
}

/* Fails when the machine has none. */
bool vtd_start(void)
{
	if (readl(VTD + VTD_VERSION) != 0x10)
		return false;
	make_tables();
	writel(VTD + VTD_ROOT, TABLE(0));
	writel(VTD + VTD_ROOT + 4, 0);
	writel(VTD + VTD_COMMAND, VTD_SET_ROOT);
	if (!wait_bits(VTD_STATUS, VTD_SET_ROOT, VTD_SET_ROOT) ||
	    !invalidate(VTD_CONTEXTS, VTD_ALL_CONTEXTS) ||
	    !invalidate(VTD_PAGES, VTD_ALL_PAGES))
		return false;
	writel(VTD + VTD_COMMAND, VTD_TRANSLATE);
	return wait_bits(VTD_STATUS, VTD_TRANSLATE, VTD_TRANSLATE);
}
