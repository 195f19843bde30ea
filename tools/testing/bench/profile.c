// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU (7.2): counts the guest's instructions between the marks
 * of marks.h, exactly.  Its argument out=PATH names the output, lines of
 *
 *   ADDRESS SECTION INSTRUCTIONS
 *
 * ADDRESS is where a block of straight code begins, as QEMU translated it;
 * sections count from 1.  One CPU only.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marks.h"
#include "qemu_plugin.h"

/**
 * struct block - some code that was translated
 * @next: the one translated before
 * @address: of its first instruction
 * @count: instructions of it that were executed
 */
struct block {
	struct block *next;
	uint64_t address;
	uint64_t count;
};

static struct block *blocks;
static unsigned int section;
static FILE *out;

int qemu_plugin_version = 1;

static void begin(unsigned int cpu, void *data)
{
	struct block *b;

	(void)cpu;
	(void)data;
	for (b = blocks; b; b = b->next)
		b->count = 0;
}

static void end(unsigned int cpu, void *data)
{
	struct block *b;

	(void)cpu;
	(void)data;
	section++;
	for (b = blocks; b; b = b->next)
		if (b->count)
			fprintf(out, "%016lx %u %lu\n", b->address, section,
				b->count);
	fflush(out);
}

static void find_mark(void *insn)
{
	if (qemu_plugin_insn_size(insn) != MARK_LEN)
		return;
	if (!memcmp(qemu_plugin_insn_data(insn), MARK_BEGIN, MARK_LEN))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, begin,
						       PLUGIN_NO_REGS, NULL);
	if (!memcmp(qemu_plugin_insn_data(insn), MARK_END, MARK_LEN))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, end,
						       PLUGIN_NO_REGS, NULL);
}

static void translated(uint64_t id, void *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct block *b = calloc(1, sizeof(*b));

	(void)id;
	if (!b)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, PLUGIN_ADD_U64, &b->count,
						 n);
	for (i = 0; i < n; i++)
		find_mark(qemu_plugin_tb_get_insn(tb, i));
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fprintf(stderr, "profile: the argument is out=PATH\n");
		return -1;
	}
	out = fopen(argv[0] + 4, "w");
	if (!out) {
		perror(argv[0] + 4);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
