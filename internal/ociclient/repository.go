// Package ociclient reads manifests and blobs from registries, for the fetcher in its guest and for the image controller.
// Authentication is go-containerregistry's; what is added is that content is checked against its digest, documents are
// bounded, and HTTPS never falls back to HTTP.
package ociclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Repository is one image repository at one registry, with its authentication done.
type Repository struct {
	repo   name.Repository
	scheme string
	client *http.Client
}

// Connect does the registry's handshake: it asks for the authentication scheme and gets a token where one is wanted.
// An answer of the registry is a *transport.Error.
func Connect(ctx context.Context, e Endpoint, path string, base http.RoundTripper) (*Repository, error) {
	opts, scheme := []name.Option{}, "https"
	if e.PlainHTTP {
		opts, scheme = append(opts, name.Insecure), "http"
	}
	repo, err := name.NewRepository(e.Host+"/"+path, opts...)
	if err != nil {
		return nil, err
	}
	secure := &httpsOnly{inner: base}
	if !e.PlainHTTP {
		base = secure
	}
	auth := e.Auth
	if auth == nil {
		auth = authn.Anonymous
	}
	authenticated, err := transport.NewWithContext(ctx, repo.Registry, auth, retrying(base), []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, secure.explain(err)
	}
	return &Repository{repo: repo, scheme: scheme, client: &http.Client{Transport: authenticated}}, nil
}

// MaxDocument bounds manifests, which are held in memory. Registries refuse manifests above 4 MiB.
const MaxDocument = 4 << 20

var manifestTypes = strings.Join([]string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex),
	string(types.DockerManifestSchema2), string(types.DockerManifestList),
}, ",")

// DigestError says that content is not what its digest says.
type DigestError struct {
	What      string
	Want, Got v1.Hash
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s %s: the registry's answer has digest %s", e.What, e.Want, e.Got)
}

// ErrTooLarge says that a document is larger than MaxDocument.
var ErrTooLarge = fmt.Errorf("larger than %d bytes", MaxDocument)

// Manifest gets the manifest or index that identifier (a tag or a digest) names, checked against the digest if it is one.
func (r *Repository) Manifest(ctx context.Context, identifier string) ([]byte, v1.Descriptor, error) {
	resp, err := r.do(ctx, http.MethodGet, "manifests/"+identifier, http.Header{"Accept": {manifestTypes}}, http.StatusOK)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxDocument+1))
	if err != nil {
		return nil, v1.Descriptor{}, fmt.Errorf("manifest %s: %w", identifier, &net.OpError{Op: "read", Net: "tcp", Err: err})
	}
	if len(body) > MaxDocument {
		return nil, v1.Descriptor{}, fmt.Errorf("manifest %s: %w", identifier, ErrTooLarge)
	}
	digest := DigestOf(body)
	if want, err := v1.NewHash(identifier); err == nil && digest != want {
		return nil, v1.Descriptor{}, &DigestError{"manifest", want, digest}
	}
	return body, v1.Descriptor{MediaType: types.MediaType(resp.Header.Get("Content-Type")), Digest: digest, Size: int64(len(body))}, nil
}

// Resolve tells which digest a tag names, by HEAD where the registry answers that, which costs less and is not counted
// against the limits of public registries.
func (r *Repository) Resolve(ctx context.Context, tag string) (string, error) {
	resp, err := r.do(ctx, http.MethodHead, "manifests/"+tag, http.Header{"Accept": {manifestTypes}}, http.StatusOK)
	if err == nil {
		resp.Body.Close()
		if digest, err := v1.NewHash(resp.Header.Get("Docker-Content-Digest")); err == nil {
			return digest.String(), nil
		}
	}
	var answer *transport.Error
	if err != nil && !errors.As(err, &answer) {
		return "", err
	}
	// No digest in the header, or an error without a body: GET says more.
	_, desc, err := r.Manifest(ctx, tag)
	return desc.Digest.String(), err
}

// MayHaveBlob asks whether the credentials are good for a blob. The error is nil if so; a registry that sends its clients
// to another place has let them in already.
func (r *Repository) MayHaveBlob(ctx context.Context, digest v1.Hash) error {
	here := &Repository{repo: r.repo, scheme: r.scheme, client: &http.Client{
		Transport:     r.client.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	resp, err := here.do(ctx, http.MethodHead, "blobs/"+digest.String(), http.Header{},
		http.StatusOK, http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Blob opens a blob at an offset. The content is not checked.
func (r *Repository) Blob(ctx context.Context, digest v1.Hash, offset int64) (io.ReadCloser, error) {
	header, codes := http.Header{}, []int{http.StatusOK}
	if offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		codes = append(codes, http.StatusPartialContent)
	}
	resp, err := r.do(ctx, http.MethodGet, "blobs/"+digest.String(), header, codes...)
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

func (r *Repository) do(ctx context.Context, method, path string, header http.Header, codes ...int) (*http.Response, error) {
	url := fmt.Sprintf("%s://%s/v2/%s/%s", r.scheme, r.repo.RegistryStr(), r.repo.RepositoryStr(), path)
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
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

// DigestOf is the SHA-256 digest of bytes.
func DigestOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}
