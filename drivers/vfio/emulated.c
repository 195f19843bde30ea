// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA of emulated devices: their drivers pin, read and write what is mapped,
 * whichever way the device was opened.
 *
 * A device whose group has a container goes by that.  Otherwise it is bound to
 * an iommufd, with an access there.  Neither changes while the device is open,
 * which is when drivers may call this.  The access also stays as long as a
 * driver is in its dma_unmap(), which may be longer.
 */
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/vfio.h>

#include "vfio.h"

#if IS_ENABLED(CONFIG_IOMMUFD)
static dma_addr_t page_iova(dma_addr_t iova, int i)
{
	return ALIGN_DOWN(iova, PAGE_SIZE) + ((dma_addr_t)i << PAGE_SHIFT);
}

/* Of dma_addr_t, iommufd takes what is in an unsigned long, which is shorter. */
static bool is_reachable(dma_addr_t iova)
{
	return iova == (unsigned long)iova;
}

/* The last page of a range that wraps may be reachable, the first one is not. */
static bool pages_are_reachable(dma_addr_t iova, int npage)
{
	return is_reachable(iova) && is_reachable(page_iova(iova, npage - 1));
}

static void unpin_pages(struct vfio_device *device, dma_addr_t iova, int npage)
{
	int i;

	if (!pages_are_reachable(iova, npage))
		return;
	for (i = 0; i < npage; i++)
		iommufd_access_unpin_pages(device->iommufd_access,
					   page_iova(iova, i), PAGE_SIZE);
}

/*
 * One by one: with a container, drivers may unpin pages in other portions than
 * they were pinned in.
 */
static int pin_pages(struct vfio_device *device, dma_addr_t iova, int npage,
		     int prot, struct page **pages)
{
	unsigned int flags = prot & IOMMU_WRITE ? IOMMUFD_ACCESS_RW_WRITE : 0;
	int i, ret;

	if (!pages_are_reachable(iova, npage))
		return -EINVAL;
	for (i = 0; i < npage; i++) {
		ret = iommufd_access_pin_pages(device->iommufd_access,
					       page_iova(iova, i), PAGE_SIZE,
					       &pages[i], flags);
		if (ret) {
			unpin_pages(device, iova, i);
			return ret;
		}
	}
	return npage;
}

static int dma_rw(struct vfio_device *device, dma_addr_t iova, void *data,
		  size_t len, bool write)
{
	unsigned int flags = write ? IOMMUFD_ACCESS_RW_WRITE :
				     IOMMUFD_ACCESS_RW_READ;

	if (!is_reachable(iova))
		return -EINVAL;
	return iommufd_access_rw(device->iommufd_access, iova, data, len, flags);
}
#else
static void unpin_pages(struct vfio_device *device, dma_addr_t iova, int npage)
{
}

static int pin_pages(struct vfio_device *device, dma_addr_t iova, int npage,
		     int prot, struct page **pages)
{
	return -ENOTTY;
}

static int dma_rw(struct vfio_device *device, dma_addr_t iova, void *data,
		  size_t len, bool write)
{
	return -ENOTTY;
}
#endif

/**
 * vfio_pin_pages - Pin what is mapped for an emulated device
 * @device: open device of vfio_register_emulated_iommu_dev(), whose driver has
 *	a dma_unmap()
 * @iova: an address in the first page
 * @npage: number of pages, at most VFIO_PIN_PAGES_MAX_ENTRIES
 * @prot: of IOMMU_READ and IOMMU_WRITE
 * @pages: filled in
 *
 * The pages stay until vfio_unpin_pages().  The driver is asked by dma_unmap()
 * to do that when they are unmapped, and when the device leaves the address
 * space.  A page that was pinned twice has to be unpinned twice.
 *
 * Context: Process context, may sleep; no lock that dma_unmap() takes.
 * Return: @npage, or an errno and nothing is pinned: -EINVAL, -E2BIG; -ENOTTY
 * when the device has no address space that can do it; or one of those of
 * iommufd_access_pin_pages() or of the container.
 */
int vfio_pin_pages(struct vfio_device *device, dma_addr_t iova, int npage,
		   int prot, struct page **pages)
{
	if (device->group->container)
		return vfio_container_pin_pages(device, iova, npage, prot,
						pages);

	if (!pages || npage <= 0 || !vfio_assert_device_open(device))
		return -EINVAL;
	/* Nobody could have it unpin. */
	if (!device->ops->dma_unmap)
		return -EINVAL;
	if (npage > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -E2BIG;
	if (!device->iommufd_access)
		return -ENOTTY;
	return pin_pages(device, iova, npage, prot, pages);
}
EXPORT_SYMBOL(vfio_pin_pages);

/**
 * vfio_unpin_pages - Undo vfio_pin_pages()
 * @device: open device, or one that is in dma_unmap() while it is closed
 * @iova: an address in the first page
 * @npage: number of pages, at most VFIO_PIN_PAGES_MAX_ENTRIES
 *
 * The pages need not be those of one call.  A page that is not pinned is left
 * out without a word.
 *
 * Context: Process context, may sleep; also in dma_unmap().
 */
void vfio_unpin_pages(struct vfio_device *device, dma_addr_t iova, int npage)
{
	if (device->group->container) {
		vfio_container_unpin_pages(device, iova, npage);
		return;
	}

	if (WARN_ON(npage <= 0 || npage > VFIO_PIN_PAGES_MAX_ENTRIES) ||
	    !device->iommufd_access)
		return;
	unpin_pages(device, iova, npage);
}
EXPORT_SYMBOL(vfio_unpin_pages);

/**
 * vfio_dma_rw - Read or write what is mapped for an emulated device
 * @device: open device
 * @iova: first byte
 * @data: kernel memory
 * @len: in bytes
 * @write: to @iova, not from there
 *
 * Context: Process context, also of a kernel thread; may sleep; no lock that
 * dma_unmap() takes.
 * Return: 0, or as vfio_pin_pages(); on failure some may have been copied.
 */
int vfio_dma_rw(struct vfio_device *device, dma_addr_t iova, void *data,
		size_t len, bool write)
{
	if (device->group->container)
		return vfio_container_dma_rw(device, iova, data, len, write);

	if (!data || !len || !vfio_assert_device_open(device))
		return -EINVAL;
	if (!device->iommufd_access)
		return -ENOTTY;
	return dma_rw(device, iova, data, len, write);
}
EXPORT_SYMBOL(vfio_dma_rw);

#if IS_ENABLED(CONFIG_IOMMUFD)
MODULE_IMPORT_NS(IOMMUFD);
#endif
