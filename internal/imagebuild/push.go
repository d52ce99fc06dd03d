package imagebuild

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push puts an image into a registry under ref ("host:port/name:tag"). caFile holds the registry's authority, PEM; empty
// for the system's. A nil auth is anonymous.
func Push(ctx context.Context, ref string, image Image, caFile string, auth authn.Authenticator) error {
	reference, err := name.ParseReference(ref)
	if err != nil {
		return err
	}
	transport, err := trusting(caFile)
	if err != nil {
		return err
	}
	if auth == nil {
		auth = authn.Anonymous
	}
	if err := remote.Push(reference, image, remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuth(auth)); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	return nil
}

func trusting(caFile string) (http.RoundTripper, error) {
	if caFile == "" {
		return remote.DefaultTransport, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("registry's CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("registry's CA: %s holds no PEM certificate", caFile)
	}
	transport := remote.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, nil
}
