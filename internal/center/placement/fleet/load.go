package fleet

import (
	"context"
	"sync"
	"time"

	hostv1 "pacific/api/host/v1"
)

const (
	// window is the least time over which processor time makes a rate, loadAge the most.
	window, loadAge = time.Second, time.Minute
)

// loads remember what hosts had used when they were asked last, so that only a first question has to wait for a second look.
type loads struct {
	mu   sync.Mutex
	last map[string]point
}

type point struct {
	at  time.Time
	cpu uint64 // nanoseconds
	mhz int64  // the rate that was made of it and the point before
}

// measure asks hostd what the host has and uses, and the rate of processor time in MHz.
func (l *loads) measure(ctx context.Context, id string, client hostv1.HostClient) (*hostv1.GetHostResponse, int64, error) {
	for {
		host, err := client.GetHost(ctx, &hostv1.GetHostRequest{})
		if err != nil {
			return nil, 0, err
		}
		if mhz, ok := l.rate(id, host, time.Now()); ok {
			return host, mhz, nil
		}
		select {
		case <-ctx.Done():
			return host, 0, nil // nothing is known of its load, which is no reason to know nothing of the host
		case <-time.After(window):
		}
	}
}

// rate since the last look; false where there was none lately.
func (l *loads) rate(id string, host *hostv1.GetHostResponse, now time.Time) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, known := l.last[id]
	passed := now.Sub(before.at)
	if known && passed < window { // too soon for a rate; another question may just have begun one
		return max(0, before.mhz), before.mhz >= 0
	}
	next := point{at: now, cpu: host.MachinesCpuNanoseconds, mhz: -1}
	if known && passed <= loadAge && next.cpu >= before.cpu {
		next.mhz = int64(float64(next.cpu-before.cpu) / float64(passed) * float64(host.MhzPerCore))
	}
	l.last[id] = next
	return max(0, next.mhz), next.mhz >= 0
}
