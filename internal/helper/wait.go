//go:build unix

package helper

import (
	"errors"
	"fmt"
	"net"
	"time"

	"fdrace/internal/engine"
	"fdrace/internal/resolve"
	"fdrace/internal/wake"
)

const (
	// wakeWait is the default of --wait with --wake.
	wakeWait = time.Minute

	// wakeInterval is the time between two magic packets.
	wakeInterval = time.Second
)

// A WakeFlag has the values of --wake: a MAC address, or "" for all targets that are MAC
// addresses.
type WakeFlag []string

// addWait sets up --wait and --wake.
func (o *Options) addWait(d *engine.Dialer, targets []engine.Target) error {
	d.Wait = o.Wait.or(0)
	if o.Wait != nil && d.Wait == 0 {
		return errors.New("--wait 0: write how long to wait, such as 60s")
	}
	if len(o.Wake) == 0 {
		return nil
	}
	var macs []net.HardwareAddr
	for _, word := range o.Wake {
		if word != "" {
			mac, err := wake.ParseMAC(word)
			if err != nil {
				return fmt.Errorf("--wake: %w", err)
			}
			macs = append(macs, mac)
			continue
		}
		before := len(macs)
		for _, t := range targets {
			if _, is, _ := resolve.ParseMAC(t.Host); is {
				mac, err := wake.ParseMAC(t.Host)
				if err != nil {
					return fmt.Errorf("--wake: %w", err)
				}
				macs = append(macs, mac)
			}
		}
		if len(macs) == before {
			return errors.New("--wake: no target is a MAC address: write --wake=MAC")
		}
	}
	if o.Wait == nil {
		d.Wait = wakeWait
	}
	o.waker = &waker{macs: macs, send: func(now time.Duration) { o.sendMagic(macs, now) }}
	return nil
}

// A waker sends magic packets during a race.
type waker struct {
	macs []net.HardwareAddr
	send func(now time.Duration)
	next time.Duration // when the next packet is due
}

// start sends the first packet. It makes d send the others, one per wakeInterval, until the
// race is won or its time is out. A connection does not end that: it can be a proxy's, or
// that of another machine.
func (w *waker) start(d *engine.Dialer) {
	onProgress := d.OnProgress
	d.OnProgress = func(p engine.Progress) bool {
		waits := p.Left > 0
		if waits && p.At >= w.next {
			w.sendNow(p.At)
		}
		if onProgress != nil && !onProgress(p) {
			onProgress = nil
		}
		return waits || onProgress != nil
	}
	w.sendNow(0)
}

func (w *waker) sendNow(now time.Duration) {
	w.next = now + wakeInterval
	w.send(now)
}

// sendMagic sends packets for macs. It is normal that some interfaces cannot send them, so
// errors go to the log only. With -v, the error of the first call is printed if no interface
// could send.
func (o *Options) sendMagic(macs []net.HardwareAddr, now time.Duration) {
	sent, err := wake.Send(macs)
	if err == nil {
		return
	}
	line := "fdrace: magic packet: " + err.Error()
	logLine(line)
	if sent == 0 && now == 0 && o.Verbose > 0 {
		printErr(line)
	}
}
