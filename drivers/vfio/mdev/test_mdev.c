// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mediated device for tests: without hardware, it pins memory, reads it and
 * writes it on a program's behalf.  test_mdev.h tells what it can be told to do.
 *
 * Whatever it is told, it touches pinned pages only, gives back each pin once,
 * and lets go when VFIO says so.
 *
 * Locks: cmd_lock, which is held while VFIO pins or copies and so must not be
 * taken in dma_unmap(); then lock, which is held as long as pins are looked at
 * and never while VFIO is called.
 */
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/jiffies.h>
#include <linux/mdev.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "test_mdev.h"

#define REGION_SHIFT	40
#define PIN_COUNT_MAX	1024	/* pins of one page */
#define LAZY_TIMES	8	/* that a range is not unpinned when told to */
#define CHANGE_TIMEOUT	(HZ / 10)
#define QUIET		(HZ / 100 + 1)

/**
 * struct test_mdev - a device
 * @vdev: as VFIO knows it
 * @cmd_lock: one command at a time; guards @buffer
 * @buffer: the device's memory
 * @changes: changes of @pins that VFIO does not know of yet, or the other way
 *	round
 * @settled: woken when there are no more @changes
 * @lock: guards what follows
 * @pins: struct test_pin by page number
 * @quiet_until: no page is pinned before, in jiffies
 * @late_work: unpins what was put off
 * @late_first: first page of it
 * @late_last: its last page
 * @put_off: how often in a row a range was put off
 * @lazy: milliseconds for which to put off, or 0
 * @slow: milliseconds that an UNMAP takes for each page, or 0
 * @state: what the registers show
 */
struct test_mdev {
	struct vfio_device vdev;
	struct mutex cmd_lock; /* before lock */
	void *buffer;
	atomic_t changes;
	wait_queue_head_t settled;

	struct mutex lock; /* behind cmd_lock */
	struct xarray pins;
	u64 quiet_until;
	struct delayed_work late_work;
	unsigned long late_first;
	unsigned long late_last;
	unsigned int put_off;
	unsigned int lazy;
	unsigned int slow;
	struct test_mdev_state state;
};

/**
 * struct test_pin - a page that is pinned
 * @page: the page
 * @count: how often
 * @writable: at least once for writing, so that its mapping allows that
 */
struct test_pin {
	struct page *page;
	unsigned int count;
	bool writable;
};

static struct test_mdev *to_test_mdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct test_mdev, vdev);
}

/* ---- the pins ---- */

/*
 * Who unmaps is kept waiting while VFIO and the device do not agree on what is
 * pinned: type1 asks ten times in a row and then gives up on the machine.
 */
static void begin_change(struct test_mdev *dev)
{
	atomic_inc(&dev->changes);
}

static void end_change(struct test_mdev *dev)
{
	if (atomic_dec_and_test(&dev->changes))
		wake_up_all(&dev->settled);
}

static int note_pin(struct test_mdev *dev, unsigned long index,
		    struct page *page, bool writable)
{
	struct test_pin *pin = xa_load(&dev->pins, index);
	int ret;

	lockdep_assert_held(&dev->lock);

	if (!pin) {
		pin = kzalloc(sizeof(*pin), IOMMUFD_GFP);
		if (!pin)
			return -ENOMEM;
		pin->page = page;
		ret = xa_err(xa_store(&dev->pins, index, pin,
				      IOMMUFD_GFP));
		if (ret) {
			kfree(pin);
			return ret;
		}
	}
	/* As long as a page is pinned it is the one that is mapped. */
	if (pin->page != page)
		return -EUCLEAN;
	if (pin->count == PIN_COUNT_MAX)
		return -ENOSPC;
	pin->count++;
	pin->writable |= writable;
	dev->state.pins++;
	return 0;
}

static void forget_pin(struct test_mdev *dev, unsigned long index)
{
	struct test_pin *pin = xa_load(&dev->pins, index);

	lockdep_assert_held(&dev->lock);

	dev->state.pins--;
	if (--pin->count)
		return;
	xa_erase(&dev->pins, index);
	kfree(pin);
}

static int note_pins(struct test_mdev *dev, unsigned long first,
		     struct page **pages, unsigned int npages, bool writable)
{
	unsigned int i;
	int ret = 0;

	mutex_lock(&dev->lock);
	for (i = 0; i < npages && !ret; i++)
		ret = note_pin(dev, first + i, pages[i], writable);
	if (ret)
		for (i--; i > 0; i--)
			forget_pin(dev, first + i - 1);
	mutex_unlock(&dev->lock);
	return ret;
}

static int forget_pins(struct test_mdev *dev, unsigned long first,
		       unsigned int npages)
{
	unsigned int i;
	int ret = 0;

	mutex_lock(&dev->lock);
	for (i = 0; i < npages && !ret; i++)
		if (!xa_load(&dev->pins, first + i))
			ret = -ENOENT;
	for (i = 0; i < npages && !ret; i++)
		forget_pin(dev, first + i);
	mutex_unlock(&dev->lock);
	return ret;
}

/* Takes the first pinned page of a range, with all its pins. */
static struct test_pin *take_first(struct test_mdev *dev, unsigned long *index,
				   unsigned long last)
{
	struct test_pin *pin;

	mutex_lock(&dev->lock);
	pin = xa_find(&dev->pins, index, last, XA_PRESENT);
	if (pin) {
		xa_erase(&dev->pins, *index);
		dev->state.pins -= pin->count;
		dev->state.dropped += pin->count;
	}
	mutex_unlock(&dev->lock);
	return pin;
}

static void drop_pins(struct test_mdev *dev, unsigned long first,
		      unsigned long last, unsigned int slow)
{
	struct test_pin *pin;

	begin_change(dev);
	while ((pin = take_first(dev, &first, last))) {
		if (slow)
			msleep(slow);
		while (pin->count--)
			vfio_unpin_pages(&dev->vdev,
					 (dma_addr_t)first << PAGE_SHIFT, 1);
		kfree(pin);
	}
	end_change(dev);
}

/* ---- what VFIO tells ---- */

static void drop_late(struct work_struct *work)
{
	struct test_mdev *dev =
		container_of(to_delayed_work(work), struct test_mdev,
			     late_work);
	unsigned long first, last;

	begin_change(dev);
	mutex_lock(&dev->lock);
	first = dev->late_first;
	last = dev->late_last;
	dev->late_first = ULONG_MAX;
	dev->late_last = 0;
	dev->put_off = 0;
	mutex_unlock(&dev->lock);
	if (first <= last)
		drop_pins(dev, first, last, 0);
	end_change(dev);
}

static bool put_off(struct test_mdev *dev, unsigned long first,
		    unsigned long last)
{
	unsigned long index = first;

	lockdep_assert_held(&dev->lock);

	if (!dev->lazy || dev->put_off == LAZY_TIMES ||
	    !xa_find(&dev->pins, &index, last, XA_PRESENT))
		return false;
	/* Once for what is told of in parts, from the first one on. */
	if (first <= dev->late_first)
		dev->put_off++;
	dev->late_first = min(dev->late_first, first);
	dev->late_last = max(dev->late_last, last);
	schedule_delayed_work(&dev->late_work, msecs_to_jiffies(dev->lazy) + 1);
	return true;
}

static void test_mdev_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	unsigned long first = iova >> PAGE_SHIFT;
	unsigned long last = (iova + length - 1) >> PAGE_SHIFT;
	struct test_mdev *dev = to_test_mdev(vdev);
	unsigned int slow;
	bool later;

	wait_event_timeout(dev->settled, !atomic_read(&dev->changes),
			   CHANGE_TIMEOUT);
	mutex_lock(&dev->lock);
	dev->state.unmaps++;
	dev->state.unmap_iova = iova;
	dev->state.unmap_length = length;
	dev->quiet_until = get_jiffies_64() + QUIET;
	later = put_off(dev, first, last);
	slow = dev->slow;
	mutex_unlock(&dev->lock);
	if (!later)
		drop_pins(dev, first, last, slow);
}

static void test_mdev_request(struct vfio_device *vdev, unsigned int count)
{
	struct test_mdev *dev = to_test_mdev(vdev);

	mutex_lock(&dev->lock);
	dev->state.requests++;
	mutex_unlock(&dev->lock);
}

static int test_mdev_open(struct vfio_device *vdev)
{
	struct test_mdev *dev = to_test_mdev(vdev);

	mutex_lock(&dev->lock);
	dev->state = (struct test_mdev_state){
		.requests = dev->state.requests,
		.had_kvm = !!vdev->kvm,
	};
	dev->lazy = 0;
	dev->slow = 0;
	mutex_unlock(&dev->lock);
	return 0;
}

/*
 * An UNMAP that is in dma_unmap() with pages it has taken already is not waited
 * for here: VFIO does, before the device is anybody else's.
 */
static void test_mdev_close(struct vfio_device *vdev)
{
	struct test_mdev *dev = to_test_mdev(vdev);

	mutex_lock(&dev->lock);
	dev->lazy = 0;
	dev->slow = 0;
	mutex_unlock(&dev->lock);
	flush_delayed_work(&dev->late_work);
	drop_pins(dev, 0, ULONG_MAX, 0);
	/* What one program left in there is not for the next. */
	memset(dev->buffer, 0, TEST_MDEV_BUFFER_SIZE);
}

/* ---- commands ---- */

/*
 * Pages that are pinned anew as soon as they are unpinned would keep an UNMAP
 * from its end, which type1 does not put up with.
 */
static int wait_until_quiet(struct test_mdev *dev)
{
	u64 now, until;

	for (;;) {
		mutex_lock(&dev->lock);
		until = dev->quiet_until;
		mutex_unlock(&dev->lock);
		now = get_jiffies_64();
		if (now >= until)
			return 0;
		schedule_timeout_killable(until - now);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
}

static int check_pages(const struct test_mdev_cmd *cmd)
{
	u64 last;

	if (!PAGE_ALIGNED(cmd->iova) || cmd->pages > INT_MAX)
		return -EINVAL;
	return check_add_overflow(cmd->iova,
				  ((u64)cmd->pages << PAGE_SHIFT) - !!cmd->pages,
				  &last) ? -EOVERFLOW : 0;
}

static int pin_pages(struct test_mdev *dev, const struct test_mdev_cmd *cmd,
		     struct page **pages)
{
	bool writable = cmd->flags & TEST_MDEV_WRITE;
	int prot = writable ? IOMMU_READ | IOMMU_WRITE : IOMMU_READ;
	int ret, npages;

	npages = vfio_pin_pages(&dev->vdev, cmd->iova, cmd->pages, prot, pages);
	if (npages <= 0)
		return npages;
	ret = npages == cmd->pages ? 0 : -EIO;
	if (!ret)
		ret = note_pins(dev, cmd->iova >> PAGE_SHIFT, pages, npages,
				writable);
	if (ret)
		vfio_unpin_pages(&dev->vdev, cmd->iova, npages);
	return ret;
}

static int do_pin(struct test_mdev *dev, const struct test_mdev_cmd *cmd)
{
	struct page **pages;
	int ret;

	ret = check_pages(cmd) ?: wait_until_quiet(dev);
	if (ret)
		return ret;
	/* VFIO is to refuse more. */
	pages = kcalloc(VFIO_PIN_PAGES_MAX_ENTRIES, sizeof(*pages),
			IOMMUFD_GFP);
	if (!pages)
		return -ENOMEM;
	begin_change(dev);
	ret = pin_pages(dev, cmd, pages);
	end_change(dev);
	kfree(pages);
	return ret;
}

static int do_unpin(struct test_mdev *dev, const struct test_mdev_cmd *cmd)
{
	int ret;

	ret = check_pages(cmd);
	if (ret)
		return ret;
	if (!cmd->pages || cmd->pages > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -EINVAL;
	begin_change(dev);
	ret = forget_pins(dev, cmd->iova >> PAGE_SHIFT, cmd->pages);
	if (!ret)
		vfio_unpin_pages(&dev->vdev, cmd->iova, cmd->pages);
	end_change(dev);
	return ret;
}

static bool is_bound_by_node(struct test_mdev *dev)
{
	struct vfio_device_set *dev_set = dev->vdev.dev_set;
	bool bound;

	mutex_lock(&dev_set->lock);
	bound = vfio_device_iommufd(&dev->vdev);
	mutex_unlock(&dev_set->lock);
	return bound;
}

/* The program's file keeps the device as it was opened. */
static int do_stray_unpin(struct test_mdev *dev,
			  const struct test_mdev_cmd *cmd)
{
	unsigned long first = cmd->iova >> PAGE_SHIFT;
	unsigned long last;
	bool pinned;
	int ret;

	ret = check_pages(cmd);
	if (ret)
		return ret;
	if (!cmd->pages || cmd->pages > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -EINVAL;
	if (!is_bound_by_node(dev))
		return -EOPNOTSUPP;
	last = first + cmd->pages - 1;
	mutex_lock(&dev->lock);
	pinned = xa_find(&dev->pins, &first, last, XA_PRESENT);
	mutex_unlock(&dev->lock);
	if (pinned)
		return -EBUSY;
	vfio_unpin_pages(&dev->vdev, cmd->iova, cmd->pages);
	return 0;
}

static bool is_in_buffer(const struct test_mdev_cmd *cmd)
{
	return cmd->length <= TEST_MDEV_BUFFER_SIZE &&
	       cmd->offset <= TEST_MDEV_BUFFER_SIZE - cmd->length;
}

static int check_pinned(struct test_mdev *dev, unsigned long first,
			unsigned long last, bool write)
{
	struct test_pin *pin;

	for (; first <= last; first++) {
		pin = xa_load(&dev->pins, first);
		if (!pin)
			return -ENOENT;
		if (write && !pin->writable)
			return -EPERM;
	}
	return 0;
}

static void copy_pinned(struct test_mdev *dev, u64 iova, void *data,
			size_t length, bool write)
{
	struct test_pin *pin;
	size_t n;

	for (; length; length -= n, iova += n, data += n) {
		pin = xa_load(&dev->pins, iova >> PAGE_SHIFT);
		n = min(length, PAGE_SIZE - offset_in_page(iova));
		if (write)
			memcpy_to_page(pin->page, offset_in_page(iova), data,
				       n);
		else
			memcpy_from_page(data, pin->page, offset_in_page(iova),
					 n);
	}
}

static int do_copy(struct test_mdev *dev, const struct test_mdev_cmd *cmd)
{
	bool write = cmd->flags & TEST_MDEV_WRITE;
	u64 last;
	int ret;

	if (!cmd->length || !is_in_buffer(cmd))
		return -EINVAL;
	if (check_add_overflow(cmd->iova, cmd->length - 1, &last))
		return -EOVERFLOW;
	mutex_lock(&dev->lock);
	ret = check_pinned(dev, cmd->iova >> PAGE_SHIFT, last >> PAGE_SHIFT,
			   write);
	if (!ret)
		copy_pinned(dev, cmd->iova, dev->buffer + cmd->offset,
			    cmd->length, write);
	mutex_unlock(&dev->lock);
	return ret;
}

static int do_rw(struct test_mdev *dev, const struct test_mdev_cmd *cmd)
{
	if (!is_in_buffer(cmd))
		return -EINVAL;
	return vfio_dma_rw(&dev->vdev, cmd->iova, dev->buffer + cmd->offset,
			   cmd->length, cmd->flags & TEST_MDEV_WRITE);
}

static int do_lazy(struct test_mdev *dev, const struct test_mdev_cmd *cmd)
{
	if (cmd->length > TEST_MDEV_LAZY_MAX)
		return -EINVAL;
	mutex_lock(&dev->lock);
	dev->lazy = cmd->length;
	mutex_unlock(&dev->lock);
	return 0;
}

static int do_slow(struct test_mdev *dev, const struct test_mdev_cmd *cmd)
{
	if (cmd->length > TEST_MDEV_LAZY_MAX)
		return -EINVAL;
	mutex_lock(&dev->lock);
	dev->slow = cmd->length;
	mutex_unlock(&dev->lock);
	return 0;
}

static int do_command(struct test_mdev *dev, const struct test_mdev_cmd *cmd)
{
	if (cmd->flags & ~TEST_MDEV_WRITE)
		return -EINVAL;
	switch (cmd->op) {
	case TEST_MDEV_PIN:
		return do_pin(dev, cmd);
	case TEST_MDEV_UNPIN:
		return do_unpin(dev, cmd);
	case TEST_MDEV_STRAY_UNPIN:
		return do_stray_unpin(dev, cmd);
	case TEST_MDEV_COPY:
		return do_copy(dev, cmd);
	case TEST_MDEV_RW:
		return do_rw(dev, cmd);
	case TEST_MDEV_LAZY:
		return do_lazy(dev, cmd);
	case TEST_MDEV_SLOW:
		return do_slow(dev, cmd);
	default:
		return -EINVAL;
	}
}

/* ---- the device's file ---- */

static loff_t region_offset(loff_t pos)
{
	return pos & ((1ULL << REGION_SHIFT) - 1);
}

static ssize_t read_state(struct test_mdev *dev, char __user *buf, size_t count,
			  loff_t *offset)
{
	struct test_mdev_state state;

	mutex_lock(&dev->lock);
	state = dev->state;
	mutex_unlock(&dev->lock);
	return simple_read_from_buffer(buf, count, offset, &state,
				       sizeof(state));
}

static ssize_t read_buffer(struct test_mdev *dev, char __user *buf,
			   size_t count, loff_t *offset)
{
	ssize_t ret;

	if (mutex_lock_killable(&dev->cmd_lock))
		return -EINTR;
	ret = simple_read_from_buffer(buf, count, offset, dev->buffer,
				      TEST_MDEV_BUFFER_SIZE);
	mutex_unlock(&dev->cmd_lock);
	return ret;
}

static ssize_t test_mdev_read(struct vfio_device *vdev, char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct test_mdev *dev = to_test_mdev(vdev);
	loff_t offset = region_offset(*ppos);
	ssize_t ret = -EINVAL;

	switch (*ppos >> REGION_SHIFT) {
	case TEST_MDEV_REGS:
		ret = read_state(dev, buf, count, &offset);
		break;
	case TEST_MDEV_BUFFER:
		ret = read_buffer(dev, buf, count, &offset);
		break;
	}
	if (ret > 0)
		*ppos += ret;
	return ret;
}

static ssize_t write_command(struct test_mdev *dev, const char __user *buf,
			     size_t count, loff_t *offset)
{
	struct test_mdev_cmd cmd;
	int ret;

	if (*offset || count != sizeof(cmd))
		return -EINVAL;
	if (copy_from_user(&cmd, buf, sizeof(cmd)))
		return -EFAULT;
	if (mutex_lock_killable(&dev->cmd_lock))
		return -EINTR;
	ret = do_command(dev, &cmd);
	mutex_unlock(&dev->cmd_lock);
	return ret ?: sizeof(cmd);
}

static ssize_t write_buffer(struct test_mdev *dev, const char __user *buf,
			    size_t count, loff_t *offset)
{
	ssize_t ret;

	if (mutex_lock_killable(&dev->cmd_lock))
		return -EINTR;
	ret = simple_write_to_buffer(dev->buffer, TEST_MDEV_BUFFER_SIZE, offset,
				     buf, count);
	mutex_unlock(&dev->cmd_lock);
	return ret;
}

static ssize_t test_mdev_write(struct vfio_device *vdev,
			       const char __user *buf, size_t count,
			       loff_t *ppos)
{
	struct test_mdev *dev = to_test_mdev(vdev);
	loff_t offset = region_offset(*ppos);
	ssize_t ret = -EINVAL;

	switch (*ppos >> REGION_SHIFT) {
	case TEST_MDEV_REGS:
		ret = write_command(dev, buf, count, &offset);
		break;
	case TEST_MDEV_BUFFER:
		ret = write_buffer(dev, buf, count, &offset);
		break;
	}
	if (ret > 0)
		*ppos += ret;
	return ret;
}

static int get_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = 0;
	info.num_regions = TEST_MDEV_REGIONS;
	info.num_irqs = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static int get_region_info(void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= TEST_MDEV_REGIONS)
		return -EINVAL;
	info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info.cap_offset = 0;
	info.offset = (u64)info.index << REGION_SHIFT;
	info.size = info.index == TEST_MDEV_BUFFER ?
		TEST_MDEV_BUFFER_SIZE : sizeof(struct test_mdev_state);
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long test_mdev_ioctl(struct vfio_device *vdev, unsigned int cmd,
			    unsigned long arg)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return get_info((void __user *)arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int test_mdev_init_dev(struct vfio_device *vdev)
{
	struct test_mdev *dev = to_test_mdev(vdev);

	dev->buffer = kvzalloc(TEST_MDEV_BUFFER_SIZE, GFP_KERNEL);
	if (!dev->buffer)
		return -ENOMEM;
	mutex_init(&dev->cmd_lock);
	mutex_init(&dev->lock);
	atomic_set(&dev->changes, 0);
	init_waitqueue_head(&dev->settled);
	xa_init(&dev->pins);
	INIT_DELAYED_WORK(&dev->late_work, drop_late);
	dev->late_first = ULONG_MAX;
	return 0;
}

static void test_mdev_release_dev(struct vfio_device *vdev)
{
	struct test_mdev *dev = to_test_mdev(vdev);

	xa_destroy(&dev->pins);
	mutex_destroy(&dev->lock);
	mutex_destroy(&dev->cmd_lock);
	kvfree(dev->buffer);
	vfio_free_device(vdev);
}

static const struct vfio_device_ops test_mdev_ops = {
	.name = "vfio-test-mdev",
	.init = test_mdev_init_dev,
	.release = test_mdev_release_dev,
	.open_device = test_mdev_open,
	.close_device = test_mdev_close,
	.read = test_mdev_read,
	.write = test_mdev_write,
	.ioctl = test_mdev_ioctl,
	.request = test_mdev_request,
	.dma_unmap = test_mdev_dma_unmap,
};

/* ---- the parent, which makes devices ---- */

static int test_mdev_probe(struct mdev_device *mdev)
{
	struct test_mdev *dev;
	int ret;

	dev = vfio_alloc_device(test_mdev, vdev, &mdev->dev, &test_mdev_ops);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = vfio_register_emulated_iommu_dev(&dev->vdev);
	if (ret) {
		vfio_put_device(&dev->vdev);
		return ret;
	}
	dev_set_drvdata(&mdev->dev, dev);
	return 0;
}

static void test_mdev_remove(struct mdev_device *mdev)
{
	struct test_mdev *dev = dev_get_drvdata(&mdev->dev);

	vfio_unregister_group_dev(&dev->vdev);
	vfio_put_device(&dev->vdev);
}

static struct mdev_driver test_mdev_driver = {
	.device_api = "vfio-test",
	.max_instances = 16,
	.probe = test_mdev_probe,
	.remove = test_mdev_remove,
	.driver = {
		.name = "test_mdev",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
	},
};

static struct mdev_type test_mdev_type = {
	.sysfs_name = "dma",
	.pretty_name = "Reaches memory as it is told",
};

static struct mdev_type *test_mdev_types[] = { &test_mdev_type };
static struct mdev_parent test_mdev_parent;
static struct class *test_mdev_class;
static struct device *test_mdev_parent_dev;

static int __init test_mdev_init(void)
{
	int ret;

	ret = mdev_register_driver(&test_mdev_driver);
	if (ret)
		return ret;
	test_mdev_class = class_create(THIS_MODULE, "test_mdev");
	if (IS_ERR(test_mdev_class)) {
		ret = PTR_ERR(test_mdev_class);
		goto err_driver;
	}
	test_mdev_parent_dev = device_create(test_mdev_class, NULL, MKDEV(0, 0),
					     NULL, "test_mdev");
	if (IS_ERR(test_mdev_parent_dev)) {
		ret = PTR_ERR(test_mdev_parent_dev);
		goto err_class;
	}
	ret = mdev_register_parent(&test_mdev_parent, test_mdev_parent_dev,
				   &test_mdev_driver, test_mdev_types,
				   ARRAY_SIZE(test_mdev_types));
	if (ret)
		goto err_device;
	return 0;

err_device:
	device_unregister(test_mdev_parent_dev);
err_class:
	class_destroy(test_mdev_class);
err_driver:
	mdev_unregister_driver(&test_mdev_driver);
	return ret;
}

static void __exit test_mdev_exit(void)
{
	mdev_unregister_parent(&test_mdev_parent);
	device_unregister(test_mdev_parent_dev);
	class_destroy(test_mdev_class);
	mdev_unregister_driver(&test_mdev_driver);
}

module_init(test_mdev_init)
module_exit(test_mdev_exit)
MODULE_DESCRIPTION("Test device for the DMA of emulated VFIO devices");
MODULE_LICENSE("GPL");
