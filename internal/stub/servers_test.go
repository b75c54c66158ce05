package stub

import (
	"strings"
	"testing"
)

// up answers A and AAAA questions for box.lan.
var up = script{"AAAA box.lan": "20 2001:db8::5", "A box.lan": "20 192.0.2.5"}

var silent = script{"*": "silent"}

// TestServers asks one to three name servers for a name. "..." marks a provisional
// answer.
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
		name:    "the first server answers before 100 ms",
		servers: []script{{"*": "90 192.0.2.1"}, {"*": "20 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			90 found A box.lan 192.0.2.1`,
	}, {
		name:    "the first server says late that the name does not exist",
		servers: []script{{"*": "180 nxdomain"}, {"*": "20 192.0.2.5"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			100 found A box.lan 192.0.2.5 ...
			180 withdrew A box.lan`,
	}, {
		name:    "the second of three servers answers late",
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
		name:    "SERVFAIL and REFUSED lead to the next server at once",
		servers: []script{{"*": "20 servfail"}, {"*": "20 refused"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			40 ask 3 A box.lan
			60 found A box.lan 192.0.2.5`,
	}, {
		name:    "FORMERR and NOTIMP do",
		servers: []script{{"*": "20 formerr"}, {"*": "20 notimp"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			40 ask 3 A box.lan
			60 found A box.lan 192.0.2.5`,
	}, {
		name:    "a lame server and a closed port do",
		servers: []script{{"*": "20 lame"}, {"*": "1 closed"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			21 ask 3 A box.lan
			41 found A box.lan 192.0.2.5`,
	}, {
		name:    "a malformed answer and an unreachable server do",
		servers: []script{{"*": "20 malformed"}, {"*": "0 noroute"}, up},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			20 ask 3 A box.lan
			40 found A box.lan 192.0.2.5`,
	}, {
		name:    "a wrong ID or another name is not an answer",
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
		name:    "after SERVFAIL the question is asked once more",
		conf:    "options timeout:1 attempts:2\n",
		servers: []script{{"*": "20 servfail"}},
		want: `
			0 ask 1 A box.lan
			20 ask 1 A box.lan
			40 failed A box.lan 1:SERVFAIL`,
	}, {
		name:    "a temporary SERVFAIL",
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
		name:    "after REFUSED it is not asked again",
		servers: []script{{"*": "20 refused"}, {"*": "20 refused"}},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			40 failed A box.lan 1:REFUSED 2:REFUSED`,
	}, {
		name:    "NXDOMAIN from the second server, an address from the first 550 ms later",
		servers: []script{{"*": "600 192.0.2.5"}, {"*": "20 nxdomain"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			250 ask 1 A box.lan
			500 ask 1 A box.lan
			600 found A box.lan 192.0.2.5`,
	}, {
		name:    "NXDOMAIN from the second server, the first is dead",
		servers: []script{silent, {"*": "20 nxdomain"}},
		want: `
			0 ask 1 A box.lan
			50 ask 2 A box.lan
			250 ask 1 A box.lan
			500 ask 1 A box.lan
			1000 not found A box.lan`,
	}, {
		name:    "NXDOMAIN from the second server, the first has failed",
		servers: []script{{"*": "20 servfail"}, {"*": "20 nxdomain"}},
		want: `
			0 ask 1 A box.lan
			20 ask 2 A box.lan
			40 not found A box.lan`,
	}, {
		name:    "timeout × attempts ends before the first server's 100 ms do",
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
		name:    "the server mixes up questions that arrive together",
		servers: []script{{"AAAA *": "20 swap nodata, 20 nodata", "A *": "20 swap 192.0.2.5, 20 192.0.2.5"}},
		types:   "AAAA A",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			250 ask 1 AAAA box.lan
			270 ask 1 A box.lan
			290 end AAAA box.lan
			290 found A box.lan 192.0.2.5`,
	}, {
		name:    "rotate by one",
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

// TestLocalRefusal asks servers that refuse, as systemd-resolved's stub does for a
// single label.
func TestLocalRefusal(t *testing.T) {
	for server, want := range map[string]string{
		"127.0.0.53": "0 ask 1 A box\n20 not found A box",
		"192.0.2.1":  "0 ask 1 A box\n20 failed A box 1:REFUSED",
	} {
		n := newNetwork(t, "", script{"*": "20 refused"})
		n.conf.Parse("nameserver "+server, "", "", "")
		n.lookUp(0, "box", "A", false)
		expect(t, n.run(), want)
	}
	n := newNetwork(t, "", script{"*": "20 refused"})
	n.conf.Parse("", "", "", "") // without a name server, it is this machine
	n.lookUp(0, "box.lan", "A", false)
	expect(t, n.run(), "0 ask 1 A box.lan\n20 failed A box.lan 1:REFUSED")
}

// TestHealth runs several lookups of one race.
func TestHealth(t *testing.T) {
	t.Run("negative answers wait a second once", func(t *testing.T) {
		n := newNetwork(t, "", silent, script{"*": "20 nxdomain"})
		n.lookUp(0, "a.lan", "A", true)
		n.lookUp(300*ms, "b.lan", "A", true)
		n.lookUp(2000*ms, "c.lan", "A", true)
		expect(t, n.run(), `
			0 ask 1 A a.lan
			50 ask 2 A a.lan
			250 ask 1 A a.lan
			300 ask 1 A b.lan
			350 ask 2 A b.lan
			500 ask 1 A a.lan
			550 ask 1 A b.lan
			800 ask 1 A b.lan
			1000 not found A a.lan
			1000 not found A b.lan
			2000 ask 1 A c.lan
			2000 ask 2 A c.lan
			2020 not found A c.lan`)
	})
	t.Run("a server that is silent is not waited for again", func(t *testing.T) {
		n := newNetwork(t, "", silent, script{"*": "20 192.0.2.5"})
		n.lookUp(0, "a.lan", "A", true)
		n.lookUp(200*ms, "b.lan", "A", true)
		expect(t, n.run(), `
			0 ask 1 A a.lan
			50 ask 2 A a.lan
			100 found A a.lan 192.0.2.5 ...
			200 ask 1 A b.lan
			200 ask 2 A b.lan
			220 found A b.lan 192.0.2.5 ...
			250 ask 1 A a.lan
			450 ask 1 A b.lan
			500 ask 1 A a.lan
			700 ask 1 A b.lan
			1000 end A a.lan
			1000 end A b.lan`)
	})
	t.Run("a server that answers again is", func(t *testing.T) {
		n := newNetwork(t, "", script{"A a.lan": "150 192.0.2.1", "*": "60 192.0.2.2"}, script{"*": "20 192.0.2.5"})
		n.lookUp(0, "a.lan", "A", true)
		n.lookUp(200*ms, "b.lan", "A", true)
		expect(t, n.run(), `
			0 ask 1 A a.lan
			50 ask 2 A a.lan
			100 found A a.lan 192.0.2.5 ...
			150 replaced A a.lan 192.0.2.1
			200 ask 1 A b.lan
			250 ask 2 A b.lan
			260 found A b.lan 192.0.2.2`)
	})
}

// TestHealthAfterAnswer: a server that has answered since it kept a question
// waiting is well, although that question is still open there.
func TestHealthAfterAnswer(t *testing.T) {
	n := newNetwork(t, "", script{"AAAA *": "silent", "*": "120 192.0.2.1"}, script{"AAAA *": "20 2001:db8::5", "*": "20 192.0.2.5"})
	n.lookUp(0, "a.lan", "AAAA A", true)
	n.lookUp(150*ms, "b.lan", "A", true)
	expect(t, n.run(), `
		0 ask 1 AAAA a.lan
		0 ask 1 A a.lan
		50 ask 2 AAAA a.lan
		50 ask 2 A a.lan
		100 found AAAA a.lan 2001:db8::5 ...
		100 found A a.lan 192.0.2.5 ...
		120 replaced A a.lan 192.0.2.1
		150 ask 1 A b.lan
		200 ask 2 A b.lan
		250 ask 1 AAAA a.lan
		250 found A b.lan 192.0.2.5 ...
		270 replaced A b.lan 192.0.2.1
		500 ask 1 AAAA a.lan
		1000 end AAAA a.lan`)
}

// TestLate makes sure that a caller which was stopped for a while sends a question
// once.
func TestLate(t *testing.T) {
	n := newNetwork(t, "", script{"*": "silent, 20 192.0.2.5"})
	n.lookUp(0, "box.lan", "A", true)
	n.lookups[0].start(n, 1)
	n.drain(n.lookups[0])
	n.now = 1700 * ms
	n.drain(n.lookups[0])
	expect(t, strings.Join(n.log, "\n")+"\n", "0 ask 1 A box.lan\n1700 ask 1 A box.lan")
}
