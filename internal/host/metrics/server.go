package metrics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Readers are the clients who may read, by the common names of their certificates.
var Readers = []string{"admin", "metrics-reader"}

// Serve answers /metrics until ctx is done. config must verify clients' certificates.
func Serve(ctx context.Context, listener net.Listener, config *tls.Config, c *Collector) error {
	server := &http.Server{
		Handler: onlyReaders(handler(c)), TLSConfig: config,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute,
		ErrorLog: log.New(quiet{}, "", 0),
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

func handler(c *Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(c.More...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		// Two Prometheus servers, a pair for availability, may come at once; more would only cost.
		MaxRequestsInFlight: 4,
	}))
	return mux
}

// onlyReaders refuses everybody else. That the certificate is genuine was found by TLS.
func onlyReaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "a client certificate that the hosts' authority signed is needed", http.StatusUnauthorized)
			return
		}
		if name := r.TLS.VerifiedChains[0][0].Subject.CommonName; !slices.Contains(Readers, name) {
			http.Error(w, fmt.Sprintf("%q may not read metrics; use a certificate of metrics-reader", name), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// quiet keeps failed handshakes, which any port scan causes, out of the log but for those who look for them.
type quiet struct{}

func (quiet) Write(line []byte) (int, error) {
	slog.Debug("metrics client failed", "message", string(line))
	return len(line), nil
}
