package wcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/hosts"
	"pacific/internal/center/store"
	"pacific/internal/supervisor/member"
)

// Domain of Services' names.
const clusterDomain = "cluster.local"

// Node implements [hosts.Supervisors]: hosts of a Supervisor get the spherelet bundle when the Kubernetes API has answered.
func (s *Service) Node(ctx context.Context, host hosts.Host) (*centerv1.Node, error) {
	supervisor, secrets, err := s.of(ctx, host)
	if err != nil || supervisor == nil || !supervisor.Running || supervisor.Removing && supervisor.NodesGone {
		return nil, err
	}
	return &centerv1.Node{
		Server: supervisor.Server(), Ca: []byte(secrets.CA()), ClusterDns: dnsAddress(supervisor.Plan.ServiceCIDR).String(), ClusterDomain: clusterDomain,
		Registries: s.config.Registries(),
	}, nil
}

// Authority implements [hosts.Supervisors].
func (s *Service) Authority(ctx context.Context, host hosts.Host) (hosts.Signer, error) {
	supervisor, secrets, err := s.of(ctx, host)
	if err != nil || supervisor == nil {
		return nil, err
	}
	return secrets.authority()
}

// Members implements [hosts.Supervisors].
func (s *Service) Members(ctx context.Context, host hosts.Host) ([]*centerv1.Member, error) {
	supervisor, secrets, err := s.of(ctx, host)
	if err != nil || supervisor == nil {
		return nil, err
	}
	var members []*centerv1.Member
	for _, m := range supervisor.Members {
		if m.Host != host.Name || m.Deployment != Process || !m.Ordered {
			continue
		}
		config, err := json.Marshal(s.memberConfig(host.Cluster, *supervisor, m, secrets))
		if err != nil {
			return nil, fmt.Errorf("configuration of %s: %w", m.Name, err)
		}
		one := &centerv1.Member{Name: m.Name, Address: netip.PrefixFrom(m.Address, supervisor.Plan.Floating.Bits()).String(), Config: config}
		if gateway := supervisor.Plan.Gateway; gateway.IsValid() {
			one.Gateway = gateway.String()
		}
		members = append(members, one)
	}
	return members, nil
}

// of is the Supervisor of a host's cluster, nil if there is none.
func (s *Service) of(ctx context.Context, host hosts.Host) (*Supervisor, Secrets, error) {
	supervisor, _, err := s.supervisors.Get(ctx, host.Cluster)
	if errors.Is(err, store.ErrNotFound) {
		return nil, Secrets{}, nil
	}
	if err != nil {
		return nil, Secrets{}, err
	}
	secrets, _, err := s.secrets.Get(ctx, host.Cluster)
	if errors.Is(err, store.ErrNotFound) { // they are made before the first member
		return nil, Secrets{}, nil
	}
	return &supervisor, secrets, err
}

// dnsAddress is the tenth of the Services' addresses, as usual.
func dnsAddress(services netip.Prefix) netip.Addr {
	address := services.Addr()
	for range 10 {
		address = address.Next()
	}
	return address
}

// emulatedTimeFactor makes the members' time limits longer where machines are emulated.
const emulatedTimeFactor = 4

// memberInterface carries a member's address, in a namespace as in a machine.
const memberInterface = "eth0"

// memberConfig is all that a member is told, but where it keeps its data.
func (s *Service) memberConfig(cluster string, supervisor Supervisor, m Member, secrets Secrets) member.Config {
	config := member.Config{
		Supervisor: cluster, Name: m.Name,
		Etcd:        member.Etcd{InitialState: member.New},
		Floating:    &member.Floating{Address: supervisor.Plan.Floating, Interface: memberInterface},
		ServiceCIDR: supervisor.Plan.ServiceCIDR, PodCIDR: supervisor.Plan.PodCIDR,
		CertificateNames: supervisor.Plan.DNSNames,
		HostClient:       secrets.HostClient,
		Dataplane:        &member.Dataplane{Interface: memberInterface},
		PKI:              &secrets.Bundle,
	}
	if s.config.Tokens.Issuer != "" {
		config.Tokens = &s.config.Tokens
	}
	if m.Joins {
		config.Etcd.InitialState = member.Existing
	}
	if m.Emulated {
		config.TimeFactor = emulatedTimeFactor
	}
	for _, peer := range m.Peers {
		config.Members = append(config.Members, member.Member{Name: peer.Name, Address: peer.Address})
	}
	config.Registries = map[string]string{}
	for name, ca := range s.config.Registries() {
		config.Registries[name] = string(ca)
	}
	return config
}
