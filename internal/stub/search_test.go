package stub

import (
	"strings"
	"testing"
)

const wildcard = "20 192.0.2.66"

// TestSearch walks a search list in each row.
func TestSearch(t *testing.T) {
	for _, c := range []struct {
		name     string
		conf     string
		servers  []script
		lookup   string
		types    string // "AAAA A" unless set
		absolute bool
		want     string
	}{{
		name: "a full name with only an A record, a wildcard for both below the search domain",
		conf: "search corp.example\n",
		servers: []script{{"A box.lan": "20 192.0.2.5", "AAAA box.lan": "20 nodata",
			"A *": wildcard, "AAAA *": "20 2001:db8::66"}},
		lookup: "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			20 end AAAA box.lan
			20 found A box.lan 192.0.2.5`,
	}, {
		name: "the same, AAAA gives SERVFAIL",
		conf: "search corp.example\n",
		servers: []script{{"A box.lan": "20 192.0.2.5", "AAAA box.lan": "20 servfail",
			"A *": wildcard, "AAAA *": "20 2001:db8::66"}},
		lookup: "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			20 end AAAA box.lan
			20 found A box.lan 192.0.2.5`,
	}, {
		name: "the same, AAAA is refused",
		conf: "search corp.example\n",
		servers: []script{{"A box.lan": "20 192.0.2.5", "AAAA box.lan": "20 refused",
			"A *": wildcard, "AAAA *": "20 2001:db8::66"}},
		lookup: "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			20 end AAAA box.lan
			20 found A box.lan 192.0.2.5`,
	}, {
		name: "the same, A comes last",
		conf: "search corp.example\n",
		servers: []script{{"A box.lan": "40 192.0.2.5", "AAAA box.lan": "20 nxdomain",
			"A *": wildcard, "AAAA *": "20 2001:db8::66"}},
		lookup: "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			40 end AAAA box.lan
			40 found A box.lan 192.0.2.5`,
	}, {
		name:    "a full name for which servers fail does not reach the search list",
		conf:    "search corp.example\n",
		servers: []script{{"A box.lan": "20 servfail", "AAAA box.lan": "20 servfail", "*": wildcard}},
		lookup:  "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			20 ask 1 AAAA box.lan
			20 ask 1 A box.lan
			40 failed AAAA box.lan 1:SERVFAIL (search list not used)
			40 failed A box.lan 1:SERVFAIL (search list not used)`,
	}, {
		name:    "nor one for which they fail for one family",
		conf:    "search corp.example\n",
		servers: []script{{"A box.lan": "20 nodata", "AAAA box.lan": "20 refused", "A *": wildcard}},
		lookup:  "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			20 failed AAAA box.lan 1:REFUSED (search list not used)
			20 failed A box.lan 1:NODATA (search list not used)`,
	}, {
		name:    "a full name that does not exist does",
		conf:    "search corp.example\n",
		servers: []script{{"A box.lan.corp.example": "20 192.0.2.5", "AAAA box.lan.corp.example": "20 nodata"}},
		lookup:  "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			20 ask 1 AAAA box.lan.corp.example
			20 ask 1 A box.lan.corp.example
			40 end AAAA box.lan
			40 found A box.lan 192.0.2.5`,
	}, {
		name:    "a short name, A below the first domain and AAAA below the second",
		conf:    "search a.example b.example\n",
		servers: []script{{"A box.a.example": "20 192.0.2.5", "AAAA box.a.example": "20 nodata", "AAAA box.b.example": "20 2001:db8::66"}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box.a.example
			0 ask 1 A box.a.example
			20 end AAAA box
			20 found A box 192.0.2.5`,
	}, {
		name:    "a short name, and a domain whose server fails",
		conf:    "search a.example b.example\n",
		servers: []script{{"A box.a.example": "20 refused", "AAAA box.a.example": "20 servfail", "A box.b.example": "20 192.0.2.5"}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box.a.example
			0 ask 1 A box.a.example
			20 ask 1 AAAA box.a.example
			40 ask 1 AAAA box.b.example
			40 ask 1 A box.b.example
			60 end AAAA box
			60 found A box 192.0.2.5`,
	}, {
		name:    "a short name that nobody knows, and a domain whose server fails",
		conf:    "search a.example b.example\n",
		servers: []script{{"A box.a.example": "20 refused", "AAAA box.a.example": "20 refused"}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box.a.example
			0 ask 1 A box.a.example
			20 ask 1 AAAA box.b.example
			20 ask 1 A box.b.example
			40 ask 1 AAAA box
			40 ask 1 A box
			60 failed AAAA box 1:REFUSED in a.example
			60 failed A box 1:REFUSED in a.example`,
	}, {
		name:    "a domain for which one server fails and the other is silent, once a second",
		conf:    "search a.example b.example c.example\n",
		servers: []script{{"A *": "silent", "A box": "20 192.0.2.5"}, {"*": "20 refused"}},
		lookup:  "box",
		types:   "A",
		want: `
			0 ask 1 A box.a.example
			50 ask 2 A box.a.example
			250 ask 1 A box.a.example
			500 ask 1 A box.a.example
			1000 ask 1 A box.b.example
			1000 ask 2 A box.b.example
			1020 ask 1 A box.c.example
			1020 ask 2 A box.c.example
			1040 ask 1 A box
			1040 ask 2 A box
			1060 found A box 192.0.2.5`,
	}, {
		name:    "an SRV target is absolute",
		conf:    "search corp.example\noptions ndots:5\n",
		servers: []script{{"SRV _ssh._tcp.lan": "20 srv 10 5 2222 box.lan"}},
		lookup:  "_ssh._tcp.lan", types: "SRV", absolute: true,
		want: `
			0 ask 1 SRV _ssh._tcp.lan
			20 found SRV _ssh._tcp.lan 10 5 box.lan:2222`,
	}, {
		name:    "a trailing dot makes a name absolute",
		conf:    "search corp.example\n",
		servers: []script{{"*": "20 nxdomain"}},
		lookup:  "box.",
		want: `
			0 ask 1 AAAA box
			0 ask 1 A box
			20 not found AAAA box.
			20 not found A box.`,
	}, {
		name:    "ndots:2, the search list first",
		conf:    "search corp.example\noptions ndots:2\n",
		servers: []script{{"A box.lan": "20 192.0.2.5", "AAAA box.lan": "20 nodata"}},
		lookup:  "box.lan",
		want: `
			0 ask 1 AAAA box.lan.corp.example
			0 ask 1 A box.lan.corp.example
			20 ask 1 AAAA box.lan
			20 ask 1 A box.lan
			40 end AAAA box.lan
			40 found A box.lan 192.0.2.5`,
	}, {
		name:    "ndots:0, a short name as it is first",
		conf:    "search corp.example\noptions ndots:0\n",
		servers: []script{{"A box.corp.example": "20 192.0.2.5", "AAAA box.corp.example": "20 nodata"}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box
			0 ask 1 A box
			20 ask 1 AAAA box.corp.example
			20 ask 1 A box.corp.example
			40 end AAAA box
			40 found A box 192.0.2.5`,
	}, {
		name:    "no-tld-query",
		conf:    "search corp.example\noptions no-tld-query\n",
		servers: []script{{}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box.corp.example
			0 ask 1 A box.corp.example
			20 not found AAAA box
			20 not found A box`,
	}, {
		name:    ".onion is not asked for",
		conf:    "search corp.example\n",
		servers: []script{{"*": wildcard}},
		lookup:  "box.Onion",
		want: `
			0 not found AAAA box.Onion
			0 not found A box.Onion`,
	}, {
		name:    "nor below a search domain",
		conf:    "search x.onion corp.example\n",
		servers: []script{{"A *": "20 192.0.2.5", "AAAA *": "20 nodata"}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box.corp.example
			0 ask 1 A box.corp.example
			20 end AAAA box
			20 found A box 192.0.2.5`,
	}, {
		name:    "a name that is too long below one domain",
		conf:    "search a234567890123456789012345678901234567890123456789012345678901234.example corp.example\n",
		servers: []script{{"A *": "20 192.0.2.5", "AAAA *": "20 nodata"}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box.corp.example
			0 ask 1 A box.corp.example
			20 end AAAA box
			20 found A box 192.0.2.5`,
	}, {
		name:    "no valid name",
		servers: []script{{"A *": "20 192.0.2.5"}},
		lookup:  "box..lan",
		want: `
			0 not found AAAA box..lan
			0 not found A box..lan`,
	}, {
		name:    "a dead first server costs one second for the whole list",
		conf:    "search a.example b.example\n",
		servers: []script{silent, {"*": "20 nxdomain"}},
		lookup:  "box", types: "A",
		want: `
			0 ask 1 A box.a.example
			50 ask 2 A box.a.example
			250 ask 1 A box.a.example
			500 ask 1 A box.a.example
			1000 ask 1 A box.b.example
			1000 ask 2 A box.b.example
			1020 ask 1 A box
			1020 ask 2 A box
			1040 not found A box`,
	}, {
		name:    "single-request",
		conf:    "options single-request\n",
		servers: []script{up},
		lookup:  "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			20 ask 1 A box.lan
			20 found AAAA box.lan 2001:db8::5
			40 found A box.lan 192.0.2.5`,
	}, {
		name:    "single-request, and AAAA is not answered",
		conf:    "options single-request-reopen\n",
		servers: []script{{"AAAA *": "silent, silent, 20 nodata", "A *": "20 192.0.2.5"}},
		lookup:  "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			250 ask 1 A box.lan
			270 found A box.lan 192.0.2.5
			375 ask 1 AAAA box.lan
			625 ask 1 AAAA box.lan
			645 end AAAA box.lan`,
	}, {
		name:    "single-request walks the list, too",
		conf:    "search a.example\noptions single-request\n",
		servers: []script{{"A box": "20 192.0.2.5", "AAAA box": "20 nodata"}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box.a.example
			20 ask 1 A box.a.example
			40 ask 1 AAAA box
			60 ask 1 A box
			80 end AAAA box
			80 found A box 192.0.2.5`,
	}, {
		name:    "no-aaaa",
		conf:    "options no-aaaa single-request\n",
		servers: []script{up},
		lookup:  "box.lan",
		want: `
			0 ask 1 A box.lan
			20 end AAAA box.lan
			20 found A box.lan 192.0.2.5`,
	}, {
		name:    "no-aaaa, and only AAAA is wanted",
		conf:    "search a.example\noptions no-aaaa\n",
		servers: []script{up},
		lookup:  "box.lan", types: "AAAA",
		want: `
			0 not found AAAA box.lan`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, c.conf, c.servers...)
			if c.types == "" {
				c.types = "AAAA A"
			}
			n.lookUp(0, c.lookup, c.types, c.absolute)
			expect(t, n.run(), c.want)
		})
	}
}

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

// TestLocalRefusal: systemd-resolved's stub refuses single labels.
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

// TestHealth has several lookups in one race.
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

// TestLate has a caller that was stopped for a while.
func TestLate(t *testing.T) {
	n := newNetwork(t, "", script{"*": "silent, 20 192.0.2.5"})
	n.lookUp(0, "box.lan", "A", true)
	n.lookups[0].start(n, 1)
	n.drain(n.lookups[0])
	n.now = 1700 * ms
	n.drain(n.lookups[0])
	expect(t, strings.Join(n.log, "\n")+"\n", "0 ask 1 A box.lan\n1700 ask 1 A box.lan")
}
