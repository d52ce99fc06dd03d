// Package onemachine brings a whole installation of Pacific up and down on one machine: every host is a network namespace
// with the same daemons, started with the same flags, as on a real host.
package onemachine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stage is a step of bringing up or down that a user sees.
type Stage struct {
	Name string
	// Limit after which the stage has failed.
	Limit time.Duration
	// Run does the stage; note tells the user what it is waiting for.
	Run func(ctx context.Context, note func(string)) error
}

// Failure of a stage, with the logs that tell more.
type Failure struct {
	Cause error
	Logs  []string
}

func (f *Failure) Error() string { return f.Cause.Error() }

func (f *Failure) Unwrap() error { return f.Cause }

// pollInterval is short against what is waited for, daemons that need seconds.
const pollInterval = 200 * time.Millisecond

// Pending says what a condition still waits for.
type Pending string

func (p Pending) Error() string { return string(p) }

// Await checks until check returns nil or an error that is not [Pending], or until the context ends; then the error says
// what was waited for. Each check is given at most 5 s, so that a peer that swallows packets does not stop the others.
func Await(ctx context.Context, note func(string), check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var last Pending
	for {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := check(one)
		cancel()
		var waits Pending
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &waits):
			return err
		case ctx.Err() == nil || last == "":
			last = waits
			note(string(waits))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("still waiting for %s", last)
		}
	}
}
