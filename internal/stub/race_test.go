package stub

import (
	"strings"
	"testing"
)

// up answers A and AAAA questions for box.lan.
var up = script{"AAAA box.lan": "20 2001:db8::5", "A box.lan": "20 192.0.2.5"}

var silent = script{"*": "silent"}

// TestServers has a race of name servers in each row.
func TestServers(t *testing.T) {
	for _, c := range []struct {
		name    string
		conf    string
		servers []script
		types   string // "A" unless set
		want    string
	}{{
		name:    "the first server answers: nobody else is asked",
		servers: []script{up, silent, silent},
		types:   "AAAA A",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			20 found AAAA box.lan 2001:db8::5
			20 found A box.lan 192.0.2.5`,
	}, {
		name:    "the first server is silent",
		servers: []script{silent, up, up},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			100 found A box.lan 192.0.2.5 ...
			250 ask 1 A box.lan
			500 ask 1 A box.lan
			1000 end A box.lan`,
	}, {
		name:    "two servers are silent",
		servers: []script{silent, silent, up},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			100 ask 3 A box.lan
			150 found A box.lan 192.0.2.5 ...
			250 ask 1 A box.lan
			300 ask 2 A box.lan
			500 ask 1 A box.lan
			550 ask 2 A box.lan
			1000 end A box.lan`,
	}, {
		name:    "all are silent",
		conf:    "options timeout:1 attempts:2\n",
		servers: []script{silent, silent, silent},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			100 ask 3 A box.lan
			250 ask 1 A box.lan
			300 ask 2 A box.lan
			350 ask 3 A box.lan
			500 ask 1 A box.lan
			550 ask 2 A box.lan
			600 ask 3 A box.lan
			1000 ask 1 A box.lan
			1050 ask 2 A box.lan
			1100 ask 3 A box.lan
			1500 ask 1 A box.lan
			1550 ask 2 A box.lan
			1600 ask 3 A box.lan
			2000 failed A box.lan 1:silent 2:silent 3:silent`,
	}, {
		name:    "a late answer of the first server replaces the second's",
		servers: []script{{"*": "180 192.0.2.1"}, {"*": "20 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			100 found A box.lan 192.0.2.5 ...
			180 replaced A box.lan 192.0.2.1`,
	}, {
		name:    "the first server's answer in time is the only one",
		servers: []script{{"*": "90 192.0.2.1"}, {"*": "20 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			90 found A box.lan 192.0.2.1`,
	}, {
		name:    "the first server knows better that there is nothing",
		servers: []script{{"*": "180 nxdomain"}, {"*": "20 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			100 found A box.lan 192.0.2.5 ...
			180 withdrew A box.lan`,
	}, {
		name:    "the second of three replaces the third's",
		servers: []script{silent, {"*": "200 192.0.2.1"}, {"*": "20 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			100 ask 3 A box.lan
			150 found A box.lan 192.0.2.5 ...
			250 ask 1 A box.lan
			250 replaced A box.lan 192.0.2.1 ...
			500 ask 1 A box.lan
			1000 end A box.lan`,
	}, {
		name:    "failures lead to the next server at once",
		servers: []script{{"*": "20 servfail"}, {"*": "20 refused"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			40 ask 3 A box.lan
			60 found A box.lan 192.0.2.5`,
	}, {
		name:    "so do these",
		servers: []script{{"*": "20 formerr"}, {"*": "20 notimp"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			40 ask 3 A box.lan
			60 found A box.lan 192.0.2.5`,
	}, {
		name:    "and these",
		servers: []script{{"*": "20 lame"}, {"*": "1 closed"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			21 ask 3 A box.lan
			41 found A box.lan 192.0.2.5`,
	}, {
		name:    "and these two",
		servers: []script{{"*": "20 malformed"}, {"*": "0 noroute"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			20 ask 3 A box.lan
			40 found A box.lan 192.0.2.5`,
	}, {
		name:    "the wrong ID and another name are no answers",
		servers: []script{{"*": "20 wrong-id"}, {"*": "20 other-name"}, up},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			100 ask 3 A box.lan
			150 found A box.lan 192.0.2.5 ...
			250 ask 1 A box.lan
			300 ask 2 A box.lan
			500 ask 1 A box.lan
			550 ask 2 A box.lan
			1000 end A box.lan`,
	}, {
		name:    "SERVFAIL is asked again once",
		conf:    "options timeout:1 attempts:2\n",
		servers: []script{{"*": "20 servfail"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 A box.lan
			40 failed A box.lan 1:SERVFAIL`,
	}, {
		name:    "SERVFAIL that passes",
		servers: []script{{"*": "20 servfail, 20 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 A box.lan
			40 found A box.lan 192.0.2.5`,
	}, {
		name:    "one attempt",
		conf:    "options attempts:1\n",
		servers: []script{{"*": "20 servfail"}},
		want: `
			0 ask 1 A box.lan
			20 failed A box.lan 1:SERVFAIL`,
	}, {
		name:    "REFUSED is not asked again",
		servers: []script{{"*": "20 refused"}, {"*": "20 refused"}},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			40 failed A box.lan 1:REFUSED 2:REFUSED`,
	}, {
		name:    "no such name, says a later server: the first may know it",
		servers: []script{{"*": "600 192.0.2.5"}, {"*": "20 nxdomain"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			250 ask 1 A box.lan
			500 ask 1 A box.lan
			600 found A box.lan 192.0.2.5`,
	}, {
		name:    "no such name, says a later server: the first one is dead",
		servers: []script{silent, {"*": "20 nxdomain"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			250 ask 1 A box.lan
			500 ask 1 A box.lan
			1000 not found A box.lan`,
	}, {
		name:    "an earlier server fails, a later one says no such name",
		servers: []script{{"*": "20 servfail"}, {"*": "20 nxdomain"}},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			40 not found A box.lan`,
	}, {
		name:    "no bound is passed: timeout times attempts comes before a hold",
		conf:    "options timeout:1 attempts:1\n",
		servers: []script{{"*": "20 tc > silent"}, {"*": "930 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 tcp A box.lan
			70 ask 2 A box.lan
			320 ask 2 A box.lan
			570 ask 2 A box.lan
			1000 found A box.lan 192.0.2.5`,
	}, {
		name:    "a lost question is asked again",
		servers: []script{{"*": "silent, 20 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			250 ask 1 A box.lan
			270 found A box.lan 192.0.2.5`,
	}, {
		name:    "questions that come together are mixed up",
		servers: []script{{"AAAA *": "20 swap nodata, 20 nodata", "A *": "20 swap 192.0.2.5, 20 192.0.2.5"}},
		types:   "AAAA A",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			250 ask 1 AAAA box.lan
			375 ask 1 A box.lan
			395 end AAAA box.lan
			395 found A box.lan 192.0.2.5`,
	}, {
		name:    "rotate: the caller's random number",
		conf:    "options rotate\n",
		servers: []script{silent, up},
		want: `
			0 ask 1 A box.lan
			20 found A box.lan 192.0.2.5`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, c.conf, c.servers...)
			if n.conf.Rotate {
				n.conf.RotateBy(1)
				n.servers[0], n.servers[1] = n.servers[1], n.servers[0]
			}
			if c.types == "" {
				c.types = "A"
			}
			n.lookUp(0, "box.lan", c.types, true)
			expect(t, n.run(), c.want)
		})
	}
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	if got != b.String() {
		t.Errorf("got\n%swant\n%s", got, b.String())
	}
}
