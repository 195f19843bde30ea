// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bound devices and their groups.
 *
 * A driver binds a device to the /dev/iommu file of the user who drives it.
 * What the IOMMU can tell apart is the iommu_group, so all that touches the
 * IOMMU is done for the group: its first bound device claims the group's DMA
 * from the kernel, its first attached device attaches it to a domain, and all
 * devices of a group share one HWPT.
 *
 * A bound device keeps the file open, so the context cannot go while there is
 * one.
 *
 * Locks: groups_lock of the context guards which groups there are and who is
 * bound to them.  The lock of a group guards what it is attached to; within it
 * come the domains_rwsem of one IOAS, or of two in the order of their ids.
 * Pages are faulted in before either is taken.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/irqdomain.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "device.h"
#include "hwpt.h"
#include "pages.h"
#include "trace.h"

static bool allow_unsafe_interrupts;
module_param(allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Bind devices although the platform does not isolate their interrupts: a user of such a device can raise any interrupt of the host");

/**
 * struct iommufd_group - an iommu_group with devices bound to a context
 * @item: on the context's groups
 * @group: the iommu_group, a reference
 * @bound: number of bound devices; guarded by the context's groups_lock
 * @lock: guards all that follows, and @attached of the devices
 * @attached: number of attached devices
 * @msi_base: I/O address of the platform's window for MSIs, PHYS_ADDR_MAX if it
 *	has none; known once the group was attached
 * @hwpt: what the group is attached to while @attached is not 0; held
 */
struct iommufd_group {
	struct list_head item;
	struct iommu_group *group;
	unsigned int bound;

	struct mutex lock; /* innermost of device.c */
	unsigned int attached;
	phys_addr_t msi_base;
	struct iommufd_hwpt *hwpt;
};

/**
 * struct iommufd_device - a device bound to a context
 * @obj: its id; the driver that bound it is a long-term user
 * @ictx: the context
 * @dev: the device; the driver that bound it keeps it
 * @igroup: its group
 * @attached: counts in the group's @attached; guarded by the group's lock
 */
struct iommufd_device {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct device *dev;
	struct iommufd_group *igroup;
	bool attached;
};

/* ---- binding ---- */

static struct iommufd_group *find_group(struct iommufd_ctx *ictx,
					struct iommu_group *group)
{
	struct iommufd_group *igroup;

	lockdep_assert_held(&ictx->groups_lock);

	list_for_each_entry(igroup, &ictx->groups, item)
		if (igroup->group == group)
			return igroup;
	return NULL;
}

static int refuse_claim(int ret)
{
	if (ret == -EPERM)
		return iommufd_refuse(IOMMUFD_REASON_GROUP_OWNED, ret);
	if (ret == -EBUSY)
		return iommufd_refuse(IOMMUFD_REASON_GROUP_NOT_DEFAULT, ret);
	return iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, ret);
}

static struct iommufd_group *add_group(struct iommufd_ctx *ictx,
				       struct iommu_group *group)
{
	struct iommufd_group *igroup;
	int ret;

	lockdep_assert_held(&ictx->groups_lock);

	igroup = kzalloc(sizeof(*igroup), IOMMUFD_GFP);
	if (!igroup)
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NO_MEMORY,
					      -ENOMEM));
	ret = iommu_group_claim_dma_owner(group, igroup);
	if (ret) {
		kfree(igroup);
		return ERR_PTR(refuse_claim(ret));
	}
	mutex_init(&igroup->lock);
	igroup->group = iommu_group_ref_get(group);
	list_add(&igroup->item, &ictx->groups);
	return igroup;
}

/* Adds a device to its group, which begins with it. */
static struct iommufd_group *join_group(struct iommufd_ctx *ictx,
					struct iommu_group *group)
{
	struct iommufd_group *igroup;

	mutex_lock(&ictx->groups_lock);
	igroup = find_group(ictx, group);
	if (!igroup)
		igroup = add_group(ictx, group);
	if (!IS_ERR(igroup))
		igroup->bound++;
	mutex_unlock(&ictx->groups_lock);
	return igroup;
}

static void leave_group(struct iommufd_ctx *ictx, struct iommufd_group *igroup)
{
	mutex_lock(&ictx->groups_lock);
	if (!--igroup->bound) {
		list_del(&igroup->item);
		iommu_group_release_dma_owner(igroup->group);
		iommu_group_put(igroup->group);
		mutex_destroy(&igroup->lock);
		kfree(igroup);
	}
	mutex_unlock(&ictx->groups_lock);
}

static void idev_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_device *idev =
		container_of(obj, struct iommufd_device, obj);

	leave_group(ictx, idev->igroup);
}

struct iommufd_object_type iommufd_device_type = {
	.name = "iommufd_device",
	.destroy = idev_destroy,
};

static int lacks_intr_remap(struct device *dev, void *unused)
{
	return !device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
}

/*
 * A device writes MSIs as DMA: without remapping it can raise any interrupt of
 * the host.
 */
static bool interrupts_isolated(struct iommu_group *group)
{
	return irq_domain_check_msi_remap() ||
	       !iommu_group_for_each_dev(group, NULL, lacks_intr_remap) ||
	       allow_unsafe_interrupts;
}

static struct iommufd_device *bind_group(struct iommufd_ctx *ictx,
					 struct device *dev,
					 struct iommu_group *group)
{
	struct iommufd_device *idev;
	struct iommufd_group *igroup;

	/* Every mapping is IOMMU_CACHE. */
	if (!device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY))
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NOT_COHERENT,
					      -EINVAL));
	if (!interrupts_isolated(group))
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_INTERRUPTS_UNSAFE,
					      -EPERM));

	idev = iommufd_object_alloc(ictx, struct iommufd_device,
				    &iommufd_device_type);
	if (IS_ERR(idev))
		return idev;
	igroup = join_group(ictx, group);
	if (IS_ERR(igroup)) {
		iommufd_object_abort(ictx, &idev->obj);
		return ERR_CAST(igroup);
	}
	idev->ictx = ictx;
	idev->dev = dev;
	idev->igroup = igroup;

	/* The driver is a user: see iommufd_device_unbind(). */
	iommufd_object_tryhold(&idev->obj);
	iommufd_object_publish(ictx, &idev->obj);
	return idev;
}

/**
 * iommufd_device_bind_owned() - bind a device that the context itself owns
 * @ictx: the context, which unbinds the device when it is destroyed
 * @dev: as of iommufd_device_bind()
 * @id: as of iommufd_device_bind()
 *
 * Context: process context, may sleep.
 * Return: a handle to be given back with iommufd_device_unbind_owned(); or an
 * errno of iommufd_device_bind().
 */
struct iommufd_device *iommufd_device_bind_owned(struct iommufd_ctx *ictx,
						 struct device *dev, u32 *id)
{
	struct iommufd_device *idev;
	struct iommu_group *group;

	group = iommu_group_get(dev);
	if (group) {
		idev = bind_group(ictx, dev, group);
		iommu_group_put(group);
	} else {
		idev = ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NO_GROUP,
					      -ENODEV));
	}
	trace_iommufd_bind(dev, IS_ERR(idev) ? 0 : idev->obj.id,
			   PTR_ERR_OR_ZERO(idev));
	if (!IS_ERR(idev))
		*id = idev->obj.id;
	return idev;
}

/**
 * iommufd_device_unbind_owned() - undo iommufd_device_bind_owned()
 * @idev: the handle; detached first if need be, and gone afterwards
 *
 * Context: as iommufd_device_unbind().  Cannot fail.
 */
void iommufd_device_unbind_owned(struct iommufd_device *idev)
{
	iommufd_device_detach(idev);
	trace_iommufd_unbind(idev->dev, idev->obj.id);
	WARN_ON(!iommufd_object_unhold_destroy(idev->ictx, &idev->obj));
}

/**
 * iommufd_device_bind() - give a device to the user of a /dev/iommu file
 * @file: an open file
 * @dev: the device, bound to a driver that does no DMA of its own; not bound
 *	to an iommufd by this driver already
 * @id: set to the device's id in that context
 *
 * From here on the kernel does no DMA with the device or any other of its
 * group, and the device can reach nothing until it is attached.
 *
 * Context: process context, may sleep.
 * Return: a handle that keeps @file, to be given back with
 * iommufd_device_unbind(); or ERR_PTR():
 *
 * * -EBADFD - @file is not a /dev/iommu
 * * -ENODEV - the device has no iommu_group
 * * -EINVAL - DMA of the device is not cache coherent
 * * -EPERM - its interrupts are not isolated; or a kernel driver, VFIO
 *   container or another iommufd owns its group
 * * -EBUSY - the group is not in its default domain
 * * -ENOMEM
 */
struct iommufd_device *iommufd_device_bind(struct file *file,
					   struct device *dev, u32 *id)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);
	struct iommufd_device *idev;

	if (!ictx)
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NOT_IOMMUFD,
					      -EBADFD));
	idev = iommufd_device_bind_owned(ictx, dev, id);
	if (!IS_ERR(idev))
		get_file(file);
	return idev;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_bind, IOMMUFD);

/**
 * iommufd_device_unbind() - take a device back from its user
 * @idev: the handle; detached first if need be, and gone afterwards
 *
 * Context: process context, may sleep; no lock that the IOMMU driver, or a
 * call on the context's objects, may take.  Cannot fail.
 */
void iommufd_device_unbind(struct iommufd_device *idev)
{
	struct file *file = idev->ictx->file;

	iommufd_device_unbind_owned(idev);
	fput(file);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_unbind, IOMMUFD);

/**
 * iommufd_device_file() - the /dev/iommu file a device is bound to
 * @idev: the device
 *
 * Return: the file, borrowed: valid until @idev is unbound.
 */
struct file *iommufd_device_file(struct iommufd_device *idev)
{
	return idev->ictx->file;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_file, IOMMUFD);

/**
 * iommufd_device_id() - the id of a bound device
 * @idev: the device
 *
 * Return: its id in the context it is bound to.
 */
u32 iommufd_device_id(struct iommufd_device *idev)
{
	return idev->obj.id;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_id, IOMMUFD);

/**
 * iommufd_owns_group() - do devices of a group belong to an iommufd's user
 * @file: an open /dev/iommu
 * @group: the group
 *
 * Context: process context, may sleep.
 * Return: true while a device of @group is bound to @file, so that nobody else
 * can use any of them.
 */
bool iommufd_owns_group(struct file *file, struct iommu_group *group)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);
	bool owns;

	mutex_lock(&ictx->groups_lock);
	owns = find_group(ictx, group);
	mutex_unlock(&ictx->groups_lock);
	return owns;
}
EXPORT_SYMBOL_NS_GPL(iommufd_owns_group, IOMMUFD);

/**
 * iommufd_device_get() - look a bound device up for the length of a call
 * @ictx: context to look in
 * @id: the device's id
 *
 * Context: as iommufd_object_get().
 * Return: the device, to be given back with iommufd_device_put(), or
 * ERR_PTR(-ENOENT).
 */
struct iommufd_device *iommufd_device_get(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get(ictx, id, &iommufd_device_type);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iommufd_device, obj);
}

/**
 * iommufd_device_put() - end what iommufd_device_get() began
 * @idev: the device
 */
void iommufd_device_put(struct iommufd_device *idev)
{
	iommufd_object_put(&idev->obj);
}

/**
 * iommufd_device_dev() - the device that is bound
 * @idev: the device, as iommufd knows it
 *
 * Return: the device, borrowed from @idev.
 */
struct device *iommufd_device_dev(struct iommufd_device *idev)
{
	return idev->dev;
}

/* What the group is attached to is freed by RCU, and its IOAS behind it. */
static bool group_shows(struct iommufd_group *igroup, u32 ioas_id)
{
	struct iommufd_hwpt *hwpt;
	bool shows;

	rcu_read_lock();
	hwpt = READ_ONCE(igroup->hwpt);
	shows = hwpt && hwpt->ioas->obj.id == ioas_id;
	rcu_read_unlock();
	return shows;
}

/**
 * iommufd_attached_devices() - how many devices reach an IOAS
 * @ictx: the context
 * @ioas_id: the IOAS's id, if there is one
 *
 * Looks from the side: does not wait for an attach that is under way.
 *
 * Context: process context, may sleep; no lock that a bind takes.
 * Return: how many there are now.
 */
unsigned int iommufd_attached_devices(struct iommufd_ctx *ictx, u32 ioas_id)
{
	struct iommufd_group *igroup;
	unsigned int nr = 0;

	mutex_lock(&ictx->groups_lock);
	list_for_each_entry(igroup, &ictx->groups, item)
		if (group_shows(igroup, ioas_id))
			nr += READ_ONCE(igroup->attached);
	mutex_unlock(&ictx->groups_lock);
	return nr;
}

/* ---- attaching ---- */

/**
 * struct attach_target - what the user named to be attached to
 * @obj: an IOAS or a HWPT; held
 * @ioas: the IOAS
 * @hwpt: the HWPT, or NULL for an automatic one of @ioas
 */
struct attach_target {
	struct iommufd_object *obj;
	struct iommufd_ioas *ioas;
	struct iommufd_hwpt *hwpt;
};

static int get_target(struct iommufd_ctx *ictx, u32 pt_id,
		      struct attach_target *target)
{
	struct iommufd_object *obj;
	int ret = 0;

	obj = iommufd_object_get(ictx, pt_id, NULL);
	if (IS_ERR(obj))
		return iommufd_refuse(IOMMUFD_REASON_NO_OBJECT, PTR_ERR(obj));

	target->obj = obj;
	if (obj->type == &iommufd_ioas_type) {
		target->hwpt = NULL;
		target->ioas = container_of(obj, struct iommufd_ioas, obj);
	} else if (obj->type == &iommufd_hwpt_type) {
		target->hwpt = container_of(obj, struct iommufd_hwpt, obj);
		target->ioas = target->hwpt->ioas;
	} else {
		ret = iommufd_refuse(IOMMUFD_REASON_NOT_ATTACHABLE, -EINVAL);
	}
	if (!ret && !iommufd_object_tryhold(obj))
		ret = iommufd_refuse(IOMMUFD_REASON_NO_OBJECT, -ENOENT);
	iommufd_object_put(obj);
	return ret;
}

/* An automatic HWPT goes with its last user, and that may be us. */
static void put_hwpt(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt)
{
	if (hwpt->automatic)
		iommufd_object_unhold_destroy(ictx, &hwpt->obj);
	else
		iommufd_object_unhold(&hwpt->obj);
}

static void put_target(struct iommufd_ctx *ictx, struct attach_target *target)
{
	if (target->hwpt)
		put_hwpt(ictx, target->hwpt);
	else
		iommufd_object_unhold(target->obj);
}

/* An IOAS does not stand for the HWPTs that user space makes of it. */
static bool target_is(struct attach_target *target, struct iommufd_hwpt *hwpt)
{
	if (target->hwpt)
		return target->hwpt == hwpt;
	return hwpt->automatic && target->ioas == hwpt->ioas;
}

/* Two address spaces at once: in the order of their ids. */
static void lock_domains(struct iommufd_ioas *a, struct iommufd_ioas *b)
{
	if (b && b != a && b->obj.id < a->obj.id)
		swap(a, b);
	down_write(&a->iopt.domains_rwsem);
	if (b && b != a)
		down_write_nested(&b->iopt.domains_rwsem, SINGLE_DEPTH_NESTING);
}

static void unlock_domains(struct iommufd_ioas *a, struct iommufd_ioas *b)
{
	if (b && b != a)
		up_write(&b->iopt.domains_rwsem);
	up_write(&a->iopt.domains_rwsem);
}

/*
 * Drivers say that a domain does not suit a device in many ways; user space is
 * told one, upon which it tries another HWPT.
 */
static int attach_errno(int ret)
{
	if (!ret)
		return 0;
	return iommufd_refuse(IOMMUFD_REASON_DRIVER_ATTACH,
			      ret == -ENOMEM || ret == -EPERM ? ret : -EINVAL);
}

/* Moves the group to another domain, or to its first one. */
static int group_set_domain(struct iommufd_group *igroup,
			    struct iommufd_hwpt *hwpt)
{
	struct iommu_domain *domain = hwpt->domain.domain;
	int ret;

	lockdep_assert_held(&igroup->lock);
	lockdep_assert_held_write(&hwpt->ioas->iopt.domains_rwsem);

	if (igroup->hwpt)
		ret = iommu_group_replace_domain(igroup->group, domain);
	else
		ret = iommu_attach_group(domain, igroup->group);
	return attach_errno(ret);
}

/* How often the way back is tried when the IOMMU driver is out of memory. */
#define RESTORE_TRIES 5

/* Undoes group_set_domain(). */
static void group_restore_domain(struct iommufd_group *igroup,
				 struct iommufd_hwpt *hwpt)
{
	unsigned int i;

	if (igroup->hwpt) {
		for (i = 0; i < RESTORE_TRIES; i++)
			if (!group_set_domain(igroup, igroup->hwpt))
				return;
	}
	iommu_detach_group(hwpt->domain.domain, igroup->group);
}

/* Takes the group's reserved regions out of the address space. */
static int group_reserve(struct iommufd_group *igroup,
			 struct iommufd_ioas *ioas)
{
	struct iommu_resv_region *region, *next;
	phys_addr_t msi_base = PHYS_ADDR_MAX;
	LIST_HEAD(regions);
	int ret;

	ret = iommu_get_group_resv_regions(igroup->group, &regions);
	if (ret)
		iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, ret);
	list_for_each_entry_safe(region, next, &regions, list) {
		if (region->type == IOMMU_RESV_SW_MSI)
			msi_base = region->start;
		if (!ret)
			ret = iopt_reserve_region(&ioas->iopt, region, igroup);
		kfree(region);
	}
	if (ret)
		iopt_unreserve(&ioas->iopt, igroup);
	else
		igroup->msi_base = msi_base;
	return ret;
}

static int group_enter_hwpt(struct iommufd_group *igroup,
			    struct iommufd_hwpt *hwpt)
{
	int ret;

	ret = group_set_domain(igroup, hwpt);
	if (ret)
		return ret;
	if (igroup->msi_base != PHYS_ADDR_MAX) {
		ret = iommufd_hwpt_set_msi_window(hwpt, igroup->msi_base);
		if (ret)
			group_restore_domain(igroup, hwpt);
	}
	return ret;
}

/* An IOMMU driver takes any domain for one of its own. */
static bool same_driver(struct iommufd_device *idev, struct iommufd_hwpt *hwpt)
{
	return dev_iommu_ops(idev->dev)->default_domain_ops ==
	       hwpt->domain.domain->ops;
}

/*
 * Would the HWPT let devices past the CPU's caches whose IOMMU could keep them
 * from that?  Its entries were written without.
 */
static bool loses_coherency(struct iommufd_device *idev,
			    struct iommufd_hwpt *hwpt)
{
	return hwpt->filled && !hwpt->enforced_coherent &&
	       hwpt->domain.domain->ops->enforce_cache_coherency &&
	       iommufd_enforces_coherency(idev->dev);
}

/*
 * Attaches the group to a HWPT.  The IOAS may have to fit a further unit; or
 * the group is the first, and the HWPT was not filled before.
 */
static int group_join_hwpt(struct iommufd_device *idev,
			   struct iommufd_hwpt *hwpt)
{
	int ret;

	if (!same_driver(idev, hwpt))
		return iommufd_refuse(IOMMUFD_REASON_OTHER_DRIVER, -EINVAL);
	if (loses_coherency(idev, hwpt))
		return iommufd_refuse(IOMMUFD_REASON_COHERENCY_LOST, -EINVAL);
	ret = group_enter_hwpt(idev->igroup, hwpt);
	if (ret)
		return ret;
	if (hwpt->filled)
		ret = iopt_fit_domain(&hwpt->ioas->iopt, &hwpt->domain);
	else
		ret = iommufd_hwpt_fill(hwpt);
	if (ret) {
		group_restore_domain(idev->igroup, hwpt);
		return ret;
	}
	iommufd_object_tryhold(&hwpt->obj);
	return 0;
}

/* Returns a HWPT of the IOAS that suits the group, which is attached to it. */
static struct iommufd_hwpt *group_enter_existing(struct iommufd_device *idev,
						 struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt *hwpt;
	int ret;

	list_for_each_entry(hwpt, &ioas->hwpts, item) {
		if (!hwpt->automatic || !hwpt->groups)
			continue;
		ret = group_join_hwpt(idev, hwpt);
		if (!ret)
			return hwpt;
		if (ret != -EINVAL)
			return ERR_PTR(ret);
	}
	return NULL;
}

/* Likewise, of a new HWPT. */
static struct iommufd_hwpt *group_enter_new(struct iommufd_device *idev,
					    struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt *hwpt;
	int ret;

	hwpt = iommufd_hwpt_alloc(idev->ictx, ioas, idev->dev);
	if (IS_ERR(hwpt))
		return hwpt;
	hwpt->automatic = true;
	ret = group_join_hwpt(idev, hwpt);
	if (ret) {
		iommufd_hwpt_abort(idev->ictx, hwpt);
		return ERR_PTR(ret);
	}
	iommufd_hwpt_publish(idev->ictx, hwpt);
	return hwpt;
}

static struct iommufd_hwpt *group_enter(struct iommufd_device *idev,
					struct attach_target *target)
{
	struct iommufd_hwpt *hwpt = target->hwpt;
	int ret;

	if (!hwpt) {
		hwpt = group_enter_existing(idev, target->ioas);
		if (hwpt)
			return hwpt;
		return group_enter_new(idev, target->ioas);
	}

	/* It was about to go when the user named it. */
	if (hwpt->automatic && !hwpt->groups)
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_HWPT_GOING,
					      -ENOENT));
	ret = group_join_hwpt(idev, hwpt);
	return ret ? ERR_PTR(ret) : hwpt;
}

/*
 * With the address spaces of the old and the new HWPT locked: attaches the
 * group, and lets the new one know.  The old one remains as it was on failure.
 */
static int group_move(struct iommufd_device *idev, struct attach_target *target)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_hwpt *old = igroup->hwpt;
	bool same_ioas = old && old->ioas == target->ioas;
	struct iommufd_hwpt *hwpt;
	int ret;

	if (!iopt_areas_pinned(&target->ioas->iopt))
		return -EAGAIN;
	if (!same_ioas) {
		ret = group_reserve(igroup, target->ioas);
		if (ret)
			return ret;
	}
	hwpt = group_enter(idev, target);
	if (IS_ERR(hwpt)) {
		if (!same_ioas)
			iopt_unreserve(&target->ioas->iopt, igroup);
		return PTR_ERR(hwpt);
	}

	hwpt->groups++;
	/* group_shows() looks at it without a lock. */
	smp_store_release(&igroup->hwpt, hwpt);
	if (old) {
		old->groups--;
		if (!same_ioas)
			iopt_unreserve(&old->ioas->iopt, igroup);
	}
	return 0;
}

/*
 * Attaches the device, and its group if that is not attached as wanted.
 * Sets @left to a HWPT that the group has left, for put_hwpt().
 */
static int idev_attach_locked(struct iommufd_device *idev,
			      struct attach_target *target,
			      struct iommufd_hwpt **left)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_hwpt *old = igroup->hwpt;
	int ret;

	lockdep_assert_held(&igroup->lock);

	if (!old || !target_is(target, old)) {
		/* Only a device that is attached may move the others. */
		if (old && !idev->attached)
			return iommufd_refuse(IOMMUFD_REASON_GROUP_ELSEWHERE,
					      -EINVAL);
		lock_domains(target->ioas, old ? old->ioas : NULL);
		ret = group_move(idev, target);
		unlock_domains(target->ioas, old ? old->ioas : NULL);
		if (ret)
			return ret;
		*left = old;
	}
	if (!idev->attached) {
		idev->attached = true;
		WRITE_ONCE(igroup->attached, igroup->attached + 1);
	}
	return 0;
}

static int idev_attach_target(struct iommufd_device *idev,
			      struct attach_target *target, bool may_replace,
			      u32 *pt_id)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_hwpt *left = NULL;
	int ret;

	do {
		ret = iopt_pin_areas(&target->ioas->iopt);
		if (ret)
			break;
		mutex_lock(&igroup->lock);
		if (idev->attached && !may_replace)
			ret = iommufd_refuse(IOMMUFD_REASON_ALREADY_ATTACHED,
					     -EBUSY);
		else
			ret = idev_attach_locked(idev, target, &left);
		if (!ret)
			*pt_id = igroup->hwpt->obj.id;
		mutex_unlock(&igroup->lock);
	} while (ret == -EAGAIN);

	if (left)
		put_hwpt(idev->ictx, left);
	if (ret)
		iopt_unpin_idle(&target->ioas->iopt);
	return ret;
}

static int idev_attach(struct iommufd_device *idev, u32 *pt_id,
		       bool may_replace)
{
	struct attach_target target;
	int ret;

	ret = get_target(idev->ictx, *pt_id, &target);
	if (ret)
		return ret;
	ret = idev_attach_target(idev, &target, may_replace, pt_id);
	put_target(idev->ictx, &target);
	return ret;
}

/**
 * iommufd_device_attach() - let a device reach an I/O address space
 * @idev: a device that is not attached
 * @pt_id: id of an IOAS or a HWPT; set to the HWPT that is used
 *
 * The first device of a group attaches the group; the others join it there.
 *
 * Context: process context; no locks held that a page fault, or the close of
 * a file, may take: faults user memory in.  A fatal signal ends it.
 * Return: 0; or, with nothing changed:
 *
 * * -EBUSY - the device is attached already
 * * -ENOENT - there is no object @pt_id
 * * -EINVAL - it is neither IOAS nor HWPT; or does not suit the device; or the
 *   group is attached to another
 * * -EADDRINUSE - something is mapped that the device, or its IOMMU, cannot
 *   have mapped there
 * * -EFAULT - some of what is mapped cannot be pinned
 * * -ENOMEM - also when pinning would exceed RLIMIT_MEMLOCK
 * * -EINTR - a fatal signal
 */
int iommufd_device_attach(struct iommufd_device *idev, u32 *pt_id)
{
	u32 asked = *pt_id;
	int ret = idev_attach(idev, pt_id, false);

	trace_iommufd_attach(idev->obj.id, asked, *pt_id, ret);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_attach, IOMMUFD);

/**
 * iommufd_device_replace() - attach a device here, wherever it was attached
 * @idev: the device
 * @pt_id: id of an IOAS or a HWPT; set to the HWPT that is used
 *
 * An attached device is moved, and its whole group with it: at every moment
 * the devices reach the old mappings, or the new ones, or nothing.
 *
 * When a move fails the group is put back.  Should the IOMMU driver be unable
 * to do that, for want of memory, the group reaches nothing until it is
 * detached and attached again.
 *
 * Context: as iommufd_device_attach().
 * Return: as iommufd_device_attach(), but for -EBUSY.
 */
int iommufd_device_replace(struct iommufd_device *idev, u32 *pt_id)
{
	u32 asked = *pt_id;
	int ret = idev_attach(idev, pt_id, true);

	trace_iommufd_replace(idev->obj.id, asked, *pt_id, ret);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_replace, IOMMUFD);

/* Returns the HWPT that the group has left, for put_hwpt(). */
static struct iommufd_hwpt *group_detach(struct iommufd_group *igroup)
{
	struct iommufd_hwpt *hwpt = igroup->hwpt;
	struct io_pagetable *iopt = &hwpt->ioas->iopt;

	lockdep_assert_held(&igroup->lock);

	down_write(&iopt->domains_rwsem);
	iommu_detach_group(hwpt->domain.domain, igroup->group);
	hwpt->groups--;
	iopt_unreserve(iopt, igroup);
	up_write(&iopt->domains_rwsem);
	WRITE_ONCE(igroup->hwpt, NULL);
	return hwpt;
}

/**
 * iommufd_device_detach() - take an I/O address space from a device
 * @idev: the device; it need not be attached
 *
 * The last device of a group detaches the group, which then reaches nothing.
 *
 * Context: process context, may sleep; no lock that the IOMMU driver, or a
 * call on the context's objects, may take.  Cannot fail.
 */
void iommufd_device_detach(struct iommufd_device *idev)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_hwpt *left = NULL;
	bool attached;

	mutex_lock(&igroup->lock);
	attached = idev->attached;
	if (attached) {
		idev->attached = false;
		WRITE_ONCE(igroup->attached, igroup->attached - 1);
		if (!igroup->attached)
			left = group_detach(igroup);
	}
	mutex_unlock(&igroup->lock);

	if (attached)
		trace_iommufd_detach(idev->obj.id, left ? left->obj.id : 0);

	if (left)
		put_hwpt(idev->ictx, left);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_detach, IOMMUFD);
