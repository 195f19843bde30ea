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

/* The next record's text: 1, or 0 when there is none, or a negative errno. */
static int next_text(int klog, char *text, size_t len)
{
	char record[2048], *start;
	ssize_t n;

	do
		n = read(klog, record, sizeof(record) - 1);
	while (n < 0 && errno == EPIPE);	/* some were overwritten */
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	record[n] = '\0';
	start = strchr(record, ';');
	snprintf(text, len, "%s", start ? start + 1 : "");
	return 1;
}

int klog_find(int klog, const char *text)
{
	char line[2048];
	int rc;

	do
		rc = next_text(klog, line, sizeof(line));
	while (rc > 0 && !strstr(line, text));
	return rc;
}

int klog_find_fault(int klog, const char *bdf, uint64_t iova, char *line,
		    size_t len)
{
	char text[2048];
	int rc;

	do
		rc = next_text(klog, text, sizeof(text));
	while (rc > 0 && !is_fault(text, bdf, iova));
	if (rc > 0) {
		snprintf(line, len, "%s", text);
		line[strcspn(line, "\n")] = '\0';
	}
	return rc;
}
