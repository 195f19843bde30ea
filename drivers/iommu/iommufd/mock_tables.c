// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of the mock's page tables.
 *
 * A table translates what one large page would.  As with VT-d, an unmap of all
 * its addresses takes it out of the page table and leaves it to the gather: the
 * IOMMU may still be walking it.  It is freed when the IOTLB was synced, and
 * what was synced has to have all its addresses.
 *
 * Nothing is ever written to a table; only when it is freed matters.
 */
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "mock_iommu.h"
#include "mock_tables.h"

/**
 * struct mock_table - a table
 * @item: on a gather's list
 * @start: first I/O address that it translates
 */
struct mock_table {
	struct list_head item;
	unsigned long start;
};

static unsigned long mock_table_last(struct mock_table *table)
{
	return table->start + MOCK_LARGE_PAGE_SIZE - 1;
}

static int mock_table_add(struct xarray *tables, unsigned long index, gfp_t gfp)
{
	struct mock_table *table, *old;

	if (xa_load(tables, index))
		return 0;
	table = kmalloc(sizeof(*table), gfp | __GFP_ACCOUNT);
	if (!table)
		return -ENOMEM;
	table->start = index * MOCK_LARGE_PAGE_SIZE;
	/* A map of its other addresses may be as far. */
	old = xa_cmpxchg(tables, index, NULL, table, gfp);
	if (old)
		kfree(table);
	return xa_err(old);
}

/**
 * mock_tables_add() - have a table for each of some addresses
 * @tables: by address / MOCK_LARGE_PAGE_SIZE
 * @start: first I/O address
 * @last: last one
 * @gfp: how to allocate
 *
 * Return: 0 or -ENOMEM, when some may have been added.
 */
int mock_tables_add(struct xarray *tables, unsigned long start,
		    unsigned long last, gfp_t gfp)
{
	unsigned long index;
	int ret = 0;

	for (index = start / MOCK_LARGE_PAGE_SIZE;
	     index <= last / MOCK_LARGE_PAGE_SIZE && !ret; index++)
		ret = mock_table_add(tables, index, gfp);
	return ret;
}

/**
 * mock_tables_remove() - take out the tables of some addresses
 * @tables: as of mock_tables_add()
 * @start: first I/O address
 * @last: last one; the caller owns them all
 * @freelist: gets the tables that have no other addresses
 */
void mock_tables_remove(struct xarray *tables, unsigned long start,
			unsigned long last, struct list_head *freelist)
{
	struct mock_table *table;
	unsigned long index;

	xa_for_each_range(tables, index, table, start / MOCK_LARGE_PAGE_SIZE,
			  last / MOCK_LARGE_PAGE_SIZE) {
		if (table->start < start || mock_table_last(table) > last)
			continue;
		xa_erase(tables, index);
		list_add_tail(&table->item, freelist);
	}
}

/**
 * mock_tables_free() - free tables, now that the IOTLB was synced
 * @freelist: the tables
 * @start: first I/O address that was synced
 * @last: last one; below @start if there is none
 */
void mock_tables_free(struct list_head *freelist, unsigned long start,
		      unsigned long last)
{
	struct mock_table *table, *next;

	list_for_each_entry_safe(table, next, freelist, item) {
		WARN(table->start < start || mock_table_last(table) > last,
		     "mock IOMMU: frees a table before the IOTLB was synced");
		list_del(&table->item);
		kfree(table);
	}
}

/**
 * mock_tables_destroy() - free the tables of a domain without devices
 * @tables: the tables
 */
void mock_tables_destroy(struct xarray *tables)
{
	struct mock_table *table;
	unsigned long index;

	xa_for_each(tables, index, table)
		kfree(table);
	xa_destroy(tables);
}
