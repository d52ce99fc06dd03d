package wcp

import (
	"net/netip"
	"slices"
	"time"
)

// Supervisor is the record of a cluster that is one, by the cluster's id. It is written before anything is done by it.
type Supervisor struct {
	Spec EnableSpec `json:"spec"`
	Plan Plan       `json:"plan"`
	// Enabled is when it was asked for.
	Enabled time.Time `json:"enabled"`
	// Removing is set by disable; nothing takes it back.
	Removing bool `json:"removing,omitempty"`
	// NodesGone is set, while removing, when the namespaces are gone and the nodes may go.
	NodesGone bool `json:"nodesGone,omitempty"`
	// Formed is set when the first members were seen as a quorum; from then on members come one at a time.
	Formed bool `json:"formed,omitempty"`
	// Running is set when the Kubernetes API answered for the first time; the configuration is complete then.
	Running bool `json:"running,omitempty"`
	// Serial counts the members that there ever were; their names are never used again.
	Serial  int      `json:"serial"`
	Members []Member `json:"members"`
}

// Member of the control plane.
type Member struct {
	Name    string     `json:"name"`
	Host    string     `json:"host"`
	Address netip.Addr `json:"address"`
	// Deployment is VM or PROCESS.
	Deployment string `json:"deployment"`
	// Peers are the names and addresses of all members when this one was made, which its etcd begins with.
	Peers []Peer `json:"peers"`
	// Joins tells that it comes to an etcd that is there, first as a learner.
	Joins bool `json:"joins,omitempty"`
	// Emulated machines are slow, and their time limits longer.
	Emulated bool `json:"emulated,omitempty"`
	// Ordered tells that the host shall have it; until then its etcd is not expected, after that it is deleted.
	Ordered bool `json:"ordered,omitempty"`
	// Leaving members are taken out of etcd, deleted from their hosts, and then forgotten.
	Leaving bool `json:"leaving,omitempty"`
}

// Peer is another member, as etcd knows it.
type Peer struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
}

// staying members are those that do not leave.
func (s Supervisor) staying() []Member {
	return slices.DeleteFunc(slices.Clone(s.Members), func(m Member) bool { return m.Leaving })
}

// freeAddress is one that no member has, also none that leaves: its machine may still be there. It goes round, so that one that
// was given back is used again as late as possible.
func (s Supervisor) freeAddress() (netip.Addr, bool) {
	for n := range s.Plan.Addresses {
		address := s.Plan.Addresses[(s.Serial+n)%len(s.Plan.Addresses)]
		if !slices.ContainsFunc(s.Members, func(m Member) bool { return m.Address == address }) {
			return address, true
		}
	}
	return netip.Addr{}, false
}

// Server is the URL of the Kubernetes API.
func (s Supervisor) Server() string {
	return "https://" + netip.AddrPortFrom(s.Plan.Floating.Addr(), APIPort).String()
}

// APIPort of a Supervisor.
const APIPort = 6443
