//go:build e2e

package e2e

import (
	"crypto/tls"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	supervisorv1 "pacific/api/supervisor/v1"
	"pacific/internal/supervisor/member"
)

// TestMembers is one story, since a start takes seconds: its steps build on each other.
func TestMembers(t *testing.T) {
	l := newLab(t)
	one, two, three := l.machine(1), l.machine(2), l.machine(3)
	all := []*machine{one, two, three}
	step := func(name string, f func(t *testing.T)) {
		t.Helper()
		begin := time.Now()
		if !t.Run(name, f) {
			t.FailNow()
		}
		t.Logf("%s: %v", name, time.Since(begin).Round(100*time.Millisecond))
	}
	step("three members form a Supervisor", func(t *testing.T) {
		for _, m := range all {
			m.write(m.config(member.New, all...))
			m.start()
		}
		for _, m := range all {
			m.waitReady()
		}
		l.agree(t, all)
	})
	step("the address moves when its holder is killed, and no write is lost", func(t *testing.T) { l.killHolder(t, all) })
	step("the address moves at once when its holder stops", func(t *testing.T) { l.stopHolder(t, all) })
	step("a lost member is replaced", func(t *testing.T) { all = l.replace(t, all) })
	step("without a majority nothing is written, and with one again", func(t *testing.T) { l.losesMajority(t, all) })
	var snapshot string
	step("all restart", func(t *testing.T) {
		snapshot = l.snapshot(all[0])
		l.create(t, "after-the-snapshot")
		var stopped sync.WaitGroup
		for _, m := range all {
			stopped.Go(m.stop)
		}
		stopped.Wait()
		for _, m := range all {
			m.start()
		}
		for _, m := range all {
			m.waitReady()
		}
		l.agree(t, all)
		if _, err := l.client(address()).CoreV1().ConfigMaps("default").Get(l.ctx, "after-the-snapshot", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	})
	step("a snapshot is restored", func(t *testing.T) { l.restore(t, all, snapshot) })
}

func address() string { return strings.Split(floating, "/")[0] }

// agree checks that the members are well and of one mind.
func (l *lab) agree(t *testing.T, all []*machine) {
	t.Helper()
	holder := l.holder(all...)
	leaders := map[string]bool{}
	for _, m := range all {
		var health *supervisorv1.GetHealthResponse
		l.eventually(m.self.Name+" is well and knows who holds the address", func() bool {
			var err error
			health, err = m.health()
			return err == nil && health.Ready && health.FloatingAddressHolder == holder.self.Name && health.Leader != ""
		})
		leaders[health.Leader] = true
		t.Logf("%s: %d MiB resident", m.self.Name, health.MemoryBytes>>20)
	}
	if len(leaders) != 1 {
		t.Errorf("the members follow different leaders: %v", leaders)
	}
	client := l.client(address())
	l.eventually("Service kubernetes has all members", func() bool {
		slicesOf, err := client.DiscoveryV1().EndpointSlices("default").List(l.ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=kubernetes"})
		if err != nil || len(slicesOf.Items) != 1 || len(slicesOf.Items[0].Endpoints) != len(all) {
			return false
		}
		for _, m := range all {
			if !slices.ContainsFunc(slicesOf.Items[0].Endpoints, func(e discoveryv1.Endpoint) bool { return e.Addresses[0] == m.self.Address.String() }) {
				return false
			}
		}
		return true
	})
	conn, err := tls.Dial("tcp", address()+":6443", &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the names are what is looked at
	l.check(err)
	defer conn.Close()
	certificate := conn.ConnectionState().PeerCertificates[0]
	for _, name := range []string{extraName, address(), holder.self.Address.String(), "10.96.0.1"} {
		if err := certificate.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

func (l *lab) create(t *testing.T, name string) {
	t.Helper()
	client := l.client(address())
	l.eventually("a write is accepted", func() bool {
		_, err := client.CoreV1().ConfigMaps("default").Create(l.ctx, l.configMap(name), metav1.CreateOptions{})
		return err == nil || apierrors.IsAlreadyExists(err)
	})
}

func (l *lab) killHolder(t *testing.T, all []*machine) {
	client := l.client(address())
	w := l.write(client, "kill")
	l.eventually("the writer writes", func() bool { return w.writes() > 50 })
	killed := l.holder(all...)
	killed.kill()
	before := w.writes()
	l.eventually("the writer writes again", func() bool { return w.writes() > before+50 })
	t.Logf("%s was killed; longest time without a write: %v, %d writes", killed.self.Name, w.stop(), len(w.acked))
	rest := slices.DeleteFunc(slices.Clone(all), func(m *machine) bool { return m == killed })
	l.holder(rest...)
	l.eventually("the kernel of the killed member gives the address up", func() bool { return !killed.holds() })
	if lost := l.lost(client, w); len(lost) > 0 {
		t.Errorf("%d acknowledged writes are lost: %v", len(lost), lost)
	}
	killed.start()
	killed.waitReady()
	l.agree(t, all)
}

func (l *lab) stopHolder(t *testing.T, all []*machine) {
	client := l.client(address())
	w := l.write(client, "stop")
	l.eventually("the writer writes", func() bool { return w.writes() > 20 })
	stopped := l.holder(all...)
	stopped.stop()
	if stopped.holds() {
		t.Error("a member that stopped has the address still")
	}
	before := w.writes()
	l.eventually("the writer writes again", func() bool { return w.writes() > before+20 })
	t.Logf("%s was stopped; longest time without a write: %v", stopped.self.Name, w.stop())
	if lost := l.lost(client, w); len(lost) > 0 {
		t.Errorf("%d acknowledged writes are lost: %v", len(lost), lost)
	}
	stopped.start()
	stopped.waitReady()
}

// replace does what center does when a member is gone with its machine.
func (l *lab) replace(t *testing.T, all []*machine) []*machine {
	gone, left := all[2], all[:2]
	gone.kill()
	asked := left[0]
	id := asked.etcdID(gone)
	l.eventually("etcd lets the lost member go", func() bool {
		_, err := asked.api().RemoveEtcdMember(l.ctx, &supervisorv1.RemoveEtcdMemberRequest{Id: id})
		return err == nil
	})

	fresh := l.machine(4)
	now := []*machine{left[0], left[1], fresh}
	fresh.write(fresh.config(member.Existing, now...))
	var learner *supervisorv1.EtcdMember
	l.eventually("etcd takes the learner", func() bool {
		var err error
		learner, err = asked.api().AddEtcdLearner(l.ctx, &supervisorv1.AddEtcdLearnerRequest{Address: fresh.self.Address.String()})
		return err == nil
	})
	fresh.start()
	l.eventually("the learner has all data", func() bool {
		_, err := asked.api().PromoteEtcdMember(l.ctx, &supervisorv1.PromoteEtcdMemberRequest{Id: learner.Id})
		return err == nil
	})
	fresh.waitReady()

	// What was removed says so, with its data and without, and forms nothing of its own.
	gone.start()
	if words := gone.ends(); !strings.Contains(words, "was removed from the Supervisor") {
		t.Errorf("a removed member does not say so:\n%s", words)
	}
	l.check(os.RemoveAll(gone.dataDir))
	gone.start()
	if words := gone.ends(); !strings.Contains(words, "do not know cp-3") {
		t.Errorf("a removed member without data does not say so:\n%s", words)
	}
	// The configurations of the others change with the members; a restart reads them, but none is needed.
	for _, m := range left {
		m.write(m.config(member.New, now...))
	}
	l.agree(t, now)
	return now
}

func (l *lab) losesMajority(t *testing.T, all []*machine) {
	survivor, others := all[0], all[1:]
	for _, m := range others {
		m.kill()
	}
	client := l.client(survivor.self.Address.String())
	if _, err := client.CoreV1().ConfigMaps("default").Create(l.ctx, l.configMap("minority"), metav1.CreateOptions{}); err == nil {
		t.Error("one of three members accepted a write")
	}
	l.eventually("the survivor says what is wrong", func() bool {
		health, err := survivor.health()
		return err == nil && !health.Ready && slices.ContainsFunc(health.Components, func(c *supervisorv1.Component) bool {
			return c.Name == "etcd" && strings.Contains(c.Message, "majority")
		})
	})
	others[0].start()
	t.Logf("writes are accepted again %v after the second member came back", l.eventually("writes are accepted again", func() bool {
		survivor.keep()
		_, err := l.client(address()).CoreV1().ConfigMaps("default").Create(l.ctx, l.configMap("majority"), metav1.CreateOptions{})
		return err == nil || apierrors.IsAlreadyExists(err)
	}))
	others[1].start()
	for _, m := range all {
		m.waitReady()
	}
}

// restore begins a Supervisor from a snapshot on a new disk, as after the loss of all members.
func (l *lab) restore(t *testing.T, all []*machine, snapshot string) {
	for _, m := range all {
		m.kill()
	}
	only := all[0]
	l.check(os.RemoveAll(only.dataDir))
	config := only.config(member.New, only)
	config.Etcd.RestoreFrom = snapshot
	only.write(config)
	only.start()
	only.waitReady()
	maps := l.client(address()).CoreV1().ConfigMaps("default")
	if _, err := maps.Get(l.ctx, "majority", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := maps.Get(l.ctx, "after-the-snapshot", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("what was written after the snapshot: %v", err)
	}
}
