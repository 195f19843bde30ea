/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * I/O address spaces and hardware page tables as objects with ids.
 */
#ifndef _IOMMUFD_HWPT_H
#define _IOMMUFD_HWPT_H

#include <linux/list.h>

#include "io_pagetable.h"
#include "object.h"

/**
 * struct iommufd_ioas - an IOAS
 * @obj: its id
 * @iopt: the address space
 * @hwpts: struct iommufd_hwpt that show it; guarded by the domains_rwsem of
 *	@iopt
 */
struct iommufd_ioas {
	struct iommufd_object obj;
	struct io_pagetable iopt;
	struct list_head hwpts;
};

/**
 * struct iommufd_hwpt - a hardware page table: a domain that shows an IOAS
 * @obj: its id; each group attached to it is a long-term user
 * @ioas: what it shows, of which it is a long-term user
 * @item: on the IOAS's @hwpts
 * @domain: the domain, as the address space knows it
 * @automatic: made when a device was attached to an IOAS of which no other
 *	suited it; goes with the last group.  Others are user space's to destroy
 * @groups: how many groups are attached; guarded by the domains_rwsem of the
 *	IOAS.  When automatic, 0 means that the HWPT is about to go
 * @filled: @domain is one of the address space; likewise
 * @enforced_coherent: the IOMMU overrides the no-snoop of its devices;
 *	likewise, and known when it is filled
 * @msi_cookie: the domain has been given its MSI window; likewise
 */
struct iommufd_hwpt {
	struct iommufd_object obj;
	struct iommufd_ioas *ioas;
	struct list_head item;
	struct iopt_domain domain;
	bool automatic;

	unsigned int groups;
	bool filled;
	bool enforced_coherent;
	bool msi_cookie;
};

struct iommufd_ioas *iommufd_ioas_alloc(struct iommufd_ctx *ictx);
struct iommufd_ioas *iommufd_ioas_get(struct iommufd_ctx *ictx, u32 id);
struct iommufd_ioas *iommufd_ioas_get_held(struct iommufd_ctx *ictx, u32 id);
int iommufd_ioas_map_fixed(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			   unsigned long iova, unsigned long uptr,
			   unsigned long length, int prot);

extern struct iommufd_object_type iommufd_access_type;
extern struct iommufd_object_type iommufd_device_type;
extern struct iommufd_object_type iommufd_ioas_type;
extern struct iommufd_object_type iommufd_hwpt_type;

struct device;

/* Returns an empty HWPT that no one can find yet. */
struct iommufd_hwpt *iommufd_hwpt_alloc(struct iommufd_ctx *ictx,
					struct iommufd_ioas *ioas,
					struct device *dev);
void iommufd_hwpt_abort(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt);
void iommufd_hwpt_publish(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt);
int iommufd_hwpt_fill(struct iommufd_hwpt *hwpt);
int iommufd_hwpt_set_msi_window(struct iommufd_hwpt *hwpt, phys_addr_t base);

#endif
