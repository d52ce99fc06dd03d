package exchange

import (
	"slices"
	"testing"
	"time"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func days(n float64) time.Time { return start.Add(time.Duration(n * 24 * float64(time.Hour))) }

func TestPlan(t *testing.T) {
	ring := func(activeFrom ...float64) keyring {
		r := keyring{}
		for i, day := range activeFrom {
			r[string(rune('a'+i))] = Key{ActiveFrom: days(day)}
		}
		return r
	}
	for name, tc := range map[string]struct {
		keys keyring
		now  float64
		make float64 // -1 for none
		drop []string
	}{
		"the first key signs at once":                              {ring(), 0, 0, nil},
		"nothing to do":                                            {ring(0), 28.9, -1, nil},
		"the next is announced a day before":                       {ring(0), 29, 30, nil},
		"the next is there":                                        {ring(0, 30), 29.5, -1, nil},
		"a center that was off announces before it signs":          {ring(0), 45, 46, nil},
		"the old one is published while its tokens count":          {ring(0, 30), 30.4, -1, nil},
		"the old one is dropped after its last token":              {ring(0, 30), 30.5, -1, []string{"a"}},
		"two old ones":                                             {ring(0, 30, 60), 61, -1, []string{"a", "b"}},
		"the newest stays however old it is, and a next is made":   {ring(0), 400, 401, nil},
		"an announced key does not make the one that signs be old": {ring(0, 401), 400.5, -1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.keys.plan(days(tc.now))
			if tc.make < 0 != got.Make.IsZero() || tc.make >= 0 && !got.Make.Equal(days(tc.make)) {
				t.Errorf("makes %v, want day %v", got.Make, tc.make)
			}
			if !slices.Equal(got.Drop, tc.drop) {
				t.Errorf("drops %v, want %v", got.Drop, tc.drop)
			}
		})
	}
}

// TestRotation plays a year in steps of an hour: at any time there is a key that signs, it was announced long enough, and
// whatever it signed can be verified until it runs out.
func TestRotation(t *testing.T) {
	keys, published := keyring{}, map[string]time.Time{}
	signed := map[string]time.Time{} // key to the last token's end
	for now := start; now.Before(days(366)); now = now.Add(time.Hour) {
		if now.After(days(100)) && now.Before(days(140)) {
			continue // center is off
		}
		todo := keys.plan(now)
		if !todo.Make.IsZero() {
			id := todo.Make.String()
			keys[id], published[id] = Key{ActiveFrom: todo.Make}, now
		}
		for _, id := range todo.Drop {
			if now.Before(signed[id]) {
				t.Fatalf("%v: dropped a key whose token counts until %v", now, signed[id])
			}
			delete(keys, id)
		}
		id, ok := keys.signer(now)
		if !ok {
			t.Fatalf("%v: no key signs", now)
		}
		if now != start && published[id] != start && now.Sub(published[id]) < announcement {
			t.Fatalf("%v: signs by a key that is published since %v", now, published[id])
		}
		signed[id] = now.Add(TokenLife)
		if len(keys) > 2 {
			t.Fatalf("%v: %d keys are published", now, len(keys))
		}
	}
	if len(published) < 11 {
		t.Errorf("made %d keys in a year", len(published))
	}
}
