package wcp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// world is a cluster that does what it is told, with the semantics of etcd and of hosts that matter to Step.
type world struct {
	supervisor Supervisor
	hosts      []Host
	deployed   map[string]string // member -> host
	voters     map[string]bool   // member -> full; false for a learner
	nodes      map[string]bool
	namespaces []string
}

func (w *world) alive(host string) bool {
	i := slices.IndexFunc(w.hosts, func(h Host) bool { return h.Name == host })
	return i >= 0 && w.hosts[i].Lost == 0
}

func (w *world) runs(member string) bool { return w.alive(w.deployed[member]) }

func (w *world) quorum() bool {
	up, all := 0, 0
	for member, full := range w.voters {
		if full {
			all++
			if w.runs(member) {
				up++
			}
		}
	}
	return all > 0 && up > all/2
}

// facts as center would see them.
func (w *world) facts() Facts {
	// The first members form etcd as soon as a majority of them runs.
	if !w.supervisor.Formed && len(w.voters) == 0 && len(w.supervisor.Members) > 0 {
		running := 0
		for _, m := range w.supervisor.Members {
			if w.runs(m.Name) {
				running++
			}
		}
		if running > len(w.supervisor.Members)/2 {
			for _, m := range w.supervisor.Members {
				w.voters[m.Name] = true
			}
		}
	}
	f := Facts{Hosts: slices.Clone(w.hosts), Members: map[string]Observed{}, Nodes: map[string]string{}, Namespaces: w.namespaces, API: "connection refused"}
	for _, m := range w.supervisor.Members {
		if w.alive(m.Host) {
			_, deployed := w.deployed[m.Name]
			f.Members[m.Name] = Observed{Deployed: deployed, Ready: deployed && w.quorum(), Why: "etcd has no quorum"}
		}
	}
	if w.quorum() {
		f.API = ""
		for name, full := range w.voters {
			f.Etcd = append(f.Etcd, EtcdMember{Name: name, Learner: !full, InSync: w.runs(name)})
		}
		slices.SortFunc(f.Etcd, func(a, b EtcdMember) int { return strings.Compare(a.Name, b.Name) })
	}
	for host := range w.nodes {
		f.Nodes[host] = ""
	}
	return f
}

func (w *world) do(a Action) {
	switch a.Kind {
	case Deploy:
		if w.alive(a.Host) {
			w.deployed[a.Member] = a.Host
		}
	case Undeploy:
		if w.alive(a.Host) {
			delete(w.deployed, a.Member)
		}
	case AddLearner:
		w.voters[a.Member] = false
	case Promote:
		w.voters[a.Member] = true
	case RemoveEtcd:
		delete(w.voters, a.Member)
	case Forget:
		w.supervisor, w.voters = Supervisor{}, map[string]bool{}
	}
}

// check holds what must always be true.
func (w *world) check(t *testing.T) {
	t.Helper()
	hosts, addresses, voters := map[string]string{}, map[netip.Addr]string{}, 0
	for _, m := range w.supervisor.Members {
		if other := hosts[m.Host]; other != "" {
			t.Errorf("%s and %s are both on %s", other, m.Name, m.Host)
		}
		if other := addresses[m.Address]; other != "" {
			t.Errorf("%s and %s both have %s", other, m.Name, m.Address)
		}
		hosts[m.Host], addresses[m.Address] = m.Name, m.Name
	}
	for _, full := range w.voters {
		if full {
			voters++
		}
	}
	if voters > w.supervisor.Plan.Count {
		t.Errorf("%d voters for %d members", voters, w.supervisor.Plan.Count)
	}
}

func (w *world) step(t *testing.T) string {
	var out strings.Builder
	if w.supervisor.Plan.Count == 0 {
		return "no Supervisor\n"
	}
	next, actions, messages := Step(w.supervisor, w.facts())
	w.supervisor = next
	w.check(t)
	// Hosts follow the record by themselves.
	for _, h := range w.hosts {
		if h.Lost == 0 && next.NodesGone {
			delete(w.nodes, h.Name)
		} else if h.Lost == 0 && next.Running {
			w.nodes[h.Name] = true
		}
	}
	for _, a := range actions {
		fmt.Fprintln(&out, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Kind, a.Member, a.Host)))
		w.do(a)
		w.check(t)
	}
	for _, m := range messages {
		fmt.Fprintln(&out, "  "+m)
	}
	return out.String()
}

func (w *world) show() string {
	var out strings.Builder
	fmt.Fprintf(&out, "formed=%v running=%v\n", w.supervisor.Formed, w.supervisor.Running)
	for _, m := range w.supervisor.Members {
		fmt.Fprintf(&out, "%s on %s %s %s joins=%v leaving=%v\n", m.Name, m.Host, m.Address, m.Deployment, m.Joins, m.Leaving)
	}
	return out.String()
}

func (w *world) command(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "enable":
		var count int
		deployment := Auto
		d.ScanArgs(t, "count", &count)
		if d.HasArg("deployment") {
			d.ScanArgs(t, "deployment", &deployment)
		}
		w.supervisor = Supervisor{Plan: Plan{Count: count, Deployment: deployment, Floating: netip.MustParsePrefix("10.0.0.2/24")}}
		for n := range count + 1 {
			w.supervisor.Plan.Addresses = append(w.supervisor.Plan.Addresses, netip.AddrFrom4([4]byte{10, 0, 0, byte(3 + n)}))
		}
		return ""
	case "disable":
		w.supervisor.Removing = true
		return ""
	case "host":
		return w.setHost(t, d)
	case "no-host":
		w.hosts = slices.DeleteFunc(w.hosts, func(h Host) bool { return h.Name == d.CmdArgs[0].Key })
		delete(w.nodes, d.CmdArgs[0].Key)
		return ""
	case "namespaces":
		w.namespaces = nil
		for _, arg := range d.CmdArgs {
			w.namespaces = append(w.namespaces, arg.Key)
		}
		return ""
	case "step":
		return w.step(t)
	case "settle":
		last := ""
		for n := 0; ; n++ {
			before := w.show() + fmt.Sprint(w.voters, w.deployed, w.nodes)
			last = w.step(t)
			if w.show()+fmt.Sprint(w.voters, w.deployed, w.nodes) == before {
				return last + w.show()
			}
			if n > 50 {
				t.Fatal("it does not settle")
			}
		}
	}
	t.Fatalf("no command %s", d.Cmd)
	return ""
}

func (w *world) setHost(t *testing.T, d *datadriven.TestData) string {
	host := Host{Name: d.CmdArgs[0].Key}
	var lost string
	if d.HasArg("lost") {
		d.ScanArgs(t, "lost", &lost)
	}
	if lost != "" {
		duration, err := time.ParseDuration(lost)
		if err != nil {
			t.Fatal(err)
		}
		host.Lost, host.Unfit = duration, "does not answer"
	}
	if d.HasArg("unfit") {
		d.ScanArgs(t, "unfit", &host.Unfit)
	}
	host.KVM = d.HasArg("kvm")
	i := slices.IndexFunc(w.hosts, func(h Host) bool { return h.Name == host.Name })
	if i < 0 {
		w.hosts = append(w.hosts, host)
	} else {
		w.hosts[i] = host
	}
	return ""
}

func TestStep(t *testing.T) {
	datadriven.Walk(t, "testdata/step", func(t *testing.T, path string) {
		w := &world{deployed: map[string]string{}, voters: map[string]bool{}, nodes: map[string]bool{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return w.command(t, d) })
	})
}
