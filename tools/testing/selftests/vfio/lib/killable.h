/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls that wait for memory which does not come, and have to be killed */
#ifndef VFIO_LIB_KILLABLE_H
#define VFIO_LIB_KILLABLE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLABLE_QUIET	300	/* ms in which a call that waits does not end */

/*
 * A userfaultfd that nobody answers, over memory that is not there yet; or a
 * negative errno.  When it is closed the memory comes.
 */
int hold_faults(void *va, size_t len);

/* Does somebody wait for the memory? */
bool wait_for_fault(int uffd);

/* Kill a process: what it died of, or -1 when it does not. */
int kill_and_wait(pid_t pid);

/* Run code, which waits, in a process of its own, and kill that. */
#define EXPECT_KILLABLE(code) do {					\
	pid_t __pid = fork();						\
									\
	ASSERT_LE(0, __pid);						\
	if (!__pid)							\
		_exit(-(code));						\
	usleep(KILLABLE_QUIET * 1000);					\
	EXPECT_EQ(0, waitpid(__pid, NULL, WNOHANG));			\
	EXPECT_EQ(SIGKILL, kill_and_wait(__pid));			\
} while (0)

#endif
