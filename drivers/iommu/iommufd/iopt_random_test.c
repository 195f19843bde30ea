// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two I/O address spaces that share memory, by chance: after each step of a
 * random sequence their domains and the pins of every page are what a plain
 * model says.
 *
 * All that is mapped is a part of one block of memory.  Each MAP makes a
 * source, which COPY shares; a page is pinned once for each source that needs
 * it.
 * Addresses are taken from a small window, so that much of it collides: what is
 * below it is reserved.
 */
#include <kunit/test.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>

#include "io_pagetable.h"
#include "iommufd_test.h"
#include "mock_iommu.h"
#include "pages.h"
#include "test_domain.h"
#include "test_mm.h"

#define SEEDS 20
#define STEPS 400

#define UNIT (PAGE_SIZE / 4)
#define MEMORY_ORDER 4
#define MEMORY_PAGES BIT(MEMORY_ORDER)
#define WINDOW_PAGES 32UL
/* A multiple of 1 GiB is in it, over which no call to a domain reaches. */
#define WINDOW_BASE (SZ_1G - WINDOW_PAGES / 2 * PAGE_SIZE)
#define WINDOW_SIZE (WINDOW_PAGES * PAGE_SIZE)
/* Where the ranges that begin in the window end at the latest. */
#define WINDOW_END (WINDOW_BASE + 2 * WINDOW_SIZE)

#define SPACES 2
#define AREAS 20
#define SOURCES (SPACES * AREAS)
#define DOMAINS 2
#define RANGES 4
#define PINS 5

/**
 * struct source - memory that was named by one MAP
 * @first: index of its first page in the block
 * @npages: how many it touches
 * @writable: a device may write to it
 */
struct source {
	unsigned long first;
	unsigned long npages;
	bool writable;
};

/**
 * struct mapping - an area
 * @iova: where it is
 * @length: in bytes; 0 when there is none
 * @source: what it shows a part of
 * @offset: of its first byte, from the source's first page
 * @prot: what a device may do
 */
struct mapping {
	unsigned long iova;
	unsigned long length;
	struct source *source;
	unsigned long offset;
	int prot;
};

/**
 * struct space - an address space, and what it has to be like
 * @iopt: the address space
 * @maps: its areas
 * @td: a fine domain, and a coarse one with less addresses
 * @added: which of @td show it
 * @mock_domain: a domain of the mock IOMMU
 * @mock: for @iopt
 * @mock_added: it shows it
 * @reserved: ranges of the owner that is the space itself
 * @nr_reserved: how many
 * @allowed: where addresses are chosen from
 * @nr_allowed: how many; anywhere if none
 * @small: without huge pages
 * @access: a user that pins pages
 * @access_added: it is one
 * @pins: what that has pinned; of length 0 when it has not
 */
struct space {
	struct io_pagetable iopt;
	struct mapping maps[AREAS];
	struct test_domain *td[DOMAINS];
	bool added[DOMAINS];
	struct iommu_domain *mock_domain;
	struct iopt_domain mock;
	bool mock_added;
	struct iopt_range reserved[RANGES];
	unsigned int nr_reserved;
	struct iopt_range allowed[RANGES];
	unsigned int nr_allowed;
	bool small;
	struct iopt_access access;
	bool access_added;
	struct iopt_range pins[PINS];
};

/**
 * struct model - all there is
 * @rnd: where chance comes from
 * @spaces: the address spaces
 * @sources: of their areas
 * @payers: who pays
 * @block: the memory
 * @uptr: where the process has it
 */
struct model {
	struct rnd_state rnd;
	struct space spaces[SPACES];
	struct source sources[SOURCES];
	struct iommufd_payers payers;
	struct test_block *block;
	unsigned long uptr;
};

static u32 chance(struct model *m, u32 of)
{
	return prandom_u32_state(&m->rnd) % of;
}

/* ---- the model ---- */

static unsigned long map_last(const struct mapping *map)
{
	return map->iova + map->length - 1;
}

static bool overlap(unsigned long start, unsigned long last,
		    const struct iopt_range *range)
{
	return range->start <= last && start <= range->last;
}

/* The one after @map, or the first, that has any of the addresses. */
static struct mapping *next_map_in(struct space *s, struct mapping *map,
				   unsigned long start, unsigned long last)
{
	map = map ? map + 1 : s->maps;
	for (; map < s->maps + AREAS; map++)
		if (map->length && map->iova <= last && map_last(map) >= start)
			return map;
	return NULL;
}

static struct mapping *next_map(struct space *s, struct mapping *map)
{
	return next_map_in(s, map, 0, ULONG_MAX);
}

static struct mapping *map_at(struct space *s, unsigned long iova)
{
	return next_map_in(s, NULL, iova, iova);
}

static unsigned int free_maps(struct space *s)
{
	unsigned int nr = AREAS;
	struct mapping *map;

	for (map = next_map(s, NULL); map; map = next_map(s, map))
		nr--;
	return nr;
}

static struct mapping *free_map(struct space *s)
{
	unsigned int i;

	for (i = 0; i < AREAS; i++)
		if (!s->maps[i].length)
			return &s->maps[i];
	return NULL;
}

/* There are as many as areas, so one is free as long as an area is. */
static struct source *free_source(struct model *m)
{
	DECLARE_BITMAP(used, SOURCES) = {};
	struct mapping *map;
	struct space *s;

	for (s = m->spaces; s < m->spaces + SPACES; s++)
		for (map = next_map(s, NULL); map; map = next_map(s, map))
			__set_bit(map->source - m->sources, used);
	return &m->sources[find_first_zero_bit(used, SOURCES)];
}

static bool any_domain(struct space *s)
{
	return s->added[0] || s->added[1] || s->mock_added;
}

static unsigned long space_alignment(struct space *s)
{
	if (s->small || s->access_added || s->added[1])
		return PAGE_SIZE;
	if (s->mock_added)
		return MOCK_IO_PAGE_SIZE;
	return s->added[0] ? UNIT : 1;
}

static bool aligned_to(struct space *s, unsigned long alignment)
{
	struct mapping *map;

	for (map = next_map(s, NULL); map; map = next_map(s, map))
		if (!IS_ALIGNED(map->iova | map->length | map->offset,
				alignment))
			return false;
	return true;
}

static struct iopt_range domain_aperture(struct iommu_domain *domain)
{
	struct iommu_domain_geometry *geometry = &domain->geometry;

	if (!geometry->force_aperture)
		return (struct iopt_range){ 0, ULONG_MAX };
	return (struct iopt_range){ geometry->aperture_start,
				    geometry->aperture_end };
}

static bool inside(unsigned long start, unsigned long last,
		   const struct iopt_range *range)
{
	return start >= range->start && last <= range->last;
}

/* Is a range in the aperture of all domains, and not reserved? */
static bool usable(struct space *s, unsigned long start, unsigned long last)
{
	struct iopt_range aperture;
	unsigned int i;

	if (start < WINDOW_BASE)
		return false;
	for (i = 0; i < DOMAINS; i++) {
		aperture = domain_aperture(&s->td[i]->domain);
		if (s->added[i] && !inside(start, last, &aperture))
			return false;
	}
	aperture = domain_aperture(s->mock_domain);
	if (s->mock_added && !inside(start, last, &aperture))
		return false;
	for (i = 0; i < s->nr_reserved; i++)
		if (overlap(start, last, &s->reserved[i]))
			return false;
	return true;
}

static bool is_mapped(struct space *s, unsigned long start, unsigned long last)
{
	return next_map_in(s, NULL, start, last);
}

static const struct iopt_range *allowed_at(struct space *s, unsigned long at)
{
	unsigned int i;

	for (i = 0; i < s->nr_allowed; i++)
		if (inside(at, at, &s->allowed[i]))
			return &s->allowed[i];
	return NULL;
}

static bool is_allowed(struct space *s, unsigned long start, unsigned long last)
{
	const struct iopt_range *range;

	while (s->nr_allowed) {
		range = allowed_at(s, start);
		if (!range)
			return false;
		if (range->last >= last)
			return true;
		start = range->last + 1;
	}
	return true;
}

/* The lowest place at @offset from a multiple of @align; 0 if there is none. */
static unsigned long search(struct space *s, unsigned long align,
			    unsigned long offset, unsigned long length)
{
	unsigned long iova = ALIGN_DOWN(WINDOW_BASE, align) + offset;

	for (; iova < WINDOW_END; iova += align) {
		if (usable(s, iova, iova + length - 1) &&
		    is_allowed(s, iova, iova + length - 1) &&
		    !is_mapped(s, iova, iova + length - 1))
			return iova;
	}
	return 0;
}

/* Whole pages are preferred. */
static unsigned long find_place(struct space *s, unsigned long uptr,
				unsigned long length)
{
	unsigned long offset = offset_in_page(uptr), align, iova;

	align = min(roundup_pow_of_two(length), PMD_SIZE);
	align = max(min(align, 1UL << __ffs(uptr)), PAGE_SIZE);
	iova = search(s, align, 0, PAGE_ALIGN(offset + length));
	return iova ? iova + offset : search(s, align, offset, length);
}

/* A bit for each page of the source that the bytes touch. */
static u32 page_mask(unsigned long offset, unsigned long length)
{
	return GENMASK((offset + length - 1) >> PAGE_SHIFT,
		       offset >> PAGE_SHIFT);
}

static u32 pinned_by_access(struct space *s, struct mapping *map)
{
	unsigned long start, last;
	unsigned int i;
	u32 mask = 0;

	for (i = 0; i < PINS; i++) {
		if (!s->pins[i].last ||
		    !overlap(map->iova, map_last(map), &s->pins[i]))
			continue;
		start = max(map->iova, s->pins[i].start);
		last = min(map_last(map), s->pins[i].last);
		mask |= page_mask(map->offset + start - map->iova,
				  last - start + 1);
	}
	return mask;
}

static u32 pinned_mask(struct model *m, struct source *source)
{
	struct mapping *map;
	struct space *s;
	u32 mask = 0;

	for (s = m->spaces; s < m->spaces + SPACES; s++) {
		for (map = next_map(s, NULL); map; map = next_map(s, map)) {
			if (map->source != source)
				continue;
			if (any_domain(s))
				mask |= page_mask(map->offset, map->length);
			mask |= pinned_by_access(s, map);
		}
	}
	return mask;
}

/* ---- what is compared ---- */

static phys_addr_t phys_of(struct model *m, struct mapping *map,
			   unsigned long pos)
{
	unsigned long at = map->offset + pos;

	return test_block_phys(m->block,
			       map->source->first + (at >> PAGE_SHIFT)) +
	       offset_in_page(at);
}

static unsigned long wrong_in_td(struct model *m, struct mapping *map,
				 struct test_domain *td)
{
	unsigned long pos, wrong = 0;
	int prot = 0;

	for (pos = 0; pos < map->length; pos += UNIT)
		wrong += test_domain_phys(td, map->iova + pos, &prot) !=
				 phys_of(m, map, pos) ||
			 prot != (map->prot | IOMMU_CACHE);
	return wrong;
}

static unsigned long wrong_in_mock(struct model *m, struct mapping *map,
				   struct iommu_domain *domain)
{
	unsigned long pos, wrong = 0;

	for (pos = 0; pos < map->length; pos += MOCK_IO_PAGE_SIZE)
		wrong += iommu_iova_to_phys(domain, map->iova + pos) !=
			 phys_of(m, map, pos);
	return wrong;
}

/* What is in the mock's window although nothing is mapped. */
static unsigned long left_in_mock(struct space *s)
{
	unsigned long iova, wrong = 0;

	for (iova = WINDOW_BASE - SZ_64K;
	     iova < WINDOW_BASE + WINDOW_SIZE + SZ_64K;
	     iova += MOCK_IO_PAGE_SIZE)
		if (!s->mock_added || !map_at(s, iova))
			wrong += !!iommu_iova_to_phys(s->mock_domain, iova);
	return wrong;
}

static void expect_domains(struct kunit *test, struct model *m, struct space *s)
{
	unsigned long size = 0, wrong = 0;
	struct mapping *map;
	unsigned int i;

	for (map = next_map(s, NULL); map; map = next_map(s, map)) {
		size += map->length;
		for (i = 0; i < DOMAINS; i++)
			if (s->added[i])
				wrong += wrong_in_td(m, map, s->td[i]);
		if (s->mock_added)
			wrong += wrong_in_mock(m, map, s->mock_domain);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, left_in_mock(s), 0);
	for (i = 0; i < DOMAINS; i++) {
		KUNIT_EXPECT_EQ(test, test_domain_size(s->td[i]),
				s->added[i] ? size : 0);
		if (s->small)
			KUNIT_EXPECT_LE(test, test_domain_largest(s->td[i]),
					PAGE_SIZE);
	}
}

static void expect_space(struct kunit *test, struct model *m, struct space *s)
{
	unsigned long alignment;

	expect_domains(test, m, s);
	iopt_usable_ranges(&s->iopt, NULL, 0, &alignment);
	KUNIT_EXPECT_EQ(test, alignment, space_alignment(s));
	KUNIT_EXPECT_EQ(test, iopt_has_huge_pages(&s->iopt), !s->small);
}

static void expect_pins(struct kunit *test, struct model *m)
{
	unsigned int pins[MEMORY_PAGES] = {}, npinned = 0, wrong = 0, i;
	struct source *source;
	u32 mask;

	for (source = m->sources; source < m->sources + SOURCES; source++) {
		mask = pinned_mask(m, source);
		npinned += hweight32(mask);
		for (i = 0; mask >> i; i++)
			pins[source->first + i] += mask >> i & 1;
	}
	for (i = 0; i < MEMORY_PAGES; i++)
		wrong += test_mm_pins(test_block_phys(m->block, i)) != pins[i];
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), npinned);
}

static void expect_model(struct kunit *test, struct model *m)
{
	unsigned int i;

	for (i = 0; i < SPACES; i++)
		expect_space(test, m, &m->spaces[i]);
	expect_pins(test, m);
	test_expect_no_warning(test);
}

/* ---- steps ---- */

/* Lets a domain of the space fail, now and then. */
static bool choose_failure(struct model *m, struct space *s)
{
	unsigned int i;

	if (chance(m, 5))
		return false;
	for (i = 0; i < DOMAINS; i++)
		s->td[i]->fail_in = chance(m, 2) * (1 + chance(m, 8));
	if (chance(m, 2))
		mock_iommu_fail(MOCK_OP_MAP, 1 + chance(m, 8));
	return true;
}

/* A failure that was asked for may have been asked for too late. */
static void expect_ret(struct kunit *test, struct space *s, int ret,
		       int expected, bool may_fail)
{
	unsigned int i;

	for (i = 0; i < DOMAINS; i++)
		s->td[i]->fail_in = 0;
	mock_iommu_fail(MOCK_OP_MAP, 0);
	if (may_fail && !expected && ret == -ENOMEM)
		return;
	KUNIT_EXPECT_EQ(test, ret, expected);
}

/* Of units, or of pages. */
static unsigned long choose_grain(struct model *m)
{
	return chance(m, 3) ? PAGE_SIZE : UNIT;
}

static unsigned long choose_iova(struct model *m, unsigned long grain)
{
	return WINDOW_BASE + chance(m, WINDOW_SIZE / grain) * grain;
}

static struct iopt_range choose_range(struct model *m, unsigned long max_pages)
{
	unsigned long grain = choose_grain(m);
	struct iopt_range range;

	range.start = choose_iova(m, grain);
	range.last = range.start +
		     (1 + chance(m, max_pages * PAGE_SIZE / grain)) * grain - 1;
	return range;
}

/* A range of just one area, as often as not. */
static struct iopt_range choose_mapped(struct model *m, struct space *s)
{
	struct mapping *map = &s->maps[chance(m, AREAS)];

	if (!map->length)
		map = next_map(s, map) ?: next_map(s, NULL);
	if (map && chance(m, 2))
		return (struct iopt_range){ map->iova, map_last(map) };
	return choose_range(m, 10);
}

static int place_and_fill(struct space *s, struct list_head *areas, bool fixed,
			  unsigned long *iova)
{
	int ret;

	if (fixed)
		ret = iopt_place(&s->iopt, areas, *iova);
	else
		ret = iopt_place_anywhere(&s->iopt, areas, iova);
	if (ret) {
		iopt_free_areas(areas);
		return ret;
	}
	return iopt_fill(&s->iopt, areas);
}

/* Finds or checks the place of @length bytes, all well aligned if so. */
static int expected_place(struct space *s, bool is_aligned, bool fixed,
			  unsigned long uptr, unsigned long length,
			  unsigned long *iova)
{
	unsigned long alignment = space_alignment(s);

	if (!is_aligned || (fixed && !IS_ALIGNED(*iova, alignment)))
		return -EINVAL;
	if (!fixed) {
		*iova = find_place(s, uptr, length);
		return *iova ? 0 : -ENOSPC;
	}
	if (!usable(s, *iova, *iova + length - 1))
		return -EINVAL;
	return is_mapped(s, *iova, *iova + length - 1) ? -EEXIST : 0;
}

static void step_map(struct kunit *test, struct model *m, struct space *s)
{
	unsigned long grain = choose_grain(m), start, length, iova, placed;
	bool fixed = chance(m, 4), may_fail;
	struct mapping *map = free_map(s);
	int prot = 1 + chance(m, 3), expected, ret;
	LIST_HEAD(areas);

	if (!map)
		return;
	length = (1 + chance(m, 4 * PAGE_SIZE / grain)) * grain;
	start = chance(m, 12 * PAGE_SIZE / grain) * grain;
	iova = choose_iova(m, grain);
	placed = iova;
	expected = expected_place(s, IS_ALIGNED(start | length,
						space_alignment(s)),
				  fixed, m->uptr + start, length, &iova);
	KUNIT_ASSERT_EQ(test, iopt_add_user(&areas, m->uptr + start, length,
					    prot, &m->payers), 0);
	may_fail = choose_failure(m, s);
	ret = place_and_fill(s, &areas, fixed, &placed);
	expect_ret(test, s, ret, expected, may_fail);
	if (ret)
		return;
	KUNIT_EXPECT_EQ(test, placed, iova);
	map->source = free_source(m);
	map->source->first = start >> PAGE_SHIFT;
	map->source->npages = PFN_UP(offset_in_page(start) + length);
	map->source->writable = prot & IOMMU_WRITE;
	map->iova = placed;
	map->offset = offset_in_page(start);
	map->prot = prot;
	map->length = length;
}

/* Adds to the list what a copy of a range consists of. */
static int expected_copy(struct space *s, const struct iopt_range *range,
			 int prot, struct mapping *maps, unsigned int *nr)
{
	unsigned long at = range->start;
	struct mapping *map, *to;

	*nr = 0;
	do {
		map = map_at(s, at);
		if (!map)
			return -ENOENT;
		if (prot & IOMMU_WRITE && !map->source->writable)
			return -EPERM;
		to = &maps[(*nr)++];
		*to = *map;
		to->offset += at - map->iova;
		to->length = min(map_last(map), range->last) - at + 1;
		to->prot = prot;
		at += to->length;
	} while (at - 1 != range->last);
	return 0;
}

static int expected_copy_place(struct model *m, struct space *dst,
			       struct mapping *maps, unsigned int nr,
			       bool fixed, unsigned long length,
			       unsigned long *iova)
{
	unsigned long bits = 0;
	unsigned int i;

	for (i = 0; i < nr; i++)
		bits |= maps[i].offset | maps[i].length;
	return expected_place(dst, IS_ALIGNED(bits, space_alignment(dst)),
			      fixed, m->uptr +
			      (maps->source->first << PAGE_SHIFT) +
			      maps->offset, length, iova);
}

static void step_copy(struct kunit *test, struct model *m, struct space *src)
{
	struct space *dst = &m->spaces[chance(m, SPACES)];
	struct iopt_range range = choose_mapped(m, src);
	bool fixed = chance(m, 4), may_fail;
	unsigned long length = range.last - range.start + 1, iova, placed;
	int prot = 1 + chance(m, 3), expected, ret;
	struct mapping maps[AREAS];
	unsigned int nr, i;
	LIST_HEAD(areas);

	iova = choose_iova(m, choose_grain(m));
	placed = iova;
	expected = expected_copy(src, &range, prot, maps, &nr);
	if (nr > free_maps(dst))
		return;
	if (!expected)
		expected = expected_copy_place(m, dst, maps, nr, fixed, length,
					       &iova);
	may_fail = choose_failure(m, dst);
	ret = iopt_add_copy(&areas, &src->iopt, range.start, length, prot);
	if (ret)
		iopt_free_areas(&areas);
	else
		ret = place_and_fill(dst, &areas, fixed, &placed);
	expect_ret(test, dst, ret, expected, may_fail);
	if (ret)
		return;
	KUNIT_EXPECT_EQ(test, placed, iova);
	for (i = 0; i < nr; i++) {
		maps[i].iova = placed;
		placed += maps[i].length;
		*free_map(dst) = maps[i];
	}
}

static int expected_unmap(struct space *s, const struct iopt_range *range,
			  bool cut, unsigned long *bytes)
{
	struct mapping *map;
	int ret = -ENOENT;

	*bytes = 0;
	for (map = next_map_in(s, NULL, range->start, range->last); map;
	     map = next_map_in(s, map, range->start, range->last)) {
		if (!cut && !inside(map->iova, map_last(map), range))
			return -ENOENT;
		*bytes += min(map_last(map), range->last) -
			  max(map->iova, range->start) + 1;
		ret = 0;
	}
	return ret;
}

/* The part before @iova remains; returns what is from there on. */
static struct mapping cut_map(struct mapping *map, unsigned long iova)
{
	struct mapping tail = *map;

	tail.iova = iova;
	tail.offset += iova - map->iova;
	tail.length -= iova - map->iova;
	map->length = iova - map->iova;
	return tail;
}

static void remove_maps(struct space *s, const struct iopt_range *range)
{
	struct mapping *map, tail;

	for (map = next_map_in(s, NULL, range->start, range->last); map;
	     map = next_map_in(s, map, range->start, range->last)) {
		tail = *map;
		map->length = 0;
		if (tail.iova < range->start) {
			*map = tail;
			tail = cut_map(map, range->start);
		}
		if (map_last(&tail) > range->last)
			*free_map(s) = cut_map(&tail, range->last + 1);
	}
}

static void step_unmap(struct kunit *test, struct model *m, struct space *s)
{
	struct iopt_range range = choose_mapped(m, s);
	unsigned long bytes, unmapped;
	int expected, ret;
	LIST_HEAD(drop);

	expected = expected_unmap(s, &range, false, &bytes);
	ret = iopt_unmap(&s->iopt, range.start, range.last, &unmapped, &drop);
	iopt_pins_drop(&drop);
	KUNIT_EXPECT_EQ(test, ret, expected);
	KUNIT_EXPECT_EQ(test, unmapped, expected ? 0 : bytes);
	if (!ret)
		remove_maps(s, &range);
}

static void step_cut(struct kunit *test, struct model *m, struct space *s)
{
	struct iopt_range range = choose_range(m, 6);
	unsigned long bytes, unmapped;
	int expected, ret;
	LIST_HEAD(drop);

	if (!s->small || free_maps(s) < 2)
		return;
	expected = expected_unmap(s, &range, true, &bytes);
	if (!PAGE_ALIGNED(range.start) || !PAGE_ALIGNED(range.last + 1))
		expected = -EINVAL;
	ret = iopt_unmap_cut(&s->iopt, range.start, range.last, &unmapped,
			     &drop);
	iopt_pins_drop(&drop);
	KUNIT_EXPECT_EQ(test, ret, expected);
	KUNIT_EXPECT_EQ(test, unmapped, expected ? 0 : bytes);
	if (!ret)
		remove_maps(s, &range);
}

static int attach(struct kunit *test, struct space *s,
		  struct iopt_domain *domain)
{
	int ret;

	ret = iopt_pin_areas(&s->iopt);
	KUNIT_EXPECT_EQ(test, ret, 0);
	down_write(&s->iopt.domains_rwsem);
	KUNIT_EXPECT_TRUE(test, iopt_areas_pinned(&s->iopt));
	ret = iopt_add_domain(&s->iopt, domain);
	up_write(&s->iopt.domains_rwsem);
	if (ret)
		iopt_unpin_idle(&s->iopt);
	return ret;
}

static void detach(struct space *s, struct iopt_domain *domain)
{
	LIST_HEAD(drop);

	down_write(&s->iopt.domains_rwsem);
	iopt_remove_domain(&s->iopt, domain, &drop);
	up_write(&s->iopt.domains_rwsem);
	iopt_pins_drop(&drop);
}

static int expected_attach(struct space *s, struct iommu_domain *domain)
{
	struct iopt_range aperture = domain_aperture(domain);
	struct mapping *map;
	unsigned int i;

	for (map = next_map(s, NULL); map; map = next_map(s, map))
		if (!inside(map->iova, map_last(map), &aperture))
			return -EADDRINUSE;
	for (i = 0; i < s->nr_allowed; i++)
		if (!inside(s->allowed[i].start, s->allowed[i].last, &aperture))
			return -EADDRINUSE;
	if (!aligned_to(s, BIT(__ffs(domain->pgsize_bitmap))))
		return -EADDRINUSE;
	return 0;
}

static void step_domain(struct kunit *test, struct model *m, struct space *s)
{
	unsigned int i = chance(m, DOMAINS + 1);
	struct iopt_domain *domain;
	bool *added, may_fail;
	int expected, ret;

	domain = i < DOMAINS ? &s->td[i]->shown : &s->mock;
	added = i < DOMAINS ? &s->added[i] : &s->mock_added;
	if (*added) {
		detach(s, domain);
		*added = false;
		return;
	}
	expected = expected_attach(s, domain->domain);
	may_fail = choose_failure(m, s);
	ret = attach(test, s, domain);
	expect_ret(test, s, ret, expected, may_fail);
	*added = !ret;
}

static void step_allow(struct kunit *test, struct model *m, struct space *s)
{
	unsigned int nr = chance(m, RANGES + 1), i, j;
	struct iopt_range ranges[RANGES];
	int expected = 0, ret;

	for (i = 0; i < nr; i++) {
		ranges[i] = choose_range(m, 8);
		if (!usable(s, ranges[i].start, ranges[i].last))
			expected = -EADDRINUSE;
	}
	for (i = 0; i < nr; i++)
		for (j = 0; j < i; j++)
			if (overlap(ranges[i].start, ranges[i].last,
				    &ranges[j]))
				expected = -EINVAL;
	ret = test_allow(&s->iopt, ranges, nr);
	KUNIT_EXPECT_EQ(test, ret, expected);
	if (ret)
		return;
	memcpy(s->allowed, ranges, sizeof(ranges));
	s->nr_allowed = nr;
}

static void step_reserve(struct kunit *test, struct model *m, struct space *s)
{
	struct iopt_range range = choose_range(m, 2);
	int expected = 0, ret;
	unsigned int i;

	if (s->nr_reserved == RANGES || !chance(m, 3)) {
		iopt_unreserve(&s->iopt, s);
		s->nr_reserved = 0;
		return;
	}
	for (i = 0; i < s->nr_allowed; i++)
		if (overlap(range.start, range.last, &s->allowed[i]))
			expected = -EADDRINUSE;
	if (is_mapped(s, range.start, range.last))
		expected = -EADDRINUSE;
	ret = iopt_reserve(&s->iopt, range.start, range.last, s);
	KUNIT_EXPECT_EQ(test, ret, expected);
	if (!ret)
		s->reserved[s->nr_reserved++] = range;
}

static void step_huge_pages(struct kunit *test, struct model *m,
			    struct space *s)
{
	bool huge = chance(m, 2);
	int expected = 0, ret;

	if (!huge && !s->small) {
		if (any_domain(s) && is_mapped(s, 0, ULONG_MAX))
			expected = -EINVAL;
		else if (!aligned_to(s, PAGE_SIZE))
			expected = -EADDRINUSE;
	}
	ret = iopt_set_huge_pages(&s->iopt, huge);
	KUNIT_EXPECT_EQ(test, ret, expected);
	if (!ret)
		s->small = !huge;
}

/* ---- an access, as access.c makes it ---- */

static void do_parts(struct space *s, const struct iopt_range *range,
		     void (*do_part)(struct iopt_part *part, void *data),
		     void *data)
{
	unsigned long at = range->start;
	struct iopt_part part;

	do {
		iopt_used_part(&s->iopt, at, range->last, &part);
		at += part.length;
		do_part(&part, data);
	} while (at - 1 != range->last);
}

static unsigned long part_npages(struct iopt_part *part)
{
	return PFN_UP(offset_in_page(part->offset) + part->length);
}

static void pin_part(struct iopt_part *part, void *data)
{
	struct kunit *test = data;

	KUNIT_EXPECT_EQ(test, iopt_pages_pin(part->pages,
					     part->offset >> PAGE_SHIFT,
					     part_npages(part)), 0);
}

static void unpin_part(struct iopt_part *part, void *data)
{
	iopt_pages_unpin(part->pages, part->offset >> PAGE_SHIFT,
			 part_npages(part), data);
}

static void unpin(struct space *s, struct iopt_range *pin)
{
	LIST_HEAD(drop);

	do_parts(s, pin, unpin_part, &drop);
	iopt_unuse_range(&s->iopt, pin->start, pin->last);
	iopt_pins_drop(&drop);
	pin->last = 0;
}

static void access_unmap(struct iopt_access *access, unsigned long start,
			 unsigned long last)
{
	struct space *s = container_of(access, struct space, access);
	unsigned int i;

	for (i = 0; i < PINS; i++)
		if (s->pins[i].last && overlap(start, last, &s->pins[i]))
			unpin(s, &s->pins[i]);
}

static void step_access(struct kunit *test, struct model *m, struct space *s)
{
	int expected = 0, ret;

	if (s->access_added) {
		access_unmap(&s->access, 0, ULONG_MAX);
		iopt_remove_access(&s->iopt, &s->access);
		s->access_added = false;
		return;
	}
	if (!aligned_to(s, PAGE_SIZE))
		expected = -EADDRINUSE;
	ret = iopt_add_access(&s->iopt, &s->access);
	KUNIT_EXPECT_EQ(test, ret, expected);
	s->access_added = !ret;
}

static int expected_use(struct space *s, const struct iopt_range *range,
			int prot)
{
	unsigned long at = range->start;
	struct mapping *map;

	do {
		map = map_at(s, at);
		if (!map)
			return -ENOENT;
		if ((map->prot & prot) != prot)
			return -EPERM;
		at = map_last(map) + 1;
	} while (at - 1 < range->last);
	return 0;
}

static void step_pin(struct kunit *test, struct model *m, struct space *s)
{
	struct iopt_range *pin = &s->pins[chance(m, PINS)];
	struct iopt_range range = choose_mapped(m, s);
	int prot = 1 + chance(m, 2), ret;

	if (!s->access_added)
		return;
	if (pin->last) {
		unpin(s, pin);
		return;
	}
	/* Of a part of an area, as often as not. */
	if (chance(m, 2)) {
		range.start += chance(m, range.last - range.start + 1);
		range.last -= chance(m, range.last - range.start + 1);
	}
	ret = iopt_use_range(&s->iopt, range.start, range.last, prot);
	KUNIT_EXPECT_EQ(test, ret, expected_use(s, &range, prot));
	if (ret)
		return;
	do_parts(s, &range, pin_part, test);
	*pin = range;
}

/* ---- the test ---- */

typedef void (*step_fn)(struct kunit *test, struct model *m, struct space *s);

static const step_fn steps[] = {
	step_map, step_map, step_map, step_map, step_copy, step_copy,
	step_unmap, step_unmap, step_cut, step_cut, step_domain, step_domain,
	step_pin, step_pin, step_access, step_huge_pages, step_allow,
	step_reserve,
};

/* Runs of one page and of several; one has a large page of the mock's. */
static const u16 layout[MEMORY_PAGES] = {
	2, 3, 4, 5, 6, 7, 8, 0, 1, 15, 9, 14, 13, 10, 11, 12,
};

static void init_space(struct kunit *test, struct model *m, struct space *s,
		       struct device *dev)
{
	memset(s, 0, sizeof(*s));
	iopt_init(&s->iopt);
	KUNIT_ASSERT_EQ(test, iopt_reserve(&s->iopt, 0, WINDOW_BASE - 1, dev),
			0);
	s->td[0] = test_domain_alloc(test, UNIT);
	s->td[1] = test_domain_alloc(test, PAGE_SIZE);
	s->td[1]->domain.geometry.force_aperture = true;
	s->td[1]->domain.geometry.aperture_end =
		WINDOW_BASE + WINDOW_SIZE * 7 / 8 - 1;
	s->mock_domain = iommu_domain_alloc(dev->bus);
	KUNIT_ASSERT_NOT_NULL(test, s->mock_domain);
	if (chance(m, 2))
		s->mock_domain->pgsize_bitmap |= MOCK_LARGE_PAGE_SIZE;
	iopt_domain_init(&s->mock, s->mock_domain, NULL);
	s->access.needs_pages = true;
	s->access.unmap = access_unmap;
}

static void exit_space(struct space *s, struct device *dev)
{
	unsigned int i;

	if (s->access_added) {
		access_unmap(&s->access, 0, ULONG_MAX);
		iopt_remove_access(&s->iopt, &s->access);
	}
	for (i = 0; i < DOMAINS; i++)
		if (s->added[i])
			detach(s, &s->td[i]->shown);
	if (s->mock_added)
		detach(s, &s->mock);
	iommu_domain_free(s->mock_domain);
	iopt_unreserve(&s->iopt, s);
	iopt_unreserve(&s->iopt, dev);
	iopt_destroy(&s->iopt);
}

static void run_steps(struct kunit *test, struct model *m)
{
	unsigned int step, kind, i;

	for (step = 0; step < STEPS; step++) {
		kind = chance(m, ARRAY_SIZE(steps));
		i = chance(m, SPACES);
		steps[kind](test, m, &m->spaces[i]);
		expect_model(test, m);
		if (test->status == KUNIT_FAILURE) {
			kunit_info(test, "first wrong after step %u, %ps of %u",
				   step, steps[kind], i);
			return;
		}
		cond_resched();
	}
}

static void run_seed(struct kunit *test, struct model *m, struct device *dev,
		     u32 seed)
{
	unsigned int i;

	prandom_seed_state(&m->rnd, seed);
	for (i = 0; i < SPACES; i++)
		init_space(test, m, &m->spaces[i], dev);
	run_steps(test, m);
	for (i = 0; i < SPACES; i++)
		exit_space(&m->spaces[i], dev);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	if (test->status == KUNIT_FAILURE)
		kunit_info(test, "with seed %u", seed);
}

static void random_steps_agree_with_a_plain_model(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct device *dev;
	u32 seed;

	KUNIT_ASSERT_NOT_NULL(test, m);
	iommufd_payers_init(&m->payers);
	m->block = test_block_alloc(test, MEMORY_ORDER);
	memcpy(m->block->layout, layout, sizeof(layout));
	m->uptr = test_block_map(test, m->block, 0);
	dev = mock_device_create(0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));

	for (seed = 1; seed <= SEEDS && test->status == KUNIT_SUCCESS; seed++)
		run_seed(test, m, dev, seed);
	mock_device_destroy(dev);
	iommufd_payers_release(&m->payers);
	test_expect_no_warning(test);
}

static int iopt_random_init(struct kunit *test)
{
	return test_mm_init(test);
}

static struct kunit_case iopt_random_cases[] = {
	KUNIT_CASE(random_steps_agree_with_a_plain_model),
	{}
};

static struct kunit_suite iopt_random_suite = {
	.name = "iopt_random",
	.init = iopt_random_init,
	.test_cases = iopt_random_cases,
};

kunit_test_suite(iopt_random_suite);
