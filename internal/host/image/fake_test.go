package image

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fetcherv1 "pacific/api/fetcher/v1"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/channel"
)

// fakeMachines runs the given fetcher in place of a guest. It keeps machines as the real one does: what is destroyed is
// gone, its session ends, and a disk that cannot be resolved keeps a machine from being made.
type fakeMachines struct {
	t       *testing.T
	store   *Store
	fetcher func(ctx context.Context, disk string, req *fetcherv1.FetchRequest, dial dialer, send func(*fetcherv1.FetchProgress)) error

	mu       sync.Mutex
	machines map[string]*hostv1.VirtualMachine
	guests   map[string]*fakeGuest // by socket
	created  int
	peak     int
}

type dialer func(address string) (net.Conn, error)

func newFakeMachines(t *testing.T) *fakeMachines {
	return &fakeMachines{t: t, machines: map[string]*hostv1.VirtualMachine{}, guests: map[string]*fakeGuest{}}
}

func (f *fakeMachines) Create(_ context.Context, spec *hostv1.VirtualMachineSpec, _ bool) (*hostv1.VirtualMachine, error) {
	disk, readOnly, err := f.store.DiskPath(spec.Disks[0].DiskId)
	if err != nil || readOnly {
		return nil, status.Errorf(codes.NotFound, "disk: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created++
	vm := &hostv1.VirtualMachine{Spec: spec, Phase: hostv1.VirtualMachine_RUNNING, PersonalitySocket: "/fake/" + spec.Id}
	spec.Disks[0].Lun = 3
	f.machines[spec.Id] = vm
	f.peak = max(f.peak, len(f.machines))
	f.guests[vm.PersonalitySocket] = newFakeGuest(f, disk)
	return vm, nil
}

func (f *fakeMachines) Get(id string) (*hostv1.VirtualMachine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if vm, ok := f.machines[id]; ok {
		return vm, nil
	}
	return nil, status.Errorf(codes.NotFound, "machine %s does not exist", id)
}

func (f *fakeMachines) List() (all []*hostv1.VirtualMachine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, vm := range f.machines {
		all = append(all, vm)
	}
	return all
}

func (f *fakeMachines) Destroy(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if vm, ok := f.machines[id]; ok {
		if g := f.guests[vm.PersonalitySocket]; g != nil {
			g.stop()
		}
		delete(f.machines, id)
	}
	return nil
}

func (f *fakeMachines) DiskUser(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, vm := range f.machines {
		for _, d := range vm.Spec.Disks {
			if d.DiskId == id {
				return vm.Spec.Id
			}
		}
	}
	return ""
}

func (f *fakeMachines) connect(_ context.Context, socket string) (session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g, ok := f.guests[socket]; ok {
		return g, nil
	}
	return nil, errors.New("nobody listens")
}

// fakeGuest is a session with a fetcher at its other end.
type fakeGuest struct {
	machines *fakeMachines
	disk     string
	ctx      context.Context
	stop     context.CancelFunc
	dials    chan accepted
}

type accepted struct {
	header channel.Header
	conn   net.Conn
}

func newFakeGuest(f *fakeMachines, disk string) *fakeGuest {
	ctx, stop := context.WithCancel(context.Background())
	f.t.Cleanup(stop)
	return &fakeGuest{machines: f, disk: disk, ctx: ctx, stop: stop, dials: make(chan accepted)}
}

func (g *fakeGuest) Accept() (channel.Header, net.Conn, error) {
	select {
	case a := <-g.dials:
		return a.header, a.conn, nil
	case <-g.ctx.Done():
		return channel.Header{}, nil, io.EOF
	}
}

func (g *fakeGuest) Close() error {
	g.stop()
	return nil
}

func (g *fakeGuest) RPC(context.Context) (*ttrpc.Client, error) {
	host, guest := net.Pipe()
	context.AfterFunc(g.ctx, func() { host.Close(); guest.Close() })
	server, err := ttrpc.NewServer()
	if err != nil {
		return nil, err
	}
	fetcherv1.RegisterFetcherService(server, g)
	go server.Serve(g.ctx, &oneConn{conn: guest, done: g.ctx.Done()})
	return ttrpc.NewClient(host), nil
}

func (g *fakeGuest) Fetch(ctx context.Context, req *fetcherv1.FetchRequest, stream fetcherv1.Fetcher_FetchServer) error {
	return g.machines.fetcher(ctx, g.disk, req, g.dial, func(p *fetcherv1.FetchProgress) { stream.Send(p) })
}

func (g *fakeGuest) dial(address string) (net.Conn, error) {
	host, guest := net.Pipe()
	g.dials <- accepted{channel.Header{Kind: channel.KindDial, Address: address}, host}
	var result channel.DialResult
	if err := channel.ReadLine(guest, &result); err != nil {
		return nil, err
	}
	if result.Error != "" {
		return nil, errors.New(result.Error)
	}
	return guest, nil
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn net.Conn
	done <-chan struct{}
}

func (o *oneConn) Accept() (net.Conn, error) {
	if c := o.conn; c != nil {
		o.conn = nil
		return c, nil
	}
	<-o.done
	return nil, io.EOF
}

func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// fixture is a service with fake machines on a directory of its own.
type fixture struct {
	*Service
	machines *fakeMachines
	stateDir string
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{machines: newFakeMachines(t), stateDir: t.TempDir()}
	f.restart(t)
	return f
}

// restart is what the end and a new start of hostd do.
func (f *fixture) restart(t *testing.T) {
	t.Helper()
	store, err := OpenStore(f.stateDir)
	if err != nil {
		t.Fatal(err)
	}
	f.machines.store = store
	f.Service, err = NewService(t.Context(), Config{Store: store, Machines: f.machines, RegistryConfig: t.TempDir(), CPUs: 4})
	if err != nil {
		t.Fatal(err)
	}
	f.Service.connect = f.machines.connect
}

// leftovers are directories of pulls.
func (f *fixture) leftovers(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(f.Store.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if len(e.Name()) != 64 {
			names = append(names, e.Name())
		}
	}
	return names
}
