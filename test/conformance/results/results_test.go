package results

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2/reporters"
)

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		in   reporters.JUnitTestCase
		want Result
	}{
		"passed": {reporters.JUnitTestCase{Time: 2.6}, Result{Outcome: Passed, Seconds: 3, Commit: "c1"}},
		"failed": {
			reporters.JUnitTestCase{Failure: &reporters.JUnitFailure{Description: "[FAILED] pod is\n  not  ready\nIn [It] at: pods.go:12 @ 01/02/03"}},
			Result{Outcome: Failed, Message: "pod is not ready", Commit: "c1"},
		},
		"panicked": {
			reporters.JUnitTestCase{Error: &reporters.JUnitError{Description: "[PANICKED] oh\nIn [It] at: x"}},
			Result{Outcome: Failed, Message: "oh", Commit: "c1"},
		},
		"skipped": {
			reporters.JUnitTestCase{Skipped: &reporters.JUnitSkipped{Message: "skipped - needs two"}},
			Result{Outcome: Skipped, Message: "needs two", Commit: "c1"},
		},
		"long": {
			reporters.JUnitTestCase{Failure: &reporters.JUnitFailure{Description: strings.Repeat("ä", 400)}},
			Result{Outcome: Failed, Message: strings.Repeat("ä", 300) + "…", Commit: "c1"},
		},
	} {
		if got := Of(c.in, "c1"); got != c.want {
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
	want := Results{"a": {Outcome: Passed, Seconds: 3, Commit: "c1"}, "b": {Outcome: Failed, Message: "no", Commit: "c2"}}
	if err := want.Save(file); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}
