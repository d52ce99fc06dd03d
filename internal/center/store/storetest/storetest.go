// Package storetest gives tests a store with a real etcd.
package storetest

import (
	"context"
	"errors"
	"testing"

	"pacific/internal/center/store"
	"pacific/internal/supervisor/etcd"
)

// New starts an etcd in a temporary directory for the time of the test.
func New(t testing.TB) *store.Store {
	t.Helper()
	server, err := etcd.New(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- server.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	s, err := store.OpenSocket(ctx, server.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
