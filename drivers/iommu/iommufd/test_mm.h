/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User memory for KUnit tests, whose threads have none of their own.
 */
#ifndef _IOMMUFD_TEST_MM_H
#define _IOMMUFD_TEST_MM_H

#include <linux/types.h>

struct kunit;

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

/* What mm->pinned_vm says, in pages. */
unsigned long test_mm_pinned(void);
bool test_mm_phys_pinned(phys_addr_t phys);

#endif
