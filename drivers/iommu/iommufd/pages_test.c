// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of pinned memory and of its accounting.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>

#include "pages.h"
#include "test_mm.h"

static struct iommufd_payers payers;

static int pages_test_init(struct kunit *test)
{
	iommufd_payers_init(&payers);
	return test_mm_init(test);
}

static void pages_test_exit(struct kunit *test)
{
	test_expect_no_warning(test);
	iommufd_payers_release(&payers);
}

static struct iopt_pages *alloc_pages_of(struct kunit *test, unsigned long uptr,
					 unsigned long length, bool writable)
{
	struct iopt_pages *pages;

	pages = iopt_pages_alloc_user(uptr, length, writable, &payers);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pages));
	return pages;
}

static void unpin_now(struct iopt_pages *pages)
{
	LIST_HEAD(drop);

	iopt_pages_unpin(pages, 0, pages->npages, &drop);
	iopt_pins_drop(&drop);
}

static int pin_whole(struct iopt_pages *pages)
{
	return iopt_pages_pin(pages, 0, pages->npages);
}

static void range_is_checked(struct kunit *test)
{
	struct iopt_pages *pages;

	pages = iopt_pages_alloc_user(PAGE_SIZE, 0, true, &payers);
	KUNIT_EXPECT_PTR_EQ(test, pages, ERR_PTR(-EINVAL));
	pages = iopt_pages_alloc_user(0, SIZE_MAX - PAGE_SIZE + 1, true,
				      &payers);
	KUNIT_EXPECT_PTR_EQ(test, pages, ERR_PTR(-EINVAL));
	pages = iopt_pages_alloc_user(ULONG_MAX - 10, 100, true,
				      &payers);
	KUNIT_EXPECT_PTR_EQ(test, pages, ERR_PTR(-EOVERFLOW));
	/* Does not wrap, but its last page's end would. */
	pages = iopt_pages_alloc_user(ULONG_MAX - 10, 5, true,
				      &payers);
	KUNIT_EXPECT_PTR_EQ(test, pages, ERR_PTR(-EOVERFLOW));
}

static void range_grows_to_whole_pages(struct kunit *test)
{
	struct iopt_pages *pages;

	pages = alloc_pages_of(test, 5 * PAGE_SIZE - 1, 2, true);
	KUNIT_EXPECT_EQ(test, pages->start, 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pages->npages, 2);
	iopt_pages_put(pages);

	pages = alloc_pages_of(test, 5 * PAGE_SIZE, PAGE_SIZE, true);
	KUNIT_EXPECT_EQ(test, pages->start, 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pages->npages, 1);
	iopt_pages_put(pages);
}

static void pinned_once_for_all_users(struct kunit *test)
{
	unsigned long uptr = test_mm_map(test, 4, true);
	struct iopt_pages *pages;
	LIST_HEAD(drop);
	phys_addr_t phys;

	pages = alloc_pages_of(test, uptr, 4 * PAGE_SIZE, true);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);

	KUNIT_ASSERT_EQ(test, pin_whole(pages), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 4);
	KUNIT_ASSERT_EQ(test, pin_whole(pages), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 4);
	phys = test_mm_phys(test, uptr);

	iopt_pages_unpin(pages, 0, 4, &drop);
	KUNIT_EXPECT_TRUE(test, list_empty(&drop));
	KUNIT_EXPECT_TRUE(test, test_mm_phys_pinned(phys));

	/* The last user only takes them out; the drop lets them go. */
	iopt_pages_unpin(pages, 0, 4, &drop);
	KUNIT_EXPECT_FALSE(test, list_empty(&drop));
	KUNIT_EXPECT_TRUE(test, test_mm_phys_pinned(phys));
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 4);
	iopt_pins_drop(&drop);
	KUNIT_EXPECT_FALSE(test, test_mm_phys_pinned(phys));
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);

	/* And again. */
	KUNIT_EXPECT_EQ(test, pin_whole(pages), 0);
	unpin_now(pages);
	iopt_pages_put(pages);
}

static void second_range_of_the_same_memory_counts_again(struct kunit *test)
{
	unsigned long uptr = test_mm_map(test, 2, true);
	struct iopt_pages *a, *b;
	phys_addr_t phys;

	a = alloc_pages_of(test, uptr, 2 * PAGE_SIZE, true);
	b = alloc_pages_of(test, uptr, PAGE_SIZE, true);
	KUNIT_ASSERT_EQ(test, pin_whole(a), 0);
	KUNIT_ASSERT_EQ(test, pin_whole(b), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 3);

	phys = test_mm_phys(test, uptr);
	unpin_now(a);
	KUNIT_EXPECT_TRUE(test, test_mm_phys_pinned(phys));
	unpin_now(b);
	KUNIT_EXPECT_FALSE(test, test_mm_phys_pinned(phys));
	iopt_pages_put(a);
	iopt_pages_put(b);
}

/* Walks a part of a pinned range; its runs are the memory, byte for byte. */
static void expect_runs(struct kunit *test, struct iopt_pages *pages,
			unsigned long offset, unsigned long length)
{
	unsigned long uptr = pages->start + offset;
	unsigned long wrong = 0, walked = 0, pos;
	struct iopt_run_iter iter;

	iopt_run_iter_init(&iter, pages, offset, length);
	for (; iter.length; iopt_run_iter_next(&iter)) {
		pos = 0;
		while (pos < iter.length) {
			if (test_mm_phys(test, uptr + walked + pos) !=
			    iter.phys + pos)
				wrong++;
			pos += PAGE_SIZE - offset_in_page(uptr + walked + pos);
		}
		walked += iter.length;
	}
	iopt_run_iter_done(&iter);
	KUNIT_EXPECT_EQ(test, walked, length);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static void runs_are_the_memory(struct kunit *test)
{
	/* Several batches of GUP, and several chunks of runs. */
	const unsigned long npages = 3 * PAGE_SIZE / sizeof(void *) + 7;
	unsigned long uptr = test_mm_map(test, npages, true);
	struct iopt_pages *pages;
	unsigned long i;

	test_mm_scatter(test, uptr, npages);
	pages = alloc_pages_of(test, uptr, npages * PAGE_SIZE, true);
	KUNIT_ASSERT_EQ(test, pin_whole(pages), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), npages);

	expect_runs(test, pages, 0, npages * PAGE_SIZE);
	expect_runs(test, pages, 0, 1);
	expect_runs(test, pages, npages * PAGE_SIZE - 1, 1);
	expect_runs(test, pages, 100, PAGE_SIZE);
	for (i = 1; i < npages; i += npages / 5)
		expect_runs(test, pages, i * PAGE_SIZE - 5,
			    (npages - i) * PAGE_SIZE / 2 + 9);

	unpin_now(pages);
	iopt_pages_put(pages);
}

static void nothing_stays_pinned_of_a_range_with_a_hole(struct kunit *test)
{
	const unsigned long npages = 40;
	unsigned long uptr = test_mm_map(test, npages, true);
	struct iopt_pages *pages;
	phys_addr_t phys;

	test_mm_scatter(test, uptr, npages);
	phys = test_mm_phys(test, uptr);
	vm_munmap(uptr + 33 * PAGE_SIZE, PAGE_SIZE);

	pages = alloc_pages_of(test, uptr, npages * PAGE_SIZE, true);
	KUNIT_EXPECT_EQ(test, pin_whole(pages), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	KUNIT_EXPECT_FALSE(test, test_mm_phys_pinned(phys));
	iopt_pages_put(pages);
}

static void range_may_span_vmas(struct kunit *test)
{
	unsigned long uptr = test_mm_map(test, 40, true);
	struct iopt_pages *pages;

	/* Three VMAs now: that in the middle is read-only. */
	KUNIT_ASSERT_EQ(test, vm_munmap(uptr + 8 * PAGE_SIZE, 8 * PAGE_SIZE),
			0);
	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, uptr + 8 * PAGE_SIZE, 8 * PAGE_SIZE,
				      PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE |
				      MAP_FIXED, 0), uptr + 8 * PAGE_SIZE);

	pages = alloc_pages_of(test, uptr, 40 * PAGE_SIZE, false);
	KUNIT_ASSERT_EQ(test, pin_whole(pages), 0);
	expect_runs(test, pages, 0, 40 * PAGE_SIZE);
	unpin_now(pages);
	iopt_pages_put(pages);

	pages = alloc_pages_of(test, uptr, 40 * PAGE_SIZE, true);
	KUNIT_EXPECT_EQ(test, pin_whole(pages), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	iopt_pages_put(pages);
}

static void read_only_memory_cannot_be_pinned_for_writing(struct kunit *test)
{
	unsigned long uptr = test_mm_map(test, 1, false);
	struct iopt_pages *pages;

	pages = alloc_pages_of(test, uptr, PAGE_SIZE, true);
	KUNIT_EXPECT_EQ(test, pin_whole(pages), -EFAULT);
	iopt_pages_put(pages);

	pages = alloc_pages_of(test, uptr, PAGE_SIZE, false);
	KUNIT_EXPECT_EQ(test, pin_whole(pages), 0);
	unpin_now(pages);
	iopt_pages_put(pages);
}

/* Reads, pins for reading, and only then writes: which page is pinned? */
static void expect_cow_broken(struct kunit *test, unsigned long uptr)
{
	struct iopt_run_iter iter;
	struct iopt_pages *pages;
	phys_addr_t before;
	char c;

	KUNIT_ASSERT_EQ(test, get_user(c, (char __user *)uptr), 0);
	KUNIT_EXPECT_EQ(test, c, 0);
	before = test_mm_phys(test, uptr);
	pages = alloc_pages_of(test, uptr, PAGE_SIZE, false);
	KUNIT_ASSERT_EQ(test, pin_whole(pages), 0);
	test_mm_touch(test, uptr);
	/* It was a page that the process shared with others. */
	KUNIT_EXPECT_NE(test, test_mm_phys(test, uptr), before);

	iopt_run_iter_init(&iter, pages, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iter.phys, test_mm_phys(test, uptr));
	iopt_run_iter_done(&iter);
	unpin_now(pages);
	iopt_pages_put(pages);
}

/* What the process writes later has to be what the device reads. */
static void pin_for_reading_breaks_cow(struct kunit *test)
{
	unsigned long uptr;
	struct file *file;

	/* The zero page, and a page of a file that is mapped privately. */
	expect_cow_broken(test, test_mm_map(test, 1, true));
	file = shmem_file_setup("iommufd_test", PAGE_SIZE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	uptr = vm_mmap(file, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		       0);
	fput(file);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uptr));
	expect_cow_broken(test, uptr);
}

static void process_that_ended_cannot_be_pinned(struct kunit *test)
{
	unsigned long uptr = test_mm_map(test, 1, true);
	struct iopt_pages *pages;

	pages = alloc_pages_of(test, uptr, PAGE_SIZE, true);
	test_mm_exit();
	KUNIT_EXPECT_EQ(test, pin_whole(pages), -EFAULT);
	KUNIT_EXPECT_EQ(test, atomic64_read(&pages->payer->mm->pinned_vm), 0);
	iopt_pages_put(pages);
}

static void pinned_memory_outlives_its_process(struct kunit *test)
{
	unsigned long uptr = test_mm_map(test, 1, true);
	struct iopt_pages *pages;
	phys_addr_t phys;

	pages = alloc_pages_of(test, uptr, PAGE_SIZE, true);
	KUNIT_ASSERT_EQ(test, pin_whole(pages), 0);
	phys = test_mm_phys(test, uptr);
	test_mm_exit();
	KUNIT_EXPECT_TRUE(test, test_mm_phys_pinned(phys));
	KUNIT_EXPECT_EQ(test, atomic64_read(&pages->payer->mm->pinned_vm), 1);

	unpin_now(pages);
	KUNIT_EXPECT_FALSE(test, test_mm_phys_pinned(phys));
	KUNIT_EXPECT_EQ(test, atomic64_read(&pages->payer->mm->pinned_vm), 0);
	iopt_pages_put(pages);
}

static struct kunit_case pages_cases[] = {
	KUNIT_CASE(range_is_checked),
	KUNIT_CASE(range_grows_to_whole_pages),
	KUNIT_CASE(pinned_once_for_all_users),
	KUNIT_CASE(second_range_of_the_same_memory_counts_again),
	KUNIT_CASE(runs_are_the_memory),
	KUNIT_CASE(nothing_stays_pinned_of_a_range_with_a_hole),
	KUNIT_CASE(range_may_span_vmas),
	KUNIT_CASE(read_only_memory_cannot_be_pinned_for_writing),
	KUNIT_CASE(pin_for_reading_breaks_cow),
	KUNIT_CASE(process_that_ended_cannot_be_pinned),
	KUNIT_CASE(pinned_memory_outlives_its_process),
	{}
};

static struct kunit_suite pages_suite = {
	.name = "iopt_pages",
	.init = pages_test_init,
	.exit = pages_test_exit,
	.test_cases = pages_cases,
};

/* ---- accounting ---- */

#define LIMIT 10

static int account_test_init(struct kunit *test)
{
	int ret;

	ret = pages_test_init(test);
	if (ret)
		return ret;
	return test_user_init(test, LIMIT);
}

static struct iommufd_payer *payer_in(enum iommufd_account_mode mode)
{
	payers.mode = mode;
	return iommufd_payer_get_current(&payers);
}

static void user_is_charged_up_to_the_limit(struct kunit *test)
{
	struct iommufd_payer *payer = payer_in(IOMMUFD_ACCOUNT_USER);

	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, LIMIT - 1), 0);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, 2), -ENOMEM);
	KUNIT_EXPECT_EQ(test, test_user_locked(), LIMIT - 1);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, 1), 0);
	KUNIT_EXPECT_EQ(test, test_user_locked(), LIMIT);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), LIMIT);
	KUNIT_EXPECT_EQ(test, current->mm->locked_vm, 0);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, ULONG_MAX >> PAGE_SHIFT),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, ULONG_MAX), -ENOMEM);

	iommufd_uncharge(payer, LIMIT);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	iommufd_payer_put(payer);
}

static void mm_is_charged_up_to_the_limit(struct kunit *test)
{
	struct iommufd_payer *payer = payer_in(IOMMUFD_ACCOUNT_MM);

	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, LIMIT - 1), 0);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, 2), -ENOMEM);
	KUNIT_EXPECT_EQ(test, current->mm->locked_vm, LIMIT - 1);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, 1), 0);
	KUNIT_EXPECT_EQ(test, current->mm->locked_vm, LIMIT);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), LIMIT);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 0);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, ULONG_MAX), -ENOMEM);

	iommufd_uncharge(payer, LIMIT);
	KUNIT_EXPECT_EQ(test, current->mm->locked_vm, 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	iommufd_payer_put(payer);
}

static void giving_back_does_not_wait_for_mmap_lock(struct kunit *test)
{
	struct iommufd_payer *payer = payer_in(IOMMUFD_ACCOUNT_MM), *other;
	struct mm_struct *mm = current->mm;
	struct iommufd_payers others;

	iommufd_payers_init(&others);
	others.mode = IOMMUFD_ACCOUNT_MM;
	other = iommufd_payer_get_current(&others);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, LIMIT), 0);

	mmap_read_lock(mm);
	iommufd_uncharge(payer, LIMIT);
	iommufd_charge_unlimited(payer, 3);
	iommufd_uncharge(payer, 2);
	KUNIT_EXPECT_EQ(test, mm->locked_vm, LIMIT);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 1);
	mmap_read_unlock(mm);

	/* Another payer of the same mm counts on it at once. */
	KUNIT_EXPECT_EQ(test, iommufd_charge(other, LIMIT), -ENOMEM);
	KUNIT_EXPECT_EQ(test, iommufd_charge(other, LIMIT - 1), 0);
	KUNIT_EXPECT_EQ(test, mm->locked_vm, LIMIT);
	iommufd_uncharge(other, LIMIT - 1);
	iommufd_uncharge(payer, 1);
	KUNIT_EXPECT_EQ(test, mm->locked_vm, 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	iommufd_payer_put(other);
	iommufd_payers_release(&others);
	iommufd_payer_put(payer);
}

static void what_is_given_back_settles(struct kunit *test)
{
	struct iommufd_payer *payer = payer_in(IOMMUFD_ACCOUNT_MM);
	struct mm_struct *mm = current->mm;
	int i;

	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, LIMIT), 0);
	mmap_read_lock(mm);
	iommufd_uncharge(payer, LIMIT);
	/* Long enough to be tried in vain */
	msleep(300);
	KUNIT_EXPECT_EQ(test, mm->locked_vm, LIMIT);
	mmap_read_unlock(mm);
	for (i = 0; i < 500 && READ_ONCE(mm->locked_vm); i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, mm->locked_vm, 0);
	iommufd_payer_put(payer);
}

static void cap_ipc_lock_lifts_the_limit(struct kunit *test)
{
	struct iommufd_payer *payer;

	test_user_set_capable(true);
	payer = payer_in(IOMMUFD_ACCOUNT_USER);
	test_user_set_capable(false);

	/* Decided then, once and for all; but always counted as pinned. */
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, LIMIT + 1), 0);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), LIMIT + 1);
	iommufd_uncharge(payer, LIMIT + 1);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	iommufd_payer_put(payer);
}

static void limit_is_that_of_the_moment(struct kunit *test)
{
	struct iommufd_payer *payer = payer_in(IOMMUFD_ACCOUNT_USER);

	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, LIMIT), 0);
	test_user_set_limit(2);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, 1), -ENOMEM);
	iommufd_uncharge(payer, LIMIT - 1);
	KUNIT_EXPECT_EQ(test, iommufd_charge(payer, 1), 0);
	iommufd_uncharge(payer, 2);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 0);
	iommufd_payer_put(payer);
}

static void pin_above_the_limit_is_enomem(struct kunit *test)
{
	unsigned long uptr = test_mm_map(test, LIMIT + 1, true);
	struct iopt_pages *fits, *exceeds;

	fits = alloc_pages_of(test, uptr, LIMIT * PAGE_SIZE, true);
	exceeds = alloc_pages_of(test, uptr, LIMIT * PAGE_SIZE + 1, true);
	KUNIT_EXPECT_EQ(test, pin_whole(exceeds), -ENOMEM);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 0);
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);

	KUNIT_EXPECT_EQ(test, pin_whole(fits), 0);
	KUNIT_EXPECT_EQ(test, test_user_locked(), LIMIT);
	unpin_now(fits);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 0);
	iopt_pages_put(fits);
	iopt_pages_put(exceeds);
}

static void failed_pin_gives_back_the_charge(struct kunit *test)
{
	unsigned long uptr = test_mm_map(test, 2, true);
	struct iopt_pages *pages;

	vm_munmap(uptr + PAGE_SIZE, PAGE_SIZE);
	pages = alloc_pages_of(test, uptr, 2 * PAGE_SIZE, true);
	KUNIT_EXPECT_EQ(test, pin_whole(pages), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_user_locked(), 0);
	iopt_pages_put(pages);
}

static struct kunit_case account_cases[] = {
	KUNIT_CASE(user_is_charged_up_to_the_limit),
	KUNIT_CASE(mm_is_charged_up_to_the_limit),
	KUNIT_CASE(giving_back_does_not_wait_for_mmap_lock),
	KUNIT_CASE(what_is_given_back_settles),
	KUNIT_CASE(cap_ipc_lock_lifts_the_limit),
	KUNIT_CASE(limit_is_that_of_the_moment),
	KUNIT_CASE(pin_above_the_limit_is_enomem),
	KUNIT_CASE(failed_pin_gives_back_the_charge),
	{}
};

static struct kunit_suite account_suite = {
	.name = "iommufd_account",
	.init = account_test_init,
	.exit = pages_test_exit,
	.test_cases = account_cases,
};

kunit_test_suites(&pages_suite, &account_suite);
