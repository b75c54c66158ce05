package rawsys

import (
	"syscall"
	"unsafe"

	"fdrace/internal/stub"

	"golang.org/x/sys/unix"
)

// Where names are looked up. Each path ends with a NUL byte. Only tests change these.
var (
	HostsPath         = "/etc/hosts\x00"
	ResolvPath        = "/etc/resolv.conf\x00"
	GaiPath           = "/etc/gai.conf\x00"
	DNSPort    uint16 = 53
)

// BufferSize is enough for a message over UDP, for resolv.conf and for gai.conf, of
// which only the beginning counts beyond that.
const BufferSize = 64 << 10

// open opens a file for reading. O_NONBLOCK prevents it from waiting if path is a FIFO,
// which then has nothing to read.
func open(path string) (fd int, e syscall.Errno) {
	const atCWD = ^uintptr(99) // AT_FDCWD, -100
	r, _, e := syscall.RawSyscall6(unix.SYS_OPENAT, atCWD, uintptr(unsafe.Pointer(unsafe.StringData(path))), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0, 0, 0)
	if e != 0 {
		return -1, e
	}
	return int(r), 0
}

// readFile reads the beginning of a file into b. A file that cannot be read is empty;
// e is set only if no descriptor was left.
func readFile(path string, b []byte) (text string, e syscall.Errno) {
	fd, e := open(path)
	if e != 0 {
		if NoDescriptor(e) {
			return "", e
		}
		return "", 0
	}
	n := 0
	for n < len(b) {
		m, e := Read(fd, stub.Cut(b, n, len(b)))
		if m <= 0 && e != unix.EINTR {
			break
		}
		n += m
	}
	Close(fd)
	return stub.Text(stub.Cut(b, 0, n)), 0
}

// ReadConfig reads resolv.conf(5) into c, which points into b from then on. From the
// environment come localdomain (LOCALDOMAIN) and options (RES_OPTIONS). It fails only
// if no descriptor is left: then a search list may be missing, which could lead to
// another machine.
func ReadConfig(c *stub.Config, b []byte, localdomain, options string) (e syscall.Errno) {
	var host unix.Utsname
	syscall.RawSyscall(unix.SYS_UNAME, uintptr(unsafe.Pointer(&host)), 0, 0)
	length := 0
	for length < len(host.Nodename) && host.Nodename[length] != 0 {
		length++
	}
	length = copy(b, stub.Cut(host.Nodename[:], 0, length))
	hostname := stub.Text(stub.Cut(b, 0, length))
	text, e := readFile(ResolvPath, stub.Cut(b, length, len(b)))
	if e != 0 {
		return e
	}
	c.Parse(text, localdomain, options, hostname)
	if c.Rotate {
		c.RotateBy(int(Random() >> 1))
	}
	return 0
}

// ReadPolicy reads gai.conf(5) into p. It uses b meanwhile.
func ReadPolicy(p *stub.Policy, b []byte) {
	text, _ := readFile(GaiPath, b)
	p.Parse(text)
}

// A HostsFile reads the addresses of one name from hosts(5).
type HostsFile struct {
	stub.Hosts // Addr is the address that Next found

	fd  int
	b   []byte
	in  []byte // in b, not yet scanned
	end bool
}

var newline = [1]byte{'\n'}

// Open starts to look for name and uses b until Close. A file that cannot be read has
// no addresses: Open fails only if no descriptor is left.
func (f *HostsFile) Open(name string, b []byte) (e syscall.Errno) {
	f.fd, e = open(HostsPath)
	f.b, f.in, f.end = b, nil, e != 0
	f.Init(name)
	if NoDescriptor(e) {
		return e
	}
	return 0
}

// Next reports whether there is another address.
func (f *HostsFile) Next() bool {
	for {
		for len(f.in) > 0 {
			n, found := f.Scan(f.in)
			if f.in = stub.Cut(f.in, n, len(f.in)); found {
				return true
			}
		}
		if f.end {
			return false
		}
		n, e := Read(f.fd, f.b)
		if e == unix.EINTR {
			continue
		}
		f.in = stub.Cut(f.b, 0, n)
		if f.end = len(f.in) == 0; f.end {
			f.in = newline[:] // which the last line may lack
		}
	}
}

// Close closes the file.
func (f *HostsFile) Close() {
	if f.fd >= 0 {
		Close(f.fd)
	}
}
