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
	o.waker = &waker{macs: macs, send: func(time.Duration) { sendMagic(macs) }}
	return nil
}

// A waker sends magic packets during a race.
type waker struct {
	macs []net.HardwareAddr
	send func(now time.Duration)
	next time.Duration // when the next packet is due
	done bool          // a connection has been made
}

// start sends the first packet. It makes d send the others, one per wakeInterval, until
// there is a connection.
func (w *waker) start(d *engine.Dialer) {
	report, onProgress := d.Report, d.OnProgress
	d.Report = func(e engine.Event) {
		w.done = w.done || e.Kind == engine.Connected
		if report != nil {
			report(e)
		}
	}
	d.OnProgress = func(p engine.Progress) bool {
		if !w.done && p.At >= w.next {
			w.sendNow(p.At)
		}
		if onProgress != nil && !onProgress(p) {
			onProgress = nil
		}
		return !w.done || onProgress != nil
	}
	w.sendNow(0)
}

func (w *waker) sendNow(now time.Duration) {
	w.next = now + wakeInterval
	w.send(now)
}

// sendMagic sends packets for macs. Errors go to the log only: it is normal that some
// interfaces cannot send them.
func sendMagic(macs []net.HardwareAddr) {
	if err := wake.Send(macs); err != nil {
		logLine("fdrace: magic packet: " + err.Error())
	}
}
