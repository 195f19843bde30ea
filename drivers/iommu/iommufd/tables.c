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
 * that many tables, and when half of the mappings, or of what they need, may have
 * gone since the last time.  That is a few steps for each one that went.
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

/**
 * struct use - what all areas use
 * @tables: how many they need in small pages, each counted once
 * @areas: how many there are
 */
struct use {
	unsigned long tables;
	unsigned long areas;
};

static void look_at_use(struct io_pagetable *iopt, struct use *use)
{
	struct iopt_area *area, *before = NULL;
	unsigned long first, last, shift;

	*use = (struct use){};
	for (area = any_area(iopt); area;
	     before = area, area = area_after(area)) {
		use->areas++;
		for (shift = IOPT_SLOT_SHIFT; shift < BITS_PER_LONG;
		     shift += TABLE_LEVEL_BITS) {
			first = area->start >> shift;
			last = area->last >> shift;
			if (before && before->last >> shift == first)
				first++;
			use->tables += last + 1 - first;
		}
	}
}

static void trim_domain(struct iopt_domain *domain, unsigned long most)
{
	if (domain_tables(domain) > most)
		domain->driver->free_idle_tables(domain->domain);
}

/*
 * It stops all else in the address space.  While others map or unmap that is
 * left to an UNMAP to come; when nothing is mapped there may be none.  Nor does
 * one wait who is being killed.
 */
static bool stop_all(struct io_pagetable *iopt)
{
	if (RB_EMPTY_ROOT(&iopt->areas))
		return !down_write_killable(&iopt->domains_rwsem);
	return down_write_trylock(&iopt->domains_rwsem);
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
	struct use use;

	if (!stop_all(iopt))
		return;
	if (iopt_tables_idle(iopt)) {
		down_write(&iopt->iova_rwsem);
		look_at_use(iopt, &use);
		WRITE_ONCE(iopt->slots_freed, 0);
		WRITE_ONCE(iopt->slots_slack,
			   (IDLE_TABLES + max(use.tables, use.areas)) / 2);
		up_write(&iopt->iova_rwsem);

		list_for_each_entry(domain, &iopt->domains, item)
			trim_domain(domain, IDLE_TABLES + 2 * use.tables);
	}
	up_write(&iopt->domains_rwsem);
}
