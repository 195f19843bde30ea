// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of when idle page tables are given back.
 *
 * The domain says how many tables it has: the test decides.  A page table of
 * 64 bits has five levels below its root, so a page alone needs five tables.
 */
#include <kunit/test.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "io_pagetable.h"
#include "pages.h"
#include "test_domain.h"
#include "test_mm.h"

#define RW (IOMMU_READ | IOMMU_WRITE)
#define IDLE 256 /* as in tables.c */
#define LEVELS 5
#define STEP (1UL * SZ_2M)
#define FIRST (1UL * SZ_1G)

/**
 * struct tables_test - an address space with a domain
 * @iopt: the address space
 * @td: the domain
 * @payers: who pays for what is pinned
 * @uptr: a page of user memory
 */
struct tables_test {
	struct io_pagetable iopt;
	struct test_domain *td;
	struct iommufd_payers payers;
	unsigned long uptr;
};

static int tables_test_init(struct kunit *test)
{
	struct tables_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int ret;

	if (!t)
		return -ENOMEM;
	ret = test_mm_init(test);
	if (ret)
		return ret;
	iopt_init(&t->iopt);
	iommufd_payers_init(&t->payers);
	t->uptr = test_mm_map(test, 1, true);
	t->td = test_domain_alloc(test, PAGE_SIZE);
	down_write(&t->iopt.domains_rwsem);
	ret = iopt_add_domain(&t->iopt, &t->td->shown);
	up_write(&t->iopt.domains_rwsem);
	test->priv = t;
	return ret;
}

static void tables_test_exit(struct kunit *test)
{
	struct tables_test *t = test->priv;
	LIST_HEAD(drop);

	if (!t)
		return;
	down_write(&t->iopt.domains_rwsem);
	iopt_remove_domain(&t->iopt, &t->td->shown, &drop);
	up_write(&t->iopt.domains_rwsem);
	iopt_pins_drop(&drop);
	iopt_destroy(&t->iopt);
	iommufd_payers_release(&t->payers);
	test_expect_no_warning(test);
}

static void map(struct kunit *test, unsigned long iova)
{
	struct tables_test *t = test->priv;
	LIST_HEAD(areas);

	KUNIT_ASSERT_EQ(test, iopt_add_user(&areas, t->uptr, PAGE_SIZE, RW,
					    &t->payers), 0);
	KUNIT_ASSERT_EQ(test, iopt_place(&t->iopt, &areas, iova), 0);
	KUNIT_ASSERT_EQ(test, iopt_fill(&t->iopt, &areas), 0);
}

static void unmap(struct kunit *test, unsigned long iova)
{
	struct tables_test *t = test->priv;
	unsigned long unmapped;
	LIST_HEAD(drop);

	KUNIT_ASSERT_EQ(test, iopt_unmap(&t->iopt, iova, iova + PAGE_SIZE - 1,
					 &unmapped, &drop), 0);
	iopt_pins_drop(&drop);
}

static void map_many(struct kunit *test, unsigned long iova, unsigned long step,
		     unsigned int nr)
{
	for (; nr; nr--, iova += step)
		map(test, iova);
}

static void unmap_many(struct kunit *test, unsigned long iova,
		       unsigned long step, unsigned int nr)
{
	for (; nr; nr--, iova += step)
		unmap(test, iova);
}

static void set_tables(struct kunit *test, unsigned long nr)
{
	struct tables_test *t = test->priv;

	atomic_long_set(&t->td->tables, nr);
}

static unsigned int trims(struct kunit *test)
{
	struct tables_test *t = test->priv;

	return t->td->trims;
}

/* A loop that maps and unmaps a page frees no table ... */
static void loop_finds_its_tables(struct kunit *test)
{
	unsigned int i;

	set_tables(test, IDLE);
	for (i = 0; i < 1000; i++) {
		map(test, FIRST);
		unmap(test, FIRST);
	}
	KUNIT_EXPECT_EQ(test, trims(test), 0);
}

/* ... nor does it beside others, of which each may have two for one. */
static void loop_beside_others_finds_its_tables(struct kunit *test)
{
	unsigned int i;

	map_many(test, FIRST, STEP, 100);
	/* A hundred leaves, and one of each level above */
	set_tables(test, IDLE + 2 * (100 + LEVELS - 1));
	for (i = 0; i < 1000; i++) {
		map(test, 2 * FIRST);
		unmap(test, 2 * FIRST);
	}
	KUNIT_EXPECT_EQ(test, trims(test), 0);
}

/* When nothing is mapped any more all are idle. */
static void empty_address_space_gives_all_back(struct kunit *test)
{
	map(test, FIRST);
	map(test, 2 * FIRST);
	unmap(test, FIRST);
	KUNIT_EXPECT_EQ(test, trims(test), 0);
	set_tables(test, IDLE + 1);
	unmap(test, 2 * FIRST);
	KUNIT_EXPECT_EQ(test, trims(test), 1);
}

/* What is needed is counted for each level, and once where areas share it. */
static void needed_tables_are_counted_once(struct kunit *test)
{
	struct tables_test *t = test->priv;
	unsigned int i;

	/* Two leaves, and the others of a page alone */
	map(test, FIRST);
	map(test, FIRST + PAGE_SIZE);
	map(test, FIRST + STEP);
	/* A leaf and one above it */
	map(test, 2 * FIRST);
	map(test, 3 * FIRST);
	set_tables(test, IDLE + 2 * (2 + LEVELS - 1 + 2));
	unmap(test, 3 * FIRST);
	KUNIT_EXPECT_EQ(test, trims(test), 0);

	/* One table more; how often it is looked is another matter. */
	set_tables(test, IDLE + 2 * (2 + LEVELS - 1 + 2) + 1);
	t->td->after_trim = IDLE;
	for (i = 0; i < 200; i++) {
		map(test, 3 * FIRST);
		unmap(test, 3 * FIRST);
	}
	KUNIT_EXPECT_EQ(test, trims(test), 1);
}

/* What became idle is found after half of the mappings went, at the latest. */
static void idle_tables_are_found(struct kunit *test)
{
	struct tables_test *t = test->priv;

	map_many(test, FIRST, STEP, 2000);
	set_tables(test, 2000 + LEVELS);
	t->td->after_trim = IDLE;
	unmap_many(test, FIRST, STEP, 1800);
	KUNIT_EXPECT_EQ(test, trims(test), 1);
}

/* However many mappings share a table: they are not all looked at each time. */
static void many_mappings_are_seldom_looked_at(struct kunit *test)
{
	struct tables_test *t = test->priv;
	unsigned int i, looks = 0;

	map_many(test, FIRST, PAGE_SIZE, 4000);
	set_tables(test, IDLE + 1);
	for (i = 0; i < 3000; i++) {
		unmap(test, FIRST + i * PAGE_SIZE);
		/* It counts anew after each look. */
		looks += !t->iopt.slots_freed;
	}
	KUNIT_EXPECT_EQ(test, trims(test), 0);
	KUNIT_EXPECT_GE(test, looks, 1);
	KUNIT_EXPECT_LE(test, looks, 3);
}

static struct kunit_case tables_cases[] = {
	KUNIT_CASE(loop_finds_its_tables),
	KUNIT_CASE(loop_beside_others_finds_its_tables),
	KUNIT_CASE(empty_address_space_gives_all_back),
	KUNIT_CASE(needed_tables_are_counted_once),
	KUNIT_CASE(idle_tables_are_found),
	KUNIT_CASE(many_mappings_are_seldom_looked_at),
	{}
};

static struct kunit_suite tables_suite = {
	.name = "iopt_tables",
	.init = tables_test_init,
	.exit = tables_test_exit,
	.test_cases = tables_cases,
};

kunit_test_suite(tables_suite);
