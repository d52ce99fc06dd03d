package wcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pacific/internal/center/store"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/pki"
)

// Secrets of a Supervisor, in a record of their own so that nobody reads them by accident.
type Secrets struct {
	Bundle pki.Bundle `json:"bundle"`
	// HostClient is how the image controller reaches hostds.
	HostClient member.HostClient `json:"hostClient"`
}

// CA is the certificate that clients of the Supervisor trust, PEM.
func (s Secrets) CA() string { return s.Bundle.CA.Certificate }

// authority signs everything of the Supervisor's Kubernetes.
func (s Secrets) authority() (*hostpki.CA, error) {
	return hostpki.ParseCA([]byte(s.Bundle.CA.Certificate), []byte(s.Bundle.CA.Key))
}

// hostClientLife is that of an authority: members read the certificate when they start only.
const hostClientLife = 10 * 365 * 24 * time.Hour

// ensureSecrets makes a Supervisor's secrets once.
func (s *Service) ensureSecrets(ctx context.Context, cluster string) (Secrets, error) {
	secrets, _, err := s.secrets.Get(ctx, cluster)
	if !errors.Is(err, store.ErrNotFound) {
		return secrets, err
	}
	if secrets.Bundle, err = pki.NewBundle(); err != nil {
		return secrets, fmt.Errorf("make the Supervisor's secrets: %w", err)
	}
	certificate, key, err := s.hostCA.Issue(hostpki.Leaf{CommonName: "image-controller", Client: true}, hostClientLife)
	if err != nil {
		return secrets, fmt.Errorf("make the image controller's certificate: %w", err)
	}
	secrets.HostClient = member.HostClient{CA: string(s.hostCA.PEM()), Certificate: string(certificate), Key: string(key)}
	err = s.secrets.Create(ctx, cluster, secrets)
	if errors.Is(err, store.ErrExists) {
		secrets, _, err = s.secrets.Get(ctx, cluster)
	}
	return secrets, err
}
