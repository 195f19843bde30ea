// SPDX-License-Identifier: GPL-2.0-only
/* QEMU's monitor. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "monitor.h"

#define MONITOR_PORT	"/dev/ttyS2"
#define PROMPT		"(qemu) "
#define TIMEOUT		60000	/* ms of silence that end a command */
#define SILENCE		10000	/* ms after which it is asked once more */
#define QUIET		300	/* ms after which nothing more is on its way */

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && !memcmp(text + len - end_len, end, end_len);
}

static int send_line(int monitor, const char *command)
{
	char line[256];
	int len;

	/* ctrl-u: forget what may stand there */
	len = snprintf(line, sizeof(line), "\025%s\n", command);
	return write(monitor, line, len) == len ? 0 : -EIO;
}

/*
 * What comes until the line is quiet behind a prompt: a string, of its end at
 * least.  A busy machine may miss that bytes have come, until more do: an empty
 * line makes some.  -EPROTO: no prompt came.
 */
static int read_reply(int monitor, char *text, size_t size)
{
	struct pollfd pfd = { .fd = monitor, .events = POLLIN };
	int timeout = SILENCE, silent = 0, rc;
	size_t len = 0;
	ssize_t n;

	while (silent < TIMEOUT) {
		rc = poll(&pfd, 1, timeout);
		if (rc < 0)
			return -errno;
		if (!rc && timeout == QUIET)
			break;
		if (!rc) {
			silent += timeout;
			send_line(monitor, "");
			continue;
		}
		if (len == size - 1) {
			memmove(text, text + size / 2, len - size / 2);
			len -= size / 2;
		}
		n = read(monitor, text + len, size - 1 - len);
		if (n <= 0)
			return n ? -errno : -EIO;
		len += n;
		timeout = ends_with(text, len, PROMPT) ? QUIET : SILENCE;
	}
	text[len] = '\0';
	if (!len)
		return -ETIMEDOUT;
	return ends_with(text, len, PROMPT) ? 0 : -EPROTO;
}

/* Its greeting, which the terminal may have sent back to it */
static void drain(int monitor)
{
	struct pollfd pfd = { .fd = monitor, .events = POLLIN };
	char text[256];

	while (poll(&pfd, 1, QUIET) > 0 &&
	       read(monitor, text, sizeof(text)) > 0)
		;
}

int monitor_open(void)
{
	struct termios raw;
	char text[4096];
	int fd, rc;

	fd = open(MONITOR_PORT, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &raw)) {
		rc = -errno;
		goto err;
	}
	cfmakeraw(&raw);
	cfsetspeed(&raw, B115200);
	raw.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSANOW, &raw)) {
		rc = -errno;
		goto err;
	}
	drain(fd);
	rc = send_line(fd, "");
	if (!rc)
		rc = read_reply(fd, text, sizeof(text));
	if (!rc)
		return fd;
err:
	close(fd);
	return rc;
}

int monitor_command(int monitor, const char *command)
{
	char text[4096];
	int rc;

	rc = send_line(monitor, command);
	if (!rc)
		rc = read_reply(monitor, text, sizeof(text));
	if (rc)
		return rc;
	return strstr(text, "Error:") || strstr(text, "unknown command") ?
		-EIO : 0;
}
