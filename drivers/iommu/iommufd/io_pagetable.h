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
#include <linux/wait.h>

struct file;
struct iommu_domain;
struct iommu_resv_region;
struct iommufd_driver;
struct iommufd_payers;
struct iopt_area;
struct iopt_pages;

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
 * @accesses_rwsem: held for reading while the accesses are asked to let go of a
 *	range, for writing to change the set of them
 * @domains_rwsem: held for reading to map and unmap areas in the domains, for
 *	writing to change the set of @domains or which devices are attached to
 *	one; guards @domains
 * @domains: struct iopt_domain, each of which holds the mappings of all areas
 * @iova_rwsem: guards all that follows and the state of the areas; never held
 *	while a page is faulted in
 * @areas: struct iopt_area
 * @reserved: struct iopt_reserved; they may overlap each other
 * @allowed: where addresses are chosen from; when empty, anywhere
 * @accesses: struct iopt_access; changed with @accesses_rwsem held as well
 * @alignment: what an area's address, length and offset in its page must be a
 *	multiple of; 1 to PAGE_SIZE
 * @small_pages: each page is mapped on its own, so that an area can be cut;
 *	changed with @domains_rwsem held for writing as well
 * @aperture: addresses that all domains have
 * @gap_from: for each size class, an address below which there is no gap of
 *	that size, but for what @gap_freed says: see gap.c
 * @gap_freed: the lowest address that became free since
 * @slots_freed: how many pieces of 2 MiB were touched by areas that were removed
 *	since idle tables were looked for, by each counted anew; see tables.c
 * @slots_slack: how many may be before they are looked for again
 * @access_wait: woken when an access stops to use an area
 *
 * Lock order: @accesses_rwsem, what an access locks when it is asked,
 * @domains_rwsem, @iova_rwsem, growth_rwsem of a domain; lock of a struct
 * iopt_pages.
 */
struct io_pagetable {
	struct rw_semaphore accesses_rwsem;
	struct rw_semaphore domains_rwsem;
	struct list_head domains;

	struct rw_semaphore iova_rwsem;
	struct rb_root areas;
	struct rb_root_cached reserved;
	struct rb_root_cached allowed;
	struct list_head accesses;
	unsigned long alignment;
	bool small_pages;
	struct iopt_range aperture;
	unsigned long gap_from[IOPT_GAP_CLASSES];
	unsigned long gap_freed;
	unsigned long slots_freed;
	unsigned long slots_slack;

	wait_queue_head_t access_wait;
};

/**
 * struct iopt_domain - an iommu_domain that shows an I/O address space
 * @domain: the domain
 * @item: on the address space's @domains
 * @growth_rwsem: held for reading by what changes the page table, for writing
 *	by what may make it taller: 6.1's AMD driver does that without a lock
 * @reach: no address above this was mapped yet
 * @driver: what the IOMMU's driver registered, or NULL
 * @tables: where it counts the tables of the domain, or NULL
 */
struct iopt_domain {
	struct iommu_domain *domain;
	struct list_head item;
	struct rw_semaphore growth_rwsem;
	unsigned long reach;
	const struct iommufd_driver *driver;
	const atomic_long_t *tables;
};

/**
 * struct iopt_access - a user of an I/O address space inside the kernel
 * @item: on the address space's @accesses
 * @needs_pages: pins whole pages, so mappings have to be aligned to them
 * @unmap: called to have a range let go, with no lock held but accesses_rwsem;
 *	waits for no one
 */
struct iopt_access {
	struct list_head item;
	bool needs_pages;
	void (*unmap)(struct iopt_access *access, unsigned long start,
		      unsigned long last);
};

void iopt_init(struct io_pagetable *iopt);
void iopt_destroy(struct io_pagetable *iopt);

/*
 * A mapping in steps.  The first makes a list of areas, which is the caller's;
 * then they are given a place, one behind the other, which nobody else gets.
 */
int iopt_add_user(struct list_head *areas, unsigned long uptr,
		  unsigned long length, int prot,
		  struct iommufd_payers *payers);
int iopt_add_file(struct list_head *areas, struct file *file,
		  unsigned long start, unsigned long length, int prot,
		  struct iommufd_payers *payers);
int iopt_add_copy(struct list_head *areas, struct io_pagetable *src,
		  unsigned long iova, unsigned long length, int prot);
void iopt_free_areas(struct list_head *areas);
int iopt_place(struct io_pagetable *iopt, struct list_head *areas,
	       unsigned long iova);
int iopt_place_anywhere(struct io_pagetable *iopt, struct list_head *areas,
			unsigned long *iova);
void iopt_unplace(struct io_pagetable *iopt, struct list_head *areas);
int iopt_fill(struct io_pagetable *iopt, struct list_head *areas);

/* May allocate; a return other than 0 ends the walk, and is returned. */
typedef int (*iopt_visit_fn)(void *data, struct iopt_pages *pages);

int iopt_visit_pages(struct io_pagetable *iopt, iopt_visit_fn visit,
		     void *data);

int iopt_unmap(struct io_pagetable *iopt, unsigned long start,
	       unsigned long last, unsigned long *unmapped,
	       struct list_head *drop);
int iopt_unmap_cut(struct io_pagetable *iopt, unsigned long start,
		   unsigned long last, unsigned long *unmapped,
		   struct list_head *drop);
int iopt_unmap_all(struct io_pagetable *iopt, unsigned long *unmapped,
		   struct list_head *drop);
bool iopt_is_free(struct io_pagetable *iopt, unsigned long start,
		  unsigned long last);

/* limits.c: which addresses can be mapped, and how they have to be aligned */
unsigned long iopt_usable_ranges(struct io_pagetable *iopt,
				 struct iopt_range *ranges, unsigned long max,
				 unsigned long *alignment);
int iopt_reserve(struct io_pagetable *iopt, unsigned long start,
		 unsigned long last, void *owner);
int iopt_reserve_region(struct io_pagetable *iopt,
			const struct iommu_resv_region *region, void *owner);
void iopt_unreserve(struct io_pagetable *iopt, void *owner);
int iopt_reserve_unusable(struct io_pagetable *iopt,
			  struct io_pagetable *other);
int iopt_add_allowed(struct rb_root_cached *allowed, unsigned long start,
		     unsigned long last);
void iopt_free_allowed(struct rb_root_cached *allowed);
int iopt_allow(struct io_pagetable *iopt, struct rb_root_cached *allowed);
int iopt_set_huge_pages(struct io_pagetable *iopt, bool huge);
bool iopt_has_huge_pages(struct io_pagetable *iopt);
int iopt_fit_domain(struct io_pagetable *iopt, struct iopt_domain *domain);

/* domains.c: changing the domains; see the overview there */
int iopt_pin_areas(struct io_pagetable *iopt);
bool iopt_areas_pinned(struct io_pagetable *iopt);
void iopt_unpin_idle(struct io_pagetable *iopt);
int iopt_add_domain(struct io_pagetable *iopt, struct iopt_domain *domain);
void iopt_remove_domain(struct io_pagetable *iopt, struct iopt_domain *domain,
			struct list_head *drop);
void iopt_domain_init(struct iopt_domain *iopt_domain,
		      struct iommu_domain *domain,
		      const struct iommufd_driver *driver);

/*
 * An access may be asked to let go of what it has just pinned, but does not
 * know of yet: so it is asked again from time to time.
 */
#define IOPT_EVICT_INTERVAL msecs_to_jiffies(10)

/**
 * struct iopt_part - what an area shows in a range
 * @pages: the pages, borrowed from the area
 * @offset: of the first byte in them
 * @length: in bytes
 */
struct iopt_part {
	struct iopt_pages *pages;
	unsigned long offset;
	unsigned long length;
};

/* iopt_access.c: uses by the kernel itself */
int iopt_add_access(struct io_pagetable *iopt, struct iopt_access *access);
void iopt_remove_access(struct io_pagetable *iopt, struct iopt_access *access);
int iopt_notify_accesses(struct io_pagetable *iopt, unsigned long start,
			 unsigned long last);
int iopt_use_range(struct io_pagetable *iopt, unsigned long start,
		   unsigned long last, int prot);
void iopt_unuse_range(struct io_pagetable *iopt, unsigned long start,
		      unsigned long last);
void iopt_used_part(struct io_pagetable *iopt, unsigned long start,
		    unsigned long last, struct iopt_part *part);

#endif
