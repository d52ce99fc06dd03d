package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"k8s.io/klog/v2"
)

// drainTime is how long uploads and downloads under way may go on after the end was asked for.
const drainTime = 5 * time.Second

// Serve serves the handler at address until ctx ends. A nil tlsConfig serves plain HTTP, for tests.
func Serve(ctx context.Context, listener net.Listener, tlsConfig *tls.Config, handler http.Handler) error {
	if tlsConfig != nil {
		listener = tls.NewListener(listener, tlsConfig)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(handshakeLog{}, "", 0),
	}
	klog.InfoS("Registry serves", "address", listener.Addr())
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		stopped <- server.Shutdown(drain)
	})()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("registry: %w", err)
	}
	if err := <-stopped; err != nil {
		server.Close()
	}
	return nil
}

// handshakeLog gets what clients did wrong, such as connections that end in the TLS handshake.
type handshakeLog struct{}

func (handshakeLog) Write(p []byte) (int, error) {
	klog.V(2).Info(string(p))
	return len(p), nil
}
