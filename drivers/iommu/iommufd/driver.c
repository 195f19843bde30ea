// SPDX-License-Identifier: GPL-2.0-only
/*
 * What IOMMU drivers offer beyond 6.1's struct iommu_ops.
 *
 * A driver that can do more than the IOMMU core has words for says so here, and
 * iommufd finds it by the struct iommu_ops of a device.  The core and its ABI
 * stay as they are.
 *
 * IOMMU drivers are mostly built in while iommufd may be a module.  So this
 * file is an object of its own, CONFIG_IOMMUFD_DRIVER, that is always built in
 * and knows nothing of the rest of iommufd.
 *
 * The core keeps a driver's module for as long as a device is behind one of its
 * IOMMUs.  A driver unregisters when it cannot be needed any more, which is in
 * its module's exit.  So whoever has the device, be it by having it bound to an
 * iommufd, may use what iommufd_driver_of() found for it, without a lock.  And
 * who has a domain may use what was found for the device that it was made for:
 * it lives as long as the domain's ops.
 */
#include <linux/device.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/list.h>
#include <linux/mutex.h>

#include "driver.h"

static DEFINE_MUTEX(drivers_lock); /* innermost; guards the list only */
static LIST_HEAD(drivers);

/**
 * iommufd_driver_register() - tell iommufd what an IOMMU driver can do
 * @driver: filled in but for its private part; kept until it is unregistered
 *
 * To be called before the driver registers its first IOMMU.  One for each
 * struct iommu_ops.
 *
 * Context: process context, may sleep; also before initcalls run.
 */
void iommufd_driver_register(struct iommufd_driver *driver)
{
	mutex_lock(&drivers_lock);
	list_add(&driver->item, &drivers);
	mutex_unlock(&drivers_lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_driver_register, IOMMUFD);

/**
 * iommufd_driver_unregister() - undo iommufd_driver_register()
 * @driver: what was registered; no device is behind an IOMMU of the driver any
 *	more
 *
 * Context: process context, may sleep.
 */
void iommufd_driver_unregister(struct iommufd_driver *driver)
{
	mutex_lock(&drivers_lock);
	list_del(&driver->item);
	mutex_unlock(&drivers_lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_driver_unregister, IOMMUFD);

/**
 * iommufd_driver_of() - what the driver of a device's IOMMU can do
 * @dev: a device behind an IOMMU, which it stays while the result is used
 *
 * Context: process context, may sleep.
 * Return: what was registered, or NULL.
 */
const struct iommufd_driver *iommufd_driver_of(struct device *dev)
{
	const struct iommu_ops *ops = dev_iommu_ops(dev);
	const struct iommufd_driver *driver, *found = NULL;

	mutex_lock(&drivers_lock);
	list_for_each_entry(driver, &drivers, item) {
		if (driver->ops == ops) {
			found = driver;
			break;
		}
	}
	mutex_unlock(&drivers_lock);
	return found;
}
EXPORT_SYMBOL_NS_GPL(iommufd_driver_of, IOMMUFD);

/* Ask a domain of the kind that the device would get. */
static bool domain_enforces_coherency(struct device *dev)
{
	struct iommu_domain *domain = iommu_domain_alloc(dev->bus);
	bool enforces = false;

	if (!domain)
		return false;
	if (domain->ops->enforce_cache_coherency)
		enforces = domain->ops->enforce_cache_coherency(domain);
	iommu_domain_free(domain);
	return enforces;
}

/**
 * iommufd_enforces_coherency() - can no DMA of a device bypass the CPU's caches
 * @dev: a device that has a driver, so that it stays behind its IOMMU if there
 *	is one
 *
 * What KVM has to know before the device is attached anywhere.  iommufd has
 * each domain enforce what it can, and attaches no device that can be kept
 * coherent to one that does not, so the answer holds for all of them.
 *
 * Context: process context, may sleep.
 * Return: true if the IOMMU of @dev keeps its DMA coherent; false if not, if
 * there is none, and for want of memory.
 */
bool iommufd_enforces_coherency(struct device *dev)
{
	const struct iommufd_driver *driver;

	if (!dev->iommu || !dev->iommu->iommu_dev)
		return false;

	driver = iommufd_driver_of(dev);
	if (driver && driver->enforces_coherency)
		return driver->enforces_coherency(dev);
	return domain_enforces_coherency(dev);
}
EXPORT_SYMBOL_NS_GPL(iommufd_enforces_coherency, IOMMUFD);
