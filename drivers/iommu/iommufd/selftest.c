// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test ioctl: mock devices, and a look behind the scenes.
 *
 * For test kernels.  What it does to an I/O address space it does as a driver
 * would, through the same functions and under the same locks, so that a test
 * tests what is used.
 */
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "device.h"
#include "extent.h"
#include "hwpt.h"
#include "ioctl.h"
#include "iommufd_test.h"
#include "mock_iommu.h"
#include "pages.h"
#include "selftest.h"

/* What a temporary buffer may be unless a test limits it further. */
unsigned int iommufd_test_memory_limit = 65536;

/* How many of the user's pages are looked at in one go. */
#define CHECK_BATCH 16

/* ---- mock devices ---- */

/**
 * struct test_device - a mock device that is bound and attached
 * @obj: its id
 * @dev: the mock's device
 * @idev: its binding
 */
struct test_device {
	struct iommufd_object obj;
	struct device *dev;
	struct iommufd_device *idev;
};

static void test_device_destroy(struct iommufd_ctx *ictx,
				struct iommufd_object *obj)
{
	struct test_device *tdev = container_of(obj, struct test_device, obj);

	iommufd_device_unbind_owned(tdev->idev);
	mock_device_destroy(tdev->dev);
}

static struct iommufd_object_type test_device_type = {
	.name = "iommufd_test_device",
	.destroy = test_device_destroy,
};

/* The reply is what the user knows it by, so it comes before the publishing. */
static int attach_and_reply(struct iommufd_call *call, struct test_device *tdev,
			    u32 idev_id)
{
	struct iommu_test_cmd *cmd = call->arg;
	u32 pt_id = cmd->id;
	int ret;

	ret = iommufd_device_attach(tdev->idev, &pt_id);
	if (ret)
		return ret;
	cmd->mock_domain.out_stdev_id = tdev->obj.id;
	cmd->mock_domain.out_hwpt_id = pt_id;
	cmd->mock_domain.out_idev_id = idev_id;
	return iommufd_reply(call, sizeof(*cmd));
}

static int mock_domain(struct iommufd_call *call, u32 dev_flags)
{
	struct test_device *tdev;
	u32 idev_id;
	int ret;

	tdev = iommufd_object_alloc(call->ictx, struct test_device,
				    &test_device_type);
	if (IS_ERR(tdev))
		return PTR_ERR(tdev);
	tdev->dev = mock_device_create(dev_flags);
	if (IS_ERR(tdev->dev)) {
		ret = PTR_ERR(tdev->dev);
		goto err_abort;
	}
	tdev->idev = iommufd_device_bind_owned(call->ictx, tdev->dev, &idev_id);
	if (IS_ERR(tdev->idev)) {
		ret = PTR_ERR(tdev->idev);
		goto err_device;
	}
	ret = attach_and_reply(call, tdev, idev_id);
	if (ret)
		goto err_unbind;
	iommufd_object_publish(call->ictx, &tdev->obj);
	return 0;

err_unbind:
	iommufd_device_unbind_owned(tdev->idev);
err_device:
	mock_device_destroy(tdev->dev);
err_abort:
	iommufd_object_abort(call->ictx, &tdev->obj);
	return ret;
}

static int test_mock_domain(struct iommufd_call *call)
{
	return mock_domain(call, 0);
}

static int test_mock_domain_flags(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	u32 flags = cmd->mock_domain_flags.dev_flags;

	if (flags & ~(MOCK_FLAGS_DEVICE_HUGE_IOVA | MOCK_FLAGS_DEVICE_PASID |
		      MOCK_FLAGS_DEVICE_SNOOP))
		return -EOPNOTSUPP;
	return mock_domain(call, flags);
}

static int test_mock_domain_replace(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct iommufd_object *obj;
	struct test_device *tdev;
	int ret;

	/* Held, not just looked up: the move touches user memory. */
	obj = iommufd_object_get_held(call->ictx, cmd->id, &test_device_type);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	tdev = container_of(obj, struct test_device, obj);
	ret = iommufd_device_replace(tdev->idev,
				     &cmd->mock_domain_replace.pt_id);
	iommufd_object_unhold(obj);
	return ret ?: iommufd_reply(call, sizeof(*cmd));
}

static int test_mock_fail(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;

	if (cmd->mock_fail.mock_op >= MOCK_OP_NUM)
		return -EINVAL;
	mock_iommu_fail(cmd->mock_fail.mock_op, cmd->mock_fail.nth);
	return 0;
}

/* ---- address spaces ---- */

static int test_add_reserved(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct iommufd_ioas *ioas;
	unsigned long last;
	int ret;

	if (!cmd->add_reserved.length)
		return -EINVAL;
	if (check_add_overflow(cmd->add_reserved.start,
			       cmd->add_reserved.length - 1, &last))
		return -EOVERFLOW;

	ioas = iommufd_ioas_get(call->ictx, cmd->id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ret = iopt_reserve(&ioas->iopt, cmd->add_reserved.start, last, ioas);
	iommufd_object_put(&ioas->obj);
	return ret;
}

/**
 * iommufd_test_ioas_destroy() - forget what tests did to an IOAS
 * @ioas: an IOAS that is about to be destroyed
 *
 * Context: process context; no locks held.
 */
void iommufd_test_ioas_destroy(struct iommufd_ioas *ioas)
{
	iopt_unreserve(&ioas->iopt, ioas);
}

static int test_set_memory_limit(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;

	WRITE_ONCE(iommufd_test_memory_limit, cmd->memory_limit.limit);
	return 0;
}

/* ---- checks ---- */

static void put_pages(struct page **pages, unsigned long npages)
{
	while (npages--)
		put_page(pages[npages]);
}

/* Gets up to CHECK_BATCH pages; how many, or an errno. */
static int get_pages(unsigned long uptr, unsigned long npages,
		     struct page **pages)
{
	int ret;

	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	ret = get_user_pages_fast(uptr & PAGE_MASK,
				  min_t(unsigned long, npages, CHECK_BATCH), 0,
				  pages);
	return ret ?: -EFAULT;
}

static int check_user_range(u64 uptr, u64 length, unsigned long alignment)
{
	u64 end;

	if (!IS_ALIGNED(uptr | length, alignment))
		return -EINVAL;
	return check_add_overflow(uptr, length, &end) ? -EOVERFLOW : 0;
}

/**
 * test_compare_pages() - are these the user's pages?
 * @uptr: user address in the first page
 * @pages: pages
 * @npages: how many
 *
 * Context: process context; no locks held: faults user memory in.
 * Return: 0; -EIO when one is another page; -EFAULT or -EINTR.
 */
int test_compare_pages(unsigned long uptr, struct page **pages,
		       unsigned long npages)
{
	struct page *have[CHECK_BATCH];
	bool same;
	int nr;

	while (npages) {
		nr = get_pages(uptr, npages, have);
		if (nr < 0)
			return nr;
		same = !memcmp(have, pages, nr * sizeof(*have));
		put_pages(have, nr);
		if (!same)
			return -EIO;
		uptr += nr * PAGE_SIZE;
		pages += nr;
		npages -= nr;
	}
	return 0;
}

/* Does the domain translate @iova on to @uptr on, which is in @pages? */
static int compare_map(struct iommu_domain *domain, unsigned long iova,
		       unsigned long uptr, unsigned long length,
		       struct page **pages)
{
	unsigned long done, offset;
	phys_addr_t phys;

	if (!mock_domain_is(domain))
		return -EINVAL;
	for (done = 0; done < length; done += MOCK_IO_PAGE_SIZE) {
		offset = offset_in_page(uptr) + done;
		phys = page_to_phys(pages[offset / PAGE_SIZE]) +
		       offset % PAGE_SIZE;
		if (iommu_iova_to_phys(domain, iova + done) != phys)
			return -EIO;
	}
	return 0;
}

/* The HWPT is not kept while user memory is touched, so it is looked up here. */
static int compare_map_of_hwpt(struct iommufd_call *call, unsigned long iova,
			       unsigned long uptr, unsigned long length,
			       struct page **pages)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct iommufd_object *obj;
	struct iommufd_hwpt *hwpt;
	int ret;

	obj = iommufd_object_get(call->ictx, cmd->id, &iommufd_hwpt_type);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	hwpt = container_of(obj, struct iommufd_hwpt, obj);
	ret = compare_map(hwpt->domain.domain, iova, uptr, length, pages);
	iommufd_object_put(obj);
	return ret;
}

static int test_check_map(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	u64 iova = cmd->check_map.iova, uptr = cmd->check_map.uptr;
	u64 left = cmd->check_map.length, step;
	struct page *pages[CHECK_BATCH];
	int nr, ret;

	ret = check_user_range(iova, left, MOCK_IO_PAGE_SIZE);
	if (!ret)
		ret = check_user_range(uptr, left, MOCK_IO_PAGE_SIZE);
	while (!ret && left) {
		nr = get_pages(uptr, PFN_UP(offset_in_page(uptr) + left),
			       pages);
		if (nr < 0)
			return nr;
		step = min(left, nr * PAGE_SIZE - offset_in_page(uptr));
		ret = compare_map_of_hwpt(call, iova, uptr, step, pages);
		put_pages(pages, nr);
		iova += step;
		uptr += step;
		left -= step;
	}
	return ret;
}

/*
 * A small page counts its pins together with its references, a large folio all
 * those of its pages: of which the one in question need not be the only one.
 */
static bool pinned_times(struct page *page, unsigned int refs)
{
	struct folio *folio = page_folio(page);
	unsigned int pins;

	if (!folio_test_large(folio))
		return folio_ref_count(folio) / GUP_PIN_COUNTING_BIAS == refs;
	pins = atomic_read(folio_pincount_ptr(folio));
	return refs ? pins >= refs : !pins;
}

static int test_check_refs(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	u64 uptr = cmd->check_refs.uptr, left = cmd->check_refs.length;
	struct page *pages[CHECK_BATCH];
	int nr, i, ret;

	ret = check_user_range(uptr, left, PAGE_SIZE);
	while (!ret && left) {
		nr = get_pages(uptr, left / PAGE_SIZE, pages);
		if (nr < 0)
			return nr;
		for (i = 0; i < nr; i++)
			if (!pinned_times(pages[i], cmd->check_refs.refs))
				ret = -EIO;
		put_pages(pages, nr);
		uptr += nr * PAGE_SIZE;
		left -= nr * PAGE_SIZE;
	}
	return ret;
}

/* ---- dispatch ---- */

/**
 * iommufd_test_ioctl() - IOMMU_TEST_CMD
 * @call: with a struct iommu_test_cmd
 *
 * Return: 0 or an errno; -EOPNOTSUPP for an operation that there is not, or
 * not yet.
 */
int iommufd_test_ioctl(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;

	if (cmd->__reserved || cmd->last)
		return -EOPNOTSUPP;

	switch (cmd->op) {
	case IOMMU_TEST_OP_ADD_RESERVED:
		return test_add_reserved(call);
	case IOMMU_TEST_OP_MOCK_DOMAIN:
		return test_mock_domain(call);
	case IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS:
		return test_mock_domain_flags(call);
	case IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE:
		return test_mock_domain_replace(call);
	case IOMMU_TEST_OP_MD_CHECK_MAP:
		return test_check_map(call);
	case IOMMU_TEST_OP_MD_CHECK_REFS:
		return test_check_refs(call);
	case IOMMU_TEST_OP_CREATE_ACCESS:
		return test_create_access(call);
	case IOMMU_TEST_OP_ACCESS_REPLACE_IOAS:
		return test_access_replace_ioas(call);
	case IOMMU_TEST_OP_ACCESS_PAGES:
		return test_access_pages(call);
	case IOMMU_TEST_OP_DESTROY_ACCESS_PAGES:
		return test_destroy_access_pages(call);
	case IOMMU_TEST_OP_ACCESS_RW:
		return test_access_rw(call);
	case IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT:
		return test_set_memory_limit(call);
	case IOMMU_TEST_OP_MOCK_FAIL:
		return test_mock_fail(call);
	default:
		return -EOPNOTSUPP;
	}
}
