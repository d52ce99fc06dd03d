package machine

import (
	"log/slog"
	"time"

	"pacific/api/crx"
)

// The clock of an appliance begins with the second that the emulated clock chip shows, and then goes as fast as a counter whose frequency
// was measured: both need correction. Pods live too short for that, or are clones, whose clocks are set.
const (
	clockInterval = 5 * time.Minute
	pongTimeout   = 10 * time.Second
	// clockError is left alone.
	clockError = 10 * time.Millisecond
)

// keepClock compares the guest's clock with the host's until the machine is gone.
func (s *session) keepClock(machine string) {
	select {
	case <-s.spoke:
	case <-s.gone:
		return
	}
	for nonce := uint64(1); ; nonce++ {
		s.correctClock(machine, nonce)
		select {
		case <-time.After(clockInterval):
		case <-s.gone:
			return
		}
	}
}

// correctClock does nothing where the guest does not answer: the next time it may.
func (s *session) correctClock(machine string, nonce uint64) {
	sent := time.Now()
	if s.init.Send(crx.Message{Ping: &crx.Ping{Nonce: nonce}}) != nil {
		return
	}
	timeout := time.After(pongTimeout)
	for {
		select {
		case pong := <-s.pongs:
			if pong.Nonce != nonce {
				continue
			}
			behind, worth := lag(sent, time.Now(), time.Unix(0, pong.UnixNanos))
			if worth && s.init.Send(crx.Message{Clock: &crx.Clock{BehindNanos: behind.Nanoseconds()}}) == nil {
				slog.Info("clock is corrected", "machine", machine, "behind", behind)
			}
			return
		case <-timeout:
			return
		case <-s.gone:
			return
		}
	}
}

// lag is how far the guest's clock is behind, and whether that is more than what the time between question and answer leaves open.
func lag(sent, received, guest time.Time) (behind time.Duration, worth bool) {
	open := received.Sub(sent) / 2
	behind = sent.Add(open).Sub(guest)
	return behind, behind.Abs() > max(open, clockError)
}
