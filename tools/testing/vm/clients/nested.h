/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NESTED_H
#define NESTED_H

#include <stdbool.h>
#include <stdint.h>

#define TRIES			20000000

#define MULTIBOOT_MAGIC		0x2badb002

/* What the loader tells, as far as it is of use. */
struct multiboot_info {
	uint32_t flags;
	uint32_t memory[2];
	uint32_t boot_device;
	uint32_t cmdline;
};

/* Called by start.S, once. */
void nested(uint32_t magic, const struct multiboot_info *info);

static inline uint32_t readl(uint32_t address)
{
	return __atomic_load_n((uint32_t *)address, __ATOMIC_ACQUIRE);
}

static inline void writel(uint32_t address, uint32_t value)
{
	__atomic_store_n((uint32_t *)address, value, __ATOMIC_RELEASE);
}

/* vtd.c: where devices find the memory, of which there is so much. */
#define VTD_OFFSET		0x40000000U
#define VTD_MEMORY		0x8000000U

bool vtd_start(void);

/* The 2 MiB that begin at this address. */
bool vtd_map(uint32_t page);
bool vtd_unmap(uint32_t page);

#endif
