/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of /dev/iommu share.  The ioctls are functions of the VFIO
 * tests' library, which return 0 or a negative errno.  The device that is
 * attached is the one that the environment names TESTDEV0, see vfio_test.h,
 * which is quick to bind; EDU0 joins it where a test wants to see DMA.
 */
#ifndef IOMMUFD_UTILS_H
#define IOMMUFD_UTILS_H

#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../vfio/vfio_test.h"

#define KB		1024UL
#define MB		(1024 * KB)
#define PAGES(n)	((n) * PAGE)
#define ALL		UINT64_MAX		/* length that means everything */
#define NO_ID		0x7ffffff0U		/* an id that no object has */
#define MSI_START	0xfee00000UL		/* where x86 has its MSIs */
#define MSI_LAST	0xfeefffffUL

/* Unmaps everything; the bytes that were mapped, or a negative errno. */
static inline int64_t unmap_all(int iommufd, uint32_t ioas)
{
	uint64_t length;
	int rc;

	rc = ioas_unmap(iommufd, ioas, 0, ALL, &length);
	return rc ? rc : (int64_t)length;
}

/* A number of /proc/self/status, such as VmPin, in bytes; -1 without it. */
static inline long status_bytes(const char *name)
{
	char line[256];
	long kb = -1;
	FILE *file;

	file = fopen("/proc/self/status", "r");
	if (!file)
		return -1;
	while (kb < 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) ||
		    line[strlen(name)] != ':')
			continue;
		kb = atol(line + strlen(name) + 1);
	}
	fclose(file);
	return kb < 0 ? -1 : kb * (long)KB;
}

static inline long pinned(void)
{
	return status_bytes("VmPin");
}

static inline long locked(void)
{
	return status_bytes("VmLck");
}

/*
 * The same where another process has given back: VmLck may count that until
 * the kernel's timer finds mmap_lock free.  A charge is never late, so what is
 * less than @bytes is said at once.
 */
static inline long locked_falls_to(long bytes)
{
	int i;

	for (i = 0; i < 200 && locked() > bytes; i++)
		usleep(10000);
	return locked();
}

/* Gives a capability up for good. */
static inline int drop_capability(int cap)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	data[CAP_TO_INDEX(cap)].permitted &= ~CAP_TO_MASK(cap);
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

static inline int set_memlock(unsigned long bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

/* Gives a descriptor to another process. */
static inline int send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

/* The descriptor given, or -1. */
static inline int receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* An open /dev/iommu with an IOAS and a bound device, not attached yet. */
struct bound {
	int iommufd;
	int dev;
	uint32_t devid;
	uint32_t ioas;
};

#define SETUP_BOUND(b)	setup_bound(_metadata, b)

static inline void setup_bound(struct __test_metadata *_metadata,
			       struct bound *b)
{
	const char *bdf = REQUIRE_DEVICE("TESTDEV0");

	REQUIRE_IOMMU();
	b->iommufd = iommu_open();
	ASSERT_LE(0, b->iommufd);
	b->dev = vfio_cdev_open(bdf);
	ASSERT_LE(0, b->dev);
	ASSERT_EQ(0, vfio_bind(b->dev, b->iommufd, &b->devid));
	ASSERT_EQ(0, ioas_alloc(b->iommufd, &b->ioas));
}

static inline void teardown_bound(struct bound *b)
{
	close(b->dev);
	close(b->iommufd);
}

/* A further device, bound to the same iommufd, that can do DMA */
#define SETUP_EDU(edu, b)	setup_edu(_metadata, edu, b)

static inline void setup_edu(struct __test_metadata *_metadata,
			     struct edu *edu, struct bound *b)
{
	int dev = vfio_cdev_open(REQUIRE_DEVICE("EDU0"));

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_bind(dev, b->iommufd, NULL));
	ASSERT_EQ(0, edu_open(edu, dev));
}

static inline void teardown_edu(struct edu *edu)
{
	edu_close(edu);
	close(edu->dev);
}

static inline int attach_edu(struct edu *edu, uint32_t ioas)
{
	return vfio_attach(edu->dev, &ioas);
}

static inline int attach(struct bound *b, uint32_t ioas)
{
	return vfio_attach(b->dev, &ioas);
}

#endif
