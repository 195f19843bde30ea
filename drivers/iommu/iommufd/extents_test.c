// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of pages that have several users, each of a part of its own: every page
 * is pinned, charged and remembered once; and of calls that pin side by side.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "extent.h"
#include "pages.h"
#include "test_mm.h"

#define MANY_PAGES 4096

static struct iommufd_payers payers;

static int extents_test_init(struct kunit *test)
{
	int ret;

	iommufd_payers_init(&payers);
	ret = test_mm_init(test);
	if (ret)
		return ret;
	return test_user_init(test, MANY_PAGES);
}

static void extents_test_exit(struct kunit *test)
{
	iommufd_test_memory_limit = 65536;
	iommufd_payers_release(&payers);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 0);
	if (current->mm) {
		KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
		KUNIT_EXPECT_EQ(test, current->mm->locked_vm, 0);
	}
	test_expect_no_warning(test);
}

static struct iopt_pages *alloc_pages_of(struct kunit *test, unsigned long uptr,
					 unsigned long npages)
{
	struct iopt_pages *pages;

	pages = iopt_pages_alloc_user(uptr, npages * PAGE_SIZE, true, &payers);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pages));
	return pages;
}

static void unpin_now(struct iopt_pages *pages, unsigned long first,
		      unsigned long npages)
{
	LIST_HEAD(drop);

	iopt_pages_unpin(pages, first, npages, &drop);
	iopt_pins_drop(&drop);
}

static unsigned int count_extents(struct iopt_pages *pages)
{
	struct rb_node *node;
	unsigned int nr = 0;

	mutex_lock(&pages->lock);
	for (node = rb_first(&pages->extents); node; node = rb_next(node))
		nr++;
	mutex_unlock(&pages->lock);
	return nr;
}

/* Each page of the block is pinned once, or not at all, as @pinned says. */
static void expect_pinned(struct kunit *test, struct iopt_pages *pages,
			  struct test_block *block, const char *pinned)
{
	unsigned long npinned = 0, wrong = 0, i;

	for (i = 0; pinned[i]; i++) {
		npinned += pinned[i] == '1';
		wrong += test_mm_pins(test_block_phys(block, i)) !=
			 (pinned[i] == '1');
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "pinned: %s", pinned);
	KUNIT_EXPECT_EQ(test, pages->npinned, npinned);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), npinned);
	KUNIT_EXPECT_EQ(test, test_user_locked(), npinned);
}

/* ---- parts that overlap ---- */

/**
 * struct overlap - two parts that are pinned, one after the other
 * @first: of the one and the other, index of the first page
 * @npages: likewise
 * @both: what is pinned then
 */
struct overlap {
	unsigned long first[2];
	unsigned long npages[2];
	const char *both;
};

static const struct overlap overlaps[] = {
	/* apart; side by side */
	{ { 0, 5 }, { 2, 3 }, "11000111" },
	{ { 0, 4 }, { 4, 4 }, "11111111" },
	/* the beginning, the end, the middle, all of it */
	{ { 0, 0 }, { 8, 3 }, "11111111" },
	{ { 0, 5 }, { 8, 3 }, "11111111" },
	{ { 0, 3 }, { 8, 2 }, "11111111" },
	{ { 1, 1 }, { 6, 6 }, "01111110" },
	/* over one end; over both */
	{ { 1, 4 }, { 5, 4 }, "01111111" },
	{ { 3, 1 }, { 2, 6 }, "01111110" },
	/* a single page */
	{ { 4, 4 }, { 1, 1 }, "00001000" },
	{ { 3, 4 }, { 2, 1 }, "00011000" },
};

static void fill_part(char *pinned, unsigned long first, unsigned long npages)
{
	memset(pinned, '0', 8);
	memset(pinned + first, '1', npages);
	pinned[8] = 0;
}

/* Pins part @a, then @b; lets go of @x first. */
static void try_overlap(struct kunit *test, struct iopt_pages *pages,
			struct test_block *block, const struct overlap *o,
			unsigned int a, unsigned int x)
{
	unsigned int b = !a, y = !x;
	char pinned[9];

	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, o->first[a], o->npages[a]),
			0);
	fill_part(pinned, o->first[a], o->npages[a]);
	expect_pinned(test, pages, block, pinned);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, o->first[b], o->npages[b]),
			0);
	expect_pinned(test, pages, block, o->both);
	unpin_now(pages, o->first[x], o->npages[x]);
	fill_part(pinned, o->first[y], o->npages[y]);
	expect_pinned(test, pages, block, pinned);
	unpin_now(pages, o->first[y], o->npages[y]);
	expect_pinned(test, pages, block, "00000000");
	KUNIT_EXPECT_EQ(test, count_extents(pages), 0);
}

static void try_overlaps(struct kunit *test, struct test_block *block)
{
	unsigned long uptr = test_block_map(test, block, 0);
	struct iopt_pages *pages = alloc_pages_of(test, uptr, 8);
	unsigned int i, order;

	for (i = 0; i < ARRAY_SIZE(overlaps); i++)
		for (order = 0; order < 4; order++)
			try_overlap(test, pages, block, &overlaps[i],
				    order & 1, order >> 1);
	iopt_pages_put(pages);
}

static void overlapping_parts_are_pinned_once(struct kunit *test)
{
	static const u16 scattered[] = { 7, 5, 6, 2, 3, 4, 0, 1 };
	struct test_block *block;

	/* One run; runs of one to three pages; and these in small extents. */
	try_overlaps(test, test_block_alloc(test, 3));
	block = test_block_alloc(test, 3);
	memcpy(block->layout, scattered, sizeof(scattered));
	try_overlaps(test, block);
	iommufd_test_memory_limit = 2 * sizeof(u64);
	try_overlaps(test, block);
}

static void drop_lets_go_of_what_no_one_uses(struct kunit *test)
{
	struct test_block *block = test_block_alloc(test, 3);
	struct iopt_pages *pages;
	LIST_HEAD(drop);

	pages = alloc_pages_of(test, test_block_map(test, block, 0), 8);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 0, 6), 0);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 4, 4), 0);
	iopt_pages_unpin(pages, 0, 6, &drop);
	/* Out of the books, but a device may still be there. */
	KUNIT_EXPECT_EQ(test, pages->npinned, 4);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 8);
	KUNIT_EXPECT_EQ(test, test_mm_pins(test_block_phys(block, 0)), 1);
	/* Pinned anew meanwhile: a second time. */
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 3, 1), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pins(test_block_phys(block, 3)), 2);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 9);
	iopt_pins_drop(&drop);
	expect_pinned(test, pages, block, "00011111");
	unpin_now(pages, 4, 4);
	unpin_now(pages, 3, 1);
	iopt_pages_put(pages);
}

/* Only what is new is faulted in; the hole is looked at by no one before. */
static void failed_pin_leaves_other_parts_alone(struct kunit *test)
{
	struct test_block *block = test_block_alloc(test, 3);
	struct iopt_pages *pages;
	unsigned long uptr;

	uptr = test_block_map(test, block, 0);
	pages = alloc_pages_of(test, uptr, 8);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 2, 2), 0);
	vm_munmap(uptr + 6 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 0, 8), -EFAULT);
	expect_pinned(test, pages, block, "00110000");
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 3, 4), -EFAULT);
	expect_pinned(test, pages, block, "00110000");
	KUNIT_EXPECT_EQ(test, count_extents(pages), 1);
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 3, 3), 0);
	expect_pinned(test, pages, block, "00111100");

	/* What is pinned does not need the memory to be there any more. */
	vm_munmap(uptr, 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 2, 4), 0);
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 1, 4), -EFAULT);
	expect_pinned(test, pages, block, "00111100");
	unpin_now(pages, 2, 2);
	unpin_now(pages, 2, 4);
	expect_pinned(test, pages, block, "00011100");
	unpin_now(pages, 3, 3);
	iopt_pages_put(pages);
}

static void pin_above_the_limit_leaves_other_parts_alone(struct kunit *test)
{
	struct test_block *block = test_block_alloc(test, 3);
	struct iopt_pages *pages;

	test_user_set_limit(5);
	pages = alloc_pages_of(test, test_block_map(test, block, 0), 8);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 3, 2), 0);
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 1, 6), -ENOMEM);
	expect_pinned(test, pages, block, "00011000");
	/* Only what is not pinned yet counts. */
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 2, 5), 0);
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 2, 5), 0);
	expect_pinned(test, pages, block, "00111110");
	unpin_now(pages, 2, 5);
	unpin_now(pages, 2, 5);
	unpin_now(pages, 3, 2);
	iopt_pages_put(pages);
}

static void cut_part_is_unpinned_as_two(struct kunit *test)
{
	struct test_block *block = test_block_alloc(test, 3);
	struct iopt_pages *pages;

	pages = alloc_pages_of(test, test_block_map(test, block, 0), 8);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 1, 6), 0);
	KUNIT_ASSERT_EQ(test, iopt_pages_cut_pin(pages, 3), 0);
	KUNIT_ASSERT_EQ(test, iopt_pages_cut_pin(pages, 6), 0);
	expect_pinned(test, pages, block, "01111110");
	unpin_now(pages, 3, 3);
	expect_pinned(test, pages, block, "01100010");
	unpin_now(pages, 6, 1);
	expect_pinned(test, pages, block, "01100000");
	unpin_now(pages, 1, 2);
	expect_pinned(test, pages, block, "00000000");
	iopt_pages_put(pages);
}

static void expect_dirty(struct kunit *test, bool writable, bool dirty)
{
	struct test_block *block = test_block_alloc(test, 0);
	unsigned long uptr = test_block_map(test, block, 0);
	struct iopt_pages *pages;

	pages = iopt_pages_alloc_user(uptr, PAGE_SIZE, writable, &payers);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pages));
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 0, 1), 0);
	ClearPageDirty(block->first);
	unpin_now(pages, 0, 1);
	KUNIT_EXPECT_EQ(test, !!PageDirty(block->first), dirty);
	iopt_pages_put(pages);
}

static void what_a_device_may_have_written_is_dirty(struct kunit *test)
{
	expect_dirty(test, true, true);
	expect_dirty(test, false, false);
}

/* ---- by chance ---- */

#define PART_ORDER 6
#define PART_PAGES BIT(PART_ORDER)
#define PART_USERS 12
#define PART_STEPS 250
#define PART_SEEDS 12

/**
 * struct part - a part that is pinned
 * @first: index of the first page
 * @npages: how many; 0 when there is no such part
 */
struct part {
	unsigned long first;
	unsigned long npages;
};

/**
 * struct parts - a plain model of pages with several users
 * @rnd: where chance comes from
 * @block: the memory
 * @pages: what is tested
 * @uptr: where the memory is
 * @parts: what is pinned
 * @users: how many of @parts each page is in
 * @hole: pages that the process does not have any more
 */
struct parts {
	struct rnd_state rnd;
	struct test_block *block;
	struct iopt_pages *pages;
	unsigned long uptr;
	struct part parts[PART_USERS];
	unsigned int users[PART_PAGES];
	bool hole[PART_PAGES];
};

static u32 chance(struct rnd_state *rnd, u32 of)
{
	return prandom_u32_state(rnd) % of;
}

/* Runs of a few pages, in random order. */
static void shuffle_layout(struct parts *p)
{
	u16 *layout = p->block->layout;
	unsigned int i, j, cut;

	/* Rotate what is behind a random place, some times. */
	for (i = 0; i < PART_PAGES / 4; i++) {
		cut = chance(&p->rnd, PART_PAGES - 1);
		for (j = cut; j + 1 < PART_PAGES; j += 1 + chance(&p->rnd, 9))
			swap(layout[j], layout[j + 1]);
	}
}

static void count_users(struct parts *p, struct part *part, int by)
{
	unsigned long i;

	for (i = part->first; i < part->first + part->npages; i++)
		p->users[i] += by;
}

static struct part choose_part(struct parts *p)
{
	struct part part;

	part.first = chance(&p->rnd, PART_PAGES);
	part.npages = 1 + chance(&p->rnd, chance(&p->rnd, 3) ? 12 : 60);
	part.npages = min(part.npages, PART_PAGES - part.first);
	return part;
}

static void parts_pin(struct kunit *test, struct parts *p, struct part *slot)
{
	struct part part = choose_part(p);
	int expected = 0, ret;
	unsigned long i;

	for (i = part.first; i < part.first + part.npages; i++)
		if (p->hole[i] && !p->users[i])
			expected = -EFAULT;
	ret = iopt_pages_pin(p->pages, part.first, part.npages);
	KUNIT_EXPECT_EQ(test, ret, expected);
	if (ret)
		return;
	*slot = part;
	count_users(p, slot, 1);
}

static void parts_unpin(struct parts *p, struct part *part)
{
	unpin_now(p->pages, part->first, part->npages);
	count_users(p, part, -1);
	part->npages = 0;
}

static struct part *parts_slot(struct parts *p)
{
	unsigned int i;

	for (i = 0; i < PART_USERS; i++)
		if (!p->parts[i].npages)
			return &p->parts[i];
	return NULL;
}

static void parts_cut(struct kunit *test, struct parts *p, struct part *part)
{
	struct part *tail = parts_slot(p);
	unsigned long cut;

	if (!tail || part->npages < 2)
		return;
	cut = 1 + chance(&p->rnd, part->npages - 1);
	KUNIT_ASSERT_EQ(test, iopt_pages_cut_pin(p->pages, part->first + cut),
			0);
	tail->first = part->first + cut;
	tail->npages = part->npages - cut;
	part->npages = cut;
}

/* The process unmaps a page, whoever uses it; or has the whole block again. */
static void parts_hole(struct kunit *test, struct parts *p)
{
	unsigned int i = chance(&p->rnd, PART_PAGES);

	if (chance(&p->rnd, 4)) {
		p->hole[i] = true;
		vm_munmap(p->uptr + i * PAGE_SIZE, PAGE_SIZE);
	} else {
		memset(p->hole, 0, sizeof(p->hole));
		test_block_map(test, p->block, p->uptr);
	}
}

static unsigned long wrong_pages(struct parts *p, unsigned long index,
				 struct iopt_run_iter *iter)
{
	unsigned long npages = iter->length >> PAGE_SHIFT, wrong = 0, i;

	for (i = 0; i < npages; i++)
		wrong += test_block_phys(p->block, index + i) !=
			 iter->phys + i * PAGE_SIZE;
	return wrong;
}

static void parts_walk(struct kunit *test, struct parts *p, unsigned long first,
		       unsigned long end)
{
	unsigned long at = first, wrong = 0;
	struct iopt_run_iter iter;

	iopt_run_iter_init(&iter, p->pages, first << PAGE_SHIFT,
			   (end - first) << PAGE_SHIFT);
	for (; iter.length; iopt_run_iter_next(&iter)) {
		wrong += wrong_pages(p, at, &iter);
		at += iter.length >> PAGE_SHIFT;
	}
	iopt_run_iter_done(&iter);
	KUNIT_EXPECT_EQ(test, at, end);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static void expect_parts(struct kunit *test, struct parts *p)
{
	unsigned long npinned = 0, wrong = 0, i, end;

	for (i = 0; i < PART_PAGES; i++) {
		npinned += !!p->users[i];
		wrong += test_mm_pins(test_block_phys(p->block, i)) !=
			 !!p->users[i];
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, p->pages->npinned, npinned);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), npinned);
	KUNIT_EXPECT_EQ(test, test_user_locked(), npinned);
	for (i = 0; i < PART_PAGES; i = end + 1) {
		for (end = i; end < PART_PAGES && p->users[end];)
			end++;
		if (end != i)
			parts_walk(test, p, i, end);
	}
}

static void parts_step(struct kunit *test, struct parts *p)
{
	struct part *part = &p->parts[chance(&p->rnd, PART_USERS)];

	if (!chance(&p->rnd, 12))
		parts_hole(test, p);
	else if (!part->npages)
		parts_pin(test, p, part);
	else if (!chance(&p->rnd, 4))
		parts_cut(test, p, part);
	else
		parts_unpin(p, part);
}

static void parts_run(struct kunit *test, struct parts *p)
{
	unsigned int i;

	for (i = 0; i < PART_STEPS; i++) {
		parts_step(test, p);
		expect_parts(test, p);
		if (test->status == KUNIT_FAILURE) {
			kunit_info(test, "first wrong after step %u", i);
			break;
		}
	}
	for (i = 0; i < PART_USERS; i++)
		if (p->parts[i].npages)
			parts_unpin(p, &p->parts[i]);
	expect_parts(test, p);
	KUNIT_EXPECT_EQ(test, count_extents(p->pages), 0);
}

static struct parts *parts_alloc(struct kunit *test, u32 seed)
{
	struct parts *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	prandom_seed_state(&p->rnd, seed);
	p->block = test_block_alloc(test, PART_ORDER);
	shuffle_layout(p);
	p->uptr = test_block_map(test, p->block, 0);
	p->pages = alloc_pages_of(test, p->uptr, PART_PAGES);
	/* From two runs an extent to all in one. */
	iommufd_test_memory_limit = sizeof(u64) << (1 + seed % 6);
	return p;
}

static void random_parts_agree_with_a_plain_model(struct kunit *test)
{
	struct parts *p;
	u32 seed;

	for (seed = 1; seed <= PART_SEEDS; seed++) {
		p = parts_alloc(test, seed);
		parts_run(test, p);
		vm_munmap(p->uptr, PART_PAGES * PAGE_SIZE);
		iopt_pages_put(p->pages);
		if (test->status == KUNIT_FAILURE) {
			kunit_info(test, "with seed %u", seed);
			break;
		}
		cond_resched();
	}
}

/**
 * struct shape - how a range is remembered
 * @extents: number of extents
 * @runs: number of runs
 * @ends: of each run, index behind its last page
 */
struct shape {
	unsigned int extents;
	unsigned int runs;
	unsigned long ends[PART_PAGES];
};

static void get_shape(struct iopt_pages *pages, struct shape *shape)
{
	struct iopt_run_iter iter;
	unsigned long at = 0;

	memset(shape, 0, sizeof(*shape));
	shape->extents = count_extents(pages);
	iopt_run_iter_init(&iter, pages, 0, PART_PAGES << PAGE_SHIFT);
	for (; iter.length; iopt_run_iter_next(&iter)) {
		at += iter.length >> PAGE_SHIFT;
		shape->ends[shape->runs++] = at;
	}
	iopt_run_iter_done(&iter);
}

/* Whoever came and went in between, in whatever order. */
static void splits_are_undone(struct kunit *test)
{
	struct shape before, after;
	struct parts *p;
	unsigned int i;
	u32 seed;

	for (seed = 1; seed <= PART_SEEDS; seed++) {
		p = parts_alloc(test, seed);
		KUNIT_ASSERT_EQ(test, iopt_pages_pin(p->pages, 0, PART_PAGES),
				0);
		get_shape(p->pages, &before);
		for (i = 0; i < PART_STEPS; i++) {
			struct part *part =
				&p->parts[chance(&p->rnd, PART_USERS)];

			if (part->npages)
				parts_unpin(p, part);
			else
				parts_pin(test, p, part);
		}
		for (i = 0; i < PART_USERS; i++)
			if (p->parts[i].npages)
				parts_unpin(p, &p->parts[i]);
		get_shape(p->pages, &after);
		KUNIT_EXPECT_EQ_MSG(test, after.extents, before.extents,
				    "seed %u", seed);
		KUNIT_EXPECT_TRUE_MSG(test, !memcmp(&before, &after,
						    sizeof(before)),
				      "seed %u", seed);
		unpin_now(p->pages, 0, PART_PAGES);
		vm_munmap(p->uptr, PART_PAGES * PAGE_SIZE);
		iopt_pages_put(p->pages);
	}
}

/* ---- many runs ---- */

#define RUNS_ORDER 10
#define RUNS_PAGES BIT(RUNS_ORDER)

/* More than an extent holds. */
static void many_runs_are_remembered(struct kunit *test)
{
	struct test_block *block = test_block_alloc(test, RUNS_ORDER);
	struct iopt_run_iter iter;
	struct iopt_pages *pages;
	unsigned long i = 0;

	for (i = 0; i < RUNS_PAGES; i++)
		block->layout[i] = RUNS_PAGES - 1 - i;
	pages = alloc_pages_of(test, test_block_map(test, block, 0),
			       RUNS_PAGES);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 0, RUNS_PAGES), 0);
	KUNIT_EXPECT_EQ(test, count_extents(pages), 3);
	/* Split in the first, in the last, and over a boundary. */
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 100, 200), 0);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 1010, 10), 0);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 290, 500), 0);
	KUNIT_EXPECT_EQ(test, pages->npinned, RUNS_PAGES);

	iopt_run_iter_init(&iter, pages, 0, RUNS_PAGES * PAGE_SIZE);
	for (i = 0; iter.length; iopt_run_iter_next(&iter), i++) {
		KUNIT_EXPECT_EQ(test, iter.length, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, iter.phys, test_block_phys(block, i));
	}
	iopt_run_iter_done(&iter);
	KUNIT_EXPECT_EQ(test, i, RUNS_PAGES);

	unpin_now(pages, 0, RUNS_PAGES);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 700);
	unpin_now(pages, 100, 200);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 510);
	unpin_now(pages, 1010, 10);
	unpin_now(pages, 290, 500);
	iopt_pages_put(pages);
}

/* One run needs one word, however many calls of GUP it took. */
static void large_run_is_one(struct kunit *test)
{
	struct test_block *block = test_block_alloc(test, RUNS_ORDER);
	struct iopt_run_iter iter;
	struct iopt_pages *pages;

	pages = alloc_pages_of(test, test_block_map(test, block, 0),
			       RUNS_PAGES);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(pages, 0, RUNS_PAGES), 0);
	KUNIT_EXPECT_EQ(test, count_extents(pages), 1);
	iopt_run_iter_init(&iter, pages, 5, RUNS_PAGES * PAGE_SIZE - 7);
	KUNIT_EXPECT_EQ(test, iter.phys, test_block_phys(block, 0) + 5);
	KUNIT_EXPECT_EQ(test, iter.length, RUNS_PAGES * PAGE_SIZE - 7);
	iopt_run_iter_done(&iter);
	unpin_now(pages, 0, RUNS_PAGES);
	iopt_pages_put(pages);
}

/* ---- temporary memory ---- */

/**
 * struct epochs - tells calls of GUP apart
 * @mm: each call has its mmap_lock for reading; so a writer that waits gets in
 *	between two of them
 * @go: lets the writer wait for it
 * @epoch: how often it got in
 * @end: ends the writer
 * @last: @epoch when a page appeared last
 * @calls: calls of GUP that pages appeared in
 * @pages: pages that appeared in the last one
 * @max_pages: the most that appeared in one
 */
struct epochs {
	struct mm_struct *mm;
	struct completion go;
	unsigned int epoch;
	bool end;
	unsigned int last;
	unsigned int calls;
	unsigned int pages;
	unsigned int max_pages;
};

static int epochs_write(void *data)
{
	struct epochs *e = data;

	for (;;) {
		wait_for_completion(&e->go);
		if (e->end)
			break;
		mmap_write_lock(e->mm);
		e->epoch++;
		mmap_write_unlock(e->mm);
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void epochs_fault(struct test_block *block, unsigned long index)
{
	struct epochs *e = block->data;

	if (!e->calls || e->epoch != e->last) {
		e->last = e->epoch;
		e->calls++;
		e->pages = 0;
		complete(&e->go);
		while (!rwsem_is_contended(&e->mm->mmap_lock))
			schedule_timeout_uninterruptible(1);
	}
	e->max_pages = max(e->max_pages, ++e->pages);
}

struct limit_case {
	unsigned int limit;
	unsigned long npages;
	unsigned int calls;
	unsigned int max_pages;
	unsigned int extents;
};

static const struct limit_case limit_cases[] = {
	/* At least one page, and one run, at a time. */
	{ 1, 20, 20, 1, 20 },
	{ sizeof(u64), 20, 20, 1, 20 },
	{ 2 * sizeof(u64) - 1, 20, 20, 1, 20 },
	{ 2 * sizeof(u64), 20, 10, 2, 10 },
	{ 7 * sizeof(u64), 20, 3, 7, 3 },
	/* Few pages are done without an allocation, if that is allowed. */
	{ 15 * sizeof(u64), 16, 2, 15, 2 },
	{ 16 * sizeof(u64), 16, 1, 16, 1 },
	{ 16 * sizeof(u64), 17, 2, 16, 2 },
	{ 16 * sizeof(u64), 64, 4, 16, 4 },
	{ 65536, 64, 1, 64, 1 },
};

static void try_limit(struct kunit *test, const struct limit_case *c)
{
	struct test_block *block = test_block_alloc(test, PART_ORDER);
	struct epochs e = { .mm = current->mm };
	struct iopt_pages *pages;
	unsigned int cpu = raw_smp_processor_id();
	struct task_struct *task;
	unsigned long i;

	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(cpu)),
			0);
	for (i = 0; i < block->nr; i++)
		block->layout[i] = block->nr - 1 - i;
	init_completion(&e.go);
	block->fault = epochs_fault;
	block->data = &e;
	task = kthread_create(epochs_write, &e, "iommufd_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	/* It gets in as soon as there is an occasion: on the same CPU. */
	kthread_bind(task, cpu);
	sched_set_fifo(task);
	wake_up_process(task);

	iommufd_test_memory_limit = c->limit;
	pages = alloc_pages_of(test, test_block_map(test, block, 0), c->npages);
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(pages, 0, c->npages), 0);
	KUNIT_EXPECT_EQ_MSG(test, e.calls, c->calls, "limit %u", c->limit);
	KUNIT_EXPECT_EQ_MSG(test, e.max_pages, c->max_pages, "limit %u",
			    c->limit);
	KUNIT_EXPECT_EQ_MSG(test, count_extents(pages), c->extents, "limit %u",
			    c->limit);
	unpin_now(pages, 0, c->npages);
	iopt_pages_put(pages);

	e.end = true;
	complete(&e.go);
	kthread_stop(task);
}

static void memory_limit_caps_every_step(struct kunit *test)
{
	const struct limit_case *c;

	for (c = limit_cases; c < limit_cases + ARRAY_SIZE(limit_cases); c++)
		try_limit(test, c);
}

/* ---- side by side ---- */

#define STUCK_FROM 4

/**
 * struct stuck - memory half of which does not appear until it may
 * @block: the memory; pages from STUCK_FROM on are stuck
 * @pages: the memory, to be pinned
 * @go: from when on they appear
 * @faults: how many tried to see one
 * @appeared: how many appeared
 */
struct stuck {
	struct test_block *block;
	struct iopt_pages *pages;
	struct completion go;
	unsigned int faults;
	unsigned int appeared;
};

static void stuck_fault(struct test_block *block, unsigned long index)
{
	struct stuck *s = block->data;

	if (index < STUCK_FROM)
		return;
	s->faults++;
	wait_for_completion(&s->go);
	s->appeared++;
}

static struct stuck *stuck_alloc(struct kunit *test)
{
	struct stuck *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	init_completion(&s->go);
	s->block = test_block_alloc(test, 3);
	s->block->fault = stuck_fault;
	s->block->data = s;
	s->pages = alloc_pages_of(test, test_block_map(test, s->block, 0), 8);
	return s;
}

/**
 * struct pinning - a thread that pins a part
 * @s: the memory
 * @part: the part
 * @then: what it unpins next, before anyone who waited for it can go on
 * @task: the thread, a reference
 * @done: pinned, or failed
 * @ret: what iopt_pages_pin() returned
 */
struct pinning {
	struct stuck *s;
	struct part part;
	struct part then;
	struct task_struct *task;
	struct completion done;
	int ret;
};

static int pinning_thread(void *data)
{
	struct pinning *p = data;

	allow_signal(SIGKILL);
	p->ret = iopt_pages_pin(p->s->pages, p->part.first, p->part.npages);
	if (p->then.npages)
		unpin_now(p->s->pages, p->then.first, p->then.npages);
	complete(&p->done);
	return 0;
}

static void begin_pin(struct kunit *test, struct pinning *p, struct stuck *s,
		      unsigned long first, unsigned long npages)
{
	p->s = s;
	p->part.first = first;
	p->part.npages = npages;
	p->then.npages = 0;
	init_completion(&p->done);
	p->task = kthread_create(pinning_thread, p, "iommufd_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(p->task));
	get_task_struct(p->task);
	wake_up_process(p->task);
	test_wait_settled(p->task);
}

static int end_pin(struct pinning *p)
{
	wait_for_completion(&p->done);
	put_task_struct(p->task);
	return p->ret;
}

static void stuck_pin_holds_up_only_who_needs_the_same(struct kunit *test)
{
	struct stuck *s = stuck_alloc(test);
	struct pinning a, b, c;

	/* Stuck with 2 to 5, of which 2 and 3 are there. */
	begin_pin(test, &a, s, 2, 4);
	KUNIT_ASSERT_EQ(test, s->faults, 1);
	/* Beside it, and over a part of it. */
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(s->pages, 0, 2), 0);
	begin_pin(test, &b, s, 1, 3);
	begin_pin(test, &c, s, 5, 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&a.done));
	KUNIT_EXPECT_FALSE(test, completion_done(&b.done));
	KUNIT_EXPECT_FALSE(test, completion_done(&c.done));
	/* They wait, and fault nothing in themselves. */
	KUNIT_EXPECT_EQ(test, s->faults, 1);

	complete_all(&s->go);
	KUNIT_EXPECT_EQ(test, end_pin(&a), 0);
	KUNIT_EXPECT_EQ(test, end_pin(&b), 0);
	KUNIT_EXPECT_EQ(test, end_pin(&c), 0);
	KUNIT_EXPECT_EQ(test, s->appeared, 2);
	expect_pinned(test, s->pages, s->block, "11111100");
	unpin_now(s->pages, 2, 4);
	expect_pinned(test, s->pages, s->block, "11110100");
	unpin_now(s->pages, 1, 3);
	unpin_now(s->pages, 5, 1);
	expect_pinned(test, s->pages, s->block, "11000000");
	unpin_now(s->pages, 0, 2);
	iopt_pages_put(s->pages);
}

static void wait_for_a_stuck_pin_can_be_killed(struct kunit *test)
{
	struct stuck *s = stuck_alloc(test);
	struct pinning a, b;

	begin_pin(test, &a, s, 4, 2);
	begin_pin(test, &b, s, 0, 8);
	KUNIT_ASSERT_FALSE(test, completion_done(&b.done));
	/* It has pinned what it could. */
	KUNIT_EXPECT_EQ(test, s->pages->npinned, 4);
	send_sig(SIGKILL, b.task, 1);
	KUNIT_EXPECT_EQ(test, end_pin(&b), -EINTR);
	/* The part of the other one is not there yet: charged, but not in. */
	KUNIT_EXPECT_EQ(test, s->pages->npinned, 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 2);
	KUNIT_EXPECT_EQ(test, test_mm_pins(test_block_phys(s->block, 0)), 0);
	KUNIT_EXPECT_FALSE(test, completion_done(&a.done));

	complete_all(&s->go);
	KUNIT_EXPECT_EQ(test, end_pin(&a), 0);
	expect_pinned(test, s->pages, s->block, "00001100");
	unpin_now(s->pages, 4, 2);
	iopt_pages_put(s->pages);
}

/* The one that waits tries for itself, and fails for itself. */
static void stuck_pin_may_fail(struct kunit *test)
{
	struct stuck *s = stuck_alloc(test);
	struct pinning a, b, c;

	test_user_set_limit(6);
	begin_pin(test, &a, s, 2, 4);
	begin_pin(test, &b, s, 4, 1);
	begin_pin(test, &c, s, 0, 8);
	complete_all(&s->go);
	KUNIT_EXPECT_EQ(test, end_pin(&a), 0);
	KUNIT_EXPECT_EQ(test, end_pin(&b), 0);
	/* It has joined what the others pinned, and left it again. */
	KUNIT_EXPECT_EQ(test, end_pin(&c), -ENOMEM);
	expect_pinned(test, s->pages, s->block, "00111100");
	unpin_now(s->pages, 2, 4);
	expect_pinned(test, s->pages, s->block, "00001000");
	unpin_now(s->pages, 4, 1);
	iopt_pages_put(s->pages);
}

/* Extents are split where another call has only begun. */
static void part_may_end_while_another_begins(struct kunit *test)
{
	struct stuck *s = stuck_alloc(test);
	struct pinning a;

	KUNIT_ASSERT_EQ(test, iopt_pages_pin(s->pages, 0, 4), 0);
	begin_pin(test, &a, s, 1, 5);
	KUNIT_EXPECT_EQ(test, s->faults, 1);
	/* It is a user of 1 to 3 by now; others come and go. */
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(s->pages, 2, 2), 0);
	unpin_now(s->pages, 0, 4);
	KUNIT_EXPECT_EQ(test, s->pages->npinned, 3);
	KUNIT_EXPECT_EQ(test, iopt_pages_pin(s->pages, 0, 3), 0);
	unpin_now(s->pages, 2, 2);
	KUNIT_EXPECT_EQ(test, s->pages->npinned, 4);
	complete_all(&s->go);
	KUNIT_EXPECT_EQ(test, end_pin(&a), 0);
	expect_pinned(test, s->pages, s->block, "11111100");
	unpin_now(s->pages, 0, 3);
	expect_pinned(test, s->pages, s->block, "01111100");
	unpin_now(s->pages, 1, 5);
	expect_pinned(test, s->pages, s->block, "00000000");
	iopt_pages_put(s->pages);
}

/* Which is in what is before 4 already, but not in what is behind. */
static void part_may_end_while_another_waits(struct kunit *test)
{
	struct stuck *s = stuck_alloc(test);
	struct pinning a, b;
	unsigned int i;

	/* There is room behind the runs of 0 to 3. */
	for (i = 0; i < 8; i++)
		s->block->layout[i] = 7 - i;
	complete_all(&s->go);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(s->pages, 0, 6), 0);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(s->pages, 0, 4), 0);
	unpin_now(s->pages, 0, 6);
	test_block_map(test, s->block, s->pages->start);
	reinit_completion(&s->go);

	begin_pin(test, &a, s, 0, 6);
	a.then = (struct part){ 0, 4 };
	begin_pin(test, &b, s, 0, 6);
	KUNIT_EXPECT_FALSE(test, completion_done(&b.done));
	complete_all(&s->go);
	KUNIT_EXPECT_EQ(test, end_pin(&a), 0);
	KUNIT_EXPECT_EQ(test, end_pin(&b), 0);
	expect_pinned(test, s->pages, s->block, "11111100");
	unpin_now(s->pages, 0, 6);
	expect_pinned(test, s->pages, s->block, "11111100");
	unpin_now(s->pages, 0, 6);
	expect_pinned(test, s->pages, s->block, "00000000");
	iopt_pages_put(s->pages);
}

/* ---- another payer ---- */

static void expect_paid(struct kunit *test, long user, long mm)
{
	KUNIT_EXPECT_EQ(test, test_user_locked(), user);
	KUNIT_EXPECT_EQ(test, current->mm->locked_vm, mm);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), user + mm);
}

static struct iommufd_payer *other_payer(struct kunit *test)
{
	struct iommufd_payer *payer;

	payers.mode = IOMMUFD_ACCOUNT_MM;
	payer = iommufd_payer_get_current(&payers);
	KUNIT_ASSERT_NOT_NULL(test, payer);
	return payer;
}

static void new_payer_is_charged_for_what_is_pinned(struct kunit *test)
{
	struct stuck *s = stuck_alloc(test);
	struct iommufd_payer *payer = other_payer(test), *old;
	unsigned long npinned;
	LIST_HEAD(drop);

	KUNIT_ASSERT_EQ(test, iopt_pages_pin(s->pages, 0, 2), 0);
	KUNIT_ASSERT_EQ(test, iopt_pages_pin(s->pages, 2, 2), 0);
	/* What is on its way out stays with who paid. */
	iopt_pages_unpin(s->pages, 2, 2, &drop);
	old = iopt_pages_set_payer(s->pages, payer, &npinned);
	KUNIT_ASSERT_NOT_NULL(test, old);
	KUNIT_EXPECT_EQ(test, npinned, 2);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, 2), 0);
	iommufd_uncharge(old, 2);
	iommufd_payer_put(old);
	expect_paid(test, 2, 2);
	iopt_pins_drop(&drop);
	expect_paid(test, 0, 2);
	KUNIT_EXPECT_PTR_EQ(test, iopt_pages_set_payer(s->pages, payer,
						       &npinned), NULL);
	unpin_now(s->pages, 0, 2);
	expect_paid(test, 0, 0);
	iopt_pages_put(s->pages);
	iommufd_payer_put(payer);
}

static void pin_under_way_is_charged_to_a_new_payer(struct kunit *test)
{
	struct stuck *s = stuck_alloc(test);
	struct iommufd_payer *payer = other_payer(test), *old;
	unsigned long npinned;
	struct pinning a;

	begin_pin(test, &a, s, 2, 4);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 4);
	old = iopt_pages_set_payer(s->pages, payer, &npinned);
	KUNIT_ASSERT_NOT_NULL(test, old);
	iommufd_payer_put(old);
	KUNIT_EXPECT_EQ(test, npinned, 0);
	complete_all(&s->go);
	KUNIT_EXPECT_EQ(test, end_pin(&a), 0);
	expect_paid(test, 0, 4);
	KUNIT_EXPECT_EQ(test, test_mm_pins(test_block_phys(s->block, 2)), 1);
	unpin_now(s->pages, 2, 4);
	expect_paid(test, 0, 0);
	iopt_pages_put(s->pages);
	iommufd_payer_put(payer);
}

static struct kunit_case extents_cases[] = {
	KUNIT_CASE(overlapping_parts_are_pinned_once),
	KUNIT_CASE(drop_lets_go_of_what_no_one_uses),
	KUNIT_CASE(failed_pin_leaves_other_parts_alone),
	KUNIT_CASE(pin_above_the_limit_leaves_other_parts_alone),
	KUNIT_CASE(cut_part_is_unpinned_as_two),
	KUNIT_CASE(what_a_device_may_have_written_is_dirty),
	KUNIT_CASE(random_parts_agree_with_a_plain_model),
	KUNIT_CASE(splits_are_undone),
	KUNIT_CASE(many_runs_are_remembered),
	KUNIT_CASE(large_run_is_one),
	KUNIT_CASE(memory_limit_caps_every_step),
	KUNIT_CASE(stuck_pin_holds_up_only_who_needs_the_same),
	KUNIT_CASE(wait_for_a_stuck_pin_can_be_killed),
	KUNIT_CASE(stuck_pin_may_fail),
	KUNIT_CASE(part_may_end_while_another_begins),
	KUNIT_CASE(part_may_end_while_another_waits),
	KUNIT_CASE(new_payer_is_charged_for_what_is_pinned),
	KUNIT_CASE(pin_under_way_is_charged_to_a_new_payer),
	{}
};

static struct kunit_suite extents_suite = {
	.name = "iopt_extents",
	.init = extents_test_init,
	.exit = extents_test_exit,
	.test_cases = extents_cases,
};

kunit_test_suite(extents_suite);
