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
 * @groups: how many groups are attached; guarded by the domains_rwsem of the
 *	IOAS.  0 means that the HWPT is about to go
 * @enforced_coherent: the IOMMU overrides the no-snoop of its devices
 * @msi_cookie: the domain has been given its MSI window
 *
 * Made when a device is attached to an IOAS and no other HWPT of it suits the
 * device; goes with the last group that is attached to it.
 */
struct iommufd_hwpt {
	struct iommufd_object obj;
	struct iommufd_ioas *ioas;
	struct list_head item;
	struct iopt_domain domain;
	unsigned int groups;
	bool enforced_coherent;
	bool msi_cookie;
};

extern struct iommufd_object_type iommufd_ioas_type;
extern struct iommufd_object_type iommufd_hwpt_type;

struct bus_type;

/* Returns a HWPT that no one can find, for a first group to be attached to. */
struct iommufd_hwpt *iommufd_hwpt_alloc(struct iommufd_ctx *ictx,
					struct iommufd_ioas *ioas,
					const struct bus_type *bus);
void iommufd_hwpt_abort(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt);
int iommufd_hwpt_fill(struct iommufd_ctx *ictx, struct iommufd_hwpt *hwpt);
int iommufd_hwpt_set_msi_window(struct iommufd_hwpt *hwpt, phys_addr_t base);

#endif
