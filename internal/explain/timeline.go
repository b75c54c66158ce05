//go:build unix

package explain

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/term"
)

// A scale is the axis of all time lines: cells for the times from 0 to end.
type scale struct {
	cells int
	end   time.Duration
	won   int // the cell of the win, or -1
}

// scale chooses the end of the axis. It includes everything that did not just end with the
// race, but no more than five times the time until the win, which would be too small to see.
func (t *report) scale(lines []line, cells int) scale {
	var end time.Duration
	for _, l := range lines {
		if l.end != engine.Cancelled || l.err == nil { // the others last until the end of the race
			end = max(end, l.ended)
		}
		end = max(end, l.began)
	}
	if t.won >= 0 {
		end = min(end, max(5*t.won, 50*time.Millisecond))
	} else if end == 0 {
		end = t.end
	}
	s := scale{cells: cells, end: max(end, 5*time.Millisecond) * 21 / 20, won: -1}
	if t.won >= 0 {
		s.won = s.cell(t.won)
	}
	return s
}

// cell returns the index of the cell for a time, which may be beyond the last cell.
func (s scale) cell(at time.Duration) int {
	return int(at * time.Duration(s.cells-1) / s.end)
}

// axis returns a line of round numbers, as many as there is room for.
func (s scale) axis() string {
	unit, name := time.Millisecond, "ms"
	if s.end >= 10*time.Second {
		unit, name = time.Second, "s"
	}
	const room = 7 // minimum number of cells from one number to the next
	step := 10 * time.Microsecond
	for i := 0; s.cell(step) < room; i++ {
		step = step * [...]time.Duration{2, 5, 2}[i%3] / [...]time.Duration{1, 2, 1}[i%3]
	}
	axis := ""
	for at := time.Duration(0); ; at += step {
		label := strconv.FormatFloat(float64(at)/float64(unit), 'f', -1, 64)
		if at == 0 {
			label += " " + name
		}
		if s.cell(at)+len(label) > s.cells {
			return axis
		}
		axis = pad(axis, s.cell(at)) + label
	}
}

// A cell of a time line is a glyph and its color.
type cell struct{ glyph, color string }

// bar draws one time line.
func (s scale) bar(l line, p canvas) string {
	if l.ended < 0 {
		return ""
	}
	cells := make([]cell, s.cells)
	glyphs := p.glyphs()
	if s.won >= 0 && s.won < s.cells {
		cells[s.won] = cell{glyphs.win, term.Faint}
	}
	draw := func(from, to time.Duration, c cell) {
		for i := s.cell(from); i <= min(s.cell(to), s.cells-1); i++ {
			cells[i] = c
		}
	}
	began := l.began
	if began < 0 {
		began = l.ended
	}
	if !l.waited() && !l.isLookup() {
		began = l.known // less than 1 ms before
	} else if !l.isLookup() {
		draw(l.known, began, cell{glyphs.waits, term.Faint})
	}
	if l.began >= 0 {
		c := cell{glyphs.tries, term.Plain}
		if l.late {
			c = cell{glyphs.late, term.Faint}
		}
		draw(began, l.ended, c)
	}
	if at := s.cell(l.ended); at >= s.cells {
		cells[s.cells-1].glyph = glyphs.on
	} else {
		cells[at] = l.mark(glyphs)
	}
	return render(cells, p)
}

// waited reports whether a candidate had to wait for its turn.
func (l line) waited() bool {
	return !l.isLookup() && l.began-l.known >= time.Millisecond || l.began < 0 && l.ended > l.known
}

// mark returns the last cell of a time line.
func (l line) mark(s glyphs) cell {
	switch {
	case l.end == engine.Won || l.end == engine.Resolved && l.err == nil:
		return cell{s.good, boldGreen}
	case l.end == engine.Cancelled && l.err == nil:
		return cell{s.good, term.Plain}
	}
	return cell{s.bad, term.Red}
}

// render returns the cells as text, painting adjacent cells of one color together.
func render(cells []cell, p canvas) string {
	var b strings.Builder
	for len(cells) > 0 {
		text, color := "", cells[0].color
		for len(cells) > 0 && cells[0].color == color {
			glyph := cells[0].glyph
			if glyph == "" {
				glyph = " "
			}
			text += glyph
			cells = cells[1:]
		}
		if len(cells) == 0 {
			text = strings.TrimRight(text, " ")
		}
		b.WriteString(p.Paint(color, text))
	}
	return b.String()
}

// legend explains the glyphs that are drawn.
func (p canvas) legend(lines []line, drawn scale) string {
	s := p.glyphs()
	late, waits, goesOn := false, false, false
	for _, l := range lines {
		late = late || l.late
		waits = waits || l.waited()
		goesOn = goesOn || l.ended >= 0 && drawn.cell(l.ended) >= drawn.cells
	}
	legend := fmt.Sprintf("  %s tries   %s answers   %s does not", s.tries, s.good, s.bad)
	if waits {
		legend = fmt.Sprintf("  %s waits for its turn ", s.waits) + legend
	}
	if goesOn {
		legend += fmt.Sprintf("   %s longer", s.on)
	}
	if !late && drawn.won >= 0 {
		legend += fmt.Sprintf("   %s win", s.win)
	}
	if late {
		legend += fmt.Sprintf("\n  %s from the win %s on: a race for ssh is over, and this is not tried", s.late, s.win)
	}
	return legend
}
