/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small NVMe driver in user space, for reading: one admin queue, one I/O
 * queue, completions by MSI-X, one command at a time.
 *
 * The driver does not care how the device's memory was mapped: it is given a
 * stretch of memory and the IOVA where the controller sees it.
 */
#ifndef VFIO_LIB_NVME_H
#define VFIO_LIB_NVME_H

#include <stddef.h>
#include <stdint.h>

#define NVME_QUEUE_DEPTH	16
#define NVME_CONTROL_SIZE	(64 * 1024)	/* queues, PRP list, identify */
#define NVME_MAX_TRANSFER	(1024 * 1024)	/* a page of PRPs at most: 2 MiB */
#define NVME_MEM_SIZE		(NVME_CONTROL_SIZE + NVME_MAX_TRANSFER)

enum nvme_vector {
	NVME_VECTOR_ADMIN,
	NVME_VECTOR_IO,
	NVME_VECTORS,
};

struct nvme_queue {
	uint16_t id;
	uint16_t tail;		/* next submission entry */
	uint16_t head;		/* next completion entry */
	uint8_t phase;		/* what a new completion's phase bit is */
	int eventfd;
	void *sq;
	uint64_t sq_iova;
	void *cq;
	uint64_t cq_iova;
};

struct nvme {
	int dev;		/* the VFIO device file; not ours to close */
	void *regs;
	size_t regs_size;
	uint32_t doorbell_stride;	/* bytes */
	int timeout_ms;
	char *mem;
	uint64_t iova;
	struct nvme_queue admin;
	struct nvme_queue io;

	char model[41];
	char serial[21];
	char firmware[9];
	uint32_t version;	/* major << 16 | minor << 8 | tertiary */
	uint32_t nsid;
	uint64_t blocks;
	uint32_t block_size;	/* bytes */
	uint32_t max_transfer;	/* bytes in a command */
	uint64_t commands;
	uint64_t interrupts;
};

/*
 * Reset the controller, bring its queues up and identify it and its first
 * namespace.  @mem: NVME_MEM_SIZE bytes, page aligned, mapped read-write for
 * the device at @iova.  On failure a negative errno: -EIO when the controller
 * reports an error, -ETIMEDOUT when it does not answer.
 */
int nvme_open(struct nvme *nvme, int dev, void *mem, uint64_t iova);

/* Disable the controller, so that it does no more DMA. */
void nvme_close(struct nvme *nvme);

/* Read blocks, of max_transfer bytes at most, to where nvme_data() points. */
int nvme_read(struct nvme *nvme, uint64_t block, uint32_t count);
const void *nvme_data(const struct nvme *nvme);

#endif
