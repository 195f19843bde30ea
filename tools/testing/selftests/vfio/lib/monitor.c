// SPDX-License-Identifier: GPL-2.0-only
/* QEMU's monitor. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "monitor.h"

#define MONITOR_PORT	"/dev/ttyS2"
#define PROMPT		"(qemu) "
#define TIMEOUT		10000	/* ms in which a command ends */
#define QUIET		300	/* ms after which nothing more is on its way */

/* What comes until the line has been quiet: a string, of its end at least. */
static int read_all(int monitor, char *text, size_t size, int timeout)
{
	struct pollfd pfd = { .fd = monitor, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	while (poll(&pfd, 1, timeout) > 0) {
		if (len == size - 1) {
			memmove(text, text + size / 2, len - size / 2);
			len -= size / 2;
		}
		n = read(monitor, text + len, size - 1 - len);
		if (n <= 0)
			return n ? -errno : -EIO;
		len += n;
		timeout = QUIET;
	}
	text[len] = '\0';
	return len ? 0 : -ETIMEDOUT;
}

static int send_line(int monitor, const char *command)
{
	char line[256];
	int len;

	/* ctrl-u: forget what may stand there */
	len = snprintf(line, sizeof(line), "\025%s\n", command);
	return write(monitor, line, len) == len ? 0 : -EIO;
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
	/* its greeting, which the terminal may have sent back to it */
	read_all(fd, text, sizeof(text), QUIET);
	rc = send_line(fd, "");
	if (!rc)
		rc = read_all(fd, text, sizeof(text), TIMEOUT);
	if (!rc && !strstr(text, PROMPT))
		rc = -EPROTO;
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
		rc = read_all(monitor, text, sizeof(text), TIMEOUT);
	if (rc)
		return rc;
	if (!strstr(text, PROMPT))
		return -EPROTO;
	return strstr(text, "Error:") || strstr(text, "unknown command") ?
		-EIO : 0;
}
