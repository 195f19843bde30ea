/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The side of iommufd that drivers see.  A driver of a device binds it to a
 * user's /dev/iommu file and attaches it to the I/O address spaces made there;
 * a driver of an IOMMU says what it can do.
 *
 * A bound device holds the /dev/iommu file, so whoever has a struct
 * iommufd_device needs nothing else to keep the context behind it alive.
 */
#ifndef _LINUX_IOMMUFD_H
#define _LINUX_IOMMUFD_H

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/types.h>

struct device;
struct file;
struct iommu_domain;
struct iommu_group;
struct iommu_ops;
struct iommufd_device;
struct page;

/*
 * How to allocate that of which user space decides how much there is: charged
 * to the caller's memory cgroup; and when that, or the machine, is full the call
 * fails, in silence, rather than the OOM killer looking for a victim.
 */
#define IOMMUFD_GFP \
	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* Returns the device's strong reference: give it back with _unbind(). */
struct iommufd_device *iommufd_device_bind(struct file *file,
					   struct device *dev, u32 *id);
void iommufd_device_unbind(struct iommufd_device *idev);

int iommufd_device_attach(struct iommufd_device *idev, u32 *pt_id);
int iommufd_device_replace(struct iommufd_device *idev, u32 *pt_id);
void iommufd_device_detach(struct iommufd_device *idev);

/* Borrowed from idev: valid until it is unbound. */
struct file *iommufd_device_file(struct iommufd_device *idev);
u32 iommufd_device_id(struct iommufd_device *idev);

bool iommufd_owns_group(struct file *file, struct iommu_group *group);

/**
 * struct iommufd_access_ops - what a user of an IOAS in the kernel is like
 * @needs_pin_pages: it calls iommufd_access_pin_pages(); mappings of its IOAS
 *	have to be aligned to pages then
 * @unmap: let go of a range, part of what the user pinned, which is about to be
 *	unmapped: unpin all that overlaps it, before this returns or soon after.
 *	May be called more than once, also when that was unpinned meanwhile.
 *	Called with no lock held that iommufd_access_unpin_pages() takes
 */
struct iommufd_access_ops {
	bool needs_pin_pages;
	void (*unmap)(void *data, unsigned long iova, unsigned long length);
};

/**
 * enum iommufd_access_rw_flags - how an access touches memory
 * @IOMMUFD_ACCESS_RW_READ: it reads
 * @IOMMUFD_ACCESS_RW_WRITE: it writes
 * @IOMMUFD_ACCESS_RW_KTHREAD: called by a kernel thread
 */
enum iommufd_access_rw_flags {
	IOMMUFD_ACCESS_RW_READ = 0,
	IOMMUFD_ACCESS_RW_WRITE = 1 << 0,
	IOMMUFD_ACCESS_RW_KTHREAD = 1 << 1,
};

/* Returns a strong reference: give it back with _destroy(). */
struct iommufd_access *
iommufd_access_create(struct file *file, const struct iommufd_access_ops *ops,
		      void *data, u32 *id);
void iommufd_access_destroy(struct iommufd_access *access);

/* Borrowed from access: valid until it is destroyed. */
struct file *iommufd_access_file(struct iommufd_access *access);
u32 iommufd_access_id(struct iommufd_access *access);

int iommufd_access_attach(struct iommufd_access *access, u32 ioas_id);
int iommufd_access_replace(struct iommufd_access *access, u32 ioas_id);
void iommufd_access_detach(struct iommufd_access *access);
int iommufd_access_detach_killable(struct iommufd_access *access);

int iommufd_access_pin_pages(struct iommufd_access *access, unsigned long iova,
			     unsigned long length, struct page **out_pages,
			     unsigned int flags);
void iommufd_access_unpin_pages(struct iommufd_access *access,
				unsigned long iova, unsigned long length);
int iommufd_access_rw(struct iommufd_access *access, unsigned long iova,
		      void *data, size_t length, unsigned int flags);

/* ---- for VFIO: a /dev/iommu in place of a container ---- */

/**
 * enum iommufd_vfio_group - what DMA of a VFIO group is like
 * @IOMMUFD_VFIO_COHERENT: nothing it does bypasses the CPU's caches
 * @IOMMUFD_VFIO_NONCOHERENT: it may bypass them
 * @IOMMUFD_VFIO_NOIOMMU: there is no IOMMU before it
 */
enum iommufd_vfio_group {
	IOMMUFD_VFIO_COHERENT,
	IOMMUFD_VFIO_NONCOHERENT,
	IOMMUFD_VFIO_NOIOMMU,
};

int iommufd_vfio_add_group(struct file *file, enum iommufd_vfio_group kind,
			   struct iommu_group *group);
void iommufd_vfio_remove_group(struct file *file, enum iommufd_vfio_group kind,
			       struct iommu_group *group);
int iommufd_vfio_ioas_id(struct file *file, u32 *id);

/* ---- for IOMMU drivers ---- */

/**
 * struct iommufd_hw_info - what IOMMU_GET_HW_INFO reports of a device
 * @type: of enum iommu_hw_info_type: what @data holds
 * @length: bytes in @data
 * @max_pasid_log2: bits of a PASID, 0 for a device without PASIDs
 * @ats: the host lets the device use ATS, and flushes what it caches
 * @data: the struct that belongs to @type
 */
struct iommufd_hw_info {
	u32 type;
	u32 length;
	u8 max_pasid_log2;
	bool ats;
	u64 data[8];
};

/**
 * struct iommufd_driver - what an IOMMU driver can do for iommufd
 * @ops: the driver's ops; the devices of an IOMMU with these are meant
 * @complete_domains: a domain can be mapped from its allocation on.  Otherwise
 *	it stays empty until a first device is attached to it
 * @hwpt_flags: of enum iommufd_hwpt_alloc_flags: what IOMMU_HWPT_ALLOC may ask
 *	for
 * @hw_info: fills in, in zeroed memory, what the IOMMU of the device is like.
 *	May sleep; cannot fail.  Without it there is nothing to report
 * @enforces_coherency: can the IOMMU of the device make all of its DMA go
 *	through the CPU's caches?  Needed where a domain without devices does
 *	not know.  May sleep; the answer never changes
 * @tables: of a driver that keeps page tables which became empty: where it
 *	counts those of a domain, all but the root.  There may be less of them
 * @free_idle_tables: frees those that are empty, and sets the count right.
 *	Called while no one maps or unmaps, attaches or detaches; other mappings
 *	go on to be used.  May sleep; cannot fail.  Comes with @tables
 */
struct iommufd_driver {
	const struct iommu_ops *ops;
	bool complete_domains;
	u32 hwpt_flags;
	void (*hw_info)(struct device *dev, struct iommufd_hw_info *info);
	bool (*enforces_coherency)(struct device *dev);
	atomic_long_t *(*tables)(struct iommu_domain *domain);
	void (*free_idle_tables)(struct iommu_domain *domain);

	/* private: for driver.c */
	struct list_head item;
};

#if IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
/* Kept until it is unregistered: in a module's exit, when no device needs it. */
void iommufd_driver_register(struct iommufd_driver *driver);
void iommufd_driver_unregister(struct iommufd_driver *driver);

/* For a device of a driver of VFIO, bound to an iommufd or not. */
bool iommufd_enforces_coherency(struct device *dev);
#else
static inline void iommufd_driver_register(struct iommufd_driver *driver)
{
}

static inline void iommufd_driver_unregister(struct iommufd_driver *driver)
{
}

static inline bool iommufd_enforces_coherency(struct device *dev)
{
	return false;
}
#endif

#endif
