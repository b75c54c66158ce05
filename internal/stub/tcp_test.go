package stub

import "testing"

// TestTCP has truncated answers.
func TestTCP(t *testing.T) {
	for _, c := range []struct {
		name    string
		conf    string
		servers []script
		want    string
	}{{
		name:    "the whole answer by TCP",
		servers: []script{{"*": "20 tc 192.0.2.5 > 40 192.0.2.5 192.0.2.6"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			60 found A box.lan 192.0.2.5 192.0.2.6`,
	}, {
		name:    "TCP fails, the next server has it",
		servers: []script{{"*": "20 tc 192.0.2.5 > 40 fail"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			60 ask 2 A box.lan
			80 found A box.lan 192.0.2.5`,
	}, {
		name:    "TCP is slower than the next server",
		servers: []script{{"*": "20 tc 192.0.2.5 > 200 192.0.2.5 192.0.2.6"}, {"*": "20 192.0.2.7"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			70 ask 2 A box.lan
			120 found A box.lan 192.0.2.7 ...
			220 replaced A box.lan 192.0.2.5 192.0.2.6`,
	}, {
		name:    "TCP fails, no other server",
		servers: []script{{"*": "20 tc 192.0.2.5 > 40 fail"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			60 found A box.lan 192.0.2.5`,
	}, {
		name:    "TCP fails, the next server fails",
		servers: []script{{"*": "20 tc 192.0.2.5 > 40 fail"}, {"*": "20 servfail"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			60 ask 2 A box.lan
			80 found A box.lan 192.0.2.5`,
	}, {
		name:    "TCP fails, the next server knows nothing",
		servers: []script{{"*": "20 tc 192.0.2.5 > 40 fail"}, {"*": "20 nxdomain"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			60 ask 2 A box.lan
			80 found A box.lan 192.0.2.5`,
	}, {
		name:    "TCP fails, the next server is silent",
		servers: []script{{"*": "20 tc 192.0.2.5 > 40 fail"}, silent},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			60 ask 2 A box.lan
			310 ask 2 A box.lan
			310 found A box.lan 192.0.2.5 ...
			560 ask 2 A box.lan
			1060 end A box.lan`,
	}, {
		name:    "TCP is silent",
		servers: []script{{"*": "20 tc 192.0.2.5 > silent"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			270 found A box.lan 192.0.2.5 ...
			1020 end A box.lan`,
	}, {
		name:    "TCP is silent, and the next server late",
		servers: []script{{"*": "20 tc 192.0.2.5 > silent"}, {"*": "400 192.0.2.7"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			70 ask 2 A box.lan
			270 found A box.lan 192.0.2.5 ...
			320 ask 2 A box.lan
			470 replaced A box.lan 192.0.2.7 ...
			1000 end A box.lan`,
	}, {
		name:    "TCP is late",
		servers: []script{{"*": "20 tc 192.0.2.5 > 600 192.0.2.5 192.0.2.6"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			270 found A box.lan 192.0.2.5 ...
			620 replaced A box.lan 192.0.2.5 192.0.2.6`,
	}, {
		name:    "TCP is late, and says that there is nothing",
		servers: []script{{"*": "20 tc 192.0.2.5 > 600 nodata"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			270 found A box.lan 192.0.2.5 ...
			620 withdrew A box.lan`,
	}, {
		name:    "TCP is late, and malformed",
		servers: []script{{"*": "20 tc 192.0.2.5 > 600 malformed"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			270 found A box.lan 192.0.2.5 ...
			620 end A box.lan`,
	}, {
		name:    "nothing in a truncated answer",
		conf:    "options timeout:1 attempts:1\n",
		servers: []script{{"*": "20 tc > silent"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			1000 failed A box.lan 1:silent`,
	}, {
		name:    "nothing in a truncated answer, TCP fails",
		servers: []script{{"*": "20 tc > 40 fail"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			60 ask 2 A box.lan
			80 found A box.lan 192.0.2.5`,
	}, {
		name:    "a truncated answer of the second server, the first is silent",
		servers: []script{silent, {"*": "20 tc 192.0.2.5 > 40 192.0.2.5 192.0.2.6"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			70 ask 2 tcp A box.lan
			110 found A box.lan 192.0.2.5 192.0.2.6 ...
			250 ask 1 A box.lan
			500 ask 1 A box.lan
			1000 end A box.lan`,
	}, {
		name:    "two truncated answers",
		servers: []script{{"*": "290 tc 192.0.2.5 > silent"}, {"*": "20 tc 192.0.2.7 > silent"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			70 ask 2 tcp A box.lan
			250 ask 1 A box.lan
			290 ask 1 tcp A box.lan
			320 found A box.lan 192.0.2.5 ...
			1070 end A box.lan`,
	}, {
		name:    "use-vc",
		conf:    "options use-vc\n",
		servers: []script{{"*": "40 192.0.2.5"}},
		want: `
			0 ask 1 tcp A box.lan
			40 found A box.lan 192.0.2.5`,
	}, {
		name:    "use-vc, and nobody listens",
		conf:    "options use-vc\n",
		servers: []script{{"*": "20 fail"}, {"*": "20 closed"}},
		want: `
			0 ask 1 tcp A box.lan
			20 ask 2 tcp A box.lan
			40 failed A box.lan 1:TCP failed 2:closed`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, c.conf, c.servers...)
			n.lookUp(0, "box.lan", "A", true)
			expect(t, n.run(), c.want)
		})
	}
}

// TestStaleTCP: the end of a connection says nothing of a later question, which
// was sent by UDP.
func TestStaleTCP(t *testing.T) {
	for _, useVC := range []bool{false, true} {
		var c Config
		c.Parse("nameserver 192.0.2.53\n", "", "", "")
		c.UseVC = useVC
		var l Lookup
		var h Health
		l.Init(&c, &h, "box.lan", false, TypeA, 0, 1, 0)
		if p, ok := l.Send(0); !ok || p.TCP != useVC {
			t.Fatal(p, ok)
		}
		want := NoAnswer
		if useVC {
			want = TCPFailed
		}
		l.Fail(0, 0, TCPFailed, 0)
		if got := l.Blame(0, 0); got != want {
			t.Errorf("use-vc %v: %v, want %v", useVC, got, want)
		}
	}
}
