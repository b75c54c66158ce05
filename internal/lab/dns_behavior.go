//go:build linux

package lab

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNSBehavior is how a name server treats all questions; the zero value is a
// server that is well.
type DNSBehavior struct {
	Dead   bool // nothing is there: its ports are closed
	Silent bool
	Slow   time.Duration // each answer comes so late
	Always *Reply        // in place of what it knows
	OPT    Habit         // with a question that has an OPT record: Well, Drops, Fails, Echoes
	Pair   Habit         // with two questions of one client: Well, DropsSecond, MixesIDs, Swaps
	TCP    Habit         // with questions by TCP: Well, Refuses, Drops
}

// Habit is what a server does in one respect.
type Habit int

const (
	Well        Habit = iota
	Drops             // no answer
	Refuses           // no connection
	Fails             // FORMERR
	Echoes            // the OPT record is in the answer, too
	DropsSecond       // of two questions the second has no answer
	MixesIDs          // of two answers the second has the ID of the first
	Swaps             // of two answers each goes to where the other belongs
)

// pairGap is the longest time between two questions that meet in a server which
// mixes them up. Such a server waits so long before it answers.
const pairGap = 5 * time.Millisecond

// reply is the one to every question of a kind, if that is all there is to it.
func (b *DNSBehavior) reply(tcp, opt bool) (r Reply, ok bool) {
	switch {
	case b.Silent, tcp && b.TCP == Drops, opt && b.OPT == Drops:
		return Reply{Silent: true}, true
	case opt && b.OPT == Fails:
		return Reply{Code: dnsmessage.RCodeFormatError}, true
	case b.Always != nil:
		return *b.Always, true
	}
	return Reply{}, false
}

// parseDNSBehavior reads how a name server behaves:
//
//	dead                    its ports are closed
//	silent
//	slow D                  each answer comes D late
//	refused servfail formerr notimp nxdomain nodata lame
//	                        all answers are so
//	drops-opt               no answer to a question with an OPT record
//	formerr-opt             FORMERR to such a question
//	echoes-opt              the OPT record comes back
//	drops-second            of two questions within 5 ms it loses the second
//	mixes-ids               it answers the second with the ID of the first
//	swaps                   it sends each of the two answers to where the other belongs
//	tcp-refused tcp-silent  it speaks UDP only
func parseDNSBehavior(words []string) (b DNSBehavior, err error) {
	for ; len(words) > 0 && err == nil; words = words[1:] {
		code, isCode := rcodes[words[0]]
		switch word := words[0]; {
		case word == "dead":
			b.Dead = true
		case word == "silent":
			b.Silent = true
		case word == "slow":
			if len(words) < 2 {
				return b, errors.New("slow: by how much?")
			}
			b.Slow, err = time.ParseDuration(words[1])
			words = words[1:]
		case isCode:
			b.Always = &Reply{Code: code}
		case word == "lame":
			b.Always = &Reply{Lame: true}
		default:
			err = b.parseHabit(word)
		}
	}
	return b, err
}

func (b *DNSBehavior) parseHabit(word string) error {
	switch word {
	case "drops-opt":
		b.OPT = Drops
	case "formerr-opt":
		b.OPT = Fails
	case "echoes-opt":
		b.OPT = Echoes
	case "drops-second":
		b.Pair = DropsSecond
	case "mixes-ids":
		b.Pair = MixesIDs
	case "swaps":
		b.Pair = Swaps
	case "tcp-refused":
		b.TCP = Refuses
	case "tcp-silent":
		b.TCP = Drops
	default:
		return fmt.Errorf("nameserver: unknown word %q", word)
	}
	return nil
}
