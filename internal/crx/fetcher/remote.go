package fetcher

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	fetcherv1 "pacific/api/fetcher/v1"
)

// DialFunc connects to an address "host:port".
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// endpoint is one registry that may have the image.
type endpoint struct {
	host      string
	plainHTTP bool
	auth      authn.Authenticator
}

// endpoints lists where to look for a repository: the mirrors first, without the credentials, which are not theirs.
func endpoints(req *fetcherv1.FetchRequest, registry string) []endpoint {
	var all []endpoint
	for _, mirror := range req.Mirrors {
		host, plain := strings.CutPrefix(mirror, "http://")
		all = append(all, endpoint{host: strings.TrimPrefix(host, "https://"), plainHTTP: plain, auth: authn.Anonymous})
	}
	return append(all, endpoint{host: registry, plainHTTP: req.PlainHttp, auth: credentials(req)})
}

func credentials(req *fetcherv1.FetchRequest) authn.Authenticator {
	c := authn.AuthConfig{
		Username: req.Username, Password: req.Password, IdentityToken: req.IdentityToken, RegistryToken: req.RegistryToken,
	}
	if c == (authn.AuthConfig{}) {
		return authn.Anonymous
	}
	return authn.FromConfig(c)
}

// repository is one image repository at one registry, with its authentication done.
type repository struct {
	repo   name.Repository
	scheme string
	client *http.Client
}

// connect does the registry's handshake: it asks for the authentication scheme and gets a token where one is wanted.
func connect(ctx context.Context, e endpoint, path string, base http.RoundTripper) (*repository, error) {
	opts, scheme := []name.Option{}, "https"
	if e.plainHTTP {
		opts, scheme = append(opts, name.Insecure), "http"
	}
	repo, err := name.NewRepository(e.host+"/"+path, opts...)
	if err != nil {
		return nil, fail(fetcherv1.Failure_INVALID, "%w", err)
	}
	secure := &httpsOnly{inner: base}
	if !e.plainHTTP {
		base = secure
	}
	base = transport.NewRetry(base, transport.WithRetryStatusCodes(408, 429, 500, 502, 503, 504),
		transport.WithRetryPredicate(again), transport.WithRetryBackoff(transport.Backoff{Duration: 300 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 4}))
	authenticated, err := transport.NewWithContext(ctx, repo.Registry, e.auth, base, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, secure.explain(err)
	}
	return &repository{repo: repo, scheme: scheme, client: &http.Client{Transport: authenticated}}, nil
}

// again tells which errors of a round trip are worth another try: what the network did, not what a certificate says. It is
// asked after a success too, with nil.
func again(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return transient(answer.StatusCode)
	}
	var refused *refusedError
	var certificate *tls.CertificateVerificationError
	return err != nil && !errors.As(err, &refused) && !errors.As(err, &certificate) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func baseTransport(dial DialFunc, extraCA []byte) (*http.Transport, error) {
	// The error can be dropped: a guest has no system roots, and then the pool is the given certificates alone.
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if len(bytes.TrimSpace(extraCA)) > 0 && !roots.AppendCertsFromPEM(extraCA) {
		return nil, fail(fetcherv1.Failure_INVALID, "the registry's CA certificates hold no PEM certificate")
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

// httpsOnly keeps a registry library's fall-back to plain HTTP, which it has for private addresses, from happening:
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

// maxDocument bounds manifests and configurations, which are held in memory. Registries refuse manifests above 4 MiB.
const maxDocument = 4 << 20

var manifestTypes = strings.Join([]string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex),
	string(types.DockerManifestSchema2), string(types.DockerManifestList),
}, ",")

// manifest gets the manifest or index that identifier (a tag or a digest) names, checked against the digest if it is one.
func (r *repository) manifest(ctx context.Context, identifier string) ([]byte, v1.Descriptor, error) {
	resp, err := r.get(ctx, "manifests/"+identifier, http.Header{"Accept": {manifestTypes}}, http.StatusOK)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	defer resp.Body.Close()
	body, err := readDocument(resp.Body, "manifest "+identifier)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	digest := digestOf(body)
	if strings.Contains(identifier, ":") && digest.String() != identifier {
		return nil, v1.Descriptor{}, fail(fetcherv1.Failure_DIGEST_MISMATCH, "manifest %s of %s: the registry's answer has digest %s", identifier, r.repo, digest)
	}
	return body, v1.Descriptor{MediaType: types.MediaType(resp.Header.Get("Content-Type")), Digest: digest, Size: int64(len(body))}, nil
}

// blob opens a blob at an offset. The content is not checked here.
func (r *repository) blob(ctx context.Context, digest v1.Hash, offset int64) (io.ReadCloser, error) {
	header, codes := http.Header{}, []int{http.StatusOK}
	if offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		codes = append(codes, http.StatusPartialContent)
	}
	resp, err := r.get(ctx, "blobs/"+digest.String(), header, codes...)
	if err != nil {
		return nil, err
	}
	if offset > 0 && resp.StatusCode == http.StatusOK { // the registry does not do ranges
		if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	return resp.Body, nil
}

func (r *repository) get(ctx context.Context, path string, header http.Header, codes ...int) (*http.Response, error) {
	target := fmt.Sprintf("%s://%s/v2/%s/%s", r.scheme, r.repo.RegistryStr(), r.repo.RepositoryStr(), path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, codes...); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

func readDocument(r io.Reader, what string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fail(fetcherv1.Failure_UNREACHABLE, "%s: %w", what, err)
	}
	if len(body) > maxDocument {
		return nil, fail(fetcherv1.Failure_INVALID, "%s is larger than %d bytes", what, maxDocument)
	}
	return body, nil
}

func digestOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}
