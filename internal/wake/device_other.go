//go:build !linux

package wake

// bindToDevice needs Linux: elsewhere the address tells the interface.
func bindToDevice(int, string) {}
