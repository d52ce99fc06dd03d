package wcp

import (
	"slices"
	"strings"

	"pacific/internal/center/placement"
)

// controlPlane is the group of a Supervisor's members, of which no host has two.
const controlPlane = "control-plane"

// decide where another member could go.
func (s *step) decide() placement.Decision {
	in := placement.Inventory{Rules: []placement.Rule{{Name: controlPlane, Kind: placement.AntiAffinity, Group: controlPlane, Must: true}}}
	member := placement.Machine{ID: "new", Name: "a control plane member", Groups: []string{controlPlane}}
	for _, m := range s.Members {
		in.Machines = append(in.Machines, placement.Machine{ID: m.Name, Name: m.Name, Host: m.Host, Groups: []string{controlPlane}})
	}
	known := false
	for _, host := range s.facts.Hosts {
		if host.Unfit == "" {
			room := host.Room
			room.ID, room.Name, room.State, room.Maintenance = host.Name, host.Name, placement.Connected, false
			in.Hosts = append(in.Hosts, room)
			known = known || room.Capacity.MemoryBytes > 0
		}
	}
	if known && s.machines() {
		size := Sizes[s.Plan.Size]
		member.CPUs, member.MemoryBytes = int(size.CPUs), size.MemoryMiB<<20
		member.Reservation.MemoryBytes = member.MemoryBytes
	}
	return placement.Place(in, member)
}

// machines tells whether the members are virtual machines, as far as it is known.
func (s *step) machines() bool {
	if len(s.Members) > 0 {
		return s.Members[0].Deployment == VM
	}
	kvm := slices.ContainsFunc(s.facts.Hosts, func(h Host) bool { return h.Unfit == "" && h.KVM })
	return s.Plan.Deployment == VM || s.Plan.Deployment == Auto && kvm
}

// candidates are the hosts without a member that can have one, best first.
func (s *step) candidates() []Host {
	var fit []Host
	for _, c := range s.decide().Candidates {
		if host, there := s.host(c.Name); there {
			fit = append(fit, host)
		}
	}
	return fit
}

// unfit says why hosts without a member can have none, in the order of their names.
func (s *step) unfit() string {
	refusals := s.decide().Refusals
	var reasons []string
	for _, host := range s.facts.Hosts {
		if host.Unfit != "" {
			reasons = append(reasons, host.Name+": "+host.Unfit)
			continue
		}
		i := slices.IndexFunc(refusals, func(r placement.Refusal) bool { return r.Name == host.Name })
		if i >= 0 && refusals[i].Reasons[0].Cause != placement.RuleBroken {
			reasons = append(reasons, host.Name+": "+refusals[i].Reasons[0].Message)
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return " (" + strings.Join(reasons, "; ") + ")"
}
