package hosts

import (
	"context"
	"errors"
	"time"

	"k8s.io/klog/v2"

	centerv1 "pacific/api/center/v1"
)

// watchOver looks for hosts that are missed.
func (h *Hosts) watchOver(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := h.lookAround(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cannot note which hosts are away; will try again")
		}
	}
}

// lookAround notes the hosts whose heartbeats are missing.
func (h *Hosts) lookAround(ctx context.Context) error {
	hosts, err := h.List(ctx)
	now := h.now()
	for _, host := range hosts {
		if host.Removing && !host.Lost.IsZero() { // it cleans itself when it is told so
			err = errors.Join(err, h.forget(ctx, host.ID))
			continue
		}
		last := h.lastHeard(host)
		if !host.missing(last, h.started, now) {
			continue
		}
		_, updateErr := h.records.hosts.Update(ctx, host.ID, func(record *Host) error {
			// It may have come back just now.
			if last = h.lastHeard(*record); !record.missing(last, h.started, now) {
				return errUnchanged
			}
			record.Lost = last.UTC().Truncate(time.Second)
			return nil
		})
		if h.storeError(updateErr) == nil {
			klog.InfoS("Host does not respond", "host", host.ID, "name", host.Name, "since", last)
			continue
		}
		err = errors.Join(err, updateErr)
	}
	return err
}

// missing tells whether a host that answered does so no more. While center itself was away nobody could; so the time counts
// from center's start at the earliest.
func (host Host) missing(last, started, now time.Time) bool {
	if !host.Lost.IsZero() || host.Seen.IsZero() {
		return false
	}
	if last.Before(started) {
		last = started
	}
	return now.Sub(last) > lostAfter
}

// lastHeard is when the host's agent reported last.
func (h *Hosts) lastHeard(host Host) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[host.ID]; s != nil && s.seen.After(host.Seen) {
		return s.seen
	}
	return host.Seen
}

// Report that the host's agent sent last to this center; nil where there is none.
func (h *Hosts) Report(id string) *centerv1.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[id]; s != nil {
		return s.report
	}
	return nil
}
