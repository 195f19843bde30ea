/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the profile's plugin uses of QEMU's interface for plugins, version 1.
 * Debian has no header of it.
 */
#ifndef BENCH_QEMU_PLUGIN_H
#define BENCH_QEMU_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

enum plugin_op { PLUGIN_ADD_U64 };
enum plugin_regs { PLUGIN_NO_REGS };

typedef void (*tb_trans_fn)(uint64_t id, void *tb);
typedef void (*exec_fn)(unsigned int cpu, void *data);

/* Call this for each block of code that is translated. */
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, tb_trans_fn fn);

/* Add to a counter whenever the block is executed. */
void qemu_plugin_register_vcpu_tb_exec_inline(void *tb, enum plugin_op op,
					      void *counter, uint64_t n);

/* Call this whenever the instruction is executed. */
void qemu_plugin_register_vcpu_insn_exec_cb(void *insn, exec_fn fn,
					    enum plugin_regs regs, void *data);

size_t qemu_plugin_tb_n_insns(const void *tb);
uint64_t qemu_plugin_tb_vaddr(const void *tb);
void *qemu_plugin_tb_get_insn(const void *tb, size_t index);
const void *qemu_plugin_insn_data(const void *insn);
size_t qemu_plugin_insn_size(const void *insn);

/* What a plugin has: the version it is for, and where it begins. */
extern int qemu_plugin_version;
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

#endif
