//go:build unix

package doctor

import "fdrace/internal/prestart"

// checkPrestart tells whether this program begins before Go's runtime. Without that
// it works, and takes a millisecond longer.
func checkPrestart() Finding {
	f := Finding{Check: "prestart", Status: OK, Found: "on: common races finish before the Go runtime starts"}
	if state := prestart.State(); state != "on" {
		f.Found = state
	}
	return f
}
