//go:build linux

package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"fdrace/internal/lab"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// pictureVerbs are those of the story of the README's picture.
//
//	picture PROG ARG...    runs PROG on a terminal in color, and prints what
//	                       is then to be seen there, the command line first.
//	                       "make picture" gets it in the file $PICTURE.
func pictureVerbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"picture": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) == 0 {
				ts.Fatalf("usage: picture PROG ARG...")
			}
			ts.Check(ts.Value(stateKey{}).(*state).picture(ts, args))
		},
	}
}

func (s *state) picture(ts *testscript.TestScript, args []string) error {
	// Without the status line, which is gone in the end.
	cmd := exec.Command("sh", append([]string{"-c", `exec "$0" "$@" 2>/dev/null`}, args...)...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(s.env.Vars, "TERM=xterm", "LC_ALL=C.UTF-8")
	start := time.Now()
	keys, err := openTerminal(cmd, 100)
	if err != nil {
		return err
	}
	defer keys.Close()
	defer func() { lab.Timed(ts, start) }()
	drawn, err := io.ReadAll(keys)
	if !errors.Is(err, unix.EIO) { // which says that nobody has the terminal open any more
		return fmt.Errorf("read the terminal: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	shown := "$ " + strings.Join(args, " ") + "\n" + strings.ReplaceAll(string(drawn), "\r\n", "\n")
	fmt.Fprint(ts.Stdout(), shown)
	if file := os.Getenv("PICTURE"); file != "" {
		return os.WriteFile(file, []byte(shown), 0o644)
	}
	return sameAsPicture(shown)
}

// sameAsPicture returns an error if the README's picture has other words than shown.
// Times, and with them the bars, are never the same.
func sameAsPicture(shown string) error {
	svg, err := os.ReadFile("../../testdata/explain.svg")
	if err != nil {
		return err
	}
	var drawn strings.Builder
	for _, m := range regexp.MustCompile(`(?s)<text[^>]*>(.*?)</text>`).FindAllSubmatch(svg, -1) {
		line := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(string(m[1]), "")
		drawn.WriteString(html.UnescapeString(line) + "\n")
	}
	words := func(text string) []string {
		text = colors.ReplaceAllString(text, "")
		text = regexp.MustCompile(`[·╌━✓✗▸┊]+`).ReplaceAllString(text, " ")
		text = regexp.MustCompile(`\d+\.\d\b`).ReplaceAllString(text, "N")
		text = regexp.MustCompile(`\d of \d tried`).ReplaceAllString(text, "N tried")
		text = regexp.MustCompile(`(?m)0 ms .*$`).ReplaceAllString(text, "0 ms") // the scale
		return strings.Fields(text)
	}
	if got, want := words(shown), words(drawn.String()); !slices.Equal(got, want) {
		return fmt.Errorf("run \"make picture\": testdata/explain.svg has %q, and not %q", want, got)
	}
	return nil
}
