//go:build !race && !msan && !asan && !noprestart

#include "textflag.h"

// At SP the kernel has put argc, argv and the environment.
TEXT _fdrace_linux(SB),NOSPLIT|NOFRAME,$0
	// The dynamic linker, which a program with cgo has, puts into DX what must be
	// called at exit. It has also set FS for libc: leave everything to the runtime.
	TESTQ	DX, DX
	JNE	runtime

	// Compiled code looks for g below FS.
	MOVQ	$0x1002, DI // ARCH_SET_FS
	LEAQ	·tls+8(SB), SI
	MOVQ	$158, AX // arch_prctl
	SYSCALL
	LEAQ	·zeroG(SB), AX
	MOVQ	AX, ·tls(SB)

	MOVQ	SP, AX
	SUBQ	$16, SP
	MOVQ	AX, 0(SP)
	CALL	·begin(SB)
	ADDQ	$16, SP
runtime:
	JMP	_rt0_amd64_linux(SB)
