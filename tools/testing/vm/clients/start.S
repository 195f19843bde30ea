/* SPDX-License-Identifier: GPL-2.0-only */
/* How the multiboot protocol starts nested.c: in 32 bits, without a stack. */

#define MAGIC	0x1badb002
#define FLAGS	0

	.section .multiboot, "a"
	.align	4
	.long	MAGIC, FLAGS, -(MAGIC + FLAGS)

	.bss
	.align	16
	.skip	4096
stack_end:

	.text
	.globl	_start
_start:
	movl	$stack_end, %esp
	pushl	%ebx
	pushl	%eax
	call	nested
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
