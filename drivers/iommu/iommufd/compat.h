/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for what a kernel without our patches does not have: the feature
 * is EOPNOTSUPP there.
 */
#ifndef _IOMMUFD_COMPAT_H
#define _IOMMUFD_COMPAT_H

#include <linux/errno.h>
#include <linux/memfd.h>
#include <linux/types.h>

#ifndef memfd_pin_pages
static inline long memfd_pin_pages(struct file *memfd, pgoff_t index,
				   unsigned long npages, struct page **pages)
{
	return -EOPNOTSUPP;
}

static inline int memfd_pin_allowed(struct file *memfd, bool write)
{
	return -EOPNOTSUPP;
}
#endif

#endif
