// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real time of two threads that map disjoint ranges in one address space,
 * against one thread that maps them both.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define THREADS		2
#define SIZE		(32 * MB)
#define ROUNDS		60

#define TARGET		1.5		/* times as fast, to map */

/**
 * struct job - something to map in pieces
 * @name: what it is
 * @size: of what all threads map together; takes a few ms, so that some rounds
 *	are spared by what else the host does
 * @step: size of a piece
 */
struct job {
	const char *name;
	size_t size;
	size_t step;
};

static const struct job jobs[] = {
	{ "32 MiB, 1 MiB in a call", SIZE, MB },
	{ "4 MiB, a page in a call", 4 * MB, PAGE },
};

/**
 * struct span - from when until when, in seconds
 * @start: of the first to start
 * @end: of the last to end
 */
struct span {
	double start;
	double end;
};

/**
 * struct worker - a thread's share
 * @thread: it
 * @barrier: where the threads wait for one another
 * @b: the address space
 * @mem: what it maps
 * @iova: where
 * @size: how much
 * @step: in pieces of this size
 * @map: when it mapped
 * @unmap: when it unmapped
 * @rc: the first errno
 */
struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct backend *b;
	char *mem;
	uint64_t iova;
	size_t size;
	size_t step;
	struct span map;
	struct span unmap;
	int rc;
};

/* What all threads together took, in seconds */
struct times {
	double map;
	double unmap;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	size_t at;

	pthread_barrier_wait(w->barrier);
	w->map.start = now();
	for (at = 0; at < w->size && !w->rc; at += w->step)
		w->rc = w->b->ops->map(w->b, w->mem + at, w->step,
				       w->iova + at);
	w->map.end = now();

	pthread_barrier_wait(w->barrier);
	w->unmap.start = now();
	for (at = 0; at < w->size && !w->rc; at += w->step)
		w->rc = w->b->ops->unmap(w->b, w->iova + at, w->step);
	w->unmap.end = now();
	return NULL;
}

static void span_add(struct span *all, const struct span *one)
{
	if (!all->end || one->start < all->start)
		all->start = one->start;
	if (one->end > all->end)
		all->end = one->end;
}

static void run(const struct job *job, struct backend *b, char *mem,
		int nr, struct times *took)
{
	struct worker workers[THREADS] = {};
	struct span map = {}, unmap = {};
	pthread_barrier_t barrier;
	struct worker *w;
	int i;

	pthread_barrier_init(&barrier, NULL, nr);
	for (i = 0; i < nr; i++) {
		w = &workers[i];
		w->barrier = &barrier;
		w->b = b;
		w->size = job->size / nr;
		w->mem = mem + i * w->size;
		w->iova = IOVA + i * w->size;
		w->step = job->step;
		check(-pthread_create(&w->thread, NULL, work, w), job->name,
		      "thread");
	}
	for (i = 0; i < nr; i++) {
		w = &workers[i];
		pthread_join(w->thread, NULL);
		check(w->rc, b->ops->name, job->name);
		span_add(&map, &w->map);
		span_add(&unmap, &w->unmap);
	}
	pthread_barrier_destroy(&barrier);
	took->map = map.end - map.start;
	took->unmap = unmap.end - unmap.start;
}

/* The best of some rounds, in which both take turns: the host is not idle. */
static void compare(const struct job *job, struct backend *b, char *mem,
		    struct times *one, struct times *two)
{
	struct times took;
	int i;

	run(job, b, mem, 1, one);
	run(job, b, mem, THREADS, two);
	for (i = 0; i < ROUNDS; i++) {
		run(job, b, mem, 1, &took);
		one->map = least(one->map, took.map);
		one->unmap = least(one->unmap, took.unmap);
		run(job, b, mem, THREADS, &took);
		two->map = least(two->map, took.map);
		two->unmap = least(two->unmap, took.unmap);
	}
}

static void print_times(double one, double two)
{
	printf("  %7.1f %7.1f %5.2f", one * 1e3, two * 1e3, one / two);
}

static void print_job(const struct job *job, struct backend *b, char *mem)
{
	struct times one, two;

	compare(job, b, mem, &one, &two);
	printf("%-30s %-8s", job->name, b->ops->name);
	print_times(one.map, two.map);
	print_times(one.unmap, two.unmap);
	if (b->ops == &backends[IOMMUFD])
		printf("  %.1f %s", TARGET,
		       one.map / two.map >= TARGET ? "met" : "missed");
	printf("\n");
}

static void print_head(void)
{
	printf("Real time in ms, scattered 4 KiB pages: one thread, and two on disjoint\n"
	       "halves; the best of %d.\n\n", ROUNDS);
	printf("%-39s  %-22s %s\n", "", "map", "unmap");
	printf("%-39s  %7s %7s %5s  %7s %7s %5s  %s\n", "work", "one", "two",
	       "ratio", "one", "two", "ratio", "target of map");
}

void bench_threads(void)
{
	struct backend b;
	size_t i, k;
	char *mem;

	if (sysconf(_SC_NPROCESSORS_ONLN) < THREADS) {
		fprintf(stderr, "bench: two threads take two CPUs\n");
		exit(1);
	}
	mem = memory_alloc(SCATTERED, SIZE);
	if (!mem)
		exit(1);
	print_head();
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		for (k = 0; k < NR_BACKENDS; k++) {
			bench_open(&b, &backends[k]);
			print_job(&jobs[i], &b, mem);
			b.ops->close(&b);
		}
	}
}
