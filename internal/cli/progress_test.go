package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pacific/internal/onemachine"
)

func stages(t *testing.T, fail error) []onemachine.Stage {
	t.Helper()
	return []onemachine.Stage{
		{Name: "First", Limit: time.Minute, Run: func(context.Context, func(string)) error { return nil }},
		{Name: "Second", Limit: time.Minute, Run: func(_ context.Context, note func(string)) error { note("a host"); return fail }},
		{Name: "Third", Limit: time.Minute, Run: func(context.Context, func(string)) error { return nil }},
	}
}

func TestStagesAreLinesWhereThereIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out}
	p.warn("slow")
	if err := p.run(t.Context(), stages(t, nil)); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^✓ First +\d+\.\ds\n  note: slow\n✓ Second +\d+\.\ds\n✓ Third +\d+\.\ds\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("got\n%s", out.String())
	}
}

func TestAFailedStageNamesCauseAndLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "hostd.log")
	if err := os.WriteFile(log, []byte("first\nlast words\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cause := errors.New("hostd is gone")
	err := (&progress{out: &out}).run(t.Context(), stages(t, &onemachine.Failure{Cause: cause, Logs: []string{log}}))
	if !errors.Is(err, cause) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{`stage "Second" failed`, "hostd is gone", log, "last words"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in\n%v", part, err)
		}
	}
	if strings.Contains(out.String(), "Third") {
		t.Error("the stage after the failed one ran")
	}
}

func TestGoingDownGoesOnAfterAFailure(t *testing.T) {
	var out bytes.Buffer
	err := (&progress{out: &out}).runAll(t.Context(), stages(t, errors.New("no")))
	if err == nil || !strings.Contains(out.String(), "Third") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestLogTailShowsTheEnd(t *testing.T) {
	log := filepath.Join(t.TempDir(), "d.log")
	if err := os.WriteFile(log, []byte(strings.Repeat("x\n", 100000)+"end\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tail := logTail(log)
	if lines := strings.Split(tail, "\n"); len(lines) != tailLines+1 || !strings.HasSuffix(tail, "end") {
		t.Errorf("got %q", tail)
	}
	if tail := logTail(log + ".no"); !strings.Contains(tail, "no such file") {
		t.Errorf("got %q", tail)
	}
}
