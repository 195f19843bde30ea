/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's log, from now on.  VT-d reports a blocked DMA there, at most
 * ten in five seconds: who waits for one repeats the DMA until it is logged.
 */
#ifndef VFIO_LIB_KLOG_H
#define VFIO_LIB_KLOG_H

#include <stddef.h>
#include <stdint.h>

/* A file from which only what is logged after this call is read. */
int klog_open(void);

/*
 * Search what was logged since the last look for the fault of a device at an
 * address: 1 and the line's text when found, else 0, or a negative errno.
 */
int klog_find_fault(int klog, const char *bdf, uint64_t iova, char *line,
		    size_t len);

/*
 * Search what was logged since the last look for a text: 1 when found, else 0,
 * or a negative errno.
 */
int klog_find(int klog, const char *text);

#endif
