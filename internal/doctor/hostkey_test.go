//go:build unix

package doctor

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fdrace/internal/helper"
	"fdrace/internal/hostkey"
)

// sshd counts a second for each connection that does not log in, and adds them up.
func TestAwaitPardon(t *testing.T) {
	for _, tt := range []struct {
		seen int    // connections on which host keys were compared
		log  string // of the path check; "" if there was none
		want time.Duration
	}{
		{0, "", 0},
		{0, "the server logs one connection", time.Second},
		{3, "", 3 * time.Second},
		{3, "the server logs one connection", 4 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &login{seen: tt.seen}
			began := time.Now()
			if tt.log != "" {
				l.pardon = func() { helper.AwaitPardon(tt.log, began) }
			}
			if l.awaitPardon(); time.Since(began) != tt.want {
				t.Errorf("%d host keys, path %q: waited %v, want %v", tt.seen, tt.log, time.Since(began), tt.want)
			}
		})
	}
}

// The flag needs the name that ssh looks up, and its file.
func TestCheckHostKeyFlag(t *testing.T) {
	box, file := "box", "known"
	const own = "userknownhostsfile /x/known /x/known2\n"
	for _, tt := range []struct {
		config  string
		options helper.Options
		want    []string // remedies
	}{
		{own, helper.Options{}, nil},
		{"", helper.Options{HostKey: &box}, nil},
		{"userknownhostsfile " + hostkey.Files()[0] + " /x/known\n", helper.Options{HostKey: &box}, nil},
		{"userknownhostsfile /dev/null\n", helper.Options{HostKey: &box}, nil},
		{own, helper.Options{HostKey: &box, KnownHosts: &file}, nil},
		{own, helper.Options{HostKey: &box}, []string{"Host box\n    ProxyCommand fdrace --known-hosts /x/known --host-key box -- %h %p"}},
		{"hostkeyalias other\n", helper.Options{HostKey: &box}, []string{"write --host-key %k"}},
	} {
		command := "fdrace --host-key box -- %h %p"
		words, _ := splitWords(command)
		l := &login{host: "box", config: parseConfig("hostname box\n" + tt.config), command: command, words: words, options: tt.options}
		var got []string
		for _, f := range l.checkHostKeyFlag() {
			got = append(got, f.Remedy)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.config, got, tt.want)
		}
	}
}
