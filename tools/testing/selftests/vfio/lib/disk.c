// SPDX-License-Identifier: GPL-2.0-only
/* The checksum of a whole NVMe disk. */

/*
 * libcrypto's newer interface drags name lookup and dlopen() into a static
 * program; the plain functions do not.
 */
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>
#include <stdio.h>

#include "disk.h"

int nvme_sha256(struct nvme *nvme, char *hex)
{
	uint32_t count, most = nvme->max_transfer / nvme->block_size;
	unsigned char digest[SHA256_DIGEST_LENGTH];
	uint64_t block;
	SHA256_CTX sha;
	int i, rc;

	SHA256_Init(&sha);
	for (block = 0; block < nvme->blocks; block += count) {
		count = most;
		if (count > nvme->blocks - block)
			count = nvme->blocks - block;
		rc = nvme_read(nvme, block, count);
		if (rc)
			return rc;
		SHA256_Update(&sha, nvme_data(nvme),
			      (size_t)count * nvme->block_size);
	}
	SHA256_Final(digest, &sha);
	for (i = 0; i < SHA256_DIGEST_LENGTH; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	return 0;
}
