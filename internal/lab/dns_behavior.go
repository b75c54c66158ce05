//go:build linux

package lab

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNSBehavior is how a name server treats all questions. The zero value works as it
// should.
type DNSBehavior struct {
	Dead   bool // its ports are closed
	Silent bool
	Slow   time.Duration // added before each answer
	Always *Reply        // the reply to every question
	OPT    Habit         // with a question that has an OPT record: Well, Drops, Fails, Echoes
	Pair   Habit         // with two questions of one client: Well, DropsSecond, MixesIDs, Swaps
	TCP    Habit         // with questions by TCP: Well, Refuses, Drops
}

// Habit is a deviation in one respect.
type Habit int

const (
	Well        Habit = iota
	Drops             // no answer
	Refuses           // no connection
	Fails             // FORMERR
	Echoes            // the answer has an OPT record, too
	DropsSecond       // the second of two questions has no answer
	MixesIDs          // the second of two answers has the ID of the first
	Swaps             // each of two answers goes to the other's port
)

// pairGap is the longest time between two questions that Pair applies to. A server with
// such a habit waits for this long before it answers.
const pairGap = 5 * time.Millisecond

// reply returns the reply to every such question, if there is one.
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

// parseDNSBehavior parses these words:
//
//	dead                    its ports are closed
//	silent                  no answer
//	slow D                  each answer comes D later
//	refused servfail formerr notimp nxdomain nodata lame
//	                        the answer to every question
//	drops-opt               no answer to a question with an OPT record
//	formerr-opt             FORMERR to such a question
//	echoes-opt              the OPT record comes back
//	drops-second            no answer to the second of two questions within 5 ms
//	mixes-ids               the answer to the second has the ID of the first
//	swaps                   each of the two answers goes to the other's port
//	tcp-refused tcp-silent  UDP only
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
