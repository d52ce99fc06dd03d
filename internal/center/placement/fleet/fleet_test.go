package fleet

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	centerv1 "pacific/api/center/v1"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/center/hosts"
	"pacific/internal/center/inventory"
	"pacific/internal/center/placement"
	"pacific/internal/center/store/storetest"
)

const gib = 1 << 30

// hostd with two processors of 2000 MHz, one of which is busy, and a machine beside pods.
type hostd struct {
	hostv1.UnimplementedHostServer
	hostv1.UnimplementedVirtualMachinesServer
	began time.Time
	asked atomic.Int32
}

func (h *hostd) GetHost(context.Context, *hostv1.GetHostRequest) (*hostv1.GetHostResponse, error) {
	h.asked.Add(1)
	return &hostv1.GetHostResponse{Cpus: 2, MhzPerCore: 2000, MemoryBytes: 8 * gib, MemoryUsedBytes: 3 * gib, MemoryReservedBytes: 4 * gib,
		StorageFreeBytes: 9 * gib, MachinesCpuNanoseconds: uint64(time.Since(h.began))}, nil
}

func (*hostd) List(context.Context, *hostv1.ListRequest) (*hostv1.ListResponse, error) {
	guest := func(id string, phase hostv1.VirtualMachine_Phase) *hostv1.VirtualMachine {
		return &hostv1.VirtualMachine{Phase: phase, Spec: &hostv1.VirtualMachineSpec{Id: id, Name: id, Vcpus: 2, MemoryBytes: gib, Type: &hostv1.VirtualMachineSpec_Guest{Guest: &hostv1.Guest{}}}}
	}
	return &hostv1.ListResponse{Machines: []*hostv1.VirtualMachine{
		guest("member-1", hostv1.VirtualMachine_RUNNING), guest("off", hostv1.VirtualMachine_STOPPED),
		{Spec: &hostv1.VirtualMachineSpec{Id: "pod", Type: &hostv1.VirtualMachineSpec_Crx{Crx: &hostv1.Crx{}}}},
	}}, nil
}

type fleet struct {
	list []hosts.Host
	conn *grpc.ClientConn
}

func (f *fleet) List(context.Context) ([]hosts.Host, error) { return f.list, nil }

func (f *fleet) Dial(_ context.Context, id string) (*grpc.ClientConn, error) {
	if id != "host-1" {
		return nil, errors.New("away")
	}
	return f.conn, nil
}

func serve(t *testing.T, h *hostd) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	hostv1.RegisterHostServer(server, h)
	hostv1.RegisterVirtualMachinesServer(server, h)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestInventory(t *testing.T) {
	store := storetest.New(t)
	if err := inventory.EnsureDefault(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	seen := time.Now()
	facts := hosts.Facts{CPUs: 4, CPUMHz: 1000, MemoryBytes: 2 * gib}
	daemon := &hostd{began: time.Now()}
	f := &fleet{conn: serve(t, daemon), list: []hosts.Host{
		{ID: "host-1", Name: "one", Cluster: "domain-c1", Seen: seen, Facts: facts},
		{ID: "host-2", Name: "two", Cluster: "domain-c1", Seen: seen, Lost: seen, Facts: facts, Maintenance: true},
		{ID: "host-3", Name: "other", Cluster: "domain-c2", Seen: seen},
	}}
	records := func(context.Context, string) ([]placement.Machine, []placement.Rule, error) {
		member := func(name, host string) placement.Machine {
			return placement.Machine{ID: name, Name: name, Host: host, CPUs: 2, MemoryBytes: gib, Reservation: placement.Resources{MemoryBytes: gib}, Groups: []string{"cp"}}
		}
		return []placement.Machine{member("member-1", "host-1"), member("member-2", "host-2"), member("member-3", "")},
			[]placement.Rule{{Name: "apart", Kind: placement.AntiAffinity, Group: "cp", Must: true}}, nil
	}
	in, err := New(store, f, records).Inventory(t.Context(), "cluster-1")
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Hosts) != 2 || len(in.Rules) != 1 {
		t.Fatalf("%+v", in)
	}
	one, two := in.Hosts[0], in.Hosts[1]
	if one.Capacity != (placement.Resources{CPUMHz: 4000, MemoryBytes: 8 * gib}) || one.Reserved.MemoryBytes != 3*gib || one.Datastores[0].FreeBytes != 9*gib {
		t.Errorf("%+v", one)
	}
	if mhz := one.Used.CPUMHz; mhz < 1500 || mhz > 2500 {
		t.Errorf("one of two processors is busy, which is 2000 MHz and not %d", mhz)
	}
	if two.State != placement.NotResponding || !two.Maintenance || two.Capacity.CPUMHz != 4000 || two.Capacity.MemoryBytes != 2*gib {
		t.Errorf("%+v", two)
	}
	at := map[string]string{}
	for _, m := range in.Machines {
		at[m.Name] = m.Host
	}
	if len(at) != 4 || at["member-1"] != "host-1" || at["off"] != "host-1" || at["member-2"] != "host-2" || at["member-3"] != "" {
		t.Errorf("%v", at)
	}
	if d := placement.Place(in, placement.Machine{ID: "new", Name: "new", CPUs: 2, MemoryBytes: gib, Groups: []string{"cp"}}); d.Host != "" {
		t.Errorf("%s", d.Text())
	}
}

func TestClusters(t *testing.T) {
	store := storetest.New(t)
	source := New(store, &fleet{})
	if err := inventory.EnsureDefault(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	for key, ok := range map[string]bool{"": true, "domain-c1": true, "cluster-1": true, "domain-c9": false} {
		if _, err := source.Inventory(t.Context(), key); (err == nil) != ok {
			t.Errorf("cluster %q: %v", key, err)
		}
	}
	if err := inventory.Clusters(store).Create(t.Context(), "domain-c2", inventory.Cluster{Name: "second"}); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Inventory(t.Context(), ""); err == nil {
		t.Error("of two clusters one has to be named")
	}
}

func TestRates(t *testing.T) {
	l := &loads{last: map[string]point{}}
	start := time.Unix(1000, 0)
	for _, step := range []struct {
		name    string
		seconds float64
		cpu     float64
		want    int64
		ok      bool
	}{
		{"the first look", 0, 100, 0, false},
		{"too soon", 0.5, 100, 0, false},
		{"half a processor", 2, 101, 1000, true},
		{"too soon: as before", 2.5, 200, 1000, true},
		{"none", 4, 101, 0, true},
		{"the count began anew", 6, 1, 0, false},
		{"and goes on", 8, 3, 2000, true},
		{"long ago", 100, 3, 0, false},
	} {
		host := &hostv1.GetHostResponse{MhzPerCore: 2000, MachinesCpuNanoseconds: uint64(step.cpu * 1e9)}
		if got, ok := l.rate("h", host, start.Add(time.Duration(step.seconds*1e9))); got != step.want || ok != step.ok {
			t.Errorf("%s: %d %v, want %d %v", step.name, got, ok, step.want, step.ok)
		}
	}
}

func TestRoomByTheLastHeartbeat(t *testing.T) {
	h := hosts.Host{ID: "host-1", Name: "one", Seen: time.Now(), Facts: hosts.Facts{CPUs: 2, CPUMHz: 2000, MemoryBytes: 4 * gib}}
	got := Room(h, &centerv1.Facts{MemoryUsedBytes: gib})
	if got.Used.MemoryBytes != gib || got.Capacity != (placement.Resources{CPUMHz: 4000, MemoryBytes: 4 * gib}) || got.State != placement.Connected {
		t.Errorf("%+v", got)
	}
	if got := Room(h, nil); got.Used != (placement.Resources{}) {
		t.Errorf("%+v", got)
	}
}
