/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtual machines, the VFIO device of one, and a look at whether KVM takes its
 * devices' DMA for coherent.  All functions return 0 (or what is said) or a
 * negative errno.
 */
#ifndef VFIO_LIB_KVM_H
#define VFIO_LIB_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/* File descriptors of a new VM, and of its VFIO device. */
int kvm_create_vm(void);
int kvm_create_vfio(int vm);

/* @attr: KVM_DEV_VFIO_FILE_ADD or _DEL */
int kvm_vfio_file(int kvm_vfio, uint64_t attr, int fd);

static inline int kvm_vfio_add(int kvm_vfio, int fd)
{
	return kvm_vfio_file(kvm_vfio, KVM_DEV_VFIO_FILE_ADD, fd);
}

static inline int kvm_vfio_del(int kvm_vfio, int fd)
{
	return kvm_vfio_file(kvm_vfio, KVM_DEV_VFIO_FILE_DEL, fd);
}

/* Is there a VM that this process made and knew by this descriptor? */
bool kvm_vm_exists(int vm);

#define KVM_GUEST_VCPUS		16
#define KVM_GUEST_ROUNDS	5

/*
 * Virtual CPUs that flush the caches, each between every other pair of its
 * exits.
 */
struct kvm_guest {
	int vcpus[KVM_GUEST_VCPUS];
	struct kvm_run *runs[KVM_GUEST_VCPUS];
	uint32_t run_size;
	void *mem;
};

int kvm_guest_open(struct kvm_guest *guest, int vm);
void kvm_guest_close(struct kvm_guest *guest);

/* How many calls of one CPU to the other the guest's flushes cost: see below. */
int kvm_guest_count_calls(struct kvm_guest *guest);

/*
 * Do the guest's flushes of the caches reach the host's?  1 or 0.
 *
 * They do if DMA of the VM's devices may bypass the caches: then KVM also
 * flushes the CPUs that a virtual CPU was on before, by a call of one CPU to
 * the other.  So each virtual CPU goes to the first CPU and from there to the
 * second, where it flushes, KVM_GUEST_ROUNDS times.  That makes 80 calls or
 * none, on top of the scheduler's, which are two to four in a round.  More than
 * 50 are a yes, if they are that many a second time: what else goes on in the
 * machine may add some.
 */
int kvm_guest_flushes(struct kvm_guest *guest);

#endif
