/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One I/O address space: what is mapped where, and in which domains.
 *
 * Everywhere here @last is the last byte of a range: it belongs to it.
 */
#ifndef _IOMMUFD_IO_PAGETABLE_H
#define _IOMMUFD_IO_PAGETABLE_H

#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/rwsem.h>

#include "account.h"

struct iommu_domain;
struct iopt_area;

/* Sizes of gaps, in powers of two from PAGE_SIZE on; the last takes the rest. */
#define IOPT_GAP_CLASSES 20

/**
 * struct iopt_range - a range of I/O addresses
 * @start: first byte
 * @last: last byte
 */
struct iopt_range {
	unsigned long start;
	unsigned long last;
};

/**
 * struct io_pagetable - one I/O address space
 * @domains_rwsem: held for reading to map and unmap areas in the domains, for
 *	writing to change the set of @domains or which devices are attached to
 *	one; guards @domains
 * @domains: struct iopt_domain, each of which holds the mappings of all areas
 * @iova_rwsem: guards all that follows and the state of the areas; never held
 *	while a page is faulted in
 * @areas: struct iopt_area
 * @reserved: struct iopt_reserved; they may overlap each other
 * @alignment: what an area's address, length and offset in its page must be a
 *	multiple of; 1 to PAGE_SIZE
 * @aperture: addresses that all domains have
 * @gap_from: for each size class, an address below which there is no gap of
 *	that size: see gap.c
 *
 * Lock order: @domains_rwsem, @iova_rwsem, growth_rwsem of a domain; spinlock
 * of a struct iopt_pages.
 */
struct io_pagetable {
	struct rw_semaphore domains_rwsem;
	struct list_head domains;

	struct rw_semaphore iova_rwsem;
	struct rb_root_cached areas;
	struct rb_root_cached reserved;
	unsigned long alignment;
	struct iopt_range aperture;
	unsigned long gap_from[IOPT_GAP_CLASSES];
};

/**
 * struct iopt_domain - an iommu_domain that shows an I/O address space
 * @domain: the domain; attached to a device before it is added
 * @item: on the address space's @domains
 * @growth_rwsem: held for reading by what changes the page table, for writing
 *	by what may make it taller: 6.1's AMD driver does that without a lock
 * @reach: no address above this was mapped yet
 */
struct iopt_domain {
	struct iommu_domain *domain;
	struct list_head item;
	struct rw_semaphore growth_rwsem;
	unsigned long reach;
};

void iopt_init(struct io_pagetable *iopt);
void iopt_destroy(struct io_pagetable *iopt);

/* A mapping in two steps: choose its place, which nobody else gets then. */
struct iopt_area *iopt_area_alloc_user(unsigned long uptr, unsigned long length,
				       int prot,
				       enum iommufd_account_mode mode);
void iopt_area_free(struct iopt_area *area);
unsigned long iopt_area_iova(struct iopt_area *area);
int iopt_area_place(struct io_pagetable *iopt, struct iopt_area *area,
		    unsigned long iova);
int iopt_area_place_anywhere(struct io_pagetable *iopt, struct iopt_area *area);
void iopt_area_unplace(struct io_pagetable *iopt, struct iopt_area *area);
int iopt_area_fill(struct io_pagetable *iopt, struct iopt_area *area);

int iopt_unmap(struct io_pagetable *iopt, unsigned long start,
	       unsigned long last, unsigned long *unmapped,
	       struct list_head *drop);
int iopt_unmap_all(struct io_pagetable *iopt, unsigned long *unmapped,
		   struct list_head *drop);

unsigned long iopt_usable_ranges(struct io_pagetable *iopt,
				 struct iopt_range *ranges, unsigned long max,
				 unsigned long *alignment);

int iopt_reserve(struct io_pagetable *iopt, unsigned long start,
		 unsigned long last, void *owner);
void iopt_unreserve(struct io_pagetable *iopt, void *owner);

/* Changing the domains: see the overview in io_pagetable.c. */
int iopt_pin_areas(struct io_pagetable *iopt);
bool iopt_areas_pinned(struct io_pagetable *iopt);
void iopt_unpin_idle(struct io_pagetable *iopt);
int iopt_add_domain(struct io_pagetable *iopt, struct iopt_domain *domain);
int iopt_fit_domain(struct io_pagetable *iopt, struct iopt_domain *domain);
void iopt_remove_domain(struct io_pagetable *iopt, struct iopt_domain *domain,
			struct list_head *drop);
void iopt_domain_init(struct iopt_domain *iopt_domain,
		      struct iommu_domain *domain);

#endif
