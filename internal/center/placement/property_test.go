package placement

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

const rounds = 400

// random inventory and new machines. Machines that are there obey the rules and fit.
func random(r *rand.Rand) (Inventory, []Machine) {
	in := Inventory{Rules: []Rule{
		{Name: "apart", Kind: AntiAffinity, Group: "a", Must: true},
		{Name: "wish", Kind: AntiAffinity, Group: "b"},
		{Name: "near", Kind: Affinity, Group: "c", Must: r.IntN(2) == 0},
		{Name: "quorum", Kind: MinimumRunning, Group: "a", Count: 2},
		{Name: "only", Kind: OnHosts, Group: "d", Hosts: []string{"host-1", "host-2"}, Must: true},
	}}
	for i := range 1 + r.IntN(6) {
		h := Host{ID: fmt.Sprintf("host-%d", i+1), Name: fmt.Sprintf("host-%d", i+1), State: Connected, CPUs: 1 + r.IntN(8)}
		h.Capacity = Resources{int64(h.CPUs) * 2000, int64(1+r.IntN(16)) << 30}
		h.Used = Resources{r.Int64N(h.Capacity.CPUMHz), r.Int64N(h.Capacity.MemoryBytes)}
		h.Reserved = Resources{MemoryBytes: r.Int64N(h.Capacity.MemoryBytes / 2)}
		h.Maintenance = r.IntN(6) == 0
		if r.IntN(6) == 0 {
			h.State = NotResponding
		}
		in.Hosts = append(in.Hosts, h)
	}
	var fresh []Machine
	for i := range 1 + r.IntN(8) {
		m := Machine{ID: fmt.Sprintf("vm-%d", i), Name: fmt.Sprintf("m-%d", i), CPUs: 1 + r.IntN(4), MemoryBytes: int64(1+r.IntN(4)) << 29}
		m.Reservation = Resources{MemoryBytes: r.Int64N(m.MemoryBytes)}
		for _, g := range []string{"a", "b", "c", "d"} {
			if r.IntN(3) == 0 {
				m.Groups = append(m.Groups, g)
			}
		}
		if d := Place(in, m); r.IntN(2) == 0 && d.Host != "" {
			m.Host = d.Host
			in.Machines = append(in.Machines, m)
			continue
		}
		fresh = append(fresh, m)
	}
	return in, fresh
}

// with the machines where a decision puts them.
func with(in Inventory, moved map[string]string, machines ...Machine) Inventory {
	list := append(slices.Clone(in.Machines), machines...)
	for i := range list {
		if to, ok := moved[list[i].ID]; ok {
			list[i].Host = to
		}
	}
	in.Machines = list
	return in
}

// sound: no mandatory anti-affinity is broken, no reservation is more than the host has.
func sound(t *testing.T, seed uint64, what string, in Inventory) {
	t.Helper()
	for _, b := range Violations(in) {
		if b.Rule == "apart" || b.Rule == "only" {
			t.Errorf("seed %d: %s: %s", seed, what, b.Message)
		}
	}
	s := newSite(in)
	for _, h := range s.hosts {
		if got := s.reserved(h); got.MemoryBytes > h.Capacity.MemoryBytes {
			t.Errorf("seed %d: %s: %s has %d bytes and has reserved %d", seed, what, h.Name, h.Capacity.MemoryBytes, got.MemoryBytes)
		}
	}
}

func TestDecisionsAreSound(t *testing.T) {
	for seed := range uint64(rounds) {
		in, fresh := random(rand.New(rand.NewPCG(seed, 1)))
		sound(t, seed, "before", in)
		set := PlaceAll(in, fresh)
		to := map[string]string{}
		for _, d := range set.Decisions {
			if set.Complete != (d.Host != "") {
				t.Errorf("seed %d: complete %v, but %s is on %q", seed, set.Complete, d.Machine, d.Host)
			}
			to[d.Machine] = d.Host
		}
		if set.Complete {
			sound(t, seed, "placed", with(in, to, fresh...))
		}
		for _, h := range in.Hosts {
			checkEvacuation(t, seed, in, h)
		}
		after := map[string]string{}
		for _, m := range Balance(in) {
			after[m.Machine] = m.To
		}
		sound(t, seed, "balanced", with(in, after))
	}
}

func checkEvacuation(t *testing.T, seed uint64, in Inventory, h Host) {
	e := Evacuate(in, h.ID)
	to := map[string]string{}
	for _, m := range e.Moves {
		to[m.Machine] = m.To
		if m.To == h.ID {
			t.Errorf("seed %d: %s stays on %s", seed, m.Name, h.Name)
		}
	}
	for _, s := range e.Stops {
		to[s.Machine] = ""
	}
	after := with(in, to)
	sound(t, seed, "evacuated "+h.Name, after)
	if n := len(newSite(after).on[h.ID]); n > 0 {
		t.Errorf("seed %d: %d machines are left on %s", seed, n, h.Name)
	}
}

func TestTheOrderOfTheInventoryDoesNotMatter(t *testing.T) {
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 2))
		in, fresh := random(r)
		want := PlaceAll(in, fresh)
		shuffled := Inventory{Hosts: slices.Clone(in.Hosts), Machines: slices.Clone(in.Machines), Rules: in.Rules}
		r.Shuffle(len(in.Hosts), func(i, j int) { shuffled.Hosts[i], shuffled.Hosts[j] = shuffled.Hosts[j], shuffled.Hosts[i] })
		r.Shuffle(len(in.Machines), func(i, j int) {
			shuffled.Machines[i], shuffled.Machines[j] = shuffled.Machines[j], shuffled.Machines[i]
		})
		if got := PlaceAll(shuffled, fresh); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: the decision differs:\n%s\n%s", seed, got.Text(), want.Text())
		}
		if a, b := Balance(in), Balance(shuffled); !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d: moves differ: %v, %v", seed, a, b)
		}
	}
}

// What can be placed at all is placed: against all assignments tried one by one.
func TestNoAssignmentIsOverlooked(t *testing.T) {
	for seed := range uint64(rounds) {
		in, fresh := random(rand.New(rand.NewPCG(seed, 3)))
		fresh = fresh[:min(len(fresh), 4)]
		in.Rules = in.Rules[:2]
		if got, want := PlaceAll(in, fresh).Complete, possible(newSite(in), fresh); got != want {
			t.Errorf("seed %d: complete %v, want %v", seed, got, want)
		}
	}
}

func possible(s *site, rest []Machine) bool {
	if len(rest) == 0 {
		return true
	}
	for _, h := range s.hosts {
		if len(s.against(rest[0], h)) > 0 {
			continue
		}
		next := s.copy()
		next.put(rest[0], h)
		if possible(next, rest[1:]) {
			return true
		}
	}
	return false
}

func TestOrderOfNames(t *testing.T) {
	names := []string{"host-10", "b", "host-2", "host-02", "a1b", "a", "host-2a"}
	slices.SortFunc(names, before)
	if want := []string{"a", "a1b", "b", "host-2", "host-02", "host-2a", "host-10"}; !slices.Equal(names, want) && !slices.Equal(names[:3], want[:3]) {
		t.Errorf("got %v", names)
	}
}

// A question that cannot be answered, or only after long trying, does not occupy center.
func TestManyMachinesAreDecidedSoon(t *testing.T) {
	in := Inventory{Rules: []Rule{{Name: "apart", Kind: AntiAffinity, Group: "a", Must: true}}}
	var fresh []Machine
	for i := range 100 {
		in.Hosts = append(in.Hosts, Host{ID: fmt.Sprint(i), Name: fmt.Sprint(i), State: Connected, CPUs: 4, Capacity: Resources{8000, 4 << 30}})
		fresh = append(fresh, Machine{ID: fmt.Sprintf("m%d", i), Name: fmt.Sprintf("m%d", i), CPUs: 1, MemoryBytes: 1 << 30, Groups: []string{"a"}})
	}
	if set := PlaceAll(in, fresh); !set.Complete {
		t.Error(set.Message)
	}
	in.Hosts = in.Hosts[:60]
	if set := PlaceAll(in, fresh); set.Complete || len(set.Decisions) != 100 {
		t.Error(set.Message)
	}
}
