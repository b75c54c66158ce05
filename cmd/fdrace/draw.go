package main

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fdrace/race"

	"golang.org/x/sys/unix"
)

// A paper is what a tale is drawn on.
type paper struct {
	width int // columns
	color bool
	ascii bool // has no other characters
}

// paperOf finds out what f can show: COLUMNS goes before the width of the
// terminal, and 80 is that of what is none. NO_COLOR is as no-color.org has it.
func paperOf(f *os.File) paper {
	p := paper{width: 80}
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
		term := os.Getenv("TERM")
		p.color = os.Getenv("NO_COLOR") == "" && term != "" && term != "dumb"
		if size.Col > 0 {
			p.width = int(size.Col)
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		p.width = n
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(os.Getenv(name)); locale != "" {
			p.ascii = !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
			return p
		}
	}
	p.ascii = true // POSIX
	return p
}

// The strokes of a time line.
type strokes struct{ waits, tries, late, good, bad, on, win string }

func (p paper) strokes() strokes {
	if p.ascii {
		return strokes{waits: ".", tries: "=", late: "-", good: "+", bad: "x", on: ">", win: "|"}
	}
	return strokes{waits: "·", tries: "━", late: "╌", good: "✓", bad: "✗", on: "▸", win: "┊"}
}

// What is of which colour.
const (
	plain = ""
	bold  = "1"
	faint = "2"
	red   = "31"
	green = "1;32"
)

func (p paper) paint(color, text string) string {
	if !p.color || color == plain || strings.TrimSpace(text) == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[m"
}

// A line is a row as it is drawn.
type line struct {
	*row
	name, via, by, what, ms string
	color                   string
}

// draw returns the tale as a table, each row with a time line beside it, or
// where that leaves no room for one, below it.
func (t *tale) draw(p paper) string {
	lines := t.lines()
	var b strings.Builder
	fmt.Fprintln(&b, p.paint(bold, t.verdict))
	if len(lines) > 0 {
		fmt.Fprintln(&b)
		t.table(&b, p, lines)
		fmt.Fprintln(&b)
		for legend := range strings.SplitSeq(p.legend(lines), "\n") {
			fmt.Fprintln(&b, p.paint(faint, legend))
		}
	}
	if t.hint != "" {
		fmt.Fprintln(&b, "hint: "+t.hint)
	}
	return b.String()
}

// minBar is the least width of a time line beside its row.
const minBar = 20

func (t *tale) table(b *strings.Builder, p paper, lines []line) {
	name, via, by, what, ms := len("target"), 0, len("by"), len("what happened"), len("ms")
	for _, l := range lines {
		name = max(name, columns(l.name))
		via = max(via, columns(l.via))
		by = max(by, columns(l.by))
		what = max(what, columns(l.what))
		ms = max(ms, columns(l.ms))
	}
	name = min(name, max(50, p.width/2)) // what an address takes, and a name need not
	if via > 0 {
		via++
	}
	text := 2 + name + 1 + via + by + 2 + what + 1 + ms
	beside := p.width-1-text-2 >= minBar
	indent := text + 2
	if !beside {
		what = max(1, min(what, p.width-1-(text-what)))
		indent = 4
	}
	s := t.scale(lines, max(minBar, p.width-1-indent))

	head := fmt.Sprintf("  %s %s%s  %s %s", pad("target", name), pad("", via), pad("by", by), pad("what happened", what), padLeft("ms", ms))
	if beside {
		head = pad(head, indent) + s.axis()
	} else {
		head += "\n" + strings.Repeat(" ", indent) + s.axis()
	}
	fmt.Fprintln(b, p.paint(faint, strings.TrimRight(head, " ")))
	for _, l := range lines {
		mark := "  "
		if l.end == race.Won && !l.isLookup() {
			mark = p.strokes().good + " "
		}
		text := fmt.Sprintf("%s%s %s%s  %s %s", mark, pad(cut(l.name, name, p), name), pad(l.via, via), pad(l.by, by), pad(cut(l.what, what, p), what), padLeft(l.ms, ms))
		bar := s.bar(l, p)
		if strings.TrimSpace(text) != "" {
			fmt.Fprint(b, p.paint(l.color, strings.TrimRight(text, " ")))
		}
		switch {
		case bar == "":
		case beside:
			fmt.Fprint(b, strings.Repeat(" ", indent-columns(strings.TrimRight(text, " "))), bar)
		default:
			fmt.Fprint(b, "\n", strings.Repeat(" ", indent), bar)
		}
		fmt.Fprintln(b)
	}
}

// lines puts the rows in order: target by target, each with its lookups and
// then its candidates, and those that another target has led to first.
func (t *tale) lines() (lines []line) {
	for _, target := range t.targets {
		first := len(lines)
		_, err := netip.ParseAddr(target.Host)
		literal := err == nil
		for _, r := range t.rows {
			if r.target == target && r.isLookup() {
				lines = append(lines, r.line(""))
			}
		}
		if len(lines) > first {
			lines[first].name = clean(target.String())
		}
		named := len(lines) > first
		for _, r := range t.rows {
			if r.target == target && !r.isLookup() {
				lines = append(lines, r.line(indented(clean(r.addr.String()), named)))
			}
		}
		for _, r := range t.shared(target, literal) {
			lines = append(lines, line{row: &row{ended: -1}, name: indented(clean(r.addr.String()), named),
				what: "see " + clean(r.target.Host), color: faint})
		}
	}
	return lines
}

func indented(name string, in bool) string {
	if in {
		return "  " + name
	}
	return name
}

// shared returns what target leads to and another one has led to first.
func (t *tale) shared(target race.Target, literal bool) (rows []*row) {
	leads := map[netip.AddrPort]bool{}
	if a, err := netip.ParseAddr(target.Host); err == nil {
		leads[netip.AddrPortFrom(a.Unmap(), target.Port)] = true
	}
	for _, r := range t.rows {
		for _, a := range r.answer {
			if r.target == target {
				leads[netip.AddrPortFrom(a, target.Port)] = true
			}
		}
	}
	for _, r := range t.rows {
		if r.target == target {
			delete(leads, r.addr.AddrPort)
		}
	}
	for _, r := range t.rows {
		if leads[r.addr.AddrPort] && !r.isLookup() {
			delete(leads, r.addr.AddrPort)
			rows = append(rows, r)
		}
	}
	return rows
}

func (r *row) line(name string) line {
	l := line{row: r, name: name, via: r.via, by: r.protocol(), what: clean(r.what())}
	if r.ended >= 0 {
		l.ms = fmt.Sprintf("%.1f", float64(r.ended)/float64(time.Millisecond))
	}
	switch {
	case r.end == race.Won:
		l.color = green
	case r.late || r.isLookup() && r.err == nil:
		l.color = faint
	}
	return l
}

// clean puts a ? where a terminal might make something else of foreign text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
}

func columns(text string) int { return utf8.RuneCountInString(text) }

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-columns(text)))
}

func padLeft(text string, width int) string {
	return strings.Repeat(" ", max(0, width-columns(text))) + text
}

// cut makes text fit into width.
func cut(text string, width int, p paper) string {
	if columns(text) <= width {
		return text
	}
	dots := "…"
	if p.ascii {
		dots = "~"
	}
	return string([]rune(text)[:width-1]) + dots
}
