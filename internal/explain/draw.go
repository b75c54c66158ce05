//go:build unix

package explain

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"fdrace/internal/engine"
	"fdrace/internal/term"
)

// A canvas is the screen that a report is drawn on.
type canvas struct{ term.Screen }

// The glyphs of a time line.
type glyphs struct{ waits, tries, late, good, bad, on, win string }

func (p canvas) glyphs() glyphs {
	if p.ASCII {
		return glyphs{waits: ".", tries: "=", late: "-", good: "+", bad: "x", on: ">", win: "|"}
	}
	return glyphs{waits: "·", tries: "━", late: "╌", good: "✓", bad: "✗", on: "▸", win: "┊"}
}

// boldGreen is the color of the winner.
const boldGreen = term.Bold + ";" + term.Green

// A line is an entry as it is drawn: a row of the table.
type line struct {
	*entry
	name, via, by, what, ms string
	color                   string
	head                    bool // the name is of a target that has entries of its own
}

// draw returns the report as a table. Each row has a time line beside it or, if there is no
// room, below it.
func (t *report) draw(p canvas) string {
	lines := t.lines()
	var b strings.Builder
	fmt.Fprintln(&b, p.Paint(term.Bold, term.Printable(t.verdict)))
	if len(lines) > 0 {
		fmt.Fprintln(&b)
		s := t.table(&b, p, lines)
		for legend := range strings.SplitSeq(p.legend(lines, s), "\n") {
			fmt.Fprintln(&b, p.Paint(term.Faint, legend))
		}
	}
	if t.hint != "" {
		fmt.Fprintln(&b, "hint: "+term.Printable(t.hint))
	}
	if t.log != "" {
		fmt.Fprintln(&b, t.log)
	}
	return b.String()
}

// A layout has the widths of the columns of a table.
type layout struct {
	name, via, by, what, ms int
	bar                     int  // the column where the time line begins
	beside                  bool // the time line is beside the row, and not below it
}

// minBar is the minimum width of a time line beside its row, in columns.
const minBar = 16

// layout finds room for the time lines beside the rows: a long reason may be cut, and is
// then printed in full below the table; and a long name may have a line of its own.
func (p canvas) layout(lines []line) (l layout) {
	longest := 0
	for _, line := range lines {
		longest = max(longest, columns(line.what))
	}
	if l = p.widths(lines, longest); longest <= 60 && l.beside && p.Width-1-l.bar >= 2*minBar {
		return l
	}
	for _, reason := range []int{34, 20} {
		if l = p.widths(lines, reason); l.beside {
			return l
		}
	}
	l.bar = 4
	return l
}

// widths returns the layout in which reasons have at most that many columns.
func (p canvas) widths(lines []line, reason int) layout {
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
	room := p.Width - 1 - rest - minBar // for names
	if heads <= room || l.name > room {
		l.name = max(l.name, min(heads, max(50, p.Width/2))) // 50 are enough for an address
	}
	l.bar, l.beside = rest+l.name, l.name <= room
	l.what = max(1, min(l.what, p.Width-1-(l.bar-2-l.what)))
	return l
}

// row returns a row of the table with these cells.
func (l layout) row(mark, name, via, by, what, ms string) string {
	return strings.TrimRight(fmt.Sprintf("%s %s %s%s  %s %s", mark, pad(name, l.name), pad(via, l.via), pad(by, l.by), pad(what, l.what), padLeft(ms, l.ms)), " ")
}

// with returns a row, painted, with its time line. text is the row without color.
func (l layout) with(text, painted, bar string) string {
	switch {
	case bar == "":
		return painted
	case l.beside:
		return painted + strings.Repeat(" ", l.bar-columns(text)) + bar
	}
	return painted + "\n" + strings.Repeat(" ", l.bar) + bar
}

// table draws the lines, and returns the scale of their time lines.
func (t *report) table(b *strings.Builder, p canvas, lines []line) scale {
	l := p.layout(lines)
	s := t.scale(lines, max(minBar, p.Width-1-l.bar))
	head := l.row(" ", "target", "", "by", "what happened", "ms")
	for line := range strings.SplitSeq(l.with(head, head, s.axis()), "\n") {
		fmt.Fprintln(b, p.Paint(term.Faint, line))
	}
	for _, line := range lines {
		mark, name := " ", line.name
		if line.end == engine.Won && !line.isLookup() {
			mark = p.glyphs().good
		}
		if line.head && columns(name) > l.name && l.beside {
			fmt.Fprintln(b, p.Paint(line.color, "  "+cut(name, p.Width-3, p)))
			name = ""
		}
		text := l.row(mark, cut(name, l.name, p), line.via, line.by, cut(line.what, l.what, p), line.ms)
		fmt.Fprintln(b, l.with(text, p.Paint(line.color, text), s.bar(line, p)))
	}
	fmt.Fprintln(b)
	told := map[string]bool{}
	for _, line := range lines {
		if columns(line.what) > l.what && !told[line.what] {
			told[line.what] = true
			fmt.Fprintln(b, "  "+p.dots()+" "+line.what)
		}
	}
	return s
}

// lines returns the rows of the table, target by target: its lookups, its candidates, and
// references to those that are listed under another target.
func (t *report) lines() (lines []line) {
	for _, target := range t.targets {
		first := len(lines)
		for _, r := range t.entries {
			if r.target == target && r.isLookup() {
				lines = append(lines, r.asLine(""))
			}
		}
		if len(lines) > first {
			lines[first].name, lines[first].head = term.Printable(target.String()), true
		}
		named := len(lines) > first
		for _, r := range t.entries {
			if r.target == target && !r.isLookup() {
				lines = append(lines, r.asLine(indented(term.Printable(r.addr.String()), named)))
			}
		}
		for _, r := range t.shared(target) {
			lines = append(lines, line{entry: &entry{ended: -1}, name: indented(term.Printable(r.addr.String()), named),
				what: "see " + term.Printable(r.target.Host), color: term.Faint})
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

// shared returns the candidates of target that are listed under another target.
func (t *report) shared(target engine.Target) (entries []*entry) {
	leads := map[netip.AddrPort]bool{}
	if a, err := netip.ParseAddr(target.Host); err == nil {
		leads[netip.AddrPortFrom(a.Unmap(), target.Port)] = true
	}
	for _, r := range t.entries {
		for _, a := range r.answer {
			if r.target == target {
				leads[netip.AddrPortFrom(a, target.Port)] = true
			}
		}
	}
	for _, r := range t.entries {
		if r.target == target {
			delete(leads, r.addr.AddrPort)
		}
	}
	for _, r := range t.entries {
		if leads[r.addr.AddrPort] && !r.isLookup() {
			delete(leads, r.addr.AddrPort)
			entries = append(entries, r)
		}
	}
	return entries
}

func (r *entry) asLine(name string) line {
	l := line{entry: r, name: name, via: r.via, by: r.protocol(), what: term.Printable(r.what())}
	if r.ended >= 0 {
		l.ms = fmt.Sprintf("%.1f", float64(r.ended)/float64(time.Millisecond))
	}
	switch {
	case r.end == engine.Won:
		l.color = boldGreen
	case r.late || r.isLookup() && r.err == nil:
		l.color = term.Faint
	}
	return l
}

func columns(text string) int { return utf8.RuneCountInString(text) }

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-columns(text)))
}

func padLeft(text string, width int) string {
	return strings.Repeat(" ", max(0, width-columns(text))) + text
}

// cut shortens text to width columns.
func cut(text string, width int, p canvas) string {
	if columns(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + p.dots()
}

// dots returns the character that stands for the part that was cut off.
func (p canvas) dots() string {
	if p.ASCII {
		return "~"
	}
	return "…"
}
