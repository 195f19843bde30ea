// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device nodes /dev/vfio/devices/vfioX: open, bind, close.
 *
 * To open a node gives nothing.  The file is bound to a device by BIND, which
 * proves with an iommufd that the device's DMA is contained, and stays bound
 * until it is closed.  Many files may be open, one at a time is bound.
 *
 * A file that is not bound holds neither the device nor its driver, but only
 * the struct vfio_cdev that stands for the node.  So a driver can always be
 * unbound from a device that is open and not bound: the struct forgets the
 * device, and BIND on the files left answers -ENODEV.  A bound file holds the
 * registration, as one does that a group gave out; unregistering waits for it.
 *
 * A group serves its own node, /dev/vfio/N, or those of its devices: while one
 * of them is bound the group cannot be opened, and the other way round.
 *
 * No lock of VFIO is held while iommufd is called, which can take as long as
 * user space makes it: what BIND has claimed keeps everybody else away.
 */
#include <linux/capability.h>
#include <linux/cdev.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/refcount.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "trace.h"
#include "vfio.h"

/**
 * struct vfio_cdev - A device node, for as long as it or a file of it is there
 * @users: the registered device and each open file
 * @device: the device, or NULL once that is not registered any more
 * @bound: one of the files is bound to the device, or about to be
 * @noiommu: the device has no IOMMU, so only CAP_SYS_RAWIO lets use it
 * @enforces_coherency: no DMA of the device can bypass the CPU's caches
 *
 * The lock of the array vfio_cdevs protects @device, and that of the device's
 * group @bound.
 */
struct vfio_cdev {
	refcount_t		users;
	struct vfio_device	*device;
	bool			bound;
	bool			noiommu;
	bool			enforces_coherency;
};

/* The nodes by minor number, which is the index of their device. */
static DEFINE_XARRAY(vfio_cdevs);

/* One character device serves all the numbers, used or not. */
static struct cdev vfio_cdev_chrdev;
static dev_t vfio_cdev_devt;

static void vfio_cdev_put(struct vfio_cdev *cdev)
{
	if (refcount_dec_and_test(&cdev->users))
		kfree(cdev);
}

/**
 * vfio_cdev_register - Give a device a number, under which it can be opened
 * @device: device in a group, not yet added to sysfs
 *
 * The node appears when the caller adds @device->device.
 *
 * Return: 0, or -ENOMEM.
 */
int vfio_cdev_register(struct vfio_device *device)
{
	struct vfio_cdev *cdev;
	int ret;

	cdev = kzalloc(sizeof(*cdev), GFP_KERNEL);
	if (!cdev)
		return -ENOMEM;

	refcount_set(&cdev->users, 1);
	cdev->device = device;
	cdev->noiommu = device->group->type == VFIO_NO_IOMMU;
	cdev->enforces_coherency = device->enforces_coherency;
	ret = xa_insert(&vfio_cdevs, device->index, cdev, GFP_KERNEL);
	if (ret) {
		kfree(cdev);
		return ret;
	}

	device->device.devt = MKDEV(MAJOR(vfio_cdev_devt), device->index);
	return 0;
}

/**
 * vfio_cdev_unregister - Let nobody open or bind a device by its node any more
 * @device: device of vfio_cdev_register()
 *
 * Files that are bound go on, and still hold the registration.
 */
void vfio_cdev_unregister(struct vfio_device *device)
{
	struct vfio_cdev *cdev;

	xa_lock(&vfio_cdevs);
	cdev = __xa_erase(&vfio_cdevs, device->index);
	if (cdev)
		cdev->device = NULL;
	xa_unlock(&vfio_cdevs);

	if (cdev)
		vfio_cdev_put(cdev);
}

/**
 * vfio_cdev_open - Open a node, which gives no access to its device yet
 * @inode: the node
 * @file: the file, to be released with vfio_cdev_release()
 *
 * Return: 0; -ENODEV when the device has gone; -EPERM when it has no IOMMU and
 * CAP_SYS_RAWIO is missing; -ENOMEM.
 */
int vfio_cdev_open(struct inode *inode, struct file *file)
{
	struct vfio_device_file *df;
	struct vfio_cdev *cdev;
	int ret;

	xa_lock(&vfio_cdevs);
	cdev = xa_load(&vfio_cdevs, iminor(inode));
	if (cdev)
		refcount_inc(&cdev->users);
	xa_unlock(&vfio_cdevs);
	if (!cdev)
		return -ENODEV;

	ret = -EPERM;
	if (cdev->noiommu && !capable(CAP_SYS_RAWIO))
		goto err_put;
	ret = -ENOMEM;
	df = vfio_device_file_alloc();
	if (!df)
		goto err_put;

	df->cdev = cdev;
	file->private_data = df;
	return 0;

err_put:
	vfio_cdev_put(cdev);
	return ret;
}

static int vfio_cdev_refuse_token(const uuid_t *token, int ret)
{
	if (ret == -EINVAL)
		return vfio_refuse(VFIO_REASON_TOKEN_NOT_TAKEN, ret);
	return vfio_refuse(token ? VFIO_REASON_TOKEN_WRONG :
				   VFIO_REASON_TOKEN_MISSING, ret);
}

/*
 * A VF token is the driver's matter, which its match() op checks in the
 * argument of VFIO_GROUP_GET_DEVICE_FD.  Ask it the same question: a bind needs
 * the token that a group would ask for.
 */
static int vfio_cdev_match(struct vfio_device *device, const uuid_t *token)
{
	const char *name = dev_name(device->dev);
	char *buf;
	int ret;

	if (!device->ops->match)
		return token ? -EINVAL : 1;

	if (token)
		buf = kasprintf(GFP_KERNEL, "%s vf_token=%pUb", name, token);
	else
		buf = kstrdup(name, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	ret = device->ops->match(device, buf);
	kfree(buf);
	return ret;
}

static int vfio_cdev_check_token(struct vfio_device *device,
				 const uuid_t *token)
{
	int ret = vfio_cdev_match(device, token);

	if (ret == -ENOMEM)
		return vfio_refuse(VFIO_REASON_NO_MEMORY, ret);
	if (ret < 0)
		return vfio_cdev_refuse_token(token, ret);
	return ret ? 0 : vfio_refuse(VFIO_REASON_DRIVER_MATCH, -EINVAL);
}

/*
 * Where a device is not to be had without a token, one is compared and nothing
 * else.  Where it is, the check may make the token that of a PF.
 */
static int vfio_cdev_check_needed_token(struct vfio_device *device,
					const uuid_t *token)
{
	if (vfio_cdev_match(device, NULL) != -EACCES)
		return 0;
	return vfio_cdev_check_token(device, token);
}

/*
 * Who has the group open or claims the device keeps others away: nobody does
 * who cannot give the token.
 */
static int vfio_cdev_claim_locked(struct vfio_device_file *df,
				  struct vfio_device *device,
				  const uuid_t *token)
{
	struct vfio_cdev *cdev = df->cdev;
	int ret;

	lockdep_assert_held(&device->group->group_lock);

	if (cdev->bound)
		return vfio_refuse(VFIO_REASON_OTHER_FILE_BOUND, -EINVAL);
	if (device->group->opened_file)
		return vfio_refuse(VFIO_REASON_GROUP_OPEN, -EBUSY);
	ret = vfio_cdev_check_needed_token(device, token);
	if (ret)
		return ret;

	cdev->bound = true;
	device->group->cdev_users++;
	return 0;
}

/*
 * Keeps other files from being bound to the device, and its group from being
 * opened.  Who has that open may hold its lock for as long as user memory makes
 * it.  Returns the device with its registration held: undo by
 * vfio_cdev_unclaim().
 */
static struct vfio_device *vfio_cdev_claim(struct vfio_device_file *df,
					   const uuid_t *token)
{
	struct vfio_device *device;
	int ret = -EINTR;

	if (READ_ONCE(df->device))
		return ERR_PTR(vfio_refuse(VFIO_REASON_ALREADY_BOUND, -EINVAL));
	device = vfio_cdev_get_device(df->cdev);
	if (!device)
		return ERR_PTR(vfio_refuse(VFIO_REASON_DEVICE_GONE, -ENODEV));

	if (!mutex_lock_killable(&device->group->group_lock)) {
		ret = vfio_cdev_claim_locked(df, device, token);
		mutex_unlock(&device->group->group_lock);
	}
	if (!ret)
		return device;
	vfio_device_put_registration(device);
	return ERR_PTR(ret);
}

static void vfio_cdev_unclaim(struct vfio_cdev *cdev,
			      struct vfio_device *device)
{
	mutex_lock(&device->group->group_lock);
	device->group->cdev_users--;
	cdev->bound = false;
	mutex_unlock(&device->group->group_lock);

	vfio_device_put_registration(device);
}

/*
 * The device's id is given out before the file is let in, while all can still
 * be undone.
 */
static int vfio_cdev_bind(struct vfio_device_file *df, struct file *iommufd,
			  const uuid_t *token, u32 __user *out_devid)
{
	struct vfio_device *device;
	u32 devid;
	int ret;

	device = vfio_cdev_claim(df, token);
	if (IS_ERR(device))
		return PTR_ERR(device);

	ret = vfio_iommufd_bind(device, iommufd, true, &devid);
	if (ret)
		goto err_unclaim;

	/* The token of a PF without users is set by the check: be sure by now. */
	ret = vfio_cdev_check_token(device, token);
	if (ret)
		goto err_unbind;

	if (put_user(devid, out_devid)) {
		ret = vfio_refuse(VFIO_REASON_ARG_UNWRITABLE, -EFAULT);
		goto err_unbind;
	}

	ret = vfio_device_enable(device, &df->kvm);
	if (ret) {
		vfio_refuse(VFIO_REASON_DRIVER_OPEN, ret);
		goto err_unbind;
	}

	vfio_device_file_grant(df, device);
	return 0;

err_unbind:
	vfio_iommufd_unbind(device);
err_unclaim:
	vfio_cdev_unclaim(df->cdev, device);
	return ret;
}

static int vfio_cdev_get_token(uuid_t *token,
			       const struct vfio_device_bind_iommufd *bind)
{
	if (bind->argsz < offsetofend(typeof(*bind), token_uuid_ptr))
		return vfio_refuse(VFIO_REASON_NO_ROOM_FOR_TOKEN, -EINVAL);
	if (copy_from_user(token, u64_to_user_ptr(bind->token_uuid_ptr),
			   sizeof(*token)))
		return vfio_refuse(VFIO_REASON_TOKEN_UNREADABLE, -EFAULT);
	return 0;
}

/* However long it is: what this kernel does not know has to be 0. */
static int vfio_cdev_get_bind(struct vfio_device_bind_iommufd *bind,
			      const struct vfio_device_bind_iommufd __user *arg)
{
	u32 argsz;
	int ret;

	if (get_user(argsz, &arg->argsz))
		return vfio_refuse(VFIO_REASON_ARG_UNREADABLE, -EFAULT);
	if (argsz < offsetofend(typeof(*bind), out_devid))
		return vfio_refuse(VFIO_REASON_ARGSZ_TOO_SMALL, -EINVAL);
	if (argsz > SZ_64K)
		return vfio_refuse(VFIO_REASON_UNKNOWN_FIELD, -E2BIG);
	ret = copy_struct_from_user(bind, sizeof(*bind), arg, argsz);
	if (ret == -E2BIG)
		return vfio_refuse(VFIO_REASON_UNKNOWN_FIELD, ret);
	if (ret)
		return vfio_refuse(VFIO_REASON_ARG_UNREADABLE, ret);
	/* It may have changed since. */
	bind->argsz = argsz;
	if (bind->iommufd < 0)
		return vfio_refuse(VFIO_REASON_IOMMUFD_NEGATIVE, -EINVAL);
	if (bind->flags & ~VFIO_DEVICE_BIND_FLAG_TOKEN)
		return vfio_refuse(VFIO_REASON_UNKNOWN_FLAG, -EINVAL);
	return 0;
}

static int vfio_cdev_ioctl_bind(struct vfio_device_file *df,
				struct vfio_device_bind_iommufd __user *arg)
{
	struct vfio_device_bind_iommufd bind;
	uuid_t uuid, *token = NULL;
	struct file *iommufd;
	int ret;

	ret = vfio_cdev_get_bind(&bind, arg);
	if (ret)
		return ret;

	if (bind.flags & VFIO_DEVICE_BIND_FLAG_TOKEN) {
		ret = vfio_cdev_get_token(&uuid, &bind);
		if (ret)
			return ret;
		token = &uuid;
	}

	iommufd = fget(bind.iommufd);
	if (!iommufd)
		return vfio_refuse(VFIO_REASON_IOMMUFD_NOT_OPEN, -EBADF);

	ret = vfio_cdev_bind(df, iommufd, token, &arg->out_devid);
	fput(iommufd);
	return ret;
}

/* A device that was not bound may have gone. */
static void vfio_cdev_trace_bind(struct vfio_device_file *df, int ret)
{
	struct vfio_device *device;

	if (!ret) {
		trace_vfio_bind(df->device->dev, vfio_iommufd_id(df->device),
				0);
		return;
	}

	device = vfio_cdev_get_device(df->cdev);
	trace_vfio_bind(device ? device->dev : NULL, 0, ret);
	if (device)
		vfio_device_put_registration(device);
}

/**
 * vfio_cdev_ioctl - The ioctls that concern the device as a node of its own
 * @file: open file of a device, by its node or by its group
 * @cmd: ioctl number
 * @arg: user's argument
 *
 * Context: May sleep, for as long as user memory takes to fault in.
 * Return: 0 or an errno for the user, or -ENOIOCTLCMD when @cmd is not one of
 * these ioctls.
 */
int vfio_cdev_ioctl(struct file *file, unsigned int cmd, void __user *arg)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_device *device;
	int ret;

	if (cmd == VFIO_DEVICE_BIND_IOMMUFD) {
		if (!df->cdev)
			return vfio_refuse(VFIO_REASON_FILE_OF_GROUP, -EINVAL);
		ret = vfio_cdev_ioctl_bind(df, arg);
		if (trace_vfio_bind_enabled())
			vfio_cdev_trace_bind(df, ret);
		return ret;
	}

	/* A file of the group has its device from the start. */
	device = vfio_device_from_file(file);
	if (!device)
		return vfio_refuse(VFIO_REASON_NOT_BOUND, -EINVAL);
	if (cmd != VFIO_DEVICE_ATTACH_IOMMUFD_PT &&
	    cmd != VFIO_DEVICE_DETACH_IOMMUFD_PT)
		return -ENOIOCTLCMD;
	if (!df->cdev)
		return vfio_refuse(VFIO_REASON_FILE_OF_GROUP, -ENOTTY);
	if (cmd == VFIO_DEVICE_ATTACH_IOMMUFD_PT)
		return vfio_iommufd_attach(device, arg);
	return vfio_iommufd_detach(device, arg);
}

/**
 * vfio_cdev_release - Undo the open of a node, and the bind if there was one
 * @df: file of vfio_cdev_open(), which the caller frees
 *
 * The driver stops the device before its DMA is taken out of the user's
 * address space.
 */
void vfio_cdev_release(struct vfio_device_file *df)
{
	struct vfio_device *device = df->device;

	if (device) {
		vfio_device_disable(device);
		vfio_trace_unbind(device);
		vfio_iommufd_unbind(device);
		vfio_cdev_unclaim(df->cdev, device);
	}
	vfio_cdev_put(df->cdev);
}

/**
 * vfio_cdev_enforces_coherency - Can no DMA of a device bypass the CPU's caches
 * @cdev: its node, whether the device is still there or not
 *
 * Return: true when there is none.
 */
bool vfio_cdev_enforces_coherency(struct vfio_cdev *cdev)
{
	return cdev->enforces_coherency;
}

/**
 * vfio_cdev_get_device - The device of a node, if it is still there
 * @cdev: the node
 *
 * Return: the device with its registration held, to be given back with
 * vfio_device_put_registration(); or NULL.
 */
struct vfio_device *vfio_cdev_get_device(struct vfio_cdev *cdev)
{
	struct vfio_device *device;

	xa_lock(&vfio_cdevs);
	device = cdev->device;
	if (device && !vfio_device_try_get_registration(device))
		device = NULL;
	xa_unlock(&vfio_cdevs);
	return device;
}

static char *vfio_cdev_devnode(struct device *dev, umode_t *mode)
{
	return kasprintf(GFP_KERNEL, "vfio/devices/%s", dev_name(dev));
}

/**
 * vfio_cdev_init - Prepare for device nodes
 * @class: class of the devices
 * @fops: what an open file of a device does
 *
 * Return: 0 or an errno.
 */
int vfio_cdev_init(struct class *class, const struct file_operations *fops)
{
	int ret;

	ret = alloc_chrdev_region(&vfio_cdev_devt, 0, MINORMASK + 1,
				  "vfio-dev");
	if (ret)
		return ret;

	cdev_init(&vfio_cdev_chrdev, fops);
	vfio_cdev_chrdev.owner = THIS_MODULE;
	ret = cdev_add(&vfio_cdev_chrdev, vfio_cdev_devt, MINORMASK + 1);
	if (ret) {
		unregister_chrdev_region(vfio_cdev_devt, MINORMASK + 1);
		return ret;
	}

	class->devnode = vfio_cdev_devnode;
	return 0;
}

/**
 * vfio_cdev_cleanup - Undo vfio_cdev_init()
 *
 * Context: With no device registered and no file open.
 */
void vfio_cdev_cleanup(void)
{
	cdev_del(&vfio_cdev_chrdev);
	unregister_chrdev_region(vfio_cdev_devt, MINORMASK + 1);
}
