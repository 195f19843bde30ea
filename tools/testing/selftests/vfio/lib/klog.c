// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's log. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "klog.h"

int klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* As VT-d words it, which leaves the PCI segment out of the address. */
static bool is_fault(const char *text, const char *bdf, uint64_t iova)
{
	char device[32], addr[32];

	snprintf(device, sizeof(device), "[%s]", strchr(bdf, ':') + 1);
	snprintf(addr, sizeof(addr), "fault addr 0x%llx ",
		 (unsigned long long)iova & ~0xfffULL);
	return strstr(text, "DMAR:") && strstr(text, device) &&
	       strstr(text, addr);
}

int klog_find_fault(int klog, const char *bdf, uint64_t iova, char *line,
		    size_t len)
{
	char record[2048], *text;
	ssize_t n;

	for (;;) {
		n = read(klog, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;	/* some records were overwritten */
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		record[n] = '\0';
		text = strchr(record, ';');
		if (!text || !is_fault(text, bdf, iova))
			continue;
		snprintf(line, len, "%s", text + 1);
		line[strcspn(line, "\n")] = '\0';
		return 1;
	}
}
