//go:build !race && !msan && !asan && !noprestart

#include "textflag.h"

// RSP is as the kernel has made it: argc, the words, the environment.
TEXT _fdrace_linux(SB),NOSPLIT|NOFRAME,$0
	// Go's code has its g in a register. There is none yet: zeros will do.
	MOVD	$·zeroG(SB), g

	MOVD	RSP, R0
	SUB	$32, RSP
	MOVD	R0, 8(RSP)
	CALL	·begin(SB)
	ADD	$32, RSP
	JMP	_rt0_arm64_linux(SB)
