package engine

// This file has the methods of fake that are about proxies and commands.

// startCommand starts a command.
func (f *fake) startCommand(name string, p peer) int {
	f.say("run %s", name)
	f.nextFD++
	f.open[f.nextFD] = &conn{name: name, began: f.now, eager: true}
	if !p.deaf {
		f.after(p.rtt, event{ended: &completion{f.nextFD, nil}})
	}
	return f.nextFD
}

func (f *fake) Heard(fd int) error {
	c := f.open[fd]
	p, _ := f.peer(c.name)
	if p.half && !c.asked {
		c.asked = true
		return errHalf
	}
	return p.err
}

func (f *fake) Converse(fd int, h *handshake) error {
	c := f.open[fd]
	p, _ := f.peer(c.name)
	if !c.asked {
		if other := f.asked; c.proxy && other != nil && f.now-f.askedAt < f.delay && f.isOpen(other) {
			f.t.Errorf("at %v %s is asked, and since %v %s", f.now, c.name, f.askedAt, other.name)
		}
		f.say("ask %s", c.name)
		c.asked = true
		if c.proxy {
			f.asked, f.askedAt = c, f.now
		}
		if !p.deaf {
			f.after(p.reply, event{ended: &completion{fd, nil}})
		}
		return errNotYet
	}
	if p.refuse == nil {
		h.done = true
	}
	return p.refuse
}

func (f *fake) isOpen(c *conn) bool {
	for _, other := range f.open {
		if other == c {
			return true
		}
	}
	return false
}
