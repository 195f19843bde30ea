// SPDX-License-Identifier: GPL-2.0-only
/* PCI devices as sysfs shows them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci.h"

#define PCI_DEVICES	"/sys/bus/pci/devices/"
#define TIMEOUT		60000	/* ms */

int sysfs_write(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd, rc = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		rc = -errno;
	close(fd);
	return rc;
}

int sysfs_read(const char *path, char *text, size_t len)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, len - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

static void pci_path(char *path, const char *bdf, const char *leaf)
{
	snprintf(path, PCI_PATH_MAX, PCI_DEVICES "%s/%s", bdf, leaf);
}

int pci_present(const char *bdf)
{
	char path[PCI_PATH_MAX];

	pci_path(path, bdf, "vendor");
	return access(path, F_OK) ? -errno : 0;
}

/* The last part of what a sysfs link points to. */
static int pci_link_name(const char *bdf, const char *link, char *name,
			 size_t len)
{
	char path[PCI_PATH_MAX], target[PCI_PATH_MAX];
	const char *base;
	ssize_t n;

	pci_path(path, bdf, link);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	snprintf(name, len, "%s", base ? base + 1 : target);
	return 0;
}

int pci_driver(const char *bdf, char *name, size_t len)
{
	int rc;

	rc = pci_present(bdf);
	if (rc)
		return rc;
	rc = pci_link_name(bdf, "driver", name, len);
	return rc == -ENOENT ? -ENODEV : rc;
}

int pci_group(const char *bdf)
{
	char name[32];
	int rc;

	rc = pci_link_name(bdf, "iommu_group", name, sizeof(name));
	return rc ? rc : atoi(name);
}

int pci_attr(const char *bdf, const char *name, uint32_t *value)
{
	char path[PCI_PATH_MAX], text[32];
	int rc;

	pci_path(path, bdf, name);
	rc = sysfs_read(path, text, sizeof(text));
	if (!rc)
		*value = strtoul(text, NULL, 0);
	return rc;
}

static int pci_release(const char *bdf)
{
	char path[PCI_PATH_MAX], driver[64];
	int rc;

	rc = pci_driver(bdf, driver, sizeof(driver));
	if (rc)
		return rc == -ENODEV ? 0 : rc;
	pci_path(path, bdf, "driver/unbind");
	return sysfs_write(path, bdf);
}

int pci_bind_driver(const char *bdf, const char *driver)
{
	char path[PCI_PATH_MAX], now[64];
	int rc;

	rc = pci_driver(bdf, now, sizeof(now));
	if (rc && rc != -ENODEV)
		return rc;
	if (!rc && !strcmp(now, driver))
		return 0;

	pci_path(path, bdf, "driver_override");
	rc = sysfs_write(path, driver);
	if (rc)
		return rc;
	rc = pci_release(bdf);
	if (rc)
		return rc;
	/* Some failed probes are an error of this write, others are not. */
	sysfs_write("/sys/bus/pci/drivers_probe", bdf);
	rc = pci_driver(bdf, now, sizeof(now));
	return rc || strcmp(now, driver) ? -EIO : 0;
}

int pci_unbind_driver(const char *bdf)
{
	char path[PCI_PATH_MAX];
	int rc;

	pci_path(path, bdf, "driver_override");
	rc = sysfs_write(path, "\n");
	return rc ? rc : pci_release(bdf);
}

int pci_set_vfs(const char *bdf, unsigned int count)
{
	char path[PCI_PATH_MAX], text[16];

	pci_path(path, bdf, "sriov_numvfs");
	snprintf(text, sizeof(text), "%u", count);
	return sysfs_write(path, text);
}

int pci_vf(const char *bdf, unsigned int index, char *vf, size_t len)
{
	char link[32];

	snprintf(link, sizeof(link), "virtfn%u", index);
	return pci_link_name(bdf, link, vf, len);
}

/* Where a capability is in the extended configuration space; 0: nowhere. */
static uint32_t ext_capability(int config, uint16_t id)
{
	uint32_t pos = 0x100, header;

	while (pos && pread(config, &header, sizeof(header), pos) ==
	       sizeof(header)) {
		if (PCI_EXT_CAP_ID(header) == id)
			return pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

static int config_write16(int config, uint32_t pos, uint16_t value)
{
	return pwrite(config, &value, sizeof(value), pos) == sizeof(value) ?
		0 : -EIO;
}

int pci_revive_vfs(const char *bdf)
{
	char path[PCI_PATH_MAX];
	uint32_t pos, count;
	uint16_t control;
	int config, rc;

	rc = pci_attr(bdf, "sriov_numvfs", &count);
	if (rc)
		return rc;
	pci_path(path, bdf, "config");
	config = open(path, O_RDWR | O_CLOEXEC);
	if (config < 0)
		return -errno;
	pos = ext_capability(config, PCI_EXT_CAP_ID_SRIOV);
	if (!pos || pread(config, &control, sizeof(control),
			  pos + PCI_SRIOV_CTRL) != sizeof(control))
		rc = -EIO;
	if (!rc)
		rc = config_write16(config, pos + PCI_SRIOV_CTRL,
				    control & ~PCI_SRIOV_CTRL_VFE);
	if (!rc)
		rc = config_write16(config, pos + PCI_SRIOV_NUM_VF, count);
	if (!rc)
		rc = config_write16(config, pos + PCI_SRIOV_CTRL, control);
	close(config);
	return rc;
}

int pci_power_status(const char *bdf, char *status, size_t len)
{
	char path[PCI_PATH_MAX];

	pci_path(path, bdf, "power/runtime_status");
	return sysfs_read(path, status, len);
}

/* The kernel suspends a device a moment after it may. */
int pci_power_wait(const char *bdf, const char *wanted)
{
	char status[32];
	int ms, rc;

	for (ms = 0; ms < TIMEOUT; ms += 10) {
		rc = pci_power_status(bdf, status, sizeof(status));
		if (rc || !strcmp(status, wanted))
			return rc;
		usleep(10000);
	}
	return -ETIMEDOUT;
}
