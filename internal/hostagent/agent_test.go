package hostagent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/hosts"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
	"pacific/internal/keeper"
	"pacific/internal/pki"
	"pacific/internal/process"
)

// TestMain lets the test binary become a daemon of a host, as pacific does.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BECOME_IN"); dir != "" {
		fmt.Fprintln(os.Stderr, Become(Dir(dir), os.Args[1]))
		os.Exit(1)
	}
	destroyLimit = 100 * time.Millisecond // no hostd answers here
	os.Exit(m.Run())
}

// fleet is a center, which can be stopped and started, and a Supervisor of which there is only the question whether it is ready.
type fleet struct {
	*testing.T
	dir, address string
	store        *store.Store
	ca, hostCA   *pki.CA
	supervisor   *supervisor
	hosts        *hosts.Hosts
	stop         func()
}

type supervisor struct {
	mu  sync.Mutex
	ca  *pki.CA
	url string
}

func (s *supervisor) Node(context.Context, hosts.Host) (*centerv1.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url == "" {
		return nil, nil
	}
	return &centerv1.Node{Server: s.url, Ca: s.ca.PEM(), ClusterDns: "10.96.0.10", ClusterDomain: "cluster.local", Registries: map[string][]byte{"10.0.0.1:5000": []byte("authority")}}, nil
}

func (s *supervisor) Members(context.Context, hosts.Host) ([]*centerv1.Member, error) {
	return nil, nil
}

func (s *supervisor) Authority(context.Context, hosts.Host) (hosts.Signer, error) { return s.ca, nil }

func authority(t *testing.T, dir, name string) *pki.CA {
	t.Helper()
	ca, err := pki.LoadOrCreateCA(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"), name)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func newFleet(t *testing.T) *fleet {
	dir := t.TempDir()
	f := &fleet{T: t, dir: dir, store: storetest.New(t), ca: authority(t, dir, "center-ca"), hostCA: authority(t, dir, "host-ca"),
		supervisor: &supervisor{ca: authority(t, dir, "supervisor-ca")}}
	if _, err := f.ca.Ensure(f.leaf("center")); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	listener.Close()
	f.start()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fleet) leaf(name string) pki.Leaf {
	base := filepath.Join(f.dir, name)
	return pki.Leaf{CertFile: base + ".crt", KeyFile: base + ".key", CommonName: name, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true}
}

func (f *fleet) start() {
	f.Helper()
	leaf := f.leaf("center")
	var err error
	f.hosts, err = hosts.New(hosts.Config{Store: f.store, Listen: f.address, Cert: leaf.CertFile, Key: leaf.KeyFile, CenterCA: f.ca, HostCA: f.hostCA, ClientDir: f.dir, Supervisors: f.supervisor})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.hosts.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			f.Error(err)
		}
	})
}

// enable makes a Supervisor that says it is ready.
func (f *fleet) enable() {
	f.Helper()
	leaf := f.leaf("api")
	if _, err := f.supervisor.ca.Ensure(leaf); err != nil {
		f.Fatal(err)
	}
	config, err := pki.ServerConfig(leaf.CertFile, leaf.KeyFile, filepath.Join(f.dir, "supervisor-ca.crt"))
	if err != nil {
		f.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
		}
	}))
	server.Listener = tls.NewListener(server.Listener, config)
	server.Start()
	f.Cleanup(server.Close)
	f.supervisor.mu.Lock()
	defer f.supervisor.mu.Unlock()
	f.supervisor.url = "https://" + server.Listener.Addr().String()
}

func (f *fleet) token() string {
	f.Helper()
	for _, route := range f.hosts.Routes() {
		if route.Path == "/api/pacific/hosts/tokens" {
			answer, err := route.Handle(&rest.Request{Request: httptest.NewRequest(http.MethodPost, route.Path, strings.NewReader("{}"))})
			if err != nil {
				f.Fatal(err)
			}
			return answer.(hosts.NewToken).Token
		}
	}
	f.Fatal("no route for tokens")
	return ""
}

// host of a test, whose daemons are scripts that sleep.
type host struct {
	*fleet
	dir    Dir
	config Config
	stop   func() // the agent
}

func (f *fleet) host(name string) *host {
	f.Helper()
	dir := f.TempDir()
	h := &host{fleet: f, dir: Dir(filepath.Join(dir, "host")), config: DefaultConfig()}
	h.config.Name, h.config.Address, h.config.Center, h.config.CASHA256, h.config.Interface = name, "192.0.2.11", f.address, f.ca.Fingerprint(), "eth0"
	h.config.BinDir, h.config.RunDir, h.config.RecordDir, h.config.LogDir = filepath.Join(dir, "bin"), filepath.Join(dir, "run"), filepath.Join(dir, "records"), filepath.Join(dir, "log")
	h.config.CgroupParent = "/pacific-test-none"
	for _, program := range kinds {
		h.install(program, "#!/bin/sh\nexec sleep 1000\n")
	}
	f.Cleanup(func() {
		if h.stop != nil {
			h.stop()
		}
		for _, kind := range kinds {
			if rec, ok := h.config.Records().Running(kind); ok {
				_ = rec.Terminate(0)
			}
		}
	})
	return h
}

func (h *host) install(program, text string) {
	h.Helper()
	if err := os.MkdirAll(h.config.BinDir, 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.config.BinDir, program), []byte(text), 0o755); err != nil {
		h.Fatal(err)
	}
}

func (h *host) join(token string) (Config, error) {
	h.Helper()
	return Join(h.Context(), h.dir, h.config, token, MachineFacts(h.config, "test"))
}

func (h *host) run() (ended <-chan error) {
	h.Helper()
	agent := &Agent{
		Dir: h.dir, Version: "test",
		Starter: func(dir Dir, d keeper.Daemon) *exec.Cmd {
			cmd := exec.Command(os.Args[0], d.Name)
			cmd.Env = append(os.Environ(), "BECOME_IN="+string(dir))
			return cmd
		},
		removeKernel: func(context.Context, Dir, Config) error { return nil },
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	h.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		close(done)
	})
	result := make(chan error, 1)
	go func() {
		err := agent.Run(ctx)
		result <- err
		done <- err
	}()
	return result
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if check() {
			return
		}
	}
	t.Fatalf("%s: not within 30 s", what)
}

func (h *host) running(kind string) process.Record {
	h.Helper()
	var rec process.Record
	eventually(h.T, kind+" runs", func() (ok bool) { rec, ok = h.config.Records().Running(kind); return ok })
	return rec
}

func (h *host) state() hosts.State {
	found, err := h.hosts.Find(h.Context(), h.config.Name)
	if err != nil {
		return ""
	}
	state, _ := found.State()
	return state
}

func TestJoinIsRepeatedAfterACrash(t *testing.T) {
	f := newFleet(t)
	h := f.host("a")
	token := f.token()
	joined, err := h.join(token)
	if err != nil || joined.ID != "host-1" {
		t.Fatalf("%+v, %v", joined, err)
	}
	if _, err := h.join(f.token()); err == nil || !strings.Contains(err.Error(), "has joined") {
		t.Errorf("a second join: %v", err)
	}
	// The last write did not happen, nor did the deletion of the key that follows it.
	again := f.host("b")
	again.config.Name = "b"
	token = f.token()
	if err := os.MkdirAll(filepath.Dir(again.dir.joinKeyFile()), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := again.dir.joinKey(centerv1.Purpose_AGENT); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(again.dir.joinKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.join(token); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(string(again.dir)), write(again.dir.joinKeyFile(), key)); err != nil {
		t.Fatal(err)
	}
	if joined, err := again.join(token); err != nil || joined.ID != "host-2" {
		t.Errorf("joined again: %+v, %v", joined, err)
	}
	// Somebody else with the same token.
	if _, err := f.host("b").join(token); err == nil || !strings.Contains(err.Error(), "has been used") {
		t.Errorf("another key: %v", err)
	}
}

func TestAnotherCenterIsNotJoined(t *testing.T) {
	f := newFleet(t)
	h := f.host("a")
	h.config.CASHA256 = strings.Repeat("0", 64)
	if _, err := h.join(f.token()); err == nil || !strings.Contains(err.Error(), f.ca.Fingerprint()) {
		t.Errorf("got %v", err)
	}
	if _, err := h.dir.Load(); !errors.Is(err, ErrNotJoined) {
		t.Errorf("got %v", err)
	}
}

func TestPrivateFiles(t *testing.T) {
	f := newFleet(t)
	h := f.host("a")
	if _, err := h.join(f.token()); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(string(h.dir), func(path string, entry os.DirEntry, err error) error {
		if info, statErr := entry.Info(); err == nil && statErr == nil && !entry.IsDir() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAHostGoesOnWithoutCenterAndWithoutItsAgent(t *testing.T) {
	f := newFleet(t)
	h := f.host("a")
	if _, err := h.join(f.token()); err != nil {
		t.Fatal(err)
	}
	h.run()
	hostdProcess := h.running(hostd)
	eventually(t, "connected", func() bool { return h.state() == hosts.Connected })
	if _, ok := h.config.Records().Running(spherelet); ok {
		t.Error("there is a spherelet without a Supervisor")
	}
	f.enable()
	first := h.running(spherelet)
	h.running(dataplane)
	if data, err := os.ReadFile(filepath.Join(string(h.dir), "registries", "10.0.0.1:5000", "ca.crt")); err != nil || string(data) != "authority" {
		t.Errorf("the registry's authority: %q, %v", data, err)
	}
	h.stop()
	f.stop()
	if !hostdProcess.Alive() || !first.Alive() {
		t.Fatal("daemons ended with their agent")
	}
	// The machine comes back while center is away: what it wanted is on disk.
	if err := first.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.install(dataplane, "#!/bin/sh\n# another build\nexec sleep 2000\n")
	before := h.running(dataplane)
	h.run()
	eventually(t, "a new spherelet", func() bool { return h.running(spherelet).ID != first.ID })
	eventually(t, "a new dataplane", func() bool { return h.running(dataplane).ID != before.ID })
	if h.running(hostd).ID != hostdProcess.ID {
		t.Error("hostd was replaced for nothing")
	}
	f.start()
	eventually(t, "center hears of it", func() bool {
		report := f.hosts.Report("host-1")
		return report != nil && len(report.GetDaemons()) == 3 && len(report.GetCertificates()) == 6
	})
}

func TestCertificatesAreRenewed(t *testing.T) {
	f := newFleet(t)
	h := f.host("a")
	if _, err := h.join(f.token()); err != nil {
		t.Fatal(err)
	}
	from, err := dial(h.dir, f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	before, _ := os.ReadFile(h.dir.agentPair())
	later := time.Now().Add(hosts.CertificateLife * 3 / 4)
	missing, err := h.dir.renew(t.Context(), &centerv1.Wanted{}, client{centerv1.NewHostsClient(from)}, later)
	if err != nil || len(missing) != 0 {
		t.Fatalf("%v, %v", missing, err)
	}
	after, _ := os.ReadFile(h.dir.agentPair())
	if string(before) == string(after) {
		t.Error("the agent's certificate is the old one")
	}
	// A key that lost its certificate half way gets another; what is good stays.
	if err := write(h.dir.key(centerv1.Purpose_HOSTD), []byte("broken")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.dir.renew(t.Context(), &centerv1.Wanted{}, client{centerv1.NewHostsClient(from)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if state, _ := h.dir.look(centerv1.Purpose_HOSTD, h.dir.authority(centerv1.Purpose_HOSTD), time.Now()); state != good {
		t.Errorf("hostd's certificate is in state %d", state)
	}
	if now, _ := os.ReadFile(h.dir.agentPair()); string(now) != string(after) {
		t.Error("a good certificate was renewed")
	}
	h.run()
	eventually(t, "connected with the new certificate", func() bool { return h.state() == hosts.Connected })
}

func TestARemovedHostIsClean(t *testing.T) {
	for name, away := range map[string]bool{"connected": false, "away": true} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			h := f.host("a")
			if _, err := h.join(f.token()); err != nil {
				t.Fatal(err)
			}
			ended := h.run()
			rec := h.running(hostd)
			eventually(t, "connected", func() bool { return h.state() == hosts.Connected })
			if away {
				h.stop()
			}
			if _, err := f.hosts.Remove(t.Context(), "a", away); err != nil {
				t.Fatal(err)
			}
			if away {
				ended = h.run()
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("the agent goes on")
			}
			if rec.Alive() {
				t.Error("hostd runs on")
			}
			if entries, err := os.ReadDir(string(h.dir)); err != nil || len(entries) != 0 {
				t.Errorf("left: %v, %v", entries, err)
			}
			eventually(t, "center has forgotten it", func() bool { return h.state() == "" })
			if joined, err := h.join(f.token()); err != nil || joined.ID != "host-2" {
				t.Errorf("joined again: %v, %v", joined, err)
			}
		})
	}
}
