package results

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2/reporters"
)

var ended = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		in   reporters.JUnitTestCase
		want Result
	}{
		"passed": {reporters.JUnitTestCase{Time: 2.6}, Result{Outcome: Passed, Seconds: 3, Commit: "c1", Ended: ended}},
		"failed": {
			reporters.JUnitTestCase{Failure: &reporters.JUnitFailure{Description: "[FAILED] pod is\n  not  ready\nIn [It] at: pods.go:12 @ 01/02/03"}},
			Result{Outcome: Failed, Message: "pod is not ready", Commit: "c1", Ended: ended},
		},
		"panicked": {
			reporters.JUnitTestCase{Error: &reporters.JUnitError{Description: "[PANICKED] oh\nIn [It] at: x"}},
			Result{Outcome: Failed, Message: "oh", Commit: "c1", Ended: ended},
		},
		"skipped": {
			reporters.JUnitTestCase{Skipped: &reporters.JUnitSkipped{Message: "skipped - needs two"}},
			Result{Outcome: Skipped, Message: "needs two", Commit: "c1", Ended: ended},
		},
		"long": {
			reporters.JUnitTestCase{Failure: &reporters.JUnitFailure{Description: strings.Repeat("ä", 400)}},
			Result{Outcome: Failed, Message: strings.Repeat("ä", 300) + "…", Commit: "c1", Ended: ended},
		},
	} {
		if got := Of(c.in, "c1", ended.Add(time.Millisecond)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	none, err := Load(file)
	if err != nil || len(none) != 0 {
		t.Fatalf("%v, %v", none, err)
	}
	want := Results{"a": {Outcome: Passed, Seconds: 3, Commit: "c1", Ended: ended}, "b": {Outcome: Failed, Message: "no", Commit: "c2"}}
	if err := want.Save(file); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMerge(t *testing.T) {
	at := func(o Outcome, minutes int) Result {
		return Result{Outcome: o, Ended: ended.Add(time.Duration(minutes) * time.Minute)}
	}
	got := Results{"newer here": at(Passed, 2), "older here": at(Failed, 1), "only here": at(Passed, 0), "without time here": {Outcome: Failed}, "the same": at(Passed, 0)}
	got.Merge(Results{"newer here": at(Failed, 1), "older here": at(Passed, 2), "only there": at(Skipped, 0), "without time here": at(Passed, 0), "the same": at(Passed, 0)})
	want := Results{"newer here": at(Passed, 2), "older here": at(Passed, 2), "only here": at(Passed, 0), "only there": at(Skipped, 0), "without time here": at(Passed, 0), "the same": at(Passed, 0)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
