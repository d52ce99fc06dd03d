package dataplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"k8s.io/component-base/metrics/legacyregistry"
)

// serveHealth serves /healthz, which is 200 while the last run of the reconciler succeeded, and /metrics, among them those
// of kube-proxy.
func serveHealth(ctx context.Context, address string, r *reconciler) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", legacyregistry.Handler())
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !r.healthy.Load() {
			http.Error(w, "the host's network is not as it should be, see the log", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on --health-address: %w", err)
	}
	server := &http.Server{Handler: mux}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}
