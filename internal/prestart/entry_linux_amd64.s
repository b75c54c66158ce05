//go:build !race && !msan && !asan && !noprestart

#include "textflag.h"

// SP is as the kernel has made it: argc, the words, the environment.
TEXT _fdrace_linux(SB),NOSPLIT|NOFRAME,$0
	// From the dynamic linker, which a program with cgo has, DX is what to call
	// at exit. It has also set FS, for libc, whose start is the runtime's.
	TESTQ	DX, DX
	JNE	runtime

	// Go's code looks for its g below FS. There is none yet: zeros will do.
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
