/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding free I/O addresses.
 */
#ifndef _IOMMUFD_GAP_H
#define _IOMMUFD_GAP_H

struct io_pagetable;

int iopt_find_gap(struct io_pagetable *iopt, unsigned long uptr,
		  unsigned long length, unsigned long *iova);
void iopt_gap_freed(struct io_pagetable *iopt, unsigned long start);

#endif
