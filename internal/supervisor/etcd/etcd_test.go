package etcd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// run starts an etcd in dir and returns a client, and what stops it.
func run(t *testing.T, dir string) (*clientv3.Client, func()) {
	t.Helper()
	server, err := New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- server.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("not ready")
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint()}, DialTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return client, func() {
		_ = client.Close()
		cancel()
		<-done
	}
}

func TestKeepsItsDataOverRestarts(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("a-long-directory/", 8))
	for name, dir := range map[string]string{
		"short path": filepath.Join(t.TempDir(), "e"), "path longer than a socket's": long,
		"path that is no URL": filepath.Join(t.TempDir(), "a b,%41?c#d[e]"),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			client, stop := run(t, dir)
			if _, err := client.Put(ctx, "k", "v"); err != nil {
				t.Fatal(err)
			}
			stop()
			client, stop = run(t, dir)
			defer stop()
			response, err := client.Get(ctx, "k")
			if err != nil || len(response.Kvs) != 1 {
				t.Fatalf("got %v, %v", response, err)
			}
		})
	}
}

func TestOthersCannotReachTheSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	_, stop := run(t, dir)
	defer stop()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

func TestADirectoryHasOneOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	_, stop := run(t, dir)
	if _, err := New(dir, nil); err == nil {
		t.Error("a second etcd got the directory of the first")
	}
	stop()
	if _, err := New(dir, nil); err != nil {
		t.Error(err)
	}
}
