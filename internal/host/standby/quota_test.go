package standby

import (
	"slices"
	"testing"

	"pacific/internal/host/template"
)

func TestHowManyWait(t *testing.T) {
	for memory, want := range map[uint64]int{0: 1, 1 << 30: 1, 2 << 30: 2, 6 << 30: 7, 1 << 40: 8} {
		if have := automatic(memory); have != want {
			t.Errorf("%d bytes: %d, want %d", memory, have, want)
		}
	}
}

func TestShare(t *testing.T) {
	third := template.Class{Personality: "agent", VCPUs: 3}
	for name, c := range map[string]struct {
		classes []template.Class
		count   int
		want    []int
	}{
		"one":              {[]template.Class{small}, 7, []int{7}},
		"two":              {[]template.Class{large, small}, 7, []int{6, 1}},
		"more than places": {[]template.Class{large, small, third}, 2, []int{1, 1, 1}},
	} {
		var have []int
		for _, q := range share(c.classes, c.count) {
			have = append(have, q.count)
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%s: %v, want %v", name, have, c.want)
		}
	}
}

func TestMissing(t *testing.T) {
	q := quotas{{large, 3}, {small, 2}}
	var made []template.Class
	have := map[template.Class]int{}
	for class, missing := q.missing(have); missing; class, missing = q.missing(have) {
		made = append(made, class)
		have[class]++
	}
	if want := []template.Class{large, small, large, small, large}; !slices.Equal(made, want) {
		t.Errorf("made %v, want %v", made, want)
	}
}

func TestSpend(t *testing.T) {
	q := quotas{{small, 1}}
	for i, want := range []bool{false, true} {
		if have := q.spend(small); have != want {
			t.Errorf("%d: %v", i, have)
		}
	}
	if !q.spend(large) {
		t.Error("a class without a quota is kept")
	}
}
