package vmm

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

func TestOnlyTimeWithAProcessorCounts(t *testing.T) {
	const s = time.Second
	for _, c := range []struct{ elapsed, waited, want time.Duration }{
		{elapsed: 10 * s, waited: 0, want: 0},
		{elapsed: 10 * s, waited: 4 * s, want: 4 * s},
		{elapsed: 10 * s, waited: 30 * s, want: 10 * s}, // several threads
		{elapsed: 12 * s, waited: s, want: -s},
		{elapsed: 95 * s, waited: 94 * s, want: 5 * s},
		{elapsed: 100 * s, waited: 100 * s, want: 0},
		{elapsed: 10 * s, waited: -s, want: 0}, // a thread ended, and what it had waited went with it
	} {
		if got := remaining(c.elapsed, c.waited, 10*s); got != c.want {
			t.Errorf("after %s, waited %s: %s remain, want %s", c.elapsed, c.waited, got, c.want)
		}
	}
}

func TestPatienceEnds(t *testing.T) {
	process, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	ctx, cancel := Patience(context.Background(), process, time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, ErrSlow) {
		t.Errorf("it ended for %v", cause)
	}
	ctx, cancel = Patience(context.Background(), process, time.Hour)
	cancel()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		t.Errorf("it ended for %v", cause)
	}
}
