package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2/reporters"
	"golang.org/x/sync/errgroup"

	"pacific/test/conformance/ginkgo"
	"pacific/test/conformance/results"
	"pacific/test/conformance/suite"
)

// run of tests.
type run struct {
	options
	program    ginkgo.Program
	exceptions suite.Exceptions
	total      int

	mu      sync.Mutex
	known   results.Results
	cases   []reporters.JUnitTestCase // in the order in which they ended
	batches int
	failed  []string
	broken  []error // of batches that ended early
}

// all runs the tests in batches, those that disturb others at the end and alone.
func (r *run) all(ctx context.Context, tests []suite.Test) error {
	var alone, together []suite.Test
	for _, t := range tests {
		if t.Serial() {
			alone = append(alone, t)
		} else {
			together = append(together, t)
		}
	}
	err := r.some(ctx, together, r.procs)
	if err == nil {
		err = r.some(ctx, alone, 1)
	}
	// Not only when all went well: what ran has a result.
	err = errors.Join(err, errors.Join(r.broken...), writeJUnit(filepath.Join(r.output, "junit.xml"), r.cases))
	fmt.Printf("%d of %d tests ran, %d failed\n", len(r.cases), r.total, len(r.failed))
	if err == nil && len(r.failed) > 0 {
		err = fmt.Errorf("%d conformance tests failed; logs are in %s", len(r.failed), filepath.Join(r.output, "logs"))
	}
	return err
}

// some runs tests, procs batches at a time.
func (r *run) some(ctx context.Context, tests []suite.Test, procs int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(procs)
	for batch := range slices.Chunk(tests, r.batch) {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return r.one(ctx, batch)
		})
	}
	return group.Wait()
}

// one runs a batch and keeps its results at once, also those of a batch that was interrupted.
func (r *run) one(ctx context.Context, tests []suite.Test) error {
	r.mu.Lock()
	r.batches++
	log := filepath.Join(r.output, "logs", fmt.Sprintf("%03d.log", r.batches))
	r.mu.Unlock()
	cases, err := r.program.Run(ctx, tests, log)
	if err != nil {
		return err
	}
	interrupted := ctx.Err()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range cases {
		// Whatever failed then failed because of the interrupt.
		if interrupted == nil || c.Status == "passed" {
			r.keep(c, log)
		}
	}
	if err := r.known.Save(r.resultsFile); err != nil {
		return err
	}
	switch {
	case interrupted != nil:
		return interrupted
	case len(cases) == 0:
		// The cluster is in no state to be tested; the other batches would find out one by one, each after long waits.
		return fmt.Errorf("none of a batch's %d tests ran; see %s", len(tests), log)
	case len(cases) < len(tests):
		r.broken = append(r.broken, fmt.Errorf("only %d of a batch's %d tests ran; see %s", len(cases), len(tests), log))
	}
	return nil
}

func (r *run) keep(c reporters.JUnitTestCase, log string) {
	result := results.Of(c, r.commit, time.Now())
	r.known[c.Name] = result
	r.cases = append(r.cases, c)
	fmt.Printf("%3d/%d %-7s %4ds  %s\n", len(r.cases), r.total, result.Outcome, result.Seconds, c.Name)
	reason, excepted := r.exceptions[c.Name]
	switch {
	case excepted && result.Outcome == results.Passed:
		fmt.Printf("        passed, so its exception can go: %s\n", reason)
	case result.Outcome == results.Failed:
		fmt.Printf("        %s: %s\n", log, result.Message)
		if !excepted {
			r.failed = append(r.failed, c.Name)
		}
	}
}
