// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VFIO device of a virtual machine, which takes files of groups and of
 * devices, and tells KVM whether their DMA is coherent:
 *
 *    VM ---- KVM's VFIO device --+-- file of a device's node, bound or not
 *                                +-- file of a group
 *
 * The machine's topology says what the answer is: QEMU's VT-d has no snoop
 * control unless told so (vtd-snoop), AMD-Vi always keeps DMA coherent and the
 * virtio IOMMU cannot promise it.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "../../../../drivers/vfio/mdev/test_mdev.h"
#include "fail.h"
#include "kvm.h"
#include "mdev.h"
#include "type1.h"
#include "vfio_test.h"

#define NO_FD		4711
#define MODULE		"/t/test_mdev.ko"
#define UUID		"6d4f7e52-1d0c-4f5b-9a2e-2c5d1c0a8e11"

static bool dma_may_bypass_caches(void)
{
	return iommu_is("vtd") || iommu_is("virtio");
}

/* A VM with a VFIO device; a device's node, not bound yet; an iommufd. */
FIXTURE(kvm) {
	int vm;
	int kv;
	const char *bdf;
	int dev;
	int iommufd;
	uint32_t ioas;
};

static void open_vm(struct __test_metadata *_metadata,
		    struct _test_data_kvm *self)
{
	self->vm = kvm_create_vm();
	ASSERT_LE(0, self->vm);
	self->kv = kvm_create_vfio(self->vm);
	ASSERT_LE(0, self->kv);
}

static void open_device(struct __test_metadata *_metadata,
			struct _test_data_kvm *self)
{
	self->dev = vfio_cdev_open(self->bdf);
	ASSERT_LE(0, self->dev);
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
}

FIXTURE_SETUP(kvm)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("TESTDEV0");
	open_vm(_metadata, self);
	open_device(_metadata, self);
}

/* Close what is open and look whether anything is left. */
static void expect_all_gone(struct __test_metadata *_metadata,
			    struct _test_data_kvm *self)
{
	int vm = self->vm, iommufd = iommu_open(), dev;

	if (self->kv >= 0)
		EXPECT_EQ(0, close(self->kv));
	if (self->vm >= 0)
		EXPECT_EQ(0, close(self->vm));
	if (self->dev >= 0)
		EXPECT_EQ(0, close(self->dev));
	if (self->iommufd >= 0)
		EXPECT_EQ(0, close(self->iommufd));
	if (vm >= 0)
		EXPECT_FALSE(kvm_vm_exists(vm));
	ASSERT_LE(0, iommufd);
	dev = vfio_cdev_open(self->bdf);
	EXPECT_LE(0, dev);
	EXPECT_EQ(0, vfio_bind(dev, iommufd, NULL));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(iommufd));
}

FIXTURE_TEARDOWN(kvm)
{
	expect_all_gone(_metadata, self);
}

static int attr(int kv, uint32_t group, uint64_t attr, const void *addr)
{
	struct kvm_device_attr cmd = {
		.group = group,
		.attr = attr,
		.addr = (uintptr_t)addr,
	};

	return xioctl(kv, KVM_SET_DEVICE_ATTR, &cmd);
}

static int has_attr(int kv, uint32_t group, uint64_t attr)
{
	struct kvm_device_attr cmd = { .group = group, .attr = attr };

	return xioctl(kv, KVM_HAS_DEVICE_ATTR, &cmd);
}

/* ---- what is refused ---- */

/* No such fd: EBADF. */
TEST_F(kvm, bad_fd)
{
	static const int fds[] = { -1, NO_FD, INT32_MIN, INT32_MAX };
	int i, path = open("/dev/null", O_PATH);

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_EQ(-EBADF, kvm_vfio_add(self->kv, fds[i]));
		EXPECT_EQ(-EBADF, kvm_vfio_del(self->kv, fds[i]));
	}
	ASSERT_LE(0, path);
	EXPECT_EQ(-EBADF, kvm_vfio_add(self->kv, path));
	close(path);
}

/* Not a file of VFIO's groups or devices: EINVAL; nor can it be removed. */
TEST_F(kvm, not_of_vfio)
{
	int fds[] = {
		open("/dev/null", O_RDWR), eventfd(0, 0),
		open("/dev/vfio/vfio", O_RDWR), open("/dev/kvm", O_RDWR),
		dup(self->iommufd), dup(self->vm), dup(self->kv),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_LE(0, fds[i]);
		EXPECT_EQ(-EINVAL, kvm_vfio_add(self->kv, fds[i]))
			TH_LOG("file %d", i);
		EXPECT_EQ(-ENOENT, kvm_vfio_del(self->kv, fds[i]))
			TH_LOG("file %d", i);
		close(fds[i]);
	}
}

/* An argument that cannot be read: EFAULT. */
TEST_F(kvm, bad_pointer)
{
	EXPECT_EQ(-EFAULT, attr(self->kv, KVM_DEV_VFIO_FILE,
				KVM_DEV_VFIO_FILE_ADD, NULL));
	EXPECT_EQ(-EFAULT, attr(self->kv, KVM_DEV_VFIO_FILE,
				KVM_DEV_VFIO_FILE_DEL, NULL));
}

/* Unknown attributes: ENXIO, whether set or asked for. */
TEST_F(kvm, unknown_attribute)
{
	static const struct {
		uint32_t group;
		uint64_t attr;
	} unknown[] = {
		{ 0, KVM_DEV_VFIO_FILE_ADD },
		{ 2, KVM_DEV_VFIO_FILE_ADD },
		{ KVM_DEV_VFIO_FILE, 0 },
		{ KVM_DEV_VFIO_FILE, KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE },
		{ KVM_DEV_VFIO_FILE, 99 },
	};
	int32_t fd = self->dev;
	int i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-ENXIO, attr(self->kv, unknown[i].group,
				       unknown[i].attr, &fd));
		EXPECT_EQ(-ENXIO, has_attr(self->kv, unknown[i].group,
					   unknown[i].attr));
	}
	EXPECT_EQ(0, has_attr(self->kv, KVM_DEV_VFIO_FILE,
			      KVM_DEV_VFIO_FILE_ADD));
	EXPECT_EQ(0, has_attr(self->kv, KVM_DEV_VFIO_FILE,
			      KVM_DEV_VFIO_FILE_DEL));
}

/* The same file twice: EEXIST, by whatever descriptor. */
TEST_F(kvm, add_twice)
{
	int copy = dup(self->dev);

	ASSERT_LE(0, copy);
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	EXPECT_EQ(-EEXIST, kvm_vfio_add(self->kv, self->dev));
	EXPECT_EQ(-EEXIST, kvm_vfio_add(self->kv, copy));
	EXPECT_EQ(0, kvm_vfio_del(self->kv, copy));
	EXPECT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	close(copy);
}

/* A file that is not there, or not any more: ENOENT. */
TEST_F(kvm, del_not_added)
{
	EXPECT_EQ(-ENOENT, kvm_vfio_del(self->kv, self->dev));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, self->dev));
	EXPECT_EQ(-ENOENT, kvm_vfio_del(self->kv, self->dev));
}

/* Two files of a device are two. */
TEST_F(kvm, second_open)
{
	int second = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, second);
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	EXPECT_EQ(-ENOENT, kvm_vfio_del(self->kv, second));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, second));
	ASSERT_EQ(0, vfio_bind(second, self->iommufd, NULL));
	EXPECT_EQ(0, kvm_vfio_del(self->kv, self->dev));
	EXPECT_EQ(0, kvm_vfio_del(self->kv, second));
	close(second);
}

/* A VM has one such device. */
TEST_F(kvm, one_for_a_vm)
{
	EXPECT_EQ(-EBUSY, kvm_create_vfio(self->vm));
	ASSERT_EQ(0, close(self->kv));
	self->kv = kvm_create_vfio(self->vm);
	EXPECT_LE(0, self->kv);
}

/* A file may be given to two VMs; each lets go of it by itself. */
TEST_F(kvm, two_vms)
{
	int vm = kvm_create_vm(), kv = kvm_create_vfio(vm);

	ASSERT_LE(0, kv);
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	ASSERT_EQ(0, kvm_vfio_add(kv, self->dev));
	ASSERT_EQ(0, close(self->kv));
	self->kv = -1;
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(0, kvm_vfio_del(kv, self->dev));
	close(kv);
	close(vm);
	EXPECT_FALSE(kvm_vm_exists(vm));
}

/* For want of memory ADD may fail, and then has done nothing at all. */
TEST_F(kvm, no_memory)
{
	int fail = fail_nth_open(), rc, failed;
	unsigned int nth, refused = 0;

	ASSERT_LE(0, fail);
	for (nth = 1, failed = 1; failed; nth++) {
		ASSERT_EQ(0, fail_nth_arm(fail, nth));
		rc = kvm_vfio_add(self->kv, self->dev);
		failed = fail_nth_disarm(fail);
		ASSERT_LE(0, failed);
		if (rc) {
			ASSERT_EQ(-ENOMEM, rc);
			refused++;
		}
		EXPECT_EQ(rc ? -ENOENT : 0, kvm_vfio_del(self->kv, self->dev));
	}
	EXPECT_EQ(0, rc);
	EXPECT_LT(0, refused);
	close(fail);
}

/* ---- the device's file, over its life ---- */

/* The order of a VMM: ADD, BIND, ATTACH, and back: DETACH, DEL, close. */
TEST_F(kvm, order_of_a_vmm)
{
	struct vfio_device_info info;
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	EXPECT_EQ(-EEXIST, kvm_vfio_add(self->kv, self->dev));
	EXPECT_EQ(0, vfio_get_info(self->dev, &info));
	EXPECT_EQ(0, vfio_detach(self->dev));
	EXPECT_EQ(0, kvm_vfio_del(self->kv, self->dev));
	EXPECT_EQ(0, vfio_get_info(self->dev, &info));
}

/* In any state, again and again. */
TEST_F(kvm, add_and_del)
{
	uint32_t pt = self->ioas;
	int i;

	for (i = 0; i < 3; i++) {
		if (i == 1)
			ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
		if (i == 2)
			ASSERT_EQ(0, vfio_attach(self->dev, &pt));
		ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
		ASSERT_EQ(0, kvm_vfio_del(self->kv, self->dev));
		ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
		ASSERT_EQ(0, kvm_vfio_del(self->kv, self->dev));
	}
}

/* KVM holds the file, and so a bound device, until it is told to let go. */
TEST_F(kvm, holds_the_file)
{
	int dev = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	ASSERT_EQ(0, close(self->dev));
	self->dev = dev;
	EXPECT_EQ(-EINVAL, vfio_bind(dev, self->iommufd, NULL));
	ASSERT_EQ(0, close(self->kv));
	self->kv = -1;
	EXPECT_EQ(0, vfio_bind(dev, self->iommufd, NULL));
}

/* A device that went away can still be removed, and added: it is a file. */
TEST_F(kvm, device_goes_away)
{
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	ASSERT_EQ(0, pci_unbind_driver(self->bdf));
	EXPECT_EQ(0, kvm_vfio_del(self->kv, self->dev));
	EXPECT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	EXPECT_EQ(-ENODEV, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
	EXPECT_EQ(-ENODEV, vfio_bind(self->dev, self->iommufd, NULL));
}

/* ---- who keeps the VM ---- */

/* An open device keeps the VM that it was opened for. */
TEST_F(kvm, device_keeps_vm)
{
	int vm = self->vm;

	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, close(self->kv));
	ASSERT_EQ(0, close(vm));
	self->kv = -1;
	self->vm = -1;
	EXPECT_TRUE(kvm_vm_exists(vm));
	ASSERT_EQ(0, close(self->dev));
	self->dev = -1;
	EXPECT_FALSE(kvm_vm_exists(vm));
}

/* So does one of a group, which is opened more than once. */
TEST_F(kvm, device_of_a_group_keeps_vm)
{
	int vm = self->vm, dev[2];
	struct type1 t1;

	ASSERT_EQ(0, type1_open(&t1, self->bdf));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, t1.group));
	dev[0] = vfio_group_get_device(t1.group, self->bdf);
	ASSERT_LE(0, dev[0]);
	dev[1] = vfio_group_get_device(t1.group, self->bdf);
	ASSERT_LE(0, dev[1]);
	ASSERT_EQ(0, close(self->kv));
	ASSERT_EQ(0, close(vm));
	self->kv = -1;
	self->vm = -1;
	EXPECT_TRUE(kvm_vm_exists(vm));
	ASSERT_EQ(0, close(dev[0]));
	EXPECT_TRUE(kvm_vm_exists(vm));
	ASSERT_EQ(0, close(dev[1]));
	EXPECT_FALSE(kvm_vm_exists(vm));
	type1_close(&t1);
}

/* What is opened by itself knows no VM: a file that is added later keeps none. */
TEST_F(kvm, late_add_keeps_no_vm)
{
	int vm = self->vm;

	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	ASSERT_EQ(0, close(vm));
	self->vm = -1;
	EXPECT_TRUE(kvm_vm_exists(vm));
	ASSERT_EQ(0, close(self->kv));
	self->kv = -1;
	EXPECT_FALSE(kvm_vm_exists(vm));
}

/* Nor does one that was removed before it was bound. */
TEST_F(kvm, del_before_bind_keeps_no_vm)
{
	int vm = self->vm;

	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, self->dev));
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	ASSERT_EQ(0, close(vm));
	ASSERT_EQ(0, close(self->kv));
	self->vm = -1;
	self->kv = -1;
	EXPECT_FALSE(kvm_vm_exists(vm));
}

/* ---- the end, in any order ---- */

#define NR_FILES	4
#define NR_ORDERS	24

/* The @nr-th order of the numbers from 0 to NR_FILES - 1. */
static void make_order(int nr, int *order)
{
	int left[NR_FILES], i, j, which;

	for (i = 0; i < NR_FILES; i++)
		left[i] = i;
	for (i = NR_FILES; i > 0; i--) {
		which = nr % i;
		nr /= i;
		order[NR_FILES - i] = left[which];
		for (j = which; j < i - 1; j++)
			left[j] = left[j + 1];
	}
}

static void close_in_order(struct __test_metadata *_metadata,
			   struct _test_data_kvm *self, int nr)
{
	int *files[NR_FILES] = {
		&self->vm, &self->kv, &self->dev, &self->iommufd
	};
	int order[NR_FILES], i, vm = self->vm;

	make_order(nr, order);
	for (i = 0; i < NR_FILES; i++) {
		EXPECT_EQ(0, close(*files[order[i]]));
		*files[order[i]] = -1;
	}
	EXPECT_FALSE(kvm_vm_exists(vm))
		TH_LOG("order %d%d%d%d", order[0], order[1], order[2],
		       order[3]);
}

/* VM first, KVM's VFIO device first, device first, iommufd first... */
TEST_F(kvm, close_in_any_order)
{
	uint32_t pt;
	int nr;

	for (nr = 0; nr < NR_ORDERS; nr++) {
		pt = self->ioas;
		ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
		ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
		ASSERT_EQ(0, vfio_attach(self->dev, &pt));
		close_in_order(_metadata, self, nr);
		expect_all_gone(_metadata, self);
		open_vm(_metadata, self);
		open_device(_metadata, self);
	}
}

/* In a child: everything open, and the guest runs until it is killed. */
static void run_guest_and_tell(struct _test_data_kvm *self, int tell)
{
	static struct kvm_guest guest;
	uint32_t pt = self->ioas;

	if (!kvm_vfio_add(self->kv, self->dev) &&
	    !vfio_bind(self->dev, self->iommufd, NULL) &&
	    !vfio_attach(self->dev, &pt) && !kvm_guest_open(&guest, self->vm))
		while (kvm_guest_flushes(&guest) >= 0 &&
		       write(tell, "", 1) == 1)
			;
	_exit(1);
}

/* All at once, by a kill. */
TEST_F(kvm, kill)
{
	int tell[2], status;
	char byte;
	pid_t pid;

	/* A VM belongs to the process that made it. */
	ASSERT_EQ(0, close(self->kv));
	ASSERT_EQ(0, close(self->vm));
	self->kv = -1;
	self->vm = -1;
	ASSERT_EQ(0, pipe(tell));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		self->vm = kvm_create_vm();
		self->kv = kvm_create_vfio(self->vm);
		run_guest_and_tell(self, tell[1]);
	}
	ASSERT_EQ(0, close(self->dev));
	ASSERT_EQ(0, close(self->iommufd));
	self->dev = -1;
	self->iommufd = -1;
	ASSERT_EQ(0, close(tell[1]));
	EXPECT_EQ(1, read(tell[0], &byte, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	close(tell[0]);
}

/* ---- coherency ---- */

/* Known before BIND, and the same after each step and back. */
TEST_F(kvm, coherency_does_not_change)
{
	bool bypass = dma_may_bypass_caches();
	struct kvm_guest guest;
	uint32_t pt = self->ioas;

	ASSERT_EQ(0, kvm_guest_open(&guest, self->vm));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	EXPECT_EQ(bypass, kvm_guest_flushes(&guest));
	ASSERT_EQ(0, vfio_bind(self->dev, self->iommufd, NULL));
	EXPECT_EQ(bypass, kvm_guest_flushes(&guest));
	ASSERT_EQ(0, vfio_attach(self->dev, &pt));
	EXPECT_EQ(bypass, kvm_guest_flushes(&guest));
	ASSERT_EQ(0, vfio_detach(self->dev));
	EXPECT_EQ(bypass, kvm_guest_flushes(&guest));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, self->dev));
	EXPECT_EQ(0, kvm_guest_flushes(&guest));
	kvm_guest_close(&guest);
}

/* It is known of a device that is there no more. */
TEST_F(kvm, coherency_outlives_the_device)
{
	bool bypass = dma_may_bypass_caches();
	struct kvm_guest guest;

	ASSERT_EQ(0, kvm_guest_open(&guest, self->vm));
	ASSERT_EQ(0, pci_unbind_driver(self->bdf));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	EXPECT_EQ(bypass, kvm_guest_flushes(&guest));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, self->dev));
	EXPECT_EQ(0, kvm_guest_flushes(&guest));
	ASSERT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
	kvm_guest_close(&guest);
}

#define NR_ADDERS	4

struct adder {
	const char *bdf;
	int kv;
	bool stop;
	unsigned int added;
	int error;
};

/* A new file of a device: ADD, BIND, DEL and close, over and over. */
static void *add_and_del(void *arg)
{
	struct adder *adder = arg;
	int iommufd = iommu_open(), dev;

	while (!adder->error &&
	       !__atomic_load_n(&adder->stop, __ATOMIC_RELAXED)) {
		dev = vfio_cdev_open(adder->bdf);
		adder->error = kvm_vfio_add(adder->kv, dev);
		if (adder->error)
			break;
		/* The other thread of this device may have it bound. */
		vfio_bind(dev, iommufd, NULL);
		adder->error = kvm_vfio_del(adder->kv, dev);
		close(dev);
		adder->added++;
	}
	close(iommufd);
	return NULL;
}

/* Adds, binds and removals at the same time leave the right answer. */
TEST_F(kvm, race)
{
	struct adder adders[NR_ADDERS] = {};
	pthread_t threads[NR_ADDERS];
	struct kvm_guest guest;
	int i;

	ASSERT_EQ(0, kvm_guest_open(&guest, self->vm));
	for (i = 0; i < NR_ADDERS; i++) {
		adders[i].bdf = REQUIRE_DEVICE(i % 2 ? "EDU0" : "TESTDEV0");
		adders[i].kv = self->kv;
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, add_and_del,
					    &adders[i]));
	}
	sleep(2);
	for (i = 0; i < NR_ADDERS; i++)
		__atomic_store_n(&adders[i].stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_ADDERS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, adders[i].error);
		EXPECT_LT(0, adders[i].added);
	}
	EXPECT_EQ(0, kvm_guest_flushes(&guest));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->dev));
	EXPECT_EQ(dma_may_bypass_caches(), kvm_guest_flushes(&guest));
	kvm_guest_close(&guest);
}

/* A VM that runs, and a device opened in one of the ways. */
FIXTURE(coherency) {
	struct kvm_guest guest;
	int vm;
	int kv;
	const char *bdf;
	struct space space;
	struct member member;
	int file;		/* what KVM is told of */
};

enum file {
	FILE_UNBOUND,
	FILE_BOUND,
	FILE_GROUP,
	FILE_GROUP_ALONE,
	FILE_GROUP_IOMMUFD,
	FILE_DEVICE_OF_GROUP,
};

FIXTURE_VARIANT(coherency) {
	enum file file;
};

FIXTURE_VARIANT_ADD(coherency, unbound) { .file = FILE_UNBOUND };
FIXTURE_VARIANT_ADD(coherency, bound) { .file = FILE_BOUND };
FIXTURE_VARIANT_ADD(coherency, group) { .file = FILE_GROUP };
FIXTURE_VARIANT_ADD(coherency, group_alone) { .file = FILE_GROUP_ALONE };
FIXTURE_VARIANT_ADD(coherency, group_iommufd) { .file = FILE_GROUP_IOMMUFD };
FIXTURE_VARIANT_ADD(coherency, device_of_group) {
	.file = FILE_DEVICE_OF_GROUP
};

static enum way way_to(enum file file)
{
	if (file == FILE_UNBOUND || file == FILE_BOUND)
		return WAY_CDEV;
	return file == FILE_GROUP_IOMMUFD ? WAY_COMPAT : WAY_TYPE1;
}

static int open_file(struct _test_data_coherency *self, enum file file)
{
	int rc;

	if (file == FILE_UNBOUND)
		self->member.dev = vfio_cdev_open(self->bdf);
	if (file == FILE_GROUP_ALONE)
		self->member.group = vfio_group_open(self->bdf);
	if (file == FILE_UNBOUND)
		return self->member.dev;
	if (file == FILE_GROUP_ALONE)
		return self->member.group;

	rc = space_add_pci(&self->space, &self->member, self->bdf);
	if (rc)
		return rc;
	if (file == FILE_BOUND || file == FILE_DEVICE_OF_GROUP)
		return self->member.dev;
	return self->member.group;
}

FIXTURE_SETUP(coherency)
{
	self->member = (struct member){ .group = -1, .dev = -1 };
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("TESTDEV0");
	self->vm = kvm_create_vm();
	ASSERT_LE(0, self->vm);
	self->kv = kvm_create_vfio(self->vm);
	ASSERT_LE(0, self->kv);
	ASSERT_EQ(0, kvm_guest_open(&self->guest, self->vm));
	ASSERT_EQ(0, space_open(&self->space, way_to(variant->file)));
	self->file = open_file(self, variant->file);
	ASSERT_LE(0, self->file);
}

FIXTURE_TEARDOWN(coherency)
{
	kvm_guest_close(&self->guest);
	close(self->vm);
	close(self->kv);
	member_close(&self->member);
	space_close(&self->space);
	EXPECT_FALSE(kvm_vm_exists(self->vm));
}

/* A group without container counts as coherent. */
static bool bypasses(enum file file)
{
	return file != FILE_GROUP_ALONE && dma_may_bypass_caches();
}

/* The guest's flushes count exactly as long as the file is there. */
TEST_F(coherency, comes_and_goes)
{
	bool bypass = bypasses(variant->file);
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
		ASSERT_EQ(0, kvm_vfio_add(self->kv, self->file));
		EXPECT_EQ(bypass, kvm_guest_flushes(&self->guest));
		EXPECT_EQ(-EEXIST, kvm_vfio_add(self->kv, self->file));
		EXPECT_EQ(bypass, kvm_guest_flushes(&self->guest));
		ASSERT_EQ(0, kvm_vfio_del(self->kv, self->file));
		EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
	}
}

/* The file goes with KVM's VFIO device. */
TEST_F(coherency, goes_with_the_list)
{
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->file));
	EXPECT_EQ(bypasses(variant->file), kvm_guest_flushes(&self->guest));
	ASSERT_EQ(0, close(self->kv));
	EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
	self->kv = kvm_create_vfio(self->vm);
	ASSERT_LE(0, self->kv);
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->file));
	EXPECT_EQ(bypasses(variant->file), kvm_guest_flushes(&self->guest));
}

/* Of two files, the last one that may bypass caches counts. */
TEST_F(coherency, two_files)
{
	bool bypass = bypasses(variant->file);
	int other = vfio_cdev_open(REQUIRE_DEVICE("EDU0"));

	ASSERT_LE(0, other);
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->file));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, other));
	EXPECT_EQ(dma_may_bypass_caches(), kvm_guest_flushes(&self->guest));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, other));
	EXPECT_EQ(bypass, kvm_guest_flushes(&self->guest));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, other));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, self->file));
	EXPECT_EQ(dma_may_bypass_caches(), kvm_guest_flushes(&self->guest));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, other));
	EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
	close(other);
}

/* ---- mediated devices ---- */

/* The test device, which tells whether it saw a VM when it was opened. */
FIXTURE(mdev) {
	struct kvm_guest guest;
	int vm;
	int kv;
	struct space space;
	struct member member;
};

FIXTURE_VARIANT(mdev) {
	enum way way;
};

FIXTURE_VARIANT_ADD(mdev, type1) { .way = WAY_TYPE1 };
FIXTURE_VARIANT_ADD(mdev, compat) { .way = WAY_COMPAT };
FIXTURE_VARIANT_ADD(mdev, cdev) { .way = WAY_CDEV };

FIXTURE_SETUP(mdev)
{
	self->member = (struct member){ .group = -1, .dev = -1 };
	REQUIRE_IOMMU();
	ASSERT_EQ(0, module_load(MODULE));
	mdev_remove(UUID);
	ASSERT_EQ(0, mdev_create("test_mdev", "test_mdev-dma", UUID));
	self->vm = kvm_create_vm();
	ASSERT_LE(0, self->vm);
	self->kv = kvm_create_vfio(self->vm);
	ASSERT_LE(0, self->kv);
	ASSERT_EQ(0, kvm_guest_open(&self->guest, self->vm));
	ASSERT_EQ(0, space_open(&self->space, variant->way));
}

FIXTURE_TEARDOWN(mdev)
{
	kvm_guest_close(&self->guest);
	close(self->vm);
	close(self->kv);
	member_close(&self->member);
	space_close(&self->space);
	EXPECT_FALSE(kvm_vm_exists(self->vm));
	EXPECT_EQ(0, mdev_remove(UUID));
}

static int open_mdev_file(enum way way)
{
	return way == WAY_CDEV ? mdev_cdev_open(UUID) : mdev_group_open(UUID);
}

/* The device itself, from the file that KVM may know. */
static int open_mdev(struct _test_data_mdev *self, int file)
{
	int rc;

	if (self->space.way == WAY_CDEV) {
		self->member.dev = file;
		return vfio_bind(file, self->space.fd, NULL);
	}
	self->member.group = file;
	rc = xioctl(file, VFIO_GROUP_SET_CONTAINER, &self->space.fd);
	if (!rc)
		rc = xioctl(self->space.fd, VFIO_SET_IOMMU,
			    (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	if (rc)
		return rc;
	self->member.dev = vfio_group_get_device(file, UUID);
	return self->member.dev < 0 ? self->member.dev : 0;
}

static bool mdev_had_kvm(int dev)
{
	struct test_mdev_state state = {};

	return pread(dev, &state, sizeof(state),
		     (off_t)TEST_MDEV_REGS << 40) == sizeof(state) &&
	       state.had_kvm;
}

/* The driver sees the VM when it opens the device, and keeps it. */
TEST_F(mdev, driver_sees_vm)
{
	int file = open_mdev_file(variant->way);

	ASSERT_LE(0, file);
	ASSERT_EQ(0, kvm_vfio_add(self->kv, file));
	ASSERT_EQ(0, open_mdev(self, file));
	EXPECT_TRUE(mdev_had_kvm(self->member.dev));

	ASSERT_EQ(0, close(self->kv));
	kvm_guest_close(&self->guest);
	ASSERT_EQ(0, close(self->vm));
	EXPECT_TRUE(kvm_vm_exists(self->vm));
	member_close(&self->member);
	EXPECT_FALSE(kvm_vm_exists(self->vm));
	/* for the teardown */
	self->vm = kvm_create_vm();
	ASSERT_LE(0, self->vm);
	self->kv = kvm_create_vfio(self->vm);
	ASSERT_EQ(0, kvm_guest_open(&self->guest, self->vm));
}

/* It does not when KVM is told later, or not any more. */
TEST_F(mdev, driver_sees_no_vm)
{
	int file = open_mdev_file(variant->way);

	ASSERT_LE(0, file);
	ASSERT_EQ(0, kvm_vfio_add(self->kv, file));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, file));
	ASSERT_EQ(0, open_mdev(self, file));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, file));
	EXPECT_FALSE(mdev_had_kvm(self->member.dev));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, file));
}

/* Its DMA is done by the CPU, so that it is coherent, before and after. */
TEST_F(mdev, is_coherent)
{
	int file = open_mdev_file(variant->way);

	ASSERT_LE(0, file);
	ASSERT_EQ(0, kvm_vfio_add(self->kv, file));
	EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
	ASSERT_EQ(0, open_mdev(self, file));
	EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, file));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, file));
	EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
}

/*
 * In an address space with such a device it counts as before, unless type1
 * answers for all that is in there.  A file that a group gave out counts as the
 * group.
 */
TEST_F(mdev, in_a_space_with_another)
{
	bool bypass = variant->way == WAY_TYPE1 && dma_may_bypass_caches();
	struct member other = { .group = -1, .dev = -1 };

	ASSERT_EQ(0, space_add_pci(&self->space, &other,
				   REQUIRE_DEVICE("TESTDEV0")));
	ASSERT_EQ(0, space_add_mdev(&self->space, &self->member, UUID));
	if (variant->way != WAY_CDEV) {
		ASSERT_EQ(0, kvm_vfio_add(self->kv, self->member.group));
		EXPECT_EQ(bypass, kvm_guest_flushes(&self->guest));
		ASSERT_EQ(0, kvm_vfio_del(self->kv, self->member.group));
		EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
	}
	ASSERT_EQ(0, kvm_vfio_add(self->kv, self->member.dev));
	EXPECT_EQ(bypass, kvm_guest_flushes(&self->guest));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, self->member.dev));
	EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
	member_close(&other);
}

/* Beside a device that may not be, it does not count. */
TEST_F(mdev, beside_another)
{
	int file = open_mdev_file(variant->way);
	int other = vfio_cdev_open(REQUIRE_DEVICE("TESTDEV0"));

	ASSERT_LE(0, file);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, open_mdev(self, file));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, file));
	ASSERT_EQ(0, kvm_vfio_add(self->kv, other));
	EXPECT_EQ(dma_may_bypass_caches(), kvm_guest_flushes(&self->guest));
	ASSERT_EQ(0, kvm_vfio_del(self->kv, other));
	EXPECT_EQ(0, kvm_guest_flushes(&self->guest));
	close(other);
}

TEST_HARNESS_MAIN
