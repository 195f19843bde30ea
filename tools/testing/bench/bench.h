/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the benchmark share. */
#ifndef BENCH_H
#define BENCH_H

#include "backend.h"
#include "memory.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MB		(1024 * 1024UL)
#define IOVA		(4UL << 30)

static inline double least(double a, double b)
{
	return a < b ? a : b;
}

/* These end the program with a message when something fails. */
void check(int rc, const char *who, const char *what);
void bench_open(struct backend *b, const struct backend_ops *ops);

/* Real time of two threads against one, as a table; to be run on two CPUs */
void bench_threads(void);

#endif
