/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test ioctl's operations, of which those on an access have a file of
 * their own.
 */
#ifndef _IOMMUFD_SELFTEST_H
#define _IOMMUFD_SELFTEST_H

struct iommufd_call;
struct iommufd_ioas;
struct page;

#ifdef CONFIG_IOMMUFD_TEST
/* Gives back what IOMMU_TEST_OP_ADD_RESERVED took from an IOAS. */
void iommufd_test_ioas_destroy(struct iommufd_ioas *ioas);
#else
static inline void iommufd_test_ioas_destroy(struct iommufd_ioas *ioas)
{
}
#endif

/* selftest.c */
int iommufd_test_ioctl(struct iommufd_call *call);
int test_compare_pages(unsigned long uptr, struct page **pages,
		       unsigned long npages);

/* selftest_access.c */
int test_create_access(struct iommufd_call *call);
int test_access_replace_ioas(struct iommufd_call *call);
int test_access_pages(struct iommufd_call *call);
int test_destroy_access_pages(struct iommufd_call *call);
int test_access_rw(struct iommufd_call *call);

#endif
