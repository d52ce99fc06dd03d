package ociclient

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// DialFunc connects to an address "host:port".
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Transport is the transport below all registries: it trusts the system's authorities and those in extraCA (PEM).
func Transport(dial DialFunc, extraCA []byte) (*http.Transport, error) {
	// The error can be dropped: a guest has no system roots, and then the pool is the given certificates alone.
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if len(bytes.TrimSpace(extraCA)) > 0 && !roots.AppendCertsFromPEM(extraCA) {
		return nil, errors.New("the registry's CA certificates hold no PEM certificate")
	}
	return &http.Transport{
		DialContext:           dial,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true,
	}, nil
}

// patience covers a registry's restart, about 4 s in all; callers have back-offs of their own.
var patience = transport.Backoff{Duration: 300 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 4}

func retrying(base http.RoundTripper) http.RoundTripper {
	return transport.NewRetry(base, transport.WithRetryBackoff(patience), transport.WithRetryPredicate(again),
		transport.WithRetryStatusCodes(408, 429, 500, 502, 503, 504))
}

// again tells which errors of a round trip are worth another try: what the network did, not what a certificate says. It
// is asked after a success too, with nil.
func again(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return Transient(answer.StatusCode)
	}
	var refused *refusedError
	var certificate *tls.CertificateVerificationError
	return err != nil && !errors.As(err, &refused) && !errors.As(err, &certificate) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// Transient tells whether a request that got this HTTP status may succeed a moment later.
func Transient(code int) bool {
	return code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500
}

// httpsOnly keeps go-containerregistry's fall-back to plain HTTP, which it has for private addresses, from happening:
// what broke TLS may be an attacker, and the credentials would follow.
type httpsOnly struct {
	inner http.RoundTripper
	mu    sync.Mutex
	last  error
}

func (h *httpsOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, &refusedError{r.URL.Host}
	}
	resp, err := h.inner.RoundTrip(r)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last = err; err != nil {
		h.last = &url.Error{Op: "Get", URL: r.URL.Scheme + "://" + r.URL.Host + r.URL.Path, Err: err}
	}
	return resp, err
}

// explain takes the refused fall-back out of an error, since what went wrong is why HTTPS failed.
func (h *httpsOnly) explain(err error) error {
	var refused *refusedError
	if !errors.As(err, &refused) {
		return err
	}
	var answer *transport.Error
	if errors.As(err, &answer) {
		return answer
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return cmp.Or(h.last, err)
}

type refusedError struct{ host string }

func (e *refusedError) Error() string {
	return fmt.Sprintf("plain HTTP to %s is not allowed; set plainHTTP in its hosts.json to allow it", e.host)
}
