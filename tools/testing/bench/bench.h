/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the benchmark share. */
#ifndef BENCH_H
#define BENCH_H

#include "backend.h"
#include "memory.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MB		(1024 * 1024UL)
#define IOVA		(4UL << 30)

/* The device that everything is mapped for, and a second one */
const char *bench_device(const char *name);

/* Ends the program with a message when @rc is an errno. */
void check(int rc, const char *who, const char *what);

/* Real time of two threads against one, as a table; to be run on two CPUs */
void bench_threads(void);

#endif
