package hostdial

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"pacific/internal/pki"
)

func files(t *testing.T) Files {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	ca, err := pki.LoadOrCreateCA(at("ca.crt"), at("ca.key"), "hosts")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Ensure(pki.Leaf{CertFile: at("c.crt"), KeyFile: at("c.key"), CommonName: "image-controller", Client: true}); err != nil {
		t.Fatal(err)
	}
	return Files{CA: at("ca.crt"), Cert: at("c.crt"), Key: at("c.key")}
}

func node(name, ip string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if ip != "" {
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: ip}}
	}
	return n
}

func TestConnectionsAreSharedUntilTheHostMoves(t *testing.T) {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	dialer := New(corelisters.NewNodeLister(store), files(t))
	defer dialer.Close()
	ctx := context.Background()

	if _, err := dialer.Dial(ctx, "host-1"); err == nil {
		t.Error("an unknown node was dialled")
	}
	_ = store.Add(node("host-1", ""))
	if _, err := dialer.Dial(ctx, "host-1"); err == nil {
		t.Error("a node without an address was dialled")
	}
	_ = store.Add(node("host-1", "10.0.0.1"))
	first, err := dialer.Dial(ctx, "host-1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := dialer.Dial(ctx, "host-1"); err != nil || again != first {
		t.Errorf("a second connection was made: %v", err)
	}
	_ = store.Add(node("host-1", "10.0.0.2"))
	moved, err := dialer.Dial(ctx, "host-1")
	if err != nil || moved == first {
		t.Errorf("the connection to the old address was given: %v", err)
	}
	if got, want := moved.Target(), "passthrough:///"+net.JoinHostPort("10.0.0.2", "7443"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_ = store.Delete(node("host-1", ""))
	if _, err := dialer.Dial(ctx, "host-1"); err == nil || len(dialer.hosts) != 0 {
		t.Errorf("the connection to a removed node was kept: %v", err)
	}
}
