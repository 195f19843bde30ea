/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers of the test device (CONFIG_VFIO_TEST_MDEV): a mediated device
 * that has no hardware, and reaches memory as the emulated part of a real one
 * does.  Tests in user space include this file.
 *
 * A write() to region TEST_MDEV_REGS is a command: one struct test_mdev_cmd, at
 * the region's start.  It returns the size of the struct or fails with the
 * command's errno.  A read() there gives a struct test_mdev_state.  Region
 * TEST_MDEV_BUFFER is the device's own memory.
 */
#ifndef _VFIO_TEST_MDEV_H
#define _VFIO_TEST_MDEV_H

#include <linux/types.h>

enum {
	TEST_MDEV_REGS,
	TEST_MDEV_BUFFER,
	TEST_MDEV_REGIONS,
};

#define TEST_MDEV_BUFFER_SIZE	(64 * 1024)

/*
 * @TEST_MDEV_PIN: pin @pages pages from @iova on, for reading, or for reading
 *	and writing with TEST_MDEV_WRITE
 * @TEST_MDEV_UNPIN: undo one pin of each of @pages pages; ENOENT when one is
 *	not pinned, and then none is unpinned
 * @TEST_MDEV_STRAY_UNPIN: have VFIO unpin pages which this device has not
 *	pinned; EBUSY when it has.  Only on a device that was bound by its node,
 *	else EOPNOTSUPP: a container's type1 warns, or unpins another device's
 * @TEST_MDEV_COPY: copy @length bytes at @offset of the buffer to @iova, through
 *	pinned pages, with TEST_MDEV_WRITE; without it, from @iova to the buffer.
 *	ENOENT when not all is pinned, EPERM when not for writing
 * @TEST_MDEV_RW: the same without pins, by vfio_dma_rw()
 * @TEST_MDEV_LAZY: unpin only @length milliseconds after being told of an UNMAP;
 *	0, as after the open: at once.  A device that is told again and again
 *	gives in at the ninth time
 * @TEST_MDEV_SLOW: of what is pinned when an UNMAP comes, take @length
 *	milliseconds from the moment when the device does not know of a page any
 *	more until VFIO is told to unpin it; 0, as after the open: none
 */
enum test_mdev_op {
	TEST_MDEV_PIN = 1,
	TEST_MDEV_UNPIN,
	TEST_MDEV_STRAY_UNPIN,
	TEST_MDEV_COPY,
	TEST_MDEV_RW,
	TEST_MDEV_LAZY,
	TEST_MDEV_SLOW,
};

/* test_mdev_cmd.flags */
enum {
	TEST_MDEV_WRITE = 1 << 0,
};

#define TEST_MDEV_LAZY_MAX	5000	/* ms */

struct test_mdev_cmd {
	__u32 op;
	__u32 flags;
	__aligned_u64 iova;
	__u32 pages;
	__u32 offset;
	__aligned_u64 length;
};

/*
 * All but @requests since the device was opened first.
 * @pins: pages pinned now, as often as they are pinned
 * @dropped: of those that were pinned, unpinned because of an UNMAP
 * @unmaps: how often the device was told of an UNMAP
 * @unmap_iova: of the last time
 * @unmap_length: likewise
 * @requests: how often the device's user was asked to let go of it
 * @had_kvm: a virtual machine was there when the device was opened
 */
struct test_mdev_state {
	__aligned_u64 pins;
	__aligned_u64 dropped;
	__aligned_u64 unmaps;
	__aligned_u64 unmap_iova;
	__aligned_u64 unmap_length;
	__u32 requests;
	__u32 had_kvm;
};

#endif
