// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of accesses, as the driver of an emulated device uses them.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>

#include "hwpt.h"
#include "pages.h"
#include "test_mm.h"

#define RW (IOMMU_READ | IOMMU_WRITE)
#define WRITE_FLAG IOMMUFD_ACCESS_RW_WRITE
#define MEMORY_ORDER 3
#define MEMORY_PAGES BIT(MEMORY_ORDER)
#define PINS 4

/**
 * struct pin - what a driver has pinned
 * @iova: first byte
 * @length: in bytes; 0 when it has not
 */
struct pin {
	unsigned long iova;
	unsigned long length;
};

/**
 * struct access_test - a driver, and two address spaces
 * @file: an open /dev/iommu
 * @ictx: its context
 * @ioas: the address spaces
 * @block: memory, one run
 * @uptr: where it is
 * @access: the driver's
 * @id: its id
 * @pins: what it has pinned
 * @pages: what it was given
 * @asked: how often it was asked to let go
 * @last: of what, the last time
 */
struct access_test {
	struct file *file;
	struct iommufd_ctx *ictx;
	struct iommufd_ioas *ioas[2];
	struct test_block *block;
	unsigned long uptr;

	struct iommufd_access *access;
	u32 id;
	struct pin pins[PINS];
	struct page *pages[MEMORY_PAGES + 1];
	unsigned int asked;
	struct pin last;
};

static void unpin(struct access_test *t, struct pin *pin)
{
	iommufd_access_unpin_pages(t->access, pin->iova, pin->length);
	pin->length = 0;
}

static void driver_unmap(void *data, unsigned long iova, unsigned long length)
{
	struct access_test *t = data;
	struct pin *pin;

	t->asked++;
	t->last = (struct pin){ iova, length };
	for (pin = t->pins; pin < t->pins + PINS; pin++)
		if (pin->length && pin->iova <= iova + length - 1 &&
		    iova <= pin->iova + pin->length - 1)
			unpin(t, pin);
}

static const struct iommufd_access_ops pinning_ops = {
	.needs_pin_pages = true,
	.unmap = driver_unmap,
};

static const struct iommufd_access_ops copying_ops = {
};

static void alloc_ioas(struct kunit *test, unsigned int i)
{
	struct access_test *t = test->priv;

	t->ioas[i] = iommufd_ioas_alloc(t->ictx);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->ioas[i]));
	iommufd_object_publish(t->ictx, &t->ioas[i]->obj);
}

static void create_access(struct kunit *test,
			  const struct iommufd_access_ops *ops)
{
	struct access_test *t = test->priv;

	t->access = iommufd_access_create(t->file, ops, t, &t->id);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->access));
}

static void destroy_access(struct access_test *t)
{
	iommufd_access_destroy(t->access);
	t->access = NULL;
}

static int access_test_init(struct kunit *test)
{
	struct access_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int ret;

	if (!t)
		return -ENOMEM;
	ret = test_mm_init(test);
	if (ret)
		return ret;
	t->block = test_block_alloc(test, MEMORY_ORDER);
	t->uptr = test_block_map(test, t->block, 0);
	t->file = anon_inode_getfile("[iommufd_test]", &iommufd_fops, NULL,
				     O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->file));
	KUNIT_ASSERT_EQ(test, iommufd_fops.open(file_inode(t->file), t->file),
			0);
	t->ictx = iommufd_ctx_from_file(t->file);
	test->priv = t;
	alloc_ioas(test, 0);
	alloc_ioas(test, 1);
	create_access(test, &pinning_ops);
	KUNIT_ASSERT_EQ(test, iommufd_access_attach(t->access,
						    t->ioas[0]->obj.id), 0);
	return 0;
}

static void access_test_exit(struct kunit *test)
{
	struct access_test *t = test->priv;

	if (!t)
		return;
	if (t->access)
		destroy_access(t);
	/* The access had a reference, and gave it back before now. */
	KUNIT_EXPECT_EQ(test, file_count(t->file), 1);
	__fput_sync(t->file);
	if (current->mm)
		KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	test_expect_no_warning(test);
}

static void map_at(struct kunit *test, unsigned int i, unsigned long iova,
		   unsigned long first, unsigned long npages, int prot)
{
	struct access_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, iommufd_ioas_map_fixed(t->ictx, t->ioas[i], iova,
						     t->uptr +
						     first * PAGE_SIZE,
						     npages * PAGE_SIZE, prot),
			0);
}

static void unmap(struct kunit *test, unsigned int i, unsigned long iova,
		  unsigned long npages)
{
	struct access_test *t = test->priv;
	unsigned long unmapped;
	LIST_HEAD(drop);

	KUNIT_EXPECT_EQ(test, iopt_unmap(&t->ioas[i]->iopt, iova,
					 iova + npages * PAGE_SIZE - 1,
					 &unmapped, &drop), 0);
	iopt_pins_drop(&drop);
	KUNIT_EXPECT_EQ(test, unmapped, npages * PAGE_SIZE);
}

static int pin(struct access_test *t, unsigned int i, unsigned long iova,
	       unsigned long length, unsigned int flags)
{
	int ret;

	ret = iommufd_access_pin_pages(t->access, iova, length, t->pages,
				       flags);
	if (!ret)
		t->pins[i] = (struct pin){ iova, length };
	return ret;
}

/* How often each page is pinned: a digit for each. */
static void expect_pinned(struct kunit *test, const char *pins)
{
	struct access_test *t = test->priv;
	char now[MEMORY_PAGES + 1] = {};
	unsigned int i;

	for (i = 0; i < MEMORY_PAGES; i++)
		now[i] = '0' + test_mm_pins(test_block_phys(t->block, i));
	KUNIT_EXPECT_STREQ(test, now, pins);
}

static void expect_pages(struct kunit *test, unsigned long first,
			 unsigned long npages)
{
	struct access_test *t = test->priv;
	unsigned long i;

	for (i = 0; i < npages; i++)
		KUNIT_EXPECT_EQ(test, page_to_phys(t->pages[i]),
				test_block_phys(t->block, first + i));
	KUNIT_EXPECT_PTR_EQ(test, t->pages[npages], NULL);
}

/* ---- pinning ---- */

static void pin_gives_each_page_that_is_touched(struct kunit *test)
{
	struct access_test *t = test->priv;

	map_at(test, 0, SZ_1M, 0, 3, RW);
	map_at(test, 0, SZ_1M + 3 * PAGE_SIZE, 3, 3, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M + 2 * PAGE_SIZE - 1, 2, 0), 0);
	expect_pages(test, 1, 2);
	expect_pinned(test, "01100000");
	/* Over two areas; again. */
	KUNIT_EXPECT_EQ(test, pin(t, 1, SZ_1M + 5, 5 * PAGE_SIZE, WRITE_FLAG),
			0);
	expect_pages(test, 0, 6);
	expect_pinned(test, "11111100");
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 6);
	unpin(t, &t->pins[1]);
	expect_pinned(test, "01100000");
	unpin(t, &t->pins[0]);
	expect_pinned(test, "00000000");
}

static void unpin_is_of_just_what_was_pinned(struct kunit *test)
{
	struct access_test *t = test->priv;

	map_at(test, 0, SZ_1M, 0, 4, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 2 * PAGE_SIZE, 0), 0);
	KUNIT_EXPECT_EQ(test, pin(t, 1, SZ_1M, 2 * PAGE_SIZE, 0), 0);
	iommufd_access_unpin_pages(t->access, SZ_1M, PAGE_SIZE);
	iommufd_access_unpin_pages(t->access, SZ_1M + PAGE_SIZE, PAGE_SIZE);
	iommufd_access_unpin_pages(t->access, SZ_1M, 0);
	iommufd_access_unpin_pages(t->access, ULONG_MAX, 2);
	iommufd_access_unpin_pages(t->access, SZ_2M, PAGE_SIZE);
	expect_pinned(test, "11000000");
	unpin(t, &t->pins[0]);
	expect_pinned(test, "11000000");
	iommufd_access_unpin_pages(t->access, SZ_1M, 2 * PAGE_SIZE);
	expect_pinned(test, "00000000");
	unpin(t, &t->pins[1]);
}

static void pin_at_the_last_address(struct kunit *test)
{
	const unsigned long top = ULONG_MAX - 2 * PAGE_SIZE + 1;
	struct access_test *t = test->priv;

	map_at(test, 0, top, 0, 1, RW);
	map_at(test, 0, top + PAGE_SIZE, 1, 1, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, top, 2 * PAGE_SIZE, 0), 0);
	expect_pages(test, 0, 2);
	unpin(t, &t->pins[0]);
	expect_pinned(test, "00000000");
	KUNIT_EXPECT_EQ(test, pin(t, 0, top + PAGE_SIZE, PAGE_SIZE + 1, 0),
			-EOVERFLOW);
}

static void failed_pin_leaves_nothing(struct kunit *test)
{
	struct access_test *t = test->priv;

	map_at(test, 0, SZ_1M, 0, 2, RW);
	map_at(test, 0, SZ_1M + 2 * PAGE_SIZE, 2, 1, IOMMU_READ);
	map_at(test, 0, SZ_1M + 3 * PAGE_SIZE, 4, 4, RW);
	vm_munmap(t->uptr + 6 * PAGE_SIZE, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, IOMMUFD_ACCESS_RW_KTHREAD),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M - 1, 2, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M + 6 * PAGE_SIZE, 2 * PAGE_SIZE,
				  0), -ENOENT);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 3 * PAGE_SIZE, WRITE_FLAG),
			-EPERM);
	/* The last of three parts has no memory. */
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 7 * PAGE_SIZE, 0), -EFAULT);
	expect_pinned(test, "00000000");
	KUNIT_EXPECT_EQ(test, test_mm_pinned(), 0);
	/* And nothing is in use. */
	unmap(test, 0, SZ_1M, 7);
	KUNIT_EXPECT_EQ(test, t->asked, 0);
}

static void access_without_pages_cannot_pin(struct kunit *test)
{
	struct access_test *t = test->priv;

	destroy_access(t);
	create_access(test, &copying_ops);
	/* Then mappings need not be aligned. */
	map_at(test, 0, SZ_1M + 1, 0, 1, RW);
	KUNIT_EXPECT_EQ(test, iommufd_access_attach(t->access,
						    t->ioas[0]->obj.id), 0);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M + 1, 1, 0), -EINVAL);
	/* Nor has it to be told. */
	unmap(test, 0, SZ_1M + 1, 1);
}

/* ---- reading and writing ---- */

static char memory_at(struct access_test *t, unsigned long offset)
{
	struct page *page = pfn_to_page(PHYS_PFN(test_block_phys(t->block,
						offset >> PAGE_SHIFT)));

	return *((char *)page_address(page) + offset_in_page(offset));
}

static void rw_reaches_the_memory(struct kunit *test)
{
	const unsigned long iova = SZ_1M + PAGE_SIZE - 3;
	struct access_test *t = test->priv;
	char data[8] = "abcdefg";
	unsigned int flags, i;

	map_at(test, 0, SZ_1M, 0, 1, RW);
	map_at(test, 0, SZ_1M + PAGE_SIZE, 4, 2, RW);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, iova, data,
							7, WRITE_FLAG), 0);
		KUNIT_EXPECT_EQ(test, memory_at(t, PAGE_SIZE - 3), data[0]);
		KUNIT_EXPECT_EQ(test, memory_at(t, PAGE_SIZE - 1), data[2]);
		KUNIT_EXPECT_EQ(test, memory_at(t, PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, memory_at(t, 4 * PAGE_SIZE), data[3]);
		KUNIT_EXPECT_EQ(test, memory_at(t, 4 * PAGE_SIZE + 3), data[6]);
		KUNIT_EXPECT_EQ(test, memory_at(t, 4 * PAGE_SIZE + 4), 0);
		memset(data, 0, sizeof(data));
		flags = IOMMUFD_ACCESS_RW_KTHREAD;
		KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, iova, data,
							7, flags), 0);
		KUNIT_EXPECT_EQ(test, data[0], i ? 'h' : 'a');
		KUNIT_EXPECT_EQ(test, data[6], i ? 'n' : 'g');
		/* Nothing stays pinned. */
		if (!i)
			expect_pinned(test, "00000000");
		/* Once more, of what is pinned. */
		memcpy(data, "hijklmn", 8);
		KUNIT_EXPECT_EQ(test, pin(t, i, SZ_1M, 2 * PAGE_SIZE, 0), 0);
	}
	unpin(t, &t->pins[0]);
	unpin(t, &t->pins[1]);
	expect_pinned(test, "00000000");
}

/* Not what the process has there by now. */
static void rw_reaches_what_devices_see(struct kunit *test)
{
	struct access_test *t = test->priv;
	char c = 'x';

	map_at(test, 0, SZ_1M, 0, 1, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), 0);
	vm_munmap(t->uptr, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_1M + 7, &c, 1,
						WRITE_FLAG), 0);
	KUNIT_EXPECT_EQ(test, memory_at(t, 7), 'x');
	unpin(t, &t->pins[0]);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_1M + 7, &c, 1, 0),
			-EFAULT);
}

static void rw_is_checked(struct kunit *test)
{
	struct access_test *t = test->priv;
	char data[PAGE_SIZE / 64];

	map_at(test, 0, SZ_1M, 0, 1, IOMMU_READ);
	map_at(test, 0, SZ_2M, 0, 1, IOMMU_WRITE);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_1M, data, 0, 0),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_1M, data, 1, 8),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, ULONG_MAX, data, 2,
						0), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_1M - 1, data, 2,
						0), -ENOENT);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access,
						SZ_1M + PAGE_SIZE - 1, data, 2,
						0), -ENOENT);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_1M, data, 2,
						WRITE_FLAG), -EPERM);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_2M, data, 2, 0),
			-EPERM);
	vm_munmap(t->uptr, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_1M, data, 2, 0),
			-EFAULT);
	unmap(test, 0, SZ_1M, 1);
	KUNIT_EXPECT_EQ(test, t->asked, 0);
}

/* ---- attaching ---- */

static void file_has_to_be_of_iommufd(struct kunit *test)
{
	static const struct file_operations fops = {};
	struct access_test *t = test->priv;
	struct file *file;
	u32 id;

	file = anon_inode_getfile("[other]", &fops, NULL, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_PTR_EQ(test, iommufd_access_create(file, &pinning_ops, t,
							&id),
			    ERR_PTR(-EBADFD));
	__fput_sync(file);
}

static void user_space_cannot_destroy_what_is_used(struct kunit *test)
{
	struct access_test *t = test->priv;
	u32 ioas_id = t->ioas[0]->obj.id, id = t->id;

	KUNIT_EXPECT_EQ(test, file_count(t->file), 2);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(t->ictx, id), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(t->ictx, ioas_id), -EBUSY);
	iommufd_access_detach(t->access);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(t->ictx, id), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(t->ictx, ioas_id), 0);
	destroy_access(t);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(t->ictx, id), -ENOENT);
}

static void refused_attach_changes_nothing(struct kunit *test)
{
	u32 id[2];
	struct access_test *t = test->priv;

	id[0] = t->ioas[0]->obj.id;
	id[1] = t->ioas[1]->obj.id;
	map_at(test, 0, SZ_1M, 0, 2, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, iommufd_access_attach(t->access, id[0]), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommufd_access_attach(t->access, id[1]), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommufd_access_replace(t->access, 100), -ENOENT);
	KUNIT_EXPECT_EQ(test, iommufd_access_replace(t->access, t->id),
			-ENOENT);
	map_at(test, 1, SZ_1M + 1, 0, 1, RW);
	KUNIT_EXPECT_EQ(test, iommufd_access_replace(t->access, id[1]),
			-EADDRINUSE);
	/* Nor does going where it is already. */
	KUNIT_EXPECT_EQ(test, iommufd_access_replace(t->access, id[0]), 0);
	KUNIT_EXPECT_EQ(test, t->asked, 0);
	expect_pinned(test, "10000000");
	iommufd_access_detach(t->access);
	KUNIT_EXPECT_EQ(test, iommufd_access_attach(t->access, id[1]),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, iommufd_access_attach(t->access, id[0]), 0);
	/* Two mappings of a byte each would do no more. */
	KUNIT_EXPECT_EQ(test, iommufd_ioas_map_fixed(t->ictx, t->ioas[0], 1,
						     t->uptr, 1, RW), -EINVAL);
}

static void replace_has_the_driver_let_go(struct kunit *test)
{
	struct access_test *t = test->priv;

	map_at(test, 0, SZ_1M, 0, 2, RW);
	map_at(test, 1, SZ_1M, 4, 2, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, pin(t, 1, SZ_1M + PAGE_SIZE, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, iommufd_access_replace(t->access,
						     t->ioas[1]->obj.id), 0);
	KUNIT_EXPECT_EQ(test, t->asked, 2);
	KUNIT_EXPECT_EQ(test, t->last.iova, SZ_1M + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, t->last.length, 1);
	expect_pinned(test, "00000000");
	/* The first one does not ask any more, the other does. */
	unmap(test, 0, SZ_1M, 2);
	KUNIT_EXPECT_EQ(test, t->asked, 2);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), 0);
	expect_pinned(test, "00001000");
	unmap(test, 1, SZ_1M, 2);
	KUNIT_EXPECT_EQ(test, t->asked, 3);
	/* Nobody needs the first one. */
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(t->ictx,
						     t->ioas[0]->obj.id), 0);
}

static void detach_has_the_driver_let_go(struct kunit *test)
{
	struct access_test *t = test->priv;
	char c;

	map_at(test, 0, SZ_1M, 0, 2, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 2 * PAGE_SIZE, 0), 0);
	iommufd_access_detach(t->access);
	KUNIT_EXPECT_EQ(test, t->asked, 1);
	expect_pinned(test, "00000000");
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, iommufd_access_rw(t->access, SZ_1M, &c, 1, 0),
			-ENOENT);
	iommufd_access_unpin_pages(t->access, SZ_1M, 2 * PAGE_SIZE);
	iommufd_access_detach(t->access);
	KUNIT_EXPECT_EQ(test, t->asked, 1);
	unmap(test, 0, SZ_1M, 2);
	KUNIT_EXPECT_EQ(test, t->asked, 1);
}

static void destroy_has_the_driver_let_go(struct kunit *test)
{
	struct access_test *t = test->priv;

	map_at(test, 0, SZ_1M, 0, 2, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), 0);
	destroy_access(t);
	KUNIT_EXPECT_EQ(test, t->asked, 1);
	expect_pinned(test, "00000000");
}

static void unmap_has_the_driver_let_go(struct kunit *test)
{
	struct access_test *t = test->priv;

	map_at(test, 0, SZ_1M, 0, 2, RW);
	map_at(test, 0, SZ_1M + 2 * PAGE_SIZE, 2, 2, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, pin(t, 1, SZ_1M + 2 * PAGE_SIZE, 1, 0), 0);
	unmap(test, 0, SZ_1M, 2);
	KUNIT_EXPECT_EQ(test, t->asked, 1);
	KUNIT_EXPECT_EQ(test, t->last.iova, SZ_1M);
	KUNIT_EXPECT_EQ(test, t->last.length, 1);
	expect_pinned(test, "00100000");
}

/* A pin of two mappings is told of as far as the unmapped one goes. */
static void driver_is_told_of_pins_alone(struct kunit *test)
{
	struct access_test *t = test->priv;

	map_at(test, 0, SZ_1M, 0, 3, RW);
	map_at(test, 0, SZ_1M + 3 * PAGE_SIZE, 3, 3, RW);
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, pin(t, 1, SZ_1M + 2 * PAGE_SIZE, 2 * PAGE_SIZE,
				  0), 0);
	unmap(test, 0, SZ_1M, 3);
	KUNIT_EXPECT_EQ(test, t->asked, 2);
	KUNIT_EXPECT_EQ(test, t->last.iova, SZ_1M + 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, t->last.length, PAGE_SIZE);
	expect_pinned(test, "00000000");
	unmap(test, 0, SZ_1M + 3 * PAGE_SIZE, 3);
	KUNIT_EXPECT_EQ(test, t->asked, 2);
}

/* ---- side by side ---- */

/**
 * struct call - a thread that calls for the driver
 * @t: the driver
 * @fn: what it does
 * @task: the thread, a reference
 * @done: it has
 * @ret: what the call returned
 */
struct call {
	struct access_test *t;
	int (*fn)(struct access_test *t);
	struct task_struct *task;
	struct completion done;
	int ret;
};

static int call_thread(void *data)
{
	struct call *call = data;

	call->ret = call->fn(call->t);
	complete(&call->done);
	return 0;
}

static void begin(struct kunit *test, struct call *call,
		  int (*fn)(struct access_test *t))
{
	call->t = test->priv;
	call->fn = fn;
	init_completion(&call->done);
	call->task = kthread_create(call_thread, call, "iommufd_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(call->task));
	get_task_struct(call->task);
	wake_up_process(call->task);
}

/* It has to wait; if it asks the driver to let go, it has done so. */
static void expect_waiting(struct kunit *test, struct call *call,
			   unsigned int asked)
{
	struct access_test *t = test->priv;

	if (!asked)
		test_wait_settled(call->task);
	while (READ_ONCE(t->asked) < asked && !completion_done(&call->done))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_FALSE(test, completion_done(&call->done));
}

static int end(struct call *call)
{
	wait_for_completion(&call->done);
	put_task_struct(call->task);
	return call->ret;
}

static int call_pin(struct access_test *t)
{
	return iommufd_access_pin_pages(t->access, SZ_1M, 2 * PAGE_SIZE,
					t->pages, 0);
}

static int call_detach(struct access_test *t)
{
	iommufd_access_detach(t->access);
	return 0;
}

static void stuck_fault(struct test_block *block, unsigned long index)
{
	wait_for_completion(block->data);
}

static void detach_waits_for_a_pin_under_way(struct kunit *test)
{
	struct access_test *t = test->priv;
	struct call pinning, detaching;
	struct completion go;

	init_completion(&go);
	t->block->fault = stuck_fault;
	t->block->data = &go;
	map_at(test, 0, SZ_1M, 0, 2, RW);
	begin(test, &pinning, call_pin);
	expect_waiting(test, &pinning, 0);
	begin(test, &detaching, call_detach);
	/* It wakes up now and then.  As a new thread it slept at most once. */
	while (READ_ONCE(detaching.task->nvcsw) < 2)
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_FALSE(test, completion_done(&detaching.done));
	KUNIT_EXPECT_EQ(test, t->asked, 0);
	/* No one begins anything new meanwhile. */
	KUNIT_EXPECT_EQ(test, pin(t, 0, SZ_1M, 1, 0), -ENOENT);
	complete_all(&go);
	KUNIT_EXPECT_EQ(test, end(&pinning), -ENOENT);
	KUNIT_EXPECT_EQ(test, end(&detaching), 0);
	expect_pinned(test, "00000000");
	unmap(test, 0, SZ_1M, 2);
}

/* A driver that cannot let go at once: it is asked until it has. */
static void detach_asks_again(struct kunit *test)
{
	struct access_test *t = test->priv;
	struct call detaching;

	map_at(test, 0, SZ_1M, 0, 2, RW);
	/* It does not know yet what it has pinned. */
	KUNIT_EXPECT_EQ(test, call_pin(t), 0);
	begin(test, &detaching, call_detach);
	expect_waiting(test, &detaching, 2);
	expect_pinned(test, "11000000");
	t->pins[0] = (struct pin){ SZ_1M, 2 * PAGE_SIZE };
	KUNIT_EXPECT_EQ(test, end(&detaching), 0);
	expect_pinned(test, "00000000");
}

static struct kunit_case access_cases[] = {
	KUNIT_CASE(pin_gives_each_page_that_is_touched),
	KUNIT_CASE(unpin_is_of_just_what_was_pinned),
	KUNIT_CASE(pin_at_the_last_address),
	KUNIT_CASE(failed_pin_leaves_nothing),
	KUNIT_CASE(access_without_pages_cannot_pin),
	KUNIT_CASE(rw_reaches_the_memory),
	KUNIT_CASE(rw_reaches_what_devices_see),
	KUNIT_CASE(rw_is_checked),
	KUNIT_CASE(file_has_to_be_of_iommufd),
	KUNIT_CASE(user_space_cannot_destroy_what_is_used),
	KUNIT_CASE(refused_attach_changes_nothing),
	KUNIT_CASE(replace_has_the_driver_let_go),
	KUNIT_CASE(detach_has_the_driver_let_go),
	KUNIT_CASE(destroy_has_the_driver_let_go),
	KUNIT_CASE(unmap_has_the_driver_let_go),
	KUNIT_CASE(driver_is_told_of_pins_alone),
	KUNIT_CASE(detach_waits_for_a_pin_under_way),
	KUNIT_CASE(detach_asks_again),
	{}
};

static struct kunit_suite access_suite = {
	.name = "iommufd_access",
	.init = access_test_init,
	.exit = access_test_exit,
	.test_cases = access_cases,
};

kunit_test_suite(access_suite);
