package term

import (
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestSanitize(t *testing.T) {
	long := strings.Repeat("x", MaxForeign)
	for text, want := range map[string]string{
		"":                               "",
		"box.example.org":                "box.example.org",
		"bücher.example":                 "bücher.example",
		"a\x1b[2Jb":                      "a?[2Jb",
		"one\ntwo\r\n":                   "one?two??",
		"tab\tdel\x7f":                   "tab?del?",
		"c1 \u009b31m":                   "c1 ?31m",
		"bidi \u202e\u2066 \u200f":       "bidi ?? ?",
		"lines \u2028\u2029":             "lines ??",
		"not UTF-8 \xff\xc3":             "not UTF-8 ??",
		"a replacement \ufffd":           "a replacement ?",
		long:                             long,
		long + "y":                       long[:MaxForeign-3] + "...",
		long[:MaxForeign-4] + "é" + long: long[:MaxForeign-4] + "...",
	} {
		if got := Sanitize(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzSanitize(f *testing.F) {
	f.Add("box\x1b]0;title\a\u009b\u202e\xff")
	f.Add(strings.Repeat("é\n", 200))
	f.Fuzz(func(t *testing.T, text string) {
		got := Sanitize(text)
		if len(got) > MaxForeign {
			t.Errorf("%q: %d bytes", text, len(got))
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q: not UTF-8: %q", text, got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) {
				t.Errorf("%q: has %q", text, r)
			}
		}
		if again := Sanitize(got); again != got {
			t.Errorf("%q: %q, and then %q", text, got, again)
		}
		if got := ASCII(text); strings.Trim(got, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") != "" {
			t.Errorf("%q is not ASCII", got)
		}
	})
}

// Of decides by the environment; a file is no terminal.
func TestOf(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, tt := range []struct {
		env  string
		want Screen
	}{
		{"", Screen{Width: 80, ASCII: true}},
		{"COLUMNS=132 LANG=en_US.UTF-8", Screen{Width: 132}},
		{"COLUMNS=-1 LC_ALL=C LANG=en_US.UTF-8", Screen{Width: 80, ASCII: true}},
		{"CLICOLOR_FORCE=1 LC_CTYPE=C.utf8", Screen{Width: 80, Color: true}},
		{"CLICOLOR_FORCE=0 LANG=C", Screen{Width: 80, ASCII: true}},
		{"CLICOLOR_FORCE=1 NO_COLOR=1 LANG=C", Screen{Width: 80, ASCII: true}},
		{"CLICOLOR_FORCE=1 TERM=dumb LANG=C", Screen{Width: 80, ASCII: true, Color: true}},
	} {
		for _, name := range []string{"COLUMNS", "NO_COLOR", "CLICOLOR_FORCE", "TERM", "LC_ALL", "LC_CTYPE", "LANG"} {
			t.Setenv(name, "")
		}
		for v := range strings.FieldsSeq(tt.env) {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		if got := Of(int(f.Fd())); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.env, got, tt.want)
		}
	}
	if n := Columns(int(f.Fd())); n != 0 {
		t.Errorf("a file has %d columns", n)
	}
}

func TestPaint(t *testing.T) {
	color := Screen{Color: true}
	if got := color.Paint(Red, "x"); got != "\x1b[31mx\x1b[m" {
		t.Errorf("%q", got)
	}
	for _, got := range []string{color.Paint(Plain, "x"), Screen{}.Paint(Red, "x")} {
		if got != "x" {
			t.Errorf("%q", got)
		}
	}
}
