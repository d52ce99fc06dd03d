package pools

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDivide(t *testing.T) {
	for name, c := range map[string]struct {
		limit uint64
		hosts []Demand
		want  []uint64
	}{
		"one host has all":       {1000, []Demand{{Potential: 2000}}, []uint64{1000}},
		"nothing runs":           {900, []Demand{{}, {}, {}}, []uint64{300, 300, 300}},
		"one wants all":          {1000, []Demand{{Used: 700, Throttled: true, Potential: 2000, Previous: 700}, {}, {}}, []uint64{986, 6, 6}},
		"all want the same":      {900, []Demand{{Throttled: true, Potential: 2000, Previous: 900}, {Throttled: true, Potential: 2000, Previous: 600}, {Throttled: true, Potential: 2000, Previous: 600}}, []uint64{300, 300, 300}},
		"by what there is":       {1000, []Demand{{Throttled: true, Potential: 4000, Previous: 500}, {Throttled: true, Potential: 2000, Previous: 500}}, []uint64{663, 336}},
		"one begins":             {1000, []Demand{{Throttled: true, Potential: 2000, Previous: 990}, {Throttled: true, Potential: 2000, Previous: 10}}, []uint64{880, 120}},
		"the modest keep theirs": {1000, []Demand{{Throttled: true, Potential: 2000, Previous: 900}, {Used: 100, Potential: 2000}}, []uint64{880, 120}},
		"little is wanted":       {1000, []Demand{{Used: 10, Potential: 2000}, {}}, []uint64{747, 252}},
		"one does not answer":    {1000, []Demand{{Throttled: true, Potential: 2000, Previous: 500}, {Previous: 400, Fixed: true}, {}}, []uint64{594, 400, 6}},
		"none answers":           {1000, []Demand{{Previous: 700, Fixed: true}, {Previous: 300, Fixed: true}}, []uint64{700, 300}},
		"nothing is left":        {1000, []Demand{{Previous: 1000, Fixed: true}, {Throttled: true, Potential: 2000}}, []uint64{1000, 1}},
		"the limit was lowered":  {500, []Demand{{Throttled: true, Potential: 2000, Previous: 990}, {Previous: 10}}, []uint64{495, 5}},
		"nearly the same stays":  {1000, []Demand{{Used: 300, Throttled: true, Potential: 2000, Previous: 980}, {Previous: 20}}, []uint64{980, 20}},
	} {
		if have := Divide(c.limit, c.hosts); !slices.Equal(have, c.want) {
			t.Errorf("%s: %v, want %v", name, have, c.want)
		}
	}
}

// Whatever is wanted: never more than the limit, something for each host, and all of it where it is wanted.
func TestDivideKeepsTheLimit(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		hosts := make([]Demand, 1+random.IntN(8))
		limit := uint64(len(hosts) + random.IntN(20000))
		var fixed uint64
		for i := range hosts {
			h := &hosts[i]
			h.Potential, h.Previous = float64(random.IntN(4)*2000), random.Uint64N(limit/uint64(len(hosts))+1)
			h.Used, h.Throttled = random.Float64()*h.Potential, random.IntN(3) == 0 && h.Potential > 0
			if h.Fixed = random.IntN(6) == 0; h.Fixed {
				fixed += h.Previous
			}
		}
		parts := Divide(limit, hosts)
		sum := uint64(0)
		for i, p := range parts {
			sum += p
			if p == 0 && !hosts[i].Fixed {
				t.Fatalf("limit %d, %+v: %v leaves one without any", limit, hosts, parts)
			}
		}
		if sum > max(limit, fixed+uint64(len(hosts))) {
			t.Fatalf("limit %d, %+v: %v is %d", limit, hosts, parts, sum)
		}
		if float64(sum) < float64(limit)*0.97-float64(len(hosts)) && !allFixed(hosts) {
			t.Fatalf("limit %d, %+v: %v is only %d", limit, hosts, parts, sum)
		}
	}
}

func allFixed(hosts []Demand) bool {
	return !slices.ContainsFunc(hosts, func(h Demand) bool { return !h.Fixed })
}

// Hosts whose load is so much are simulated, second by second: the parts follow the load within seconds and then stand still.
func TestDivideConverges(t *testing.T) {
	const limit, potential = 1000, 4000
	parts := []uint64{333, 333, 333}
	follow := func(load []float64) (used float64, changed bool) {
		demands := make([]Demand, len(load))
		for i, l := range load {
			got := min(l, float64(parts[i]))
			used += got
			demands[i] = Demand{Used: got, Throttled: l > float64(parts[i]), Previous: parts[i]}
			if l > 0 {
				demands[i].Potential = potential
			}
		}
		next := Divide(limit, demands)
		changed = !slices.Equal(next, parts)
		parts = next
		return used, changed
	}
	for _, c := range []struct {
		name string
		load []float64
		want float64
	}{
		{"all on one host", []float64{4000, 0, 0}, 1000},
		{"it moves", []float64{0, 0, 4000}, 1000},
		{"it spreads", []float64{4000, 4000, 4000}, 1000},
		{"one is modest", []float64{4000, 100, 0}, 1000},
		{"less than the limit", []float64{300, 300, 300}, 900},
		{"uneven, less than the limit", []float64{800, 50, 20}, 870},
		{"nearly the limit", []float64{300, 600, 50}, 950},
		{"rest", []float64{0, 0, 0}, 0},
		{"again", []float64{0, 4000, 0}, 1000},
	} {
		for range 4 {
			follow(c.load)
		}
		for range 10 {
			used, changed := follow(c.load)
			if changed || math.Abs(used-c.want) > 0.04*limit {
				t.Errorf("%s: %v MHz are used, want %v; parts %v, changed %v", c.name, used, c.want, parts, changed)
			}
		}
	}
}

func TestDivideMemory(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		limit uint64
		hosts []Space
		want  []uint64
	}{
		"one host":                {1024, []Space{{}}, []uint64{1024}},
		"nothing runs":            {900, []Space{{}, {}, {}}, []uint64{300, 300, 300}},
		"what is there, and even": {900, []Space{{Reserved: 300}, {Used: 150}, {}}, []uint64{450, 300, 150}},
		"a start wants more":      {900, []Space{{Reserved: 300}, {Wanted: 500}, {}}, []uint64{333, 533, 33}},
		"starts that do not fit":  {900, []Space{{Reserved: 300}, {Wanted: 400}, {Wanted: 300}}, []uint64{300, 300, 300}},
		"more than there is":      {900, []Space{{Reserved: 300}, {Wanted: 2000}, {}}, []uint64{300, 600, 0}},
		"too much is there":       {300, []Space{{Reserved: 300}, {Reserved: 300}, {}}, []uint64{150, 150, 0}},
		"one does not answer":     {900, []Space{{Reserved: 300}, {Fixed: true, Previous: 400}, {}}, []uint64{400, 400, 100}},
		"enough stays":            {900, []Space{{Reserved: 300, Previous: 500}, {Used: 10, Previous: 200}, {Previous: 200}}, []uint64{500, 200, 200}},
		"not enough moves":        {900, []Space{{Reserved: 300, Previous: 310}, {Previous: 295}, {Previous: 295}}, []uint64{500, 200, 200}},
		"a lowered limit":         {600, []Space{{Reserved: 300, Previous: 500}, {Previous: 200}, {Previous: 200}}, []uint64{400, 100, 100}},
	} {
		var hosts []Space
		for _, h := range c.hosts {
			h.Reserved, h.Used, h.Wanted, h.Previous = h.Reserved*mib, h.Used*mib, h.Wanted*mib, h.Previous*mib
			hosts = append(hosts, h)
		}
		have := DivideMemory(c.limit*mib, hosts)
		for i := range have {
			have[i] /= mib
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%s: %v, want %v", name, have, c.want)
		}
	}
}

func TestDivideMemoryKeepsTheLimit(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		hosts := make([]Space, 1+random.IntN(6))
		limit := random.Uint64N(1 << 40)
		var fixed uint64
		for i := range hosts {
			hosts[i] = Space{Reserved: random.Uint64N(1 << 38), Used: random.Uint64N(1 << 38), Previous: random.Uint64N(1 << 38), Fixed: random.IntN(5) == 0}
			if random.IntN(3) == 0 {
				hosts[i].Wanted = random.Uint64N(1 << 38)
			}
			if hosts[i].Fixed {
				fixed += hosts[i].Previous
			}
		}
		var sum uint64
		for _, p := range DivideMemory(limit, hosts) {
			sum += p
		}
		if sum > max(limit, fixed)+uint64(len(hosts)) {
			t.Fatalf("limit %d, %+v: %d", limit, hosts, sum)
		}
	}
}
