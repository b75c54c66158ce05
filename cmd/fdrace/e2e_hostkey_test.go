//go:build linux

package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
)

// hostKeyVerbs are those of the stories in which the wrong machine answers.
//
//	stranger ADDR:PORT...  starts an sshd of the far host that has another host
//	                       key, and lets the same user in
func hostKeyVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"stranger": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) == 0 {
				ts.Fatalf("usage: stranger ADDR:PORT...")
			}
			ts.Check(ts.Value(stateKey{}).(*state).stranger(ts, args))
		},
	}
}

func (s *state) stranger(ts *testscript.TestScript, args []string) error {
	var at []netip.AddrPort
	for _, arg := range args {
		a, err := netip.ParseAddrPort(arg)
		if err != nil {
			return err
		}
		at = append(at, a)
		if err := lab.FarHost(ts).Address(a.Addr()); err != nil {
			return err
		}
	}
	dir := filepath.Join(s.env.WorkDir, "stranger")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	d, err := lab.StartSSHD(lab.FarHost(ts), dir, false, at...)
	if err != nil {
		return err
	}
	s.sshds = append(s.sshds, d)
	ours, err := os.ReadFile(filepath.Join(s.env.WorkDir, "authorized_keys"))
	return errors.Join(err, os.WriteFile(filepath.Join(dir, "authorized_keys"), ours, 0o644))
}
