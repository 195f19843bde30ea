// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM and VFIO know of each other: the virtual machine that a device is
 * opened for, and whether the device's DMA is coherent.
 *
 * KVM calls with locks held that drivers of devices take in open_device(), so
 * nothing of VFIO that is held there may be taken: neither a group_lock nor the
 * lock of a set of devices.  Neither of the modules needs the other one.
 */
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>
#if IS_ENABLED(CONFIG_KVM)
/* Not every architecture has what this includes. */
#include <linux/kvm_host.h>
#endif

#include "vfio.h"

/**
 * vfio_kvm_link_init - Prepare a link, of no virtual machine yet
 * @link: of a group or of a device's file
 */
void vfio_kvm_link_init(struct vfio_kvm_link *link)
{
	spin_lock_init(&link->lock);
	link->kvm = NULL;
}

/**
 * vfio_kvm_link_set - Note the virtual machine that files are used for
 * @link: of a group or of a device's file
 * @kvm: the virtual machine, which stays until it is replaced; or NULL
 *
 * A device that is open already does not hear of it.
 *
 * Context: Any lock of KVM's may be held.
 */
void vfio_kvm_link_set(struct vfio_kvm_link *link, struct kvm *kvm)
{
	spin_lock(&link->lock);
	link->kvm = kvm;
	spin_unlock(&link->lock);
}

#if IS_ENABLED(CONFIG_KVM)
/**
 * vfio_kvm_link_get - Take a reference on the virtual machine
 * @link: of a group or of a device's file
 *
 * Context: May sleep.
 * Return: the virtual machine, to be given back with vfio_kvm_put(); NULL when
 * there is none, or it is going away.
 */
struct kvm *vfio_kvm_link_get(struct vfio_kvm_link *link)
{
	bool (*get_safe)(struct kvm *kvm);
	struct kvm *kvm;

	get_safe = symbol_get(kvm_get_kvm_safe);
	if (!get_safe)
		return NULL;

	spin_lock(&link->lock);
	kvm = link->kvm;
	if (kvm && !get_safe(kvm))
		kvm = NULL;
	spin_unlock(&link->lock);

	symbol_put(kvm_get_kvm_safe);
	return kvm;
}

/**
 * vfio_kvm_put - Give a reference of vfio_kvm_link_get() back
 * @kvm: the virtual machine, or NULL
 *
 * Context: May sleep; no lock that KVM takes to destroy a virtual machine.
 */
void vfio_kvm_put(struct kvm *kvm)
{
	void (*put)(struct kvm *kvm);

	if (!kvm)
		return;

	/* Where there is a virtual machine there is KVM. */
	put = symbol_get(kvm_put_kvm);
	if (WARN_ON(!put))
		return;
	put(kvm);
	symbol_put(kvm_put_kvm);
}
#else
struct kvm *vfio_kvm_link_get(struct vfio_kvm_link *link)
{
	return NULL;
}

void vfio_kvm_put(struct kvm *kvm)
{
}
#endif

/**
 * vfio_group_set_container - Set a group's container for all to see
 * @group: group
 * @container: its container, or NULL
 *
 * Context: With group_lock.
 */
void vfio_group_set_container(struct vfio_group *group,
			      struct vfio_container *container)
{
	lockdep_assert_held(&group->group_lock);

	spin_lock(&group->kvm.lock);
	group->container = container;
	spin_unlock(&group->kvm.lock);
}

/**
 * vfio_group_set_iommufd - Set the iommufd that is a group's container
 * @group: group
 * @iommufd: file of the iommufd, or NULL
 * @kind: what the group counts as there
 *
 * Context: With group_lock.
 */
void vfio_group_set_iommufd(struct vfio_group *group, struct file *iommufd,
			    enum iommufd_vfio_group kind)
{
	lockdep_assert_held(&group->group_lock);

	spin_lock(&group->kvm.lock);
	group->iommufd = iommufd;
	group->iommufd_kind = kind;
	spin_unlock(&group->kvm.lock);
}

/**
 * vfio_group_enforces_coherency - Can no DMA of a group bypass the CPU's caches
 * @group: group
 *
 * With a container it is told by that, whose address space may change its mind
 * when groups come and go.  A group that has none yet counts as coherent.
 *
 * Context: May sleep.  Any lock of KVM's may be held.
 * Return: true when there is none.
 */
bool vfio_group_enforces_coherency(struct vfio_group *group)
{
	bool has_iommufd, coherent;

	spin_lock(&group->kvm.lock);
	has_iommufd = group->iommufd;
	coherent = group->iommufd_kind == IOMMUFD_VFIO_COHERENT;
	spin_unlock(&group->kvm.lock);

	return has_iommufd ? coherent : vfio_group_container_is_coherent(group);
}
