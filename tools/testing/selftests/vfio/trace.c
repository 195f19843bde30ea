// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints of devices: that each operation tells what it did, and that
 * everything for which one is refused has a reason of its own.
 *
 *   iommufd --- TESTDEV0		alone in its group, on the root bus
 *      +------- EDU_MF0, EDU_MF1	of one group
 *      +------- EDU_MF2, EDU_MF3	of one group, behind a port
 *
 * What iommufd refuses has its reason in an event of iommufd.
 */
#include <pthread.h>

#include "fail.h"
#include "trace.h"
#include "type1.h"
#include "vfio_test.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

#define NO_ID		4711
#define NO_FD		4711
#define SETUP_FAILED	1	/* of a function that returns an errno */

#define ENABLE_SRIOV	"/sys/module/vfio_pci/parameters/enable_sriov"

FIXTURE(trace) {
	const char *bdf;	/* TESTDEV0, or what an operation was on */
	int iommufd;
	uint32_t ioas;
};

/* What the harness makes of the fixture */
#define trace_data FIXTURE_DATA(trace)

static int begin_trace(void)
{
	int rc = trace_begin();

	rc = rc ?: trace_enable("vfio");
	return rc ?: trace_enable("iommufd");
}

FIXTURE_SETUP(trace)
{
	REQUIRE_IOMMU();
	self->bdf = REQUIRE_DEVICE("TESTDEV0");
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, begin_trace())
		TH_LOG("the kernel has no tracepoints of vfio");
}

FIXTURE_TEARDOWN(trace)
{
	trace_end();
	EXPECT_EQ(0, close(self->iommufd));
}

/* ---- what is done ---- */

TEST_F(trace, bind_unbind)
{
	int dev = vfio_cdev_open(self->bdf);
	uint32_t id;

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vfio_bind(dev, self->iommufd, &id));
	EXPECT_EVENT("vfio_bind", "name=%s device=%u ret=0", self->bdf, id);
	EXPECT_EVENT("iommufd_bind", "name=%s device=%u ret=0", self->bdf, id);
	EXPECT_NO_EVENT("vfio_unbind");
	ASSERT_EQ(0, close(dev));
	EXPECT_EVENT("vfio_unbind", "name=%s device=%u", self->bdf, id);
	EXPECT_NO_EVENT("vfio_refused");
}

/* A file that was not bound is not unbound. */
TEST_F(trace, open_close)
{
	int dev = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, close(dev));
	EXPECT_NO_EVENT("vfio_bind");
	EXPECT_NO_EVENT("vfio_unbind");
}

TEST_F(trace, attach_detach)
{
	uint32_t other, used;
	struct vdev vdev;

	vdev_bind(_metadata, &vdev, "TESTDEV0", self->iommufd);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &other));
	used = self->ioas;
	ASSERT_EQ(0, vfio_attach(vdev.fd, &used));
	EXPECT_EVENT("vfio_attach", "name=%s device=%u pt=%u used=%u ret=0",
		     self->bdf, vdev.id, self->ioas, used);

	used = other;
	ASSERT_EQ(0, vfio_attach(vdev.fd, &used));
	EXPECT_EVENT("vfio_attach", "name=%s device=%u pt=%u used=%u ret=0",
		     self->bdf, vdev.id, other, used);
	EXPECT_NO_EVENT("vfio_detach");

	ASSERT_EQ(0, vfio_detach(vdev.fd));
	EXPECT_EVENT("vfio_detach", "name=%s device=%u ret=0", self->bdf,
		     vdev.id);
	EXPECT_NO_EVENT("vfio_refused");
	EXPECT_EQ(0, close(vdev.fd));
}

/* By a group that has an iommufd: the open binds and attaches. */
TEST_F(trace, group_with_iommufd)
{
	char text[TRACE_TEXT];
	struct type1 t1;
	uint32_t id;
	int dev;

	ASSERT_EQ(0, type1_open_by(&t1, self->bdf, "/dev/iommu"));
	dev = vfio_group_get_device(t1.group, self->bdf);
	ASSERT_LE(0, dev);
	ASSERT_EQ(1, trace_last("iommufd_bind", text, sizeof(text)));
	ASSERT_NE(NULL, strstr(text, " device="));
	id = atoi(strstr(text, " device=") + strlen(" device="));
	EXPECT_LT(0, id);
	EXPECT_EVENT("vfio_bind", "name=%s device=%u ret=0", self->bdf, id);
	EXPECT_EQ(1, trace_last("vfio_attach", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, " ret=0"));
	ASSERT_EQ(0, close(dev));
	EXPECT_EVENT("vfio_unbind", "name=%s device=%u", self->bdf, id);
	EXPECT_NO_EVENT("vfio_refused");
	type1_close(&t1);
}

/* VFIO_DEVICE_PCI_HOT_RESET; @fds: @count of them, and may be NULL */
static int hot_reset(int dev, uint32_t argsz, uint32_t flags, uint32_t count,
		     const int *fds)
{
	struct {
		struct vfio_pci_hot_reset head;
		int fds[4];
	} cmd = {
		.head = { .argsz = argsz, .flags = flags, .count = count },
	};

	if (fds)
		memcpy(cmd.fds, fds, count * sizeof(*fds));
	return xioctl(dev, VFIO_DEVICE_PCI_HOT_RESET, &cmd);
}

#define RESET_ARGSZ	sizeof(struct vfio_pci_hot_reset)

TEST_F(trace, hot_reset)
{
	struct vdev vdev;

	REQUIRE_DEVICE("EDU_MF3");
	vdev_bind(_metadata, &vdev, "EDU_MF2", self->iommufd);
	EXPECT_EQ(0, hot_reset(vdev.fd, RESET_ARGSZ, 0, 0, NULL));
	EXPECT_EVENT("vfio_hot_reset", "name=%s device=%u ret=0", vdev.bdf,
		     vdev.id);
	EXPECT_NO_EVENT("vfio_refused");
	EXPECT_EQ(0, close(vdev.fd));
}

TEST_F(trace, hot_reset_by_group)
{
	const char *bdf = REQUIRE_DEVICE("EDU_MF2");
	struct type1 t1;
	int dev;

	REQUIRE_DEVICE("EDU_MF3");
	ASSERT_EQ(0, type1_open(&t1, bdf));
	dev = vfio_group_get_device(t1.group, bdf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(0, hot_reset(dev, RESET_ARGSZ, 0, 1, &t1.group));
	EXPECT_EVENT("vfio_hot_reset", "name=%s device=0 ret=0", bdf);
	EXPECT_NO_EVENT("vfio_bind");
	EXPECT_EQ(0, close(dev));
	type1_close(&t1);
}

/* ---- what is refused ---- */

enum by {
	VFIO,
	VFIO_EARLY,			/* no event of the operation follows */
	IOMMUFD,
};

struct cause {
	const char *reason;
	int errno_;			/* negative */
	enum by by;
	int (*provoke)(trace_data *self);
};

/* Another device is the matter. */
static int take(trace_data *self, const char *name)
{
	const char *bdf = getenv(name);

	if (!bdf || pci_bind_driver(bdf, "vfio-pci"))
		return SETUP_FAILED;
	self->bdf = bdf;
	return 0;
}

/* An open file of the device; @id: NULL, or bind it and set this to its id */
static int open_device(trace_data *self, uint32_t *id)
{
	int dev = vfio_cdev_open(self->bdf);

	if (dev < 0 || !id || !vfio_bind(dev, self->iommufd, id))
		return dev;
	close(dev);
	return -1;
}

static int open_bound(trace_data *self)
{
	uint32_t id;

	return open_device(self, &id);
}

/* One ioctl on a file that nobody else has, bound or not */
static int on_file(trace_data *self, bool bound, unsigned long request,
		   void *arg)
{
	int dev = bound ? open_bound(self) : open_device(self, NULL), rc;

	if (dev < 0)
		return SETUP_FAILED;
	rc = xioctl(dev, request, arg);
	close(dev);
	return rc;
}

static int on_group_file(trace_data *self, unsigned long request, void *arg)
{
	struct type1 t1;
	int dev, rc;

	if (type1_open(&t1, self->bdf))
		return SETUP_FAILED;
	dev = vfio_group_get_device(t1.group, self->bdf);
	rc = dev < 0 ? SETUP_FAILED : xioctl(dev, request, arg);
	close(dev);
	type1_close(&t1);
	return rc;
}

/* A page with @arg in it that can only be read */
static int on_read_only(trace_data *self, bool bound, unsigned long request,
			const void *arg, size_t size)
{
	void *page = alloc_memory(PAGE);
	int rc;

	memcpy(page, arg, size);
	rc = mprotect(page, PAGE, PROT_READ) ? SETUP_FAILED :
		on_file(self, bound, request, page);
	munmap(page, PAGE);
	return rc;
}

static int bind_cmd(trace_data *self, int iommufd, uint32_t argsz,
		    uint32_t flags, const void *token)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = argsz, .flags = flags, .iommufd = iommufd,
		.token_uuid_ptr = (uintptr_t)token,
	};

	return on_file(self, false, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
}

#define BIND_ARGSZ	sizeof(struct vfio_device_bind_iommufd)
#define BY_TOKEN	VFIO_DEVICE_BIND_FLAG_TOKEN

/* A BIND that nothing is wrong with but what @iommufd is */
static int bind_to(trace_data *self, int iommufd)
{
	return bind_cmd(self, iommufd, BIND_ARGSZ, 0, NULL);
}

static int bind_argsz(trace_data *self)
{
	return bind_cmd(self, self->iommufd, VFIO_ARGSZ_BIND - 1, 0, NULL);
}

static int bind_tail(trace_data *self)
{
	return bind_cmd(self, self->iommufd, UINT32_MAX, 0, NULL);
}

static int bind_flag(trace_data *self)
{
	return bind_cmd(self, self->iommufd, BIND_ARGSZ, 1U << 31, NULL);
}

static int bind_negative(trace_data *self)
{
	return bind_to(self, -1);
}

static int bind_token_room(trace_data *self)
{
	return bind_cmd(self, self->iommufd, VFIO_ARGSZ_BIND, BY_TOKEN, NULL);
}

static int bind_token_not_taken(trace_data *self)
{
	uint8_t token[16] = { 1 };

	return bind_cmd(self, self->iommufd, BIND_ARGSZ, BY_TOKEN, token);
}

static int bind_twice(trace_data *self)
{
	int dev = open_bound(self), rc;

	if (dev < 0)
		return SETUP_FAILED;
	rc = vfio_bind(dev, self->iommufd, NULL);
	close(dev);
	return rc;
}

static int bind_other_file(trace_data *self)
{
	int dev = open_bound(self), rc;

	if (dev < 0)
		return SETUP_FAILED;
	rc = bind_to(self, self->iommufd);
	close(dev);
	return rc;
}

static int bind_group_file(trace_data *self)
{
	struct vfio_device_bind_iommufd cmd = { .argsz = sizeof(cmd) };

	return on_group_file(self, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
}

static const struct cause bind_einval[] = {
	{ "argsz-too-small", -EINVAL, VFIO, bind_argsz },
	{ "unknown-flag", -EINVAL, VFIO, bind_flag },
	{ "iommufd-negative", -EINVAL, VFIO, bind_negative },
	{ "no-room-for-token", -EINVAL, VFIO, bind_token_room },
	{ "token-not-taken", -EINVAL, VFIO, bind_token_not_taken },
	{ "already-bound", -EINVAL, VFIO, bind_twice },
	{ "other-file-bound", -EINVAL, VFIO, bind_other_file },
	{ "file-of-group", -EINVAL, VFIO_EARLY, bind_group_file },
	{}
};

static int bind_unreadable(trace_data *self)
{
	return on_file(self, false, VFIO_DEVICE_BIND_IOMMUFD, NULL);
}

static int bind_unwritable(trace_data *self)
{
	struct vfio_device_bind_iommufd cmd = {
		.argsz = sizeof(cmd), .iommufd = self->iommufd,
	};

	return on_read_only(self, false, VFIO_DEVICE_BIND_IOMMUFD, &cmd,
			    sizeof(cmd));
}

static int bind_token_unreadable(trace_data *self)
{
	return bind_cmd(self, self->iommufd, BIND_ARGSZ, BY_TOKEN, NULL);
}

static int bind_not_open(trace_data *self)
{
	return bind_to(self, NO_FD);
}

static int bind_no_iommufd(trace_data *self)
{
	int event = eventfd(0, EFD_CLOEXEC), rc;

	rc = bind_to(self, event);
	close(event);
	return rc;
}

static int bind_group_open(trace_data *self)
{
	int group = vfio_group_open(self->bdf), rc;

	if (group < 0)
		return SETUP_FAILED;
	rc = bind_to(self, self->iommufd);
	close(group);
	return rc;
}

static int bind_group_owned(trace_data *self)
{
	int iommufd = iommu_open(), dev, rc;

	if (take(self, "EDU_MF0"))
		return SETUP_FAILED;
	dev = open_bound(self);
	if (dev < 0 || take(self, "EDU_MF1"))
		return SETUP_FAILED;
	rc = bind_to(self, iommufd);
	close(dev);
	close(iommufd);
	return rc;
}

static const struct cause bind_others[] = {
	{ "argument-unreadable", -EFAULT, VFIO, bind_unreadable },
	{ "argument-unwritable", -EFAULT, VFIO, bind_unwritable },
	{ "token-unreadable", -EFAULT, VFIO, bind_token_unreadable },
	{ "argument-has-unknown-field", -E2BIG, VFIO, bind_tail },
	{ "iommufd-not-open", -EBADF, VFIO, bind_not_open },
	{ "not-an-iommufd", -EBADFD, IOMMUFD, bind_no_iommufd },
	{ "group-open", -EBUSY, VFIO, bind_group_open },
	{ "group-owned", -EPERM, IOMMUFD, bind_group_owned },
	{}
};

static int attach_cmd(trace_data *self, bool bound, uint32_t argsz,
		      uint32_t flags, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = argsz, .flags = flags, .pt_id = pt,
	};

	return on_file(self, bound, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

#define ATTACH_ARGSZ	sizeof(struct vfio_device_attach_iommufd_pt)

static int attach_to(trace_data *self, uint32_t pt)
{
	return attach_cmd(self, true, ATTACH_ARGSZ, 0, pt);
}

static int attach_not_bound(trace_data *self)
{
	return attach_cmd(self, false, ATTACH_ARGSZ, 0, self->ioas);
}

static int attach_argsz(trace_data *self)
{
	return attach_cmd(self, true, VFIO_ARGSZ_ATTACH - 1, 0, self->ioas);
}

static int attach_flag(trace_data *self)
{
	return attach_cmd(self, true, ATTACH_ARGSZ, 1U << 31, self->ioas);
}

static int attach_pasid_room(trace_data *self)
{
	return attach_cmd(self, true, VFIO_ARGSZ_ATTACH,
			  VFIO_DEVICE_ATTACH_PASID, self->ioas);
}

/* To the device itself */
static int attach_wrong_type(trace_data *self)
{
	uint32_t id;
	int dev = open_device(self, &id), rc;

	if (dev < 0)
		return SETUP_FAILED;
	rc = vfio_attach(dev, &id);
	close(dev);
	return rc;
}

/* One device of a group is attached, another one is to be, but elsewhere. */
static int attach_elsewhere(trace_data *self)
{
	uint32_t pt = self->ioas, other;
	int dev, rc;

	if (ioas_alloc(self->iommufd, &other) || take(self, "EDU_MF0"))
		return SETUP_FAILED;
	dev = open_bound(self);
	if (dev < 0 || vfio_attach(dev, &pt) || take(self, "EDU_MF1"))
		return SETUP_FAILED;
	rc = attach_to(self, other);
	close(dev);
	return rc;
}

/* A page table of the mock IOMMU's */
static int attach_other_iommu(trace_data *self)
{
	struct iommu_test_cmd mock = {
		.size = sizeof(mock),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
		.id = self->ioas,
	};
	int rc;

	if (xioctl(self->iommufd, IOMMU_TEST_CMD, &mock))
		return SETUP_FAILED;
	rc = attach_to(self, mock.mock_domain.out_hwpt_id);
	iommu_destroy(self->iommufd, mock.mock_domain.out_stdev_id);
	return rc;
}

static const struct cause attach_einval[] = {
	{ "not-bound", -EINVAL, VFIO_EARLY, attach_not_bound },
	{ "argsz-too-small", -EINVAL, VFIO, attach_argsz },
	{ "unknown-flag", -EINVAL, VFIO, attach_flag },
	{ "no-room-for-pasid", -EINVAL, VFIO, attach_pasid_room },
	{ "neither-ioas-nor-hwpt", -EINVAL, IOMMUFD, attach_wrong_type },
	{ "group-attached-elsewhere", -EINVAL, IOMMUFD, attach_elsewhere },
	{ "hwpt-of-other-driver", -EINVAL, IOMMUFD, attach_other_iommu },
	{}
};

static int attach_unreadable(trace_data *self)
{
	return on_file(self, true, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NULL);
}

static int attach_unwritable(trace_data *self)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd), .pt_id = self->ioas,
	};

	return on_read_only(self, true, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd,
			    sizeof(cmd));
}

static int attach_pasid(trace_data *self)
{
	return attach_cmd(self, true, ATTACH_ARGSZ, VFIO_DEVICE_ATTACH_PASID,
			  self->ioas);
}

static int attach_group_file(trace_data *self)
{
	struct vfio_device_attach_iommufd_pt cmd = { .argsz = sizeof(cmd) };

	return on_group_file(self, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static int attach_unknown(trace_data *self)
{
	return attach_to(self, NO_ID);
}

static const struct cause attach_others[] = {
	{ "argument-unreadable", -EFAULT, VFIO, attach_unreadable },
	{ "argument-unwritable", -EFAULT, VFIO, attach_unwritable },
	{ "no-pasids", -EOPNOTSUPP, VFIO, attach_pasid },
	{ "file-of-group", -ENOTTY, VFIO_EARLY, attach_group_file },
	{ "no-such-object", -ENOENT, IOMMUFD, attach_unknown },
	{}
};

static int detach_cmd(trace_data *self, bool bound, uint32_t argsz,
		      uint32_t flags)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = argsz, .flags = flags,
	};

	return on_file(self, bound, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

#define DETACH_ARGSZ	sizeof(struct vfio_device_detach_iommufd_pt)

static int detach_not_bound(trace_data *self)
{
	return detach_cmd(self, false, DETACH_ARGSZ, 0);
}

static int detach_argsz(trace_data *self)
{
	return detach_cmd(self, true, VFIO_ARGSZ_DETACH - 1, 0);
}

static int detach_flag(trace_data *self)
{
	return detach_cmd(self, true, DETACH_ARGSZ, 1U << 31);
}

static int detach_pasid_room(trace_data *self)
{
	return detach_cmd(self, true, VFIO_ARGSZ_DETACH,
			  VFIO_DEVICE_DETACH_PASID);
}

static int detach_pasid(trace_data *self)
{
	return detach_cmd(self, true, DETACH_ARGSZ, VFIO_DEVICE_DETACH_PASID);
}

static int detach_unreadable(trace_data *self)
{
	return on_file(self, true, VFIO_DEVICE_DETACH_IOMMUFD_PT, NULL);
}

static int detach_group_file(trace_data *self)
{
	struct vfio_device_detach_iommufd_pt cmd = { .argsz = sizeof(cmd) };

	return on_group_file(self, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

static const struct cause detach_causes[] = {
	{ "not-bound", -EINVAL, VFIO_EARLY, detach_not_bound },
	{ "argsz-too-small", -EINVAL, VFIO, detach_argsz },
	{ "unknown-flag", -EINVAL, VFIO, detach_flag },
	{ "no-room-for-pasid", -EINVAL, VFIO, detach_pasid_room },
	{ "no-pasids", -EOPNOTSUPP, VFIO, detach_pasid },
	{ "argument-unreadable", -EFAULT, VFIO, detach_unreadable },
	{ "file-of-group", -ENOTTY, VFIO_EARLY, detach_group_file },
	{}
};

/* Of one of two functions behind a port */
static int reset_by_node(trace_data *self, uint32_t argsz, uint32_t flags,
			 uint32_t count, const int *fds)
{
	int dev, rc;

	if (take(self, "EDU_MF3") || take(self, "EDU_MF2"))
		return SETUP_FAILED;
	dev = open_bound(self);
	if (dev < 0)
		return SETUP_FAILED;
	rc = hot_reset(dev, argsz, flags, count, fds);
	close(dev);
	return rc;
}

static int reset_not_bound(trace_data *self)
{
	return on_file(self, false, VFIO_DEVICE_PCI_HOT_RESET, NULL);
}

static int reset_unreadable(trace_data *self)
{
	return on_file(self, true, VFIO_DEVICE_PCI_HOT_RESET, NULL);
}

static int reset_argsz(trace_data *self)
{
	return reset_by_node(self, RESET_ARGSZ - 1, 0, 0, NULL);
}

static int reset_flag(trace_data *self)
{
	return reset_by_node(self, RESET_ARGSZ, 1, 0, NULL);
}

/* The root bus is not reset. */
static int reset_root_bus(trace_data *self)
{
	struct vfio_pci_hot_reset cmd = { .argsz = sizeof(cmd) };

	return on_file(self, true, VFIO_DEVICE_PCI_HOT_RESET, &cmd);
}

static int reset_with_descriptors(trace_data *self)
{
	return reset_by_node(self, RESET_ARGSZ + sizeof(int), 0, 1,
			     &self->iommufd);
}

static int reset_without_vfio(trace_data *self)
{
	int dev, rc;

	if (take(self, "EDU_MF3") || take(self, "EDU_MF2"))
		return SETUP_FAILED;
	dev = open_bound(self);
	if (dev < 0 || pci_unbind_driver(getenv("EDU_MF3")))
		return SETUP_FAILED;
	rc = hot_reset(dev, RESET_ARGSZ, 0, 0, NULL);
	close(dev);
	return take(self, "EDU_MF3") || take(self, "EDU_MF2") ? SETUP_FAILED :
		rc;
}

/* The same by their group; @fds: as many, and its own descriptor for a -1 */
static int reset_by_group(trace_data *self, uint32_t count, const int *fds)
{
	uint32_t argsz = RESET_ARGSZ + count * sizeof(int);
	int dev, i, rc, all[4] = {};
	struct type1 t1;

	if (take(self, "EDU_MF3") || take(self, "EDU_MF2") ||
	    type1_open(&t1, self->bdf))
		return SETUP_FAILED;
	for (i = 0; i < count; i++)
		all[i] = fds[i] == -1 ? t1.group : fds[i];
	dev = vfio_group_get_device(t1.group, self->bdf);
	rc = dev < 0 ? SETUP_FAILED : hot_reset(dev, argsz, 0, count, all);
	close(dev);
	type1_close(&t1);
	return rc;
}

static int reset_no_descriptor(trace_data *self)
{
	return reset_by_group(self, 0, NULL);
}

static int reset_three_descriptors(trace_data *self)
{
	return reset_by_group(self, 3, (int[]){ -1, -1, -1 });
}

static int reset_not_open(trace_data *self)
{
	return reset_by_group(self, 1, (int[]){ NO_FD });
}

static int reset_no_group(trace_data *self)
{
	return reset_by_group(self, 2, (int[]){ -1, self->iommufd });
}

static int reset_other_group(trace_data *self)
{
	int group = vfio_group_open(self->bdf), rc;

	if (group < 0)
		return SETUP_FAILED;
	rc = reset_by_group(self, 1, &group);
	close(group);
	return rc;
}

static const struct cause reset_causes[] = {
	{ "not-bound", -EINVAL, VFIO_EARLY, reset_not_bound },
	{ "argument-unreadable", -EFAULT, VFIO, reset_unreadable },
	{ "argsz-too-small", -EINVAL, VFIO, reset_argsz },
	{ "unknown-flag", -EINVAL, VFIO, reset_flag },
	{ "no-hot-reset", -ENODEV, VFIO, reset_root_bus },
	{ "descriptors-given-by-node", -EINVAL, VFIO, reset_with_descriptors },
	{ "device-without-vfio", -EINVAL, VFIO, reset_without_vfio },
	{ "no-descriptor", -EINVAL, VFIO, reset_no_descriptor },
	{ "too-many-descriptors", -EINVAL, VFIO, reset_three_descriptors },
	{ "descriptor-not-open", -EBADF, VFIO, reset_not_open },
	{ "not-a-group", -EINVAL, VFIO, reset_no_group },
	{ "group-not-given", -EINVAL, VFIO, reset_other_group },
	{}
};

/* The operation's event has the device and the errno. */
static void expect_result(struct __test_metadata *_metadata, trace_data *self,
			  const char *event, int ret)
{
	char begin[64], end[32], text[TRACE_TEXT];

	snprintf(begin, sizeof(begin), "name=%s device=", self->bdf);
	snprintf(end, sizeof(end), " ret=%d", ret);
	EXPECT_LT(0, trace_last(event, text, sizeof(text)));
	EXPECT_EQ(0, strncmp(begin, text, strlen(begin)))
		TH_LOG("%s: %s", event, text);
	ASSERT_LT(strlen(end), strlen(text));
	EXPECT_STREQ(end, text + strlen(text) - strlen(end));
}

/* Each has a reason, and none that of another. */
static void expect_causes(struct __test_metadata *_metadata, trace_data *self,
			  const char *event, const struct cause *causes)
{
	const char *bdf = self->bdf, *refused, *other;
	const struct cause *cause;
	bool by_vfio;
	int i, j;

	for (i = 0; causes[i].reason; i++) {
		cause = &causes[i];
		for (j = 0; j < i; j++)
			EXPECT_STRNE(causes[j].reason, cause->reason);
		EXPECT_EQ(0, trace_clear());
		self->bdf = bdf;
		EXPECT_EQ(cause->errno_, cause->provoke(self))
			TH_LOG("%s", cause->reason);
		by_vfio = cause->by != IOMMUFD;
		refused = by_vfio ? "vfio_refused" : "iommufd_refused";
		other = by_vfio ? "iommufd_refused" : "vfio_refused";
		EXPECT_EVENT(refused, "reason=%s ret=%d", cause->reason,
			     cause->errno_);
		EXPECT_NO_EVENT(other);
		if (cause->by == VFIO_EARLY)
			EXPECT_NO_EVENT(event);
		else
			expect_result(_metadata, self, event, cause->errno_);
	}
	self->bdf = bdf;
}

#define EXPECT_CAUSES(event, causes) \
	expect_causes(_metadata, self, event, causes)

TEST_F(trace, bind_einval)
{
	EXPECT_CAUSES("vfio_bind", bind_einval);
}

TEST_F(trace, bind_others)
{
	EXPECT_CAUSES("vfio_bind", bind_others);
}

TEST_F(trace, attach_einval)
{
	EXPECT_CAUSES("vfio_attach", attach_einval);
}

TEST_F(trace, attach_others)
{
	EXPECT_CAUSES("vfio_attach", attach_others);
}

TEST_F(trace, detach)
{
	EXPECT_CAUSES("vfio_detach", detach_causes);
}

TEST_F(trace, hot_reset_causes)
{
	EXPECT_CAUSES("vfio_hot_reset", reset_causes);
}

/* A file whose device has gone: nobody knows what that was. */
TEST_F(trace, device_gone)
{
	int dev = vfio_cdev_open(self->bdf);

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, pci_unbind_driver(self->bdf));
	EXPECT_EQ(-ENODEV, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EVENT("vfio_refused", "reason=device-gone ret=-19");
	EXPECT_EVENT("vfio_bind", "name=- device=0 ret=-19");
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, pci_bind_driver(self->bdf, "vfio-pci"));
}

static void *reset_function(void *arg)
{
	return (void *)(intptr_t)vfio_reset(*(int *)arg);
}

/* Another thread resets the function. */
TEST_F(trace, device_busy)
{
	struct vdev vdev;
	pthread_t thread;
	int i, rc = 0;

	vdev_bind(_metadata, &vdev, "NIC0", self->iommufd);
	for (i = 0; i < 20 && !rc; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, reset_function,
					    &vdev.fd));
		usleep(10000 * i);
		rc = hot_reset(vdev.fd, RESET_ARGSZ, 0, 0, NULL);
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
	ASSERT_EQ(-EBUSY, rc);
	EXPECT_EVENT("vfio_refused", "reason=device-busy ret=-16");
	EXPECT_EVENT("vfio_hot_reset", "name=%s device=%u ret=-16", vdev.bdf,
		     vdev.id);
	EXPECT_EQ(0, close(vdev.fd));
}

/* EACCES of a virtual function */
TEST_F(trace, tokens)
{
	uint8_t token[16] = "nobody's token!";
	char vf[16];
	int pf, dev;

	self->bdf = REQUIRE_DEVICE("NVME1");
	ASSERT_EQ(0, sysfs_write(ENABLE_SRIOV, "Y"));
	ASSERT_EQ(0, pci_set_vfs(self->bdf, 1));
	ASSERT_EQ(0, pci_vf(self->bdf, 0, vf, sizeof(vf)));
	pf = open_bound(self);
	ASSERT_LE(0, pf);
	dev = vfio_cdev_open(vf);
	ASSERT_LE(0, dev);
	EXPECT_EQ(-EACCES, vfio_bind(dev, self->iommufd, NULL));
	EXPECT_EVENT("vfio_refused", "reason=token-missing ret=-13");
	EXPECT_EVENT("vfio_bind", "name=%s device=0 ret=-13", vf);
	EXPECT_EQ(-EACCES, vfio_bind_token(dev, self->iommufd, token, NULL));
	EXPECT_EVENT("vfio_refused", "reason=token-wrong ret=-13");
	EXPECT_NO_EVENT("vfio_unbind");
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(pf));
	EXPECT_EQ(0, pci_revive_vfs(self->bdf));
	EXPECT_EQ(0, pci_set_vfs(self->bdf, 0));
}

#define FAIL_MOST	1000	/* no ioctl allocates more often */

/* The last event that refused has an errno, and this reason if there is one. */
static bool was_refused(const char *event, int ret, const char *reason)
{
	char end[32], text[TRACE_TEXT], *at;

	snprintf(end, sizeof(end), " ret=%d", ret);
	if (trace_last(event, text, sizeof(text)) <= 0)
		return false;
	at = strstr(text, end);
	if (!at)
		return false;
	*at = 0;
	return !reason || !strcmp(text + strlen("reason="), reason);
}

/* Whichever allocation of BIND fails, something says so. */
TEST_F(trace, bind_without_memory)
{
	int fail = fail_nth_open(), dev, rc, injected = 1;
	bool no_memory = false, driver = false;
	unsigned int nth;

	ASSERT_LE(0, fail);
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, trace_clear());
		dev = vfio_cdev_open(self->bdf);
		ASSERT_LE(0, dev);
		ASSERT_EQ(0, fail_nth_arm(fail, nth));
		rc = vfio_bind(dev, self->iommufd, NULL);
		injected = fail_nth_disarm(fail);
		ASSERT_LE(0, injected);
		if (rc) {
			EXPECT_EQ(-ENOMEM, rc);
			EXPECT_TRUE(was_refused("vfio_refused", rc, NULL) ||
				    was_refused("iommufd_refused", rc, NULL))
				TH_LOG("allocation %u has no reason", nth);
			EXPECT_EVENT("vfio_bind", "name=%s device=0 ret=%d",
				     self->bdf, rc);
			no_memory |= was_refused("vfio_refused", rc,
						 "no-memory");
			driver |= was_refused("vfio_refused", rc,
					      "driver-cannot-open");
		}
		ASSERT_EQ(0, close(dev));
	}
	ASSERT_EQ(0, injected);
	EXPECT_TRUE(no_memory);
	EXPECT_TRUE(driver);
	close(fail);
}

TEST_F(trace, attach_without_memory)
{
	int fail = fail_nth_open(), dev, rc, injected = 1;
	unsigned int nth, failed = 0;
	uint32_t id, pt;

	ASSERT_LE(0, fail);
	dev = open_device(self, &id);
	ASSERT_LE(0, dev);
	for (nth = 1; injected && nth < FAIL_MOST; nth++) {
		ASSERT_EQ(0, trace_clear());
		pt = self->ioas;
		ASSERT_EQ(0, fail_nth_arm(fail, nth));
		rc = vfio_attach(dev, &pt);
		injected = fail_nth_disarm(fail);
		ASSERT_LE(0, injected);
		if (rc) {
			EXPECT_EQ(-ENOMEM, rc);
			EXPECT_TRUE(was_refused("iommufd_refused", rc, NULL))
				TH_LOG("allocation %u has no reason", nth);
			EXPECT_EVENT("vfio_attach",
				     "name=%s device=%u pt=%u used=0 ret=%d",
				     self->bdf, id, self->ioas, rc);
			failed++;
		}
		ASSERT_EQ(0, vfio_detach(dev));
	}
	ASSERT_EQ(0, injected);
	EXPECT_LT(0, failed);
	EXPECT_EQ(0, close(dev));
	close(fail);
}

/* What only a device without an IOMMU is refused */
FIXTURE(noiommu) {
	int iommufd;
	const char *bdf[2];	/* behind one port */
};

FIXTURE_SETUP(noiommu)
{
	int i;

	REQUIRE_ENV("topology");
	if (!iommu_is("none"))
		SKIP_TEST("this machine has an IOMMU");
	self->bdf[0] = REQUIRE_ENV("EDU_MF2");
	self->bdf[1] = REQUIRE_ENV("EDU_MF3");
	ASSERT_EQ(0, vfio_allow_noiommu(true));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pci_bind_driver(self->bdf[i], "vfio-pci"));
	self->iommufd = iommu_open();
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, begin_trace());
}

FIXTURE_TEARDOWN(noiommu)
{
	int i;

	trace_end();
	EXPECT_EQ(0, close(self->iommufd));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, pci_unbind_driver(self->bdf[i]));
	EXPECT_EQ(0, vfio_allow_noiommu(false));
}

TEST_F(noiommu, refused)
{
	int dev = vfio_cdev_open(self->bdf[0]);
	uint32_t id, pt;

	ASSERT_LE(0, dev);
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(-EPERM, vfio_bind(dev, self->iommufd, NULL));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EVENT("vfio_refused",
		     "reason=no-iommu-and-not-privileged ret=-1");
	EXPECT_EVENT("vfio_bind", "name=%s device=0 ret=-1", self->bdf[0]);

	ASSERT_EQ(0, vfio_bind(dev, self->iommufd, &id));
	EXPECT_EVENT("vfio_bind", "name=%s device=%u ret=0", self->bdf[0], id);
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &pt));
	EXPECT_EQ(-EOPNOTSUPP, vfio_attach(dev, &pt));
	EXPECT_EVENT("vfio_refused", "reason=no-iommu ret=-95");
	EXPECT_EVENT("vfio_attach", "name=%s device=%u pt=%u used=0 ret=-95",
		     self->bdf[0], id, pt);

	EXPECT_EQ(-EINVAL, hot_reset(dev, RESET_ARGSZ, 0, 0, NULL));
	EXPECT_EVENT("vfio_refused", "reason=device-not-owned ret=-22");
	EXPECT_EVENT("vfio_hot_reset", "name=%s device=%u ret=-22",
		     self->bdf[0], id);
	ASSERT_EQ(0, close(dev));
	EXPECT_EVENT("vfio_unbind", "name=%s device=%u", self->bdf[0], id);
}

/* BIND of an emulated device goes another way in iommufd. */
TEST_F(noiommu, not_an_iommufd)
{
	int dev = vfio_cdev_open(self->bdf[0]), event = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, dev);
	EXPECT_EQ(-EBADFD, vfio_bind(dev, event, NULL));
	EXPECT_EVENT("iommufd_refused", "reason=not-an-iommufd ret=-77");
	EXPECT_EVENT("vfio_bind", "name=%s device=0 ret=-77", self->bdf[0]);
	close(event);
	EXPECT_EQ(0, close(dev));
}

/* ---- the list ---- */

/* What tests other than the tables provoke */
static const char *const elsewhere[] = {
	"device-busy", "device-gone", "device-not-owned", "driver-cannot-open",
	"no-iommu", "no-iommu-and-not-privileged", "no-memory", "token-missing",
	"token-wrong",
};

/* What no test can: vfio-pci, its devices and user space do not do that. */
static const char *const never[] = {
	"attached-but-argument-unwritable", "device-does-not-wake",
	"driver-does-not-match", "reset-failed",
};

static bool is_listed(const char *reason, const char *const *list, size_t nr)
{
	while (nr--)
		if (!strcmp(list[nr], reason))
			return true;
	return false;
}

static bool is_cause(const char *reason)
{
	static const struct cause *const tables[] = {
		bind_einval, bind_others, attach_einval, attach_others,
		detach_causes, reset_causes,
	};
	const struct cause *cause;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (cause = tables[i]; cause->reason; cause++)
			if (cause->by != IOMMUFD &&
			    !strcmp(cause->reason, reason))
				return true;
	return false;
}

/* Each reason that the kernel knows is tested, or is known not to be. */
TEST_F(trace, all_reasons)
{
	char text[8192], *at, *end;
	int found = 0;

	ASSERT_LT(0, trace_format("vfio", "vfio_refused", text, sizeof(text)));
	at = strstr(text, "print fmt:");
	ASSERT_NE(NULL, at);
	for (at = strstr(at, ", \""); at; at = strstr(end + 1, ", \"")) {
		at += strlen(", \"");
		end = strchr(at, '"');
		ASSERT_NE(NULL, end);
		*end = 0;
		EXPECT_TRUE(is_cause(at) ||
			    is_listed(at, elsewhere, ARRAY_SIZE(elsewhere)) ||
			    is_listed(at, never, ARRAY_SIZE(never)))
			TH_LOG("%s", at);
		found++;
	}
	EXPECT_LT(ARRAY_SIZE(elsewhere) + ARRAY_SIZE(never), found);
}

TEST_HARNESS_MAIN
