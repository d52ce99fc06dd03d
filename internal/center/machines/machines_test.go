package machines

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/center/hosts"
	"pacific/internal/center/rest"
	"pacific/internal/center/store/storetest"
)

// hostd of a test tells what it is told.
type hostd struct {
	hostv1.UnimplementedVirtualMachinesServer
	mu       sync.Mutex
	machines map[string]*hostv1.VirtualMachine
	events   chan *hostv1.WatchEvent
	samples  uint64
}

func (h *hostd) Watch(_ *hostv1.WatchRequest, stream hostv1.VirtualMachines_WatchServer) error {
	h.mu.Lock()
	for _, m := range h.machines {
		if err := stream.Send(&hostv1.WatchEvent{Type: hostv1.WatchEvent_ADDED, Machine: m}); err != nil {
			return err
		}
	}
	h.mu.Unlock()
	if err := stream.Send(&hostv1.WatchEvent{Type: hostv1.WatchEvent_SYNCED}); err != nil {
		return err
	}
	for {
		select {
		case event := <-h.events:
			if err := stream.Send(event); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return nil
		}
	}
}

func (h *hostd) GetStats(context.Context, *hostv1.GetStatsRequest) (*hostv1.GetStatsResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.samples++
	stats := &hostv1.GetStatsResponse{At: timestamppb.New(time.Unix(int64(h.samples)*10, 0))}
	for id := range h.machines {
		stats.Machines = append(stats.Machines, &hostv1.MachineStats{Id: id, Usage: &hostv1.Usage{CpuNanoseconds: h.samples * 5e9, MemoryWorkingSetBytes: 7 << 20}})
	}
	return stats, nil
}

// fleet of one host.
type fleet struct {
	conn    *grpc.ClientConn
	mu      sync.Mutex
	hosts   []hosts.Host
	changed chan struct{}
}

func (f *fleet) List(context.Context) ([]hosts.Host, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hosts, nil
}

func (f *fleet) Watch(context.Context) <-chan struct{} { return f.changed }

func (f *fleet) Dial(context.Context, string) (*grpc.ClientConn, error) { return f.conn, nil }

func (f *fleet) set(list ...hosts.Host) {
	f.mu.Lock()
	f.hosts = list
	f.mu.Unlock()
	f.changed <- struct{}{}
}

func pod(id, namespace, name string) *hostv1.VirtualMachine {
	return &hostv1.VirtualMachine{
		Spec: &hostv1.VirtualMachineSpec{
			Id: id, Name: namespace + "/" + name, Vcpus: 2, MemoryBytes: 64 << 20, Labels: map[string]string{"namespace": namespace, "name": name},
			Type: &hostv1.VirtualMachineSpec_Crx{Crx: &hostv1.Crx{Mode: hostv1.Crx_MANAGED}},
		},
		Phase: hostv1.VirtualMachine_RUNNING,
	}
}

func connect(t *testing.T, h *hostd) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	hostv1.RegisterVirtualMachinesServer(server, h)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:hostd", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestMachinesFollowTheirHosts(t *testing.T) {
	h := &hostd{machines: map[string]*hostv1.VirtualMachine{"u1": pod("u1", "team", "web")}, events: make(chan *hostv1.WatchEvent)}
	f := &fleet{conn: connect(t, h), changed: make(chan struct{}), hosts: []hosts.Host{{ID: "host-1", Name: "a", Seen: time.Now(), Facts: hosts.Facts{CPUMHz: 2000}}}}
	records := storetest.New(t)
	run := func() (s *Service, stop func()) {
		s = New(records, f)
		s.Addresses = func(context.Context) (map[string]string, error) { return map[string]string{"u1": "10.244.0.5"}, nil }
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		return s, func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	}
	s, stop := run()
	until := func(what string, accept func([]Machine) bool) []Machine {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			list, err := s.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if accept(list) {
				return list
			}
		}
		t.Fatalf("%s: not within 30 s", what)
		return nil
	}
	count := func(n int) func([]Machine) bool { return func(list []Machine) bool { return len(list) == n } }
	first := until("the first", func(list []Machine) bool { return len(list) == 1 && list[0].MemoryUsedBytes != nil })[0]
	if first.VM != "vm-1" || first.Type != "CRX" || first.Namespace != "team" || first.Pod != "web" || first.Address != "10.244.0.5" || first.HostName != "a" || first.PowerState != "POWERED_ON" || *first.MemoryUsedBytes != 7<<20 {
		t.Errorf("got %+v", first)
	}
	h.events <- &hostv1.WatchEvent{Type: hostv1.WatchEvent_ADDED, Machine: pod("u2", "team", "db")}
	until("another", count(2))
	// A restart of center: names stay.
	stop()
	h.mu.Lock()
	h.machines = map[string]*hostv1.VirtualMachine{"u2": pod("u2", "team", "db"), "u3": pod("u3", "team", "new")}
	h.mu.Unlock()
	s, stop = run()
	defer func() { stop() }()
	list := until("after the restart", count(2))
	if list[0].ID != "u2" || list[0].VM != "vm-2" || list[1].VM != "vm-3" {
		t.Errorf("got %+v", list)
	}
	f.set(hosts.Host{ID: "host-1", Name: "a", Seen: time.Now(), Lost: time.Now()})
	until("stale", func(list []Machine) bool { return len(list) == 2 && list[0].Stale })
	h.events <- &hostv1.WatchEvent{Type: hostv1.WatchEvent_DELETED, Machine: pod("u2", "team", "db")}
	until("one deleted", count(1))
	f.set()
	until("the host removed", count(0))
	until("no record left", func([]Machine) bool {
		left, err := s.records.List(t.Context())
		return err == nil && len(left) == 0
	})
}

func TestUseIsTheDifferenceOfTwoMeasurements(t *testing.T) {
	begin := time.Unix(100, 0)
	one := usage{}.next(begin, 5e9, 1)
	two := one.next(begin.Add(10*time.Second), 10e9, 2)
	again := two.next(begin.Add(20*time.Second), 1e9, 3) // it was started anew
	if one.measured || !two.measured || two.cores != 0.5 || again.measured {
		t.Errorf("%+v %+v %+v", one, two, again)
	}
}

func TestListsAreFiltered(t *testing.T) {
	s := New(storetest.New(t), &fleet{hosts: []hosts.Host{{ID: "host-1", Name: "a"}, {ID: "host-2", Name: "b"}}})
	for path, want := range map[string]int{
		"/api/vcenter/datastore": 2, "/api/vcenter/datastore?names=a-local": 1, "/api/vcenter/datastore?filter.datastores=datastore-host-2": 1,
		"/api/vcenter/datastore?names=a-local&names=b-local": 2, "/api/vcenter/network?names=none": 0, "/api/vcenter/resource-pool": 1, "/api/vcenter/vm": 0,
	} {
		request := httptest.NewRequest(http.MethodGet, path, nil)
		for _, route := range s.Routes() {
			if route.Path != request.URL.Path {
				continue
			}
			answer, err := route.Handle(&rest.Request{Request: request})
			if list, ok := answer.([]map[string]any); err != nil || !ok || len(list) != want {
				t.Errorf("%s: %v, %v", path, answer, err)
			}
		}
	}
}
