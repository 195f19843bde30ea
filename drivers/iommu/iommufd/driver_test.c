// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what iommufd asks of IOMMU drivers: a device behind an IOMMU that
 * has nothing but domains.
 */
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>

/**
 * struct driver_test - an IOMMU, its driver, and a device
 * @bus: the device's
 * @dev: the device
 * @iommu: what the core knows of the device's IOMMU
 * @iommu_dev: the IOMMU
 * @ops: of the IOMMU
 * @domain_ops: of its domains
 * @driver: what is registered with iommufd
 * @domain: its only domain
 * @nr_domains: how many there are of it
 */
struct driver_test {
	struct bus_type bus;
	struct device dev;
	struct dev_iommu iommu;
	struct iommu_device iommu_dev;
	struct iommu_ops ops;
	struct iommu_domain_ops domain_ops;
	struct iommufd_driver driver;
	struct iommu_domain domain;
	int nr_domains;
};

/* An IOMMU driver is not told for whom it makes a domain. */
static struct driver_test *current_test;

static struct iommu_domain *test_domain_alloc(unsigned int type)
{
	if (current_test->nr_domains)
		return NULL;
	current_test->nr_domains++;
	return &current_test->domain;
}

static void test_domain_free(struct iommu_domain *domain)
{
	current_test->nr_domains--;
}

static bool domain_says_yes(struct iommu_domain *domain)
{
	return true;
}

static bool domain_says_no(struct iommu_domain *domain)
{
	return false;
}

static bool driver_says_yes(struct device *dev)
{
	return true;
}

static bool driver_says_no(struct device *dev)
{
	return false;
}

static int driver_test_init(struct kunit *test)
{
	struct driver_test *dt = kunit_kzalloc(test, sizeof(*dt), GFP_KERNEL);

	if (!dt)
		return -ENOMEM;
	test->priv = dt;
	current_test = dt;
	dt->domain_ops.free = test_domain_free;
	dt->ops.domain_alloc = test_domain_alloc;
	dt->ops.default_domain_ops = &dt->domain_ops;
	dt->iommu_dev.ops = &dt->ops;
	dt->iommu.iommu_dev = &dt->iommu_dev;
	dt->bus.iommu_ops = &dt->ops;
	dt->dev.bus = &dt->bus;
	dt->dev.iommu = &dt->iommu;
	dt->driver.ops = &dt->ops;
	return 0;
}

/* The answer, and no domain is left. */
static bool ask(struct kunit *test)
{
	struct driver_test *dt = test->priv;
	bool answer = iommufd_enforces_coherency(&dt->dev);

	KUNIT_EXPECT_EQ(test, dt->nr_domains, 0);
	return answer;
}

static void domain_answers(struct kunit *test)
{
	struct driver_test *dt = test->priv;

	dt->domain_ops.enforce_cache_coherency = domain_says_yes;
	KUNIT_EXPECT_TRUE(test, ask(test));
	dt->domain_ops.enforce_cache_coherency = domain_says_no;
	KUNIT_EXPECT_FALSE(test, ask(test));
	dt->domain_ops.enforce_cache_coherency = NULL;
	KUNIT_EXPECT_FALSE(test, ask(test));
}

/* The driver knows better than a domain without devices. */
static void driver_answers(struct kunit *test)
{
	struct driver_test *dt = test->priv;

	dt->domain_ops.enforce_cache_coherency = domain_says_yes;
	iommufd_driver_register(&dt->driver);
	KUNIT_EXPECT_TRUE(test, ask(test));
	dt->driver.enforces_coherency = driver_says_no;
	KUNIT_EXPECT_FALSE(test, ask(test));
	dt->domain_ops.enforce_cache_coherency = domain_says_no;
	dt->driver.enforces_coherency = driver_says_yes;
	KUNIT_EXPECT_TRUE(test, ask(test));
	iommufd_driver_unregister(&dt->driver);
	KUNIT_EXPECT_FALSE(test, ask(test));
}

static void no_domain_is_no(struct kunit *test)
{
	struct driver_test *dt = test->priv;

	dt->domain_ops.enforce_cache_coherency = domain_says_yes;
	dt->nr_domains = 1;
	KUNIT_EXPECT_FALSE(test, iommufd_enforces_coherency(&dt->dev));
	dt->nr_domains = 0;
}

static void no_iommu_is_no(struct kunit *test)
{
	struct driver_test *dt = test->priv;

	dt->domain_ops.enforce_cache_coherency = domain_says_yes;
	dt->iommu.iommu_dev = NULL;
	KUNIT_EXPECT_FALSE(test, ask(test));
	dt->dev.iommu = NULL;
	KUNIT_EXPECT_FALSE(test, ask(test));
}

static struct kunit_case driver_cases[] = {
	KUNIT_CASE(domain_answers),
	KUNIT_CASE(driver_answers),
	KUNIT_CASE(no_domain_is_no),
	KUNIT_CASE(no_iommu_is_no),
	{}
};

static struct kunit_suite driver_suite = {
	.name = "iommufd_driver",
	.init = driver_test_init,
	.test_cases = driver_cases,
};

kunit_test_suite(driver_suite);
