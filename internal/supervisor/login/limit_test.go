package login

import (
	"fmt"
	"testing"
	"time"
)

func TestFailures(t *testing.T) {
	now := time.Unix(1000, 0)
	f := newFailures(func() time.Time { return now })
	for n := range freeFailures {
		if wait := f.wait("a"); wait != 0 {
			t.Fatalf("after %d failures: wait %v", n, wait)
		}
		f.add("a")
	}
	if got := f.wait("a"); got != forgivenAfter {
		t.Errorf("got %v", got)
	}
	if got := f.wait("b"); got != 0 {
		t.Errorf("somebody else waits %v", got)
	}
	now = now.Add(forgivenAfter)
	if got := f.wait("a"); got != 0 {
		t.Errorf("one failure was not forgiven: wait %v", got)
	}
	f.add("a")
	if got := f.wait("a"); got != forgivenAfter {
		t.Errorf("the next failure: wait %v", got)
	}
	now = now.Add(time.Hour)
	if got := f.wait("a"); got != 0 {
		t.Errorf("an hour later: %v", got)
	}
}

func TestFailuresAreBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	f := newFailures(func() time.Time { return now })
	for range freeFailures {
		f.add("guesser")
	}
	for n := range maxGuessers + 100 {
		f.add(fmt.Sprint(n))
	}
	if len(f.until) > maxGuessers {
		t.Errorf("remembers %d", len(f.until))
	}
	if f.wait("guesser") == 0 {
		t.Error("the worst guesser was forgotten because of others")
	}
}
