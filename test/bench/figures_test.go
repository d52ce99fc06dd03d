package main

import (
	"strings"
	"testing"
	"time"
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
	second := []time.Duration{time.Second}
	stages := stagesOf([]map[string]float64{{"vm-up": 1.5, "image": 0.2}, {"vm-up": 1.7, "image": 0.1}})
	var b strings.Builder
	report(&b, "tcg", second, []time.Duration{2 * time.Second, 3 * time.Second}, stages)
	words := strings.Join(strings.Fields(b.String()), " ")
	for _, part := range []string{"ratio p50 / F 2.00", "p90 of 2 3.000 s", "image 0.100 s 0.200 s", "vm-up 1.500 s 1.700 s"} {
		if !strings.Contains(words, part) {
			t.Errorf("the report lacks %q:\n%s", part, b.String())
		}
	}
	if strings.Index(b.String(), "image") > strings.Index(b.String(), "vm-up") {
		t.Error("stages are not in the order in which they end")
	}
}
