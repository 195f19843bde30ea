/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What /proc says of an open /dev/iommu.
 */
#ifndef _IOMMUFD_FDINFO_H
#define _IOMMUFD_FDINFO_H

struct file;
struct seq_file;

void iommufd_show_fdinfo(struct seq_file *m, struct file *file);

#endif
