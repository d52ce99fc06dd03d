package measure

import (
	"maps"
	"testing"
)

func TestCounter(t *testing.T) {
	var c counter
	for i, step := range []struct{ value, want uint64 }{{5, 5}, {9, 9}, {2, 11}, {3, 12}} {
		if have := c.add(step.value); have != step.want {
			t.Errorf("step %d: %d, want %d", i, have, step.want)
		}
	}
}

func TestAccount(t *testing.T) {
	type m = map[string]uint64
	var a account
	for i, step := range []struct {
		seen    m
		machine uint64
		host    bool
		want    m
	}{
		{m{"a": 100, "b": 100}, 1000, true, m{"a": 100, "b": 100}}, // the guest is believed
		{m{"a": 400, "b": 200}, 1200, true, m{"a": 250, "b": 150}}, // 400 are claimed, 200 were given
		{m{"a": 500, "b": 200}, 1300, true, m{"a": 350, "b": 150}}, // 100 are claimed, 100 were given
		{m{"a": 600, "b": 210}, 0, false, m{"a": 450, "b": 160}},   // hostd is away
		{m{"a": 600, "b": 210}, 1400, true, m{"a": 450, "b": 160}}, // nothing happens
		{m{"a": 50, "b": 230}, 1500, true, m{"a": 50, "b": 180}},   // a was restarted
		{m{"b": 230, "c": 40}, 1600, true, m{"b": 180, "c": 40}},   // a is gone, c is new
		{m{"b": 30, "c": 10}, 20, true, m{"b": 15, "c": 5}},        // the machine was replaced
		{m{"b": 30, "c": 10}, 20, true, m{"b": 15, "c": 5}},        // and idles
		{m{"b": 40, "c": 10}, 20, true, m{"b": 15, "c": 5}},        // nothing was given at all
		{m{}, 20, true, m{}},
	} {
		if have := a.update(step.seen, step.machine, step.host); !maps.Equal(have, step.want) {
			t.Errorf("step %d: got %v, want %v", i, have, step.want)
		}
	}
}
