// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual functions.  One that vfio-pci made out of a PF of its own is given
 * only to who knows the PF's VF token, and so is the PF while a VF is in use:
 *
 *   PF (vfio-pci) --- sets the token
 *    |
 *    +-- VF 0 --- BIND, or VFIO_GROUP_GET_DEVICE_FD, with the token
 *    +-- VF 1
 *
 * The same rules on a device's node and on its group's.
 */
#include <sys/wait.h>

#include "killable.h"
#include "type1.h"
#include "vfio_test.h"

#define PF		"NVME1"
#define VFS		2
#define TIMEOUT		60000	/* ms */
#define QUIET		300	/* ms in which a removal that waits does not end */
#define ENABLE_SRIOV	"/sys/module/vfio_pci/parameters/enable_sriov"

static const uint8_t token[16] = "the VF's token!";
static const uint8_t other_token[16] = "not the token!!";

FIXTURE(sriov) {
	const char *pf;
	char vf[VFS][16];
	int iommufd;
};

static int set_token(int dev, const uint8_t *uuid)
{
	return vfio_feature(dev, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
			    VFIO_DEVICE_FEATURE_SET, (void *)uuid, 16);
}

/* The PF is reset when it is opened, and when it is closed. */
static int close_pf(struct _test_data_sriov *self, int pf)
{
	int rc = close(pf);

	return rc ? rc : pci_revive_vfs(self->pf);
}

/* The PF has VFs and a token, and nobody uses any of them. */
FIXTURE_SETUP(sriov)
{
	char driver[32];
	int i, dev;

	REQUIRE_IOMMU();
	self->pf = REQUIRE_DEVICE(PF);
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, sysfs_write(ENABLE_SRIOV, "Y"));
	ASSERT_EQ(0, pci_set_vfs(self->pf, VFS));
	for (i = 0; i < VFS; i++) {
		ASSERT_EQ(0, pci_vf(self->pf, i, self->vf[i],
				    sizeof(self->vf[i])));
		/* vfio-pci keeps other drivers from its VFs */
		ASSERT_EQ(0, pci_driver(self->vf[i], driver, sizeof(driver)));
		ASSERT_STREQ("vfio-pci", driver);
	}
	dev = vfio_cdev_open(self->pf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_bind(dev, self->iommufd, NULL));
	ASSERT_EQ(0, set_token(dev, token));
	ASSERT_EQ(0, close_pf(self, dev));
}

FIXTURE_TEARDOWN(sriov)
{
	EXPECT_EQ(0, pci_set_vfs(self->pf, 0));
	EXPECT_EQ(0, close(self->iommufd));
}

/* BIND of a device by its node, the token may be NULL: the file or an errno. */
static int bind_node(struct _test_data_sriov *self, const char *bdf,
		     const uint8_t *uuid)
{
	int dev = vfio_cdev_open(bdf), rc;

	if (dev < 0)
		return dev;
	if (uuid)
		rc = vfio_bind_token(dev, self->iommufd, uuid, NULL);
	else
		rc = vfio_bind(dev, self->iommufd, NULL);
	if (!rc && bdf == self->pf)
		rc = pci_revive_vfs(bdf);
	if (!rc)
		return dev;
	close(dev);
	return rc;
}

/* What VFIO_GROUP_GET_DEVICE_FD takes for a device and a token */
static void name_with_token(char *name, size_t len, const char *bdf,
			    const uint8_t *uuid)
{
	int i, n;

	n = snprintf(name, len, "%s", bdf);
	if (!uuid)
		return;
	n += snprintf(name + n, len - n, " vf_token=");
	for (i = 0; i < 16; i++)
		n += snprintf(name + n, len - n, "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      uuid[i]);
}

/* The same of a device in a group that is ready for it. */
static int get_device(struct type1 *t1, const char *bdf, const uint8_t *uuid)
{
	char name[128];

	name_with_token(name, sizeof(name), bdf, uuid);
	return vfio_group_get_device(t1->group, name);
}

/* Each VF is a group of its own, which is not the PF's. */
TEST_F(sriov, groups)
{
	EXPECT_NE(pci_group(self->pf), pci_group(self->vf[0]));
	EXPECT_NE(pci_group(self->pf), pci_group(self->vf[1]));
	EXPECT_NE(pci_group(self->vf[0]), pci_group(self->vf[1]));
}

/* BIND of a VF: EACCES without the token, and the file stays usable. */
TEST_F(sriov, vf_needs_token)
{
	struct vfio_device_info info;
	int dev = vfio_cdev_open(self->vf[0]);

	ASSERT_LE(0, dev);
	EXPECT_EQ(-EACCES, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EQ(-EACCES, vfio_bind_token(dev, self->iommufd, other_token, NULL));
	EXPECT_EQ(-EFAULT, vfio_bind_token(dev, self->iommufd, NULL, NULL));
	EXPECT_EQ(-EINVAL, vfio_get_info(dev, &info));
	ASSERT_EQ(0, vfio_bind_token(dev, self->iommufd, token, NULL));
	EXPECT_EQ(0, vfio_get_info(dev, &info));
	EXPECT_EQ(0, close(dev));
}

/* A refused BIND leaves nothing bound in the iommufd, and no group claimed. */
TEST_F(sriov, refused_bind_leaves_nothing)
{
	struct type1 t1;
	int i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(-EACCES, bind_node(self, self->vf[0], NULL));
	ASSERT_EQ(0, type1_open(&t1, self->vf[0]));
	type1_close(&t1);
}

/* Who lacks the token is told that first, whatever else would be wrong. */
TEST_F(sriov, token_comes_first)
{
	int null = open("/dev/null", O_RDWR), dev = vfio_cdev_open(self->vf[0]);

	ASSERT_LE(0, null);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EACCES, vfio_bind(dev, null, NULL));
	EXPECT_EQ(-EACCES, vfio_bind_token(dev, null, other_token, NULL));
	EXPECT_EQ(-EBADFD, vfio_bind_token(dev, null, token, NULL));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(null));
}

/* BIND without the token, again and again, until it is killed */
static void pester(struct _test_data_sriov *self)
{
	int dev = vfio_cdev_open(self->vf[0]);

	for (;;) {
		vfio_bind(dev, self->iommufd, NULL);
		vfio_bind_token(dev, self->iommufd, other_token, NULL);
	}
}

/* Who lacks the token keeps nobody away, not for a moment. */
TEST_F(sriov, refused_bind_disturbs_nobody)
{
	int i, dev, iommufd = iommu_open();
	struct type1 t1;
	pid_t pid;

	ASSERT_LE(0, iommufd);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		pester(self);
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, type1_open(&t1, self->vf[0]));
		type1_close(&t1);
		dev = vfio_cdev_open(self->vf[0]);
		ASSERT_LE(0, dev);
		EXPECT_EQ(0, vfio_bind_token(dev, iommufd, token, NULL));
		EXPECT_EQ(0, close(dev));
	}
	EXPECT_EQ(SIGKILL, kill_and_wait(pid));
	EXPECT_EQ(0, close(iommufd));
}

/* Two VFs at a time, the same token; a VF's memory and DMA are its own. */
TEST_F(sriov, both_vfs)
{
	uint32_t pt, id = 0;
	int dev[VFS], i;

	ASSERT_EQ(0, ioas_alloc(self->iommufd, &pt));
	for (i = 0; i < VFS; i++) {
		uint32_t hwpt = pt;

		dev[i] = bind_node(self, self->vf[i], token);
		ASSERT_LE(0, dev[i]);
		EXPECT_EQ(0, vfio_attach(dev[i], &hwpt));
		EXPECT_EQ(0, vfio_config_read(dev[i], 0, &id, sizeof(id)));
		EXPECT_EQ(0x00101b36, id);
	}
	for (i = 0; i < VFS; i++)
		EXPECT_EQ(0, close(dev[i]));
}

/* BIND of the PF while a VF is in use: EACCES without the VF's token. */
TEST_F(sriov, pf_needs_token)
{
	int vf, pf;

	vf = bind_node(self, self->vf[1], token);
	ASSERT_LE(0, vf);
	EXPECT_EQ(-EACCES, bind_node(self, self->pf, NULL));
	EXPECT_EQ(-EACCES, bind_node(self, self->pf, other_token));
	pf = bind_node(self, self->pf, token);
	EXPECT_LE(0, pf);
	EXPECT_EQ(0, close_pf(self, pf));
	/* With the last VF the need goes. */
	ASSERT_EQ(0, close(vf));
	pf = bind_node(self, self->pf, NULL);
	EXPECT_LE(0, pf);
	EXPECT_EQ(0, close_pf(self, pf));
}

/* BIND of a PF whose VFs are not in use sets the token, if it has one. */
TEST_F(sriov, pf_bind_sets_token)
{
	int vf, pf;

	pf = bind_node(self, self->pf, other_token);
	ASSERT_LE(0, pf);
	EXPECT_EQ(-EACCES, bind_node(self, self->vf[0], token));
	vf = bind_node(self, self->vf[0], other_token);
	EXPECT_LE(0, vf);
	EXPECT_EQ(0, close(vf));
	EXPECT_EQ(0, close_pf(self, pf));
}

/* A BIND of the PF that fails for another reason does not set it. */
TEST_F(sriov, failed_pf_bind_sets_no_token)
{
	int null = open("/dev/null", O_RDWR), dev, vf;
	struct type1 t1;

	ASSERT_LE(0, null);
	dev = vfio_cdev_open(self->pf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EBADFD, vfio_bind_token(dev, null, other_token, NULL));
	ASSERT_EQ(0, type1_open(&t1, self->pf));
	EXPECT_EQ(-EBUSY, vfio_bind_token(dev, self->iommufd, other_token, NULL));
	type1_close(&t1);
	EXPECT_EQ(-EACCES, bind_node(self, self->vf[0], other_token));
	vf = bind_node(self, self->vf[0], token);
	EXPECT_LE(0, vf);
	EXPECT_EQ(0, close(vf));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(null));
}

/* The PF's user may change the token: who is in stays in. */
TEST_F(sriov, change_token)
{
	struct vfio_device_info info;
	int pf, vf;

	pf = bind_node(self, self->pf, NULL);
	ASSERT_LE(0, pf);
	vf = bind_node(self, self->vf[0], token);
	ASSERT_LE(0, vf);
	ASSERT_EQ(0, set_token(pf, other_token));
	EXPECT_EQ(0, vfio_get_info(vf, &info));
	EXPECT_EQ(-EACCES, bind_node(self, self->vf[1], token));
	EXPECT_EQ(0, close(vf));
	vf = bind_node(self, self->vf[1], other_token);
	EXPECT_LE(0, vf);
	EXPECT_EQ(0, close(vf));
	EXPECT_EQ(0, close_pf(self, pf));
}

/* The token can be set, not read; it is the PF's, so a VF has no such thing. */
TEST_F(sriov, token_feature)
{
	uint8_t uuid[16];
	int pf, vf;

	pf = bind_node(self, self->pf, NULL);
	ASSERT_LE(0, pf);
	vf = bind_node(self, self->vf[0], token);
	ASSERT_LE(0, vf);
	EXPECT_EQ(0, vfio_feature(pf, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
				  VFIO_DEVICE_FEATURE_PROBE |
				  VFIO_DEVICE_FEATURE_SET, NULL, 0));
	EXPECT_EQ(-EINVAL, vfio_feature(pf, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
					VFIO_DEVICE_FEATURE_GET, uuid, 16));
	EXPECT_EQ(-EINVAL, vfio_feature(pf, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
					VFIO_DEVICE_FEATURE_SET, uuid, 8));
	EXPECT_EQ(-ENOTTY, set_token(vf, token));
	EXPECT_EQ(0, close(vf));
	EXPECT_EQ(0, close_pf(self, pf));
}

/* GET_DEVICE_FD of a VF, and of a PF whose VF is in use: as BIND. */
static void groups_need_token(struct __test_metadata *_metadata,
			      struct _test_data_sriov *self,
			      const char *container)
{
	struct type1 vf_t1, pf_t1;
	int vf, pf;

	ASSERT_EQ(0, type1_open_by(&vf_t1, self->vf[0], container));
	EXPECT_EQ(-EACCES, get_device(&vf_t1, self->vf[0], NULL));
	EXPECT_EQ(-EACCES, get_device(&vf_t1, self->vf[0], other_token));
	vf = get_device(&vf_t1, self->vf[0], token);
	ASSERT_LE(0, vf);
	ASSERT_EQ(0, type1_open_by(&pf_t1, self->pf, container));
	EXPECT_EQ(-EACCES, get_device(&pf_t1, self->pf, NULL));
	EXPECT_EQ(-EACCES, get_device(&pf_t1, self->pf, other_token));
	pf = get_device(&pf_t1, self->pf, token);
	EXPECT_LE(0, pf);
	EXPECT_EQ(0, pci_revive_vfs(self->pf));
	EXPECT_EQ(0, close_pf(self, pf));
	type1_close(&pf_t1);
	EXPECT_EQ(0, close(vf));
	type1_close(&vf_t1);
}

TEST_F(sriov, group_path)
{
	groups_need_token(_metadata, self, VFIO_CONTAINER);
}

TEST_F(sriov, group_of_iommufd)
{
	groups_need_token(_metadata, self, "/dev/iommu");
}

/* The log tells of a token that is refused by groups, and not by nodes. */
TEST_F(sriov, log_is_of_groups)
{
	int klog = klog_open();
	struct type1 t1;

	ASSERT_LE(0, klog);
	EXPECT_EQ(-EACCES, bind_node(self, self->vf[0], NULL));
	EXPECT_EQ(-EACCES, bind_node(self, self->vf[0], other_token));
	EXPECT_EQ(0, klog_find(klog, "VF token"));
	ASSERT_EQ(0, type1_open(&t1, self->vf[0]));
	EXPECT_EQ(-EACCES, get_device(&t1, self->vf[0], other_token));
	EXPECT_EQ(1, klog_find(klog, "VF token"));
	type1_close(&t1);
	EXPECT_EQ(0, close(klog));
}

/* A VF in use by one path makes the PF need the token on the other. */
TEST_F(sriov, paths_know_each_other)
{
	struct type1 t1;
	int vf, pf;

	ASSERT_EQ(0, type1_open(&t1, self->vf[0]));
	vf = get_device(&t1, self->vf[0], token);
	ASSERT_LE(0, vf);
	EXPECT_EQ(-EACCES, bind_node(self, self->pf, NULL));
	pf = bind_node(self, self->pf, token);
	EXPECT_LE(0, pf);
	EXPECT_EQ(0, close_pf(self, pf));
	EXPECT_EQ(0, close(vf));
	type1_close(&t1);

	vf = bind_node(self, self->vf[0], token);
	ASSERT_LE(0, vf);
	ASSERT_EQ(0, type1_open(&t1, self->pf));
	EXPECT_EQ(-EACCES, get_device(&t1, self->pf, NULL));
	type1_close(&t1);
	EXPECT_EQ(0, close(vf));
}

static int wait_child(pid_t pid, int timeout_ms)
{
	int status;

	for (; timeout_ms > 0; timeout_ms -= 10) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
		usleep(10000);
	}
	return -1;
}

/*
 * The VFs are taken away while one is bound: its user is asked to let go and
 * waited for; one that is only open is not, and its BIND is ENODEV then.
 */
TEST_F(sriov, vfs_taken_away)
{
	int request = eventfd(0, EFD_CLOEXEC), vf, open_only;
	pid_t pid;

	ASSERT_LE(0, request);
	open_only = vfio_cdev_open(self->vf[0]);
	ASSERT_LE(0, open_only);
	vf = bind_node(self, self->vf[0], token);
	ASSERT_LE(0, vf);
	ASSERT_EQ(0, vfio_irq_enable(vf, VFIO_PCI_REQ_IRQ_INDEX, &request, 1));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(vf);
		close(open_only);
		_exit(pci_set_vfs(self->pf, 0) ? 1 : 0);
	}
	EXPECT_LE(1, eventfd_wait(request, TIMEOUT));
	EXPECT_EQ(-1, wait_child(pid, QUIET));
	ASSERT_EQ(0, close(vf));
	EXPECT_EQ(0, wait_child(pid, TIMEOUT));
	EXPECT_EQ(-ENOENT, pci_present(self->vf[0]));
	EXPECT_EQ(-ENODEV, vfio_bind_token(open_only, self->iommufd, token, NULL));
	EXPECT_EQ(0, close(open_only));
	EXPECT_EQ(0, close(request));
}

TEST_HARNESS_MAIN
