// SPDX-License-Identifier: GPL-2.0-only
/*
 * User memory for KUnit tests.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
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

static bool warned_before;

int test_mm_init(struct kunit *test)
{
	warned_before = test_taint(TAINT_WARN);
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

unsigned int test_mm_pins(phys_addr_t phys)
{
	return page_ref_count(pfn_to_page(PHYS_PFN(phys))) /
	       GUP_PIN_COUNTING_BIAS;
}

void test_wait_settled(struct task_struct *task)
{
	u64 runtime;

	do {
		runtime = READ_ONCE(task->se.sum_exec_runtime);
		schedule_timeout_uninterruptible(HZ / 50 + 1);
	} while (task_is_running(task) ||
		 runtime != READ_ONCE(task->se.sum_exec_runtime));
}

void test_expect_no_warning(struct kunit *test)
{
	/* Only the first one of all can be told. */
	if (!warned_before)
		KUNIT_EXPECT_FALSE(test, test_taint(TAINT_WARN));
}

/* ---- blocks ---- */

static struct page *block_page(struct test_block *block, unsigned long index)
{
	return nth_page(block->first, block->layout[index]);
}

static vm_fault_t block_fault(struct vm_fault *vmf)
{
	struct test_block *block = vmf->vma->vm_private_data;

	if (block->fault)
		block->fault(block, vmf->pgoff);
	vmf->page = block_page(block, vmf->pgoff);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct block_vm_ops = {
	.fault = block_fault,
};

static int block_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &block_vm_ops;
	vma->vm_private_data = file->private_data;
	return 0;
}

static const struct file_operations block_fops = {
	.mmap = block_mmap,
};

static int init_block_resource(struct kunit_resource *res, void *context)
{
	struct test_block *block = context;

	block->first = alloc_pages(GFP_KERNEL | __GFP_ZERO,
				   ilog2(block->nr));
	if (!block->first)
		return -ENOMEM;
	split_page(block->first, ilog2(block->nr));
	res->data = block;
	return 0;
}

static void free_block(struct kunit_resource *res)
{
	struct test_block *block = res->data;
	unsigned long i;

	for (i = 0; i < block->nr; i++)
		put_page(nth_page(block->first, i));
}

struct test_block *test_block_alloc(struct kunit *test, unsigned int order)
{
	struct test_block *block;
	unsigned long i;

	block = kunit_kzalloc(test, sizeof(*block), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, block);
	block->nr = 1UL << order;
	block->layout = kunit_kcalloc(test, block->nr, sizeof(*block->layout),
				      GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, block->layout);
	for (i = 0; i < block->nr; i++)
		block->layout[i] = i;
	KUNIT_ASSERT_NOT_NULL(test, kunit_alloc_resource(test,
							 init_block_resource,
							 free_block, GFP_KERNEL,
							 block));
	return block;
}

unsigned long test_block_map(struct kunit *test, struct test_block *block,
			     unsigned long uptr)
{
	unsigned long flags = MAP_SHARED | (uptr ? MAP_FIXED : 0);
	struct file *file;

	file = anon_inode_getfile("[iommufd_test]", &block_fops, block, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	uptr = vm_mmap(file, uptr, block->nr << PAGE_SHIFT,
		       PROT_READ | PROT_WRITE, flags, 0);
	fput(file);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uptr));
	return uptr;
}

phys_addr_t test_block_phys(struct test_block *block, unsigned long index)
{
	return page_to_phys(block_page(block, index));
}

/* ---- a user with a limit ---- */

/* No one else has this id. */
#define TEST_UID 0x7ffffff0

static struct user_struct *test_user;
static struct cred *test_cred;
static const struct cred *old_cred;

static int init_user_resource(struct kunit_resource *res, void *unused)
{
	struct cred *cred = prepare_creds();

	if (!cred)
		return -ENOMEM;
	test_user = alloc_uid(KUIDT_INIT(TEST_UID));
	if (!test_user) {
		abort_creds(cred);
		return -ENOMEM;
	}
	free_uid(cred->user);
	cred->user = get_uid(test_user);
	cap_lower(cred->cap_effective, CAP_IPC_LOCK);
	test_cred = cred;
	old_cred = override_creds(cred);
	res->data = cred;
	return 0;
}

/* As with the memory, the thread may be gone. */
static void free_user(struct kunit_resource *res)
{
	if (current_cred() == test_cred)
		revert_creds(old_cred);
	put_cred(test_cred);
	free_uid(test_user);
}

int test_user_init(struct kunit *test, unsigned long limit)
{
	if (!kunit_alloc_resource(test, init_user_resource, free_user,
				  GFP_KERNEL, NULL))
		return -ENOMEM;
	test_user_set_limit(limit);
	return 0;
}

void test_user_set_limit(unsigned long limit)
{
	/* The thread's own: it is no one else's leader. */
	current->signal->rlim[RLIMIT_MEMLOCK].rlim_cur = limit << PAGE_SHIFT;
}

void test_user_set_capable(bool capable)
{
	if (capable)
		cap_raise(test_cred->cap_effective, CAP_IPC_LOCK);
	else
		cap_lower(test_cred->cap_effective, CAP_IPC_LOCK);
}

long test_user_locked(void)
{
	return atomic_long_read(&test_user->locked_vm);
}
