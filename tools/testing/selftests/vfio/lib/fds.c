// SPDX-License-Identifier: GPL-2.0-only
/* Open files that one process hands to another: SCM_RIGHTS. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "fds.h"

/* A message of one byte with room for @nr files */
struct parcel {
	char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	char byte;
	struct iovec iov;
	struct msghdr msg;
};

static void parcel_init(struct parcel *parcel, unsigned int nr)
{
	memset(parcel, 0, sizeof(*parcel));
	parcel->iov.iov_base = &parcel->byte;
	parcel->iov.iov_len = 1;
	parcel->msg.msg_iov = &parcel->iov;
	parcel->msg.msg_iovlen = 1;
	parcel->msg.msg_control = parcel->control;
	parcel->msg.msg_controllen = CMSG_SPACE(nr * sizeof(int));
}

int send_fds(int sock, const int *fds, unsigned int nr)
{
	struct parcel parcel;
	struct cmsghdr *cmsg;

	parcel_init(&parcel, nr);
	cmsg = CMSG_FIRSTHDR(&parcel.msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(nr * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, nr * sizeof(int));
	return sendmsg(sock, &parcel.msg, 0) == 1 ? 0 : -errno;
}

int receive_fds(int sock, int *fds, unsigned int nr)
{
	struct parcel parcel;
	struct cmsghdr *cmsg;

	parcel_init(&parcel, nr);
	if (recvmsg(sock, &parcel.msg, 0) != 1)
		return -EIO;
	cmsg = CMSG_FIRSTHDR(&parcel.msg);
	if (!cmsg || cmsg->cmsg_len != CMSG_LEN(nr * sizeof(int)))
		return -EIO;
	memcpy(fds, CMSG_DATA(cmsg), nr * sizeof(int));
	return 0;
}
