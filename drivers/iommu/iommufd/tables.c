// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving back page tables that became empty.
 *
 * The drivers of 6.1 leave most tables of a domain where they are when what
 * they translated is unmapped.  That is good for who maps there again.  But
 * who passes through the address space leaves a table in every 2 MiB of it, and
 * is charged for them all.
 *
 * So after an UNMAP iommufd compares what a driver counts with what the
 * mappings need, and has it free the empty tables of a domain that has
 * IDLE_TABLES more than twice of that.  It follows that a loop which maps and
 * unmaps finds its tables there each time, unless it uses more than these; and
 * that freeing, for which the address space stands still, costs no more than
 * a few steps for each table that was allocated since.
 *
 * To know what the mappings need, all areas are walked: so only when there are
 * that many tables, and when half of the mappings may have gone since the last
 * time.
 */
#include <linux/atomic.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>

#include "area.h"

/* A MiB of them: as many as 512 MiB of small pages need. */
#define IDLE_TABLES 256

/* How much more a table of the next level translates. */
#define TABLE_LEVEL_BITS 9

static unsigned long domain_tables(const struct iopt_domain *domain)
{
	return domain->tables ? atomic_long_read(domain->tables) : 0;
}

static bool any_above(struct io_pagetable *iopt, unsigned long tables)
{
	struct iopt_domain *domain;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(domain, &iopt->domains, item)
		if (domain_tables(domain) > tables)
			return true;
	return false;
}

/**
 * iopt_tables_idle() - should someone look for idle tables?
 * @iopt: the address space, of which areas were unmapped
 *
 * Context: domains_rwsem is held.
 * Return: true when iopt_trim_tables() is to be called, without locks.
 */
bool iopt_tables_idle(struct io_pagetable *iopt)
{
	if (!any_above(iopt, IDLE_TABLES))
		return false;
	return RB_EMPTY_ROOT(&iopt->areas) ||
	       READ_ONCE(iopt->slots_freed) > READ_ONCE(iopt->slots_slack);
}

/* How many tables all areas need in small pages: each is counted once. */
static unsigned long tables_needed(struct io_pagetable *iopt)
{
	unsigned long needed = 0, first, last, shift;
	struct iopt_area *area, *before = NULL;

	for (area = any_area(iopt); area;
	     before = area, area = area_after(area)) {
		for (shift = IOPT_SLOT_SHIFT; shift < BITS_PER_LONG;
		     shift += TABLE_LEVEL_BITS) {
			first = area->start >> shift;
			last = area->last >> shift;
			if (before && before->last >> shift == first)
				first++;
			needed += last + 1 - first;
		}
	}
	return needed;
}

static void trim_domain(struct iopt_domain *domain, unsigned long most)
{
	if (domain_tables(domain) > most)
		domain->driver->free_idle_tables(domain->domain);
}

/**
 * iopt_trim_tables() - have drivers free tables if too many are idle
 * @iopt: the address space
 *
 * Context: process context; no locks held.
 */
void iopt_trim_tables(struct io_pagetable *iopt)
{
	struct iopt_domain *domain;
	unsigned long needed;

	/* Who is killed leaves that to the next one, or to the end of it all. */
	if (down_write_killable(&iopt->domains_rwsem))
		return;
	if (iopt_tables_idle(iopt)) {
		down_write(&iopt->iova_rwsem);
		needed = tables_needed(iopt);
		WRITE_ONCE(iopt->slots_freed, 0);
		WRITE_ONCE(iopt->slots_slack, (IDLE_TABLES + needed) / 2);
		up_write(&iopt->iova_rwsem);

		list_for_each_entry(domain, &iopt->domains, item)
			trim_domain(domain, IDLE_TABLES + 2 * needed);
	}
	up_write(&iopt->domains_rwsem);
}
