//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"fdrace/internal/lab"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// patience is the limit for a helper on a bad network: fdrace's default timeout.
const patience = 10 * time.Second

// badNetwork is a network of which some addresses do not answer. Its RTT is 20 ms.
type badNetwork struct {
	*lab.Network
	dns   *lab.DNS
	cases []badCase
}

// A badCase is a column of the table: the targets. A helper that takes only one target
// gets a name with all their addresses.
type badCase struct {
	title   string
	name    string
	targets []string // fdrace's
}

// A contender is a row of the table.
type contender struct {
	name string
	argv func(badCase) []string
	// time reads the time out of the output of one that passes nothing.
	time func(out string) (time.Duration, error)
}

const (
	live4, live6 = "192.0.2.5", "2001:db8:99::5"
	dead6        = "2001:db8:99::1"
)

func newBadNetwork() (n *badNetwork, err error) {
	net, err := lab.NewNetwork(1)
	if err != nil {
		return nil, err
	}
	n = &badNetwork{Network: net}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	link, err := n.Link(lab.Link{Name: "wifi", RTT: 20 * time.Millisecond})
	if err != nil {
		return n, err
	}
	if n.dns, err = n.ServeDNS(n.Near, netip.MustParseAddr("127.0.0.53")); err != nil {
		return n, err
	}
	silent, err := lab.ParseRule("drop", "to", dead6)
	if err != nil {
		return n, err
	}
	link.Rule(silent)
	if err = n.Far.Address(netip.MustParseAddr(live4), netip.MustParseAddr(live6)); err != nil {
		return n, err
	}
	if _, err = n.Serve(netip.MustParseAddrPort("[::]:22"), lab.Behavior{Greeting: lab.Banner}); err != nil {
		return n, err
	}
	n.fill()
	return n, nil
}

// fill adds the cases.
func (n *badNetwork) fill() {
	add := func(title, name string, six lab.Reply, four []string, targets ...string) {
		n.dns.Set(name, dnsmessage.TypeAAAA, six)
		n.dns.Set(name, dnsmessage.TypeA, addresses(four...))
		if targets == nil {
			targets = []string{name}
		}
		n.cases = append(n.cases, badCase{title, name, targets})
	}
	add("IPv6 silent", "silent6", addresses(dead6), []string{live4})
	add("no answer for AAAA", "no-aaaa", lab.Reply{Silent: true}, []string{live4})
	add("two dead, one live", "third", lab.Reply{}, []string{"192.0.2.1", "192.0.2.2", live4})
	var nine []string
	for i := range 8 {
		nine = append(nine, fmt.Sprintf("192.0.2.%d", 11+i))
	}
	nine = append(nine, live4)
	add("eight dead, one live", "ninth", lab.Reply{}, nine, nine...)
}

func addresses(list ...string) (r lab.Reply) {
	for _, word := range list {
		if a := netip.MustParseAddr(word); a.Is4() {
			r.Records = append(r.Records, &dnsmessage.AResource{A: a.As4()})
		} else {
			r.Records = append(r.Records, &dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	return r
}

// contenders returns the helpers of this machine, and what is missing.
func contenders(fdrace, nc, python, script string) (list []contender, missing []string) {
	list = append(list,
		contender{name: "fdrace", argv: func(c badCase) []string {
			return append(append([]string{fdrace}, c.targets...), "22")
		}},
		contender{name: "nc -F", argv: func(c badCase) []string { return []string{nc, "-F", c.name, "22"} }},
	)
	if python != "" {
		list = append(list, contender{name: "Python, create_connection", argv: func(c badCase) []string {
			return []string{python, script, c.name, "22"}
		}})
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		return list, append(missing, "curl: "+err.Error()+" (Debian: apt install curl)")
	}
	return append(list, contender{name: "curl, by its own clock", argv: func(c badCase) []string {
		return []string{curl, "--silent", "--output", "/dev/null", "--write-out", "%{time_connect}", "http://" + c.name + ":22/"}
	}, time: seconds}), missing
}

// seconds reads curl's time of the connection, which is 0 without one.
func seconds(out string) (time.Duration, error) {
	s, err := strconv.ParseFloat(out, 64)
	if err == nil && s == 0 {
		err = errors.New("no connection")
	}
	return time.Duration(s * float64(time.Second)), err
}

// once returns how long c took to connect. ok is false if it took longer than patience,
// or gave up.
func (n *badNetwork) once(c contender, where badCase) (took time.Duration, ok bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	argv := c.argv(where)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	err = n.Near.Do(func() (err error) {
		if c.time != nil {
			start := time.Now()
			out, _ := cmd.Output() // it fails in any case: SSH is not HTTP
			if took, err = c.time(string(out)); err != nil {
				took = time.Since(start)
				return nil
			}
			ok = true
			return nil
		}
		r, err := lab.Run(cmd)
		if err != nil {
			return err
		}
		if took, ok = r.ToFD, r.FD >= 0; ok {
			return unix.Close(r.FD)
		}
		took = r.ToExit
		return nil
	})
	if ctx.Err() != nil {
		took, ok = patience, false
	}
	return took, ok, err
}

// cell returns the median of three runs, or why there is none.
func (n *badNetwork) cell(c contender, where badCase) (string, error) {
	const runs = 3
	var all []float64
	for range runs {
		took, ok, err := n.once(c, where)
		switch {
		case err != nil:
			return "", fmt.Errorf("%s, %s: %w", c.name, where.title, err)
		case !ok && took < patience:
			return fmt.Sprintf("gave up at %.0f", ms(took)), nil
		case !ok:
			return fmt.Sprintf("> %.0f s", patience.Seconds()), nil
		}
		all = append(all, ms(took))
	}
	_, median, _ := quarter(all)
	return fmt.Sprintf("%.0f", median), nil
}

// showBadNetwork prints how long each takes from exec to connected. All run a
// column at the same time: most of them sleep.
func showBadNetwork(list []contender) error {
	n, err := newBadNetwork()
	if err != nil {
		return err
	}
	cells := make([][]string, len(list))
	var failed error
	var mu sync.Mutex
	for _, where := range n.cases {
		var group sync.WaitGroup
		for i, c := range list {
			group.Go(func() {
				text, err := n.cell(c, where)
				mu.Lock()
				defer mu.Unlock()
				cells[i] = append(cells[i], text)
				failed = errors.Join(failed, err)
			})
		}
		group.Wait()
	}
	if err := errors.Join(failed, n.Close()); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nexec to connected, ms; RTT 20 ms")
	for _, where := range n.cases {
		fmt.Fprint(w, "\t", where.title)
	}
	fmt.Fprintln(w)
	for i, c := range list {
		fmt.Fprintln(w, c.name+"\t"+strings.Join(cells[i], "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println("\nMedians of three. The nine are targets to fdrace, to the others a name with nine addresses.")
	return nil
}
