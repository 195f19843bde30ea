// SPDX-License-Identifier: GPL-2.0-only
/* Trace events. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pci.h"
#include "trace.h"

#define INSTANCE	"/sys/kernel/tracing/instances/selftest"

int trace_begin(void)
{
	rmdir(INSTANCE);
	return mkdir(INSTANCE, 0700) ? -errno : 0;
}

void trace_end(void)
{
	rmdir(INSTANCE);
}

int trace_enable(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), INSTANCE "/events/%s/enable", group);
	return sysfs_write(path, "1");
}

int trace_this_thread(void)
{
	char id[16];

	snprintf(id, sizeof(id), "%d", gettid());
	return sysfs_write(INSTANCE "/set_event_pid", id);
}

FILE *trace_open(void)
{
	return fopen(INSTANCE "/trace", "r");
}

int trace_filter(const char *event, const char *condition)
{
	char path[128];

	snprintf(path, sizeof(path), INSTANCE "/events/%s/filter", event);
	return sysfs_write(path, condition);
}

/* To open it for writing anew is what clears it. */
int trace_clear(void)
{
	int fd = open(INSTANCE "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int trace_last(const char *name, char *text, size_t size)
{
	char line[512], mark[64], *at;
	int found = 0;
	FILE *file;

	*text = 0;
	snprintf(mark, sizeof(mark), ": %s: ", name);
	file = trace_open();
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, mark);
		if (line[0] == '#' || !at)
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(text, size, "%s", at + strlen(mark));
		found++;
	}
	fclose(file);
	return found;
}

int trace_format(const char *group, const char *name, char *text, size_t size)
{
	char path[128];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), INSTANCE "/events/%s/%s/format", group,
		 name);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	len = fread(text, 1, size - 1, file);
	text[len] = 0;
	fclose(file);
	return len;
}
