//go:build !race && !msan && !asan && !noprestart

#include "textflag.h"

// At RSP the kernel has put argc, argv and the environment.
TEXT _fdrace_linux(SB),NOSPLIT|NOFRAME,$0
	// Compiled code has g in a register.
	MOVD	$·zeroG(SB), g

	MOVD	RSP, R0
	SUB	$32, RSP
	MOVD	R0, 8(RSP)
	CALL	·begin(SB)
	ADD	$32, RSP
	JMP	_rt0_arm64_linux(SB)
