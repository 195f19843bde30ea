// SPDX-License-Identifier: GPL-2.0-only
/* QEMU's "edu" device. */
#include <errno.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <time.h>

#include "edu.h"
#include "klog.h"
#include "mmio.h"
#include "vfio.h"

#define EDU_REG_ID		0x00
#define EDU_REG_LIVENESS	0x04
#define EDU_REG_FACTORIAL	0x08
#define EDU_REG_STATUS		0x20
#define EDU_REG_IRQ_STATUS	0x24
#define EDU_REG_IRQ_RAISE	0x60
#define EDU_REG_IRQ_ACK		0x64
#define EDU_REG_DMA_SRC		0x80
#define EDU_REG_DMA_DST		0x88
#define EDU_REG_DMA_COUNT	0x90
#define EDU_REG_DMA_CMD		0x98

#define EDU_ID			0x010000ed
#define EDU_STATUS_COMPUTING	0x01
#define EDU_DMA_START		0x1
#define EDU_DMA_TO_MEMORY	0x2
#define EDU_DMA_IRQ		0x4
#define EDU_PAGE		0x40000
#define EDU_PAGE_SIZE		4096

#define EDU_TIMEOUT_MS		60000
#define EDU_FAULT_TRIES		120	/* 12 s: two of VT-d's log intervals */

/* Wait until the bits of a register are clear. */
static int edu_wait_clear(struct edu *edu, uint32_t reg, uint32_t bits)
{
	struct timespec tick = { .tv_nsec = 1000000 };
	int ms;

	for (ms = 0; ms < EDU_TIMEOUT_MS; ms++) {
		if (!(mmio_readl(edu->regs, reg) & bits))
			return 0;
		nanosleep(&tick, NULL);
	}
	return -ETIMEDOUT;
}

int edu_open(struct edu *edu, int dev)
{
	int rc;

	rc = vfio_enable_dma(dev);
	if (rc)
		return rc;
	edu->dev = dev;
	edu->regs = vfio_region_mmap(dev, VFIO_PCI_BAR0_REGION_INDEX,
				     &edu->regs_size);
	if (!edu->regs)
		return -errno;
	if (mmio_readl(edu->regs, EDU_REG_ID) != EDU_ID) {
		edu_close(edu);
		return -ENODEV;
	}
	return 0;
}

void edu_close(struct edu *edu)
{
	munmap(edu->regs, edu->regs_size);
}

int edu_check(struct edu *edu)
{
	const uint32_t word = 0x12345678;
	int rc;

	mmio_writel(edu->regs, EDU_REG_LIVENESS, word);
	if (mmio_readl(edu->regs, EDU_REG_LIVENESS) != ~word)
		return -EIO;
	mmio_writel(edu->regs, EDU_REG_FACTORIAL, 5);
	rc = edu_wait_clear(edu, EDU_REG_STATUS, EDU_STATUS_COMPUTING);
	if (rc)
		return rc;
	return mmio_readl(edu->regs, EDU_REG_FACTORIAL) == 120 ? 0 : -EIO;
}

static int edu_dma(struct edu *edu, uint64_t src, uint64_t dst, uint32_t len,
		   uint32_t command)
{
	mmio_writeq(edu->regs, EDU_REG_DMA_SRC, src);
	mmio_writeq(edu->regs, EDU_REG_DMA_DST, dst);
	mmio_writeq(edu->regs, EDU_REG_DMA_COUNT, len);
	mmio_writeq(edu->regs, EDU_REG_DMA_CMD, command | EDU_DMA_START);
	return edu_wait_clear(edu, EDU_REG_DMA_CMD, EDU_DMA_START);
}

static int edu_check_transfer(uint64_t iova, uint32_t offset, uint32_t len)
{
	if (!len || len > EDU_MAX_DMA || offset >= EDU_PAGE_SIZE ||
	    offset + len >= EDU_PAGE_SIZE || iova + len - 1 < iova)
		return -EINVAL;
	return 0;
}

int edu_read_memory(struct edu *edu, uint64_t iova, uint32_t offset,
		    uint32_t len)
{
	int rc = edu_check_transfer(iova, offset, len);

	return rc ? rc : edu_dma(edu, iova, EDU_PAGE + offset, len, 0);
}

int edu_write_memory(struct edu *edu, uint32_t offset, uint64_t iova,
		     uint32_t len)
{
	int rc = edu_check_transfer(iova, offset, len);

	return rc ? rc : edu_dma(edu, EDU_PAGE + offset, iova, len,
				 EDU_DMA_TO_MEMORY);
}

int edu_write_memory_irq(struct edu *edu, uint32_t offset, uint64_t iova,
			 uint32_t len)
{
	int rc = edu_check_transfer(iova, offset, len);

	return rc ? rc : edu_dma(edu, EDU_PAGE + offset, iova, len,
				 EDU_DMA_TO_MEMORY | EDU_DMA_IRQ);
}

int edu_copy(struct edu *edu, uint64_t from, uint64_t to, uint32_t len)
{
	int rc = edu_read_memory(edu, from, 0, len);

	return rc ? rc : edu_write_memory(edu, 0, to, len);
}

int edu_wait_fault(struct edu *edu, uint64_t iova, int klog, const char *bdf,
		   char *line, size_t len)
{
	int i, rc;

	for (i = 0; i < EDU_FAULT_TRIES; i++) {
		rc = edu_write_memory(edu, 0, iova, sizeof(uint32_t));
		if (rc)
			return rc;
		rc = klog_find_fault(klog, bdf, iova, line, len);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	return -ETIMEDOUT;
}

void edu_irq_raise(struct edu *edu, uint32_t bits)
{
	mmio_writel(edu->regs, EDU_REG_IRQ_RAISE, bits);
}

uint32_t edu_irq_status(struct edu *edu)
{
	return mmio_readl(edu->regs, EDU_REG_IRQ_STATUS);
}

void edu_irq_ack(struct edu *edu, uint32_t bits)
{
	mmio_writel(edu->regs, EDU_REG_IRQ_ACK, bits);
}
