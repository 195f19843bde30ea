// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test ioctl's operations on an access: what an emulated device would do.
 *
 * An access is a file.  It pins ranges at the user's request and lets them go
 * when the address space wants them back, at the latest when it is closed.
 *
 * Pages are pinned without the lock, since they may have to be faulted in.  A
 * range that is wanted back meanwhile is marked, and let go by who pinned it.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ioctl.h"
#include "iommufd_test.h"
#include "object.h"
#include "selftest.h"

/* What a call may ask for: all that fits before the mock, a buffer of some size */
#define PIN_LENGTH_MAX (MOCK_APERTURE_LAST + 1UL)
#define RW_LENGTH_MAX SZ_4M

/**
 * struct test_access - an access that user space drives
 * @access: the access
 * @lock: guards @pins and @last_id
 * @pins: struct test_pin
 * @last_id: given to one of them
 */
struct test_access {
	struct iommufd_access *access;

	struct mutex lock; /* outside of the address space's locks */
	struct list_head pins;
	u32 last_id;
};

/**
 * enum test_pin_state - of a range
 * @PIN_COMING: being pinned
 * @PIN_REVOKED: the same, but it must not stay
 * @PIN_DONE: pinned
 */
enum test_pin_state {
	PIN_COMING,
	PIN_REVOKED,
	PIN_DONE,
};

/**
 * struct test_pin - a range that an access pins
 * @item: on its list
 * @iova: where it begins
 * @length: in bytes
 * @id: its name in user space
 * @state: what it is up to
 */
struct test_pin {
	struct list_head item;
	unsigned long iova;
	unsigned long length;
	u32 id;
	enum test_pin_state state;
};

static unsigned long pin_npages(struct test_pin *pin)
{
	return PFN_UP(offset_in_page(pin->iova) + pin->length);
}

/* Frees a range that is pinned. */
static void selftest_unpin(struct test_access *ta, struct test_pin *pin)
{
	lockdep_assert_held(&ta->lock);

	iommufd_access_unpin_pages(ta->access, pin->iova, pin->length);
	list_del(&pin->item);
	kfree(pin);
}

static void test_access_unmap(void *data, unsigned long iova,
			      unsigned long length)
{
	struct test_access *ta = data;
	struct test_pin *pin, *next;

	mutex_lock(&ta->lock);
	list_for_each_entry_safe(pin, next, &ta->pins, item) {
		if (pin->iova > iova + (length - 1) ||
		    pin->iova + (pin->length - 1) < iova)
			continue;
		if (pin->state == PIN_DONE)
			selftest_unpin(ta, pin);
		else
			pin->state = PIN_REVOKED;
	}
	mutex_unlock(&ta->lock);
}

static const struct iommufd_access_ops rw_ops = {
	.unmap = test_access_unmap,
};

static const struct iommufd_access_ops pin_ops = {
	.needs_pin_pages = true,
	.unmap = test_access_unmap,
};

static int test_access_release(struct inode *inode, struct file *file)
{
	struct test_access *ta = file->private_data;
	struct test_pin *pin, *next;

	mutex_lock(&ta->lock);
	list_for_each_entry_safe(pin, next, &ta->pins, item)
		selftest_unpin(ta, pin);
	mutex_unlock(&ta->lock);
	iommufd_access_destroy(ta->access);
	mutex_destroy(&ta->lock);
	kfree(ta);
	return 0;
}

static const struct file_operations test_access_fops = {
	.owner = THIS_MODULE,
	.release = test_access_release,
};

static struct test_access *access_alloc(struct iommufd_ctx *ictx, u32 flags)
{
	bool pins = flags & MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
	struct test_access *ta;
	u32 id;

	ta = kzalloc(sizeof(*ta), IOMMUFD_GFP);
	if (!ta)
		return ERR_PTR(-ENOMEM);
	mutex_init(&ta->lock);
	INIT_LIST_HEAD(&ta->pins);
	ta->access = iommufd_access_create(ictx->file,
					   pins ? &pin_ops : &rw_ops, ta, &id);
	if (IS_ERR(ta->access)) {
		struct iommufd_access *err = ta->access;

		mutex_destroy(&ta->lock);
		kfree(ta);
		return ERR_CAST(err);
	}
	return ta;
}

/* Returns a reference to the access's only file. */
static struct file *access_open(struct iommufd_ctx *ictx, u32 flags)
{
	struct test_access *ta;
	struct file *file;

	ta = access_alloc(ictx, flags);
	if (IS_ERR(ta))
		return ERR_CAST(ta);
	file = anon_inode_getfile("[iommufd_test_access]", &test_access_fops,
				  ta, O_RDWR);
	if (IS_ERR(file)) {
		iommufd_access_destroy(ta->access);
		mutex_destroy(&ta->lock);
		kfree(ta);
	}
	return file;
}

int test_create_access(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct test_access *ta;
	struct file *file;
	int fd, ret;

	if (cmd->create_access.flags &
	    ~MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		return -EOPNOTSUPP;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = access_open(call->ictx, cmd->create_access.flags);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_fd;
	}
	ta = file->private_data;
	ret = iommufd_access_attach(ta->access, cmd->id);
	if (ret)
		goto err_file;
	cmd->create_access.out_access_fd = fd;
	ret = iommufd_reply(call, sizeof(*cmd));
	if (ret)
		goto err_file;
	fd_install(fd, file);
	return 0;

err_file:
	/* All else goes with it. */
	fput(file);
err_fd:
	put_unused_fd(fd);
	return ret;
}

/* Returns a reference to the file of the access that the call names. */
static struct file *get_access(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct file *file = fget(cmd->id);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op != &test_access_fops) {
		fput(file);
		return ERR_PTR(-EBADFD);
	}
	return file;
}

int test_access_replace_ioas(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct file *file = get_access(call);
	struct test_access *ta;
	int ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ta = file->private_data;
	ret = iommufd_access_replace(ta->access,
				     cmd->access_replace_ioas.ioas_id);
	fput(file);
	return ret;
}

static struct test_pin *add_pin(struct test_access *ta, unsigned long iova,
				unsigned long length)
{
	struct test_pin *pin = kzalloc(sizeof(*pin), IOMMUFD_GFP);

	if (!pin)
		return NULL;
	pin->iova = iova;
	pin->length = length;
	mutex_lock(&ta->lock);
	pin->id = ++ta->last_id;
	list_add(&pin->item, &ta->pins);
	mutex_unlock(&ta->lock);
	return pin;
}

static void drop_pin(struct test_access *ta, struct test_pin *pin)
{
	mutex_lock(&ta->lock);
	list_del(&pin->item);
	mutex_unlock(&ta->lock);
	kfree(pin);
}

static void undo_pin(struct test_access *ta, struct test_pin *pin)
{
	mutex_lock(&ta->lock);
	selftest_unpin(ta, pin);
	mutex_unlock(&ta->lock);
}

/* From here on the range can be gone any time. */
static int finish_pin(struct test_access *ta, struct test_pin *pin)
{
	int ret = 0;

	mutex_lock(&ta->lock);
	if (pin->state == PIN_REVOKED) {
		selftest_unpin(ta, pin);
		ret = -ENOENT;
	} else {
		pin->state = PIN_DONE;
	}
	mutex_unlock(&ta->lock);
	return ret;
}

static int pin_pages(struct iommufd_call *call, struct test_access *ta,
		     struct test_pin *pin, struct page **pages)
{
	struct iommu_test_cmd *cmd = call->arg;
	unsigned int flags = IOMMUFD_ACCESS_RW_READ;
	int ret;

	if (cmd->access_pages.flags & MOCK_FLAGS_ACCESS_WRITE)
		flags = IOMMUFD_ACCESS_RW_WRITE;
	ret = iommufd_access_pin_pages(ta->access, pin->iova, pin->length,
				       pages, flags);
	if (ret) {
		drop_pin(ta, pin);
		return ret;
	}
	ret = test_compare_pages(cmd->access_pages.uptr, pages,
				 pin_npages(pin));
	cmd->access_pages.out_access_pages_id = pin->id;
	if (!ret)
		ret = iommufd_reply(call, sizeof(*cmd));
	if (ret) {
		undo_pin(ta, pin);
		return ret;
	}
	return finish_pin(ta, pin);
}

static int access_pages(struct iommufd_call *call, struct test_access *ta)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct test_pin *pin;
	struct page **pages;
	int ret;

	pin = add_pin(ta, cmd->access_pages.iova, cmd->access_pages.length);
	if (!pin)
		return -ENOMEM;
	pages = kvcalloc(pin_npages(pin), sizeof(*pages), IOMMUFD_GFP);
	if (!pages) {
		drop_pin(ta, pin);
		return -ENOMEM;
	}
	ret = pin_pages(call, ta, pin, pages);
	kvfree(pages);
	return ret;
}

int test_access_pages(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct file *file;
	u64 last;
	int ret;

	if (cmd->access_pages.flags & ~MOCK_FLAGS_ACCESS_WRITE)
		return -EOPNOTSUPP;
	if (!cmd->access_pages.length || cmd->access_pages.length > PIN_LENGTH_MAX)
		return -EINVAL;
	if (check_add_overflow(cmd->access_pages.iova,
			       cmd->access_pages.length - 1, &last))
		return -EOVERFLOW;

	file = get_access(call);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = access_pages(call, file->private_data);
	fput(file);
	return ret;
}

int test_destroy_access_pages(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct file *file = get_access(call);
	struct test_access *ta;
	struct test_pin *pin;
	int ret = -ENOENT;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ta = file->private_data;
	mutex_lock(&ta->lock);
	list_for_each_entry(pin, &ta->pins, item) {
		if (pin->id == cmd->destroy_access_pages.access_pages_id &&
		    pin->state == PIN_DONE) {
			selftest_unpin(ta, pin);
			ret = 0;
			break;
		}
	}
	mutex_unlock(&ta->lock);
	fput(file);
	return ret;
}

static int access_rw(struct iommu_test_cmd *cmd, struct test_access *ta,
		     void *data)
{
	void __user *uptr = u64_to_user_ptr(cmd->access_rw.uptr);
	bool write = cmd->access_rw.flags & MOCK_ACCESS_RW_WRITE;
	unsigned int flags;
	int ret;

	flags = write ? IOMMUFD_ACCESS_RW_WRITE : IOMMUFD_ACCESS_RW_READ;
	if (cmd->access_rw.flags & MOCK_ACCESS_RW_SLOW_PATH)
		flags |= IOMMUFD_ACCESS_RW_KTHREAD;
	if (write && copy_from_user(data, uptr, cmd->access_rw.length))
		return -EFAULT;
	ret = iommufd_access_rw(ta->access, cmd->access_rw.iova, data,
				cmd->access_rw.length, flags);
	if (ret)
		return ret;
	if (!write && copy_to_user(uptr, data, cmd->access_rw.length))
		return -EFAULT;
	return 0;
}

int test_access_rw(struct iommufd_call *call)
{
	struct iommu_test_cmd *cmd = call->arg;
	struct file *file;
	void *data;
	int ret;

	if (cmd->access_rw.flags &
	    ~(MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH))
		return -EOPNOTSUPP;
	if (!cmd->access_rw.length || cmd->access_rw.length > RW_LENGTH_MAX)
		return -EINVAL;

	file = get_access(call);
	if (IS_ERR(file))
		return PTR_ERR(file);
	data = kvzalloc(cmd->access_rw.length, IOMMUFD_GFP);
	ret = data ? access_rw(cmd, file->private_data, data) : -ENOMEM;
	kvfree(data);
	fput(file);
	return ret;
}
