// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, for a minute or for hours: processes open devices by all
 * ways there are, bind, attach, map, reset and close them, tell KVM of them and
 * give them to one another, while drivers, mediated devices and a PCI device
 * come and go.
 *
 *   user, user                                machine
 *     three threads each, on the process's      unbinds vfio-pci and binds it,
 *     own files and on one iommufd of all       two threads
 *       |            |                          removes mdevs and makes them
 *     nodes        groups ... VMs               unplugs NIC0 and plugs it
 *       |            |
 *     EDU*, TESTDEV0, NVME0, NIC0, two mdevs
 *
 * A thread chooses an operation of the table and files to do it with by random
 * numbers.  Each operation may be refused with the errnos of its row, and must
 * succeed now and then.  In the end all devices can be had.
 *
 * SOAK_SECONDS and SOAK_SEED in the environment are instead of a minute and of
 * the seed that is printed.  The same seed makes the same choices; which of two
 * threads is first is not chosen.
 *
 * Only the machine's threads wait for others, in an unbind for those who have
 * the device; they hold no files themselves, so nobody waits for ever.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "../../../../drivers/vfio/mdev/test_mdev.h"
#include "fds.h"
#include "kvm.h"
#include "mdev.h"
#include "monitor.h"
#include "type1.h"
#include "vfio_test.h"

#define MODULE		"/t/test_mdev.ko"
#define NR_USERS	2		/* processes */
#define NR_THREADS	3		/* of a user */
#define NR_MACHINE	4		/* threads of the machine */
#define NR_TASKS	(NR_USERS * NR_THREADS + NR_MACHINE)
#define MACHINE		NR_USERS	/* the number of its process */
#define STUCK		120		/* seconds without progress */
#define PATIENCE	600		/* more, for what has not succeeded yet */
#define MAX_SLOTS	4		/* files of a kind in a process */
#define NR_IDS		2		/* objects of a kind in an iommufd */
#define ARENA		(4 * HUGE)	/* bytes that a user maps some of */
#define IOVA		0x1000000UL
#define NOTHING		1		/* there is no file to do it with */
#define RESERVED	UINT32_MAX	/* an id that somebody works on */

/* ---- threads ---- */

struct task {
	int index;
	int process;
	int number;		/* in its process */
	unsigned int seed;
	pthread_t thread;
};

/* A number less than @end */
static unsigned int some(struct task *t, unsigned int end)
{
	t->seed = t->seed * 1103515245 + 12345;
	return (t->seed >> 16) % end;
}

static enum way some_way(struct task *t)
{
	static const enum way ways[] = { WAY_TYPE1, WAY_COMPAT, WAY_CDEV };

	return ways[some(t, ARRAY_SIZE(ways))];
}

/* ---- the devices ---- */

/* One half of the PCI devices is of one driver thread's, one of the other's. */
static const char *const pci_names[] = {
	"EDU0", "EDU1", "EDU_MF0", "EDU_MF1", "NVME0",
	"TESTDEV0",			/* quick to open */
	"EDU_MF2", "EDU_MF3", "NIC0",	/* with a hot reset */
};

static const char *const uuids[] = {
	"0ad20b0e-3a3b-4f0c-8f0e-5d2c0d7a1c01",
	"0ad20b0e-3a3b-4f0c-8f0e-5d2c0d7a1c02",
};

#define NR_EDUS		4		/* for DMA */
#define TESTDEV		5
#define FIRST_RESET	6
#define NIC		8
#define NR_DRIVEN	8		/* all but NIC0 */
#define NR_PCI		((int)ARRAY_SIZE(pci_names))
#define NR_MDEVS	((int)ARRAY_SIZE(uuids))
#define NR_DEVICES	(NR_PCI + NR_MDEVS)

static const char *device_name(int device)
{
	return device < NR_PCI ? getenv(pci_names[device]) :
				 uuids[device - NR_PCI];
}

static bool is_mdev(int device)
{
	return device >= NR_PCI;
}

/* Each kind often enough */
static int some_pci(struct task *t)
{
	switch (some(t, 3)) {
	case 0:
		return TESTDEV;
	case 1:
		return FIRST_RESET + some(t, NR_PCI - FIRST_RESET);
	default:
		return some(t, NR_PCI);
	}
}

static int some_device(struct task *t)
{
	return some(t, 3) ? some_pci(t) : NR_PCI + some(t, NR_MDEVS);
}

static void fdinfo_path(char *path, size_t size, int fd)
{
	snprintf(path, size, "/proc/self/fdinfo/%d", fd);
}

static bool is_node_of(int node, const char *name)
{
	char path[64], line[4096];
	bool found = false;
	FILE *file;

	fdinfo_path(path, sizeof(path), node);
	file = fopen(path, "r");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, name);
	fclose(file);
	return found;
}

/*
 * -ENOENT: it has gone.  Its node may be another device's by the time when it is
 * opened, for numbers are used again.
 */
static int open_node(int device)
{
	const char *name = device_name(device);
	int node = is_mdev(device) ? mdev_cdev_open(name) : vfio_cdev_open(name);

	if (node >= 0 && !is_node_of(node, name)) {
		close(node);
		return -ENOENT;
	}
	return node;
}

static int open_group(int device)
{
	const char *name = device_name(device);

	return is_mdev(device) ? mdev_group_open(name) : vfio_group_open(name);
}

/* ---- what all processes share ---- */

#define MAX_OPS		80
#define MAX_ERRNOS	7

/* Objects of an iommufd: ids, 0 or RESERVED */
struct ids {
	atomic_uint ioas[NR_IDS];
	atomic_uint hwpt[NR_IDS];
};

/*
 * @users: how many have not come to their end
 * @doing: what each thread is at, an index of ops[] or -1
 * @since: from when on, in seconds
 * @ids: of the iommufd that all users have
 */
struct shared {
	atomic_bool stop;
	atomic_bool bad;
	atomic_int users;
	atomic_int doing[NR_TASKS];
	atomic_long since[NR_TASKS];
	atomic_uint done[MAX_OPS];
	atomic_uint refused[MAX_OPS][MAX_ERRNOS];
	struct ids ids;
};

static struct shared *shared;
static int passed[NR_USERS][2][2];	/* sockets for nodes and for groups */

static long seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec time = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};

	nanosleep(&time, NULL);
}

/* ---- the files of a process ---- */

enum kind {
	NODE,		/* of a device */
	GROUP,
	MEMBER,		/* a device that its group gave out */
	CONTAINER,
	IOMMUFD,	/* the first one is of all users */
	VM,
	KVM_VFIO,
	NR_KINDS
};

/* How many a process has: too many, and nobody gets the device he wants. */
static const int nr_slots[NR_KINDS] = {
	[NODE] = MAX_SLOTS,
	[GROUP] = 2,
	[MEMBER] = 2,
	[CONTAINER] = 2,
	[IOMMUFD] = 3,
	[VM] = 1,
	[KVM_VFIO] = 1,
};

/*
 * @fd: 0 when there is none
 * @index: its place among those of its kind
 * @device: of a node, a group or a member
 * @iommufd: index of the one that a node was bound to, ...
 * @id: and what it is called there; or 0
 */
struct slot {
	int fd;
	int index;
	int device;
	int iommufd;
	uint32_t id;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot slots[NR_KINDS][MAX_SLOTS];
static struct ids own_ids[MAX_SLOTS];
static int requests[NR_KINDS][MAX_SLOTS];	/* eventfds: see hear_requests() */
static int interrupts;		/* an eventfd for those of devices */
static char *arena;

/*
 * A descriptor of its own for the file in a slot, so that the file can be taken
 * from the slot, and closed, while it is in use.
 */
static int borrow_at(enum kind kind, int index, struct slot *copy)
{
	pthread_mutex_lock(&lock);
	*copy = slots[kind][index];
	if (copy->fd)
		copy->fd = fcntl(copy->fd, F_DUPFD_CLOEXEC, 3);
	pthread_mutex_unlock(&lock);
	copy->index = index;
	return copy->fd > 0 ? 0 : NOTHING;
}

static int borrow(struct task *t, int kind, struct slot *copy)
{
	int n = nr_slots[kind], first = some(t, n), i, rc = NOTHING;

	for (i = 0; rc && i < n; i++)
		rc = borrow_at(kind, (first + i) % n, copy);
	return rc;
}

/* A node that is bound, as far as known; now and then another one */
static int borrow_bound(struct task *t, struct slot *copy)
{
	int first = some(t, MAX_SLOTS), i, index;

	for (i = 0; i < MAX_SLOTS; i++) {
		index = (first + i) % MAX_SLOTS;
		if (slots[NODE][index].id && some(t, 8))
			return borrow_at(NODE, index, copy);
	}
	return borrow(t, NODE, copy);
}

static int give_back(struct slot *copy, int rc)
{
	close(copy->fd);
	return rc;
}

/* Puts a file in a slot, or none, and closes what was there. */
static void put(enum kind kind, int index, int fd, int device)
{
	int old;

	pthread_mutex_lock(&lock);
	old = slots[kind][index].fd;
	slots[kind][index] = (struct slot){ .fd = fd, .device = device };
	pthread_mutex_unlock(&lock);
	if (old)
		close(old);
}

/* The result of a call that may have made a file: in a slot, it is 0. */
static int keep(struct task *t, int kind, int fd, int device)
{
	/* not where that of all users is */
	int first = kind == IOMMUFD;

	if (fd < 0)
		return fd;
	put(kind, first + some(t, nr_slots[kind] - first), fd, device);
	return 0;
}

static int do_close(struct task *t, int kind)
{
	int first = kind == IOMMUFD;
	int index = first + some(t, nr_slots[kind] - first);

	if (!slots[kind][index].fd)
		return NOTHING;
	put(kind, index, 0, 0);
	return 0;
}

static void drop_all(void)
{
	int kind, i;

	for (kind = 0; kind < NR_KINDS; kind++)
		for (i = 0; i < nr_slots[kind]; i++)
			put(kind, i, 0, 0);
}

/* ---- operations on nodes ---- */

static int do_open_node(struct task *t, int unused)
{
	int device = some_device(t);

	return keep(t, NODE, open_node(device), device);
}

static void note_bound(struct slot *node, int iommufd, uint32_t id)
{
	struct slot *slot = &slots[NODE][node->index];

	/* If it is another one by now, the id is a wrong one, as others are. */
	pthread_mutex_lock(&lock);
	slot->iommufd = iommufd;
	slot->id = id;
	pthread_mutex_unlock(&lock);
}

/* Who wants the device says so by an eventfd, of which do_let_go() knows. */
static int hear_requests(enum kind kind, int index, int device)
{
	return vfio_irq_enable(device, VFIO_PCI_REQ_IRQ_INDEX,
			       &requests[kind][index], 1);
}

/* Who finds that a device has gone closes the file, now or then. */
static int gone(enum kind kind, struct slot *file, int rc)
{
	if (rc == -ENODEV)
		put(kind, file->index, 0, 0);
	return give_back(file, rc);
}

static int do_bind(struct task *t, int unused)
{
	struct slot node, iommufd;
	uint32_t id;
	int rc;

	if (borrow(t, NODE, &node))
		return NOTHING;
	rc = borrow(t, IOMMUFD, &iommufd);
	if (!rc) {
		rc = vfio_bind(node.fd, iommufd.fd, &id);
		if (!rc) {
			hear_requests(NODE, node.index, node.fd);
			note_bound(&node, iommufd.index, id);
		}
		close(iommufd.fd);
	}
	return gone(NODE, &node, rc);
}

static int do_listen(struct task *t, int kind)
{
	struct slot device;

	if (borrow(t, kind, &device))
		return NOTHING;
	return give_back(&device, hear_requests(kind, device.index,
						device.fd));
}

/* Closes what somebody wants, and with it what KVM may have of it. */
static int do_let_go(struct task *t, int kind)
{
	int index;

	for (index = 0; index < nr_slots[kind]; index++) {
		if (eventfd_wait(requests[kind][index], 0) < 0)
			continue;
		put(KVM_VFIO, 0, 0, 0);
		put(kind, index, 0, 0);
		return 0;
	}
	return NOTHING;
}

/* What is known of the IOASs or of the HWPTs of an iommufd */
static atomic_uint *ids_of(int iommufd, bool hwpt)
{
	struct ids *ids = iommufd ? &own_ids[iommufd] : &shared->ids;

	return hwpt ? ids->hwpt : ids->ioas;
}

/* An id that is there, most likely; NOTHING: none */
static int some_id(struct task *t, int iommufd, bool hwpt, uint32_t *id)
{
	int first = some(t, NR_IDS), i;

	for (i = 0; i < NR_IDS; i++) {
		*id = atomic_load(&ids_of(iommufd, hwpt)[(first + i) % NR_IDS]);
		if (*id && *id != RESERVED)
			return 0;
	}
	return NOTHING;
}

static int do_attach(struct task *t, int hwpt)
{
	struct slot node;
	uint32_t id;
	int rc;

	if (borrow_bound(t, &node))
		return NOTHING;
	rc = some_id(t, node.iommufd, hwpt, &id);
	if (!rc)
		rc = vfio_attach(node.fd, &id);
	return give_back(&node, rc);
}

static int do_detach(struct task *t, int unused)
{
	struct slot node;

	if (borrow_bound(t, &node))
		return NOTHING;
	return give_back(&node, vfio_detach(node.fd));
}

/* A device, opened by its node or by its group */
static int borrow_device(struct task *t, struct slot *device)
{
	return some(t, 2) ? borrow_bound(t, device) : borrow(t, MEMBER, device);
}

static int do_info(struct task *t, int unused)
{
	struct vfio_device_info info;
	struct slot device;

	if (borrow_device(t, &device))
		return NOTHING;
	return give_back(&device, vfio_get_info(device.fd, &info));
}

static int do_config(struct task *t, int unused)
{
	struct slot device;
	uint32_t id;

	if (borrow_device(t, &device))
		return NOTHING;
	return give_back(&device, vfio_config_read(device.fd, 0, &id,
						   sizeof(id)));
}

static int do_interrupt(struct task *t, int unused)
{
	struct slot device;
	int rc;

	if (borrow_device(t, &device))
		return NOTHING;
	rc = vfio_irq_enable(device.fd, VFIO_PCI_MSI_IRQ_INDEX, &interrupts, 1);
	if (!rc && some(t, 2))
		rc = vfio_irq_disable(device.fd, VFIO_PCI_MSI_IRQ_INDEX);
	return give_back(&device, rc);
}

static int do_sleep(struct task *t, int unused)
{
	uint32_t feature = some(t, 2) ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY :
					VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
	struct slot device;

	if (borrow_device(t, &device))
		return NOTHING;
	return give_back(&device, vfio_feature(device.fd, feature,
					       VFIO_DEVICE_FEATURE_SET, NULL,
					       0));
}

static int do_reset(struct task *t, int unused)
{
	struct slot device;

	if (borrow_device(t, &device))
		return NOTHING;
	return give_back(&device, vfio_reset(device.fd));
}

static int hot_reset(int dev, const int *group)
{
	struct {
		struct vfio_pci_hot_reset head;
		int fd;
	} cmd = {
		.head.argsz = sizeof(cmd),
		.head.count = !!group,
		.fd = group ? *group : 0,
	};

	return xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, &cmd);
}

static int do_hot_reset(struct task *t, int unused)
{
	struct slot node;

	if (borrow_bound(t, &node))
		return NOTHING;
	return give_back(&node, hot_reset(node.fd, NULL));
}

/* A device that is reset with its bus, if a few tries find one. */
static int borrow_resettable(struct task *t, struct slot *member)
{
	int i, rc;

	for (i = 0; i < MAX_SLOTS; i++) {
		rc = borrow(t, MEMBER, member);
		if (rc || (member->device >= FIRST_RESET &&
			   member->device < NR_PCI))
			return rc;
		close(member->fd);
	}
	return borrow(t, MEMBER, member);
}

static int do_hot_reset_by_group(struct task *t, int unused)
{
	struct slot member, group;
	int rc;

	if (borrow_resettable(t, &member))
		return NOTHING;
	rc = borrow_at(GROUP, member.index, &group);
	if (!rc)
		rc = give_back(&group, hot_reset(member.fd, &group.fd));
	return give_back(&member, rc);
}

/* ---- operations on iommufds ---- */

static int do_open_iommufd(struct task *t, int unused)
{
	return keep(t, IOMMUFD, iommu_open(), 0);
}

/* A place for the id of a new object, which nobody else will use; or NULL */
static atomic_uint *reserve(struct task *t, int iommufd, bool hwpt)
{
	atomic_uint *place = &ids_of(iommufd, hwpt)[some(t, NR_IDS)];
	uint32_t none = 0;

	return atomic_compare_exchange_strong(place, &none, RESERVED) ?
		place : NULL;
}

static int do_alloc_ioas(struct task *t, int unused)
{
	struct slot iommufd;
	atomic_uint *place;
	uint32_t id = 0;
	int rc;

	if (borrow(t, IOMMUFD, &iommufd))
		return NOTHING;
	place = reserve(t, iommufd.index, false);
	if (!place)
		return give_back(&iommufd, NOTHING);
	rc = ioas_alloc(iommufd.fd, &id);
	atomic_store(place, rc ? 0 : id);
	return give_back(&iommufd, rc);
}

/* For the iommufd that the node was bound to, unless that was replaced */
static int do_alloc_hwpt(struct task *t, int unused)
{
	struct slot node, iommufd;
	atomic_uint *place;
	uint32_t ioas, id = 0;
	int rc;

	if (borrow_bound(t, &node))
		return NOTHING;
	rc = some_id(t, node.iommufd, false, &ioas);
	if (rc || !node.id || borrow_at(IOMMUFD, node.iommufd, &iommufd))
		return give_back(&node, NOTHING);
	place = reserve(t, iommufd.index, true);
	if (place) {
		rc = hwpt_alloc(iommufd.fd, node.id, ioas, &id);
		atomic_store(place, rc ? 0 : id);
	}
	close(iommufd.fd);
	return give_back(&node, place ? rc : NOTHING);
}

/* Others may use the id all the same, from before or from a lucky guess. */
static int do_destroy(struct task *t, int hwpt)
{
	struct slot iommufd;
	atomic_uint *place;
	uint32_t id;
	int rc = NOTHING;

	if (borrow(t, IOMMUFD, &iommufd))
		return NOTHING;
	place = &ids_of(iommufd.index, hwpt)[some(t, NR_IDS)];
	id = atomic_load(place);
	if (id && id != RESERVED &&
	    atomic_compare_exchange_strong(place, &id, RESERVED)) {
		rc = iommu_destroy(iommufd.fd, id);
		atomic_store(place, rc == -EBUSY ? id : 0);
	}
	return give_back(&iommufd, rc);
}

static uint64_t some_iova(struct task *t)
{
	return IOVA + 16 * PAGE * some(t, 8);
}

static uint64_t some_length(struct task *t)
{
	return some(t, 16) ? PAGE * (1 + some(t, 12)) : HUGE;
}

static void *some_memory(struct task *t)
{
	return arena + PAGE * some(t, (ARENA - HUGE) / PAGE);
}

/* An IOAS of an iommufd that is borrowed, or NOTHING */
static int borrow_ioas(struct task *t, struct slot *iommufd, uint32_t *ioas)
{
	if (borrow(t, IOMMUFD, iommufd))
		return NOTHING;
	if (!some_id(t, iommufd->index, false, ioas))
		return 0;
	return give_back(iommufd, NOTHING);
}

static int do_map(struct task *t, int unused)
{
	struct slot iommufd;
	uint32_t ioas;

	if (borrow_ioas(t, &iommufd, &ioas))
		return NOTHING;
	return give_back(&iommufd, ioas_map(iommufd.fd, ioas, some_memory(t),
					    some_length(t), some_iova(t),
					    IOMMU_MAP_RW));
}

static int do_copy(struct task *t, int unused)
{
	struct slot iommufd;
	uint32_t from, to;
	int rc;

	if (borrow_ioas(t, &iommufd, &from))
		return NOTHING;
	rc = some_id(t, iommufd.index, false, &to);
	if (!rc)
		rc = ioas_copy(iommufd.fd, to, some_iova(t), from, some_iova(t),
			       PAGE, IOMMU_MAP_RW);
	return give_back(&iommufd, rc);
}

static int do_unmap(struct task *t, int unused)
{
	struct slot iommufd;
	uint32_t ioas;

	if (borrow_ioas(t, &iommufd, &ioas))
		return NOTHING;
	return give_back(&iommufd, ioas_unmap(iommufd.fd, ioas, some_iova(t),
					      PAGE * (1 + some(t, 64)), NULL));
}

/* ---- operations on groups ---- */

static int do_open_group(struct task *t, int unused)
{
	int device = some_device(t);

	return keep(t, GROUP, open_group(device), device);
}

static int do_open_container(struct task *t, int unused)
{
	int fd = open(VFIO_CONTAINER, O_RDWR | O_CLOEXEC);

	return keep(t, CONTAINER, fd < 0 ? -errno : fd, 0);
}

static int do_set_container(struct task *t, int kind)
{
	struct slot group, container;
	int rc;

	if (borrow(t, GROUP, &group))
		return NOTHING;
	rc = borrow(t, kind, &container);
	if (!rc)
		rc = give_back(&container,
			       vfio_group_set_container(group.fd,
							container.fd));
	return gone(GROUP, &group, rc);
}

static int do_unset_container(struct task *t, int unused)
{
	struct slot group;

	if (borrow(t, GROUP, &group))
		return NOTHING;
	return give_back(&group, xioctl(group.fd, VFIO_GROUP_UNSET_CONTAINER,
					NULL));
}

static int do_set_iommu(struct task *t, int unused)
{
	struct slot container;

	if (borrow(t, CONTAINER, &container))
		return NOTHING;
	return give_back(&container, vfio_set_iommu(container.fd,
						    VFIO_TYPE1v2_IOMMU));
}

/* The device is of the same place as its group. */
static int do_get_device(struct task *t, int unused)
{
	struct slot group;
	int rc;

	if (borrow(t, GROUP, &group))
		return NOTHING;
	rc = vfio_group_get_device(group.fd, device_name(group.device));
	if (rc > 0) {
		hear_requests(MEMBER, group.index, rc);
		put(MEMBER, group.index, rc, group.device);
		rc = 0;
	}
	return gone(GROUP, &group, rc);
}

static int do_map_dma(struct task *t, int kind)
{
	struct slot container;
	struct type1 t1;
	int rc;

	if (borrow(t, kind, &container))
		return NOTHING;
	t1.container = container.fd;
	rc = type1_map(&t1, some_memory(t), some_length(t), some_iova(t),
		       VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	return give_back(&container, rc);
}

static int do_unmap_dma(struct task *t, int kind)
{
	struct slot container;
	struct type1 t1;

	if (borrow(t, kind, &container))
		return NOTHING;
	t1.container = container.fd;
	return give_back(&container, type1_unmap(&t1, IOVA,
						 PAGE * (1 + some(t, 64))));
}

/* ---- operations on mediated devices ---- */

static int do_mdev(struct task *t, int op)
{
	struct test_mdev_cmd cmd = {
		.op = op,
		.flags = some(t, 2) ? TEST_MDEV_WRITE : 0,
		.iova = some_iova(t),
		.pages = op == TEST_MDEV_PIN ? 1 + some(t, 4) : 1,
		.length = 64,
	};
	struct slot device;
	int rc = NOTHING;

	if (borrow_device(t, &device))
		return NOTHING;
	if (is_mdev(device.device))
		rc = pwrite(device.fd, &cmd, sizeof(cmd),
			    (off_t)TEST_MDEV_REGS << 40) == sizeof(cmd) ?
			0 : -errno;
	return give_back(&device, rc);
}

/* ---- operations on VMs ---- */

static int do_create_vm(struct task *t, int unused)
{
	return keep(t, VM, kvm_create_vm(), 0);
}

static int do_create_kvm_vfio(struct task *t, int unused)
{
	struct slot vm;

	if (borrow(t, VM, &vm))
		return NOTHING;
	return give_back(&vm, keep(t, KVM_VFIO, kvm_create_vfio(vm.fd), 0));
}

static int kvm_file(struct task *t, uint64_t attr, int kind)
{
	struct slot kvm_vfio, file;
	int rc;

	if (borrow(t, KVM_VFIO, &kvm_vfio))
		return NOTHING;
	rc = borrow(t, kind, &file);
	if (!rc)
		rc = give_back(&file, kvm_vfio_file(kvm_vfio.fd, attr,
						    file.fd));
	return give_back(&kvm_vfio, rc);
}

static int do_kvm_add(struct task *t, int kind)
{
	return kvm_file(t, KVM_DEV_VFIO_FILE_ADD, kind);
}

static int do_kvm_del(struct task *t, int kind)
{
	return kvm_file(t, KVM_DEV_VFIO_FILE_DEL, kind);
}

/* ---- operations between processes ---- */

static int do_pass(struct task *t, int kind)
{
	int to = (t->process + 1) % NR_USERS;
	struct slot file;

	if (borrow(t, kind, &file))
		return NOTHING;
	return give_back(&file, send_fds(passed[to][kind][0], &file.fd, 1));
}

/* Whose node it is; one that has gone could be anyone's. */
static int device_of(struct task *t, int node)
{
	int i;

	for (i = 0; i < NR_DEVICES; i++)
		if (is_node_of(node, device_name(i)))
			return i;
	return some_pci(t);
}

/* Of what device a group's file is, nobody said. */
static int do_receive(struct task *t, int kind)
{
	int fd, rc;

	rc = receive_fds(passed[t->process][kind][1], &fd, 1);
	if (rc)
		return rc;
	return keep(t, kind, fd,
		    kind == NODE ? device_of(t, fd) : some(t, NR_DEVICES));
}

static int do_fdinfo(struct task *t, int unused)
{
	char path[64], text[4096];
	struct slot file;

	if (borrow(t, some(t, NR_KINDS), &file))
		return NOTHING;
	fdinfo_path(path, sizeof(path), file.fd);
	return give_back(&file, sysfs_read(path, text, sizeof(text)));
}

/* ---- a device for itself ---- */

static int take(struct space *space, struct member *member, enum way way,
		int device)
{
	int rc = space_open(space, way);

	if (rc)
		return rc;
	rc = space_add_pci(space, member, device_name(device));
	if (rc)
		space_close(space);
	return rc;
}

/* Who has a device reaches memory with it, whatever others do. */
static int check_dma(struct space *space, struct member *member)
{
	void *mem = alloc_memory(PAGE);
	struct edu edu;
	int rc = -ENOMEM;

	if (!mem)
		return rc;
	rc = space_map(space, mem, PAGE, IOVA, IOMMU_MAP_RW);
	if (!rc)
		rc = edu_open(&edu, member->dev);
	if (!rc) {
		rc = dma_works(&edu, mem, IOVA) ? 0 : -EIO;
		edu_close(&edu);
	}
	if (rc)
		fprintf(stderr, "# DMA fails: %d\n", rc);
	munmap(mem, PAGE);
	return rc ? -EIO : 0;
}

static int do_dma(struct task *t, int way)
{
	struct member member;
	struct space space;
	int rc;

	rc = take(&space, &member, way, some(t, NR_EDUS));
	if (rc)
		return rc;
	rc = check_dma(&space, &member);
	member_close(&member);
	space_close(&space);
	return rc;
}

/* Takes a device, maps memory, says how that went and waits to be killed. */
static void be_killed(struct task *t, int tell)
{
	struct member member;
	struct space space;
	int rc;

	/* What the process has is not to stay open because of this. */
	dup2(tell, STDOUT_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	rc = take(&space, &member, some_way(t), some_pci(t));
	if (!rc)
		rc = space_map(&space, arena, ARENA, IOVA, IOMMU_MAP_RW);
	if (write(STDOUT_FILENO, &rc, sizeof(rc)) == sizeof(rc))
		pause();
	_exit(1);
}

static int do_kill(struct task *t, int unused)
{
	unsigned int after = some(t, 2) ? some(t, 200) : 0;
	int tell[2], rc = NOTHING;
	pid_t pid;

	if (pipe2(tell, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		be_killed(t, tell[1]);
	close(tell[1]);
	if (after)
		sleep_ms(after);
	else if (read(tell[0], &rc, sizeof(rc)) != sizeof(rc))
		rc = -EPIPE;
	close(tell[0]);
	if (pid < 0)
		return -EAGAIN;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return rc;
}

/* ---- operations of the machine ---- */

static int do_rebind(struct task *t, int unused)
{
	int device = 2 * some(t, NR_DRIVEN / 2) + t->number;
	const char *bdf = device_name(device);
	int rc;

	sleep_ms(some(t, 1000));
	rc = pci_unbind_driver(bdf);
	return rc ? rc : pci_bind_driver(bdf, "vfio-pci");
}

static int create_mdev(const char *uuid)
{
	return mdev_create("test_mdev", "test_mdev-dma", uuid);
}

static int do_replace_mdev(struct task *t, int unused)
{
	const char *uuid = uuids[some(t, NR_MDEVS)];
	int rc;

	sleep_ms(some(t, 1000));
	rc = mdev_remove(uuid);
	return rc ? rc : create_mdev(uuid);
}

#define PLUG	"device_add e1000e,id=nic0,bus=port1,romfile="

/* Commands are repeated until they show, for the monitor may be slow. */
static int do_replug(struct task *t, int unused)
{
	const char *bdf = device_name(NIC);
	int monitor = monitor_open(), rc;

	if (monitor < 0)
		return monitor;
	while (!pci_present(bdf)) {
		monitor_command(monitor, "device_del nic0");
		sleep_ms(100);
	}
	while (pci_present(bdf)) {
		monitor_command(monitor, PLUG);
		sleep_ms(100);
	}
	close(monitor);
	/* The device is there a moment before drivers may have it. */
	do
		rc = pci_bind_driver(bdf, "vfio-pci");
	while (rc == -EIO);
	return rc;
}

/* ---- the table ---- */

enum role {
	USER,
	DRIVER,		/* two threads */
	MDEV,
	MONITOR,
};

static const enum role roles[NR_MACHINE] = { DRIVER, DRIVER, MDEV, MONITOR };

#define ERRNOS(...)	{ __VA_ARGS__ }

/*
 * What can be done by whom, and why it may be refused:
 * ENOENT, ENODEV: it has just gone
 * EINVAL: it is not bound, not attached, not set, or that already; a container
 * whose only group has just gone is not set any more
 * EBUSY, EPERM: somebody else has it, or uses it
 * EAGAIN: the device cannot be reset while its driver comes or goes
 */
static const struct op {
	const char *name;
	enum role role;
	unsigned int weight;
	int (*run)(struct task *t, int arg);
	int arg;
	int errnos[MAX_ERRNOS + 1];
} ops[] = {
	{ "open node", USER, 12, do_open_node, 0, ERRNOS(ENOENT, ENODEV) },
	{ "close node", USER, 9, do_close, NODE, ERRNOS() },
	{ "bind", USER, 24, do_bind, 0,
	  ERRNOS(EINVAL, EBUSY, EPERM, ENODEV, EAGAIN) },
	{ "listen to node", USER, 6, do_listen, NODE, ERRNOS(EINVAL, ENOTTY) },
	{ "listen to device", USER, 6, do_listen, MEMBER, ERRNOS(ENOTTY) },
	{ "let node go", USER, 24, do_let_go, NODE, ERRNOS() },
	{ "let device go", USER, 72, do_let_go, MEMBER, ERRNOS() },
	{ "attach to IOAS", USER, 24, do_attach, false, ERRNOS(EINVAL, ENOENT) },
	{ "attach to HWPT", USER, 12, do_attach, true, ERRNOS(EINVAL, ENOENT) },
	{ "detach", USER, 6, do_detach, 0, ERRNOS(EINVAL) },
	{ "info", USER, 3, do_info, 0, ERRNOS(EINVAL) },
	{ "config", USER, 6, do_config, 0, ERRNOS(EINVAL) },
	{ "interrupt", USER, 6, do_interrupt, 0, ERRNOS(EINVAL, ENOTTY) },
	{ "sleep, wake", USER, 6, do_sleep, 0, ERRNOS(EINVAL, ENOTTY) },
	{ "reset", USER, 24, do_reset, 0, ERRNOS(EINVAL, ENOTTY, EAGAIN) },
	{ "hot reset", USER, 36, do_hot_reset, 0,
	  ERRNOS(EINVAL, ENODEV, ENOTTY, EBUSY, EAGAIN) },
	{ "hot reset by group", USER, 72, do_hot_reset_by_group, 0,
	  ERRNOS(EINVAL, ENODEV, ENOTTY, EBUSY, EAGAIN) },
	{ "open iommufd", USER, 3, do_open_iommufd, 0, ERRNOS() },
	{ "close iommufd", USER, 1, do_close, IOMMUFD, ERRNOS() },
	{ "alloc IOAS", USER, 12, do_alloc_ioas, 0, ERRNOS() },
	{ "destroy IOAS", USER, 3, do_destroy, false, ERRNOS(ENOENT, EBUSY) },
	{ "alloc HWPT", USER, 12, do_alloc_hwpt, 0, ERRNOS(ENOENT, EINVAL) },
	{ "destroy HWPT", USER, 3, do_destroy, true, ERRNOS(ENOENT, EBUSY) },
	{ "map", USER, 24, do_map, 0, ERRNOS(ENOENT, EEXIST) },
	{ "copy", USER, 12, do_copy, 0, ERRNOS(ENOENT, EEXIST) },
	{ "unmap", USER, 12, do_unmap, 0, ERRNOS(ENOENT, EBUSY) },
	{ "open group", USER, 12, do_open_group, 0,
	  ERRNOS(ENOENT, ENODEV, EBUSY) },
	{ "close group", USER, 9, do_close, GROUP, ERRNOS() },
	{ "open container", USER, 3, do_open_container, 0, ERRNOS() },
	{ "close container", USER, 1, do_close, CONTAINER, ERRNOS() },
	{ "set container", USER, 12, do_set_container, CONTAINER,
	  ERRNOS(EINVAL, ENODEV, EPERM) },
	{ "set iommufd", USER, 12, do_set_container, IOMMUFD,
	  ERRNOS(EINVAL, ENODEV, EPERM) },
	{ "unset container", USER, 3, do_unset_container, 0,
	  ERRNOS(EINVAL, EBUSY) },
	{ "set IOMMU", USER, 12, do_set_iommu, 0, ERRNOS(EINVAL) },
	{ "get device", USER, 24, do_get_device, 0,
	  ERRNOS(EINVAL, ENODEV, EPERM, EAGAIN) },
	{ "close device", USER, 6, do_close, MEMBER, ERRNOS() },
	{ "map by type1", USER, 12, do_map_dma, CONTAINER,
	  ERRNOS(EINVAL, EEXIST) },
	{ "unmap by type1", USER, 6, do_unmap_dma, CONTAINER, ERRNOS(EINVAL) },
	{ "map by compat", USER, 12, do_map_dma, IOMMUFD,
	  ERRNOS(ENODEV, EEXIST) },
	{ "unmap by compat", USER, 6, do_unmap_dma, IOMMUFD,
	  ERRNOS(ENODEV, ENOENT, EBUSY) },
	{ "pin", USER, 24, do_mdev, TEST_MDEV_PIN,
	  ERRNOS(EINVAL, ENOENT, EPERM) },
	{ "unpin", USER, 24, do_mdev, TEST_MDEV_UNPIN, ERRNOS(EINVAL, ENOENT) },
	{ "read, write", USER, 12, do_mdev, TEST_MDEV_RW,
	  ERRNOS(EINVAL, ENOENT, EPERM) },
	{ "create VM", USER, 2, do_create_vm, 0, ERRNOS() },
	{ "close VM", USER, 1, do_close, VM, ERRNOS() },
	{ "create VM's VFIO", USER, 6, do_create_kvm_vfio, 0, ERRNOS(EBUSY) },
	{ "close VM's VFIO", USER, 3, do_close, KVM_VFIO, ERRNOS() },
	{ "add node to VM", USER, 6, do_kvm_add, NODE, ERRNOS(EEXIST) },
	{ "add group to VM", USER, 6, do_kvm_add, GROUP, ERRNOS(EEXIST) },
	{ "add device to VM", USER, 6, do_kvm_add, MEMBER, ERRNOS(EEXIST) },
	{ "remove node", USER, 12, do_kvm_del, NODE, ERRNOS(ENOENT) },
	{ "remove group", USER, 12, do_kvm_del, GROUP, ERRNOS(ENOENT) },
	{ "remove device", USER, 12, do_kvm_del, MEMBER, ERRNOS(ENOENT) },
	{ "pass node", USER, 3, do_pass, NODE, ERRNOS(EAGAIN) },
	{ "pass group", USER, 3, do_pass, GROUP, ERRNOS(EAGAIN) },
	{ "receive node", USER, 6, do_receive, NODE, ERRNOS(EIO) },
	{ "receive group", USER, 6, do_receive, GROUP, ERRNOS(EIO) },
	{ "fdinfo", USER, 6, do_fdinfo, 0, ERRNOS() },
	{ "DMA by node", USER, 2, do_dma, WAY_CDEV,
	  ERRNOS(ENOENT, ENODEV, EINVAL, EBUSY, EPERM, EAGAIN) },
	{ "DMA by type1", USER, 2, do_dma, WAY_TYPE1,
	  ERRNOS(ENOENT, ENODEV, EINVAL, EBUSY, EPERM, EAGAIN) },
	{ "DMA by compat", USER, 2, do_dma, WAY_COMPAT,
	  ERRNOS(ENOENT, ENODEV, EBUSY, EPERM, EAGAIN) },
	{ "kill", USER, 4, do_kill, 0,
	  ERRNOS(ENOENT, ENODEV, EINVAL, EBUSY, EPERM, EAGAIN) },
	{ "rebind driver", DRIVER, 1, do_rebind, 0, ERRNOS() },
	{ "replace mdev", MDEV, 1, do_replace_mdev, 0, ERRNOS() },
	{ "replug", MONITOR, 1, do_replug, 0, ERRNOS(EPROTO, ETIMEDOUT) },
};

#define NR_OPS	((int)ARRAY_SIZE(ops))
static_assert(NR_OPS <= MAX_OPS, "struct shared is too small");

static void note_result(int op, int rc)
{
	int i;

	if (rc == NOTHING)
		return;
	if (!rc) {
		atomic_fetch_add(&shared->done[op], 1);
		return;
	}
	for (i = 0; ops[op].errnos[i]; i++) {
		if (ops[op].errnos[i] == -rc) {
			atomic_fetch_add(&shared->refused[op][i], 1);
			return;
		}
	}
	fprintf(stderr, "# %s: %s\n", ops[op].name, strerror(-rc));
	atomic_store(&shared->bad, true);
	atomic_store(&shared->stop, true);
}

static int some_op(struct task *t, enum role role)
{
	unsigned int sum = 0, chosen;
	int op;

	for (op = 0; op < NR_OPS; op++)
		sum += ops[op].role == role ? ops[op].weight : 0;
	chosen = some(t, sum);
	for (op = 0; op < NR_OPS; op++) {
		if (ops[op].role != role)
			continue;
		if (chosen < ops[op].weight)
			break;
		chosen -= ops[op].weight;
	}
	return op;
}

static void *run_task(void *arg)
{
	struct task *t = arg;
	enum role role = t->process == MACHINE ? roles[t->number] : USER;
	int op;

	while (!atomic_load(&shared->stop)) {
		op = some_op(t, role);
		atomic_store(&shared->since[t->index], seconds_now());
		atomic_store(&shared->doing[t->index], op);
		note_result(op, ops[op].run(t, ops[op].arg));
	}
	atomic_store(&shared->doing[t->index], -1);
	return NULL;
}

/* ---- processes ---- */

static int start_files(int iommufd)
{
	int kind, i;

	arena = alloc_memory(ARENA);
	if (!arena)
		return -ENOMEM;
	for (kind = NODE; kind <= MEMBER; kind++)
		for (i = 0; i < MAX_SLOTS; i++)
			requests[kind][i] = eventfd(0, EFD_CLOEXEC);
	interrupts = eventfd(0, EFD_CLOEXEC);
	put(IOMMUFD, 0, iommufd, 0);
	return 0;
}

/* What is mapped may be pinned as long as it is there: all end together. */
static void end_together(void)
{
	drop_all();
	atomic_fetch_sub(&shared->users, 1);
	while (atomic_load(&shared->users) > 0 && !atomic_load(&shared->bad))
		sleep_ms(10);
}

static void run_process(int process, unsigned int seed, int iommufd)
{
	int n = process == MACHINE ? NR_MACHINE : NR_THREADS;
	struct task tasks[NR_THREADS + NR_MACHINE];
	int i;

	if (process == MACHINE)
		close(iommufd);
	else if (start_files(iommufd))
		_exit(1);
	for (i = 0; i < n; i++) {
		tasks[i] = (struct task){
			.index = process * NR_THREADS + i,
			.process = process,
			.number = i,
			.seed = seed + process * NR_THREADS + i,
		};
		if (pthread_create(&tasks[i].thread, NULL, run_task, &tasks[i]))
			_exit(1);
	}
	for (i = 0; i < n; i++)
		pthread_join(tasks[i].thread, NULL);
	if (process != MACHINE)
		end_together();
	_exit(0);
}

/* An operation that never succeeded, or NULL */
static const char *never_done(void)
{
	int op;

	for (op = 0; op < NR_OPS; op++)
		if (!atomic_load(&shared->done[op]))
			return ops[op].name;
	return NULL;
}

/*
 * The operation that a user's thread has been at for too long, or NULL.  Those of
 * the machine wait for users, but have to come to their end when these have.
 */
static const char *stuck(void)
{
	int i, op;

	for (i = 0; i < NR_USERS * NR_THREADS; i++) {
		op = atomic_load(&shared->doing[i]);
		if (op >= 0 &&
		    seconds_now() - atomic_load(&shared->since[i]) > STUCK)
			return ops[op].name;
	}
	return NULL;
}

static void print_table(void)
{
	int op, i;

	for (op = 0; op < NR_OPS; op++) {
		printf("# %-20s %8u", ops[op].name,
		       atomic_load(&shared->done[op]));
		for (i = 0; ops[op].errnos[i]; i++)
			printf("  %s %u", strerrorname_np(ops[op].errnos[i]),
			       atomic_load(&shared->refused[op][i]));
		printf("\n");
	}
}

static unsigned int number(const char *name, unsigned int preset)
{
	const char *value = getenv(name);

	return value && *value ? strtoul(value, NULL, 0) : preset;
}

FIXTURE(soak) {
	int iommufd;
	pid_t pids[NR_USERS + 1];
};

FIXTURE_SETUP(soak)
{
	int i, kind;

	REQUIRE_IOMMU();
	for (i = 0; i < NR_PCI; i++)
		REQUIRE_DEVICE(pci_names[i]);
	ASSERT_EQ(0, module_load(MODULE));
	for (i = 0; i < NR_MDEVS; i++)
		ASSERT_EQ(0, create_mdev(uuids[i]));
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	for (i = 0; i < NR_USERS; i++)
		for (kind = NODE; kind <= GROUP; kind++)
			ASSERT_EQ(0, socketpair(AF_UNIX,
						SOCK_DGRAM | SOCK_NONBLOCK |
						SOCK_CLOEXEC, 0,
						passed[i][kind]));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	shared->users = NR_USERS;
	for (i = 0; i < NR_TASKS; i++)
		shared->doing[i] = -1;
}

/* Every device can be had by its node and by its group. */
FIXTURE_TEARDOWN(soak)
{
	int i, file;

	EXPECT_EQ(0, close(self->iommufd));
	self->iommufd = iommu_open();
	for (i = 0; i < NR_DEVICES; i++) {
		file = open_node(i);
		EXPECT_LE(0, file);
		EXPECT_EQ(0, vfio_bind(file, self->iommufd, NULL))
			TH_LOG("%s", device_name(i));
		EXPECT_EQ(0, close(file));
		file = open_group(i);
		EXPECT_LE(0, file)
			TH_LOG("%s", device_name(i));
		EXPECT_EQ(0, close(file));
	}
	EXPECT_EQ(0, close(self->iommufd));
	for (i = 0; i < NR_MDEVS; i++)
		EXPECT_EQ(0, mdev_remove(uuids[i]));
}

static void close_sockets(void)
{
	int i;

	for (i = 0; i < NR_USERS; i++) {
		close(passed[i][NODE][0]);
		close(passed[i][NODE][1]);
		close(passed[i][GROUP][0]);
		close(passed[i][GROUP][1]);
	}
}

static void start_processes(struct __test_metadata *_metadata,
			    struct _test_data_soak *self, unsigned int seed)
{
	int i;

	for (i = 0; i <= MACHINE; i++) {
		/* The machine waits for files to be closed: it has none. */
		if (i == MACHINE)
			close_sockets();
		self->pids[i] = fork();
		ASSERT_LE(0, self->pids[i]);
		if (!self->pids[i])
			run_process(i, seed, self->iommufd);
	}
}

/* Waits a second at most: how many processes have ended, and well. */
static int count_ended(struct _test_data_soak *self)
{
	int i, status, ended = 0;

	sleep_ms(100);
	for (i = 0; i <= MACHINE; i++) {
		if (self->pids[i] &&
		    waitpid(self->pids[i], &status, WNOHANG) == self->pids[i]) {
			self->pids[i] = 0;
			if (status)
				atomic_store(&shared->bad, true);
		}
		ended += !self->pids[i];
	}
	return ended;
}

static void kill_processes(struct _test_data_soak *self)
{
	int i;

	for (i = 0; i <= MACHINE; i++)
		if (self->pids[i])
			kill(self->pids[i], SIGKILL);
}

static bool is_over(long end)
{
	if (seconds_now() < end)
		return false;
	return !never_done() || seconds_now() >= end + PATIENCE;
}

/* Until time is up, or something goes wrong, and then until all have ended */
static void watch_processes(struct __test_metadata *_metadata,
			    struct _test_data_soak *self, unsigned int seconds)
{
	long end = seconds_now() + seconds;
	const char *name;

	while (count_ended(self) <= MACHINE) {
		if (is_over(end) || atomic_load(&shared->bad))
			atomic_store(&shared->stop, true);
		name = stuck();
		ASSERT_EQ(NULL, name) {
			TH_LOG("no progress of \"%s\"", name);
			print_table();
			kill_processes(self);
		}
		ASSERT_GT(end + PATIENCE + STUCK, seconds_now()) {
			TH_LOG("a process does not end");
			kill_processes(self);
		}
	}
}

TEST_F_TIMEOUT(soak, all, 24 * 60 * 60)
{
	unsigned int seed = number("SOAK_SEED", time(NULL));
	unsigned int seconds = number("SOAK_SECONDS", 60);
	const char *name;

	printf("# SOAK_SEED=%u SOAK_SECONDS=%u\n", seed, seconds);
	fflush(stdout);
	start_processes(_metadata, self, seed);
	watch_processes(_metadata, self, seconds);
	print_table();
	EXPECT_FALSE(atomic_load(&shared->bad));
	name = never_done();
	EXPECT_EQ(NULL, name)
		TH_LOG("\"%s\" never succeeded", name ?: "");
}

TEST_HARNESS_MAIN
