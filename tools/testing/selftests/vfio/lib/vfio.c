// SPDX-License-Identifier: GPL-2.0-only
/* A PCI device behind vfio-pci. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "iommu.h"
#include "pci.h"
#include "vfio.h"

#define VFIO_CDEV_DIR	"/dev/vfio/devices/"

/* The only entry of a directory; hidden ones do not count. */
static int only_entry(const char *path, char *name, size_t len)
{
	struct dirent *entry;
	int found = 0;
	DIR *dir;

	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		found++;
		snprintf(name, len, "%s", entry->d_name);
	}
	closedir(dir);
	if (!found)
		return -ENOENT;
	return found == 1 ? 0 : -EUCLEAN;
}

/* Does the node have the number that sysfs says the device has? */
static int check_number(const char *bdf, const char *name)
{
	char path[PCI_PATH_MAX], text[32], dev[32];
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s/dev",
		 bdf, name);
	rc = sysfs_read(path, text, sizeof(text));
	if (rc)
		return rc;
	snprintf(path, sizeof(path), VFIO_CDEV_DIR "%s", name);
	if (stat(path, &st))
		return -errno;
	snprintf(dev, sizeof(dev), "%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	return S_ISCHR(st.st_mode) && !strcmp(text, dev) ? 0 : -EUCLEAN;
}

int vfio_cdev_name(const char *bdf, char *name, size_t len)
{
	char path[PCI_PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	rc = only_entry(path, name, len);
	return rc ? rc : check_number(bdf, name);
}

int vfio_cdev_open(const char *bdf)
{
	char path[PCI_PATH_MAX], name[64];
	int fd, rc;

	rc = vfio_cdev_name(bdf, name, sizeof(name));
	if (rc)
		return rc;
	snprintf(path, sizeof(path), VFIO_CDEV_DIR "%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vfio_allow_noiommu(bool allow)
{
	return sysfs_write("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
			   allow ? "Y" : "N");
}

int vfio_bind(int dev, int iommufd, uint32_t *devid)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = VFIO_ARGSZ_BIND,
		.iommufd = iommufd,
	};
	int rc;

	rc = xioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
	if (!rc && devid)
		*devid = cmd.out_devid;
	return rc;
}

int vfio_bind_token(int dev, int iommufd, const uint8_t *token, uint32_t *devid)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_BIND_FLAG_TOKEN,
		.iommufd = iommufd,
		.token_uuid_ptr = (uintptr_t)token,
	};
	int rc;

	rc = xioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
	if (!rc && devid)
		*devid = cmd.out_devid;
	return rc;
}

int vfio_attach(int dev, uint32_t *pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = VFIO_ARGSZ_ATTACH,
		.pt_id = *pt_id,
	};
	int rc;

	rc = xioctl(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
	if (!rc)
		*pt_id = cmd.pt_id;
	return rc;
}

int vfio_detach(int dev)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = VFIO_ARGSZ_DETACH,
	};

	return xioctl(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

int vfio_get_info(int dev, struct vfio_device_info *info)
{
	*info = (struct vfio_device_info){ .argsz = sizeof(*info) };
	return xioctl(dev, VFIO_DEVICE_GET_INFO, info);
}

int vfio_region_info(int dev, uint32_t index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){
		.argsz = sizeof(*info),
		.index = index,
	};
	return xioctl(dev, VFIO_DEVICE_GET_REGION_INFO, info);
}

int vfio_irq_info(int dev, uint32_t index, struct vfio_irq_info *info)
{
	*info = (struct vfio_irq_info){
		.argsz = sizeof(*info),
		.index = index,
	};
	return xioctl(dev, VFIO_DEVICE_GET_IRQ_INFO, info);
}

int vfio_reset(int dev)
{
	return xioctl(dev, VFIO_DEVICE_RESET, NULL);
}

int vfio_feature(int dev, uint32_t feature, uint32_t op, void *data, size_t len)
{
	size_t size = sizeof(struct vfio_device_feature) + len;
	struct vfio_device_feature *cmd;
	int rc;

	cmd = calloc(1, size);
	if (!cmd)
		return -ENOMEM;
	cmd->argsz = size;
	cmd->flags = op | feature;
	if (len)
		memcpy(cmd->data, data, len);
	rc = xioctl(dev, VFIO_DEVICE_FEATURE, cmd);
	if (!rc && len && op & VFIO_DEVICE_FEATURE_GET)
		memcpy(data, cmd->data, len);
	free(cmd);
	return rc;
}

void *vfio_region_mmap(int dev, uint32_t index, size_t *size)
{
	struct vfio_region_info info;
	void *va;
	int rc;

	rc = vfio_region_info(dev, index, &info);
	if (rc) {
		errno = -rc;
		return NULL;
	}
	va = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev,
		  info.offset);
	if (va == MAP_FAILED)
		return NULL;
	*size = info.size;
	return va;
}

static int config_offset(int dev, uint32_t offset, off_t *pos)
{
	struct vfio_region_info info;
	int rc;

	rc = vfio_region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	if (!rc)
		*pos = info.offset + offset;
	return rc;
}

int vfio_config_read(int dev, uint32_t offset, void *data, size_t len)
{
	ssize_t n;
	off_t pos;
	int rc;

	rc = config_offset(dev, offset, &pos);
	if (rc)
		return rc;
	n = pread(dev, data, len, pos);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int vfio_config_write(int dev, uint32_t offset, const void *data, size_t len)
{
	ssize_t n;
	off_t pos;
	int rc;

	rc = config_offset(dev, offset, &pos);
	if (rc)
		return rc;
	n = pwrite(dev, data, len, pos);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int vfio_enable_dma(int dev)
{
	uint16_t command;
	int rc;

	rc = vfio_config_read(dev, PCI_COMMAND, &command, sizeof(command));
	if (rc)
		return rc;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	return vfio_config_write(dev, PCI_COMMAND, &command, sizeof(command));
}

int vfio_irq_enable(int dev, uint32_t index, const int *eventfds,
		    uint32_t count)
{
	size_t len = count * sizeof(*eventfds);
	struct vfio_irq_set *set;
	int rc;

	set = calloc(1, sizeof(*set) + len);
	if (!set)
		return -ENOMEM;
	set->argsz = sizeof(*set) + len;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = count;
	memcpy(set->data, eventfds, len);
	rc = xioctl(dev, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return rc;
}

static int irq_set_none(int dev, uint32_t index, uint32_t action,
			uint32_t count)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | action,
		.index = index,
		.count = count,
	};

	return xioctl(dev, VFIO_DEVICE_SET_IRQS, &set);
}

int vfio_irq_disable(int dev, uint32_t index)
{
	return irq_set_none(dev, index, VFIO_IRQ_SET_ACTION_TRIGGER, 0);
}

int vfio_irq_action(int dev, uint32_t index, uint32_t action)
{
	return irq_set_none(dev, index, action, 1);
}

int64_t eventfd_wait(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t count;
	int n;

	n = poll(&pfd, 1, timeout_ms);
	if (n < 0)
		return -errno;
	if (!n)
		return -ETIMEDOUT;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return -errno;
	return count;
}
