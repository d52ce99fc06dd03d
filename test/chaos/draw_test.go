package chaos

import (
	"slices"
	"testing"
)

func TestASeedFixesWhatIsDrawn(t *testing.T) {
	sequence := func(seed uint64) []Victim {
		kills, _ := streams(seed)
		var drawn []Victim
		for range 50 {
			drawn = append(drawn, draw(kills, victims))
		}
		return drawn
	}
	if !slices.Equal(sequence(7), sequence(7)) {
		t.Error("the same seed draws something else")
	}
	if slices.Equal(sequence(7), sequence(8)) {
		t.Error("another seed draws the same")
	}
}

func TestEverythingIsDrawnSometimes(t *testing.T) {
	kills, load := streams(1)
	victim, change := map[Victim]int{}, map[Change]int{}
	for range 1000 {
		victim[draw(kills, victims)]++
		change[draw(load, changes)]++
	}
	if len(victim) != len(victims) || len(change) != len(changes) {
		t.Errorf("of %d victims %v, of %d changes %v", len(victims), victim, len(changes), change)
	}
}

func TestOneOfDrawsFromNothingToo(t *testing.T) {
	one, _ := streams(1)
	other, _ := streams(1)
	oneOf(one, []int{})
	oneOf(other, []int{1, 2, 3})
	if one.Uint64() != other.Uint64() {
		t.Error("what comes after depends on the length of the list")
	}
}

// TestShort: what make test draws has each kind of victim once at least, and the Supervisor, whose return takes longest, once.
func TestShort(t *testing.T) {
	random, _ := streams(Short.Seed)
	count := map[Victim]int{}
	for range int(Short.Duration/betweenKills) - 2 {
		count[nextBlow(random).victim]++
	}
	if len(count) != len(victims) || count[Supervisor] != 1 {
		t.Errorf("seed %d draws %v", Short.Seed, count)
	}
}
