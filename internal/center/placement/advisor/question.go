package advisor

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"pacific/internal/center/placement"
	"pacific/internal/center/vapi"
)

// question is the body of ?action=explain: either a machine that exists, or the shape of one or more that do not.
type question struct {
	Cluster string `json:"cluster"`
	// VM that exists, by id or name.
	VM string `json:"vm"`

	Name      string `json:"name"`
	Count     int    `json:"count"`
	CPUs      int    `json:"cpu_count"`
	MemoryMiB int64  `json:"memory_mib"`
	// ReservedMiB of memory; unset: all of it.
	ReservedMiB *int64          `json:"memory_reservation_mib"`
	ReservedMHz int64           `json:"cpu_reservation_mhz"`
	Disks       []questionDisk  `json:"disks"`
	Networks    []string        `json:"networks"`
	Pool        string          `json:"resource_pool"`
	Near        []string        `json:"affinity"`
	Apart       []string        `json:"anti_affinity"`
	Rules       []questionRules `json:"rules"`
}

type questionDisk struct {
	CapacityMiB int64  `json:"capacity_mib"`
	Datastore   string `json:"datastore"`
}

// questionRules is a rule that there is not yet.
type questionRules struct {
	Type      placement.Kind `json:"type"`
	Group     string         `json:"group"`
	Mandatory *bool          `json:"mandatory"` // unset: true
	Hosts     []string       `json:"hosts"`
	Label     string         `json:"label"`
}

// What one question may ask at most: far above any host.
const (
	maxCount     = 100
	maxCPUs      = 4096
	maxMemoryMiB = 1 << 30
	maxDiskMiB   = 1 << 34
	maxMHz       = 1 << 30
	maxList      = 64
)

var groupName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$`)

// bounded is a number that has to be in a range.
type bounded struct {
	field            string
	value, low, high int64
}

// check says what is wrong with a question about machines that do not exist.
func (q *question) check() error {
	numbers := []bounded{
		{"count", int64(cmp.Or(q.Count, 1)), 1, maxCount}, {"cpu_count", int64(q.CPUs), 1, maxCPUs}, {"memory_mib", q.MemoryMiB, 1, maxMemoryMiB},
		{"memory_reservation_mib", q.reservedMiB(), 0, min(max(q.MemoryMiB, 0), maxMemoryMiB)}, {"cpu_reservation_mhz", q.ReservedMHz, 0, maxMHz},
		{"number of disks", int64(len(q.Disks)), 0, maxList}, {"number of networks", int64(len(q.Networks)), 0, maxList},
		{"number of rules and groups", int64(len(q.Rules) + len(q.Near) + len(q.Apart)), 0, maxList},
	}
	for i, d := range q.Disks {
		numbers = append(numbers, bounded{fmt.Sprintf("disks[%d].capacity_mib", i), d.CapacityMiB, 1, maxDiskMiB})
	}
	for _, n := range numbers {
		if n.value < n.low || n.value > n.high {
			return vapi.InvalidArgument("placement.range", "%s is %d; it must be %d to %d", n.field, n.value, n.low, n.high)
		}
	}
	return q.checkRules()
}

func (q *question) checkRules() error {
	groups := slices.Concat(q.Near, q.Apart)
	for _, r := range q.Rules {
		if !slices.Contains(placement.Kinds, r.Type) {
			return vapi.InvalidArgument("placement.rule", "rule type %q is none of %v", r.Type, placement.Kinds)
		}
		groups = append(groups, r.Group)
	}
	for _, g := range groups {
		if !groupName.MatchString(g) {
			return vapi.InvalidArgument("placement.group", "%q is no name of a group: letters, digits and ._/- inside, at most 128", g)
		}
	}
	return nil
}

func (q *question) reservedMiB() int64 {
	if q.ReservedMiB != nil {
		return *q.ReservedMiB
	}
	return q.MemoryMiB
}

// machines that are asked for. Their ids cannot be those of machines that exist.
func (q *question) machines() []placement.Machine {
	var list []placement.Machine
	count := cmp.Or(q.Count, 1)
	for i := range count {
		name := cmp.Or(q.Name, "new machine")
		if count > 1 {
			name = fmt.Sprintf("%s-%d", cmp.Or(q.Name, "new"), i+1)
		}
		m := placement.Machine{ID: fmt.Sprintf("new/%d", i+1), Name: name, CPUs: q.CPUs, MemoryBytes: q.MemoryMiB << 20,
			Reservation: placement.Resources{CPUMHz: q.ReservedMHz, MemoryBytes: q.reservedMiB() << 20}, Networks: q.Networks, Pool: q.Pool}
		for _, d := range q.Disks {
			m.Disks = append(m.Disks, placement.Disk{Datastore: d.Datastore, Bytes: d.CapacityMiB << 20})
		}
		m.Groups = slices.Concat(q.Near, q.Apart)
		for _, r := range q.Rules {
			m.Groups = append(m.Groups, r.Group)
		}
		list = append(list, m)
	}
	return list
}

// rules of the question. For a group that has such a rule already there is none more.
func (q *question) rules(have []placement.Rule) []placement.Rule {
	var list []placement.Rule
	add := func(r placement.Rule) {
		if !slices.ContainsFunc(have, func(o placement.Rule) bool { return o.Kind == r.Kind && o.Group == r.Group && o.Must == r.Must }) {
			list = append(list, r)
		}
	}
	for _, g := range q.Apart {
		add(placement.Rule{Name: g, Kind: placement.AntiAffinity, Group: g, Must: true})
	}
	for _, g := range q.Near {
		add(placement.Rule{Name: g, Kind: placement.Affinity, Group: g, Must: true})
	}
	for _, r := range q.Rules {
		add(placement.Rule{Name: r.Group, Kind: r.Type, Group: r.Group, Must: r.Mandatory == nil || *r.Mandatory, Hosts: r.Hosts, Label: r.Label})
	}
	return list
}
