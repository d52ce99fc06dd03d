package hostagent

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"

	centerv1 "pacific/api/center/v1"
)

const (
	// heartbeat is how often the agent reports.
	heartbeat = 5 * time.Second
	// farewell is how long a host that is clean tries to tell so.
	farewell = 30 * time.Second
)

// talk keeps a session with center open. It returns errGone when the host is removed and center knows, or cannot be told.
func (a *Agent) talk(ctx context.Context) error {
	var told string
	var clean time.Time
	for {
		err := a.session(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errGone):
			return err
		}
		if a.isClean() {
			if clean.IsZero() {
				clean = time.Now()
			}
			if time.Since(clean) > farewell {
				return errGone
			}
		}
		if text := status.Convert(err).Message(); text != told {
			klog.InfoS("No session with center; will try again", "center", a.config.Center, "err", text)
			told = text
		}
		pause(ctx, time.Second)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (a *Agent) isClean() bool {
	a.order.mu.Lock()
	defer a.order.mu.Unlock()
	return a.order.removed
}

// session is one, from its begin to its end.
func (a *Agent) session(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := centerv1.NewHostsClient(a.conn).Session(ctx)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- a.receive(stream) }()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		report := a.report(ctx)
		if err := stream.Send(report); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if report.GetRemoved() {
			_ = stream.CloseSend()
			return sayFarewell(<-ended)
		}
		select {
		case err := <-ended:
			return err
		case <-ticker.C:
		case <-a.order.done:
		}
	}
}

// sayFarewell tells whether center took note of the last words: it ends the stream then, and refuses the host.
func sayFarewell(err error) error {
	if code := status.Code(err); errors.Is(err, io.EOF) || code == codes.PermissionDenied || code == codes.Unauthenticated {
		return errGone
	}
	return err
}

func (a *Agent) receive(stream centerv1.Hosts_SessionClient) error {
	for {
		wanted, err := stream.Recv()
		if err != nil {
			return err
		}
		klog.InfoS("Wanted state", "revision", wanted.GetRevision(), "node", wanted.GetNode() != nil, "maintenance", wanted.GetMaintenance(), "removed", wanted.GetRemoved())
		a.order.set(wanted)
	}
}
