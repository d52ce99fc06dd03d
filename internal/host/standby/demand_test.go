package standby

import (
	"slices"
	"testing"

	"pacific/internal/host/template"
)

func TestDemand(t *testing.T) {
	other := template.Class{Personality: "agent", VCPUs: 1, MemoryBytes: 160 << 20, Ports: 1}
	pull := template.Class{Personality: "fetcher", VCPUs: 1, MemoryBytes: 256 << 20}
	foreseen := []template.Class{small}
	for name, c := range map[string]struct {
		missed, want []template.Class
	}{
		"none":                               {want: []template.Class{small}},
		"once":                               {missed: []template.Class{other}, want: []template.Class{small}},
		"twice":                              {missed: []template.Class{other, other}, want: []template.Class{other, small}},
		"in turn with others":                {missed: []template.Class{other, large, other, large}, want: []template.Class{small}},
		"it stays until another is":          {missed: []template.Class{other, other, large}, want: []template.Class{other, small}},
		"another is":                         {missed: []template.Class{other, other, large, large}, want: []template.Class{large, small}},
		"foreseen, but used up":              {missed: []template.Class{small, small}, want: []template.Class{small}},
		"of a personality that is not there": {missed: []template.Class{pull, pull}, want: []template.Class{small}},
		"with the pull of its image between": {missed: []template.Class{other, pull, other}, want: []template.Class{other, small}},
	} {
		var d demand
		for _, class := range c.missed {
			d.missed(class, foreseen)
		}
		if got := d.classes(foreseen); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
