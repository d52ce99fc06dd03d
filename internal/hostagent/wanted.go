package hostagent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"google.golang.org/protobuf/encoding/protojson"

	centerv1 "pacific/api/center/v1"
)

// loadWanted is what center wanted last; empty before it said anything.
func (d Dir) loadWanted() (*centerv1.Wanted, error) {
	wanted := &centerv1.Wanted{}
	data, err := os.ReadFile(d.wanted())
	if errors.Is(err, fs.ErrNotExist) {
		return wanted, nil
	}
	if err != nil {
		return wanted, err
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, wanted); err != nil {
		return &centerv1.Wanted{}, fmt.Errorf("%s is damaged, center sends it again: %w", d.wanted(), err)
	}
	return wanted, nil
}

func (d Dir) saveWanted(wanted *centerv1.Wanted) error {
	data, err := protojson.Marshal(wanted)
	if err != nil {
		return err
	}
	return writeIfChanged(d.wanted(), data)
}

// order is what center wants, and how far the host is with it.
type order struct {
	mu       sync.Mutex
	wanted   *centerv1.Wanted
	followed string // revision
	problems []string
	removed  bool

	// changed signals a new order, done a change of what is reported.
	changed, done signal
}

// signal is level-triggered: signals that nobody has taken become one.
type signal chan struct{}

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

func newOrder(wanted *centerv1.Wanted) *order {
	o := &order{wanted: wanted, changed: make(signal, 1), done: make(signal, 1)}
	o.changed.set()
	return o
}

func (o *order) get() *centerv1.Wanted {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wanted
}

func (o *order) set(wanted *centerv1.Wanted) {
	o.mu.Lock()
	o.wanted = wanted
	o.mu.Unlock()
	o.changed.set()
}

// report tells what came of a revision.
func (o *order) report(revision string, problems []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.followed, o.problems = revision, problems
	o.done.set()
}

func (o *order) cleaned() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.removed = true
	o.done.set()
}
