//go:build unix

package doctor

import "fdrace/internal/prestart"

// checkPrestart reports whether races start before Go's runtime. Otherwise they take a
// millisecond longer.
func checkPrestart() Finding {
	f := Finding{Check: "prestart", Status: OK, Found: "on: common races finish before the Go runtime starts"}
	if state := prestart.State(); state != "on" {
		f.Found = state
	}
	return f
}
