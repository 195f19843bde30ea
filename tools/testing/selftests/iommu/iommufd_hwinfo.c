// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_GET_HW_INFO: on VT-d it gives the registers that sysfs shows, behind
 * other IOMMUs nothing; and how it fills the caller's buffer.
 */
#include "iommufd_utils.h"

#define FILLER	0xa5

FIXTURE(hwinfo)
{
	struct bound b;
	uint32_t type;		/* what this machine's IOMMU has to say */
	uint32_t length;
	struct iommu_hw_info_vtd vtd;
	unsigned char *buf;	/* a page, followed by one without access */
};

/* A register of the unit, as sysfs has it; 0 when it cannot be read. */
static uint64_t read_register(const char *name)
{
	char path[PCI_PATH_MAX], text[64];

	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/iommu/intel-iommu/%s",
		 getenv("TESTDEV0"), name);
	return sysfs_read(path, text, sizeof(text)) ? 0 :
						      strtoull(text, NULL, 16);
}

FIXTURE_SETUP(hwinfo)
{
	SETUP_BOUND(&self->b);
	if (iommu_is("vtd")) {
		self->type = IOMMU_HW_INFO_TYPE_INTEL_VTD;
		self->length = 24;
		self->vtd.cap_reg = read_register("cap");
		self->vtd.ecap_reg = read_register("ecap");
		ASSERT_NE(0, self->vtd.cap_reg);
		ASSERT_NE(0, self->vtd.ecap_reg);
	}
	self->buf = alloc_memory(PAGES(2));
	ASSERT_NE(NULL, self->buf);
	memset(self->buf, FILLER, PAGE);
	ASSERT_EQ(0, mprotect(self->buf + PAGE, PAGE, PROT_NONE));
}

FIXTURE_TEARDOWN(hwinfo)
{
	teardown_bound(&self->b);
}

/* A call with a buffer, ready to be changed */
#define CALL(_buf, _len) ((struct iommu_hw_info){			\
	.size = sizeof(struct iommu_hw_info),				\
	.dev_id = self->b.devid,					\
	.data_len = (_len),						\
	.data_uptr = (uintptr_t)(_buf),					\
})

#define GET(cmd)	xioctl(self->b.iommufd, IOMMU_GET_HW_INFO, cmd)

static size_t count(const unsigned char *buf, unsigned char byte, size_t from,
		    size_t to)
{
	size_t n = 0;

	while (from < to)
		n += buf[from++] == byte;
	return n;
}

/* What is said beside the data */
#define EXPECT_OUT(cmd)	expect_out(_metadata, self, cmd)

static void expect_out(struct __test_metadata *_metadata,
		       struct _test_data_hwinfo *self, struct iommu_hw_info *cmd)
{
	EXPECT_EQ(self->length, cmd->data_len);
	EXPECT_EQ(self->type, cmd->out_data_type);
	EXPECT_EQ(0, cmd->out_max_pasid_log2);
	/* No device here has ATS, so no guest may be shown any. */
	EXPECT_EQ(IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, cmd->out_capabilities);
}

/* The buffer has @data bytes of data, zeroes up to @len, and is else as was. */
#define EXPECT_BUF(data, len)	expect_buf(_metadata, self, data, len)

static void expect_buf(struct __test_metadata *_metadata,
		       struct _test_data_hwinfo *self, size_t data, size_t len)
{
	EXPECT_EQ(0, memcmp(self->buf, &self->vtd, data));
	EXPECT_EQ(len - data, count(self->buf, 0, data, len));
	EXPECT_EQ(PAGE - len, count(self->buf, FILLER, len, PAGE));
}

/* Asked with data_len 0, the call needs no buffer and tells the length. */
TEST_F(hwinfo, no_buffer)
{
	struct iommu_hw_info cmd = CALL(NULL, 0);

	cmd.out_max_pasid_log2 = 0xff;
	cmd.out_capabilities = UINT64_MAX;
	EXPECT_EQ(0, GET(&cmd));
	EXPECT_OUT(&cmd);
}

/* A buffer of the data's length gets the registers that sysfs has. */
TEST_F(hwinfo, exact_buffer)
{
	struct iommu_hw_info cmd = CALL(self->buf, self->length);

	EXPECT_EQ(0, GET(&cmd));
	EXPECT_OUT(&cmd);
	EXPECT_BUF(self->length, self->length);
}

/* A shorter buffer gets what it has room for, and the caller the length. */
TEST_F(hwinfo, short_buffer)
{
	size_t len;

	if (!self->length)
		SKIP_TEST("this machine's IOMMU has nothing to tell");
	for (len = 1; len < self->length; len++) {
		struct iommu_hw_info cmd = CALL(self->buf, len);

		EXPECT_EQ(0, GET(&cmd));
		EXPECT_OUT(&cmd);
		EXPECT_BUF(len, len);
	}
}

/* A longer one is filled with zeroes to its end, and not beyond. */
TEST_F(hwinfo, long_buffer)
{
	struct iommu_hw_info cmd = CALL(self->buf, 100);

	EXPECT_EQ(0, GET(&cmd));
	EXPECT_OUT(&cmd);
	EXPECT_BUF(self->length, 100);
}

/* Megabytes of zeroes, as much as was asked for */
TEST_F(hwinfo, huge_buffer)
{
	const size_t size = 5 * MB + 100;
	struct iommu_hw_info cmd;
	unsigned char *buf;

	buf = alloc_memory(6 * MB);
	ASSERT_NE(NULL, buf);
	memset(buf, FILLER, 6 * MB);
	cmd = CALL(buf, size);
	EXPECT_EQ(0, GET(&cmd));
	EXPECT_OUT(&cmd);
	EXPECT_EQ(0, memcmp(buf, &self->vtd, self->length));
	EXPECT_EQ(size - self->length, count(buf, 0, self->length, size));
	EXPECT_EQ(6 * MB - size, count(buf, FILLER, size, 6 * MB));
	munmap(buf, 6 * MB);
}

/* A buffer that cannot be written, in the data or in the zeroes: EFAULT */
TEST_F(hwinfo, buffer_efault)
{
	struct iommu_hw_info cmd = CALL(NULL, 100);

	EXPECT_EQ(-EFAULT, GET(&cmd));
	cmd = CALL(self->buf + PAGE, 1);
	EXPECT_EQ(-EFAULT, GET(&cmd));
	cmd = CALL(self->buf + PAGE - 50, 51);
	EXPECT_EQ(-EFAULT, GET(&cmd));
	cmd = CALL(self->buf, UINT32_MAX);
	EXPECT_EQ(-EFAULT, GET(&cmd));
	cmd = CALL(0xffff888000000000UL, 1);
	EXPECT_EQ(-EFAULT, GET(&cmd));
	cmd = CALL(self->buf + PAGE - 50, 50);
	EXPECT_EQ(0, GET(&cmd));
}

/* An id of nothing, or of something else: ENOENT */
TEST_F(hwinfo, device_enoent)
{
	struct iommu_hw_info cmd = CALL(NULL, 0);
	const uint32_t ids[] = { 0, self->b.ioas, NO_ID };
	size_t i;

	for (i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		cmd.dev_id = ids[i];
		EXPECT_EQ(-ENOENT, GET(&cmd));
	}
}

/* A flag that no one knows, a reserved byte: EOPNOTSUPP, before any lookup */
TEST_F(hwinfo, reserved_eopnotsupp)
{
	struct iommu_hw_info cmd = CALL(NULL, 0);
	unsigned int i;

	cmd.dev_id = NO_ID;
	for (i = 1; i < 32; i++) {
		cmd.flags = 1U << i;
		EXPECT_EQ(-EOPNOTSUPP, GET(&cmd));
	}
	cmd.flags = 0;
	for (i = 0; i < sizeof(cmd.__reserved); i++) {
		memset(cmd.__reserved, 0, sizeof(cmd.__reserved));
		cmd.__reserved[i] = 1;
		EXPECT_EQ(-EOPNOTSUPP, GET(&cmd));
	}
}

/* The type that is there, or none in particular, can be asked for. */
TEST_F(hwinfo, input_type)
{
	struct iommu_hw_info cmd = CALL(self->buf, 100);

	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	cmd.in_data_type = IOMMU_HW_INFO_TYPE_DEFAULT;
	EXPECT_EQ(0, GET(&cmd));
	EXPECT_OUT(&cmd);

	cmd = CALL(self->buf, 100);
	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	cmd.in_data_type = self->type;
	EXPECT_EQ(0, GET(&cmd));
	EXPECT_OUT(&cmd);
	EXPECT_BUF(self->length, 100);
}

/* Any other type: EOPNOTSUPP, and the buffer is left alone */
TEST_F(hwinfo, input_type_eopnotsupp)
{
	static const uint32_t types[] = {
		IOMMU_HW_INFO_TYPE_INTEL_VTD, IOMMU_HW_INFO_TYPE_ARM_SMMUV3,
		IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, IOMMU_HW_INFO_TYPE_AMD,
		5, UINT32_MAX,
	};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct iommu_hw_info cmd = CALL(self->buf, 100);

		if (types[i] == self->type)
			continue;
		cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
		cmd.in_data_type = types[i];
		EXPECT_EQ(-EOPNOTSUPP, GET(&cmd));
		EXPECT_BUF(0, 0);
	}
}

/* Without the flag the field is for output only. */
TEST_F(hwinfo, type_ignored)
{
	struct iommu_hw_info cmd = CALL(NULL, 0);

	cmd.in_data_type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
	EXPECT_EQ(0, GET(&cmd));
	EXPECT_OUT(&cmd);
}

TEST_HARNESS_MAIN
