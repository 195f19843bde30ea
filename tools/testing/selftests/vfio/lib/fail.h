/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Failing the n-th allocation that this thread makes in the kernel, from slab
 * or of pages.  Needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and debugfs.
 */
#ifndef VFIO_LIB_FAIL_H
#define VFIO_LIB_FAIL_H

/* A file for the calls below, or a negative errno. */
int fail_nth_open(void);

int fail_nth_arm(int fd, unsigned int nth);

/* 1: an allocation was failed; 0: there were fewer than n; negative errno. */
int fail_nth_disarm(int fd);

#endif
