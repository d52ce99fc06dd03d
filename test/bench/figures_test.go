package main

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

func TestPercentile(t *testing.T) {
	var ten []time.Duration
	for i := 10; i >= 1; i-- {
		ten = append(ten, time.Duration(i))
	}
	for p, want := range map[float64]time.Duration{0: 1, 10: 1, 50: 5, 90: 9, 91: 10, 100: 10} {
		if got := percentile(ten, p); got != want {
			t.Errorf("p%v is %d, want %d", p, got, want)
		}
	}
	if got := percentile(nil, 50); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}

func TestReport(t *testing.T) {
	results := &Results{
		Machine: Machine{Accelerator: "tcg"},
		F:       bareOf([]time.Duration{2 * time.Second}),
		Start:   &Start{Pods: 2, P50: 3, P90: 4, Stages: stagesOf([]map[string]float64{{"vm-up": 1.5, "image": 0.2}, {"vm-up": 1.7, "image": 0.1}})},
		Scale:   &Crowd{Pods: 100, AllReady: 60, Restarts: 7},
		Memory:  &Memory{Mean: Parts{GuestPrivate: 30 << 20, Heap: 20 << 20}, Over: Overhead{Counted: 55 << 20, ByMean: 1.1}},
	}
	results.compare()
	var text, page strings.Builder
	if err := results.writeText(&text); err != nil {
		t.Fatal(err)
	}
	if err := results.writePage(&page); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(text.String()), " ")
	for _, part := range []string{"3.000 s = 1.50 F", "4.000 s = 2.00 F", "60.000 s = 30.00 F", "image 0.100 s (p90 0.200 s)", "50.0 MiB", "55.0 MiB, 1.10 of the mean"} {
		if !strings.Contains(words, part) {
			t.Errorf("the report lacks %q:\n%s", part, text.String())
		}
	}
	if strings.Contains(words, "idle:") || strings.Contains(words, "burst:") {
		t.Errorf("the report has what was not measured:\n%s", text.String())
	}
	if !strings.Contains(page.String(), "|---|---|") {
		t.Errorf("the page has no table:\n%s", page.String())
	}
	if strings.Index(text.String(), "image") > strings.Index(text.String(), "vm-up") {
		t.Error("stages are not in the order in which they end")
	}
}

func TestIdleShare(t *testing.T) {
	before := procfs.CPUStat{User: 10, System: 5, Idle: 100, Iowait: 1}
	after := procfs.CPUStat{User: 11, System: 5.5, SoftIRQ: 0.5, Idle: 105, Iowait: 2}
	if got := idleShare(before, after); got != 0.75 {
		t.Errorf("%v", got)
	}
	if got := idleShare(before, before); got != 0 {
		t.Errorf("without time: %v", got)
	}
}
