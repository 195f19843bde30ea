/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An iommu_domain without an IOMMU: remembers what it is told to map, insists
 * on what the drivers of real ones rely on, and can fail.
 */
#ifndef _IOMMUFD_TEST_DOMAIN_H
#define _IOMMUFD_TEST_DOMAIN_H

#include <linux/iommu.h>
#include <linux/list.h>

#include "io_pagetable.h"

struct kunit;
struct test_mapping;

/**
 * struct test_domain - a domain for tests
 * @domain: for the IOMMU core
 * @shown: for an address space
 * @test: fails when a rule is broken
 * @mappings: struct test_mapping, what a device would reach
 * @stale: struct test_mapping, what it may still reach until the next sync
 * @fail_in: this many more calls of map_pages until one fails; 0 for never
 * @kill_in: this many more calls of map_pages until the caller, who has allowed
 *	it, gets a SIGKILL; 0 for never
 * @tables: tables that it says it has
 * @trims: how often it was asked to free those that are empty
 * @after_trim: how many it has after that
 */
struct test_domain {
	struct iommu_domain domain;
	struct iopt_domain shown;
	struct kunit *test;
	struct list_head mappings;
	struct list_head stale;
	unsigned int fail_in;
	unsigned int kill_in;
	atomic_long_t tables;
	unsigned int trims;
	unsigned long after_trim;
};

/* Its page sizes are @granule and all larger powers of two. */
struct test_domain *test_domain_alloc(struct kunit *test,
				      unsigned long granule);
/* The physical address behind @iova, PHYS_ADDR_MAX if there is none. */
phys_addr_t test_domain_phys(struct test_domain *td, unsigned long iova,
			     int *prot);
/* How many bytes are mapped. */
unsigned long test_domain_size(struct test_domain *td);
/* Reads a list as IOMMU_IOAS_ALLOW_IOVAS does. */
int test_allow(struct io_pagetable *iopt, const struct iopt_range *ranges,
	       unsigned long nr);
/* How many bytes one call mapped, at most. */
unsigned long test_domain_largest(struct test_domain *td);

#endif
