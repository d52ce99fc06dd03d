package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
)

// flights joins pulls of the same image with the same credentials.
type flights struct {
	mu     sync.Mutex
	flying map[string]*flight
}

// flight is one pull and those who wait for it. It goes on while at least one waits.
type flight struct {
	done    chan struct{} // closed when image and err are set and nothing of the pull is left
	image   record
	err     error
	cancel  context.CancelFunc
	waiting int

	mu      sync.Mutex
	last    *hostv1.PullProgress
	changed chan struct{} // closed and replaced by each progress
}

// key tells pulls apart; with the credentials, so that nobody gets an image by another's.
func (j job) key() string {
	h := sha256.New()
	credentials, _ := proto.MarshalOptions{Deterministic: true}.Marshal(j.credentials)
	fmt.Fprintf(h, "%q %q %q %q", j.ref, j.digest, credentials, j.keys)
	return hex.EncodeToString(h.Sum(nil))
}

// join takes part in the flight of a job, or starts one. A flight that was given up is waited for first: its machine is
// still going down.
func (f *flights) join(ctx context.Context, j job, run func(context.Context, job) (record, error)) (*flight, error) {
	for {
		f.mu.Lock()
		current, ok := f.flying[j.key()]
		if !ok {
			current = f.start(j, run)
		}
		if current.waiting >= 0 {
			current.waiting++
			f.mu.Unlock()
			return current, nil
		}
		f.mu.Unlock()
		select {
		case <-current.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// start needs the lock. The flight's context is its own: no caller's end may end it for the others.
func (f *flights) start(j job, run func(context.Context, job) (record, error)) *flight {
	ctx, cancel := context.WithCancel(context.Background())
	started := &flight{done: make(chan struct{}), cancel: cancel, changed: make(chan struct{})}
	key := j.key()
	j.report = started.report
	f.flying[key] = started
	go func() {
		defer cancel()
		started.image, started.err = run(ctx, j)
		f.mu.Lock()
		delete(f.flying, key)
		f.mu.Unlock()
		close(started.done)
	}()
	return started
}

// leave says that one waits no longer. The last one ends the pull.
func (f *flights) leave(left *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if left.waiting--; left.waiting == 0 {
		left.waiting = -1 // given up: nobody joins any more
		left.cancel()
	}
}

func (f *flight) report(p *hostv1.PullProgress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = p
	close(f.changed)
	f.changed = make(chan struct{})
}

// progress returns the latest progress and a channel that is closed when there is another.
func (f *flight) progress() (*hostv1.PullProgress, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.changed
}
