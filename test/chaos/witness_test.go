package chaos

import (
	"strings"
	"testing"
)

func TestOverlaps(t *testing.T) {
	for _, test := range []struct {
		name, beats string // key/run, in the order of their coming
		want        int
	}{
		{"one after the other", "a/1 a/1 a/2 a/2 a/3", 0},
		{"keys have nothing to do with each other", "a/1 b/1 a/1 b/1", 0},
		{"speaks after its successor began", "a/1 a/2 a/1", 1},
		{"both go on", "a/1 a/2 a/1 a/2 a/1", 2},
		{"comes back after two", "a/1 a/2 a/3 a/1", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := overlaps(beatsOf(test.beats)); len(got) != test.want {
				t.Errorf("%d overlaps, want %d: %v", len(got), test.want, got)
			}
		})
	}
}

func beatsOf(text string) []Beat {
	var beats []Beat
	for field := range strings.FieldsSeq(text) {
		key, run, _ := strings.Cut(field, "/")
		run, end := strings.CutSuffix(run, "!")
		beats = append(beats, Beat{Key: key, Run: run, End: end})
	}
	return beats
}

func TestEnded(t *testing.T) {
	if got := ended(beatsOf("a/1 a/1! a/1! a/2 b/3! a/4!"), "a"); got != 2 {
		t.Errorf("%d runs came to their end, want 2", got)
	}
}
