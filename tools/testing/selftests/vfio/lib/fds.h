/* SPDX-License-Identifier: GPL-2.0-only */
/* Open files that one process hands to another.  0 or a negative errno. */
#ifndef VFIO_LIB_FDS_H
#define VFIO_LIB_FDS_H

#define FDS_MAX		4

/* @sock: a Unix socket; @nr: FDS_MAX at most */
int send_fds(int sock, const int *fds, unsigned int nr);

/* -EIO: fewer came, or nobody sends any more. */
int receive_fds(int sock, int *fds, unsigned int nr);

#endif
