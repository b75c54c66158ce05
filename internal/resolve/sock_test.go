package resolve

import (
	"strings"
	"testing"
)

func TestParseSocket(t *testing.T) {
	for word, want := range map[string]string{
		"unix:/run/ssh/socket": "unix:/run/ssh/socket",
		"unix/run/ssh/socket":  "unix:/run/ssh/socket",
		"unix//run/ssh/socket": "unix:/run/ssh/socket",
		"unix%run/ssh/socket":  "unix:/run/ssh/socket",
		"unix/./socket":        "unix:./socket",
		"unix:./socket":        "unix:./socket",
		"unix:/run/a b:22":     "unix:/run/a b:22",
		"unix/22":              "unix:/22",
		"vsock:3":              "vsock:3",
		"vsock:3:2222":         "vsock:3:2222",
		"vsock/4294967294":     "vsock:4294967294",
		"vsock%3":              "vsock:3",
		"vsock/3:22":           "vsock:3:22",
		"vsock:1":              "vsock:1",

		"vsock-mux/run/vm/s": "vsock-mux:/run/vm/s",
		"vsock-mux%run/vm/s": "vsock-mux:/run/vm/s",
		"vsock-mux:./s":      "vsock-mux:./s",
		".host":              "unix:/run/ssh-unix-local/socket",
		"machine/.host":      "unix:/run/ssh-unix-local/socket",
		"machine%.host":      "unix:/run/ssh-unix-local/socket",

		"vsock-mux:22": "",
		"x.host":       "",
		"":             "",
		"unix":         "",
		"vsock":        "",
		"unix:22":      "", // a host's port
		"unixbox:22":   "",
		"box:22":       "",
		"unix.org":     "",
		"fe80::1%eth":  "",

		"unix:":                                 "is written with its path, as in unix:/run/ssh/socket",
		"unix:run/socket":                       "is written with its path",
		"unix:/":                                "is written with its path",
		"unix/":                                 "is written with its path",
		"unix:/" + strings.Repeat("x", maxPath): "has at most 107 bytes, this has 108",
		"vsock-mux/":                            "is written with its path",
		"vsock:":                                "is written with the number of its machine, as in vsock:3",
		"vsock:box":                             "is written with the number",
		"vsock:-1":                              "is written with the number",
		"vsock:4294967295":                      "is written with the number",
		"vsock:3:":                              `vsock port "" is not a number`,
		"vsock:3:ssh":                           `vsock port "ssh" is not a number`,
		"vsock:3:0":                             `vsock port "0" is not a number`,
	} {
		s, is, err := ParseSocket(word)
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case is:
			got = s.String()
		}
		if is != (want != "") || err == nil && got != want || !strings.Contains(got, want) {
			t.Errorf("%q: %q, %v; want %q", word, got, is, want)
		}
	}
}

func FuzzParseSocket(f *testing.F) {
	f.Add("unix:/run/socket")
	f.Add("vsock:3:22")
	f.Add("vsock-mux/x")
	f.Fuzz(func(t *testing.T, word string) {
		s, is, err := ParseSocket(word)
		if !is || err != nil {
			return
		}
		if again, _, err := ParseSocket(s.String()); again != s || err != nil {
			t.Fatalf("%q is %v is %v, %v", word, s, again, err)
		}
	})
}
