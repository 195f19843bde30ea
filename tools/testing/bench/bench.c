// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench instructions|sections|threads
 *
 * What mapping memory for a device costs with type1 and with iommufd.
 *
 * "instructions" wants a machine of one CPU whose time stamp counter counts
 * instructions (QEMU's -icount shift=0).  Each figure is the least of several
 * runs after one that does not count; they differ by the timer's interrupts
 * only.  "sections" measures the same, and says in which order the sections went
 * past that the plugin (profile.c) has counted.  "threads" is real time.
 *
 * The devices are those that the environment names TESTDEV0 and EDU0.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"
#include "marks.h"

#define SIZE		(256 * MB)
#define PAGES		(SIZE / PAGE)
#define SINGLES		20000UL
#define REPEATS		5

/**
 * struct cost - instructions
 * @map: of all that was mapped
 * @unmap: of all that was unmapped
 */
struct cost {
	double map;
	double unmap;
};

/**
 * struct row - a line of the table
 * @name: what is done
 * @unit: what a figure is for
 * @units: how many of them there are
 * @target: what it may cost, for each @unit; 0: that has no target
 * @layout: of the memory
 * @shift: added to the I/O address, which is a multiple of 2 MiB
 * @run: does it once
 */
struct row {
	const char *name;
	const char *unit;
	double units;
	struct cost target;
	enum layout layout;
	uint64_t shift;
	void (*run)(const struct row *row, struct backend *b,
		    struct cost *cost);
};

static void *memory[NR_LAYOUTS];
static bool marked;

static uint64_t section_begin(void)
{
	if (marked)
		mark_begin();
	return __rdtsc();
}

static double section_end(uint64_t begin)
{
	uint64_t end = __rdtsc();

	if (marked)
		mark_end();
	return end - begin;
}

void check(int rc, const char *who, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "bench: %s: %s: %s\n", who, what, strerror(-rc));
	exit(1);
}

static const char *device_of(const char *name)
{
	const char *bdf = getenv(name);

	if (!bdf || !*bdf) {
		fprintf(stderr, "bench: the machine has no %s\n", name);
		exit(1);
	}
	return bdf;
}

void bench_open(struct backend *b, const struct backend_ops *ops)
{
	*b = (struct backend){
		.ops = ops,
		.device.bdf = device_of("TESTDEV0"),
		.second.bdf = device_of("EDU0"),
	};
	check(ops->open(b), ops->name, "open");
}

/* @length bytes in one call */
static void run_range(const struct row *row, struct backend *b,
		      struct cost *cost, uint64_t length)
{
	uint64_t iova = IOVA + row->shift;
	uint64_t begin;
	int rc;

	begin = section_begin();
	rc = b->ops->map(b, memory[row->layout], length, iova);
	cost->map = section_end(begin);
	check(rc, b->ops->name, row->name);

	begin = section_begin();
	rc = b->ops->unmap(b, iova, length);
	cost->unmap = section_end(begin);
	check(rc, b->ops->name, row->name);
}

static void run_one(const struct row *row, struct backend *b,
		    struct cost *cost)
{
	run_range(row, b, cost, PAGE);
}

static void run_whole(const struct row *row, struct backend *b,
		      struct cost *cost)
{
	run_range(row, b, cost, SIZE);
}

static double map_singles(const struct row *row, struct backend *b)
{
	char *mem = memory[row->layout];
	uint64_t begin;
	size_t i;
	int rc;

	begin = section_begin();
	for (i = 0, rc = 0; i < SINGLES && !rc; i++)
		rc = b->ops->map(b, mem + i * PAGE, PAGE, IOVA + i * PAGE);
	check(rc, b->ops->name, row->name);
	return section_end(begin);
}

static void run_singles(const struct row *row, struct backend *b,
			struct cost *cost)
{
	uint64_t begin;
	size_t i;
	int rc;

	cost->map = map_singles(row, b);

	begin = section_begin();
	for (i = 0, rc = 0; i < SINGLES && !rc; i++)
		rc = b->ops->unmap(b, IOVA + i * PAGE, PAGE);
	check(rc, b->ops->name, row->name);
	cost->unmap = section_end(begin);
}

static void run_unmap_all(const struct row *row, struct backend *b,
			  struct cost *cost)
{
	uint64_t begin;
	int rc;

	cost->map = map_singles(row, b);

	begin = section_begin();
	rc = b->ops->unmap_all(b);
	cost->unmap = section_end(begin);
	check(rc, b->ops->name, row->name);
}

typedef int (*step_fn)(struct backend *b);

/* A second device gets to see what is mapped, and no longer sees it. */
static void attach_detach(const struct row *row, struct backend *b,
			  step_fn attach, step_fn detach, struct cost *cost)
{
	uint64_t begin;
	int rc;

	rc = b->ops->map(b, memory[row->layout], SIZE, IOVA);
	check(rc, b->ops->name, row->name);

	begin = section_begin();
	rc = attach(b);
	cost->map = section_end(begin);
	check(rc, b->ops->name, row->name);

	begin = section_begin();
	rc = detach(b);
	cost->unmap = section_end(begin);
	check(rc, b->ops->name, row->name);

	check(b->ops->unmap_all(b), b->ops->name, row->name);
}

static void run_attach(const struct row *row, struct backend *b,
		       struct cost *cost)
{
	attach_detach(row, b, b->ops->attach, b->ops->detach, cost);
}

static const struct cost no_cost = { NAN, NAN };

static void run_attach_own(const struct row *row, struct backend *b,
			   struct cost *cost)
{
	if (b->ops->attach_own)
		attach_detach(row, b, b->ops->attach_own, b->ops->detach_own,
			      cost);
	else
		*cost = no_cost;
}

/* Into another address space, which has a device. */
static void run_copy(const struct row *row, struct backend *b,
		     struct cost *cost)
{
	uint64_t begin;
	int rc;

	if (!b->ops->copy) {
		*cost = no_cost;
		return;
	}
	check(b->ops->copy_begin(b), b->ops->name, row->name);
	rc = b->ops->map(b, memory[row->layout], SIZE, IOVA);
	check(rc, b->ops->name, row->name);

	begin = section_begin();
	rc = b->ops->copy(b, IOVA, SIZE);
	cost->map = section_end(begin);
	check(rc, b->ops->name, row->name);

	begin = section_begin();
	rc = b->ops->copy_unmap(b, IOVA, SIZE);
	cost->unmap = section_end(begin);
	check(rc, b->ops->name, row->name);

	check(b->ops->unmap_all(b), b->ops->name, row->name);
	check(b->ops->copy_end(b), b->ops->name, row->name);
}

static const struct row rows[] = {
	{
		"one 4 KiB mapping", "call", 1,
		{ 2200, 1900 }, CONTIGUOUS, 0, run_one,
	}, {
		"4 KiB pages, contiguous", "page", PAGES,
		{ 240, 150 }, CONTIGUOUS, 0, run_whole,
	}, {
		"4 KiB pages, contiguous, unaligned", "page", PAGES,
		{ 240, 150 }, CONTIGUOUS, PAGE, run_whole,
	}, {
		"4 KiB pages, scattered", "page", PAGES,
		{ 420, 180 }, SCATTERED, 0, run_whole,
	}, {
		"THP", "page", PAGES,
		{ 14, 2 }, THP, 0, run_whole,
	}, {
		"hugetlb", "page", PAGES,
		{ 14, 2 }, HUGETLB, 0, run_whole,
	}, {
		"20,000 single mappings", "call", SINGLES,
		{ 2500, 2100 }, SCATTERED, 0, run_singles,
	}, {
		"20,000 mappings, unmapped at once", "mapping", SINGLES,
		{ 2500, 0 }, SCATTERED, 0, run_unmap_all,
	}, {
		"attach in the same domain, hugetlb", "call", 1,
		{ 0, 0 }, HUGETLB, 0, run_attach,
	}, {
		"attach in a second domain, hugetlb", "page", PAGES,
		{ 3, 0 }, HUGETLB, 0, run_attach_own,
	}, {
		"attach in a second domain, scattered", "page", PAGES,
		{ 0, 0 }, SCATTERED, 0, run_attach_own,
	}, {
		"copy, hugetlb", "page", PAGES,
		{ 3, 0 }, HUGETLB, 0, run_copy,
	}, {
		"copy, 4 KiB pages, scattered", "page", PAGES,
		{ 0, 0 }, SCATTERED, 0, run_copy,
	},
};

#define NR_ROWS	ARRAY_SIZE(rows)

static struct cost costs[NR_BACKENDS][NR_ROWS];

static void measure(const struct row *row, struct backend *b,
		    struct cost *best)
{
	struct cost cost;
	int i;

	row->run(row, b, best);
	for (i = 0; i < REPEATS; i++) {
		marked = i == REPEATS - 1;
		row->run(row, b, &cost);
		marked = false;
		best->map = i ? least(best->map, cost.map) : cost.map;
		best->unmap = i ? least(best->unmap, cost.unmap) : cost.unmap;
	}
	best->map /= row->units;
	best->unmap /= row->units;
}

static void measure_all(void)
{
	struct backend b;
	size_t i, k;

	for (k = 0; k < NR_BACKENDS; k++) {
		bench_open(&b, &backends[k]);
		for (i = 0; i < NR_ROWS; i++)
			measure(&rows[i], &b, &costs[k][i]);
		b.ops->close(&b);
	}
}

/* With a decimal where it tells something */
static void print_figure(double value)
{
	if (isnan(value))
		printf(" %7s", "-");
	else
		printf(" %7.*f", value < 100, value);
}

static void print_ratio(double iommufd, double type1)
{
	if (isnan(type1))
		printf(" %5s", "-");
	else
		printf(" %5.2f", iommufd / type1);
}

static void print_verdict(double value, double target)
{
	if (target)
		printf("  %5.0f %6s", target,
		       value <= target ? "met" : "missed");
	else
		printf("  %12s", "-");
}

static void print_row(const struct row *row, const struct cost *type1,
		      const struct cost *iommufd)
{
	printf("%-37s %-7s", row->name, row->unit);
	print_figure(type1->map);
	print_figure(type1->unmap);
	printf(" ");
	print_figure(iommufd->map);
	print_figure(iommufd->unmap);
	printf("  ");
	print_ratio(iommufd->map, type1->map);
	print_ratio(iommufd->unmap, type1->unmap);
	print_verdict(iommufd->map, row->target.map);
	print_verdict(iommufd->unmap, row->target.unmap);
	printf("\n");
}

static void print_table(void)
{
	size_t i;

	printf("Instructions (QEMU -icount, emulated VT-d, one CPU) to map and unmap\n"
	       "256 MiB, where nothing else is said. A page is 4 KiB.\n\n");
	printf("%-37s %-7s %15s %16s %14s %27s\n", "", "", "type1", "iommufd",
	       "iommufd:type1", "target for iommufd");
	printf("%-37s %-7s %7s %7s  %7s %7s   %5s %5s  %13s %13s\n", "work",
	       "for a", "map", "unmap", "map", "unmap", "map", "unmap", "map",
	       "unmap");
	for (i = 0; i < NR_ROWS; i++)
		print_row(&rows[i], &costs[TYPE1][i], &costs[IOMMUFD][i]);
	printf("\nunaligned: the I/O address and the physical one differ by 4 KiB, so that\n"
	       "the IOMMU cannot use pages of 2 MiB. second domain: HWPT_ALLOC and ATTACH,\n"
	       "DETACH and DESTROY; type1 puts a second device of the same IOMMU in the\n"
	       "domain of the first.\n");
}

static void print_section(size_t backend, const struct row *row,
			  const char *what)
{
	printf("section %.0f %s %s, %s, %s\n", row->units, row->unit,
	       backends[backend].name, row->name, what);
}

/* In the order in which they were marked */
static void print_sections(void)
{
	size_t i, k;

	for (k = 0; k < NR_BACKENDS; k++) {
		for (i = 0; i < NR_ROWS; i++) {
			if (isnan(costs[k][i].map))
				continue;
			print_section(k, &rows[i], "map");
			print_section(k, &rows[i], "unmap");
		}
	}
}

/* Is what the time stamp counter counts instructions? */
static void check_counter(void)
{
	double count = INFINITY;
	uint64_t begin;
	int i;

	for (i = 0; i < REPEATS; i++) {
		begin = __rdtsc();
		asm volatile(".rept 1000; nop; .endr");
		count = least(count, __rdtsc() - begin);
	}
	if (count < 1000 || count > 1010) {
		fprintf(stderr, "bench: 1000 instructions count as %.0f: no -icount?\n",
			count);
		exit(1);
	}
}

static void bench_instructions(bool sections)
{
	int i;

	check_counter();
	for (i = 0; i < NR_LAYOUTS; i++) {
		memory[i] = memory_alloc(i, SIZE);
		if (!memory[i])
			exit(1);
	}
	measure_all();
	if (sections)
		print_sections();
	else
		print_table();
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (!strcmp(what, "instructions") || !strcmp(what, "sections")) {
		bench_instructions(!strcmp(what, "sections"));
	} else if (!strcmp(what, "threads")) {
		bench_threads();
	} else {
		fprintf(stderr, "usage: bench instructions|sections|threads\n");
		return 1;
	}
	return 0;
}
