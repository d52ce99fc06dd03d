//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	supervisorv1 "pacific/api/supervisor/v1"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/memberapi"
	"pacific/internal/supervisor/pki"
)

// api is the management API of a member, as center uses it.
func (m *machine) api() supervisorv1.MemberClient {
	m.lab.t.Helper()
	conn, err := memberapi.Dial(m.self.Address, &m.lab.bundle)
	m.lab.check(err)
	m.lab.t.Cleanup(func() { _ = conn.Close() })
	return supervisorv1.NewMemberClient(conn)
}

func (m *machine) health() (*supervisorv1.GetHealthResponse, error) {
	ctx, cancel := context.WithTimeout(m.lab.ctx, 5*time.Second)
	defer cancel()
	return m.api().GetHealth(ctx, &supervisorv1.GetHealthRequest{})
}

// etcd id of a member, asked of m.
func (m *machine) etcdID(of *machine) uint64 {
	m.lab.t.Helper()
	list, err := m.api().ListEtcdMembers(m.lab.ctx, &supervisorv1.ListEtcdMembersRequest{})
	m.lab.check(err)
	for _, known := range list.Members {
		if known.PeerUrls[0] == of.self.PeerURL() {
			return known.Id
		}
	}
	m.lab.t.Fatalf("etcd does not know %s: %v", of.self.Name, list)
	return 0
}

// holder of the floating address, by what the members' kernels say.
func (l *lab) holder(among ...*machine) *machine {
	l.t.Helper()
	var holder *machine
	l.eventually("one member holds the floating address", func() bool {
		holder = nil
		for _, m := range among {
			if m.holds() {
				if holder != nil {
					return false
				}
				holder = m
			}
		}
		return holder != nil
	})
	return holder
}

// client is an administrator at an address.
func (l *lab) client(address string) kubernetes.Interface {
	l.t.Helper()
	bundle := pki.Layout{DataDir: filepath.Join(l.dir, "admin")}
	l.check(l.bundle.Install(bundle.DataDir))
	ca, err := hostpki.LoadCA(bundle.Cert(pki.CA), bundle.Key(pki.CA))
	l.check(err)
	leaf := hostpki.Leaf{CertFile: bundle.Cert("a"), KeyFile: bundle.Key("a"), CommonName: "kubernetes-admin", Organizations: []string{"pacific:admins"}, Client: true}
	_, err = ca.Ensure(leaf)
	l.check(err)
	return kubernetes.NewForConfigOrDie(&rest.Config{
		Host: "https://" + address + ":6443", QPS: -1, Timeout: 2 * time.Second,
		TLSClientConfig: rest.TLSClientConfig{CAFile: bundle.Cert(pki.CA), CertFile: leaf.CertFile, KeyFile: leaf.KeyFile},
	})
}

func (l *lab) configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
}

// writer creates ConfigMaps through the floating address as fast as it may, and notes what was acknowledged.
type writer struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	acked []string
	times []time.Time
}

func (l *lab) write(client kubernetes.Interface, prefix string) *writer {
	ctx, cancel := context.WithCancel(l.ctx)
	w := &writer{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for i := 0; ctx.Err() == nil; i++ {
			name := fmt.Sprintf("%s-%d", prefix, i)
			if _, err := client.CoreV1().ConfigMaps("default").Create(ctx, l.configMap(name), metav1.CreateOptions{}); err == nil {
				w.mu.Lock()
				w.acked, w.times = append(w.acked, name), append(w.times, time.Now())
				w.mu.Unlock()
			}
			select { // a hundred a second are a load, not a race for the processor
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return w
}

// writes that were acknowledged so far.
func (w *writer) writes() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

// stop ends the writer and returns the longest time without an acknowledged write.
func (w *writer) stop() time.Duration {
	w.cancel()
	<-w.done
	var longest time.Duration
	for i := 1; i < len(w.times); i++ {
		longest = max(longest, w.times[i].Sub(w.times[i-1]))
	}
	return longest.Round(10 * time.Millisecond)
}

// lost are the acknowledged writes that are not there.
func (l *lab) lost(client kubernetes.Interface, w *writer) []string {
	l.t.Helper()
	list, err := client.CoreV1().ConfigMaps("default").List(l.ctx, metav1.ListOptions{})
	l.check(err)
	there := map[string]bool{}
	for _, c := range list.Items {
		there[c.Name] = true
	}
	var lost []string
	for _, name := range w.acked {
		if !there[name] {
			lost = append(lost, name)
		}
	}
	return lost
}

func (l *lab) snapshot(from *machine) string {
	l.t.Helper()
	stream, err := from.api().Snapshot(l.ctx, &supervisorv1.SnapshotRequest{})
	l.check(err)
	file, err := os.Create(filepath.Join(l.dir, "snapshot.db"))
	l.check(err)
	defer file.Close()
	l.check(memberapi.Receive(stream, file))
	return file.Name()
}
