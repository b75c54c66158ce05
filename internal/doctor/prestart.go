//go:build unix

package doctor

import "fdrace/internal/prestart"

// checkPrestart reports whether races start before Go's runtime. Otherwise they take a
// millisecond longer.
func checkPrestart() Finding {
	f := Finding{Check: "fast start", Status: OK, Found: "on"}
	if state := prestart.State(); state != "on" {
		f.Found = state
	}
	return f
}
