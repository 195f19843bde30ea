// SPDX-License-Identifier: GPL-2.0-only
/* Failing the n-th allocation that this thread makes in the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "pci.h"

#define DEBUGFS		"/sys/kernel/debug/"

int fail_nth_open(void)
{
	/* Allocations that may sleep fail too; nothing is logged. */
	static const char *const settings[][2] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ }
	};
	const char *const (*setting)[2];
	int fd, rc;

	for (setting = settings; (*setting)[0]; setting++) {
		rc = sysfs_write((*setting)[0], (*setting)[1]);
		if (rc)
			return rc;
	}
	fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int fail_nth_arm(int fd, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fd, text, len, 0) == len ? 0 : -errno;
}

int fail_nth_disarm(int fd)
{
	char text[16] = "";
	int rc;

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	rc = fail_nth_arm(fd, 0);
	return rc ? rc : !atoi(text);
}
