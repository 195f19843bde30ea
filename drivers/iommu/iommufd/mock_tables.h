/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages of the mock's page tables, which the IOMMU may be walking.
 */
#ifndef _IOMMUFD_MOCK_TABLES_H
#define _IOMMUFD_MOCK_TABLES_H

#include <linux/types.h>

struct list_head;
struct xarray;

int mock_tables_add(struct xarray *tables, unsigned long start,
		    unsigned long last, gfp_t gfp);
void mock_tables_remove(struct xarray *tables, unsigned long start,
			unsigned long last, struct list_head *freelist);
void mock_tables_free(struct list_head *freelist, unsigned long start,
		      unsigned long last);
void mock_tables_destroy(struct xarray *tables);

#endif
