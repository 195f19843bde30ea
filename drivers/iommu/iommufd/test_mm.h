/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User memory for KUnit tests, whose threads have none of their own.
 */
#ifndef _IOMMUFD_TEST_MM_H
#define _IOMMUFD_TEST_MM_H

#include <linux/types.h>

struct kunit;
struct page;

/* The test's thread gets an address space; it goes with the test. */
int test_mm_init(struct kunit *test);
/* It goes now, as when the process exits. */
void test_mm_exit(void);

/* Anonymous memory; none of its pages is present yet. */
unsigned long test_mm_map(struct kunit *test, unsigned long npages, bool writable);
void test_mm_touch(struct kunit *test, unsigned long uptr);
/* Makes the pages present in such an order that few neighbours adjoin. */
void test_mm_scatter(struct kunit *test, unsigned long uptr, unsigned long npages);
/* The physical address that a user address has now. */
phys_addr_t test_mm_phys(struct kunit *test, unsigned long uptr);

/**
 * struct test_block - memory of a known layout
 * @first: the first of pages that adjoin
 * @nr: how many there are
 * @layout: which of them is behind which page of a mapping
 * @fault: called, if set, when a page is about to appear; may sleep
 * @data: for @fault
 */
struct test_block {
	struct page *first;
	unsigned long nr;
	u16 *layout;
	void (*fault)(struct test_block *block, unsigned long index);
	void *data;
};

/* 1 << @order pages, in order; the layout can be changed before they appear. */
struct test_block *test_block_alloc(struct kunit *test, unsigned int order);
/* A shared mapping of all of it; at @uptr, in place of what is there, if not 0. */
unsigned long test_block_map(struct kunit *test, struct test_block *block,
			     unsigned long uptr);
phys_addr_t test_block_phys(struct test_block *block, unsigned long index);

/* What mm->pinned_vm says, in pages. */
unsigned long test_mm_pinned(void);
bool test_mm_phys_pinned(phys_addr_t phys);
/* How often a small page is pinned. */
unsigned int test_mm_pins(phys_addr_t phys);

/*
 * The test's thread becomes that of another user, without CAP_IPC_LOCK, who may
 * lock so many pages and has locked none.
 */
int test_user_init(struct kunit *test, unsigned long limit);
void test_user_set_limit(unsigned long limit);
/* As if it had CAP_IPC_LOCK. */
void test_user_set_capable(bool capable);
/* What user_struct.locked_vm says, in pages. */
long test_user_locked(void);

struct task_struct;

/* Waits until the thread has ended or sleeps, other than for a moment. */
void test_wait_settled(struct task_struct *task);

/* No WARN was printed since test_mm_init(). */
void test_expect_no_warning(struct kunit *test);

#endif
