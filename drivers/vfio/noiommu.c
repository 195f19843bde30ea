// SPDX-License-Identifier: GPL-2.0-only
/* Whether devices without an IOMMU may be used. */
#include <linux/module.h>

#include "vfio.h"

bool vfio_noiommu __read_mostly;
module_param_named(enable_unsafe_noiommu_mode, vfio_noiommu, bool, 0644);
MODULE_PARM_DESC(enable_unsafe_noiommu_mode,
		 "UNSAFE: take devices that no IOMMU stands before. Nothing keeps the DMA of such a device, and so a program that drives it, from all memory of the host. Takes CAP_SYS_RAWIO and taints the kernel. (default: false)");
