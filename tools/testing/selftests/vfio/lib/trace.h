/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events, read from an instance of tracefs that belongs to the test.  All
 * functions return 0 (or what is said) or a negative errno.
 */
#ifndef VFIO_LIB_TRACE_H
#define VFIO_LIB_TRACE_H

#include <stddef.h>
#include <stdio.h>

#define TRACE_TEXT	256	/* bytes for what an event says */

/* An instance without events; what one left that was killed is forgotten. */
int trace_begin(void);
void trace_end(void);

/* All events of a group, such as "iommufd", or "group/event", from now on. */
int trace_enable(const char *group);

/* Only what this thread does, from now on. */
int trace_this_thread(void);

/* Of an event, "group/event", only those that fulfil a condition. */
int trace_filter(const char *event, const char *condition);

/* Forget what happened. */
int trace_clear(void);

/*
 * What the last event of the name says; empty without one.  The number of such
 * events.
 */
int trace_last(const char *name, char *text, size_t size);

/* All that happened, a line for each event, in order; NULL if there is none. */
FILE *trace_open(void);

/* The "format" of an event, which has the names of its enums. */
int trace_format(const char *group, const char *name, char *text, size_t size);

/* In a test: the last event of the name says just this. */
#define EXPECT_EVENT(name, fmt, ...) do {				\
	char __want[TRACE_TEXT], __text[TRACE_TEXT];			\
									\
	snprintf(__want, sizeof(__want), fmt, ##__VA_ARGS__);		\
	EXPECT_LT(0, trace_last(name, __text, sizeof(__text)));		\
	EXPECT_STREQ(__want, __text);					\
} while (0)

#define EXPECT_NO_EVENT(name) do {					\
	char __text[TRACE_TEXT];					\
									\
	EXPECT_EQ(0, trace_last(name, __text, sizeof(__text)));		\
} while (0)

#endif
