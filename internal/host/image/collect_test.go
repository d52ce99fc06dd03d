package image

import (
	"slices"
	"testing"
	"time"
)

func TestExcess(t *testing.T) {
	p := GarbagePolicy{HighPercent: 85, LowPercent: 80}
	for _, test := range []struct{ size, free, want uint64 }{
		{1000, 160, 0},
		{1000, 150, 50},
		{1000, 0, 200},
		{1000, 2000, 0},
		{0, 0, 0},
	} {
		if got := p.excess(space{test.size, test.free}); got != test.want {
			t.Errorf("%d free of %d: %d, want %d", test.free, test.size, got, test.want)
		}
	}
}

func TestCollectable(t *testing.T) {
	now := time.Unix(10_000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	all := []candidate{
		{"young", 10, ago(time.Minute), false},
		{"used", 10, ago(time.Hour), true},
		{"middle", 10, ago(30 * time.Minute), false},
		{"oldest", 10, ago(2 * time.Hour), false},
		{"twin", 10, ago(30 * time.Minute), false},
	}
	for _, test := range []struct {
		wanted uint64
		want   []string
	}{
		{0, nil},
		{1, []string{"oldest"}},
		{10, []string{"oldest"}},
		{11, []string{"oldest", "middle"}},
		{1000, []string{"oldest", "middle", "twin"}},
	} {
		var got []string
		for _, c := range collectable(now, test.wanted, 2*time.Minute, all) {
			got = append(got, c.digest)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d bytes: %v, want %v", test.wanted, got, test.want)
		}
	}
}

func TestGarbagePolicyCheck(t *testing.T) {
	if err := DefaultGarbagePolicy.Check(); err != nil {
		t.Error(err)
	}
	for _, bad := range []GarbagePolicy{{80, 85, 0}, {101, 80, 0}, {85, 80, -1}, {}} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}
