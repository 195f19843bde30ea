// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "killable.h"

#define TIMEOUT		60000	/* ms */

int hold_faults(void *va, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)va, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), rc;

	if (uffd < 0)
		return -errno;
	if (!ioctl(uffd, UFFDIO_API, &api) &&
	    !ioctl(uffd, UFFDIO_REGISTER, &reg))
		return uffd;
	rc = -errno;
	close(uffd);
	return rc;
}

bool wait_for_fault(int uffd)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };

	return poll(&pfd, 1, TIMEOUT) == 1 && pfd.revents == POLLIN;
}

int kill_and_wait(pid_t pid)
{
	int i, status;

	kill(pid, SIGKILL);
	for (i = 0; i < TIMEOUT; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WTERMSIG(status);
		usleep(1000);
	}
	return -1;
}
