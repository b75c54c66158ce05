//go:build unix

// Package state keeps results of one run of fdrace for later runs. The file is a cache:
// if it cannot be used, later runs find the results again. Nothing here waits for another
// process.
//
// Each line of the file is a record: a kind, the time in Unix milliseconds, a key and a
// value. Records of unknown kinds are kept, for later versions.
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
	// maxSize is the size of the file, in bytes, above which Add drops old records. No
	// more than maxRead bytes are read.
	maxSize = 32 << 10
	maxRead = 2 * maxSize

	// maxLine bounds the length of a record, in bytes.
	maxLine = 512

	// maxAge is the age from which records are dropped then, whatever their kind.
	maxAge = 24 * time.Hour
)

// A File is an open state file. The zero value is empty, and ignores what is added.
type File struct {
	f *os.File
}

// Paths returns the possible paths of the file in order of preference: in
// $XDG_RUNTIME_DIR, then in the user's cache directory.
func Paths() (paths []string) {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "fdrace", "state"))
	}
	if dir, err := os.UserCacheDir(); err == nil && filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "fdrace", "state"))
	}
	return paths
}

// Open opens the first of paths that can be used, and creates the file if it does not
// exist. If none can be used, it returns an empty File and the error of the last one.
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

// open opens path if it is a regular file of this user. If others had access to it, open
// takes that away and empties the file. O_NONBLOCK prevents it from waiting if path is a
// FIFO.
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
	case s.Mode&0o077 != 0: // others may have written to it
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

// Close closes the file, and releases all locks.
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

// parse parses a line. ok is false if it is not a record.
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

// Find returns the value and the time of the last record of kind and key that is not older
// than limit. It skips records from the future, which were written before the clock was set
// back.
func (s *File) Find(kind, key string, limit time.Duration) (value string, at time.Time, ok bool) {
	now := time.Now()
	for line := range bytes.Lines(s.read()) {
		r, valid := parse(line)
		if valid && r.kind == kind && r.key == key && now.Sub(r.at) <= limit && !r.at.After(now.Add(time.Second)) {
			value, at, ok = r.value, r.at, true
		}
	}
	return value, at, ok
}

func (s *File) read() []byte {
	if s.f == nil {
		return nil
	}
	b, _ := io.ReadAll(io.NewSectionReader(s.f, 0, maxRead)) // an unreadable file is empty
	return b
}

// Add adds a record with the current time. kind, key and value must not contain white space.
// A record that is longer than 512 bytes, or that cannot be written, is dropped. The line is
// written in one call, so that lines of several processes do not mix.
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

// shrink replaces the file by one with the newest records, of maxSize/2 bytes at most. A
// record that another process adds at the same time is lost.
func (s *File) shrink() error {
	var kept []byte
	now := time.Now()
	for line := range bytes.Lines(s.read()) {
		if r, ok := parse(line); ok && now.Sub(r.at) < maxAge && !r.at.After(now) {
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

// Lock tries to lock key for this process, until Unlock, Close or the end of the process. It
// returns false if another process has locked key, and true if the system cannot lock.
func (s *File) Lock(key string) bool {
	err := s.lock(key, unix.F_WRLCK)
	return err != unix.EAGAIN && err != unix.EACCES
}

// Unlock unlocks key.
func (s *File) Unlock(key string) { _ = s.lock(key, unix.F_UNLCK) }

// lock locks or unlocks a byte of the file that stands for key, at an offset beyond its
// end. The kernel releases POSIX locks when the process ends.
func (s *File) lock(key string, how int16) error {
	if s.f == nil {
		return unix.EBADF
	}
	h := fnv.New32a()
	io.WriteString(h, key)
	return unix.FcntlFlock(s.f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: how, Whence: io.SeekStart, Start: 1<<32 + int64(h.Sum32()), Len: 1})
}
