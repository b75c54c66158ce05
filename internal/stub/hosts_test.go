package stub

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkHosts reads a block list of 170,000 names, in pieces of 64 KB.
func BenchmarkHosts(b *testing.B) {
	var text bytes.Buffer
	for i := range 170_000 {
		fmt.Fprintf(&text, "0.0.0.0 ad%d.example.com\n", i)
	}
	text.WriteString("192.0.2.5 box.lan box\n")
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		var h Hosts
		h.Init("box")
		hits := 0
		for rest := text.Bytes(); len(rest) > 0; {
			piece := rest[:min(len(rest), 1<<16)]
			rest = rest[len(piece):]
			for len(piece) > 0 {
				n, found := h.Scan(piece)
				piece = piece[n:]
				if found {
					hits++
				}
			}
		}
		if hits != 1 {
			b.Fatal(hits)
		}
	}
}
