// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses: users of an IOAS inside the kernel, such as emulated devices.
 *
 * An access pins pages by I/O address, or reads and writes there, as a device
 * does by DMA.  It keeps neither from being unmapped: the driver is told of an
 * UNMAP and lets go, which the UNMAP waits for.
 *
 * What an access has to do with one IOAS is an attachment.  Attaching, replacing
 * and detaching go one after the other.  While an attachment is being left no
 * new use of it begins; then the driver is told to let go of what it has pinned.
 *
 * Locks: attach_lock of an access; then its lock, which the driver's calls take
 * and which is held only as long as they look; then the locks of an address
 * space.  The driver is told with no lock held but attach_lock.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "hwpt.h"
#include "pages.h"
#include "trace.h"

/**
 * struct attachment - what an access has to do with an IOAS
 * @user: the access, as the address space knows it
 * @access: the access
 * @ioas: the IOAS, held
 * @pins: struct access_pin by I/O address; guarded by the access's lock
 * @calls: calls of the driver under way; likewise
 */
struct attachment {
	struct iopt_access user;
	struct iommufd_access *access;
	struct iommufd_ioas *ioas;
	struct rb_root_cached pins;
	unsigned int calls;
};

/**
 * struct access_pin - a range that an access has pinned
 * @node: its I/O addresses
 */
struct access_pin {
	struct interval_tree_node node;
};

/**
 * struct iommufd_access - a user of an IOAS inside the kernel
 * @obj: its id; the driver is a long-term user
 * @ictx: the context, whose file is kept
 * @ops: the driver's
 * @data: the driver's
 * @attach_lock: serialises changes of @attachment
 * @lock: guards what follows and the attachments
 * @attachment: of the IOAS it is attached to, or NULL
 * @leaving: an attachment that is being left, or NULL
 * @wait: woken when no call is under way in an attachment
 */
struct iommufd_access {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	const struct iommufd_access_ops *ops;
	void *data;

	struct mutex attach_lock; /* before lock */
	spinlock_t lock;
	struct attachment *attachment;
	struct attachment *leaving;
	wait_queue_head_t wait;
};

static void access_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_access *access =
		container_of(obj, struct iommufd_access, obj);

	mutex_destroy(&access->attach_lock);
}

struct iommufd_object_type iommufd_access_type = {
	.name = "iommufd_access",
	.destroy = access_destroy,
};

/**
 * iommufd_access_create() - make a user of I/O address spaces in the kernel
 * @file: an open /dev/iommu; a reference is kept
 * @ops: the driver's; stays there as long as the access
 * @data: for the calls of @ops
 * @id: set to the access's id in that context
 *
 * Context: process context, may sleep.
 * Return: a handle to be given back with iommufd_access_destroy();
 * ERR_PTR(-EBADFD) when @file is not a /dev/iommu, ERR_PTR(-ENOMEM).
 */
struct iommufd_access *
iommufd_access_create(struct file *file, const struct iommufd_access_ops *ops,
		      void *data, u32 *id)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);
	struct iommufd_access *access;

	if (!ictx)
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NOT_IOMMUFD,
					      -EBADFD));
	access = iommufd_object_alloc(ictx, struct iommufd_access,
				      &iommufd_access_type);
	if (IS_ERR(access))
		return access;
	access->ictx = ictx;
	access->ops = ops;
	access->data = data;
	mutex_init(&access->attach_lock);
	spin_lock_init(&access->lock);
	init_waitqueue_head(&access->wait);
	get_file(file);
	*id = access->obj.id;

	/* The driver is a user: see iommufd_access_destroy(). */
	iommufd_object_tryhold(&access->obj);
	iommufd_object_publish(ictx, &access->obj);
	return access;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_create, IOMMUFD);

/**
 * iommufd_access_destroy() - give an access back
 * @access: the handle; detached first if need be, and gone afterwards
 *
 * Context: as iommufd_access_detach().
 */
void iommufd_access_destroy(struct iommufd_access *access)
{
	struct file *file = access->ictx->file;

	iommufd_access_detach(access);
	WARN_ON(!iommufd_object_unhold_destroy(access->ictx, &access->obj));
	fput(file);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_destroy, IOMMUFD);

/**
 * iommufd_access_file() - the /dev/iommu file an access was made for
 * @access: the access
 *
 * Return: the file, borrowed: valid until @access is destroyed.
 */
struct file *iommufd_access_file(struct iommufd_access *access)
{
	return access->ictx->file;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_file, IOMMUFD);

/**
 * iommufd_access_id() - the id of an access
 * @access: the access
 *
 * Return: its id in the context it was made in.
 */
u32 iommufd_access_id(struct iommufd_access *access)
{
	return access->obj.id;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_id, IOMMUFD);

/* ---- attaching ---- */

/* The first part of a range that is pinned, as @start and @last on return. */
static bool next_pinned(struct attachment *attachment, unsigned long *start,
			unsigned long *last)
{
	struct iommufd_access *access = attachment->access;
	struct interval_tree_node *node;

	spin_lock(&access->lock);
	node = interval_tree_iter_first(&attachment->pins, *start, *last);
	if (node) {
		*start = max(*start, node->start);
		*last = min(*last, node->last);
	}
	spin_unlock(&access->lock);
	return node;
}

/*
 * Tells of each pin on its own: there are drivers that go through a range page
 * by page, and one that looks at its first page alone.
 */
static void notify(struct iopt_access *user, unsigned long start,
		   unsigned long last)
{
	struct attachment *attachment =
		container_of(user, struct attachment, user);
	struct iommufd_access *access = attachment->access;
	unsigned long end = last;

	if (!access->ops->unmap)
		return;
	while (next_pinned(attachment, &start, &end)) {
		access->ops->unmap(access->data, start, end - start + 1);
		if (end == last)
			return;
		start = end + 1;
		end = last;
		cond_resched();
	}
}

static struct attachment *alloc_attachment(struct iommufd_access *access,
					   u32 ioas_id)
{
	struct attachment *attachment;
	struct iommufd_ioas *ioas;
	int ret;

	ioas = iommufd_ioas_get_held(access->ictx, ioas_id);
	if (IS_ERR(ioas))
		return ERR_CAST(ioas);
	attachment = kzalloc(sizeof(*attachment), IOMMUFD_GFP);
	if (!attachment) {
		ret = iommufd_refuse(IOMMUFD_REASON_NO_MEMORY, -ENOMEM);
		goto err_unhold;
	}
	attachment->user.needs_pages = access->ops->needs_pin_pages;
	attachment->user.unmap = notify;
	attachment->access = access;
	attachment->ioas = ioas;
	attachment->pins = RB_ROOT_CACHED;
	ret = iopt_add_access(&ioas->iopt, &attachment->user);
	if (ret)
		goto err_free;
	return attachment;

err_free:
	kfree(attachment);
err_unhold:
	iommufd_object_unhold(&ioas->obj);
	return ERR_PTR(ret);
}

static bool is_idle(struct iommufd_access *access,
		    struct attachment *attachment)
{
	bool idle;

	spin_lock(&access->lock);
	idle = !attachment->calls && RB_EMPTY_ROOT(&attachment->pins.rb_root);
	spin_unlock(&access->lock);
	return idle;
}

/* Asks the driver, and waits, until it uses nothing of the attachment. */
static int evict(struct iommufd_access *access, struct attachment *attachment,
		 bool killable)
{
	long ret;

	while (!is_idle(access, attachment)) {
		notify(&attachment->user, 0, ULONG_MAX);
		if (killable)
			ret = wait_event_killable_timeout(access->wait,
							  is_idle(access, attachment),
							  IOPT_EVICT_INTERVAL);
		else
			ret = wait_event_timeout(access->wait,
						 is_idle(access, attachment),
						 IOPT_EVICT_INTERVAL);
		if (ret < 0)
			return -EINTR;
	}
	return 0;
}

/* Afterwards the IOAS tells the driver no more. */
static void free_attachment(struct attachment *attachment)
{
	iopt_remove_access(&attachment->ioas->iopt, &attachment->user);
	iommufd_object_unhold(&attachment->ioas->obj);
	kfree(attachment);
}

static void set_attachment(struct iommufd_access *access,
			   struct attachment *attachment,
			   struct attachment *leaving)
{
	spin_lock(&access->lock);
	access->attachment = attachment;
	access->leaving = leaving;
	spin_unlock(&access->lock);
}

/*
 * Leaves the current attachment, if any.  If that is @killable, a fatal signal
 * may end it, and the access is attached as before; the driver has let go of
 * something perhaps.
 */
static int leave(struct iommufd_access *access, bool killable)
{
	struct attachment *old = access->attachment;
	int ret;

	lockdep_assert_held(&access->attach_lock);

	if (!old)
		return 0;
	set_attachment(access, NULL, old);
	ret = evict(access, old, killable);
	if (ret) {
		set_attachment(access, old, NULL);
		return ret;
	}
	set_attachment(access, NULL, NULL);
	free_attachment(old);
	return 0;
}

static int attach(struct iommufd_access *access, u32 ioas_id)
{
	struct attachment *attachment;
	int ret;

	lockdep_assert_held(&access->attach_lock);

	attachment = alloc_attachment(access, ioas_id);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	ret = leave(access, true);
	if (ret)
		free_attachment(attachment);
	else
		set_attachment(access, attachment, NULL);
	return ret;
}

/**
 * iommufd_access_attach() - let an access reach an IOAS
 * @access: an access that is not attached
 * @ioas_id: id of the IOAS
 *
 * Context: process context, may sleep.
 * Return: 0; -EBUSY when it is attached already; -ENOENT when there is no such
 * IOAS; -EADDRINUSE when it pins pages and a mapping is not aligned to them;
 * -ENOMEM; -EINTR on a fatal signal.
 */
int iommufd_access_attach(struct iommufd_access *access, u32 ioas_id)
{
	int ret = -EBUSY;

	if (mutex_lock_killable(&access->attach_lock))
		return -EINTR;
	if (!access->attachment)
		ret = attach(access, ioas_id);
	mutex_unlock(&access->attach_lock);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_attach, IOMMUFD);

/**
 * iommufd_access_replace() - attach an access here, wherever it was attached
 * @access: the access
 * @ioas_id: id of the IOAS
 *
 * On success the driver was told to unmap all that it had pinned before.
 *
 * Context: as iommufd_access_detach().
 * Return: as iommufd_access_attach(), but for -EBUSY; on failure it is attached
 * as before.
 */
int iommufd_access_replace(struct iommufd_access *access, u32 ioas_id)
{
	int ret = 0;

	if (mutex_lock_killable(&access->attach_lock))
		return -EINTR;
	if (!access->attachment ||
	    access->attachment->ioas->obj.id != ioas_id)
		ret = attach(access, ioas_id);
	mutex_unlock(&access->attach_lock);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_replace, IOMMUFD);

/**
 * iommufd_access_detach() - take its IOAS from an access
 * @access: the access; it need not be attached
 *
 * The driver is told to unmap what it has pinned, and this waits until it has.
 *
 * Context: process context, may sleep; no lock that the unmap callback takes.
 * Waits for calls on @access that are under way.
 */
void iommufd_access_detach(struct iommufd_access *access)
{
	mutex_lock(&access->attach_lock);
	leave(access, false);
	mutex_unlock(&access->attach_lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_detach, IOMMUFD);

/**
 * iommufd_access_detach_killable() - likewise, as long as one may
 * @access: the access; it need not be attached
 *
 * For a user's call, which may have to be killed so that what this waits for
 * comes to its end.
 *
 * Context: as iommufd_access_detach().
 * Return: 0; -EINTR on a fatal signal, and it is attached as before.
 */
int iommufd_access_detach_killable(struct iommufd_access *access)
{
	int ret;

	if (mutex_lock_killable(&access->attach_lock))
		return -EINTR;
	ret = leave(access, true);
	mutex_unlock(&access->attach_lock);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_detach_killable, IOMMUFD);

/* ---- using ---- */

static struct attachment *begin_call(struct iommufd_access *access)
{
	struct attachment *attachment;

	spin_lock(&access->lock);
	attachment = access->attachment;
	if (attachment)
		attachment->calls++;
	spin_unlock(&access->lock);
	return attachment;
}

static void end_call(struct attachment *attachment)
{
	struct iommufd_access *access = attachment->access;

	/* Nothing is touched behind the lock: who waits may free it all. */
	spin_lock(&access->lock);
	if (!--attachment->calls)
		wake_up_all(&access->wait);
	spin_unlock(&access->lock);
}

/* The pages of the part, as they are numbered there. */
static unsigned long part_first(const struct iopt_part *part)
{
	return part->offset >> PAGE_SHIFT;
}

static unsigned long part_npages(const struct iopt_part *part)
{
	return PFN_UP(offset_in_page(part->offset) + part->length);
}

static void list_pages(const struct iopt_part *part, struct page **out_pages)
{
	unsigned long npages = part_npages(part), i;
	struct iopt_run_iter iter;

	iopt_run_iter_init(&iter, part->pages, part_first(part) << PAGE_SHIFT,
			   npages << PAGE_SHIFT);
	for (; iter.length; iopt_run_iter_next(&iter))
		for (i = 0; i < iter.length >> PAGE_SHIFT; i++)
			*out_pages++ = pfn_to_page(PHYS_PFN(iter.phys) + i);
	iopt_run_iter_done(&iter);
}

/* Unpins from @start up to, but not including, @end; at 0, to the very end. */
static void unpin_parts(struct io_pagetable *iopt, unsigned long start,
			unsigned long end, struct list_head *drop)
{
	struct iopt_part part;

	for (; start != end; start += part.length) {
		iopt_used_part(iopt, start, end - 1, &part);
		iopt_pages_unpin(part.pages, part_first(&part),
				 part_npages(&part), drop);
		cond_resched();
	}
}

static int pin_parts(struct io_pagetable *iopt, unsigned long start,
		     unsigned long last, struct page **out_pages)
{
	unsigned long at = start;
	struct iopt_part part;
	LIST_HEAD(drop);
	int ret;

	do {
		iopt_used_part(iopt, at, last, &part);
		ret = iopt_pages_pin(part.pages, part_first(&part),
				     part_npages(&part));
		if (ret) {
			unpin_parts(iopt, start, at, &drop);
			iopt_pins_drop(&drop);
			return ret;
		}
		list_pages(&part, out_pages);
		out_pages += part_npages(&part);
		at += part.length;
		cond_resched();
	} while (at - 1 != last);
	return 0;
}

static void access_unpin(struct io_pagetable *iopt, unsigned long start,
			 unsigned long last)
{
	LIST_HEAD(drop);

	unpin_parts(iopt, start, last + 1, &drop);
	iopt_unuse_range(iopt, start, last);
	iopt_pins_drop(&drop);
}

static int check_range(unsigned long iova, unsigned long length,
		       unsigned long *last)
{
	if (!length)
		return -EINVAL;
	return check_add_overflow(iova, length - 1, last) ? -EOVERFLOW : 0;
}

static int access_prot(unsigned int flags)
{
	return flags & IOMMUFD_ACCESS_RW_WRITE ? IOMMU_WRITE : IOMMU_READ;
}

static int pin_range(struct attachment *attachment, struct access_pin *pin,
		     int prot, struct page **out_pages)
{
	unsigned long start = pin->node.start, last = pin->node.last;
	struct iommufd_access *access = attachment->access;
	struct io_pagetable *iopt = &attachment->ioas->iopt;
	int ret;

	ret = iopt_use_range(iopt, start, last, prot);
	if (ret)
		return ret;
	ret = pin_parts(iopt, start, last, out_pages);
	if (ret)
		goto err_unuse;

	spin_lock(&access->lock);
	if (access->attachment == attachment)
		interval_tree_insert(&pin->node, &attachment->pins);
	else
		ret = -ENOENT;
	spin_unlock(&access->lock);
	if (ret)
		access_unpin(iopt, start, last);
	return ret;

err_unuse:
	iopt_unuse_range(iopt, start, last);
	return ret;
}

/**
 * iommufd_access_pin_pages() - pin what is mapped in a range
 * @access: an access whose ops need pages
 * @iova: first byte
 * @length: in bytes
 * @out_pages: filled with each page that the range touches
 * @flags: IOMMUFD_ACCESS_RW_WRITE: to write there, not to read
 *
 * The pages stay until iommufd_access_unpin_pages(); the driver is told to do
 * that, by its unmap callback, when any of them is unmapped.
 *
 * Context: process context; no lock that the unmap callback takes: faults
 * memory in.
 * Return: 0; -ENOENT when some of the range is not mapped, or the access is not
 * attached; -EPERM when the mapping does not allow it; -EINVAL when @length is
 * 0, a flag is unknown or the access does not need pages; -EOVERFLOW when the
 * range wraps; or an errno of iopt_pages_pin().
 */
int iommufd_access_pin_pages(struct iommufd_access *access, unsigned long iova,
			     unsigned long length, struct page **out_pages,
			     unsigned int flags)
{
	struct attachment *attachment;
	struct access_pin *pin;
	unsigned long last;
	int ret;

	if (flags & ~IOMMUFD_ACCESS_RW_WRITE || !access->ops->needs_pin_pages)
		return -EINVAL;
	ret = check_range(iova, length, &last);
	if (ret)
		return ret;
	pin = kzalloc(sizeof(*pin), IOMMUFD_GFP);
	if (!pin)
		return -ENOMEM;
	pin->node.start = iova;
	pin->node.last = last;

	ret = -ENOENT;
	attachment = begin_call(access);
	if (attachment) {
		ret = pin_range(attachment, pin, access_prot(flags), out_pages);
		end_call(attachment);
	}
	if (ret)
		kfree(pin);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_pin_pages, IOMMUFD);

/* Takes a pin of just this range out of the tree, if there is one. */
static struct access_pin *take_pin(struct attachment *attachment,
				   unsigned long start, unsigned long last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&attachment->access->lock);

	for (node = interval_tree_iter_first(&attachment->pins, start, start);
	     node; node = interval_tree_iter_next(node, start, start)) {
		if (node->start != start || node->last != last)
			continue;
		interval_tree_remove(node, &attachment->pins);
		return container_of(node, struct access_pin, node);
	}
	return NULL;
}

/**
 * iommufd_access_unpin_pages() - undo iommufd_access_pin_pages()
 * @access: the access
 * @iova: as it was pinned
 * @length: as it was pinned
 *
 * Nothing happens if just this range is not pinned.
 *
 * Context: process context, may sleep; also in the unmap callback.
 */
void iommufd_access_unpin_pages(struct iommufd_access *access,
				unsigned long iova, unsigned long length)
{
	struct attachment *attachment;
	struct access_pin *pin = NULL;
	unsigned long last;

	if (check_range(iova, length, &last))
		return;
	spin_lock(&access->lock);
	attachment = access->attachment ?: access->leaving;
	if (attachment)
		pin = take_pin(attachment, iova, last);
	if (pin)
		attachment->calls++;
	spin_unlock(&access->lock);
	if (!pin)
		return;

	access_unpin(&attachment->ioas->iopt, iova, last);
	end_call(attachment);
	kfree(pin);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_unpin_pages, IOMMUFD);

static int rw_parts(struct io_pagetable *iopt, unsigned long start,
		    unsigned long last, void *data, bool write)
{
	struct iopt_part part;
	int ret;

	do {
		iopt_used_part(iopt, start, last, &part);
		ret = iopt_pages_rw(part.pages, part.offset, data, part.length,
				    write);
		data += part.length;
		start += part.length;
	} while (!ret && start - 1 != last);
	return ret;
}

static int rw_range(struct io_pagetable *iopt, unsigned long start,
		    unsigned long last, void *data, unsigned int flags)
{
	int ret;

	ret = iopt_use_range(iopt, start, last, access_prot(flags));
	if (ret)
		return ret;
	ret = rw_parts(iopt, start, last, data,
		       flags & IOMMUFD_ACCESS_RW_WRITE);
	iopt_unuse_range(iopt, start, last);
	return ret;
}

/**
 * iommufd_access_rw() - read or write what is mapped in a range
 * @access: the access
 * @iova: first byte
 * @data: kernel memory
 * @length: in bytes
 * @flags: of enum iommufd_access_rw_flags
 *
 * Context: process context, also of a kernel thread; no lock that the unmap
 * callback takes: faults memory in.
 * Return: as iommufd_access_pin_pages(); on failure some may have been copied.
 */
int iommufd_access_rw(struct iommufd_access *access, unsigned long iova,
		      void *data, size_t length, unsigned int flags)
{
	struct attachment *attachment;
	unsigned long last;
	int ret;

	if (flags & ~(IOMMUFD_ACCESS_RW_WRITE | IOMMUFD_ACCESS_RW_KTHREAD))
		return -EINVAL;
	ret = check_range(iova, length, &last);
	if (ret)
		return ret;
	attachment = begin_call(access);
	if (!attachment)
		return -ENOENT;
	ret = rw_range(&attachment->ioas->iopt, iova, last, data, flags);
	end_call(attachment);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_rw, IOMMUFD);
