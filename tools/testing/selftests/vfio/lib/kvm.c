// SPDX-License-Identifier: GPL-2.0-only
/* Virtual machines and their VFIO device. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu.h"
#include "kvm.h"

#define GUEST_BASE	0x1000UL
#define GUEST_SIZE	4096UL

/* In real mode, at GUEST_BASE.  Each OUT is an exit. */
static const unsigned char guest_code[] = {
	0xe6, 0x10,	/* 1: outb %al, $0x10 */
	0x0f, 0x09,	/*    wbinvd */
	0xe6, 0x10,	/*    outb %al, $0x10 */
	0xeb, 0xf8,	/*    jmp 1b */
};

int kvm_create_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm;

	if (kvm < 0)
		return -errno;
	vm = xioctl(kvm, KVM_CREATE_VM, NULL);
	close(kvm);
	return vm;
}

int kvm_create_vfio(int vm)
{
	struct kvm_create_device cmd = { .type = KVM_DEV_TYPE_VFIO };
	int rc = xioctl(vm, KVM_CREATE_DEVICE, &cmd);

	return rc ? rc : (int)cmd.fd;
}

int kvm_vfio_file(int kvm_vfio, uint64_t attr, int fd)
{
	int32_t arg = fd;
	struct kvm_device_attr cmd = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = attr,
		.addr = (uintptr_t)&arg,
	};

	return xioctl(kvm_vfio, KVM_SET_DEVICE_ATTR, &cmd);
}

/* KVM has a directory for each, named after its maker. */
bool kvm_vm_exists(int vm)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d", getpid(),
		 vm);
	return !access(path, F_OK);
}

/* ---- a guest ---- */

static int vcpu_set_registers(int vcpu)
{
	struct kvm_regs regs = { .rip = GUEST_BASE, .rflags = 2 };
	struct kvm_sregs sregs;
	int rc;

	rc = xioctl(vcpu, KVM_GET_SREGS, &sregs);
	if (rc)
		return rc;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	rc = xioctl(vcpu, KVM_SET_SREGS, &sregs);
	if (rc)
		return rc;
	return xioctl(vcpu, KVM_SET_REGS, &regs);
}

static int guest_add_memory(struct kvm_guest *guest, int vm)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = GUEST_BASE,
		.memory_size = GUEST_SIZE,
	};

	guest->mem = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guest->mem == MAP_FAILED)
		return -errno;
	memcpy(guest->mem, guest_code, sizeof(guest_code));
	region.userspace_addr = (uintptr_t)guest->mem;
	return xioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int guest_add_vcpu(struct kvm_guest *guest, int vm, int i)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, i);

	if (vcpu < 0)
		return -errno;
	guest->vcpus[i] = vcpu;
	guest->runs[i] = mmap(NULL, guest->run_size, PROT_READ | PROT_WRITE,
			      MAP_SHARED, vcpu, 0);
	if (guest->runs[i] == MAP_FAILED)
		return -errno;
	return vcpu_set_registers(vcpu);
}

static int vcpu_mmap_size(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), size;

	if (kvm < 0)
		return -errno;
	size = xioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	close(kvm);
	return size;
}

int kvm_guest_open(struct kvm_guest *guest, int vm)
{
	int i, rc = vcpu_mmap_size();

	if (rc < 0)
		return rc;
	guest->run_size = rc;
	rc = guest_add_memory(guest, vm);
	for (i = 0; !rc && i < KVM_GUEST_VCPUS; i++)
		rc = guest_add_vcpu(guest, vm, i);
	return rc;
}

void kvm_guest_close(struct kvm_guest *guest)
{
	int i;

	for (i = 0; i < KVM_GUEST_VCPUS; i++) {
		munmap(guest->runs[i], guest->run_size);
		close(guest->vcpus[i]);
	}
	munmap(guest->mem, GUEST_SIZE);
}

/* ---- what its flushes cost ---- */

/* Until the next exit of each. */
static int guest_run_on(struct kvm_guest *guest, int cpu)
{
	cpu_set_t set;
	int i, rc;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return -errno;
	for (i = 0; i < KVM_GUEST_VCPUS; i++) {
		rc = xioctl(guest->vcpus[i], KVM_RUN, NULL);
		if (rc)
			return rc;
		if (guest->runs[i]->exit_reason != KVM_EXIT_IO)
			return -EIO;
	}
	return 0;
}

/* Calls from one CPU to the other since boot. */
static int count_calls(uint64_t *calls)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long long first, second;
	char line[512];
	int rc = -ENOENT;

	if (!f)
		return -errno;
	while (rc && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " CAL: %llu %llu", &first, &second) == 2) {
			*calls = first + second;
			rc = 0;
		}
	}
	fclose(f);
	return rc;
}

int kvm_guest_count_calls(struct kvm_guest *guest)
{
	uint64_t before, after;
	int i, rc;

	rc = count_calls(&before);
	for (i = 0; !rc && i < KVM_GUEST_ROUNDS; i++) {
		rc = guest_run_on(guest, 0);
		if (!rc)
			rc = guest_run_on(guest, 1);
	}
	if (!rc)
		rc = count_calls(&after);
	return rc ? rc : (int)(after - before);
}

int kvm_guest_flushes(struct kvm_guest *guest)
{
	int tries, calls;

	for (tries = 0; tries < 2; tries++) {
		calls = kvm_guest_count_calls(guest);
		if (calls <= 50)
			return calls < 0 ? calls : 0;
	}
	return 1;
}
