package wcp

import (
	"time"

	"pacific/internal/center/rest"
	"pacific/internal/center/vapi"
	"pacific/internal/pki"
)

// adminLife is that of an administrator's certificate; he asks for another in time.
const adminLife = 90 * 24 * time.Hour

// adminInfo is what it takes to be the administrator of a Supervisor's Kubernetes.
type adminInfo struct {
	Server      string `json:"server"`
	CA          string `json:"certificate_authority"` // PEM
	Certificate string `json:"certificate"`           // PEM
	Key         string `json:"key"`                   // PEM
}

// kubeconfig gives an administrator of center a certificate as the administrator of a Supervisor's Kubernetes.
func (s *Service) kubeconfig(r *rest.Request) (any, error) {
	id, _, supervisor, err := s.supervisor(r)
	if err != nil {
		return nil, err
	}
	if !supervisor.Running {
		return nil, vapi.NotAllowedInCurrentState("cluster.not_running", "the Supervisor of cluster %s is not there yet; GET %s/clusters/%s says what it waits for", id, base, id)
	}
	secrets, _, err := s.secrets.Get(r.Context(), id)
	if err != nil {
		return nil, err
	}
	ca, err := secrets.authority()
	if err != nil {
		return nil, err
	}
	certificate, key, err := ca.Issue(pki.Leaf{CommonName: "kubernetes-admin", Organizations: []string{"pacific:admins"}, Client: true}, adminLife)
	if err != nil {
		return nil, err
	}
	return adminInfo{Server: supervisor.Server(), CA: secrets.CA(), Certificate: string(certificate), Key: string(key)}, nil
}
