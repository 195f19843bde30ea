// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommu_domain without an IOMMU.
 *
 * The rules it insists on:
 * - nothing is mapped twice, and only within the aperture, in aligned pages of
 *   sizes that it has; what is mapped is synced;
 * - only what is mapped is unmapped, and never a part of what one call mapped,
 *   unless that failed;
 * - memory is pinned from before it is mapped until the IOTLB was synced after
 *   it was unmapped;
 * - no call and no sync reaches over a multiple of 1 GiB, so that none is long
 *   and no driver's count of pages overflows.
 */
#include <kunit/test.h>
#include <linux/iommufd.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "test_domain.h"
#include "test_mm.h"

/**
 * struct test_mapping - what one call mapped
 * @item: on a list of the domain
 * @iova: first I/O address
 * @phys: what is there
 * @length: in bytes
 * @unmapped: bytes unmapped so far, from the start
 * @prot: as given
 * @failed: the call failed, and did not say how far it got
 * @synced: the IOMMU has been told
 */
struct test_mapping {
	struct list_head item;
	unsigned long iova;
	phys_addr_t phys;
	unsigned long length;
	unsigned long unmapped;
	int prot;
	bool failed;
	bool synced;
};

static struct test_domain *to_test_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct test_domain, domain);
}

static unsigned long test_domain_granule(struct test_domain *td)
{
	return 1UL << __ffs(td->domain.pgsize_bitmap);
}

static unsigned long mapping_last(struct test_mapping *mapping)
{
	return mapping->iova + mapping->length - 1;
}

static struct test_mapping *find_mapping(struct test_domain *td,
					 unsigned long start,
					 unsigned long last)
{
	struct test_mapping *mapping;

	list_for_each_entry(mapping, &td->mappings, item)
		if (mapping->iova + mapping->unmapped <= last &&
		    mapping_last(mapping) >= start)
			return mapping;
	return NULL;
}

static void expect_pinned(struct test_domain *td, phys_addr_t phys,
			  unsigned long length)
{
	phys_addr_t end = phys + length;
	bool pinned = true;

	for (phys &= PAGE_MASK; phys < end; phys += PAGE_SIZE)
		pinned &= test_mm_phys_pinned(phys);
	KUNIT_EXPECT_TRUE_MSG(td->test, pinned,
			      "a device reaches memory that is not pinned");
}

static void expect_bounded(struct test_domain *td, unsigned long start,
			   unsigned long last)
{
	KUNIT_EXPECT_EQ_MSG(td->test, start / SZ_1G, last / SZ_1G,
			    "a call reaches over a multiple of 1 GiB");
}

static struct test_mapping *add_mapping(struct test_domain *td,
					unsigned long iova, phys_addr_t phys,
					unsigned long length, int prot)
{
	struct test_mapping *mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);

	if (!mapping)
		return NULL;
	mapping->iova = iova;
	mapping->phys = phys;
	mapping->length = length;
	mapping->prot = prot;
	list_add(&mapping->item, &td->mappings);
	return mapping;
}

static int test_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t phys, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct test_domain *td = to_test_domain(domain);
	unsigned long last = iova + pgsize * pgcount - 1;
	bool fail = td->fail_in && !--td->fail_in;
	struct test_mapping *mapping;

	/* Charged to whoever maps, and no one else pays with its life. */
	KUNIT_EXPECT_TRUE(td->test, gfp == IOMMUFD_GFP);
	KUNIT_EXPECT_NE(td->test, pgsize & domain->pgsize_bitmap, 0);
	KUNIT_EXPECT_TRUE_MSG(td->test, IS_ALIGNED(iova | phys, pgsize),
			      "a page was mapped misaligned");
	KUNIT_EXPECT_PTR_EQ(td->test, find_mapping(td, iova, last), NULL);
	KUNIT_EXPECT_GE(td->test, iova, domain->geometry.aperture_start);
	KUNIT_EXPECT_LE(td->test, last, domain->geometry.aperture_end);
	expect_pinned(td, phys, pgsize * pgcount);
	expect_bounded(td, iova, last);
	if (td->kill_in && !--td->kill_in)
		send_sig(SIGKILL, current, 1);

	/* As VT-d's driver: some is mapped, and it does not say how much. */
	if (fail)
		pgcount = DIV_ROUND_UP(pgcount, 2);
	mapping = add_mapping(td, iova, phys, pgsize * pgcount, prot);
	if (!mapping)
		return -ENOMEM;
	mapping->failed = fail;
	if (fail)
		return -ENOMEM;
	*mapped = pgsize * pgcount;
	return 0;
}

static void test_iotlb_sync_map(struct iommu_domain *domain, unsigned long iova,
				size_t size)
{
	struct test_domain *td = to_test_domain(domain);
	struct test_mapping *mapping;

	expect_bounded(td, iova, iova + size - 1);
	list_for_each_entry(mapping, &td->mappings, item)
		if (mapping->iova >= iova &&
		    mapping_last(mapping) <= iova + size - 1)
			mapping->synced = true;
}

/* Unmaps as much as lies in one mapping; 0 if there is none at @iova. */
static size_t unmap_one(struct test_domain *td, unsigned long iova,
			size_t length)
{
	struct test_mapping *mapping = find_mapping(td, iova, iova);

	if (!mapping || mapping->iova + mapping->unmapped != iova)
		return 0;
	length = min(length, mapping->length - mapping->unmapped);
	mapping->unmapped += length;
	if (mapping->unmapped == mapping->length)
		list_move(&mapping->item, &td->stale);
	return length;
}

static size_t test_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct test_domain *td = to_test_domain(domain);
	size_t length = pgsize * pgcount, done = 0, step;
	bool hole = false;

	expect_bounded(td, iova, iova + length - 1);
	while (done < length) {
		step = unmap_one(td, iova + done, length - done);
		if (!step) {
			hole = true;
			step = test_domain_granule(td);
		}
		done += step;
	}
	/* VT-d's driver would unmap more than it was asked to. */
	KUNIT_EXPECT_FALSE_MSG(td->test, hole,
			       "what is not mapped was unmapped");
	iommu_iotlb_gather_add_range(gather, iova, length);
	return length;
}

/* What is left of a map that failed is unmapped, and synced, by the page. */
static void expect_flushed(struct test_domain *td, struct test_mapping *mapping,
			   struct iommu_iotlb_gather *gather)
{
	if (mapping->failed)
		return;
	KUNIT_EXPECT_GE(td->test, mapping->iova, gather->start);
	KUNIT_EXPECT_LE(td->test, mapping_last(mapping), gather->end);
}

static void test_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	struct test_domain *td = to_test_domain(domain);
	struct test_mapping *mapping, *next;

	expect_bounded(td, gather->start, gather->end);
	list_for_each_entry(mapping, &td->mappings, item)
		KUNIT_EXPECT_FALSE_MSG(td->test,
				       mapping->unmapped && !mapping->failed,
				       "what one call mapped was cut");
	list_for_each_entry_safe(mapping, next, &td->stale, item) {
		expect_flushed(td, mapping, gather);
		expect_pinned(td, mapping->phys, mapping->length);
		list_del(&mapping->item);
		kfree(mapping);
	}
}

static phys_addr_t test_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	struct test_mapping *mapping =
		find_mapping(to_test_domain(domain), iova, iova);

	if (!mapping || iova - mapping->iova < mapping->unmapped)
		return 0;
	return mapping->phys + (iova - mapping->iova);
}

static const struct iommu_domain_ops test_domain_ops = {
	.iova_to_phys = test_iova_to_phys,
	.map_pages = test_map_pages,
	.unmap_pages = test_unmap_pages,
	.iotlb_sync_map = test_iotlb_sync_map,
	.iotlb_sync = test_iotlb_sync,
};

static atomic_long_t *test_tables(struct iommu_domain *domain)
{
	return &to_test_domain(domain)->tables;
}

static void test_free_idle_tables(struct iommu_domain *domain)
{
	struct test_domain *td = to_test_domain(domain);

	td->trims++;
	atomic_long_set(&td->tables, td->after_trim);
}

static const struct iommufd_driver test_driver = {
	.tables = test_tables,
	.free_idle_tables = test_free_idle_tables,
};

struct test_domain *test_domain_alloc(struct kunit *test, unsigned long granule)
{
	struct test_domain *td = kunit_kzalloc(test, sizeof(*td), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, td);
	td->test = test;
	INIT_LIST_HEAD(&td->mappings);
	INIT_LIST_HEAD(&td->stale);
	td->domain.type = IOMMU_DOMAIN_UNMANAGED;
	td->domain.ops = &test_domain_ops;
	td->domain.pgsize_bitmap = ~(granule - 1);
	td->domain.geometry.aperture_end = ULONG_MAX;
	iopt_domain_init(&td->shown, &td->domain, &test_driver);
	return td;
}

phys_addr_t test_domain_phys(struct test_domain *td, unsigned long iova,
			     int *prot)
{
	struct test_mapping *mapping = find_mapping(td, iova, iova);

	if (!mapping)
		return PHYS_ADDR_MAX;
	*prot = mapping->prot;
	return mapping->phys + (iova - mapping->iova);
}

unsigned long test_domain_size(struct test_domain *td)
{
	struct test_mapping *mapping;
	unsigned long size = 0;

	/* Nothing may be left half done. */
	KUNIT_EXPECT_TRUE(td->test, list_empty(&td->stale));
	list_for_each_entry(mapping, &td->mappings, item) {
		KUNIT_EXPECT_TRUE_MSG(td->test, mapping->synced,
				      "what was mapped was not synced");
		size += mapping->length - mapping->unmapped;
	}
	return size;
}

unsigned long test_domain_largest(struct test_domain *td)
{
	struct test_mapping *mapping;
	unsigned long largest = 0;

	list_for_each_entry(mapping, &td->mappings, item)
		largest = max(largest, mapping->length);
	return largest;
}

int test_allow(struct io_pagetable *iopt, const struct iopt_range *ranges,
	       unsigned long nr)
{
	struct rb_root_cached allowed = RB_ROOT_CACHED;
	unsigned long i;
	int ret = 0;

	for (i = 0; i < nr && !ret; i++)
		ret = iopt_add_allowed(&allowed, ranges[i].start,
				       ranges[i].last);
	if (!ret)
		ret = iopt_allow(iopt, &allowed);
	iopt_free_allowed(&allowed);
	return ret;
}
