/* SPDX-License-Identifier: GPL-2.0-only */
/* The checksum of a whole NVMe disk, read by our driver. */
#ifndef VFIO_LIB_DISK_H
#define VFIO_LIB_DISK_H

#include "nvme.h"

#define SHA256_HEX_LEN	64

/* @hex: SHA256_HEX_LEN + 1 bytes, lower case.  0 or a negative errno. */
int nvme_sha256(struct nvme *nvme, char *hex);

#endif
