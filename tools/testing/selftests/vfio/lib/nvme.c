// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small NVMe driver in user space.  Register and command layouts are those
 * of the NVM Express base specification, little endian as on this machine.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "mmio.h"
#include "nvme.h"
#include "vfio.h"

#define NVME_PAGE		4096

/* Registers */
#define NVME_REG_CAP		0x00
#define NVME_REG_VS		0x08
#define NVME_REG_CC		0x14
#define NVME_REG_CSTS		0x1c
#define NVME_REG_AQA		0x24
#define NVME_REG_ASQ		0x28
#define NVME_REG_ACQ		0x30
#define NVME_REG_DOORBELL	0x1000

#define NVME_CAP_TIMEOUT(cap)	(((cap) >> 24) & 0xff)	/* 500 ms units */
#define NVME_CAP_STRIDE(cap)	(((cap) >> 32) & 0xf)
#define NVME_CAP_MPSMIN(cap)	(((cap) >> 48) & 0xf)
#define NVME_CC_ENABLE		0x1
#define NVME_CC_IOSQES_64	(6 << 16)
#define NVME_CC_IOCQES_16	(4 << 20)
#define NVME_CSTS_READY		0x1
#define NVME_CSTS_FATAL		0x2

/* Commands */
#define NVME_ADMIN_CREATE_SQ	0x01
#define NVME_ADMIN_CREATE_CQ	0x05
#define NVME_ADMIN_IDENTIFY	0x06
#define NVME_ADMIN_SET_FEATURES	0x09
#define NVME_IO_READ		0x02
#define NVME_IDENTIFY_NS	0x00
#define NVME_IDENTIFY_CTRL	0x01
#define NVME_FEATURE_QUEUES	0x07
#define NVME_QUEUE_CONTIGUOUS	0x1
#define NVME_CQ_INTERRUPTS	0x2

/* Where things are in the control part of the memory, a page each. */
enum nvme_page {
	NVME_PAGE_ADMIN_SQ,
	NVME_PAGE_ADMIN_CQ,
	NVME_PAGE_IO_SQ,
	NVME_PAGE_IO_CQ,
	NVME_PAGE_IDENTIFY,
	NVME_PAGE_PRP_LIST,
};

struct nvme_command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t id;
	uint32_t nsid;
	uint64_t reserved;
	uint64_t metadata;
	uint64_t prp1;
	uint64_t prp2;
	uint32_t dw10;
	uint32_t dw11;
	uint32_t dw12;
	uint32_t dw13;
	uint32_t dw14;
	uint32_t dw15;
};

struct nvme_completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t id;
	uint16_t status;	/* bit 0: phase */
};

static void *nvme_page_va(struct nvme *nvme, enum nvme_page page)
{
	return nvme->mem + page * NVME_PAGE;
}

static uint64_t nvme_page_iova(struct nvme *nvme, enum nvme_page page)
{
	return nvme->iova + page * NVME_PAGE;
}

const void *nvme_data(const struct nvme *nvme)
{
	return nvme->mem + NVME_CONTROL_SIZE;
}

static int nvme_wait_ready(struct nvme *nvme, uint32_t ready)
{
	struct timespec tick = { .tv_nsec = 1000000 };
	uint32_t csts;
	int ms;

	for (ms = 0; ms < nvme->timeout_ms; ms++) {
		csts = mmio_readl(nvme->regs, NVME_REG_CSTS);
		if (csts & NVME_CSTS_FATAL)
			return -EIO;
		if ((csts & NVME_CSTS_READY) == ready)
			return 0;
		nanosleep(&tick, NULL);
	}
	return -ETIMEDOUT;
}

static int nvme_disable(struct nvme *nvme)
{
	mmio_writel(nvme->regs, NVME_REG_CC, 0);
	return nvme_wait_ready(nvme, 0);
}

static int nvme_enable(struct nvme *nvme)
{
	uint32_t last = NVME_QUEUE_DEPTH - 1;

	mmio_writel(nvme->regs, NVME_REG_AQA, last << 16 | last);
	mmio_writeq(nvme->regs, NVME_REG_ASQ, nvme->admin.sq_iova);
	mmio_writeq(nvme->regs, NVME_REG_ACQ, nvme->admin.cq_iova);
	mmio_writel(nvme->regs, NVME_REG_CC,
		    NVME_CC_ENABLE | NVME_CC_IOSQES_64 | NVME_CC_IOCQES_16);
	return nvme_wait_ready(nvme, NVME_CSTS_READY);
}

static void nvme_ring(struct nvme *nvme, const struct nvme_queue *queue,
		      bool completion, uint16_t value)
{
	uint32_t index = 2 * queue->id + completion;

	mmio_writel(nvme->regs,
		    NVME_REG_DOORBELL + index * nvme->doorbell_stride, value);
}

static void nvme_submit(struct nvme *nvme, struct nvme_queue *queue,
			struct nvme_command *command)
{
	command->id = queue->tail;
	memcpy((struct nvme_command *)queue->sq + queue->tail, command,
	       sizeof(*command));
	queue->tail = (queue->tail + 1) % NVME_QUEUE_DEPTH;
	nvme->commands++;
	nvme_ring(nvme, queue, false, queue->tail);
}

/* Take the completion that the controller has written, if it has. */
static bool nvme_take(struct nvme *nvme, struct nvme_queue *queue,
		      uint16_t *status)
{
	struct nvme_completion *entry = queue->cq;
	uint16_t word;

	entry += queue->head;
	word = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);
	if ((word & 1) != queue->phase)
		return false;
	*status = word >> 1;
	queue->head = (queue->head + 1) % NVME_QUEUE_DEPTH;
	if (!queue->head)
		queue->phase ^= 1;
	nvme_ring(nvme, queue, true, queue->head);
	return true;
}

/* Only the interrupt makes us look: one that is lost is an error. */
static int nvme_run(struct nvme *nvme, struct nvme_queue *queue,
		    struct nvme_command *command)
{
	uint16_t status;
	int64_t count;

	nvme_submit(nvme, queue, command);
	do {
		count = eventfd_wait(queue->eventfd, nvme->timeout_ms);
		if (count < 0)
			return count;
		nvme->interrupts += count;
	} while (!nvme_take(nvme, queue, &status));
	return status ? -EIO : 0;
}

static int nvme_create_io_queue(struct nvme *nvme)
{
	uint32_t size_id = (NVME_QUEUE_DEPTH - 1) << 16 | nvme->io.id;
	struct nvme_command one_pair = {
		.opcode = NVME_ADMIN_SET_FEATURES,
		.dw10 = NVME_FEATURE_QUEUES,
	};
	struct nvme_command create_cq = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp1 = nvme->io.cq_iova,
		.dw10 = size_id,
		.dw11 = NVME_VECTOR_IO << 16 | NVME_CQ_INTERRUPTS |
			NVME_QUEUE_CONTIGUOUS,
	};
	struct nvme_command create_sq = {
		.opcode = NVME_ADMIN_CREATE_SQ,
		.prp1 = nvme->io.sq_iova,
		.dw10 = size_id,
		.dw11 = nvme->io.id << 16 | NVME_QUEUE_CONTIGUOUS,
	};
	int rc;

	rc = nvme_run(nvme, &nvme->admin, &one_pair);
	if (!rc)
		rc = nvme_run(nvme, &nvme->admin, &create_cq);
	if (!rc)
		rc = nvme_run(nvme, &nvme->admin, &create_sq);
	return rc;
}

static int nvme_identify(struct nvme *nvme, uint32_t what, uint32_t nsid)
{
	struct nvme_command command = {
		.opcode = NVME_ADMIN_IDENTIFY,
		.nsid = nsid,
		.prp1 = nvme_page_iova(nvme, NVME_PAGE_IDENTIFY),
		.dw10 = what,
	};

	return nvme_run(nvme, &nvme->admin, &command);
}

/* Text fields are padded with spaces. */
static void nvme_text(char *text, const uint8_t *field, size_t len)
{
	memcpy(text, field, len);
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
}

static int nvme_identify_controller(struct nvme *nvme)
{
	const uint8_t *data = nvme_page_va(nvme, NVME_PAGE_IDENTIFY);
	uint8_t mdts;
	int rc;

	rc = nvme_identify(nvme, NVME_IDENTIFY_CTRL, 0);
	if (rc)
		return rc;
	nvme_text(nvme->serial, data + 4, 20);
	nvme_text(nvme->model, data + 24, 40);
	nvme_text(nvme->firmware, data + 64, 8);
	mdts = data[77];	/* a power of two of pages; 0: no limit */
	nvme->max_transfer = NVME_MAX_TRANSFER;
	if (mdts && mdts < 8 && NVME_PAGE << mdts < NVME_MAX_TRANSFER)
		nvme->max_transfer = NVME_PAGE << mdts;
	return 0;
}

static int nvme_identify_namespace(struct nvme *nvme)
{
	const uint8_t *data = nvme_page_va(nvme, NVME_PAGE_IDENTIFY);
	uint32_t format;
	int rc;

	nvme->nsid = 1;
	rc = nvme_identify(nvme, NVME_IDENTIFY_NS, nvme->nsid);
	if (rc)
		return rc;
	memcpy(&nvme->blocks, data, sizeof(nvme->blocks));
	memcpy(&format, data + 128 + 4 * (data[26] & 0xf), sizeof(format));
	nvme->block_size = 1 << ((format >> 16) & 0xff);
	return nvme->blocks ? 0 : -ENODEV;
}

static void nvme_queue_init(struct nvme *nvme, struct nvme_queue *queue,
			    uint16_t id, enum nvme_page sq, enum nvme_page cq)
{
	queue->id = id;
	queue->phase = 1;
	queue->sq = nvme_page_va(nvme, sq);
	queue->sq_iova = nvme_page_iova(nvme, sq);
	queue->cq = nvme_page_va(nvme, cq);
	queue->cq_iova = nvme_page_iova(nvme, cq);
}

static int nvme_start_irqs(struct nvme *nvme)
{
	int eventfds[NVME_VECTORS];
	int rc;

	nvme->admin.eventfd = eventfd(0, EFD_CLOEXEC);
	if (nvme->admin.eventfd < 0)
		return -errno;
	nvme->io.eventfd = eventfd(0, EFD_CLOEXEC);
	if (nvme->io.eventfd < 0) {
		rc = -errno;
		goto err_admin;
	}
	eventfds[NVME_VECTOR_ADMIN] = nvme->admin.eventfd;
	eventfds[NVME_VECTOR_IO] = nvme->io.eventfd;
	rc = vfio_irq_enable(nvme->dev, VFIO_PCI_MSIX_IRQ_INDEX, eventfds,
			     NVME_VECTORS);
	if (rc)
		goto err_io;
	return 0;

err_io:
	close(nvme->io.eventfd);
err_admin:
	close(nvme->admin.eventfd);
	return rc;
}

static void nvme_stop_irqs(struct nvme *nvme)
{
	vfio_irq_disable(nvme->dev, VFIO_PCI_MSIX_IRQ_INDEX);
	close(nvme->io.eventfd);
	close(nvme->admin.eventfd);
}

static int nvme_map_regs(struct nvme *nvme)
{
	uint64_t cap;
	int rc;

	rc = vfio_enable_dma(nvme->dev);
	if (rc)
		return rc;
	nvme->regs = vfio_region_mmap(nvme->dev, VFIO_PCI_BAR0_REGION_INDEX,
				      &nvme->regs_size);
	if (!nvme->regs)
		return -errno;
	cap = mmio_readq(nvme->regs, NVME_REG_CAP);
	nvme->doorbell_stride = 4 << NVME_CAP_STRIDE(cap);
	nvme->timeout_ms = 500 * (NVME_CAP_TIMEOUT(cap) + 1);
	nvme->version = mmio_readl(nvme->regs, NVME_REG_VS);
	if (NVME_CAP_MPSMIN(cap)) {
		munmap(nvme->regs, nvme->regs_size);
		return -ENODEV;
	}
	return 0;
}

static int nvme_start(struct nvme *nvme)
{
	int rc;

	rc = nvme_disable(nvme);
	if (!rc)
		rc = nvme_enable(nvme);
	if (!rc)
		rc = nvme_identify_controller(nvme);
	if (!rc)
		rc = nvme_identify_namespace(nvme);
	if (!rc)
		rc = nvme_create_io_queue(nvme);
	return rc;
}

int nvme_open(struct nvme *nvme, int dev, void *mem, uint64_t iova)
{
	int rc;

	*nvme = (struct nvme){ .dev = dev, .mem = mem, .iova = iova };
	memset(mem, 0, NVME_MEM_SIZE);
	nvme_queue_init(nvme, &nvme->admin, 0, NVME_PAGE_ADMIN_SQ,
			NVME_PAGE_ADMIN_CQ);
	nvme_queue_init(nvme, &nvme->io, 1, NVME_PAGE_IO_SQ, NVME_PAGE_IO_CQ);

	rc = nvme_map_regs(nvme);
	if (rc)
		return rc;
	rc = nvme_start_irqs(nvme);
	if (rc)
		goto err_regs;
	rc = nvme_start(nvme);
	if (rc)
		goto err_irqs;
	return 0;

err_irqs:
	nvme_disable(nvme);
	nvme_stop_irqs(nvme);
err_regs:
	munmap(nvme->regs, nvme->regs_size);
	return rc;
}

void nvme_close(struct nvme *nvme)
{
	nvme_disable(nvme);
	nvme_stop_irqs(nvme);
	munmap(nvme->regs, nvme->regs_size);
}

/* The second PRP names the second page, or a list of all after the first. */
static uint64_t nvme_prp2(struct nvme *nvme, uint32_t len)
{
	uint64_t data = nvme->iova + NVME_CONTROL_SIZE;
	uint64_t *list = nvme_page_va(nvme, NVME_PAGE_PRP_LIST);
	uint32_t pages = (len + NVME_PAGE - 1) / NVME_PAGE;
	uint32_t i;

	if (pages == 1)
		return 0;
	if (pages == 2)
		return data + NVME_PAGE;
	for (i = 1; i < pages; i++)
		list[i - 1] = data + i * NVME_PAGE;
	return nvme_page_iova(nvme, NVME_PAGE_PRP_LIST);
}

int nvme_read(struct nvme *nvme, uint64_t block, uint32_t count)
{
	uint64_t len = (uint64_t)count * nvme->block_size;
	struct nvme_command command = {
		.opcode = NVME_IO_READ,
		.nsid = nvme->nsid,
		.prp1 = nvme->iova + NVME_CONTROL_SIZE,
		.dw10 = block,
		.dw11 = block >> 32,
		.dw12 = count - 1,
	};

	if (!count || len > nvme->max_transfer || block >= nvme->blocks ||
	    count > nvme->blocks - block)
		return -EINVAL;
	command.prp2 = nvme_prp2(nvme, len);
	return nvme_run(nvme, &nvme->io, &command);
}
