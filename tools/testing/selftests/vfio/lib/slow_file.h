/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file on a server that can stop answering: 9P, spoken by a process of the
 * test over a socket.  The kernel caches what it has read.
 */
#ifndef VFIO_LIB_SLOW_FILE_H
#define VFIO_LIB_SLOW_FILE_H

#include <stdbool.h>
#include <sys/types.h>

struct slow_control;

struct slow_file {
	int fd;			/* open for reading and writing */
	pid_t server;
	char dir[32];		/* where it is mounted */
	struct slow_control *control;
};

/*
 * Mount a file system with one file of @npages pages, each byte of which is the
 * page's number + 1, and open that; the server answers.  0 or a negative errno.
 */
int slow_file_start(struct slow_file *file, unsigned int npages);

/* From now on READs and WRITEs are not answered. */
void slow_file_hold(struct slow_file *file);

/* Do as many READs and WRITEs wait for an answer?  Waits until they do. */
bool slow_file_waits(struct slow_file *file, int nr);

/* Answer what waits, and from now on everything. */
void slow_file_answer(struct slow_file *file);

/* Answer all, unmount, and end the server. */
void slow_file_stop(struct slow_file *file);

#endif
