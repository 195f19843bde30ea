/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's "edu" device: a page of memory on the device and a DMA engine that
 * moves bytes between it and the machine, at any IOVA if its dma_mask is all
 * ones, as in tools/testing/vm/devices.sh.
 *
 * A transfer takes the device 100 ms.  What goes past the end of the device's
 * page ends the whole QEMU, so the functions here refuse it.
 */
#ifndef VFIO_LIB_EDU_H
#define VFIO_LIB_EDU_H

#include <stddef.h>
#include <stdint.h>

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define EDU_MAX_DMA	2048		/* bytes in a transfer */

struct edu {
	int dev;		/* the VFIO device file; not ours to close */
	void *regs;
	size_t regs_size;
};

/* @dev must be bound, so that its regions may be used. */
int edu_open(struct edu *edu, int dev);
void edu_close(struct edu *edu);

/* Does the device answer, and compute? -EIO when not. */
int edu_check(struct edu *edu);

/*
 * Move @len bytes from IOVA to @offset of the device's page, or back.
 * -EINVAL: more than the device can do; -ETIMEDOUT: the engine is stuck.  The
 * device does not notice a fault: the bytes just do not arrive.
 */
int edu_read_memory(struct edu *edu, uint64_t iova, uint32_t offset,
		    uint32_t len);
int edu_write_memory(struct edu *edu, uint32_t offset, uint64_t iova,
		     uint32_t len);

/* As edu_write_memory(), and raise an interrupt with bit 8 at the end. */
int edu_write_memory_irq(struct edu *edu, uint32_t offset, uint64_t iova,
			 uint32_t len);

/* Through the device: @len bytes at IOVA @from appear at IOVA @to. */
int edu_copy(struct edu *edu, uint64_t from, uint64_t to, uint32_t len);

/*
 * Write a word of the device's page to an IOVA that must be blocked, until the
 * kernel's log (klog_open()) tells of the fault: 0 and the line's text, or
 * -ETIMEDOUT.  @bdf: the device's address.
 */
int edu_wait_fault(struct edu *edu, uint64_t iova, int klog, const char *bdf,
		   char *line, size_t len);

void edu_irq_raise(struct edu *edu, uint32_t bits);
uint32_t edu_irq_status(struct edu *edu);
void edu_irq_ack(struct edu *edu, uint32_t bits);

#define EDU_IRQ_DMA	0x100		/* the bit of a finished transfer */

#endif
