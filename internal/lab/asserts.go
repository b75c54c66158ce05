//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// tolerance is how far a time may be from the script's. Two processors that also carry
// the wire, under the race detector, wake the helper some milliseconds late now and
// then. Behaviors that a story distinguishes are a round trip of 20 ms apart or more.
// Stalls and late packets that were seen during the race are added.
const tolerance = 8 * time.Millisecond

// judge compares a time since the helper's first sign of life.
func (s *scenario) judge(what string, got, want time.Duration) error {
	if (got - want).Abs() > tolerance+s.delay {
		s.inexact = true
		return fmt.Errorf("%s at %s, not %s (the machine was late by %s)\n%s",
			what, ms(got), ms(want), ms(s.delay), s.listing(Match{}))
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1000) }

// packetsOf returns the packets of the last race that match, with times since its zero.
func (s *scenario) packetsOf(m Match) []Packet {
	zero := s.zero()
	list := slices.DeleteFunc(s.wire.Packets(), func(p Packet) bool { return !m.matches(&p) })
	for i := range list {
		list[i].At -= zero
	}
	return list
}

func (s *scenario) listing(m Match) string {
	var b strings.Builder
	for _, p := range s.packetsOf(m) {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

// cutTimes cuts "at D..." off the end of a verb's words.
func cutTimes(words []string) (rest []string, times []time.Duration, err error) {
	n := slices.Index(words, "at")
	if n < 0 {
		return words, nil, nil
	}
	for _, word := range words[n+1:] {
		d, err := time.ParseDuration(word)
		if err != nil {
			return nil, nil, err
		}
		times = append(times, d)
	}
	return words[:n], times, nil
}

// sent parses the conditions for segments of a kind that the near host sent.
func sent(which Segment, words []string) (Match, error) {
	m, err := ParseMatch(words...)
	m.Dir, m.Which = Out, which
	return m, err
}

func (s *scenario) syn(_ *testscript.TestScript, args []string) error {
	words, times, err := cutTimes(args)
	if err != nil {
		return err
	}
	m, err := sent(Syn, words)
	if err != nil {
		return err
	}
	list := s.packetsOf(m)
	if len(list) == 0 || len(list) < len(times) {
		return fmt.Errorf("%d SYNs %s\n%s", len(list), strings.Join(words, " "), s.listing(Match{}))
	}
	for i, at := range times {
		if err := s.judge("SYN "+strings.Join(words, " "), list[i].At, at); err != nil {
			return err
		}
	}
	return nil
}

// resyn checks when the kernel sent a SYN again: the attempt was still pending. Timers of
// the kernel end up to an eighth later than they were set to (kernel/time/timer.c).
func (s *scenario) resyn(_ *testscript.TestScript, args []string) error {
	words, times, err := cutTimes(args)
	if err != nil || len(times) != 1 {
		return errors.Join(err, errors.New("usage: resyn WORD... at D"))
	}
	m, err := sent(Syn, words)
	if err != nil {
		return err
	}
	for _, p := range s.packetsOf(m) {
		if p.Again {
			late := min(max(0, p.At-times[0]), times[0]/8)
			return s.judge("SYN again "+strings.Join(words, " "), p.At-late, times[0])
		}
	}
	return fmt.Errorf("no SYN %s was sent again\n%s", strings.Join(words, " "), s.listing(m))
}

func (s *scenario) nosyn(_ *testscript.TestScript, args []string) error {
	m, err := sent(Syn, args)
	if err != nil {
		return err
	}
	if list := s.packetsOf(m); len(list) > 0 {
		return fmt.Errorf("%v\n%s", list[0], s.listing(Match{}))
	}
	return nil
}

func (s *scenario) rst(_ *testscript.TestScript, args []string) error {
	m, err := sent(Rst, args)
	if err != nil {
		return err
	}
	if len(s.packetsOf(m)) == 0 {
		return fmt.Errorf("no RST\n%s", s.listing(Match{}))
	}
	return nil
}

func (s *scenario) syns(ts *testscript.TestScript, args []string) error {
	m, err := sent(Syn, args)
	fmt.Fprint(ts.Stdout(), s.listing(m))
	return err
}

func (s *scenario) packets(ts *testscript.TestScript, args []string) error {
	m, err := ParseMatch(args...)
	fmt.Fprint(ts.Stdout(), s.listing(m))
	return err
}

func (s *scenario) wins(_ *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: wins ADDR [D]")
	}
	want, err := netip.ParseAddr(args[0])
	if err != nil {
		return err
	}
	if s.result == nil || s.result.FD < 0 {
		return errors.New("nothing has won")
	}
	if peer := s.result.Facts.Peer.Addr().Unmap(); peer != want {
		s.inexact = true // the winner depends on times, too
		return fmt.Errorf("won by %v\n%s", peer, s.listing(Match{}))
	}
	return s.judgeEnd("won", s.result.ToFD, args[1:])
}

func (s *scenario) fails(_ *testscript.TestScript, args []string) error {
	if s.result == nil || s.result.FD >= 0 {
		return errors.New("nothing has failed")
	}
	return s.judgeEnd("lost", s.result.ToExit, args)
}

// judgeEnd compares the time of a helper's end with the one in args, if any.
func (s *scenario) judgeEnd(what string, after time.Duration, args []string) error {
	if len(args) == 0 {
		return nil
	}
	want, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	got := s.result.Start.Add(after).Sub(s.wire.Marked()) - s.zero()
	return s.judge(what, got, want)
}

func (s *scenario) fd(ts *testscript.TestScript, _ []string) error {
	if s.result == nil || s.result.FD < 0 {
		return errors.New("nothing was passed")
	}
	fmt.Fprint(ts.Stdout(), s.result.Facts)
	return nil
}

func (s *scenario) accepts(_ *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: accepts ADDR:PORT N")
	}
	return s.await(args[0], args[1], func(Conn) bool { return true })
}

func (s *scenario) ended(_ *testscript.TestScript, args []string) error {
	if len(args) != 3 || args[1] != string(ByFIN) && args[1] != string(ByRST) {
		return errors.New("usage: ended ADDR:PORT fin|rst N")
	}
	return s.await(args[0], args[2], func(c Conn) bool { return string(c.End) == args[1] })
}

// await waits until a server has accepted a number of connections of a kind. More of
// them are an error.
func (s *scenario) await(at, number string, of func(Conn) bool) error {
	// A client's packets reach the server within a round trip.
	const patience = 5 * time.Second
	address, err := netip.ParseAddrPort(at)
	if err != nil {
		return err
	}
	server := s.servers[address]
	if server == nil {
		return fmt.Errorf("nobody listens at %s", at)
	}
	want, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	count := func(conns []Conn) (n int) {
		for _, c := range conns {
			if of(c) {
				n++
			}
		}
		return n
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conns, err := server.Await(ctx, func(conns []Conn) bool { return count(conns) >= want })
	if err == nil && count(conns) > want {
		err = fmt.Errorf("more than %d: %v", want, conns)
	}
	return err
}
