package hosts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
	"pacific/internal/pki"
)

// clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// oneSupervisor is enabled when it has an authority.
type oneSupervisor struct {
	mu sync.Mutex
	ca *pki.CA
}

func (s *oneSupervisor) Node(context.Context, Host) (*centerv1.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ca == nil {
		return nil, nil
	}
	return &centerv1.Node{Server: "https://10.0.0.2:6443", Ca: s.ca.PEM(), ClusterDns: "10.96.0.10", ClusterDomain: "cluster.local"}, nil
}

func (s *oneSupervisor) Members(context.Context, Host) ([]*centerv1.Member, error) { return nil, nil }

func (s *oneSupervisor) Authority(context.Context, Host) (Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ca == nil {
		return nil, nil
	}
	return s.ca, nil
}

// bench is a center with a clock of its own.
type bench struct {
	*testing.T
	hosts      *Hosts
	store      *store.Store
	clock      *clock
	supervisor *oneSupervisor
	config     Config
	address    string
	stop       func()
}

func authority(t *testing.T, dir, name string) *pki.CA {
	t.Helper()
	ca, err := pki.LoadOrCreateCA(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"), name)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	b := &bench{T: t, store: storetest.New(t), clock: &clock{now: time.Now()}, supervisor: &oneSupervisor{}}
	b.config = Config{
		Store: b.store, Cert: filepath.Join(dir, "center.crt"), Key: filepath.Join(dir, "center.key"),
		CenterCA: authority(t, dir, "center-ca"), HostCA: authority(t, dir, "host-ca"), ClientDir: dir, Supervisors: b.supervisor,
	}
	leaf := pki.Leaf{CertFile: b.config.Cert, KeyFile: b.config.Key, CommonName: "center", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true}
	if _, err := b.config.CenterCA.Ensure(leaf); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start runs a center on what is in the store, as after a crash of the one before.
func (b *bench) start() {
	b.Helper()
	var err error
	if b.hosts, err = New(b.config); err != nil {
		b.Fatal(err)
	}
	b.hosts.now, b.hosts.started = b.clock.read, b.clock.read()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.hosts.serve(ctx, listener) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	})
}

func (b *bench) token() string {
	b.Helper()
	text, _, err := b.hosts.newToken(b.Context(), "administrator@pacific.local", 10*time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// agent of a test speaks the protocol by hand.
type agent struct {
	*bench
	name string
	key  []byte // PEM
	cert []byte // PEM
	asks []*centerv1.CertificateRequest
}

func (b *bench) agent(name string) *agent {
	b.Helper()
	a := &agent{bench: b, name: name}
	for _, p := range first {
		key, text, err := pki.NewKey()
		if err != nil {
			b.Fatal(err)
		}
		der, err := pki.Request(key)
		if err != nil {
			b.Fatal(err)
		}
		if p == centerv1.Purpose_AGENT {
			a.key = text
		}
		a.asks = append(a.asks, &centerv1.CertificateRequest{Purpose: p, Request: der})
	}
	return a
}

func (a *agent) dial() centerv1.HostsClient {
	a.Helper()
	config := &tls.Config{RootCAs: a.config.CenterCA.Pool()}
	if a.cert != nil {
		pair, err := tls.X509KeyPair(a.cert, a.key)
		if err != nil {
			a.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	conn, err := grpc.NewClient(a.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { conn.Close() })
	return centerv1.NewHostsClient(conn)
}

func (a *agent) join(token, address string) (*centerv1.JoinResponse, error) {
	a.Helper()
	anonymous := *a
	anonymous.cert = nil
	response, err := anonymous.dial().Join(a.Context(), &centerv1.JoinRequest{Token: token, Name: a.name, Address: address, Requests: a.asks})
	for _, c := range response.GetCertificates() {
		if c.GetPurpose() == centerv1.Purpose_AGENT {
			a.cert = c.GetCertificate()
		}
	}
	return response, err
}

func (b *bench) joined(name, address string) *agent {
	b.Helper()
	a := b.agent(name)
	if _, err := a.join(b.token(), address); err != nil {
		b.Fatal(err)
	}
	return a
}

func (a *agent) session() centerv1.Hosts_SessionClient {
	a.Helper()
	ctx, cancel := context.WithCancel(a.Context())
	a.Cleanup(cancel)
	stream, err := a.dial().Session(ctx)
	if err != nil {
		a.Fatal(err)
	}
	return stream
}

func (a *agent) send(stream centerv1.Hosts_SessionClient, report *centerv1.Report) {
	a.Helper()
	if err := stream.Send(report); err != nil {
		a.Fatal(err)
	}
}

// wants receives until the wanted state is accepted.
func (a *agent) wants(stream centerv1.Hosts_SessionClient, accept func(*centerv1.Wanted) bool) *centerv1.Wanted {
	a.Helper()
	for {
		wanted, err := stream.Recv()
		if err != nil {
			a.Fatal(err)
		}
		if accept(wanted) {
			return wanted
		}
	}
}

func (b *bench) host(name string) Host {
	b.Helper()
	host, err := b.hosts.Find(b.Context(), name)
	if err != nil {
		b.Fatal(err)
	}
	return host
}

// until waits for a host's state.
func (b *bench) until(name string, want State) Host {
	b.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		host := b.host(name)
		state, message := host.State()
		if state == want {
			return host
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s is %s (%s), not %s", name, state, message, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func wantCode(t *testing.T, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("got %v, want %v", err, code)
	}
}

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
