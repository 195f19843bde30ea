// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slow_file.h"

#define PAGE		4096
#define MSIZE		(PAGE + 24)	/* so that each READ is of one page */
#define MAX_FIDS	256
#define MAX_FDS		256
#define MAX_HELD	16
#define TICK		5		/* ms */
#define TIMEOUT		30000		/* ms */

/* 9P2000.L: the answer's type is one more. */
enum {
	RLERROR = 7,
	TLOPEN = 12,
	TGETATTR = 24,
	TSETATTR = 26,
	TFSYNC = 50,
	TVERSION = 100,
	TATTACH = 104,
	TFLUSH = 108,
	TWALK = 110,
	TREAD = 116,
	TWRITE = 118,
	TCLUNK = 120,
};

struct slow_control {
	atomic_bool hold;
	atomic_int held;
};

struct message {
	unsigned char *at;	/* what is read or written next */
	unsigned char data[MSIZE + PAGE];
};

struct server {
	int sock;
	struct slow_control *control;
	unsigned char *file;
	uint64_t size;
	bool is_file[MAX_FIDS];
	struct message held[MAX_HELD];
};

/* All that the tests run on stores its numbers as 9P does. */
static uint64_t get(struct message *in, size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, in->at, bytes);
	in->at += bytes;
	return value;
}

static void put(struct message *out, uint64_t value, size_t bytes)
{
	memcpy(out->at, &value, bytes);
	out->at += bytes;
}

static void put_qid(struct message *out, bool is_file)
{
	put(out, is_file ? 0 : 0x80, 1);
	put(out, 0, 4);
	put(out, is_file ? 2 : 1, 8);
}

static void send_answer(struct server *s, struct message *out)
{
	uint32_t len = out->at - out->data;

	memcpy(out->data, &len, sizeof(len));
	if (write(s->sock, out->data, len) != len)
		_exit(1);
}

static void answer_walk(struct server *s, struct message *in,
			struct message *out)
{
	uint32_t fid = get(in, 4), new = get(in, 4);
	uint16_t names = get(in, 2);

	s->is_file[new % MAX_FIDS] = names || s->is_file[fid % MAX_FIDS];
	put(out, names, 2);
	if (names)
		put_qid(out, true);
}

static void answer_getattr(struct server *s, struct message *in,
			   struct message *out)
{
	bool is_file = s->is_file[get(in, 4) % MAX_FIDS];
	int i;

	put(out, 0x7ff, 8);			/* all that is basic */
	put_qid(out, is_file);
	put(out, is_file ? S_IFREG | 0600 : S_IFDIR | 0700, 4);
	put(out, 0, 4);
	put(out, 0, 4);
	put(out, 1, 8);				/* links */
	put(out, 0, 8);
	put(out, is_file ? s->size : 0, 8);
	put(out, PAGE, 8);
	put(out, is_file ? s->size / 512 : 0, 8);
	for (i = 0; i < 10; i++)		/* times and versions */
		put(out, 0, 8);
}

static void answer_read(struct server *s, struct message *in,
			struct message *out)
{
	uint64_t offset;
	uint32_t count;

	get(in, 4);
	offset = get(in, 8);
	count = get(in, 4);
	if (offset >= s->size)
		count = 0;
	put(out, count, 4);
	memcpy(out->at, s->file + offset, count);
	out->at += count;
}

static void answer_write(struct server *s, struct message *in,
			 struct message *out)
{
	uint64_t offset;
	uint32_t count;

	get(in, 4);
	offset = get(in, 8);
	count = get(in, 4);
	if (offset < s->size)
		memcpy(s->file + offset, in->at, count);
	put(out, count, 4);
}

static void answer(struct server *s, struct message *in)
{
	struct message out = { .at = out.data + 4 };
	uint8_t type;

	in->at = in->data + 4;
	type = get(in, 1);
	put(&out, type + 1, 1);
	put(&out, get(in, 2), 2);
	switch (type) {
	case TVERSION:
		put(&out, MSIZE, 4);
		put(&out, 8, 2);
		memcpy(out.at, "9P2000.L", 8);
		out.at += 8;
		break;
	case TATTACH:
		s->is_file[get(in, 4) % MAX_FIDS] = false;
		put_qid(&out, false);
		break;
	case TWALK:
		answer_walk(s, in, &out);
		break;
	case TLOPEN:
		put_qid(&out, s->is_file[get(in, 4) % MAX_FIDS]);
		put(&out, 0, 4);
		break;
	case TGETATTR:
		answer_getattr(s, in, &out);
		break;
	case TREAD:
		answer_read(s, in, &out);
		break;
	case TWRITE:
		answer_write(s, in, &out);
		break;
	case TSETATTR:
	case TFSYNC:
	case TFLUSH:
	case TCLUNK:
		break;
	default:
		out.data[4] = RLERROR;
		put(&out, EOPNOTSUPP, 4);
	}
	send_answer(s, &out);
}

static uint16_t tag_of(const struct message *m)
{
	uint16_t tag;

	memcpy(&tag, m->data + 5, sizeof(tag));
	return tag;
}

static void hold(struct server *s, struct message *in)
{
	if (s->control->held == MAX_HELD)
		_exit(1);
	s->held[s->control->held] = *in;
	s->control->held++;
}

/* Who gave up does not wait for an answer any more. */
static void forget(struct server *s, struct message *in)
{
	uint16_t tag;
	int i;

	memcpy(&tag, in->data + 7, sizeof(tag));
	for (i = 0; i < s->control->held; i++) {
		if (tag_of(&s->held[i]) == tag) {
			s->control->held--;
			s->held[i] = s->held[s->control->held];
			return;
		}
	}
}

static void receive(struct server *s)
{
	struct message in;
	uint32_t len;

	if (recv(s->sock, in.data, 4, MSG_WAITALL) != 4)
		_exit(0);
	memcpy(&len, in.data, 4);
	if (len < 7 || len > sizeof(in.data) ||
	    recv(s->sock, in.data + 4, len - 4, MSG_WAITALL) != len - 4)
		_exit(1);
	if (s->control->hold && (in.data[4] == TREAD || in.data[4] == TWRITE)) {
		hold(s, &in);
		return;
	}
	if (in.data[4] == TFLUSH)
		forget(s, &in);
	answer(s, &in);
}

static void serve(struct server *s)
{
	struct pollfd pfd = { .fd = s->sock, .events = POLLIN };
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* What the test closes is to be closed. */
	for (fd = 3; fd < MAX_FDS; fd++)
		if (fd != s->sock)
			close(fd);
	for (;;) {
		while (!s->control->hold && s->control->held) {
			s->control->held--;
			answer(s, &s->held[s->control->held]);
		}
		if (poll(&pfd, 1, TICK) == 1)
			receive(s);
	}
}

static int start_server(struct slow_file *file, int sock, unsigned int npages)
{
	struct server *s = calloc(1, sizeof(*s));
	unsigned int i;

	if (!s)
		return -ENOMEM;
	s->file = malloc(npages * PAGE);
	if (!s->file)
		return -ENOMEM;
	for (i = 0; i < npages; i++)
		memset(s->file + i * PAGE, i + 1, PAGE);
	s->sock = sock;
	s->size = npages * PAGE;
	s->control = file->control;
	file->server = fork();
	if (!file->server)
		serve(s);
	free(s->file);
	free(s);
	return file->server < 0 ? -errno : 0;
}

static int mount_file(struct slow_file *file, int sock)
{
	char options[128], path[64];

	snprintf(options, sizeof(options),
		 "trans=fd,rfdno=%d,wfdno=%d,version=9p2000.L,cache=loose,msize=%d",
		 sock, sock, MSIZE);
	strcpy(file->dir, "/tmp/slow-XXXXXX");
	if (!mkdtemp(file->dir))
		return -errno;
	if (mount("none", file->dir, "9p", 0, options))
		return -errno;
	snprintf(path, sizeof(path), "%s/file", file->dir);
	file->fd = open(path, O_RDWR | O_CLOEXEC);
	return file->fd < 0 ? -errno : 0;
}

int slow_file_start(struct slow_file *file, unsigned int npages)
{
	int socks[2], rc;

	file->fd = -1;
	file->server = -1;
	file->control = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (file->control == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks))
		return -errno;
	rc = start_server(file, socks[0], npages);
	close(socks[0]);
	if (!rc)
		rc = mount_file(file, socks[1]);
	close(socks[1]);
	return rc;
}

void slow_file_hold(struct slow_file *file)
{
	file->control->hold = true;
}

bool slow_file_waits(struct slow_file *file, int nr)
{
	int i;

	for (i = 0; i < TIMEOUT; i += TICK) {
		if (file->control->held >= nr)
			return true;
		usleep(TICK * 1000);
	}
	return false;
}

void slow_file_answer(struct slow_file *file)
{
	file->control->hold = false;
}

void slow_file_stop(struct slow_file *file)
{
	slow_file_answer(file);
	fsync(file->fd);
	close(file->fd);
	umount2(file->dir, MNT_DETACH);
	rmdir(file->dir);
	if (file->server > 0) {
		kill(file->server, SIGKILL);
		waitpid(file->server, NULL, 0);
	}
	munmap(file->control, PAGE);
}
