package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/pki"
)

// OneSupervisor is the Supervisor of all hosts, whose control plane runs already and shares its authority with center by
// files. There is none before the files are there.
type OneSupervisor struct {
	Server                    string // URL of the Kubernetes API; "" for no Supervisor
	CACert, CAKey             string
	ClusterDNS, ClusterDomain string
	// RegistryConfig is a directory of registries' authorities, <host:port>/ca.crt, or "".
	RegistryConfig string
}

// Node implements [Supervisors].
func (s OneSupervisor) Node(context.Context, Host) (*centerv1.Node, error) {
	ca, err := s.load()
	if err != nil || ca == nil {
		return nil, err
	}
	registries, err := s.registries()
	if err != nil {
		return nil, err
	}
	return &centerv1.Node{Server: s.Server, Ca: ca.PEM(), ClusterDns: s.ClusterDNS, ClusterDomain: s.ClusterDomain, Registries: registries}, nil
}

// Authority implements [Supervisors].
func (s OneSupervisor) Authority(context.Context, Host) (Signer, error) {
	ca, err := s.load()
	if err != nil || ca == nil {
		return nil, err
	}
	return ca, nil
}

func (s OneSupervisor) load() (*pki.CA, error) {
	if s.Server == "" {
		return nil, nil
	}
	ca, err := pki.LoadCA(s.CACert, s.CAKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return ca, err
}

func (s OneSupervisor) registries() (map[string][]byte, error) {
	if s.RegistryConfig == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.RegistryConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("registries' authorities: %w", err)
	}
	registries := map[string][]byte{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(s.RegistryConfig, entry.Name(), "ca.crt"))
		if err == nil {
			registries[entry.Name()] = data
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("authority of registry %s: %w", entry.Name(), err)
		}
	}
	return registries, nil
}

var _ Supervisors = OneSupervisor{}
