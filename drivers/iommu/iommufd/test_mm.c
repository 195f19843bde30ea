// SPDX-License-Identifier: GPL-2.0-only
/*
 * User memory for KUnit tests.
 */
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "test_mm.h"

/* A test that was aborted has lost its thread, and the memory with it. */
static void free_mm(struct kunit_resource *res)
{
	if (current->mm && current->mm == res->data)
		test_mm_exit();
}

static int init_mm_resource(struct kunit_resource *res, void *unused)
{
	struct mm_struct *mm = mm_alloc();

	if (!mm)
		return -ENOMEM;
	mm->task_size = TASK_SIZE;
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	kthread_use_mm(mm);
	res->data = mm;
	return 0;
}

int test_mm_init(struct kunit *test)
{
	if (!kunit_alloc_resource(test, init_mm_resource, free_mm, GFP_KERNEL,
				  NULL))
		return -ENOMEM;
	return 0;
}

void test_mm_exit(void)
{
	struct mm_struct *mm = current->mm;

	kthread_unuse_mm(mm);
	mmput(mm);
}

unsigned long test_mm_map(struct kunit *test, unsigned long npages,
			  bool writable)
{
	unsigned long uptr;

	uptr = vm_mmap(NULL, 0, npages << PAGE_SHIFT,
		       writable ? PROT_READ | PROT_WRITE : PROT_READ,
		       MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uptr));
	return uptr;
}

void test_mm_touch(struct kunit *test, unsigned long uptr)
{
	KUNIT_ASSERT_EQ(test, put_user(1, (char __user *)uptr), 0);
}

void test_mm_scatter(struct kunit *test, unsigned long uptr,
		     unsigned long npages)
{
	unsigned long first, i;

	for (first = 0; first < 3; first++)
		for (i = first; i < npages; i += 3)
			test_mm_touch(test, uptr + (i << PAGE_SHIFT));
}

phys_addr_t test_mm_phys(struct kunit *test, unsigned long uptr)
{
	struct page *page;
	phys_addr_t phys;

	KUNIT_ASSERT_EQ(test, get_user_pages_fast(uptr, 1, 0, &page), 1);
	phys = page_to_phys(page) + offset_in_page(uptr);
	put_page(page);
	return phys;
}

unsigned long test_mm_pinned(void)
{
	return atomic64_read(&current->mm->pinned_vm);
}

bool test_mm_phys_pinned(phys_addr_t phys)
{
	return page_maybe_dma_pinned(pfn_to_page(PHYS_PFN(phys)));
}
