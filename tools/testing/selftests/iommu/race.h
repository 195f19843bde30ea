/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that make calls which race one another: each runs its step over and
 * over, and says for every call which results it may have.
 */
#ifndef RACE_H
#define RACE_H

#include <stdatomic.h>
#include <time.h>

#include "iommufd_utils.h"

#define THREADS		13	/* at most */

struct race {
	struct bound b;
	char *mem;
	atomic_bool stop;
	atomic_int bad;			/* an errno that may not be, or 0 */
	atomic_uint calls;
	atomic_uint ids[THREADS];	/* objects that come and go */
};

/* Is the result one of these? Ends the race when it is not. */
#define ALLOW(race, rc, ...) \
	allow(race, __func__, #rc, rc, (const int[]){ __VA_ARGS__, 1 })

static inline void allow(struct race *race, const char *step, const char *call,
			 int rc, const int *allowed)
{
	atomic_fetch_add(&race->calls, 1);
	for (; *allowed != 1; allowed++)
		if (rc == *allowed)
			return;
	fprintf(stderr, "# %s: %s: %d\n", step, call, rc);
	atomic_store(&race->bad, rc);
	atomic_store(&race->stop, true);
}

struct runner {
	struct race *race;
	void (*step)(struct race *race, unsigned int seed);
	unsigned int seed;
	pthread_t thread;
};

static inline void *run(void *arg)
{
	struct runner *runner = arg;

	while (!atomic_load(&runner->race->stop)) {
		runner->seed = runner->seed * 1103515245 + 12345;
		runner->step(runner->race, runner->seed >> 16);
	}
	return NULL;
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec time = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};

	nanosleep(&time, NULL);
}

/*
 * Runs the steps, each in a thread with numbers that depend on the seed, until
 * time is up or one got what it may not.  Returns 0 or that result.
 */
static inline int run_race(struct race *race, unsigned int seconds,
			   unsigned int seed,
			   void (*const steps[])(struct race *race,
						 unsigned int seed),
			   int num)
{
	struct runner runners[THREADS];
	unsigned int tenths;
	int i;

	for (i = 0; i < num; i++) {
		runners[i] = (struct runner){
			.race = race,
			.step = steps[i],
			.seed = seed + i,
		};
		if (pthread_create(&runners[i].thread, NULL, run, &runners[i]))
			return -EAGAIN;
	}
	for (tenths = 0; tenths < 10 * seconds; tenths++) {
		if (atomic_load(&race->stop))
			break;
		sleep_ms(100);
	}
	atomic_store(&race->stop, true);
	for (i = 0; i < num; i++)
		pthread_join(runners[i].thread, NULL);
	return atomic_load(&race->bad);
}

#endif
