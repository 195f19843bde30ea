/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOMMU without hardware, and devices behind it.
 */
#ifndef _IOMMUFD_MOCK_IOMMU_H
#define _IOMMUFD_MOCK_IOMMU_H

#include <linux/types.h>

struct device;
struct iommu_domain;

/* What the mock maps at a time: less than the CPU's page. */
#define MOCK_IO_PAGE_SIZE (PAGE_SIZE / 2)
/* Its other size of page, where it has two; small, so that tests meet it. */
#define MOCK_LARGE_PAGE_SIZE (8 * MOCK_IO_PAGE_SIZE)

#ifdef CONFIG_IOMMUFD_TEST
/* A device in a group of its own, with MOCK_FLAGS_DEVICE_*; may be bound. */
struct device *mock_device_create(u32 flags);
void mock_device_destroy(struct device *dev);

bool mock_domain_is(struct iommu_domain *domain);
void mock_iommu_fail(unsigned int op, unsigned int nth);

int mock_iommu_init(void);
void mock_iommu_exit(void);
#else
static inline int mock_iommu_init(void)
{
	return 0;
}

static inline void mock_iommu_exit(void)
{
}
#endif

#endif
