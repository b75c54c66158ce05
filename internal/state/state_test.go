//go:build unix

package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open1(t *testing.T, path string) *File {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestFind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fdrace", "state")
	s := open1(t, path)
	s.Add("hostkey", "a", "match")
	s.Add("hostkey", "a", "mismatch")
	s.Add("family", "a", "ipv6")
	s.Add("hostkey", "long", strings.Repeat("x", maxLine))
	other := open1(t, path)
	for _, tt := range []struct {
		kind, key string
		age       time.Duration
		want      string
	}{
		{"hostkey", "a", time.Minute, "mismatch"},
		{"family", "a", time.Minute, "ipv6"},
		{"hostkey", "b", time.Minute, ""},
		{"hostkey", "long", time.Minute, ""},
		{"hostkey", "a", -time.Minute, ""},
	} {
		if got, _, _ := other.Find(tt.kind, tt.key, tt.age); got != tt.want {
			t.Errorf("%s %s not older than %v: %q, want %q", tt.kind, tt.key, tt.age, got, tt.want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Garbage, the end of a line that was cut, and records of the future are skipped.
func TestGarbage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	future := record{"hostkey", "future", "match", time.Now().Add(time.Hour)}.line()
	garbage := "\x00\xff\n\nhostkey\nhostkey x a match\nhostkey 1 a match extra\n" + string(future) + "hostkey 99999999999999999999 a match\n" + "hostkey 1"
	if err := os.WriteFile(path, []byte(garbage), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open1(t, path)
	for _, key := range []string{"a", "future", "match"} {
		if got, _, ok := s.Find("hostkey", key, 100*365*24*time.Hour); ok {
			t.Errorf("%s: %q", key, got)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	path := func(name string, make func(path string) error) string {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, bad := range []string{
		path("fifo", func(path string) error { return unix.Mkfifo(path, 0o600) }),
		path("dir", func(path string) error { return os.Mkdir(path, 0o700) }),
		path("link", func(path string) error { return os.Symlink("good", path) }),
		filepath.Join(path("file", func(path string) error { return os.WriteFile(path, nil, 0o600) }), "below"),
	} {
		if s, err := Open(bad); err == nil {
			t.Errorf("%s is used", bad)
		} else if s.Add("hostkey", "a", "match"); !s.Lock("a") {
			t.Errorf("%s: what remembers nothing locks", bad)
		}
		s := open1(t, good)
		s.Close()
		if s, err := Open(bad, good); err != nil || s.f.Name() != good {
			t.Errorf("after %s: %v", bad, err)
		} else {
			s.Close()
		}
	}
	// What others could write to is not believed.
	open := path("open", func(path string) error {
		return errors.Join(os.WriteFile(path, record{"hostkey", "a", "match", time.Now()}.line(), 0o600), os.Chmod(path, 0o666))
	})
	s := open1(t, open)
	if got, _, ok := s.Find("hostkey", "a", time.Hour); ok {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(open); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// However much is written, the file stays small, and the last records are in it.
func TestShrink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	files := []*File{open1(t, path), open1(t, path)}
	var group sync.WaitGroup
	for i, s := range files {
		group.Go(func() {
			for n := range 3000 {
				s.Add("hostkey", fmt.Sprintf("key-%d-%d", i, n), "match")
			}
		})
	}
	group.Wait()
	s := open1(t, path)
	s.Add("hostkey", "last", "match")
	if got, _, _ := s.Find("hostkey", "last", time.Minute); got != "match" {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > maxRead {
		t.Errorf("%v, %v", info.Size(), err)
	}
	if left, _ := filepath.Glob(path + "-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Another user's file is not used.
func TestOpenTheirs(t *testing.T) {
	theirs := filepath.Join(t.TempDir(), "theirs")
	if err := os.WriteFile(theirs, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(theirs, 12345, 12345); err != nil {
		t.Skipf("%v; remedy: run as root, in a user namespace that has user 12345", err)
	}
	if _, err := Open(theirs); err == nil {
		t.Error("it is used")
	}
}
