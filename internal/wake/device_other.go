//go:build !linux

package wake

// bindToDevice does nothing: only Linux has SO_BINDTODEVICE. Elsewhere the address chooses
// the interface.
func bindToDevice(int, string) {}
