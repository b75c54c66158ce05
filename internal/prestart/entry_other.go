//go:build linux && (amd64 || arm64) && (race || msan || asan || noprestart)

package prestart

const built = false
