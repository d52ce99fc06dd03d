package wcp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pacific/internal/center/placement"
)

// Facts are what was seen of a Supervisor and its cluster just now.
type Facts struct {
	// Hosts of the cluster, by name.
	Hosts []Host
	// Members by name; one that is not here was not seen.
	Members map[string]Observed
	// Etcd are the members that etcd has; nil while nobody of its quorum answers.
	Etcd []EtcdMember
	// API says why the Kubernetes API does not answer at the floating address; empty when it does.
	API string
	// Nodes says why a host's node is not Ready, by host; empty for one that is. One that is not here has no spherelet bundle.
	Nodes map[string]string
	// Namespaces that must go before a Supervisor is removed.
	Namespaces []string
}

// Host of a cluster.
type Host struct {
	Name string
	// Unfit says why it can have no new member; empty when it can.
	Unfit string
	// Lost is for how long it has not been heard of.
	Lost time.Duration
	// KVM tells that machines run with hardware virtualization.
	KVM bool
	// Room that it has, for placement; the zero value where it is not known, and then a member is taken to fit.
	Room placement.Host
}

// Observed is how a member was seen.
type Observed struct {
	// Deployed tells that its host has it.
	Deployed bool
	// Ready tells that all its components are.
	Ready bool
	// Why it is not.
	Why string
}

// EtcdMember is a member as etcd lists it.
type EtcdMember struct {
	Name    string
	Learner bool
	// InSync learners can be promoted.
	InSync bool
}

// Action is one thing to do; doing it twice does no harm.
type Action struct {
	Kind   ActionKind
	Member string // its name
	Host   string
}

// ActionKind is what to do.
type ActionKind string

// Kinds of actions.
const (
	Deploy     ActionKind = "deploy"      // make the member run on its host
	AddLearner ActionKind = "add-learner" // to etcd
	Promote    ActionKind = "promote"     // in etcd
	RemoveEtcd ActionKind = "remove-etcd" // from etcd
	Undeploy   ActionKind = "undeploy"    // delete the member from its host
	Forget     ActionKind = "forget"      // the Supervisor, which is gone
)

// lostAfter is how long a member's host may be silent before the member is replaced: longer than a host's restart.
const lostAfter = 5 * time.Minute

// Step decides what a Supervisor should become by what was seen of it. The returned record is to be written, if it differs,
// before the actions are done; the messages say what is waited for.
func Step(s Supervisor, f Facts) (next Supervisor, actions []Action, messages []string) {
	s.Members = slices.Clone(s.Members)
	if s.Removing {
		return remove(s, f)
	}
	st := &step{Supervisor: s, facts: f}
	st.form()
	st.replaceLost()
	st.leave()
	st.grow()
	st.deploy()
	st.finish()
	return st.Supervisor, st.actions, st.messages
}

type step struct {
	Supervisor
	facts    Facts
	actions  []Action
	messages []string
}

func (s *step) do(kind ActionKind, m Member) {
	s.actions = append(s.actions, Action{Kind: kind, Member: m.Name, Host: m.Host})
}

func (s *step) say(format string, args ...any) {
	s.messages = append(s.messages, fmt.Sprintf(format, args...))
}

// form places the first members, all at once: their etcds begin together.
func (s *step) form() {
	if len(s.Members) > 0 {
		return
	}
	hosts := s.candidates()
	if len(hosts) < s.Plan.Count {
		s.say("%d control plane members go on as many hosts; %d can have one%s", s.Plan.Count, len(hosts), s.unfit())
		return
	}
	for _, host := range hosts[:s.Plan.Count] {
		address, ok := s.freeAddress()
		if !ok {
			s.say("the management network has no address left for a member; give a larger address_range")
			s.Members = nil
			return
		}
		s.Members = append(s.Members, s.member(host, address))
	}
	peers := s.peers()
	for i := range s.Members {
		s.Members[i].Peers = peers
	}
}

// member is a new one for a host, with the next name.
func (s *step) member(host Host, address netip.Addr) Member {
	s.Serial++
	deployment := s.deployment(host)
	return Member{
		Name: fmt.Sprintf("control-plane-%d", s.Serial), Host: host.Name, Address: address,
		Deployment: deployment, Emulated: deployment == VM && !host.KVM,
	}
}

// deployment decides once what members are: a Supervisor is of one kind.
func (s *step) deployment(host Host) string {
	if len(s.Members) > 0 {
		return s.Members[0].Deployment
	}
	if s.Plan.Deployment != Auto {
		return s.Plan.Deployment
	}
	if host.KVM {
		return VM
	}
	return Process
}

func (s *step) peers() []Peer {
	var peers []Peer
	for _, m := range s.staying() {
		peers = append(peers, Peer{Name: m.Name, Address: m.Address})
	}
	return peers
}

func (s *step) host(name string) (Host, bool) {
	i := slices.IndexFunc(s.facts.Hosts, func(h Host) bool { return h.Name == name })
	if i < 0 {
		return Host{}, false
	}
	return s.facts.Hosts[i], true
}

func (s *step) inEtcd(name string) (EtcdMember, bool) {
	i := slices.IndexFunc(s.facts.Etcd, func(m EtcdMember) bool { return m.Name == name })
	if i < 0 {
		return EtcdMember{}, false
	}
	return s.facts.Etcd[i], true
}

// replaceLost lets one member at a time go whose host is gone or was silent for too long, if there is a place for another.
func (s *step) replaceLost() {
	if !s.Formed || len(s.staying()) < len(s.Members) {
		return
	}
	for i, m := range s.Members {
		host, there := s.host(m.Host)
		if there && host.Lost < lostAfter {
			continue
		}
		why := "was removed from the cluster"
		if there {
			why = fmt.Sprintf("has not answered for %s", host.Lost.Round(time.Second))
		}
		if s.facts.Etcd == nil {
			s.say("%s is lost: its host %s %s; it is replaced when etcd has a quorum again", m.Name, m.Host, why)
			return
		}
		if len(s.candidates()) == 0 {
			s.say("%s is lost: its host %s %s; no other host can have a member%s: bring the host back or add one", m.Name, m.Host, why, s.unfit())
			return
		}
		s.Members[i].Leaving = true
		return
	}
}

// leave takes members that are to go out of etcd, then from their hosts, then from the record.
func (s *step) leave() {
	var left []Member
	for _, m := range s.Members {
		if _, voting := s.inEtcd(m.Name); m.Leaving && s.facts.Etcd != nil && !voting {
			m.Ordered = false
		}
		if !m.Leaving {
			left = append(left, m)
			continue
		}
		_, voting := s.inEtcd(m.Name)
		host, there := s.host(m.Host)
		switch {
		case s.facts.Etcd == nil:
			s.say("%s leaves: waiting for a quorum of etcd", m.Name)
		case voting:
			s.do(RemoveEtcd, m)
			s.say("%s leaves etcd", m.Name)
		case !there:
			continue // there is nothing left of it that center could delete
		case host.Lost > 0:
			s.do(Undeploy, m) // the order waits for the host
			s.say("%s has left etcd; what its host %s has of it is deleted when the host answers again", m.Name, m.Host)
		case !s.gone(m):
			s.do(Undeploy, m)
			s.say("%s is deleted from host %s", m.Name, m.Host)
		default:
			continue
		}
		left = append(left, m)
	}
	s.Members = left
}

// gone tells whether the member's host was seen without it.
func (s *step) gone(m Member) bool {
	seen, known := s.facts.Members[m.Name]
	return known && !seen.Deployed
}

// grow makes a member where one is missing, once those before it are full members.
func (s *step) grow() {
	if !s.Formed || len(s.staying()) >= s.Plan.Count {
		return
	}
	if s.facts.Etcd == nil {
		s.say("%d of %d members; another comes when etcd has a quorum", len(s.staying()), s.Plan.Count)
		return
	}
	if slices.ContainsFunc(s.staying(), func(m Member) bool { e, in := s.inEtcd(m.Name); return !in || e.Learner }) {
		return
	}
	// Etcd must have forgotten the one that leaves, or its quorum would be larger by one.
	if slices.ContainsFunc(s.Members, func(m Member) bool { _, in := s.inEtcd(m.Name); return m.Leaving && in }) {
		return
	}
	hosts := s.candidates()
	address, ok := s.freeAddress()
	switch {
	case len(hosts) == 0:
		s.say("%d of %d members: no other host can have one%s", len(s.staying()), s.Plan.Count, s.unfit())
		return
	case !ok:
		s.say("%d of %d members: the management network has no address left for another", len(s.staying()), s.Plan.Count)
		return
	}
	m := s.member(hosts[0], address)
	m.Joins = true
	m.Peers = append(s.peers(), Peer{Name: m.Name, Address: m.Address})
	s.Members = append(s.Members, m)
}

// deploy brings every member to its host, joining ones into etcd first.
func (s *step) deploy() {
	for i, m := range s.Members {
		if m.Leaving {
			continue
		}
		etcd, in := s.inEtcd(m.Name)
		seen := s.facts.Members[m.Name]
		if host, there := s.host(m.Host); m.Ordered && (!there || host.Lost > 0) {
			s.sayLost(m, host)
			continue
		}
		switch {
		case m.Joins && !in && s.facts.Etcd == nil && !seen.Deployed:
			s.say("%s waits for a quorum of etcd to join it", m.Name)
			continue
		case m.Joins && !in && s.facts.Etcd != nil:
			s.do(AddLearner, m)
			s.say("%s joins etcd", m.Name)
			continue // its etcd does not begin before it is expected
		}
		s.Members[i].Ordered = true
		s.do(Deploy, m)
		switch {
		case !seen.Deployed:
			s.say("%s is brought to host %s", m.Name, m.Host)
		case in && etcd.Learner && etcd.InSync:
			s.do(Promote, m)
			s.say("%s becomes a full member of etcd", m.Name)
		case in && etcd.Learner:
			s.say("%s copies etcd's data", m.Name)
		case !seen.Ready:
			s.say("%s on host %s is not ready: %s", m.Name, m.Host, or(seen.Why, "it has not answered yet"))
		}
	}
}

// sayLost says that a member's host is away, unless it was said why the member is not replaced.
func (s *step) sayLost(m Member, host Host) {
	if !slices.ContainsFunc(s.messages, func(message string) bool { return strings.HasPrefix(message, m.Name+" is lost") }) {
		s.say("%s waits for its host %s, which has not answered for %s", m.Name, m.Host, host.Lost.Round(time.Second))
	}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// finish marks what has been reached, and brings the bundle to the hosts.
func (s *step) finish() {
	if !s.Formed && len(s.Members) > 0 {
		s.Formed = !slices.ContainsFunc(s.Members, func(m Member) bool { e, in := s.inEtcd(m.Name); return !in || e.Learner })
	}
	if s.facts.API != "" {
		if len(s.Members) > 0 {
			s.say("the Kubernetes API at %s does not answer: %s", s.Server(), s.facts.API)
		}
	} else if len(s.Members) > 0 {
		s.Running = s.Running || s.Formed
	}
	if !s.Running {
		return
	}
	for _, host := range s.facts.Hosts {
		if why, has := s.facts.Nodes[host.Name]; !has {
			s.say("host %s gets its spherelet", host.Name)
		} else if why != "" {
			s.say("node %s is not ready: %s", host.Name, why)
		}
	}
}

// remove undoes everything in reverse: namespaces, nodes, members.
func remove(s Supervisor, f Facts) (Supervisor, []Action, []string) {
	st := &step{Supervisor: s, facts: f}
	if len(f.Namespaces) > 0 {
		st.say("waiting for namespaces to be gone: %s", strings.Join(f.Namespaces, ", "))
		return st.Supervisor, nil, st.messages
	}
	st.NodesGone = true
	var hosts []string
	for _, host := range f.Hosts {
		if _, has := f.Nodes[host.Name]; has && host.Lost < lostAfter {
			hosts = append(hosts, host.Name)
		}
	}
	if len(hosts) > 0 {
		st.say("waiting for spherelets to be removed from %s", strings.Join(hosts, ", "))
		return st.Supervisor, st.actions, st.messages
	}
	var left []Member
	for _, m := range st.Members {
		// What a host has that does not come back, it deletes should it come back one day.
		if host, there := st.host(m.Host); !there || host.Lost > lostAfter || st.gone(m) {
			continue
		}
		m.Ordered = false
		st.do(Undeploy, m)
		st.say("%s is deleted from host %s", m.Name, m.Host)
		left = append(left, m)
	}
	st.Members = left
	if len(left) == 0 {
		st.actions = append(st.actions, Action{Kind: Forget})
	}
	return st.Supervisor, st.actions, st.messages
}
