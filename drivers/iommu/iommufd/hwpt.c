// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware page tables.
 *
 * A HWPT joins an iommu_domain and the IOAS that it shows.  6.1's IOMMU
 * drivers complete a domain when the first device is attached to it, and some
 * cannot map before: so a HWPT is allocated empty, attached by device.c, and
 * only then filled.  Once filled it stays so, whoever is attached.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/iommu.h>

#include "driver.h"
#include "hwpt.h"
#include "pages.h"
#include "trace.h"

static void hwpt_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_hwpt *hwpt = container_of(obj, struct iommufd_hwpt, obj);
	struct io_pagetable *iopt = &hwpt->ioas->iopt;
	LIST_HEAD(drop);

	down_write(&iopt->domains_rwsem);
	WARN_ON(hwpt->groups);
	list_del(&hwpt->item);
	if (hwpt->filled)
		iopt_remove_domain(iopt, &hwpt->domain, &drop);
	up_write(&iopt->domains_rwsem);

	iopt_pins_drop(&drop);
	iommu_domain_free(hwpt->domain.domain);
	iommufd_object_unhold(&hwpt->ioas->obj);
}

struct iommufd_object_type iommufd_hwpt_type = {
	.name = "iommufd_hwpt",
	.destroy = hwpt_destroy,
};

/**
 * iommufd_hwpt_alloc() - allocate an empty HWPT
 * @ictx: the context
 * @ioas: what it is to show; the caller holds it
 * @dev: one of the devices that it is for
 *
 * Context: process context, may sleep.
 * Return: a HWPT that no one can find yet, to be published or aborted.
 * ERR_PTR(-ENOMEM), also when the IOMMU driver has no domain to give, for 6.1
 * does not say why.
 */
struct iommufd_hwpt *iommufd_hwpt_alloc(struct iommufd_ctx *ictx,
					struct iommufd_ioas *ioas,
					struct device *dev)
{
	struct iommu_domain *domain;
	struct iommufd_hwpt *hwpt;

	hwpt = iommufd_object_alloc(ictx, struct iommufd_hwpt,
				    &iommufd_hwpt_type);
	if (IS_ERR(hwpt))
		return hwpt;
	domain = iommu_domain_alloc(dev->bus);
	if (!domain) {
		iommufd_object_abort(ictx, &hwpt->obj);
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NO_DOMAIN,
					      -ENOMEM));
	}
	iopt_domain_init(&hwpt->domain, domain, iommufd_driver_of(dev));
	hwpt->ioas = ioas;
	/* Cannot fail, for the caller holds it. */
	iommufd_object_tryhold(&ioas->obj);
	return hwpt;
}

/**
 * iommufd_hwpt_abort() - free a HWPT that was neither filled nor published
 * @ictx: its context
 * @hwpt: the HWPT; nothing is attached to it
 *
 * Context: process context.
 */
void iommufd_hwpt_abort(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt)
{
	iommu_domain_free(hwpt->domain.domain);
	iommufd_object_unhold(&hwpt->ioas->obj);
	iommufd_object_abort(ictx, &hwpt->obj);
}

/**
 * iommufd_hwpt_publish() - let user space and other devices find a HWPT
 * @ictx: its context
 * @hwpt: the HWPT; from here on anyone may destroy it unless the caller holds
 *	it
 *
 * Context: the IOAS's domains_rwsem is held for writing.
 */
void iommufd_hwpt_publish(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt)
{
	lockdep_assert_held_write(&hwpt->ioas->iopt.domains_rwsem);

	list_add_tail(&hwpt->item, &hwpt->ioas->hwpts);
	iommufd_object_publish(ictx, &hwpt->obj);
}

/**
 * iommufd_hwpt_fill() - map the IOAS in a HWPT
 * @hwpt: a HWPT with an empty domain that a device was just attached to, or
 *	that is complete without
 *
 * Coherency is enforced first, for that changes how entries are written.
 *
 * Context: the IOAS's domains_rwsem is held for writing, and all of it is
 * pinned.
 * Return: 0 or the errno of iopt_add_domain().
 */
int iommufd_hwpt_fill(struct iommufd_hwpt *hwpt)
{
	struct iommu_domain *domain = hwpt->domain.domain;
	int ret;

	if (domain->ops->enforce_cache_coherency)
		hwpt->enforced_coherent =
			domain->ops->enforce_cache_coherency(domain);
	ret = iopt_add_domain(&hwpt->ioas->iopt, &hwpt->domain);
	if (ret)
		return ret;
	hwpt->filled = true;
	return 0;
}

/**
 * iommufd_hwpt_set_msi_window() - let devices behind a HWPT send MSIs
 * @hwpt: the HWPT
 * @base: I/O address that the platform keeps for MSI doorbells
 *
 * Context: the IOAS's domains_rwsem is held for writing.
 * Return: 0 or -ENOMEM.
 */
int iommufd_hwpt_set_msi_window(struct iommufd_hwpt *hwpt, phys_addr_t base)
{
	int ret;

	lockdep_assert_held_write(&hwpt->ioas->iopt.domains_rwsem);

	if (hwpt->msi_cookie)
		return 0;
	ret = iommu_get_msi_cookie(hwpt->domain.domain, base);
	if (ret)
		return iommufd_refuse(IOMMUFD_REASON_NO_MSI_WINDOW, ret);
	hwpt->msi_cookie = true;
	return 0;
}
