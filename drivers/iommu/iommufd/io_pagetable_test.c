// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of an I/O address space: where mappings go, what they leave behind, and
 * what the domains show.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>

#include "io_pagetable.h"
#include "pages.h"
#include "test_domain.h"
#include "test_mm.h"

#define RW (IOMMU_READ | IOMMU_WRITE)
#define MEMORY_PAGES 16

/**
 * struct iopt_test - two address spaces
 * @iopt: the address space
 * @other: another one
 * @payers: who pays for what is pinned
 * @uptr: MEMORY_PAGES pages of user memory
 */
struct iopt_test {
	struct io_pagetable iopt;
	struct io_pagetable other;
	struct iommufd_payers payers;
	unsigned long uptr;
};

static int iopt_test_init(struct kunit *test)
{
	struct iopt_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int ret;

	if (!t)
		return -ENOMEM;
	ret = test_mm_init(test);
	if (ret)
		return ret;
	iopt_init(&t->iopt);
	iopt_init(&t->other);
	iommufd_payers_init(&t->payers);
	test->priv = t;
	t->uptr = test_mm_map(test, MEMORY_PAGES, true);
	test_mm_scatter(test, t->uptr, MEMORY_PAGES);
	return 0;
}

static void remove_domain_of(struct io_pagetable *iopt,
			     struct iopt_domain *shown)
{
	LIST_HEAD(drop);

	down_write(&iopt->domains_rwsem);
	iopt_remove_domain(iopt, shown, &drop);
	up_write(&iopt->domains_rwsem);
	iopt_pins_drop(&drop);
}

static void remove_domain(struct kunit *test, struct iopt_domain *shown)
{
	struct iopt_test *t = test->priv;

	remove_domain_of(&t->iopt, shown);
}

static void empty(struct io_pagetable *iopt, void *owner)
{
	struct iopt_domain *shown, *next;

	list_for_each_entry_safe(shown, next, &iopt->domains, item)
		remove_domain_of(iopt, shown);
	iopt_unreserve(iopt, owner);
	iopt_destroy(iopt);
}

static void iopt_test_exit(struct kunit *test)
{
	struct iopt_test *t = test->priv;

	if (!t)
		return;
	empty(&t->iopt, t);
	empty(&t->other, t);
	iommufd_payers_release(&t->payers);
	/* All that was pinned for this test is given back. */
	if (current->mm)
		KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	test_expect_no_warning(test);
}

static void add_area(struct kunit *test, struct list_head *areas,
		     unsigned long uptr, unsigned long length, int prot)
{
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, iopt_add_user(areas, uptr, length, prot,
					    &t->payers), 0);
}

static int map_fixed(struct kunit *test, unsigned long iova, unsigned long uptr,
		     unsigned long length, int prot)
{
	struct iopt_test *t = test->priv;
	LIST_HEAD(areas);
	int ret;

	add_area(test, &areas, uptr, length, prot);
	ret = iopt_place(&t->iopt, &areas, iova);
	if (ret) {
		iopt_free_areas(&areas);
		return ret;
	}
	return iopt_fill(&t->iopt, &areas);
}

static int map_anywhere(struct kunit *test, unsigned long uptr,
			unsigned long length, int prot, unsigned long *iova)
{
	struct iopt_test *t = test->priv;
	LIST_HEAD(areas);
	int ret;

	add_area(test, &areas, uptr, length, prot);
	ret = iopt_place_anywhere(&t->iopt, &areas, iova);
	if (ret) {
		iopt_free_areas(&areas);
		return ret;
	}
	return iopt_fill(&t->iopt, &areas);
}

static int map_pages_at(struct kunit *test, unsigned long iova,
			unsigned long npages)
{
	struct iopt_test *t = test->priv;

	return map_fixed(test, iova, t->uptr, npages * PAGE_SIZE, RW);
}

static void expect_unmap(struct kunit *test, unsigned long start,
			 unsigned long last, int expected_ret,
			 unsigned long expected_bytes)
{
	struct iopt_test *t = test->priv;
	unsigned long unmapped;
	LIST_HEAD(drop);

	KUNIT_EXPECT_EQ(test,
			iopt_unmap(&t->iopt, start, last, &unmapped, &drop),
			expected_ret);
	iopt_pins_drop(&drop);
	KUNIT_EXPECT_EQ(test, unmapped, expected_bytes);
}

static void expect_unmap_all(struct kunit *test, int expected_ret,
			     unsigned long expected_bytes)
{
	struct iopt_test *t = test->priv;
	unsigned long unmapped;
	LIST_HEAD(drop);

	KUNIT_EXPECT_EQ(test, iopt_unmap_all(&t->iopt, &unmapped, &drop),
			expected_ret);
	iopt_pins_drop(&drop);
	KUNIT_EXPECT_EQ(test, unmapped, expected_bytes);
}

static void reserve(struct kunit *test, unsigned long start, unsigned long last)
{
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, iopt_reserve(&t->iopt, start, last, t), 0);
}

static unsigned long alignment(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	unsigned long value;

	iopt_usable_ranges(&t->iopt, NULL, 0, &value);
	return value;
}

/* ---- fixed places ---- */

static void fixed_place_is_taken_once(struct kunit *test)
{
	const unsigned long iova = SZ_1M, length = 4 * PAGE_SIZE;
	struct iopt_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, map_fixed(test, iova, t->uptr, length, RW), 0);
	KUNIT_EXPECT_EQ(test, map_fixed(test, iova, t->uptr, length, RW),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, map_fixed(test, iova + 1, t->uptr, 1, RW),
			-EEXIST);
	/* One byte of overlap at either end. */
	KUNIT_EXPECT_EQ(test, map_fixed(test, iova - 1, t->uptr, 2, RW),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, map_fixed(test, iova + length - 1, t->uptr, 2,
					RW), -EEXIST);
	KUNIT_EXPECT_EQ(test, map_fixed(test, 0, t->uptr, SZ_2M, RW), -EEXIST);
	/* None: right beside it. */
	KUNIT_EXPECT_EQ(test, map_fixed(test, iova - 1, t->uptr, 1, RW), 0);
	KUNIT_EXPECT_EQ(test, map_fixed(test, iova + length, t->uptr, 1, RW),
			0);
}

static void fixed_place_may_be_at_the_ends(struct kunit *test)
{
	const unsigned long top = ULONG_MAX - PAGE_SIZE + 1;

	KUNIT_EXPECT_EQ(test, map_pages_at(test, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, top, 1), 0);
	expect_unmap(test, top, ULONG_MAX, 0, PAGE_SIZE);
	expect_unmap(test, 0, PAGE_SIZE - 1, 0, PAGE_SIZE);
}

static void fixed_place_beyond_the_end_is_eoverflow(struct kunit *test)
{
	const unsigned long top = ULONG_MAX - PAGE_SIZE + 1;
	struct iopt_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, map_pages_at(test, top, 2), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, map_fixed(test, ULONG_MAX, t->uptr, 2, RW),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, map_fixed(test, ULONG_MAX, t->uptr, 1, RW), 0);
}

static void fixed_place_in_a_reserved_range_is_einval(struct kunit *test)
{
	struct iopt_test *t = test->priv;

	reserve(test, SZ_1M, SZ_2M - 1);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1M + PAGE_SIZE, 1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, map_fixed(test, SZ_1M - 1, t->uptr, 2, RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, map_fixed(test, SZ_2M - 1, t->uptr, 2, RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, map_fixed(test, 0, t->uptr, SZ_4M, RW), -EINVAL);
	KUNIT_EXPECT_EQ(test, map_fixed(test, SZ_1M - 1, t->uptr, 1, RW), 0);
	KUNIT_EXPECT_EQ(test, map_fixed(test, SZ_2M, t->uptr, 1, RW), 0);
}

/* ---- automatic places ---- */

static int place_anywhere(struct kunit *test, unsigned long uptr,
			  unsigned long length, unsigned long *iova)
{
	struct iopt_test *t = test->priv;
	LIST_HEAD(areas);
	int ret;

	add_area(test, &areas, uptr, length, RW);
	ret = iopt_place_anywhere(&t->iopt, &areas, iova);
	if (!ret)
		iopt_unplace(&t->iopt, &areas);
	iopt_free_areas(&areas);
	return ret;
}

/**
 * struct placement - what an automatic address has to be
 * @uptr: the memory
 * @length: its length
 * @iova: the lowest address that will do
 */
struct placement {
	unsigned long uptr;
	unsigned long length;
	unsigned long iova;
};

static const struct placement placements[] = {
	/* Never 0; page aligned, with the offset that the memory has. */
	{ SZ_1G, 1, PAGE_SIZE },
	{ SZ_1G, PAGE_SIZE, PAGE_SIZE },
	{ SZ_1G + 5, PAGE_SIZE, PAGE_SIZE + 5 },
	{ SZ_1G + PAGE_SIZE - 1, 2, 2 * PAGE_SIZE - 1 },
	/* Aligned as its length ... */
	{ SZ_1G, 2 * PAGE_SIZE, 2 * PAGE_SIZE },
	{ SZ_1G, 3 * PAGE_SIZE, 4 * PAGE_SIZE },
	{ SZ_1G, 64 * PAGE_SIZE, 64 * PAGE_SIZE },
	/* ... but no more than a huge page needs ... */
	{ SZ_1G, PMD_SIZE, PMD_SIZE },
	{ SZ_1G, PMD_SIZE + 1, PMD_SIZE },
	{ SZ_1G, 8 * PMD_SIZE, PMD_SIZE },
	/* ... and than the memory is. */
	{ SZ_1G + 2 * PAGE_SIZE, 64 * PAGE_SIZE, 2 * PAGE_SIZE },
	{ SZ_1G + PAGE_SIZE, PMD_SIZE, PAGE_SIZE },
	{ SZ_1G + PMD_SIZE / 2, PMD_SIZE, PMD_SIZE / 2 },
	{ 0, 2 * PAGE_SIZE, 2 * PAGE_SIZE },
};

static void automatic_place_is_aligned(struct kunit *test)
{
	const struct placement *p;
	unsigned long iova;

	for (p = placements; p < placements + ARRAY_SIZE(placements); p++) {
		KUNIT_EXPECT_EQ(test, place_anywhere(test, p->uptr, p->length,
						     &iova), 0);
		KUNIT_EXPECT_EQ_MSG(test, iova, p->iova,
				    "of 0x%lx bytes at 0x%lx", p->length,
				    p->uptr);
	}
}

static void automatic_place_is_the_lowest_gap(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	unsigned long iova;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, 1 * PAGE_SIZE, 1), 0);
	reserve(test, 2 * PAGE_SIZE, 3 * PAGE_SIZE - 1);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, 5 * PAGE_SIZE, 1), 0);

	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, 6 * PAGE_SIZE);

	/* What becomes free is used again. */
	expect_unmap(test, PAGE_SIZE, 2 * PAGE_SIZE - 1, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, PAGE_SIZE);
	iopt_unreserve(&t->iopt, t);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, 2 * PAGE_SIZE);
}

/* The search had come to begin behind them. */
static void automatic_place_is_found_in_what_was_reserved(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	unsigned int i;
	unsigned long iova;

	reserve(test, PAGE_SIZE, 3 * PAGE_SIZE - 1);
	for (i = 3; i < 6; i++) {
		KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE,
						   RW, &iova), 0);
		KUNIT_EXPECT_EQ(test, iova, i * PAGE_SIZE);
	}
	iopt_unreserve(&t->iopt, t);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, PAGE_SIZE);
}

static void automatic_place_may_end_at_the_top(struct kunit *test)
{
	const unsigned long top = ULONG_MAX - PAGE_SIZE + 1;
	struct iopt_test *t = test->priv;
	unsigned long iova;

	reserve(test, 0, top - 1);
	KUNIT_EXPECT_EQ(test, place_anywhere(test, SZ_1G, 2 * PAGE_SIZE, &iova),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, place_anywhere(test, SZ_1G + 1, PAGE_SIZE, &iova),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, top);
	KUNIT_EXPECT_EQ(test, place_anywhere(test, SZ_1G, 1, &iova), -ENOSPC);
}

static void no_automatic_place_is_enospc(struct kunit *test)
{
	unsigned long iova;

	/* All but two pages, which are not aligned for two. */
	reserve(test, 0, 5 * PAGE_SIZE - 1);
	reserve(test, 7 * PAGE_SIZE, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, place_anywhere(test, SZ_1G, 2 * PAGE_SIZE, &iova),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, place_anywhere(test, SZ_1G + PAGE_SIZE,
					     2 * PAGE_SIZE, &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, place_anywhere(test, SZ_1G + PAGE_SIZE,
					     2 * PAGE_SIZE + 1, &iova),
			-ENOSPC);
}

static void automatic_place_of_half_of_all_is_eoverflow(struct kunit *test)
{
	unsigned long iova;

	KUNIT_EXPECT_EQ(test, place_anywhere(test, 0, ULONG_MAX / 2, &iova),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, place_anywhere(test, 0, ULONG_MAX / 2 - 1,
					     &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, PMD_SIZE);
}

/*
 * Sizes and offsets are in units of 1/4 page, in a window that begins at
 * WINDOW_BASE: the rest is reserved.
 */
#define UNIT (PAGE_SIZE / 4)
#define WINDOW_BASE (SZ_1G + 3 * PAGE_SIZE)
#define WINDOW_UNITS 4096UL
#define WINDOW_AREAS 32
#define WINDOW_ROUNDS 50
#define WINDOW_STEPS 60
#define WINDOW_ALLOWED 8

/**
 * struct window - a plain model of the free space in the window
 * @rnd: where chance comes from
 * @used: a bit for each unit
 * @banned: likewise, for what is not allowed
 * @areas: what was placed there
 * @iova: where
 * @units: lengths of the areas, 0 of those that are not placed
 */
struct window {
	struct rnd_state rnd;
	DECLARE_BITMAP(used, WINDOW_UNITS);
	DECLARE_BITMAP(banned, WINDOW_UNITS);
	struct list_head areas[WINDOW_AREAS];
	unsigned long iova[WINDOW_AREAS];
	unsigned long units[WINDOW_AREAS];
};

static u32 chance(struct rnd_state *rnd, u32 of)
{
	return prandom_u32_state(rnd) % of;
}

static unsigned long window_index(unsigned long iova)
{
	return (iova - WINDOW_BASE) / UNIT;
}

/*
 * Tries each address in turn, for @units at @offset from a multiple of @align.
 * Returns ULONG_MAX if none will do.
 */
static unsigned long window_find(struct window *window, unsigned long align,
				 unsigned long offset, unsigned long units)
{
	unsigned long iova = ALIGN_DOWN(WINDOW_BASE, align) + offset;
	unsigned long bit;

	for (; iova < WINDOW_BASE + WINDOW_UNITS * UNIT; iova += align) {
		if (iova < WINDOW_BASE)
			continue;
		bit = window_index(iova);
		if (bit + units <= WINDOW_UNITS &&
		    find_next_bit(window->used, bit + units, bit) ==
			    bit + units &&
		    find_next_bit(window->banned, bit + units, bit) ==
			    bit + units)
			return iova;
	}
	return ULONG_MAX;
}

/* Whole pages are preferred; else, what is left over beside another mapping. */
static unsigned long window_search(struct window *window, unsigned long uptr,
				   unsigned long units)
{
	unsigned long offset = offset_in_page(uptr), align, iova;

	align = min(roundup_pow_of_two(units * UNIT), PMD_SIZE);
	align = max(min(align, 1UL << __ffs(uptr)), PAGE_SIZE);
	iova = window_find(window, align, 0,
			   PAGE_ALIGN(offset + units * UNIT) / UNIT);
	if (iova != ULONG_MAX)
		return iova + offset;
	return window_find(window, align, offset, units);
}

static void window_place(struct kunit *test, struct window *window,
			 unsigned int i)
{
	struct list_head *areas = &window->areas[i];
	unsigned long uptr, units, expected;
	struct iopt_test *t = test->priv;
	int ret;

	/* Few kinds of sizes and offsets, just above and below a power of 2. */
	units = BIT(chance(&window->rnd, 10)) + chance(&window->rnd, 2);
	uptr = SZ_1G + chance(&window->rnd, 3) * UNIT +
	       chance(&window->rnd, 4) * PAGE_SIZE;
	expected = window_search(window, uptr, units);

	INIT_LIST_HEAD(areas);
	add_area(test, areas, uptr, units * UNIT, RW);
	ret = iopt_place_anywhere(&t->iopt, areas, &window->iova[i]);
	KUNIT_EXPECT_EQ(test, ret, expected == ULONG_MAX ? -ENOSPC : 0);
	if (ret) {
		iopt_free_areas(areas);
		return;
	}
	KUNIT_ASSERT_EQ(test, window->iova[i], expected);
	bitmap_set(window->used, window_index(expected), units);
	window->units[i] = units;
}

static void window_unplace(struct kunit *test, struct window *window,
			   unsigned int i)
{
	struct iopt_test *t = test->priv;

	bitmap_clear(window->used, window_index(window->iova[i]),
		     window->units[i]);
	iopt_unplace(&t->iopt, &window->areas[i]);
	iopt_free_areas(&window->areas[i]);
	window->units[i] = 0;
}

/* Some ranges of the window, which may adjoin; or anywhere. */
static void window_allow(struct kunit *test, struct window *window)
{
	struct iopt_range ranges[WINDOW_ALLOWED];
	unsigned long first = 0, units, nr = 0;
	struct iopt_test *t = test->priv;

	bitmap_zero(window->banned, WINDOW_UNITS);
	if (chance(&window->rnd, 3)) {
		bitmap_set(window->banned, 0, WINDOW_UNITS);
		while (nr < WINDOW_ALLOWED) {
			first += chance(&window->rnd, 4) *
				 chance(&window->rnd, 200);
			units = 1 + chance(&window->rnd, 900);
			if (first + units > WINDOW_UNITS)
				break;
			bitmap_clear(window->banned, first, units);
			ranges[nr].start = WINDOW_BASE + first * UNIT;
			ranges[nr++].last = WINDOW_BASE +
					    (first + units) * UNIT - 1;
			first += units;
		}
		if (!nr)
			bitmap_zero(window->banned, WINDOW_UNITS);
	}
	KUNIT_ASSERT_EQ(test, test_allow(&t->iopt, ranges, nr), 0);
}

static void window_round(struct kunit *test, struct window *window)
{
	unsigned int i, step;

	for (step = 0; step < WINDOW_STEPS; step++) {
		if (!chance(&window->rnd, 15))
			window_allow(test, window);
		i = chance(&window->rnd, WINDOW_AREAS);
		if (window->units[i])
			window_unplace(test, window, i);
		else
			window_place(test, window, i);
	}
	for (i = 0; i < WINDOW_AREAS; i++)
		if (window->units[i])
			window_unplace(test, window, i);
}

/* The search remembers how far there is nothing: it must never miss a gap. */
static void automatic_place_agrees_with_a_plain_search(struct kunit *test)
{
	struct window *window;
	unsigned int round;

	window = kunit_kzalloc(test, sizeof(*window), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, window);
	prandom_seed_state(&window->rnd, 61);
	reserve(test, 0, WINDOW_BASE - 1);
	reserve(test, WINDOW_BASE + WINDOW_UNITS * UNIT, ULONG_MAX);
	for (round = 0; round < WINDOW_ROUNDS; round++) {
		window_round(test, window);
		cond_resched();
	}
}

/* ---- unmapping ---- */

static void unmap_of_nothing_is_enoent(struct kunit *test)
{
	expect_unmap(test, 0, ULONG_MAX, -ENOENT, 0);
	expect_unmap(test, SZ_1M, SZ_2M, -ENOENT, 0);

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 1), 0);
	expect_unmap(test, 0, SZ_1M - 1, -ENOENT, 0);
	expect_unmap(test, SZ_1M + PAGE_SIZE, ULONG_MAX, -ENOENT, 0);
}

static void unmap_does_not_cut(struct kunit *test)
{
	const unsigned long a = SZ_1M, b = a + 4 * PAGE_SIZE;
	const unsigned long end = b + 4 * PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, a, 4), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, b, 4), 0);
	expect_unmap(test, a, b, -ENOENT, 0);
	expect_unmap(test, a + 1, end - 1, -ENOENT, 0);
	expect_unmap(test, a, end - 2, -ENOENT, 0);
	expect_unmap(test, a + PAGE_SIZE, b - 1, -ENOENT, 0);
	expect_unmap(test, a + PAGE_SIZE, a + 2 * PAGE_SIZE - 1, -ENOENT, 0);
	expect_unmap(test, 0, a, -ENOENT, 0);

	/* Nothing has changed: both are still there. */
	expect_unmap(test, b, end - 1, 0, 4 * PAGE_SIZE);
	expect_unmap(test, a, b - 1, 0, 4 * PAGE_SIZE);
}

static void unmap_takes_all_in_the_range(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, map_pages_at(test, 0, 1), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_2M, 3), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_4M, 4), 0);

	expect_unmap(test, SZ_1M - 1, SZ_4M - 1, 0, 5 * PAGE_SIZE);
	expect_unmap(test, SZ_1M - 1, SZ_4M - 1, -ENOENT, 0);
	expect_unmap(test, 0, ULONG_MAX, 0, 5 * PAGE_SIZE);
}

static void unmap_all_succeeds_on_nothing(struct kunit *test)
{
	expect_unmap_all(test, 0, 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, 0, 1), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, ULONG_MAX - PAGE_SIZE + 1, 1),
			0);
	expect_unmap_all(test, 0, 2 * PAGE_SIZE);
	expect_unmap_all(test, 0, 0);
}

static void unmap_of_a_map_under_way_is_ebusy(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	LIST_HEAD(areas);

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 1), 0);
	add_area(test, &areas, t->uptr, PAGE_SIZE, RW);
	KUNIT_ASSERT_EQ(test, iopt_place(&t->iopt, &areas, SZ_2M), 0);

	expect_unmap(test, SZ_2M, SZ_2M + PAGE_SIZE - 1, -EBUSY, 0);
	expect_unmap(test, SZ_1M, SZ_2M + PAGE_SIZE - 1, -EBUSY, 0);
	expect_unmap_all(test, -EBUSY, 0);
	/* That it would be cut counts for more. */
	expect_unmap(test, SZ_1M, SZ_2M, -ENOENT, 0);
	/* Its addresses are taken already. */
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_2M, 1), -EEXIST);

	KUNIT_EXPECT_EQ(test, iopt_fill(&t->iopt, &areas), 0);
	expect_unmap_all(test, 0, 2 * PAGE_SIZE);
}

/* ---- reserved and usable ranges ---- */

#define MAX_RANGES 4

static void expect_usable(struct kunit *test, unsigned int nr,
			  const struct iopt_range *expected)
{
	struct iopt_range ranges[MAX_RANGES] = {};
	struct iopt_test *t = test->priv;
	unsigned long unused;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, iopt_usable_ranges(&t->iopt, ranges, MAX_RANGES,
						 &unused), nr);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ(test, ranges[i].start, expected[i].start);
		KUNIT_EXPECT_EQ(test, ranges[i].last, expected[i].last);
	}
}

#define EXPECT_USABLE(test, ...)                                       \
	do {                                                           \
		const struct iopt_range _expected[] = { __VA_ARGS__ }; \
		expect_usable(test, ARRAY_SIZE(_expected), _expected); \
	} while (0)

static void everything_is_usable_at_first(struct kunit *test)
{
	EXPECT_USABLE(test, { 0, ULONG_MAX });
	KUNIT_EXPECT_EQ(test, alignment(test), 1);
	/* Mappings do not count. */
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 1), 0);
	EXPECT_USABLE(test, { 0, ULONG_MAX });
}

static void reserved_ranges_are_not_usable(struct kunit *test)
{
	struct iopt_test *t = test->priv;

	reserve(test, 100, 199);
	EXPECT_USABLE(test, { 0, 99 }, { 200, ULONG_MAX });
	reserve(test, 0, 0);
	EXPECT_USABLE(test, { 1, 99 }, { 200, ULONG_MAX });
	reserve(test, ULONG_MAX, ULONG_MAX);
	EXPECT_USABLE(test, { 1, 99 }, { 200, ULONG_MAX - 1 });
	/* Beside another, within another, across two. */
	reserve(test, 200, 299);
	reserve(test, 120, 130);
	reserve(test, 50, 250);
	EXPECT_USABLE(test, { 1, 49 }, { 300, ULONG_MAX - 1 });
	reserve(test, 1000, ULONG_MAX);
	EXPECT_USABLE(test, { 1, 49 }, { 300, 999 });
	iopt_unreserve(&t->iopt, t);
	EXPECT_USABLE(test, { 0, ULONG_MAX });
}

static void everything_can_be_reserved(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	unsigned long unused;

	reserve(test, SZ_1M, SZ_2M);
	reserve(test, 0, ULONG_MAX);
	reserve(test, SZ_1M, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, iopt_usable_ranges(&t->iopt, NULL, 0, &unused),
			0);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_4M, 1), -EINVAL);
}

static void usable_ranges_fill_what_fits(struct kunit *test)
{
	struct iopt_range ranges[2] = { { 7, 7 }, { 7, 7 } };
	struct iopt_test *t = test->priv;
	unsigned long unused;

	reserve(test, 100, 199);
	reserve(test, 300, 399);
	KUNIT_EXPECT_EQ(test, iopt_usable_ranges(&t->iopt, ranges, 0, &unused),
			3);
	KUNIT_EXPECT_EQ(test, ranges[0].start, 7);
	KUNIT_EXPECT_EQ(test, iopt_usable_ranges(&t->iopt, ranges, 1, &unused),
			3);
	KUNIT_EXPECT_EQ(test, ranges[0].last, 99);
	KUNIT_EXPECT_EQ(test, ranges[1].start, 7);
}

static void reserve_of_a_mapping_is_eaddrinuse(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	const unsigned long last = SZ_1M + PAGE_SIZE - 1;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 1), 0);
	KUNIT_EXPECT_EQ(test, iopt_reserve(&t->iopt, 0, SZ_1M, t),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, iopt_reserve(&t->iopt, last, ULONG_MAX, t),
			-EADDRINUSE);
	EXPECT_USABLE(test, { 0, ULONG_MAX });
	reserve(test, 0, SZ_1M - 1);
	reserve(test, last + 1, ULONG_MAX);
	EXPECT_USABLE(test, { SZ_1M, last });
}

static void unreserve_is_by_owner(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	int other;

	reserve(test, 100, 199);
	KUNIT_ASSERT_EQ(test, iopt_reserve(&t->iopt, 150, 299, &other), 0);
	reserve(test, 400, 499);
	EXPECT_USABLE(test, { 0, 99 }, { 300, 399 }, { 500, ULONG_MAX });
	iopt_unreserve(&t->iopt, t);
	EXPECT_USABLE(test, { 0, 149 }, { 300, ULONG_MAX });
	iopt_unreserve(&t->iopt, &other);
	EXPECT_USABLE(test, { 0, ULONG_MAX });
}

/* ---- domains ---- */

/* As device.c does it, but for the device. */
static int add_domain_to(struct kunit *test, struct io_pagetable *iopt,
			 struct test_domain *td)
{
	int ret;

	ret = iopt_pin_areas(iopt);
	if (!ret) {
		down_write(&iopt->domains_rwsem);
		KUNIT_EXPECT_TRUE(test, iopt_areas_pinned(iopt));
		ret = iopt_add_domain(iopt, &td->shown);
		up_write(&iopt->domains_rwsem);
	}
	if (ret)
		iopt_unpin_idle(iopt);
	return ret;
}

static int add_domain(struct kunit *test, struct test_domain *td)
{
	struct iopt_test *t = test->priv;

	return add_domain_to(test, &t->iopt, td);
}

static struct test_domain *add_new_domain(struct kunit *test,
					  unsigned long granule)
{
	struct test_domain *td = test_domain_alloc(test, granule);

	KUNIT_ASSERT_EQ(test, add_domain(test, td), 0);
	return td;
}

/* The domain shows, at @iova, the memory at @uptr. */
static void expect_shown(struct kunit *test, struct test_domain *td,
			 unsigned long iova, unsigned long uptr,
			 unsigned long length, int prot)
{
	unsigned long pos = 0, wrong = 0;
	int shown_prot = 0;

	while (pos < length) {
		if (test_domain_phys(td, iova + pos, &shown_prot) !=
			    test_mm_phys(test, uptr + pos) ||
		    shown_prot != (prot | IOMMU_CACHE))
			wrong++;
		pos += PAGE_SIZE - offset_in_page(uptr + pos);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static void nothing_is_pinned_without_a_domain(struct kunit *test)
{
	struct iopt_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1M, MEMORY_PAGES), 0);
	/* There need not even be memory. */
	vm_munmap(t->uptr, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_2M, 1), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	expect_unmap_all(test, 0, (MEMORY_PAGES + 1) * PAGE_SIZE);
}

static void new_domain_shows_what_is_mapped(struct kunit *test)
{
	const unsigned long top = ULONG_MAX - PAGE_SIZE + 1;
	struct iopt_test *t = test->priv;
	struct test_domain *td;

	KUNIT_ASSERT_EQ(test, map_fixed(test, 0, t->uptr, 3 * PAGE_SIZE,
					IOMMU_READ), 0);
	KUNIT_ASSERT_EQ(test, map_fixed(test, SZ_1M, t->uptr + PAGE_SIZE,
					5 * PAGE_SIZE, RW), 0);
	KUNIT_ASSERT_EQ(test, map_fixed(test, top, t->uptr, PAGE_SIZE,
					IOMMU_WRITE), 0);

	td = add_new_domain(test, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 9 * PAGE_SIZE);
	expect_shown(test, td, 0, t->uptr, 3 * PAGE_SIZE, IOMMU_READ);
	expect_shown(test, td, SZ_1M, t->uptr + PAGE_SIZE, 5 * PAGE_SIZE, RW);
	expect_shown(test, td, top, t->uptr, PAGE_SIZE, IOMMU_WRITE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 9);

	remove_domain(test, &td->shown);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	/* The mappings are still there, for the next one. */
	KUNIT_EXPECT_EQ(test, add_domain(test, td), 0);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 9 * PAGE_SIZE);
}

static void map_and_unmap_reach_every_domain(struct kunit *test)
{
	struct test_domain *a = add_new_domain(test, PAGE_SIZE);
	struct test_domain *b = add_new_domain(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;
	unsigned long iova;

	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr + PAGE_SIZE,
					   4 * PAGE_SIZE, RW, &iova), 0);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1G, 2), 0);
	expect_shown(test, a, iova, t->uptr + PAGE_SIZE, 4 * PAGE_SIZE, RW);
	expect_shown(test, b, iova, t->uptr + PAGE_SIZE, 4 * PAGE_SIZE, RW);
	KUNIT_EXPECT_EQ(test, test_domain_size(a), 6 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_size(b), 6 * PAGE_SIZE);
	/* Pinned once for both. */
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 6);

	expect_unmap(test, iova, iova + 4 * PAGE_SIZE - 1, 0, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_size(a), 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_size(b), 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 2);

	remove_domain(test, &a->shown);
	KUNIT_EXPECT_EQ(test, test_domain_size(a), 0);
	expect_shown(test, b, SZ_1G, t->uptr, 2 * PAGE_SIZE, RW);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 2);
	remove_domain(test, &b->shown);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
}

static void refused_unmap_leaves_the_domain_alone(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 4), 0);
	expect_unmap(test, SZ_1M, SZ_1M + PAGE_SIZE - 1, -ENOENT, 0);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 4 * PAGE_SIZE);
	expect_shown(test, td, SZ_1M, t->uptr, 4 * PAGE_SIZE, RW);
}

static void map_under_way_is_shown_when_it_is_filled(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	struct test_domain *td;
	LIST_HEAD(areas);

	add_area(test, &areas, t->uptr, 2 * PAGE_SIZE, RW);
	KUNIT_ASSERT_EQ(test, iopt_place(&t->iopt, &areas, SZ_1M), 0);
	td = add_new_domain(test, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	KUNIT_EXPECT_EQ(test, iopt_fill(&t->iopt, &areas), 0);
	expect_shown(test, td, SZ_1M, t->uptr, 2 * PAGE_SIZE, RW);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 2);
}

static void map_of_no_memory_is_efault(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	vm_munmap(t->uptr + 3 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1M, 4), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	/* The place is free again. */
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1M, 3), 0);
}

static void new_domain_for_no_memory_is_efault(struct kunit *test)
{
	struct test_domain *td = test_domain_alloc(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_2M, 4), 0);
	vm_munmap(t->uptr + 3 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	expect_unmap_all(test, 0, 6 * PAGE_SIZE);
}

/* ---- failing domains ---- */

static void failed_map_is_undone_in_every_domain(struct kunit *test)
{
	struct test_domain *a = add_new_domain(test, PAGE_SIZE);
	struct test_domain *b = add_new_domain(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;
	unsigned int n;
	int ret;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	/* Until there are fewer steps than that. */
	for (n = 1; n < 100; n++) {
		b->fail_in = n;
		ret = map_pages_at(test, SZ_2M, MEMORY_PAGES);
		if (!ret)
			break;
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_EQ(test, test_domain_size(a), 2 * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, test_domain_size(b), 2 * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, test_mm_pinned(), 2);
	}
	KUNIT_EXPECT_GT(test, n, 1);
	KUNIT_EXPECT_EQ(test, ret, 0);
	expect_shown(test, b, SZ_1M, t->uptr, 2 * PAGE_SIZE, RW);
	expect_shown(test, b, SZ_2M, t->uptr, MEMORY_PAGES * PAGE_SIZE, RW);
}

/* A driver may fail in the middle of a run, and not say how far it got. */
static void failed_map_does_not_touch_its_neighbours(struct kunit *test)
{
	const unsigned long iova = SZ_1M + UNIT, length = 2 * PAGE_SIZE + UNIT;
	struct test_domain *td = add_new_domain(test, UNIT);
	struct iopt_test *t = test->priv;
	unsigned int n;
	int ret;

	KUNIT_ASSERT_EQ(test, map_fixed(test, iova - UNIT, t->uptr, UNIT, RW),
			0);
	KUNIT_ASSERT_EQ(test, map_fixed(test, iova + length, t->uptr, UNIT, RW),
			0);
	for (n = 1; n < 100; n++) {
		td->fail_in = n;
		ret = map_fixed(test, iova, t->uptr + 2 * UNIT, length, RW);
		if (!ret)
			break;
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_EQ(test, test_domain_size(td), 2 * UNIT);
		expect_shown(test, td, iova - UNIT, t->uptr, UNIT, RW);
		expect_shown(test, td, iova + length, t->uptr, UNIT, RW);
	}
	KUNIT_EXPECT_GT(test, n, 2);
	KUNIT_EXPECT_EQ(test, ret, 0);
	expect_shown(test, td, iova, t->uptr + 2 * UNIT, length, RW);
}

static void failed_domain_is_left_empty(struct kunit *test)
{
	struct test_domain *td = test_domain_alloc(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;
	unsigned int n;
	int ret;

	td->domain.geometry.force_aperture = true;
	td->domain.geometry.aperture_end = SZ_1G - 1;
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 3), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_2M, 4), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_4M, MEMORY_PAGES), 0);

	for (n = 1; n < 100; n++) {
		td->fail_in = n;
		ret = add_domain(test, td);
		if (!ret)
			break;
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
		KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
		KUNIT_EXPECT_EQ(test, alignment(test), 1);
		EXPECT_USABLE(test, { 0, ULONG_MAX });
	}
	KUNIT_EXPECT_GT(test, n, 3);
	KUNIT_EXPECT_EQ(test, ret, 0);
	expect_shown(test, td, SZ_4M, t->uptr, MEMORY_PAGES * PAGE_SIZE, RW);
	EXPECT_USABLE(test, { 0, SZ_1G - 1 });
}

static void failed_domain_does_not_disturb_the_other(struct kunit *test)
{
	struct test_domain *good = add_new_domain(test, PAGE_SIZE / 2);
	struct test_domain *bad = test_domain_alloc(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 3), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_2M, 3), 0);
	bad->fail_in = 2;
	KUNIT_EXPECT_EQ(test, add_domain(test, bad), -ENOMEM);
	KUNIT_EXPECT_EQ(test, test_domain_size(bad), 0);
	KUNIT_EXPECT_EQ(test, test_domain_size(good), 6 * PAGE_SIZE);
	expect_shown(test, good, SZ_1M, t->uptr, 3 * PAGE_SIZE, RW);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 6);
	KUNIT_EXPECT_EQ(test, alignment(test), PAGE_SIZE / 2);
}

/* ---- chunks ---- */

/* The page before a multiple of 1 GiB, where another chunk begins. */
#define BOUNDARY (SZ_1G - PAGE_SIZE)

/* test_domain.c watches how far each call reaches. */
static void area_may_span_chunks(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, UNIT);
	struct iopt_test *t = test->priv;
	struct test_block *block = test_block_alloc(test, 2);
	unsigned long uptr = test_block_map(test, block, 0);

	/* A run goes on behind it, at a multiple of its page or not. */
	KUNIT_EXPECT_EQ(test, map_fixed(test, BOUNDARY, uptr, 4 * PAGE_SIZE,
					RW), 0);
	expect_shown(test, td, BOUNDARY, uptr, 4 * PAGE_SIZE, RW);
	expect_unmap_all(test, 0, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	KUNIT_EXPECT_EQ(test, map_fixed(test, BOUNDARY + UNIT, uptr,
					3 * PAGE_SIZE, RW), 0);
	expect_shown(test, td, BOUNDARY + UNIT, uptr, 3 * PAGE_SIZE, RW);
	remove_domain(test, &td->shown);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	expect_unmap_all(test, 0, 3 * PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, add_domain(test, td), 0);
	KUNIT_ASSERT_EQ(test, iopt_set_huge_pages(&t->iopt, false), 0);
	KUNIT_EXPECT_EQ(test, map_fixed(test, BOUNDARY, uptr, 4 * PAGE_SIZE,
					RW), 0);
	expect_shown(test, td, BOUNDARY, uptr, 4 * PAGE_SIZE, RW);
	expect_unmap_all(test, 0, 4 * PAGE_SIZE);
	vm_munmap(uptr, 4 * PAGE_SIZE);
}

static void failed_map_is_undone_in_every_chunk(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, UNIT);
	struct iopt_test *t = test->priv;
	unsigned int n;
	int ret;

	for (n = 1; n < 100; n++) {
		td->fail_in = n;
		ret = map_fixed(test, SZ_2G - 2 * PAGE_SIZE - UNIT, t->uptr,
				MEMORY_PAGES * PAGE_SIZE, RW);
		if (!ret)
			break;
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
		KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	}
	KUNIT_EXPECT_GT(test, n, 4);
	KUNIT_EXPECT_EQ(test, ret, 0);
}

/* A large area takes a while: a fatal signal ends it, and nothing stays. */
static void map_can_be_killed_between_chunks(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	allow_signal(SIGKILL);
	td->kill_in = 1;
	KUNIT_EXPECT_EQ(test, map_pages_at(test, BOUNDARY, 2), -EINTR);
	flush_signals(current);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);

	remove_domain(test, &td->shown);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, BOUNDARY, 2), 0);
	td->kill_in = 1;
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EINTR);
	flush_signals(current);
	disallow_signal(SIGKILL);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), 0);
	expect_shown(test, td, BOUNDARY, t->uptr, 2 * PAGE_SIZE, RW);
}

/* ---- alignment and aperture ---- */

static void alignment_is_that_of_the_coarsest_domain(struct kunit *test)
{
	struct test_domain *fine = add_new_domain(test, 512);
	struct test_domain *coarse;

	KUNIT_EXPECT_EQ(test, alignment(test), 512);
	coarse = add_new_domain(test, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, alignment(test), PAGE_SIZE);
	remove_domain(test, &fine->shown);
	KUNIT_EXPECT_EQ(test, alignment(test), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, add_domain(test, fine), 0);
	remove_domain(test, &coarse->shown);
	KUNIT_EXPECT_EQ(test, alignment(test), 512);
	remove_domain(test, &fine->shown);
	KUNIT_EXPECT_EQ(test, alignment(test), 1);
}

static void misaligned_map_is_einval(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, 512);
	struct iopt_test *t = test->priv;
	unsigned long iova;

	KUNIT_EXPECT_EQ(test, map_fixed(test, 512 + 1, t->uptr, 512, RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, map_fixed(test, 512, t->uptr + 1, 512, RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, map_fixed(test, 512, t->uptr, 512 + 1, RW),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr + 1, 512, RW, &iova),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, 511, RW, &iova),
			-EINVAL);
	/* Address and memory may differ in their offset. */
	KUNIT_EXPECT_EQ(test, map_fixed(test, 512, t->uptr + 1024,
					2 * PAGE_SIZE + 512, RW), 0);
	expect_shown(test, td, 512, t->uptr + 1024, 2 * PAGE_SIZE + 512, RW);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 2 * PAGE_SIZE + 512);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 3);
}

static void domain_too_coarse_for_a_mapping_is_eaddrinuse(struct kunit *test)
{
	struct test_domain *td = test_domain_alloc(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	/* Misaligned by its address, its memory, its length. */
	KUNIT_ASSERT_EQ(test, map_pages_at(test, 0, 1), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M + 512, 1), 0);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EADDRINUSE);
	expect_unmap(test, SZ_1M, SZ_2M - 1, 0, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map_fixed(test, SZ_1M, t->uptr + 512, PAGE_SIZE,
					RW), 0);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EADDRINUSE);
	expect_unmap(test, SZ_1M, SZ_2M - 1, 0, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map_fixed(test, SZ_1M, t->uptr, 512, RW), 0);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, alignment(test), 1);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);

	expect_unmap(test, SZ_1M, SZ_2M - 1, 0, 512);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), 0);
}

static void domain_of_large_pages_is_einval(struct kunit *test)
{
	struct test_domain *td = test_domain_alloc(test, 2 * PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EINVAL);
	KUNIT_EXPECT_EQ(test, alignment(test), 1);
}

static struct test_domain *alloc_domain_from_to(struct kunit *test,
						unsigned long start,
						unsigned long last)
{
	struct test_domain *td = test_domain_alloc(test, PAGE_SIZE);

	td->domain.geometry.force_aperture = true;
	td->domain.geometry.aperture_start = start;
	td->domain.geometry.aperture_end = last;
	return td;
}

static void aperture_limits_what_is_usable(struct kunit *test)
{
	struct test_domain *td = alloc_domain_from_to(test, SZ_1M, SZ_1G - 1);
	struct iopt_test *t = test->priv;
	unsigned long iova;

	reserve(test, SZ_1M - PAGE_SIZE, SZ_1M + PAGE_SIZE - 1);
	reserve(test, SZ_2M, SZ_4M - 1);
	KUNIT_ASSERT_EQ(test, add_domain(test, td), 0);
	EXPECT_USABLE(test, { SZ_1M + PAGE_SIZE, SZ_2M - 1 },
		      { SZ_4M, SZ_1G - 1 });
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_512K, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1G - PAGE_SIZE, 2),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1G - PAGE_SIZE, 1), 0);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, SZ_1M + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, place_anywhere(test, SZ_1G, SZ_1G, &iova),
			-ENOSPC);

	remove_domain(test, &td->shown);
	iopt_unreserve(&t->iopt, t);
	EXPECT_USABLE(test, { 0, ULONG_MAX });
	/* The addresses below it are found again. */
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			0);
	KUNIT_EXPECT_EQ(test, iova, PAGE_SIZE);
}

static void aperture_is_what_all_domains_have(struct kunit *test)
{
	struct test_domain *a = alloc_domain_from_to(test, 0, SZ_1G - 1);
	struct test_domain *b = alloc_domain_from_to(test, SZ_1M, ULONG_MAX);
	struct test_domain *c = alloc_domain_from_to(test, SZ_1G, ULONG_MAX);
	struct iopt_test *t = test->priv;
	unsigned long iova;

	KUNIT_ASSERT_EQ(test, add_domain(test, a), 0);
	KUNIT_ASSERT_EQ(test, add_domain(test, b), 0);
	EXPECT_USABLE(test, { SZ_1M, SZ_1G - 1 });

	/* They need not have anything in common. */
	KUNIT_ASSERT_EQ(test, add_domain(test, c), 0);
	expect_usable(test, 0, NULL);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1M, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, PAGE_SIZE, RW, &iova),
			-ENOSPC);
	remove_domain(test, &a->shown);
	EXPECT_USABLE(test, { SZ_1G, ULONG_MAX });
}

static void unforced_aperture_does_not_count(struct kunit *test)
{
	struct test_domain *td = alloc_domain_from_to(test, 0, SZ_1M);

	td->domain.geometry.force_aperture = false;
	KUNIT_ASSERT_EQ(test, add_domain(test, td), 0);
	EXPECT_USABLE(test, { 0, ULONG_MAX });
}

static void mapping_outside_the_aperture_is_eaddrinuse(struct kunit *test)
{
	struct test_domain *td = alloc_domain_from_to(test, SZ_1M, SZ_1G - 1);

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1G - PAGE_SIZE, 2), 0);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EADDRINUSE);
	expect_unmap_all(test, 0, 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M - PAGE_SIZE, 2), 0);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
	KUNIT_EXPECT_EQ(test, alignment(test), 1);
	EXPECT_USABLE(test, { 0, ULONG_MAX });
}

static int fit_domain(struct kunit *test, struct test_domain *td)
{
	struct iopt_test *t = test->priv;
	int ret;

	down_write(&t->iopt.domains_rwsem);
	ret = iopt_fit_domain(&t->iopt, &td->shown);
	up_write(&t->iopt.domains_rwsem);
	return ret;
}

/* As when a further device is attached to a domain that is in use. */
static void domain_may_become_narrower(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, 512);

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M + 512, 1), 0);
	td->domain.pgsize_bitmap = PAGE_MASK;
	KUNIT_EXPECT_EQ(test, fit_domain(test, td), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, alignment(test), 512);
	td->domain.pgsize_bitmap = ~511UL;
	td->domain.geometry.force_aperture = true;
	td->domain.geometry.aperture_end = SZ_1M;
	KUNIT_EXPECT_EQ(test, fit_domain(test, td), -EADDRINUSE);
	EXPECT_USABLE(test, { 0, ULONG_MAX });

	expect_unmap_all(test, 0, PAGE_SIZE);
	td->domain.pgsize_bitmap = PAGE_MASK;
	KUNIT_EXPECT_EQ(test, fit_domain(test, td), 0);
	KUNIT_EXPECT_EQ(test, alignment(test), PAGE_SIZE);
	EXPECT_USABLE(test, { 0, SZ_1M });
}

static void many_domains_show_the_same(struct kunit *test)
{
	struct test_domain *td[64];
	struct iopt_test *t = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 3), 0);
	for (i = 0; i < ARRAY_SIZE(td); i++)
		td[i] = add_new_domain(test, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_2M, 5), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 8);
	for (i = 0; i < ARRAY_SIZE(td); i++) {
		KUNIT_EXPECT_EQ(test, test_domain_size(td[i]), 8 * PAGE_SIZE);
		expect_shown(test, td[i], SZ_1M, t->uptr, 3 * PAGE_SIZE, RW);
		expect_shown(test, td[i], SZ_2M, t->uptr, 5 * PAGE_SIZE, RW);
	}

	/* One of them fails. */
	td[40]->fail_in = 1;
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_4M, 2), -ENOMEM);
	for (i = 0; i < ARRAY_SIZE(td); i++)
		KUNIT_EXPECT_EQ(test, test_domain_size(td[i]), 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 8);
	expect_unmap_all(test, 0, 8 * PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(td); i++)
		KUNIT_EXPECT_EQ(test, test_domain_size(td[i]), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
}

/* ---- copies ---- */

static int copy(struct kunit *test, unsigned long src_iova,
		unsigned long length, struct io_pagetable *dst,
		unsigned long iova, int prot)
{
	struct iopt_test *t = test->priv;
	LIST_HEAD(areas);
	int ret;

	ret = iopt_add_copy(&areas, &t->iopt, src_iova, length, prot);
	if (!ret)
		ret = iopt_place(dst, &areas, iova);
	if (ret) {
		iopt_free_areas(&areas);
		return ret;
	}
	return iopt_fill(dst, &areas);
}

static void unmap_of(struct kunit *test, struct io_pagetable *iopt,
		     unsigned long start, unsigned long last)
{
	unsigned long unmapped;
	LIST_HEAD(drop);

	KUNIT_EXPECT_EQ(test, iopt_unmap(iopt, start, last, &unmapped, &drop),
			0);
	iopt_pins_drop(&drop);
}

static void copy_shows_the_same_pages(struct kunit *test)
{
	struct test_domain *a = add_new_domain(test, PAGE_SIZE);
	struct test_domain *b = test_domain_alloc(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, add_domain_to(test, &t->other, b), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 8), 0);
	/* Nobody looks for the memory again. */
	t->uptr += 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M + 2 * PAGE_SIZE, 3 * PAGE_SIZE,
				   &t->other, SZ_4M, IOMMU_READ), 0);
	expect_shown(test, b, SZ_4M, t->uptr, 3 * PAGE_SIZE, IOMMU_READ);
	KUNIT_EXPECT_EQ(test, test_domain_size(b), 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_size(a), 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 8);
	KUNIT_EXPECT_EQ(test, test_mm_pins(test_mm_phys(test, t->uptr)), 1);

	/* It does not need the source any more. */
	expect_unmap(test, SZ_1M, SZ_2M - 1, 0, 8 * PAGE_SIZE);
	expect_shown(test, b, SZ_4M, t->uptr, 3 * PAGE_SIZE, IOMMU_READ);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 3);
	unmap_of(test, &t->other, SZ_4M, SZ_8M - 1);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
}

static void copy_looks_nothing_up_again(struct kunit *test)
{
	struct test_domain *b = test_domain_alloc(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;
	phys_addr_t phys[8];
	unsigned int i;
	int prot;

	add_new_domain(test, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, add_domain_to(test, &t->other, b), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 8), 0);
	for (i = 0; i < ARRAY_SIZE(phys); i++)
		phys[i] = test_mm_phys(test, t->uptr + i * PAGE_SIZE);
	/* There is no memory any more, but for what is pinned. */
	vm_munmap(t->uptr, 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 8 * PAGE_SIZE, &t->other, SZ_4M,
				   RW), 0);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 8 * PAGE_SIZE, &t->iopt, SZ_4M,
				   RW), 0);
	add_new_domain(test, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(phys); i++)
		KUNIT_EXPECT_EQ(test, test_domain_phys(b, SZ_4M + i * PAGE_SIZE,
						       &prot), phys[i]);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 8);
}

static void copy_pins_what_the_source_did_not(struct kunit *test)
{
	struct test_domain *b = test_domain_alloc(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 8), 0);
	KUNIT_ASSERT_EQ(test, copy(test, SZ_1M + PAGE_SIZE, 2 * PAGE_SIZE,
				   &t->other, SZ_4M, RW), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	KUNIT_ASSERT_EQ(test, add_domain_to(test, &t->other, b), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 2);
	add_new_domain(test, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 8);
	remove_domain_of(&t->other, &b->shown);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 8);
}

static void copy_may_span_areas(struct kunit *test)
{
	const unsigned long a = SZ_1M, b = a + 3 * PAGE_SIZE,
			    c = b + 2 * PAGE_SIZE;
	struct test_domain *td = test_domain_alloc(test, UNIT);
	struct iopt_test *t = test->priv;
	unsigned long unmapped, from = SZ_4M + 3 * UNIT;
	LIST_HEAD(drop);

	KUNIT_ASSERT_EQ(test, map_fixed(test, a, t->uptr, 3 * PAGE_SIZE, RW),
			0);
	KUNIT_ASSERT_EQ(test, map_fixed(test, b, t->uptr + 9 * PAGE_SIZE + UNIT,
					2 * PAGE_SIZE, RW), 0);
	KUNIT_ASSERT_EQ(test, map_fixed(test, c, t->uptr, PAGE_SIZE, RW), 0);
	KUNIT_ASSERT_EQ(test, add_domain_to(test, &t->other, td), 0);

	/* From the middle of the first into the last; misaligned. */
	KUNIT_EXPECT_EQ(test, copy(test, a + PAGE_SIZE + UNIT, 4 * PAGE_SIZE +
				   UNIT, &t->other, from, RW), 0);
	expect_shown(test, td, from, t->uptr + PAGE_SIZE + UNIT,
		     2 * PAGE_SIZE - UNIT, RW);
	from += 2 * PAGE_SIZE - UNIT;
	expect_shown(test, td, from, t->uptr + 9 * PAGE_SIZE + UNIT,
		     2 * PAGE_SIZE, RW);
	from += 2 * PAGE_SIZE;
	expect_shown(test, td, from, t->uptr, 2 * UNIT, RW);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 4 * PAGE_SIZE + UNIT);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 2 + 3 + 1);

	/* They are three areas again. */
	KUNIT_EXPECT_EQ(test, iopt_unmap(&t->other, from - 2 * PAGE_SIZE,
					 from - 1, &unmapped, &drop), 0);
	KUNIT_EXPECT_EQ(test, unmapped, 2 * PAGE_SIZE);
	iopt_pins_drop(&drop);
	unmap_of(test, &t->other, SZ_4M, SZ_8M);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
}

static void copy_may_go_to_the_same_address_space(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 4), 0);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 4 * PAGE_SIZE, &t->iopt,
				   SZ_1M + 3 * PAGE_SIZE, RW), -EEXIST);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 4 * PAGE_SIZE, &t->iopt,
				   SZ_1M + 4 * PAGE_SIZE, RW), 0);
	/* And a copy of both. */
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 8 * PAGE_SIZE, &t->iopt,
				   SZ_4M, IOMMU_WRITE), 0);
	expect_shown(test, td, SZ_4M + 4 * PAGE_SIZE, t->uptr, 4 * PAGE_SIZE,
		     IOMMU_WRITE);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 16 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 4);
}

static void failed_copy_leaves_nothing(struct kunit *test)
{
	struct test_domain *td = test_domain_alloc(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;
	unsigned int n;
	int ret;

	KUNIT_ASSERT_EQ(test, add_domain_to(test, &t->other, td), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 4), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M + 4 * PAGE_SIZE, 4), 0);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 8 * PAGE_SIZE, &t->other,
				   SZ_4M + 1, RW), -EINVAL);
	/* In the first of two areas, in the second, until not at all. */
	for (n = 1; n < 100; n++) {
		td->fail_in = n;
		ret = copy(test, SZ_1M, 8 * PAGE_SIZE, &t->other, SZ_4M, RW);
		if (!ret)
			break;
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_EQ(test, test_domain_size(td), 0);
		KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
		KUNIT_EXPECT_TRUE(test, iopt_is_free(&t->other, 0, ULONG_MAX));
	}
	KUNIT_EXPECT_GT(test, n, 2);
	KUNIT_EXPECT_EQ(test, ret, 0);
	td->fail_in = 0;
	unmap_of(test, &t->other, SZ_4M, SZ_8M - 1);
	vm_munmap(t->uptr + 2 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 8 * PAGE_SIZE, &t->other,
				   SZ_4M, RW), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	KUNIT_EXPECT_TRUE(test, iopt_is_free(&t->other, 0, ULONG_MAX));
}

static void copy_of_what_is_not_mapped_is_enoent(struct kunit *test)
{
	const unsigned long top = ULONG_MAX - PAGE_SIZE + 1;
	struct iopt_test *t = test->priv;
	LIST_HEAD(areas);

	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 1, &t->other, 0, RW), -ENOENT);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M + 3 * PAGE_SIZE, 2), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, top, 1), 0);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M - 1, 2, &t->other, 0, RW),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 2 * PAGE_SIZE + 1, &t->other, 0,
				   RW), -ENOENT);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 5 * PAGE_SIZE, &t->other, 0,
				   RW), -ENOENT);
	KUNIT_EXPECT_EQ(test, copy(test, top - 1, 2, &t->other, 0, RW),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, copy(test, top, PAGE_SIZE + 1, &t->other, 0, RW),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, copy(test, top, PAGE_SIZE, &t->other, 0, RW), 0);

	/* A mapping that is under way is not there yet. */
	add_area(test, &areas, t->uptr, PAGE_SIZE, RW);
	KUNIT_ASSERT_EQ(test, iopt_place(&t->iopt, &areas,
					 SZ_1M + 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 5 * PAGE_SIZE, &t->other, SZ_4M,
				   RW), -ENOENT);
	KUNIT_EXPECT_EQ(test, iopt_fill(&t->iopt, &areas), 0);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 5 * PAGE_SIZE, &t->other, SZ_4M,
				   RW), 0);
}

static void copy_may_not_gain_write_access(struct kunit *test)
{
	struct iopt_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 1), 0);
	KUNIT_ASSERT_EQ(test, map_fixed(test, SZ_1M + PAGE_SIZE, t->uptr,
					PAGE_SIZE, IOMMU_READ), 0);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 2 * PAGE_SIZE, &t->other, 0,
				   RW), -EPERM);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, PAGE_SIZE, &t->other, 0, RW),
			0);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 2 * PAGE_SIZE, &t->other, SZ_1M,
				   IOMMU_READ), 0);
}

/* ---- allowed addresses ---- */

static int allow(struct kunit *test, unsigned long nr,
		 const struct iopt_range *ranges)
{
	struct iopt_test *t = test->priv;

	return test_allow(&t->iopt, ranges, nr);
}

#define ALLOW(test, ...)                                             \
	({                                                           \
		const struct iopt_range _ranges[] = { __VA_ARGS__ }; \
		allow(test, ARRAY_SIZE(_ranges), _ranges);           \
	})

static void expect_placed(struct kunit *test, unsigned long npages,
			  unsigned long expected)
{
	struct iopt_test *t = test->priv;
	unsigned long iova;

	KUNIT_ASSERT_EQ(test, map_anywhere(test, t->uptr, npages * PAGE_SIZE,
					   RW, &iova), 0);
	KUNIT_EXPECT_EQ(test, iova, expected);
}

static void expect_no_place(struct kunit *test, unsigned long npages)
{
	struct iopt_test *t = test->priv;
	unsigned long iova;

	KUNIT_EXPECT_EQ(test, map_anywhere(test, t->uptr, npages * PAGE_SIZE,
					   RW, &iova), -ENOSPC);
}

static void automatic_place_is_allowed(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, ALLOW(test, { SZ_4M, SZ_4M + PAGE_SIZE - 1 },
				    { SZ_1M, SZ_1M + 2 * PAGE_SIZE - 1 }), 0);
	expect_placed(test, 1, SZ_1M);
	expect_placed(test, 1, SZ_1M + PAGE_SIZE);
	expect_no_place(test, 2);
	expect_placed(test, 1, SZ_4M);
	expect_no_place(test, 1);
	/* A fixed place may be anywhere. */
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_2M, 1), 0);

	/* It is what was said last that counts; nothing means everything. */
	KUNIT_EXPECT_EQ(test, ALLOW(test, { SZ_8M, SZ_16M - 1 }), 0);
	expect_placed(test, 1, SZ_8M);
	expect_unmap(test, SZ_1M, SZ_1M + PAGE_SIZE - 1, 0, PAGE_SIZE);
	expect_placed(test, 1, SZ_8M + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, allow(test, 0, NULL), 0);
	expect_placed(test, 1, PAGE_SIZE);
}

static void allowed_ranges_may_adjoin(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, ALLOW(test,
				    { SZ_1M, SZ_1M + PAGE_SIZE - 1 },
				    { SZ_1M + 3 * PAGE_SIZE, SZ_2M - 1 },
				    { SZ_1M + PAGE_SIZE, SZ_1M +
				      3 * PAGE_SIZE - 1 }), 0);
	expect_placed(test, 4, SZ_1M);
}

static void allowed_ranges_are_checked(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, ALLOW(test, { SZ_1M, SZ_2M - 1 }), 0);
	KUNIT_EXPECT_EQ(test, ALLOW(test, { 1, 0 }), -EINVAL);
	KUNIT_EXPECT_EQ(test, ALLOW(test, { SZ_4M, SZ_8M }, { SZ_8M, SZ_16M }),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, ALLOW(test, { 0, ULONG_MAX }, { SZ_8M, SZ_16M }),
			-EINVAL);
	reserve(test, SZ_32M, SZ_64M - 1);
	KUNIT_EXPECT_EQ(test, ALLOW(test, { SZ_4M, SZ_8M },
				    { SZ_64M - 1, SZ_128M }), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, ALLOW(test, { 0, ULONG_MAX }), -EADDRINUSE);
	/* None of this has changed anything. */
	expect_placed(test, 1, SZ_1M);
}

static void what_is_allowed_cannot_be_taken(struct kunit *test)
{
	struct test_domain *td = alloc_domain_from_to(test, SZ_1M + 1,
						      ULONG_MAX);
	struct iopt_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ALLOW(test, { SZ_1M, SZ_2M - 1 },
				    { SZ_4M, SZ_8M }), 0);
	KUNIT_EXPECT_EQ(test, iopt_reserve(&t->iopt, SZ_8M, SZ_16M, t),
			-EADDRINUSE);
	reserve(test, SZ_2M, SZ_4M - 1);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EADDRINUSE);
	td->domain.geometry.aperture_start = 0;
	td->domain.geometry.aperture_end = SZ_8M - 1;
	KUNIT_EXPECT_EQ(test, add_domain(test, td), -EADDRINUSE);
	td->domain.geometry.aperture_end = SZ_8M;
	td->domain.geometry.aperture_start = SZ_1M;
	KUNIT_EXPECT_EQ(test, add_domain(test, td), 0);
	KUNIT_EXPECT_EQ(test, ALLOW(test, { SZ_4M, SZ_8M + 1 }), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, ALLOW(test, { SZ_512K, SZ_2M - 1 }),
			-EADDRINUSE);
	expect_placed(test, 1, SZ_1M);
}

/* ---- small pages ---- */

static int set_huge_pages(struct kunit *test, bool huge)
{
	struct iopt_test *t = test->priv;

	return iopt_set_huge_pages(&t->iopt, huge);
}

static void expect_cut(struct kunit *test, unsigned long start,
		       unsigned long end, int expected_ret,
		       unsigned long expected_pages)
{
	struct iopt_test *t = test->priv;
	unsigned long unmapped;
	LIST_HEAD(drop);

	KUNIT_EXPECT_EQ(test, iopt_unmap_cut(&t->iopt, start, end - 1,
					     &unmapped, &drop), expected_ret);
	iopt_pins_drop(&drop);
	KUNIT_EXPECT_EQ(test, unmapped, expected_pages * PAGE_SIZE);
}

/* Memory that is one run. */
static void use_block(struct kunit *test)
{
	struct test_block *block = test_block_alloc(test, ilog2(MEMORY_PAGES));
	struct iopt_test *t = test->priv;

	t->uptr = test_block_map(test, block, 0);
}

static void one_call_maps_a_run(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, PAGE_SIZE);

	use_block(test);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1G, 16), 0);
	KUNIT_EXPECT_GT(test, test_domain_largest(td), PAGE_SIZE);
}

static void small_pages_are_mapped_one_by_one(struct kunit *test)
{
	struct iopt_test *t = test->priv;
	struct test_domain *td;

	use_block(test);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 8), 0);
	KUNIT_EXPECT_TRUE(test, iopt_has_huge_pages(&t->iopt));
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), 0);
	KUNIT_EXPECT_FALSE(test, iopt_has_huge_pages(&t->iopt));
	td = add_new_domain(test, UNIT);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_2M, 8), 0);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 16 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_largest(td), PAGE_SIZE);
	expect_shown(test, td, SZ_1M, t->uptr, 8 * PAGE_SIZE, RW);
	expect_shown(test, td, SZ_2M, t->uptr, 8 * PAGE_SIZE, RW);
	expect_unmap_all(test, 0, 16 * PAGE_SIZE);
}

static void small_areas_can_be_cut(struct kunit *test)
{
	const unsigned long a = SZ_1M;
	struct iopt_test *t = test->priv;
	struct test_domain *td;

	use_block(test);
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), 0);
	td = add_new_domain(test, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, a, 12), 0);

	/* The end, the beginning, the middle. */
	expect_cut(test, a + 10 * PAGE_SIZE, a + 12 * PAGE_SIZE, 0, 2);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 10);
	expect_shown(test, td, a, t->uptr, 10 * PAGE_SIZE, RW);
	expect_cut(test, a - PAGE_SIZE, a + PAGE_SIZE, 0, 1);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 9);
	expect_cut(test, a + 4 * PAGE_SIZE, a + 7 * PAGE_SIZE, 0, 3);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 6);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 6 * PAGE_SIZE);
	expect_shown(test, td, a + PAGE_SIZE, t->uptr + PAGE_SIZE,
		     3 * PAGE_SIZE, RW);
	expect_shown(test, td, a + 7 * PAGE_SIZE, t->uptr + 7 * PAGE_SIZE,
		     3 * PAGE_SIZE, RW);
	expect_cut(test, a + 4 * PAGE_SIZE, a + 7 * PAGE_SIZE, -ENOENT, 0);

	/* Two areas now, each its own. */
	expect_unmap(test, a, a + 4 * PAGE_SIZE - 1, 0, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 3);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, a, 7), 0);
	expect_unmap(test, a + 7 * PAGE_SIZE, a + 10 * PAGE_SIZE - 1, 0,
		     3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 7);
}

static void cut_may_span_areas(struct kunit *test)
{
	const unsigned long a = SZ_1M;
	struct iopt_test *t = test->priv;
	struct test_domain *td;

	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), 0);
	td = add_new_domain(test, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, a, 4), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, a + 4 * PAGE_SIZE, 4), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, a + 9 * PAGE_SIZE, 4), 0);
	expect_cut(test, a + 3 * PAGE_SIZE, a + 11 * PAGE_SIZE, 0, 1 + 4 + 2);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 5);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 5 * PAGE_SIZE);
	expect_shown(test, td, a, t->uptr, 3 * PAGE_SIZE, RW);
	expect_shown(test, td, a + 11 * PAGE_SIZE, t->uptr + 2 * PAGE_SIZE,
		     2 * PAGE_SIZE, RW);
	/* What is left can be copied, shown and removed as any other. */
	KUNIT_EXPECT_EQ(test, copy(test, a + 12 * PAGE_SIZE, PAGE_SIZE,
				   &t->other, 0, RW), 0);
	remove_domain(test, &td->shown);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	KUNIT_EXPECT_EQ(test, add_domain(test, td), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 5);
	expect_unmap_all(test, 0, 5 * PAGE_SIZE);
}

static void cut_without_a_domain_cuts_too(struct kunit *test)
{
	struct test_domain *td;

	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 8), 0);
	expect_cut(test, SZ_1M + PAGE_SIZE, SZ_1M + 3 * PAGE_SIZE, 0, 2);
	td = add_new_domain(test, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 6 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 6);
}

static void refused_cut_changes_nothing(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, PAGE_SIZE);
	struct iopt_test *t = test->priv;
	LIST_HEAD(areas);

	/* Not with huge pages, nor in the middle of one. */
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 4), 0);
	expect_cut(test, SZ_1M + PAGE_SIZE, SZ_1M + 2 * PAGE_SIZE, -EINVAL, 0);
	expect_unmap(test, SZ_1M, SZ_2M - 1, 0, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 4), 0);
	expect_cut(test, SZ_1M + 1, SZ_1M + PAGE_SIZE, -EINVAL, 0);
	expect_cut(test, SZ_1M, SZ_1M + UNIT, -EINVAL, 0);

	/* Nor while another call maps some of it. */
	add_area(test, &areas, t->uptr, PAGE_SIZE, RW);
	KUNIT_ASSERT_EQ(test, iopt_place(&t->iopt, &areas,
					 SZ_1M + 4 * PAGE_SIZE), 0);
	expect_cut(test, SZ_1M + PAGE_SIZE, SZ_1M + 5 * PAGE_SIZE, -EBUSY, 0);
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iopt_fill(&t->iopt, &areas), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 5);
	expect_unmap(test, SZ_1M, SZ_1M + 4 * PAGE_SIZE - 1, 0, 4 * PAGE_SIZE);
}

static void small_pages_need_nothing_mapped_in_a_domain(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, UNIT);

	/* Until they are asked for, and no longer. */
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 1), 0);
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, alignment(test), UNIT);
	expect_unmap_all(test, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), 0);
	KUNIT_EXPECT_EQ(test, alignment(test), PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 1), 0);
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), 0);
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, true), 0);
	KUNIT_EXPECT_EQ(test, alignment(test), UNIT);
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), -EINVAL);

	remove_domain(test, &td->shown);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_2M + UNIT, 1), 0);
	KUNIT_EXPECT_EQ(test, set_huge_pages(test, false), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, alignment(test), 1);
}

/* ---- accesses ---- */

/**
 * struct test_access - a user inside the kernel
 * @user: for the address space
 * @iopt: the address space
 * @start: first byte that it uses
 * @last: last byte
 * @in_use: it does use these
 * @calls: how often it was asked to let go
 * @ignore: how often it does not
 * @asked: what it was asked for last
 */
struct test_access {
	struct iopt_access user;
	struct io_pagetable *iopt;
	unsigned long start;
	unsigned long last;
	bool in_use;
	unsigned int calls;
	unsigned int ignore;
	struct iopt_range asked;
};

static void test_access_unuse(struct test_access *access)
{
	iopt_unuse_range(access->iopt, access->start, access->last);
	access->in_use = false;
}

static void test_access_unmap(struct iopt_access *user, unsigned long start,
			      unsigned long last)
{
	struct test_access *access =
		container_of(user, struct test_access, user);

	access->asked = (struct iopt_range){ start, last };
	if (access->calls++ >= access->ignore && access->in_use &&
	    access->start <= last && start <= access->last)
		test_access_unuse(access);
}

static struct test_access *add_access(struct kunit *test, bool needs_pages)
{
	struct test_access *access;
	struct iopt_test *t = test->priv;

	access = kunit_kzalloc(test, sizeof(*access), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, access);
	access->user.needs_pages = needs_pages;
	access->user.unmap = test_access_unmap;
	access->iopt = &t->iopt;
	KUNIT_ASSERT_EQ(test, iopt_add_access(&t->iopt, &access->user), 0);
	return access;
}

static void remove_access(struct test_access *access)
{
	iopt_remove_access(access->iopt, &access->user);
}

static int use(struct test_access *access, unsigned long start,
	       unsigned long length, int prot)
{
	int ret;

	ret = iopt_use_range(access->iopt, start, start + length - 1, prot);
	if (!ret) {
		access->start = start;
		access->last = start + length - 1;
		access->in_use = true;
	}
	return ret;
}

static void access_that_needs_pages_raises_the_alignment(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, UNIT);
	struct test_access *access, *other;
	struct iopt_test *t = test->priv;

	access = add_access(test, false);
	KUNIT_EXPECT_EQ(test, alignment(test), UNIT);
	remove_access(access);
	access = add_access(test, true);
	other = add_access(test, true);
	KUNIT_EXPECT_EQ(test, alignment(test), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, UNIT, 1), -EINVAL);
	remove_domain(test, &td->shown);
	remove_access(access);
	KUNIT_EXPECT_EQ(test, alignment(test), PAGE_SIZE);
	remove_access(other);
	KUNIT_EXPECT_EQ(test, alignment(test), 1);

	KUNIT_EXPECT_EQ(test, map_pages_at(test, UNIT, 1), 0);
	KUNIT_EXPECT_EQ(test, iopt_add_access(&t->iopt, &access->user),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, alignment(test), 1);
}

static void use_needs_what_is_mapped(struct kunit *test)
{
	struct test_access *access = add_access(test, false);
	struct iopt_test *t = test->priv;
	LIST_HEAD(areas);

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_ASSERT_EQ(test, map_fixed(test, SZ_1M + 2 * PAGE_SIZE, t->uptr,
					PAGE_SIZE, IOMMU_READ), 0);
	add_area(test, &areas, t->uptr, PAGE_SIZE, RW);
	KUNIT_ASSERT_EQ(test, iopt_place(&t->iopt, &areas,
					 SZ_1M + 3 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, use(access, SZ_1M - 1, 2, IOMMU_READ), -ENOENT);
	KUNIT_EXPECT_EQ(test, use(access, SZ_1M, 3 * PAGE_SIZE, IOMMU_WRITE),
			-EPERM);
	KUNIT_EXPECT_EQ(test, use(access, SZ_1M, 4 * PAGE_SIZE, IOMMU_READ),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, use(access, SZ_1M + 3 * PAGE_SIZE, 1, IOMMU_READ),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, use(access, SZ_1M, 3 * PAGE_SIZE + 1,
				  IOMMU_READ), -ENOENT);
	KUNIT_EXPECT_EQ(test, use(access, SZ_8M, 1, IOMMU_READ), -ENOENT);
	/* None of which uses anything. */
	iopt_unplace(&t->iopt, &areas);
	iopt_free_areas(&areas);
	expect_unmap(test, SZ_1M, SZ_1M + 2 * PAGE_SIZE - 1, 0, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, access->calls, 0);

	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_EXPECT_EQ(test, use(access, SZ_1M + 1, 3 * PAGE_SIZE - 1,
				  IOMMU_READ), 0);
	test_access_unuse(access);
	expect_unmap_all(test, 0, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, access->calls, 0);
	remove_access(access);
}

static void use_may_reach_the_last_address(struct kunit *test)
{
	const unsigned long top = ULONG_MAX - PAGE_SIZE + 1;
	struct test_access *access = add_access(test, false);

	KUNIT_ASSERT_EQ(test, map_pages_at(test, top, 1), 0);
	KUNIT_EXPECT_EQ(test, use(access, top + 5, PAGE_SIZE - 5, IOMMU_READ),
			0);
	expect_unmap_all(test, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, access->calls, 1);
	KUNIT_EXPECT_EQ(test, use(access, top, PAGE_SIZE, IOMMU_READ), -ENOENT);
	remove_access(access);
}

static void unmap_has_accesses_let_go(struct kunit *test)
{
	struct test_access *access = add_access(test, false);
	struct test_access *other = add_access(test, false);

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_2M, 2), 0);
	KUNIT_ASSERT_EQ(test, use(access, SZ_1M + 7, 8, IOMMU_WRITE), 0);
	/* Who does not use it is not waited for. */
	expect_unmap(test, SZ_2M, SZ_4M - 1, 0, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, access->calls, 0);
	expect_unmap(test, SZ_1M, SZ_2M - 1, 0, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, access->calls, 1);
	KUNIT_EXPECT_FALSE(test, access->in_use);
	KUNIT_EXPECT_EQ(test, access->asked.start, SZ_1M);
	KUNIT_EXPECT_EQ(test, access->asked.last, SZ_1M + 2 * PAGE_SIZE - 1);
	/* All are asked, for no one knows whose use it is. */
	KUNIT_EXPECT_EQ(test, other->calls, 1);
	remove_access(other);
	remove_access(access);
}

static void unmap_asks_again(struct kunit *test)
{
	struct test_access *access = add_access(test, false);

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_ASSERT_EQ(test, use(access, SZ_1M, 1, IOMMU_READ), 0);
	/* It may not know yet of what it has just pinned. */
	access->ignore = 3;
	expect_unmap(test, SZ_1M, SZ_2M - 1, 0, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, access->calls, 4);
	remove_access(access);
}

static void cut_has_accesses_let_go(struct kunit *test)
{
	struct test_access *access = add_access(test, false);

	KUNIT_ASSERT_EQ(test, set_huge_pages(test, false), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 4), 0);
	KUNIT_ASSERT_EQ(test, use(access, SZ_1M, 1, IOMMU_READ), 0);
	expect_cut(test, SZ_1M + 2 * PAGE_SIZE, SZ_1M + 3 * PAGE_SIZE, 0, 1);
	KUNIT_EXPECT_FALSE(test, access->in_use);
	/* What is left can be used as before. */
	KUNIT_EXPECT_EQ(test, use(access, SZ_1M, 2 * PAGE_SIZE, IOMMU_READ), 0);
	test_access_unuse(access);
	KUNIT_EXPECT_EQ(test, use(access, SZ_1M + 3 * PAGE_SIZE, 1,
				  IOMMU_READ), 0);
	test_access_unuse(access);
	expect_unmap_all(test, 0, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, access->calls, 1);
	remove_access(access);
}

static void used_part_is_what_the_area_shows(struct kunit *test)
{
	struct test_access *access = add_access(test, false);
	struct iopt_test *t = test->priv;
	struct iopt_part part;

	KUNIT_ASSERT_EQ(test, map_fixed(test, SZ_1M, t->uptr + UNIT,
					2 * PAGE_SIZE, RW), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M + 2 * PAGE_SIZE, 1), 0);
	KUNIT_ASSERT_EQ(test, use(access, SZ_1M + 5, 2 * PAGE_SIZE + 5, RW), 0);
	iopt_used_part(&t->iopt, access->start, access->last, &part);
	KUNIT_EXPECT_EQ(test, part.offset, UNIT + 5);
	KUNIT_EXPECT_EQ(test, part.length, 2 * PAGE_SIZE - 5);
	iopt_used_part(&t->iopt, SZ_1M + 2 * PAGE_SIZE, access->last, &part);
	KUNIT_EXPECT_EQ(test, part.offset, 0);
	KUNIT_EXPECT_EQ(test, part.length, 10);
	test_access_unuse(access);
	remove_access(access);
}

/**
 * struct unmapping - a thread that unmaps everything
 * @iopt: the address space
 * @task: the thread, a reference
 * @done: it has
 * @ret: what iopt_unmap() returned
 */
struct unmapping {
	struct io_pagetable *iopt;
	struct task_struct *task;
	struct completion done;
	int ret;
};

static int unmapping_thread(void *data)
{
	struct unmapping *u = data;
	unsigned long unmapped;
	LIST_HEAD(drop);

	allow_signal(SIGKILL);
	u->ret = iopt_unmap(u->iopt, 0, ULONG_MAX, &unmapped, &drop);
	iopt_pins_drop(&drop);
	complete(&u->done);
	return 0;
}

/* It waits for an access that does not listen. */
static void begin_unmap(struct kunit *test, struct unmapping *u,
			struct test_access *access)
{
	u->iopt = access->iopt;
	init_completion(&u->done);
	u->task = kthread_create(unmapping_thread, u, "iommufd_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(u->task));
	get_task_struct(u->task);
	wake_up_process(u->task);
	while (READ_ONCE(access->calls) < 2 && !completion_done(&u->done))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_FALSE(test, completion_done(&u->done));
}

static int end_unmap(struct unmapping *u)
{
	wait_for_completion(&u->done);
	put_task_struct(u->task);
	return u->ret;
}

static void closing_area_is_out_of_bounds(struct kunit *test)
{
	struct test_domain *a = add_new_domain(test, PAGE_SIZE), *b;
	struct test_access *access = add_access(test, false);
	struct iopt_test *t = test->priv;
	struct unmapping u;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_ASSERT_EQ(test, use(access, SZ_1M, 1, IOMMU_READ), 0);
	access->ignore = UINT_MAX;
	begin_unmap(test, &u, access);
	KUNIT_EXPECT_EQ(test, iopt_use_range(&t->iopt, SZ_1M, SZ_1M, 0),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, copy(test, SZ_1M, 1, &t->other, 0, RW), -ENOENT);
	expect_unmap_all(test, -EBUSY, 0);
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_1M, 1), -EEXIST);

	/* It is still there, though, in every domain. */
	expect_shown(test, a, SZ_1M, t->uptr, 2 * PAGE_SIZE, RW);
	b = add_new_domain(test, PAGE_SIZE);
	expect_shown(test, b, SZ_1M, t->uptr, 2 * PAGE_SIZE, RW);
	remove_domain(test, &a->shown);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 2);
	/* Elsewhere all goes on. */
	KUNIT_EXPECT_EQ(test, map_pages_at(test, SZ_2M, 1), 0);
	expect_unmap(test, SZ_2M, SZ_4M - 1, 0, PAGE_SIZE);

	access->ignore = 0;
	KUNIT_EXPECT_EQ(test, end_unmap(&u), 0);
	KUNIT_EXPECT_EQ(test, test_domain_size(b), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	remove_access(access);
}

static void unmap_that_waits_can_be_killed(struct kunit *test)
{
	struct test_domain *td = add_new_domain(test, PAGE_SIZE);
	struct test_access *access = add_access(test, false);
	struct iopt_test *t = test->priv;
	struct unmapping u;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 2), 0);
	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_2M, 2), 0);
	KUNIT_ASSERT_EQ(test, use(access, SZ_2M, 1, IOMMU_READ), 0);
	access->ignore = UINT_MAX;
	begin_unmap(test, &u, access);
	send_sig(SIGKILL, u.task, 1);
	KUNIT_EXPECT_EQ(test, end_unmap(&u), -EINTR);

	/* As if nothing had happened. */
	KUNIT_EXPECT_EQ(test, test_domain_size(td), 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iopt_use_range(&t->iopt, SZ_1M, SZ_1M, 0), 0);
	iopt_unuse_range(&t->iopt, SZ_1M, SZ_1M);
	test_access_unuse(access);
	expect_unmap_all(test, 0, 4 * PAGE_SIZE);
	remove_access(access);
}

/* The last use ends the wait at once, not when it is time to ask again. */
static void end_of_a_use_wakes_an_unmap(struct kunit *test)
{
	struct test_access *access = add_access(test, false);
	struct unmapping u;
	unsigned int calls;

	KUNIT_ASSERT_EQ(test, map_pages_at(test, SZ_1M, 1), 0);
	KUNIT_ASSERT_EQ(test, use(access, SZ_1M, 1, IOMMU_READ), 0);
	KUNIT_ASSERT_EQ(test, use(access, SZ_1M, 2, IOMMU_READ), 0);
	access->ignore = UINT_MAX;
	begin_unmap(test, &u, access);
	iopt_unuse_range(access->iopt, SZ_1M, SZ_1M);
	schedule_timeout_uninterruptible(HZ / 20 + 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&u.done));
	calls = READ_ONCE(access->calls);
	test_access_unuse(access);
	KUNIT_EXPECT_EQ(test, end_unmap(&u), 0);
	KUNIT_EXPECT_LE(test, access->calls, calls + 1);
	remove_access(access);
}

static struct kunit_case iopt_cases[] = {
	KUNIT_CASE(fixed_place_is_taken_once),
	KUNIT_CASE(fixed_place_may_be_at_the_ends),
	KUNIT_CASE(fixed_place_beyond_the_end_is_eoverflow),
	KUNIT_CASE(fixed_place_in_a_reserved_range_is_einval),
	KUNIT_CASE(automatic_place_is_aligned),
	KUNIT_CASE(automatic_place_is_the_lowest_gap),
	KUNIT_CASE(automatic_place_is_found_in_what_was_reserved),
	KUNIT_CASE(automatic_place_may_end_at_the_top),
	KUNIT_CASE(no_automatic_place_is_enospc),
	KUNIT_CASE(automatic_place_of_half_of_all_is_eoverflow),
	KUNIT_CASE(automatic_place_agrees_with_a_plain_search),
	KUNIT_CASE(unmap_of_nothing_is_enoent),
	KUNIT_CASE(unmap_does_not_cut),
	KUNIT_CASE(unmap_takes_all_in_the_range),
	KUNIT_CASE(unmap_all_succeeds_on_nothing),
	KUNIT_CASE(unmap_of_a_map_under_way_is_ebusy),
	KUNIT_CASE(everything_is_usable_at_first),
	KUNIT_CASE(reserved_ranges_are_not_usable),
	KUNIT_CASE(everything_can_be_reserved),
	KUNIT_CASE(usable_ranges_fill_what_fits),
	KUNIT_CASE(reserve_of_a_mapping_is_eaddrinuse),
	KUNIT_CASE(unreserve_is_by_owner),
	KUNIT_CASE(nothing_is_pinned_without_a_domain),
	KUNIT_CASE(new_domain_shows_what_is_mapped),
	KUNIT_CASE(map_and_unmap_reach_every_domain),
	KUNIT_CASE(refused_unmap_leaves_the_domain_alone),
	KUNIT_CASE(map_under_way_is_shown_when_it_is_filled),
	KUNIT_CASE(map_of_no_memory_is_efault),
	KUNIT_CASE(new_domain_for_no_memory_is_efault),
	KUNIT_CASE(failed_map_is_undone_in_every_domain),
	KUNIT_CASE(failed_map_does_not_touch_its_neighbours),
	KUNIT_CASE(failed_domain_is_left_empty),
	KUNIT_CASE(failed_domain_does_not_disturb_the_other),
	KUNIT_CASE(area_may_span_chunks),
	KUNIT_CASE(failed_map_is_undone_in_every_chunk),
	KUNIT_CASE(map_can_be_killed_between_chunks),
	KUNIT_CASE(alignment_is_that_of_the_coarsest_domain),
	KUNIT_CASE(misaligned_map_is_einval),
	KUNIT_CASE(domain_too_coarse_for_a_mapping_is_eaddrinuse),
	KUNIT_CASE(domain_of_large_pages_is_einval),
	KUNIT_CASE(aperture_limits_what_is_usable),
	KUNIT_CASE(aperture_is_what_all_domains_have),
	KUNIT_CASE(unforced_aperture_does_not_count),
	KUNIT_CASE(mapping_outside_the_aperture_is_eaddrinuse),
	KUNIT_CASE(domain_may_become_narrower),
	KUNIT_CASE(many_domains_show_the_same),
	KUNIT_CASE(copy_shows_the_same_pages),
	KUNIT_CASE(copy_looks_nothing_up_again),
	KUNIT_CASE(copy_pins_what_the_source_did_not),
	KUNIT_CASE(copy_may_span_areas),
	KUNIT_CASE(copy_may_go_to_the_same_address_space),
	KUNIT_CASE(failed_copy_leaves_nothing),
	KUNIT_CASE(copy_of_what_is_not_mapped_is_enoent),
	KUNIT_CASE(copy_may_not_gain_write_access),
	KUNIT_CASE(automatic_place_is_allowed),
	KUNIT_CASE(allowed_ranges_may_adjoin),
	KUNIT_CASE(allowed_ranges_are_checked),
	KUNIT_CASE(what_is_allowed_cannot_be_taken),
	KUNIT_CASE(one_call_maps_a_run),
	KUNIT_CASE(small_pages_are_mapped_one_by_one),
	KUNIT_CASE(small_areas_can_be_cut),
	KUNIT_CASE(cut_may_span_areas),
	KUNIT_CASE(cut_without_a_domain_cuts_too),
	KUNIT_CASE(refused_cut_changes_nothing),
	KUNIT_CASE(small_pages_need_nothing_mapped_in_a_domain),
	KUNIT_CASE(access_that_needs_pages_raises_the_alignment),
	KUNIT_CASE(use_needs_what_is_mapped),
	KUNIT_CASE(use_may_reach_the_last_address),
	KUNIT_CASE(unmap_has_accesses_let_go),
	KUNIT_CASE(unmap_asks_again),
	KUNIT_CASE(cut_has_accesses_let_go),
	KUNIT_CASE(used_part_is_what_the_area_shows),
	KUNIT_CASE(closing_area_is_out_of_bounds),
	KUNIT_CASE(unmap_that_waits_can_be_killed),
	KUNIT_CASE(end_of_a_use_wakes_an_unmap),
	{}
};

static struct kunit_suite iopt_suite = {
	.name = "iopt",
	.init = iopt_test_init,
	.exit = iopt_test_exit,
	.test_cases = iopt_cases,
};

kunit_test_suite(iopt_suite);
