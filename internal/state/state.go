//go:build unix

// Package state remembers for a while what one run of fdrace has found out, for the
// next. It is a memory and no more: a file that cannot be used is as good as an empty
// one, and nothing here waits for another process.
//
// A line of the file is a record: its kind, the time in Unix milliseconds, a key and a
// value. Kinds that this version does not know are kept.
package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxSize is how large the file may grow before old records are dropped, and
	// maxRead how much of it is read at most.
	maxSize = 32 << 10
	maxRead = 2 * maxSize

	// maxLine is the length of a record.
	maxLine = 512

	// keep is how old a record may be when others are dropped.
	keep = 24 * time.Hour
)

// A File is the open file. The zero value remembers nothing.
type File struct {
	f *os.File
}

// Paths returns where the file may be, the best place first: $XDG_RUNTIME_DIR, or
// else the user's cache directory.
func Paths() (paths []string) {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "fdrace", "state"))
	}
	if dir, err := os.UserCacheDir(); err == nil && filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "fdrace", "state"))
	}
	return paths
}

// Open opens the first of paths that can be used, and creates it if need be. Its error
// says why the last one cannot; the File is then one that remembers nothing.
func Open(paths ...string) (file *File, err error) {
	err = errors.New("no place for a state file")
	for _, path := range paths {
		var f *os.File
		if f, err = open(path); err == nil {
			return &File{f}, nil
		}
	}
	return &File{}, err
}

// open opens path if it is a regular file of this user alone. O_NONBLOCK is for what
// is none, such as a FIFO.
func open(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	var s unix.Stat_t
	switch err = unix.Fstat(fd, &s); {
	case err != nil:
	case s.Mode&unix.S_IFMT != unix.S_IFREG:
		err = errors.New("not a regular file")
	case int(s.Uid) != os.Geteuid():
		err = errors.New("owned by another user")
	case s.Mode&0o077 != 0: // others may have written what it says
		if err = f.Chmod(0o600); err == nil {
			err = f.Truncate(0)
		}
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return f, nil
}

// Close closes the file, and with it releases all locks.
func (s *File) Close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}

// A record is a line of the file.
type record struct {
	kind, key, value string
	at               time.Time
}

// parse reads a line. Whatever else is in the file is skipped.
func parse(line []byte) (r record, ok bool) {
	f := strings.Fields(string(line))
	if len(line) > maxLine || len(f) != 4 || line[len(line)-1] != '\n' {
		return r, false
	}
	ms, err := strconv.ParseInt(f[1], 10, 64)
	return record{f[0], f[2], f[3], time.UnixMilli(ms)}, err == nil
}

func (r record) line() []byte {
	return fmt.Appendf(nil, "%s %d %s %s\n", r.kind, r.at.UnixMilli(), r.key, r.value)
}

// Find returns the last record of kind and key that is at most maxAge old. One whose
// time is still to come was written before the clock was set.
func (s *File) Find(kind, key string, maxAge time.Duration) (value string, at time.Time, ok bool) {
	now := time.Now()
	for line := range bytes.Lines(s.read()) {
		r, valid := parse(line)
		if valid && r.kind == kind && r.key == key && now.Sub(r.at) <= maxAge && !r.at.After(now.Add(time.Second)) {
			value, at, ok = r.value, r.at, true
		}
	}
	return value, at, ok
}

func (s *File) read() []byte {
	if s.f == nil {
		return nil
	}
	b, _ := io.ReadAll(io.NewSectionReader(s.f, 0, maxRead)) // what cannot be read is not there
	return b
}

// Add adds a record. kind, key and value are words without spaces. One write adds the
// whole line, so that those of several processes do not mix.
func (s *File) Add(kind, key, value string) {
	line := record{kind, key, value, time.Now()}.line()
	if s.f == nil || len(line) > maxLine {
		return
	}
	if info, err := s.f.Stat(); err != nil || info.Size() > maxSize && s.shrink() != nil {
		return
	}
	_, _ = s.f.Write(line)
}

// shrink replaces the file by one with the records that are not old, half of maxSize at
// most. What another process adds meanwhile is lost.
func (s *File) shrink() error {
	var kept []byte
	now := time.Now()
	for line := range bytes.Lines(s.read()) {
		if r, ok := parse(line); ok && now.Sub(r.at) < keep && !r.at.After(now) {
			kept = append(kept, r.line()...)
		}
	}
	if over := len(kept) - maxSize/2; over > 0 {
		kept = kept[over:]
		kept = kept[bytes.IndexByte(kept, '\n')+1:]
	}
	path := s.f.Name()
	tmp, err := os.CreateTemp(filepath.Dir(path), "state-") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(kept)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return err
	}
	f, err := open(path)
	if err != nil {
		return err
	}
	s.f.Close()
	s.f = f
	return nil
}

// Lock makes this process the one that finds out about key, until Unlock or its end.
// It reports whether it is: not if another process is. Where the system cannot tell,
// it is.
func (s *File) Lock(key string) bool {
	err := s.lock(key, unix.F_WRLCK)
	return err != unix.EAGAIN && err != unix.EACCES
}

// Unlock lets others find out about key.
func (s *File) Unlock(key string) { _ = s.lock(key, unix.F_UNLCK) }

// lock locks a byte of the file that stands for key, beyond all that is written. POSIX
// locks leave nothing behind, and go with the process.
func (s *File) lock(key string, how int16) error {
	if s.f == nil {
		return unix.EBADF
	}
	h := fnv.New32a()
	io.WriteString(h, key)
	return unix.FcntlFlock(s.f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: how, Whence: io.SeekStart, Start: 1<<32 + int64(h.Sum32()), Len: 1})
}
