/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a profile begins and ends: instructions that do nothing, with operands
 * that no compiler would choose.  The plugin in QEMU knows them by their bytes.
 */
#ifndef BENCH_MARKS_H
#define BENCH_MARKS_H

/* nopl 0x6265676e(%rax) and nopl 0x656e6473(%rax) */
#define MARK_BEGIN	"\x0f\x1f\x80\x6e\x67\x65\x62"
#define MARK_END	"\x0f\x1f\x80\x73\x64\x6e\x65"
#define MARK_LEN	7

static inline void mark_begin(void)
{
	asm volatile("nopl 0x6265676e(%%rax)" ::: "memory");
}

static inline void mark_end(void)
{
	asm volatile("nopl 0x656e6473(%%rax)" ::: "memory");
}

#endif
