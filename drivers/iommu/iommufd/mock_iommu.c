// SPDX-License-Identifier: GPL-2.0-only
/*
 * An IOMMU without hardware.
 *
 * It has a bus of its own, whose devices do nothing.  So it works beside a real
 * IOMMU, of which 6.1 allows one, and where there is none.  The core finds it
 * through the bus and through the devices, to both of which it is tied by hand.
 *
 * A domain's page table is an array of what each I/O page translates to.  Its
 * owner is iommufd alone, and what the owner must never do is a WARN here:
 * - map what is mapped, or was and may still be in the IOTLB;
 * - map or unmap outside of the aperture;
 * - unmap what is not mapped;
 * - unmap a part of what one iommu_map() made;
 * - let a page go before the IOTLB was synced, or map one that is not pinned;
 * - have a table freed before the IOTLB was synced;
 * - free a domain that still maps something or has a device.
 *
 * The I/O page is smaller than the CPU's, which finds places that mix the two
 * up.  Only one size is offered, so one iommu_map() is one call here.
 *
 * A domain whose first device is a MOCK_FLAGS_DEVICE_HUGE_IOVA one is more like
 * VT-d's: it has large pages too, tables that an unmap leaves to the gather, and
 * a gather that holds what is adjacent and was unmapped in calls of one size.
 * What has to be unmapped as a whole is a page then.
 *
 * As VT-d's, a map that fails leaves what it had mapped, and does not say how
 * much; each page of that can then be unmapped alone.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fault-inject.h>
#include <linux/idr.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>
#include <uapi/linux/iommufd.h>

#include "iommufd_test.h"
#include "mock_iommu.h"
#include "mock_tables.h"

/**
 * struct mock_domain - a domain
 * @domain: for the core
 * @table: entries by number of the I/O page
 * @tables: see mock_tables.c; none without large pages
 * @devices: how many are attached
 * @snooping: how many of these can be kept coherent
 * @coherent: they are, and no other device can be attached
 */
struct mock_domain {
	struct iommu_domain domain;
	struct xarray table;
	struct xarray tables;
	atomic_t devices;
	atomic_t snooping;
	bool coherent;
};

/**
 * struct mock_device - a device behind the mock
 * @dev: the device
 * @iommu: what the core would have allocated for a device of its buses
 * @id: part of the device's name
 * @flags: MOCK_FLAGS_DEVICE_*
 * @domain: what it is attached to; NULL when blocked.  Guarded by the core's
 *	lock of the group
 */
struct mock_device {
	struct device dev;
	struct dev_iommu iommu;
	int id;
	u32 flags;
	struct mock_domain *domain;
};

static struct mock_domain *to_mock_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_domain, domain);
}

static struct mock_device *to_mock_device(struct device *dev)
{
	return container_of(dev, struct mock_device, dev);
}

/* ---- failing on demand ---- */

#ifdef CONFIG_FAULT_INJECTION
static DECLARE_FAULT_ATTR(fail_mock_iommu);
static struct dentry *fail_dir;

static bool injected_failure(void)
{
	return should_fail(&fail_mock_iommu, 1);
}

static void fault_injection_init(void)
{
	fail_dir = fault_create_debugfs_attr("fail_mock_iommu", NULL,
					     &fail_mock_iommu);
}

static void fault_injection_exit(void)
{
	debugfs_remove_recursive(fail_dir);
}
#else
static bool injected_failure(void)
{
	return false;
}

static void fault_injection_init(void)
{
}

static void fault_injection_exit(void)
{
}
#endif

static DEFINE_SPINLOCK(fail_lock); /* guards what follows; a leaf */
static struct task_struct *fail_task; /* only compared */
static unsigned int fail_op;
static unsigned int fail_nth;

/**
 * mock_iommu_fail() - make an operation of the mock fail
 * @op: MOCK_OP_*
 * @nth: which of the calls that the current thread makes of it from now on, 1
 *	being the next; 0 for none
 *
 * One at a time for all mocks; it replaces what was asked for before.
 */
void mock_iommu_fail(unsigned int op, unsigned int nth)
{
	spin_lock(&fail_lock);
	fail_task = current;
	fail_op = op;
	fail_nth = nth;
	spin_unlock(&fail_lock);
}

static bool should_fail_op(unsigned int op)
{
	bool fail = false;

	spin_lock(&fail_lock);
	if (fail_nth && fail_task == current && fail_op == op)
		fail = !--fail_nth;
	spin_unlock(&fail_lock);
	return fail || injected_failure();
}

/* ---- the page table ---- */

/*
 * An entry is the number of an I/O page of physical memory and these bits.  A
 * stale one is unmapped but may still be in the IOTLB.
 */
#define ENTRY_FIRST BIT(0) /* of one iommu_map(), or of a page: see above */
#define ENTRY_LAST BIT(1)
#define ENTRY_STALE BIT(2)
#define ENTRY_SHIFT 3

static void *make_entry(phys_addr_t phys, unsigned long flags)
{
	return xa_mk_value((phys / MOCK_IO_PAGE_SIZE) << ENTRY_SHIFT | flags);
}

static phys_addr_t entry_phys(void *entry)
{
	return (phys_addr_t)(xa_to_value(entry) >> ENTRY_SHIFT) *
	       MOCK_IO_PAGE_SIZE;
}

static bool entry_has(void *entry, unsigned long flag)
{
	return xa_to_value(entry) & flag;
}

static bool entry_mapped(void *entry)
{
	return entry && !entry_has(entry, ENTRY_STALE);
}

static bool phys_pinned(phys_addr_t phys)
{
	unsigned long pfn = PHYS_PFN(phys);

	return pfn_valid(pfn) && page_maybe_dma_pinned(pfn_to_page(pfn));
}

static bool mock_in_aperture(struct mock_domain *md, unsigned long iova,
			     unsigned long length)
{
	return iova >= md->domain.geometry.aperture_start &&
	       iova + length - 1 <= md->domain.geometry.aperture_end;
}

/* Entries that a failed map leaves can be unmapped one by one. */
static void isolate_entries(struct mock_domain *md, unsigned long first,
			    unsigned long nr)
{
	unsigned long i;
	void *entry;

	for (i = first; i < first + nr; i++) {
		entry = xa_load(&md->table, i);
		/* Never fails: there is an entry. */
		xa_store(&md->table, i,
			 make_entry(entry_phys(entry),
				    ENTRY_FIRST | ENTRY_LAST),
			 GFP_KERNEL);
	}
}

static int map_entry(struct mock_domain *md, unsigned long index,
		     phys_addr_t phys, unsigned long flags, gfp_t gfp)
{
	WARN(!phys_pinned(phys), "mock IOMMU: maps a page that is not pinned");
	return xa_insert(&md->table, index, make_entry(phys, flags), gfp);
}

static bool has_large_pages(struct mock_domain *md)
{
	return md->domain.pgsize_bitmap & MOCK_LARGE_PAGE_SIZE;
}

/* Where a large page comes there may be a table that nothing is in any more. */
static int prepare_tables(struct mock_domain *md, unsigned long start,
			  unsigned long last, size_t pgsize, gfp_t gfp)
{
	LIST_HEAD(freelist);

	if (!has_large_pages(md))
		return 0;
	if (pgsize == MOCK_IO_PAGE_SIZE)
		return mock_tables_add(&md->tables, start, last, gfp);
	mock_tables_remove(&md->tables, start, last, &freelist);
	mock_tables_free(&freelist, start, last);
	return 0;
}

static int mock_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t phys, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct mock_domain *md = to_mock_domain(domain);
	unsigned long first = iova / MOCK_IO_PAGE_SIZE, flags, i;
	size_t length = pgsize * pgcount, nr = length / MOCK_IO_PAGE_SIZE;
	size_t whole, fail_at = SIZE_MAX;
	int ret;

	if (WARN(!mock_in_aperture(md, iova, length),
		 "mock IOMMU: maps outside of the aperture"))
		return -EINVAL;
	if (WARN(!IS_ALIGNED(iova | phys, pgsize),
		 "mock IOMMU: maps a page that is misaligned"))
		return -EINVAL;
	if (should_fail_op(MOCK_OP_MAP))
		fail_at = nr / 2;
	ret = prepare_tables(md, iova, iova + length - 1, pgsize, gfp);
	if (ret)
		return ret;

	whole = has_large_pages(md) ? pgsize / MOCK_IO_PAGE_SIZE : nr;
	for (i = 0; i < nr; i++) {
		flags = (i % whole ? 0 : ENTRY_FIRST) |
			((i + 1) % whole ? 0 : ENTRY_LAST);
		ret = i == fail_at ? -ENOMEM :
				     map_entry(md, first + i, phys, flags, gfp);
		if (ret)
			goto err_isolate;
		phys += MOCK_IO_PAGE_SIZE;
	}
	*mapped = length;
	return 0;

err_isolate:
	WARN(ret == -EBUSY, "mock IOMMU: maps what is mapped, or not synced");
	isolate_entries(md, first, i);
	return ret;
}

/* Returns false when nothing is mapped there. */
static bool unmap_entry(struct mock_domain *md, unsigned long index,
			bool first, bool last)
{
	void *entry = xa_load(&md->table, index);
	bool cut;

	if (WARN(!entry_mapped(entry),
		 "mock IOMMU: unmaps what is not mapped"))
		return false;
	cut = (first && !entry_has(entry, ENTRY_FIRST)) ||
	      (last && !entry_has(entry, ENTRY_LAST));
	WARN(cut, "mock IOMMU: unmaps a part of what one iommu_map() made");
	/* Never fails: there is an entry. */
	xa_store(&md->table, index,
		 make_entry(entry_phys(entry), ENTRY_STALE), GFP_ATOMIC);
	return true;
}

/*
 * As 6.1's VT-d driver does it: the tables first, although the gather is synced
 * when it cannot hold the range.
 */
static void gather_range(struct mock_domain *md,
			 struct iommu_iotlb_gather *gather, unsigned long iova,
			 size_t length)
{
	if (has_large_pages(md)) {
		mock_tables_remove(&md->tables, iova, iova + length - 1,
				   &gather->freelist);
		iommu_iotlb_gather_add_page(&md->domain, gather, iova, length);
	} else {
		iommu_iotlb_gather_add_range(gather, iova, length);
	}
}

static size_t mock_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct mock_domain *md = to_mock_domain(domain);
	unsigned long first = iova / MOCK_IO_PAGE_SIZE, i;
	size_t nr = pgsize * pgcount / MOCK_IO_PAGE_SIZE;

	if (WARN(!mock_in_aperture(md, iova, pgsize * pgcount),
		 "mock IOMMU: unmaps outside of the aperture"))
		return 0;
	for (i = 0; i < nr; i++)
		if (!unmap_entry(md, first + i, !i, i == nr - 1))
			break;
	if (i)
		gather_range(md, gather, iova, i * MOCK_IO_PAGE_SIZE);
	return i * MOCK_IO_PAGE_SIZE;
}

static void mock_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	struct mock_domain *md = to_mock_domain(domain);
	unsigned long index;
	void *entry;

	mock_tables_free(&gather->freelist, gather->start, gather->end);
	if (gather->start > gather->end)
		return;
	xa_for_each_range(&md->table, index, entry,
			  gather->start / MOCK_IO_PAGE_SIZE,
			  gather->end / MOCK_IO_PAGE_SIZE) {
		if (!entry_has(entry, ENTRY_STALE))
			continue;
		WARN(!phys_pinned(entry_phys(entry)),
		     "mock IOMMU: a page was let go before the IOTLB was synced");
		xa_erase(&md->table, index);
	}
}

static phys_addr_t mock_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	struct mock_domain *md = to_mock_domain(domain);
	void *entry = xa_load(&md->table, iova / MOCK_IO_PAGE_SIZE);

	if (!entry_mapped(entry))
		return 0;
	return entry_phys(entry) + iova % MOCK_IO_PAGE_SIZE;
}

/* ---- domains and devices ---- */

static bool is_snooping(struct mock_device *mdev)
{
	return mdev->flags & MOCK_FLAGS_DEVICE_SNOOP;
}

static void set_domain(struct mock_device *mdev, struct mock_domain *md)
{
	if (md) {
		atomic_inc(&md->devices);
		atomic_add(is_snooping(mdev), &md->snooping);
	}
	if (mdev->domain) {
		atomic_dec(&mdev->domain->devices);
		atomic_sub(is_snooping(mdev), &mdev->domain->snooping);
	}
	mdev->domain = md;
}

/* As with VT-d, what a domain can do is not known before it has a device. */
static void learn_page_sizes(struct mock_domain *md, struct mock_device *mdev)
{
	if (mdev->flags & MOCK_FLAGS_DEVICE_HUGE_IOVA && xa_empty(&md->table))
		md->domain.pgsize_bitmap |= MOCK_LARGE_PAGE_SIZE;
}

static int mock_attach_dev(struct iommu_domain *domain, struct device *dev)
{
	struct mock_domain *md = to_mock_domain(domain);
	struct mock_device *mdev = to_mock_device(dev);

	if (should_fail_op(MOCK_OP_ATTACH))
		return -ENOMEM;
	if (md->coherent && !is_snooping(mdev))
		return -EINVAL;
	learn_page_sizes(md, mdev);
	set_domain(mdev, md);
	return 0;
}

static bool mock_enforce_cache_coherency(struct iommu_domain *domain)
{
	struct mock_domain *md = to_mock_domain(domain);
	int devices = atomic_read(&md->devices);

	md->coherent = devices && atomic_read(&md->snooping) == devices;
	return md->coherent;
}

static void mock_detach_dev(struct iommu_domain *domain, struct device *dev)
{
	set_domain(to_mock_device(dev), NULL);
}

static void mock_domain_free(struct iommu_domain *domain)
{
	struct mock_domain *md = to_mock_domain(domain);

	WARN(atomic_read(&md->devices), "mock IOMMU: frees a device's domain");
	WARN(!xa_empty(&md->table), "mock IOMMU: frees a domain with mappings");
	xa_destroy(&md->table);
	mock_tables_destroy(&md->tables);
	kfree(md);
}

static const struct iommu_domain_ops mock_domain_ops = {
	.attach_dev = mock_attach_dev,
	.detach_dev = mock_detach_dev,
	.map_pages = mock_map_pages,
	.unmap_pages = mock_unmap_pages,
	.iotlb_sync = mock_iotlb_sync,
	.iova_to_phys = mock_iova_to_phys,
	.enforce_cache_coherency = mock_enforce_cache_coherency,
	.free = mock_domain_free,
};

/*
 * Where devices are that reach nothing.  The core has no answer to an attach to
 * it that fails, so it never does, and there is one domain for all of them.
 */
static int mock_block_dev(struct iommu_domain *domain, struct device *dev)
{
	set_domain(to_mock_device(dev), NULL);
	return 0;
}

static void mock_blocked_free(struct iommu_domain *domain)
{
}

static const struct iommu_domain_ops mock_blocked_ops = {
	.attach_dev = mock_block_dev,
	.detach_dev = mock_detach_dev,
	.free = mock_blocked_free,
};

static struct iommu_domain mock_blocked_domain = {
	.ops = &mock_blocked_ops,
	.pgsize_bitmap = MOCK_IO_PAGE_SIZE,
};

static struct iommu_domain *mock_domain_alloc(unsigned int type)
{
	struct mock_domain *md;

	if (type == IOMMU_DOMAIN_BLOCKED)
		return &mock_blocked_domain;
	if (type != IOMMU_DOMAIN_UNMANAGED ||
	    should_fail_op(MOCK_OP_DOMAIN_ALLOC))
		return NULL;

	md = kzalloc(sizeof(*md), IOMMUFD_GFP);
	if (!md)
		return NULL;
	xa_init_flags(&md->table, XA_FLAGS_ACCOUNT);
	xa_init_flags(&md->tables, XA_FLAGS_ACCOUNT);
	md->domain.pgsize_bitmap = MOCK_IO_PAGE_SIZE;
	md->domain.geometry.aperture_start = MOCK_APERTURE_START;
	md->domain.geometry.aperture_end = MOCK_APERTURE_LAST;
	md->domain.geometry.force_aperture = true;
	return &md->domain;
}

static bool mock_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY || cap == IOMMU_CAP_INTR_REMAP;
}

static const struct iommu_ops mock_iommu_ops = {
	.owner = THIS_MODULE,
	.capable = mock_capable,
	.domain_alloc = mock_domain_alloc,
	.pgsize_bitmap = MOCK_IO_PAGE_SIZE,
	.default_domain_ops = &mock_domain_ops,
};

static struct iommu_device mock_iommu = {
	.ops = &mock_iommu_ops,
};

/**
 * mock_domain_is() - does a domain belong to the mock?
 * @domain: any domain but one of blocked devices
 *
 * Return: true if so: then iommu_iova_to_phys() is safe on all of it at any
 * time.
 */
bool mock_domain_is(struct iommu_domain *domain)
{
	return domain->ops == &mock_domain_ops;
}

static struct bus_type mock_bus = {
	.name = "iommufd_mock",
	.iommu_ops = &mock_iommu_ops,
};

static DEFINE_IDA(mock_ids);

static void mock_device_release(struct device *dev)
{
	struct mock_device *mdev = to_mock_device(dev);

	ida_free(&mock_ids, mdev->id);
	kfree(mdev);
}

static int add_to_group(struct device *dev)
{
	struct iommu_group *group = iommu_group_alloc();
	int ret;

	if (IS_ERR(group))
		return PTR_ERR(group);
	ret = iommu_group_add_device(group, dev);
	iommu_group_put(group);
	return ret;
}

/**
 * mock_device_create() - make a device behind the mock
 * @flags: MOCK_FLAGS_DEVICE_*
 *
 * Context: process context, may sleep.
 * Return: a device in a group of its own, to be given back with
 * mock_device_destroy(); ERR_PTR(-ENOMEM), or the errno of whatever could not
 * be registered.
 */
struct device *mock_device_create(u32 flags)
{
	struct mock_device *mdev;
	int ret;

	mdev = kzalloc(sizeof(*mdev), IOMMUFD_GFP);
	if (!mdev)
		return ERR_PTR(-ENOMEM);
	mdev->id = ida_alloc(&mock_ids, GFP_KERNEL);
	if (mdev->id < 0) {
		ret = mdev->id;
		kfree(mdev);
		return ERR_PTR(ret);
	}
	mdev->flags = flags;
	mutex_init(&mdev->iommu.lock);
	mdev->iommu.iommu_dev = &mock_iommu;
	mdev->dev.iommu = &mdev->iommu;
	mdev->dev.bus = &mock_bus;
	mdev->dev.release = mock_device_release;
	device_initialize(&mdev->dev);
	ret = dev_set_name(&mdev->dev, "iommufd_mock%d", mdev->id);
	if (ret)
		goto err_put;
	ret = device_add(&mdev->dev);
	if (ret)
		goto err_put;
	ret = add_to_group(&mdev->dev);
	if (ret)
		goto err_del;
	return &mdev->dev;

err_del:
	device_del(&mdev->dev);
err_put:
	put_device(&mdev->dev);
	return ERR_PTR(ret);
}

/**
 * mock_device_destroy() - remove a device
 * @dev: what mock_device_create() returned; not bound to an iommufd
 *
 * Context: process context, may sleep.
 */
void mock_device_destroy(struct device *dev)
{
	iommu_group_remove_device(dev);
	device_unregister(dev);
}

/* ---- what iommufd knows beyond struct iommu_ops ---- */

static void mock_hw_info(struct device *dev, struct iommufd_hw_info *info)
{
	struct mock_device *mdev = to_mock_device(dev);
	struct iommu_test_hw_info *data = (void *)info->data;

	info->type = IOMMU_HW_INFO_TYPE_SELFTEST;
	info->length = sizeof(*data);
	if (mdev->flags & MOCK_FLAGS_DEVICE_PASID)
		info->max_pasid_log2 = MOCK_PASID_WIDTH;
	data->test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL;
}

static bool mock_enforces_coherency(struct device *dev)
{
	return is_snooping(to_mock_device(dev));
}

static struct iommufd_driver mock_driver = {
	.ops = &mock_iommu_ops,
	.enforces_coherency = mock_enforces_coherency,
	.complete_domains = true,
	.hwpt_flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
	.hw_info = mock_hw_info,
};

/**
 * mock_iommu_init() - make the mock known
 *
 * Return: 0 or the errno of bus_register().
 */
int mock_iommu_init(void)
{
	int ret;

	ret = bus_register(&mock_bus);
	if (ret)
		return ret;
	iommufd_driver_register(&mock_driver);
	fault_injection_init();
	return 0;
}

/**
 * mock_iommu_exit() - undo mock_iommu_init()
 *
 * Context: process context; all of the mock's devices are gone.
 */
void mock_iommu_exit(void)
{
	fault_injection_exit();
	iommufd_driver_unregister(&mock_driver);
	bus_unregister(&mock_bus);
}
