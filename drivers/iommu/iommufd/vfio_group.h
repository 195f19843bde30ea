/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO groups that have a context as their container.
 */
#ifndef _IOMMUFD_VFIO_GROUP_H
#define _IOMMUFD_VFIO_GROUP_H

#include "object.h"

struct io_pagetable;
struct iommu_group;

int iommufd_vfio_list_group(struct iommufd_ctx *ictx,
			    enum iommufd_vfio_group kind,
			    struct iommu_group *group);
void iommufd_vfio_delist_group(struct iommufd_ctx *ictx,
			       enum iommufd_vfio_group kind,
			       struct iommu_group *group);
bool iommufd_vfio_has_group(struct iommufd_ctx *ictx,
			    enum iommufd_vfio_group kind);

int iommufd_vfio_exclude(struct iommufd_ctx *ictx, struct io_pagetable *iopt,
			 u64 *pgsizes);

#endif
