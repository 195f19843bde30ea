/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers in a mapped BAR, little endian as this machine is. */
#ifndef VFIO_LIB_MMIO_H
#define VFIO_LIB_MMIO_H

#include <stdint.h>

static inline uint32_t mmio_readl(const void *regs, uint32_t reg)
{
	const uint32_t *addr = (const void *)((const char *)regs + reg);

	return __atomic_load_n(addr, __ATOMIC_ACQUIRE);
}

static inline uint64_t mmio_readq(const void *regs, uint32_t reg)
{
	const uint64_t *addr = (const void *)((const char *)regs + reg);

	return __atomic_load_n(addr, __ATOMIC_ACQUIRE);
}

/* What was written to memory before is there when the device sees this. */
static inline void mmio_writel(void *regs, uint32_t reg, uint32_t value)
{
	uint32_t *addr = (void *)((char *)regs + reg);

	__atomic_store_n(addr, value, __ATOMIC_RELEASE);
}

static inline void mmio_writeq(void *regs, uint32_t reg, uint64_t value)
{
	uint64_t *addr = (void *)((char *)regs + reg);

	__atomic_store_n(addr, value, __ATOMIC_RELEASE);
}

#endif
