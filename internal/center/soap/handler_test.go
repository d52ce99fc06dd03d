package soap

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/pbm"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// one lets one user in until he is put out.
type one struct{ out atomic.Bool }

func (o *one) Login(_ context.Context, _, user, password string) (Permit, error) {
	if user != "admin@test" || password != "right" {
		return nil, errors.New("wrong")
	}
	return func(context.Context) error {
		if o.out.Load() {
			return errors.New("has no role any more")
		}
		return nil
	}, nil
}

func example() Inventory {
	return Inventory{
		Policies: []Policy{{ID: "p-1", Name: "Gold"}},
		Datacenters: []Datacenter{{
			ID: "datacenter-1", Name: "dc-1",
			Networks:   []Named{{"network-1", "management"}},
			Datastores: []Datastore{{ID: "datastore-1", Name: "host-1-local", Capacity: 100, Free: 50, Hosts: []string{"host-1"}}},
			Clusters: []Cluster{{
				ID: "domain-c1", Name: "cluster-1", RootPool: "resgroup-1",
				Hosts:    []Host{{ID: "host-1", Name: "host-1", Connected: true, CPUs: 4, MHz: 2000, MemoryBytes: 8 << 30}, {ID: "host-2", Name: "host-2"}},
				Pools:    []Pool{{ID: "resgroup-7", Name: "team-a", CPULimitMHz: 1000, MemoryLimitMiB: 1024}},
				Machines: []Machine{{ID: "vm-5", Name: "web", UUID: "u-1", Host: "host-1", Pool: "resgroup-7", Running: true, CPUs: 1, MemoryMiB: 256, Address: "10.244.0.9", CPUUsedMHz: 12}},
			}},
		}},
	}
}

type lab struct {
	*testing.T
	logins    one
	inventory atomic.Pointer[Inventory]
	handler   *Handler
	url       *url.URL
}

func newLab(t *testing.T) *lab {
	l := &lab{T: t}
	inventory := example()
	l.inventory.Store(&inventory)
	l.handler = New(&l.logins, func(context.Context) (Inventory, error) { return *l.inventory.Load(), nil }, "test")
	mux := http.NewServeMux()
	for _, pattern := range l.handler.Patterns() {
		mux.Handle(pattern, l.handler)
	}
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL + "/sdk")
	if err != nil {
		t.Fatal(err)
	}
	l.url = u
	return l
}

func (l *lab) login() *govmomi.Client {
	l.Helper()
	u := *l.url
	u.User = url.UserPassword("admin@test", "right")
	client, err := govmomi.NewClient(l.Context(), &u, true)
	if err != nil {
		l.Fatal(err)
	}
	return client
}

func TestNamesAreFound(t *testing.T) {
	l := newLab(t)
	client := l.login()
	finder := find.NewFinder(client.Client)
	dc, err := finder.DefaultDatacenter(t.Context())
	if err != nil || dc.Reference().Value != "datacenter-1" {
		t.Fatalf("got %v, %v", dc, err)
	}
	finder.SetDatacenter(dc)
	for want, find := range map[string]func() (object.Reference, error){
		"domain-c1":   func() (object.Reference, error) { return finder.ClusterComputeResource(t.Context(), "cluster-1") },
		"network-1":   func() (object.Reference, error) { return finder.Network(t.Context(), "management") },
		"datastore-1": func() (object.Reference, error) { return finder.Datastore(t.Context(), "host-1-local") },
		"host-2":      func() (object.Reference, error) { return finder.HostSystem(t.Context(), "*/host-2") },
		"resgroup-7": func() (object.Reference, error) {
			return finder.ResourcePool(t.Context(), "cluster-1/Resources/team-a")
		},
		"vm-5": func() (object.Reference, error) { return finder.VirtualMachine(t.Context(), "web") },
	} {
		found, err := find()
		if err != nil || found.Reference().Value != want {
			t.Errorf("%s: got %v, %v", want, found, err)
		}
	}
	var cluster mo.ClusterComputeResource
	if err := property.DefaultCollector(client.Client).RetrieveOne(t.Context(), types.ManagedObjectReference{Type: clusterKind, Value: "domain-c1"}, []string{"name", "summary", "host"}, &cluster); err != nil {
		t.Fatal(err)
	}
	if s := cluster.Summary.GetComputeResourceSummary(); cluster.Name != "cluster-1" || len(cluster.Host) != 2 || s.NumHosts != 2 || s.NumEffectiveHosts != 1 || s.TotalCpu != 8000 {
		t.Errorf("got %+v", s)
	}
}

func TestTheInventoryFollows(t *testing.T) {
	l := newLab(t)
	client := l.login()
	machines := func() []mo.VirtualMachine {
		t.Helper()
		v, err := view.NewManager(client.Client).CreateContainerView(t.Context(), client.ServiceContent.RootFolder, []string{machineKind}, true)
		if err != nil {
			t.Fatal(err)
		}
		var list []mo.VirtualMachine
		if err := v.Retrieve(t.Context(), []string{machineKind}, []string{"name", "summary"}, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if list := machines(); len(list) != 1 || list[0].Summary.QuickStats.OverallCpuUsage != 12 {
		t.Fatalf("got %+v", list)
	}
	empty := example()
	empty.Datacenters[0].Clusters[0].Machines = nil
	l.inventory.Store(&empty)
	l.handler.looked = l.handler.looked.Add(-fresh)
	if list := machines(); len(list) != 0 {
		t.Errorf("a machine that is gone is still shown: %+v", list)
	}
}

func TestPolicies(t *testing.T) {
	l := newLab(t)
	client, err := pbm.NewClient(t.Context(), l.login().Client)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := client.ProfileIDByName(t.Context(), "Gold"); err != nil || id != "p-1" {
		t.Errorf("got %q, %v", id, err)
	}
	if id, err := client.ProfileIDByName(t.Context(), "Silver"); err == nil {
		t.Errorf("a policy that is not there was found: %s", id)
	}
}

func TestNobodyLooksWithoutASession(t *testing.T) {
	l := newLab(t)
	u := *l.url
	for _, password := range []string{"wrong", ""} {
		u.User = url.UserPassword("admin@test", password)
		if _, err := govmomi.NewClient(t.Context(), &u, true); err == nil || !strings.Contains(err.Error(), "incorrect user name or password") {
			t.Errorf("password %q: got %v", password, err)
		}
	}
	u.User = nil
	client, err := govmomi.NewClient(t.Context(), &u, true)
	if err != nil {
		t.Fatal(err)
	}
	if session, err := client.SessionManager.UserSession(t.Context()); err != nil || session != nil {
		t.Errorf("got %v, %v", session, err)
	}
	var folder mo.Folder
	err = property.DefaultCollector(client.Client).RetrieveOne(t.Context(), client.ServiceContent.RootFolder, []string{"childEntity"}, &folder)
	if !soap.IsSoapFault(err) {
		t.Errorf("somebody without a session sees %+v, %v", folder.ChildEntity, err)
	}
}

func TestASessionEndsWithTheRole(t *testing.T) {
	l := newLab(t)
	client := l.login()
	if _, err := find.NewFinder(client.Client).DefaultDatacenter(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.logins.out.Store(true)
	if dc, err := find.NewFinder(client.Client).DefaultDatacenter(t.Context()); err == nil {
		t.Errorf("got %v", dc)
	}
}

func TestASessionEndsAtLogout(t *testing.T) {
	l := newLab(t)
	client := l.login()
	if err := client.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if dc, err := find.NewFinder(client.Client).DefaultDatacenter(t.Context()); err == nil {
		t.Errorf("got %v", dc)
	}
}

func TestNothingIsChangedBySOAP(t *testing.T) {
	l := newLab(t)
	client := l.login()
	_, err := methods.CreateFolder(t.Context(), client.Client, &types.CreateFolder{This: client.ServiceContent.RootFolder, Name: "x"})
	if err == nil || !strings.Contains(err.Error(), "REST") {
		t.Errorf("got %v", err)
	}
	_, err = methods.MakeDirectory(t.Context(), client.Client, &types.MakeDirectory{This: *client.ServiceContent.FileManager, Name: "[x] /tmp/x"})
	if err == nil || !soap.IsSoapFault(err) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this><userName>u</userName><password>p</password></Login></Body></Envelope>`))
	f.Add([]byte(`<Envelope><Body><RetrievePropertiesEx><specSet><objectSet><obj type="Folder">group-d1</obj><selectSet/></objectSet></specSet></RetrievePropertiesEx></Body></Envelope>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parse(body)
		if err == nil && c.method == "" {
			t.Error("a call without a method was accepted")
		}
	})
}
