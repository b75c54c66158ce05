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

	"fdrace/internal/engine"

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
	head                    bool // the name is of a target that has rows of its own
}

// draw returns the tale as a table, each row with a time line beside it, or
// where that leaves no room for one, below it.
func (t *tale) draw(p paper) string {
	lines := t.lines()
	var b strings.Builder
	fmt.Fprintln(&b, p.paint(bold, clean(t.verdict)))
	if len(lines) > 0 {
		fmt.Fprintln(&b)
		t.table(&b, p, lines)
		for legend := range strings.SplitSeq(p.legend(lines), "\n") {
			fmt.Fprintln(&b, p.paint(faint, legend))
		}
	}
	if t.hint != "" {
		fmt.Fprintln(&b, "hint: "+clean(t.hint))
	}
	if t.log != "" {
		fmt.Fprintln(&b, t.log)
	}
	return b.String()
}

// A layout is how wide the columns of a table are.
type layout struct {
	name, via, by, what, ms int
	bar                     int  // where the time line begins
	beside                  bool // and whether that is beside the row
}

// minBar is the least width of a time line beside its row.
const minBar = 16

// layout finds room for the time lines beside the rows: a long reason may be cut,
// which is told in full below, and a long name may have a line of its own.
func (p paper) layout(lines []line) (l layout) {
	for _, reason := range []int{34, 20} {
		if l = p.widths(lines, reason); l.beside {
			return l
		}
	}
	l.bar = 4
	return l
}

func (p paper) widths(lines []line, reason int) layout {
	l := layout{name: len("target"), by: len("by"), what: len("what happened"), ms: len("ms")}
	heads := 0
	for _, line := range lines {
		if line.head {
			heads = max(heads, columns(line.name))
		} else {
			l.name = max(l.name, columns(line.name))
		}
		l.via = max(l.via, columns(line.via))
		l.by = max(l.by, columns(line.by))
		l.what = max(l.what, min(columns(line.what), reason))
		l.ms = max(l.ms, columns(line.ms))
	}
	if l.via > 0 {
		l.via++
	}
	rest := 2 + 1 + l.via + l.by + 2 + l.what + 1 + l.ms + 2
	room := p.width - 1 - rest - minBar // for names
	if heads <= room || l.name > room {
		l.name = max(l.name, min(heads, max(50, p.width/2))) // no address needs more
	}
	l.bar, l.beside = rest+l.name, l.name <= room
	l.what = max(1, min(l.what, p.width-1-(l.bar-2-l.what)))
	return l
}

// row puts the words of a line into their columns.
func (l layout) row(mark, name, via, by, what, ms string) string {
	return strings.TrimRight(fmt.Sprintf("%s %s %s%s  %s %s", mark, pad(name, l.name), pad(via, l.via), pad(by, l.by), pad(what, l.what), padLeft(ms, l.ms)), " ")
}

// with adds a time line to a row.
func (l layout) with(text, painted, bar string) string {
	switch {
	case bar == "":
		return painted
	case l.beside:
		return painted + strings.Repeat(" ", l.bar-columns(text)) + bar
	}
	return painted + "\n" + strings.Repeat(" ", l.bar) + bar
}

func (t *tale) table(b *strings.Builder, p paper, lines []line) {
	l := p.layout(lines)
	s := t.scale(lines, max(minBar, p.width-1-l.bar))
	head := l.row(" ", "target", "", "by", "what happened", "ms")
	for line := range strings.SplitSeq(l.with(head, head, s.axis()), "\n") {
		fmt.Fprintln(b, p.paint(faint, line))
	}
	for _, line := range lines {
		mark, name := " ", line.name
		if line.end == engine.Won && !line.isLookup() {
			mark = p.strokes().good
		}
		if line.head && columns(name) > l.name && l.beside {
			fmt.Fprintln(b, p.paint(line.color, "  "+cut(name, p.width-3, p)))
			name = ""
		}
		text := l.row(mark, cut(name, l.name, p), line.via, line.by, cut(line.what, l.what, p), line.ms)
		fmt.Fprintln(b, l.with(text, p.paint(line.color, text), s.bar(line, p)))
	}
	fmt.Fprintln(b)
	told := map[string]bool{}
	for _, line := range lines {
		if columns(line.what) > l.what && !told[line.what] {
			told[line.what] = true
			fmt.Fprintln(b, "  "+p.dots()+" "+line.what)
		}
	}
}

// lines puts the rows in order: target by target, each with its lookups and
// then its candidates, and those that another target has led to first.
func (t *tale) lines() (lines []line) {
	for _, target := range t.targets {
		first := len(lines)
		for _, r := range t.rows {
			if r.target == target && r.isLookup() {
				lines = append(lines, r.line(""))
			}
		}
		if len(lines) > first {
			lines[first].name, lines[first].head = clean(target.String()), true
		}
		named := len(lines) > first
		for _, r := range t.rows {
			if r.target == target && !r.isLookup() {
				lines = append(lines, r.line(indented(clean(r.addr.String()), named)))
			}
		}
		for _, r := range t.shared(target) {
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
func (t *tale) shared(target engine.Target) (rows []*row) {
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
	case r.end == engine.Won:
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
	return string([]rune(text)[:width-1]) + p.dots()
}

// dots stand for what is cut off.
func (p paper) dots() string {
	if p.ascii {
		return "~"
	}
	return "…"
}
