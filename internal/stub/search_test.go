package stub

import "testing"

const wildcard = "20 192.0.2.66"

// TestSearch looks up names with a search list and other options.
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
		name:    "nor does one for which they fail for one family",
		conf:    "search corp.example\n",
		servers: []script{{"A box.lan": "20 nodata", "AAAA box.lan": "20 refused", "A *": wildcard}},
		lookup:  "box.lan",
		want: `
			0 ask 1 AAAA box.lan
			0 ask 1 A box.lan
			20 failed AAAA box.lan 1:REFUSED (search list not used)
			20 failed A box.lan 1:NODATA (search list not used)`,
	}, {
		name:    "a full name that does not exist reaches it",
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
		name:    "a short name that does not exist elsewhere, and a domain whose server fails",
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
		name:    "search domains for which one server fails and the other is silent: one second in all",
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
		name:    "a search domain below .onion is skipped",
		conf:    "search x.onion corp.example\n",
		servers: []script{{"A *": "20 192.0.2.5", "AAAA *": "20 nodata"}},
		lookup:  "box",
		want: `
			0 ask 1 AAAA box.corp.example
			0 ask 1 A box.corp.example
			20 end AAAA box
			20 found A box 192.0.2.5`,
	}, {
		name:    "a search domain that is no valid name is skipped",
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
			270 ask 1 AAAA box.lan
			270 found A box.lan 192.0.2.5
			500 ask 1 AAAA box.lan
			520 end AAAA box.lan`,
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
