// SPDX-License-Identifier: GPL-2.0-only
/* The checksum of a whole NVMe disk. */

#include <nettle/sha2.h>
#include <stdio.h>

#include "disk.h"

int nvme_sha256(struct nvme *nvme, char *hex)
{
	uint32_t count, most = nvme->max_transfer / nvme->block_size;
	unsigned char digest[SHA256_DIGEST_SIZE];
	uint64_t block;
	struct sha256_ctx sha;
	int i, rc;

	sha256_init(&sha);
	for (block = 0; block < nvme->blocks; block += count) {
		count = most;
		if (count > nvme->blocks - block)
			count = nvme->blocks - block;
		rc = nvme_read(nvme, block, count);
		if (rc)
			return rc;
		sha256_update(&sha, (size_t)count * nvme->block_size,
			      nvme_data(nvme));
	}
	sha256_digest(&sha, sizeof(digest), digest);
	for (i = 0; i < SHA256_DIGEST_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	return 0;
}
