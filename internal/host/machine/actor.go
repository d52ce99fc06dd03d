package machine

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"pacific/api/crx"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/standby"
	"pacific/internal/host/vmm"
)

// actor runs one machine: one goroutine takes events in order, writes the state, takes the actions.
type actor struct {
	id   string
	host *Manager

	// Only the actor's goroutine uses these.
	session *session
	trouble error            // of the last action
	standby *standby.Standby // taken, between Took and its action
	avoid   uint32           // the run that must do without

	mu      sync.Mutex
	record  Record
	queue   []queued
	wake    chan struct{}
	waiting []*waiter
	closed  bool // the machine is gone and the goroutine ends
	// observed is the session's connection, for those who only look; nil without one.
	observed vmm.Connection
	// status is what the guest of the session last said of itself; nil while it has not.
	status *crx.Status
}

// errGone refuses what comes after the machine is gone.
var errGone = errors.New("machine is gone")

type queued struct {
	event   Event
	refused func(error) // nil for what nobody asked
}

// waiter is a caller that waits for a state.
type waiter struct {
	until  func(State) (bool, error)
	result chan error
}

func newActor(host *Manager, record Record) *actor {
	id := record.Spec.GetId()
	return &actor{id: id, host: host, record: record, wake: make(chan struct{}, 1)}
}

// must tries until do succeeds: a state that cannot be written must be, and what is left on the host would be leaked.
func (a *actor) must(what string, do func() error) {
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, maxRetryDelay) {
		err := do()
		if err == nil {
			return
		}
		slog.Error("cannot "+what+", trying again", "machine", a.id, "after", delay, "err", err)
		time.Sleep(delay)
	}
}

// maxRetryDelay keeps the log of a host with a full disk readable, and the wait after the disk is freed short.
const maxRetryDelay = 10 * time.Second

func (a *actor) run() {
	for range a.wake {
		for {
			next, ok := a.pop()
			if !ok {
				break
			}
			a.handle(next)
		}
		if a.finished() {
			return
		}
	}
}

func (a *actor) pop() (queued, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		return queued{}, false
	}
	next := a.queue[0]
	a.queue = a.queue[1:]
	return next, true
}

// post queues an event; it never blocks.
func (a *actor) post(event Event) { a.push(queued{event: event}) }

func (a *actor) push(q queued) {
	a.mu.Lock()
	closed := a.closed
	a.queue = append(a.queue, q)
	a.mu.Unlock()
	if closed {
		if q.refused != nil {
			q.refused(errGone)
		}
		return
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// handle takes one event and those that follow from its actions.
func (a *actor) handle(q queued) {
	state := a.state()
	next, actions, err := Step(state, q.event)
	if err == nil {
		err = a.commit(state, next, q.refused == nil)
	}
	if err != nil {
		if q.refused != nil {
			q.refused(err)
		}
		return
	}
	a.trouble = nil
	for _, action := range actions {
		event, err := a.take(action)
		if err != nil {
			a.trouble = err
			slog.Warn("action failed", "machine", a.id, "action", actionName(action), "err", err)
		}
		if event != nil {
			a.handle(queued{event: event})
		}
	}
	if q.refused != nil {
		q.refused(a.trouble)
	}
	a.answer()
}

// commit writes the state before anything is done about it. What the host tells cannot be refused, so it tries again.
func (a *actor) commit(before, next State, must bool) error {
	if reflect.DeepEqual(before, next) {
		return nil
	}
	record := a.snapshot()
	record.State = next
	if must {
		a.must("write the record", func() error { return a.write(record) })
	} else if err := a.write(record); err != nil {
		return err
	}
	a.mu.Lock()
	a.record.State = next
	a.mu.Unlock()
	a.report(before, next)
	if next.Phase == Gone {
		a.host.forget(a.id)
	}
	a.host.hub.mark(a.id)
	return nil
}

func (a *actor) write(record Record) error {
	if record.State.Phase == Gone {
		return nil // its record is deleted
	}
	return a.host.records.write(record)
}

func (a *actor) report(before, next State) {
	switch {
	case before.Phase == next.Phase:
	case next.Phase == Ending:
		slog.Info("machine ends", "machine", a.id, "reason", next.LastExit.Reason, "message", next.LastExit.Message)
	default:
		slog.Info("machine is "+string(next.Phase), "machine", a.id, "run", next.Run)
	}
}

func (a *actor) state() State { return a.snapshot().State }

func (a *actor) snapshot() Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.record
}

func (a *actor) message() *hostv1.VirtualMachine {
	vm := a.snapshot().message(a.dir())
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status != nil && vm.Phase == hostv1.VirtualMachine_RUNNING {
		vm.Guest = &hostv1.GuestStatus{Stage: a.status.Stage, Message: a.status.Message, Addresses: a.status.Addresses}
	}
	return vm
}

// dir is the machine's run directory.
func (a *actor) dir() string { return a.host.dir(a.snapshot()) }

// ask posts an event and waits until the state is as wanted, the event is refused, or ctx is done. With until nil it waits
// for the event's actions.
func (a *actor) ask(ctx context.Context, event Event, until func(State) (bool, error)) error {
	refused := make(chan error, 1)
	w := &waiter{until: until, result: make(chan error, 1)}
	a.push(queued{event: event, refused: func(err error) {
		if err == nil && until != nil {
			a.await(w)
			return
		}
		refused <- err
	}})
	select {
	case err := <-refused:
		return err
	case err := <-w.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *actor) await(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, w)
}

// answer tells those waiters whose state has come.
func (a *actor) answer() {
	a.mu.Lock()
	defer a.mu.Unlock()
	var still []*waiter
	for _, w := range a.waiting {
		if ok, err := w.until(a.record.State); ok {
			w.result <- err
		} else {
			still = append(still, w)
		}
	}
	a.waiting = still
}

// finished ends the goroutine of a machine that is gone, once the queue is empty.
func (a *actor) finished() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = a.record.State.Phase == Gone && len(a.queue) == 0
	return a.closed
}
