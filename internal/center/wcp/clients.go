package wcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc"
	"k8s.io/client-go/kubernetes"
	clientrest "k8s.io/client-go/rest"

	namespaceapi "pacific/api/namespace"
	"pacific/internal/center/store"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/memberapi"
)

// clientLife is that of center's certificates for a Supervisor; they are in memory only.
const clientLife = 24 * time.Hour

// clients are center's connections to Supervisors.
type clients struct {
	mu       sync.Mutex
	members  map[netip.Addr]memberConn
	clusters map[string]kubeClient
}

type memberConn struct {
	*grpc.ClientConn
	made time.Time
	ca   string
}

type kubeClient struct {
	client kubernetes.Interface
	made   time.Time
	server string
}

// member is the connection to a member's management API. It is shared, and made anew before its certificate runs out.
func (c *clients) member(address netip.Addr, secrets Secrets) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have, ok := c.members[address]
	if ok && time.Since(have.made) < clientLife/2 && have.ca == secrets.Bundle.MemberCA.Certificate {
		return have.ClientConn, nil
	}
	conn, err := memberapi.Dial(address, &secrets.Bundle)
	if err != nil {
		return nil, err
	}
	if ok {
		_ = have.Close()
	}
	if c.members == nil {
		c.members = map[netip.Addr]memberConn{}
	}
	c.members[address] = memberConn{conn, time.Now(), secrets.Bundle.MemberCA.Certificate}
	return conn, nil
}

// kubernetes is a client of a Supervisor's API as center.
func (c *clients) kubernetes(ctx context.Context, s *Service, cluster string) (kubernetes.Interface, error) {
	supervisor, _, err := s.supervisors.Get(ctx, cluster)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	have, ok := c.clusters[cluster]
	c.mu.Unlock()
	if ok && have.server == supervisor.Server() && time.Since(have.made) < clientLife/2 {
		return have.client, nil
	}
	config, err := s.RESTConfig(ctx, cluster)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clusters == nil {
		c.clusters = map[string]kubeClient{}
	}
	c.clusters[cluster] = kubeClient{client, time.Now(), supervisor.Server()}
	return client, nil
}

func (c *clients) forget(cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clusters, cluster)
}

// RESTConfig is for acting on a Supervisor as center, for a day.
func (s *Service) RESTConfig(ctx context.Context, cluster string) (*clientrest.Config, error) {
	supervisor, _, err := s.supervisors.Get(ctx, cluster)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("cluster %s is no Supervisor", cluster)
	}
	if err != nil {
		return nil, err
	}
	secrets, _, err := s.secrets.Get(ctx, cluster)
	if err != nil {
		return nil, err
	}
	ca, err := secrets.authority()
	if err != nil {
		return nil, err
	}
	certificate, key, err := ca.Issue(hostpki.Leaf{CommonName: namespaceapi.UserCenter, Client: true}, clientLife)
	if err != nil {
		return nil, err
	}
	return &clientrest.Config{
		Host: supervisor.Server(), UserAgent: "center", QPS: -1,
		TLSClientConfig: clientrest.TLSClientConfig{CAData: []byte(secrets.CA()), CertData: certificate, KeyData: key},
	}, nil
}
