package stub

import (
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// TestAllocs takes all steps of a lookup, and the reading of files.
func TestAllocs(t *testing.T) {
	var m dnsmessage.Message
	var q query
	q.write(1, TypeA, "box.lan", "")
	if err := m.Unpack(q.b[:q.n]); err != nil {
		t.Fatal(err)
	}
	answer := response(t, m, 1, []string{"192.0.2.5"})
	truncated := response(t, m, 1, []string{"tc", "192.0.2.6"})
	m.Questions[0].Type = dnsmessage.TypeSRV
	srv := response(t, m, 1, strings.Fields("srv 1 2 22 host.example"))
	hosts := []byte("192.0.2.5 box.lan box\nfe80::1%eth0 box\n")

	var c Config
	var health Health
	var l Lookup
	var p Policy
	var h Hosts
	var list [2]Dest
	found := 0
	allocs := testing.AllocsPerRun(100, func() {
		c.Parse("nameserver 192.0.2.201\nnameserver fe80::1%eth0\nsearch a.example b.example\noptions rotate", "", "ndots:1", "box.lan")
		c.RotateBy(3)
		h.Init("box")
		for rest := hosts; len(rest) > 0; {
			n, _ := h.Scan(rest)
			rest = rest[n:]
		}
		health = Health{}
		l.Init(&c, &health, "box.lan", false, TypeAAAA, TypeA, 7, 0)
		for now := 0 * ms; l.Due(now) != never || now == 0; now = l.Due(now) {
			for {
				if p, ok := l.Send(now); !ok {
					break
				} else if b := l.Query(p.Question); len(b) < headerLen {
					t.Error("no question")
				}
			}
			for _, m := range [][]byte{truncated, answer} {
				m[0], m[1] = l.questions[1].b[0], l.questions[1].b[1]
				l.Answer(1, m, &m[0] == &answer[0], now)
			}
			l.Fail(0, 0, PortClosed, now)
			for {
				r, ok := l.Result(now)
				if !ok {
					break
				}
				if r.Server >= 0 {
					var a Answer
					for l.Records(&a, r.Question, answer); a.Next(); found++ {
						list[0].Addr = a.Addr
					}
				}
			}
			l.Blame(0, 0)
		}
		l.Init(&c, &health, "box.lan", true, TypeSRV, 0, 7, 0)
		var a Answer
		for l.Records(&a, 0, srv); a.Next(); found++ {
			var name [maxName]byte
			if _, ok := AppendName(name[:0], srv, a.SRV.Target); !ok {
				t.Error("no target")
			}
		}
		p.Parse("precedence ::ffff:0:0/96 100\n")
		p.Sort(list[:])
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	if found != 2*101 {
		t.Errorf("%d records", found)
	}
}

// TestPure makes sure that the package runs before the Go runtime has started:
// it has no initializer, and of the runtime it calls what works by then.
func TestPure(t *testing.T) {
	export, err := exec.Command("go", "list", "-export", "-f", "{{.Export}}", ".").Output()
	if err != nil {
		t.Skip("no go command: ", err)
	}
	symbols, err := exec.Command("go", "tool", "nm", "-size", strings.TrimSpace(string(export))).Output()
	if err != nil {
		t.Fatal(err)
	}
	harmless := []string{
		"memequal", "panicBounds", "panicunsafe", "zeroVal",
		"gcWriteBarrier", "wbMove", "wbZero", "writeBarrier", // not called while no garbage collection runs
		"morestack", "duff", "memmove", "memclr",
	}
	n := 0
	for _, line := range strings.Split(string(symbols), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n++
		name := fields[len(fields)-1]
		if name == "fdrace/internal/stub..inittask" && fields[1] != "8" {
			t.Errorf("initializers in %s bytes", fields[1]) // 8 are the head of an empty list
		}
		if short, ok := strings.CutPrefix(name, "runtime."); ok && fields[len(fields)-2] == "U" {
			found := false
			for _, prefix := range harmless {
				found = found || strings.HasPrefix(short, prefix)
			}
			if !found {
				t.Errorf("%s is used", name)
			}
		}
	}
	if n < 50 {
		t.Errorf("%d symbols only", n)
	}
}
