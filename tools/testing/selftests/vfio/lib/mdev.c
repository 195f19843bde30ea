// SPDX-License-Identifier: GPL-2.0-only
/* Mediated devices, and the ways to give devices memory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "iommu.h"
#include "mdev.h"
#include "pci.h"
#include "type1.h"
#include "vfio.h"

#define PATH_LEN	256

int module_load(const char *path)
{
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return rc == -EEXIST ? 0 : rc;
}

int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

int mdev_create(const char *parent, const char *type, const char *uuid)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path),
		 "/sys/class/mdev_bus/%s/mdev_supported_types/%s/create",
		 parent, type);
	return sysfs_write(path, uuid);
}

static void mdev_path(char *path, const char *uuid, const char *leaf)
{
	snprintf(path, PATH_LEN, "/sys/bus/mdev/devices/%s/%s", uuid, leaf);
}

int mdev_remove(const char *uuid)
{
	char path[PATH_LEN];

	mdev_path(path, uuid, "remove");
	return sysfs_write(path, "1");
}

int mdev_group(const char *uuid)
{
	char path[PATH_LEN], target[PATH_LEN];
	const char *base;
	ssize_t n;

	mdev_path(path, uuid, "iommu_group");
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	return base ? atoi(base + 1) : -EINVAL;
}

static int open_rw(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int mdev_group_open(const char *uuid)
{
	int group = mdev_group(uuid);
	char path[PATH_LEN];

	if (group < 0)
		return group;
	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	return open_rw(path);
}

int mdev_cdev_open(const char *uuid)
{
	char path[PATH_LEN] = "";
	struct dirent *entry;
	DIR *dir;

	mdev_path(path, uuid, "vfio-dev");
	dir = opendir(path);
	if (!dir)
		return -errno;
	path[0] = '\0';
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(path, sizeof(path), "/dev/vfio/devices/%.64s",
				 entry->d_name);
	closedir(dir);
	return open_rw(path);
}

int space_open(struct space *space, enum way way)
{
	int rc;

	*space = (struct space){ .way = way };
	space->fd = open_rw(way == WAY_TYPE1 ? "/dev/vfio/vfio" : "/dev/iommu");
	if (space->fd < 0)
		return space->fd;
	if (way != WAY_CDEV)
		return 0;
	rc = ioas_alloc(space->fd, &space->ioas);
	if (rc)
		close(space->fd);
	return rc;
}

void space_close(struct space *space)
{
	close(space->fd);
}

int space_map(struct space *space, const void *va, uint64_t length,
	      uint64_t iova, uint32_t flags)
{
	struct type1 t1 = { .container = space->fd };
	uint32_t prot = 0;

	if (space->way == WAY_CDEV)
		return ioas_map(space->fd, space->ioas, va, length, iova,
				flags);
	if (flags & IOMMU_IOAS_MAP_READABLE)
		prot |= VFIO_DMA_MAP_FLAG_READ;
	if (flags & IOMMU_IOAS_MAP_WRITEABLE)
		prot |= VFIO_DMA_MAP_FLAG_WRITE;
	return type1_map(&t1, va, length, iova, prot);
}

int space_unmap(struct space *space, uint64_t iova, uint64_t length)
{
	struct type1 t1 = { .container = space->fd };

	if (space->way == WAY_CDEV)
		return ioas_unmap(space->fd, space->ioas, iova, length, NULL);
	return type1_unmap(&t1, iova, length);
}

static int set_container(struct space *space, int group)
{
	int rc;

	rc = xioctl(group, VFIO_GROUP_SET_CONTAINER, &space->fd);
	if (rc || space->has_iommu)
		return rc;
	rc = xioctl(space->fd, VFIO_SET_IOMMU,
		    (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	space->has_iommu = !rc;
	return rc;
}

static int add_by_group(struct space *space, struct member *member,
			const char *name)
{
	int rc;

	rc = set_container(space, member->group);
	if (rc)
		return rc;
	member->dev = vfio_group_get_device(member->group, name);
	return member->dev < 0 ? member->dev : 0;
}

static int add_by_node(struct space *space, struct member *member)
{
	uint32_t pt = space->ioas;
	int rc;

	rc = vfio_bind(member->dev, space->fd, NULL);
	return rc ? rc : vfio_attach(member->dev, &pt);
}

/* @group and @node: new files, or errnos; they are closed on failure. */
static int space_add(struct space *space, struct member *member,
		     const char *name, int group, int node)
{
	int rc;

	member->group = group;
	member->dev = node;
	rc = space->way == WAY_CDEV ? node : group;
	if (rc < 0)
		return rc;
	rc = space->way == WAY_CDEV ? add_by_node(space, member) :
				      add_by_group(space, member, name);
	if (rc)
		member_close(member);
	return rc;
}

int space_add_file(struct space *space, struct member *member,
		   const char *name, int file)
{
	if (space->way == WAY_CDEV)
		return space_add(space, member, name, -1, file);
	return space_add(space, member, name, file, -1);
}

int space_add_mdev(struct space *space, struct member *member,
		   const char *uuid)
{
	if (space->way == WAY_CDEV)
		return space_add(space, member, uuid, -1, mdev_cdev_open(uuid));
	return space_add(space, member, uuid, mdev_group_open(uuid), -1);
}

int space_add_pci(struct space *space, struct member *member, const char *bdf)
{
	if (space->way == WAY_CDEV)
		return space_add(space, member, bdf, -1, vfio_cdev_open(bdf));
	return space_add(space, member, bdf, vfio_group_open(bdf), -1);
}

void member_close(struct member *member)
{
	if (member->dev >= 0)
		close(member->dev);
	if (member->group >= 0)
		close(member->group);
	member->dev = -1;
	member->group = -1;
}
