package resolve

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"fdrace/internal/term"
)

// A daemon is a fake one on a Unix socket. It reads a request up to the byte end,
// writes what reply returns, and closes the connection. If reply is nil it reads on
// until the client closes.
type daemon struct {
	end   byte
	reply func(request string) string
}

// listen returns the path of the socket.
func (d daemon) listen(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	d.serve(t, l)
	return path
}

func (d daemon) serve(t *testing.T, l net.Listener) {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				request, err := r.ReadString(d.end)
				if err != nil {
					return
				}
				if d.reply != nil {
					io.WriteString(conn, d.reply(strings.TrimSuffix(request, string(d.end))))
					return
				}
				r.ReadByte() // until the other end closes
			}()
		}
	}()
}

// says returns a daemon that replies so to every request that ends in end.
func says(end byte, reply string) daemon {
	return daemon{end, func(string) string { return reply }}
}

// absent is the path of a daemon that does not run.
func absent(t *testing.T) string { return filepath.Join(t.TempDir(), "absent") }

const junkSize = 480_000 // bytes

func TestAskDaemon(t *testing.T) {
	junk := strings.Repeat("junk", junkSize/4)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(t.TempDir(), "stale")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for _, c := range []struct {
		name string
		daemon
		path string // if no daemon listens
		want string // the reply
		err  error
	}{
		{name: "reply", daemon: says('\n', "yes\n"), want: "yes"},
		{name: "empty reply", daemon: says('\n', "\n")},
		{name: "more than a reply", daemon: says('\n', "yes\nno\n"), want: "yes"},
		{name: "more than is read behind a reply", daemon: says('\n', "yes\n"+junk), want: "yes"},
		{name: "longest reply", daemon: says('\n', junk[:maxReply-1]+"\n"), want: junk[:maxReply-1]},
		{name: "a byte longer", daemon: says('\n', junk[:maxReply]+"\n"), err: errMalformed},
		{name: "junk without an end", daemon: says('\n', junk), err: errMalformed},
		{name: "half a reply", daemon: says('\n', "ye"), err: io.ErrUnexpectedEOF},
		{name: "no reply", daemon: says('\n', ""), err: io.ErrUnexpectedEOF},
		{name: "socket without a daemon", path: stale, err: errNotRunning},
		{name: "no socket", path: filepath.Join(file, "..", "absent"), err: errNotRunning},
		{name: "path that cannot be", path: filepath.Join(file, "socket"), err: syscall.ENOTDIR},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			if c.path == "" {
				c.path = c.listen(t)
			}
			reply, err := askDaemon(context.Background(), c.path, "question\n", '\n')
			if string(reply) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%.100q, %v; want %.100q, %v", reply, err, c.want, c.err)
			}
			if err != nil && len(err.Error()) > 2*term.MaxForeign {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// Of a daemon that has not replied in full, the error is that of the context.
func TestAskDaemonIsCanceled(t *testing.T) {
	for name, begin := range map[string]string{"silent": "", "half a reply": "+ 2 1"} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ctx, cancel := context.WithCancel(context.Background())
			served := make(chan string)
			go func() {
				defer close(served)
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				request, _ := bufio.NewReader(conn).ReadString('\n')
				io.WriteString(conn, begin)
				cancel()
				conn.Read(make([]byte, 1)) // until the client closes
				served <- request
			}()
			reply, err := askDaemon(ctx, l.Addr().String(), "question\n", '\n')
			if !errors.Is(err, context.Canceled) || reply != nil {
				t.Errorf("%q, %v", reply, err)
			}
			if request := <-served; request != "question\n" {
				t.Errorf("it was asked %q", request)
			}
			if _, err := askDaemon(ctx, l.Addr().String(), "question\n", '\n'); !errors.Is(err, context.Canceled) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

func TestParseVarlink(t *testing.T) {
	type reply struct{ Name string }
	for in, want := range map[string]string{
		`{"parameters":{"name":"box"}}`:                  "box",
		`{"parameters":{"name":"box","x":[1]},"more":1}`: "box",
		`{"parameters":null}`:                            "",
		`{}`:                                             "",
		`{"error":"org.varlink.service.PermissionDenied"}`: "error PermissionDenied",
		`{"error":"a.","parameters":{"name":"box"}}`:       "error a",
		`{"error":"` + strings.Repeat("x", 300) + `"}`:     "error " + strings.Repeat("x", term.MaxForeign-3) + "...",
		`{"error":"a.\u001b[31m\r\n"}`:                     "error ?[31m??",
		`{"error":1}`:                                      "malformed reply: json: cannot unmarshal number",
		`{"parameters":[]}`:                                "malformed reply: json: cannot unmarshal array",
		`{"parameters":{"name":1}`:                         "malformed reply: unexpected end",
		``:                                                 "malformed reply",
		`[]`:                                               "malformed reply",
		`{"parameters":{"name":` + strings.Repeat("9", 300): "malformed reply",
		`{"parameters":` + strings.Repeat("[", 1<<16):       "malformed reply",
	} {
		var r reply
		err := parseVarlink([]byte(in), &r)
		got := r.Name
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" || len(got) > term.MaxForeign+50 {
			t.Errorf("%.60s: %q, want %q", in, got, want)
		}
		if strings.HasPrefix(want, "malformed") != errors.Is(err, errMalformed) {
			t.Errorf("%.60s: errors.Is does not tell: %v", in, err)
		}
	}
}

// FuzzReplies passes the same bytes to the parsers of all daemons.
func FuzzReplies(f *testing.F) {
	f.Add([]byte(`{"parameters":{"addresses":[{"ifindex":2,"family":2,"address":[192,168,1,65]}]}}`))
	f.Add([]byte(`{"parameters":{"class":"vm","vSockCid":7}}`))
	f.Add([]byte(`{"parameters":{"class":"container","service":"systemd-nspawn"}}`))
	f.Add([]byte(`{"error":"io.systemd.Resolve.NoNameServers","parameters":{}}`))
	f.Add([]byte("+ 2 1 box.local 2001:db8:1::beef"))
	f.Add([]byte("+ -1 1 box.local fe80::1"))
	f.Add([]byte("-15 Timeout reached"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		bounded := func(err error) {
			// A quoted byte has up to four.
			if err != nil && (len(err.Error()) > 5*term.MaxForeign || !utf8.ValidString(err.Error()) && utf8.Valid(reply)) {
				t.Fatalf("%d bytes: %v", len(err.Error()), err)
			}
		}
		for network, is := range map[string]func(netip.Addr) bool{"ip4": netip.Addr.Is4, "ip6": netip.Addr.Is6} {
			var r resolvedReply
			err := parseVarlink(reply, &r)
			bounded(err)
			var addrs []netip.Addr
			if err == nil {
				addrs, err = r.addrs(network)
				if (err == nil) != (len(addrs) > 0) {
					t.Fatalf("resolved: %v, %v", addrs, err)
				}
			}
			more, err := parseAvahi(string(reply), network)
			bounded(err)
			if (err == nil) != (len(more) == 1) {
				t.Fatalf("avahi: %v, %v", more, err)
			}
			for _, a := range append(addrs, more...) {
				if !is(a) {
					t.Fatalf("%v for %s", a, network)
				}
			}
		}
		var m machineReply
		err := parseVarlink(reply, &m)
		bounded(err)
		if err == nil {
			s, err := m.socket("/run", "box")
			bounded(err)
			if err == nil && (s.Path == "") == (s.CID == 0 && m.VSockCID == nil) {
				t.Fatalf("%+v is %+v", m, s)
			}
		}
	})
}
