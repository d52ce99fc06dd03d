// Package machines is center's inventory of what runs on the hosts: virtual machines and managed CRX, with host, power state and use.
// Unmanaged CRX are the host's own business and do not appear.
//
// Each host's hostd is watched. What a machine is called in the inventory, vm-N, is in the store and outlives center; all else is
// what hosts tell. Of a host that is away the last that it told is shown.
package machines

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/center/hosts"
	"pacific/internal/center/store"
)

// Fleet is what there is to know of hosts, as [hosts.Hosts] does.
type Fleet interface {
	List(context.Context) ([]hosts.Host, error)
	Watch(context.Context) <-chan struct{}
	// Dial is a shared connection to a host's hostd.
	Dial(ctx context.Context, host string) (*grpc.ClientConn, error)
}

// record of a machine; its id is the machine's on its host.
type record struct {
	VM   string `json:"vm"` // vm-7
	Host string `json:"host"`
}

type counter struct {
	Next int `json:"next"`
}

// Machine of the inventory.
type Machine struct {
	VM          string `json:"vm"`
	Name        string `json:"name"`
	Host        string `json:"host"`
	HostName    string `json:"host_name"`
	ID          string `json:"id"`   // on the host; a pod's UID
	Type        string `json:"type"` // VM or CRX
	PowerState  string `json:"power_state"`
	CPUs        uint32 `json:"cpu_count"`
	MemoryBytes uint64 `json:"memory_bytes"`
	// Namespace and Pod of a Native Pod.
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Address   string `json:"address,omitempty"`
	// CPUMHz and MemoryUsedBytes are what the machine uses now, with its VMM; absent while not measured yet.
	CPUMHz          *uint64 `json:"cpu_mhz,omitempty"`
	MemoryUsedBytes *uint64 `json:"memory_used_bytes,omitempty"`
	// Stale: the host does not answer, this is what it told last.
	Stale bool `json:"stale,omitempty"`
}

// Labels of the machines of Native Pods, as spherelets set them.
const (
	labelNamespace = "namespace"
	labelPod       = "name"
)

// Service is the part of center.
type Service struct {
	fleet    Fleet
	store    *store.Store
	records  store.Collection[record]
	counters store.Collection[counter]
	// Addresses of Native Pods by the machine's id on its host; nil for none.
	Addresses func(context.Context) (map[string]string, error)
	// Pools of namespaces; nil for none.
	Pools func(context.Context) ([]Pool, error)

	mu    sync.Mutex
	hosts map[string]*host // by id
}

// host is what its hostd told.
type host struct {
	name     string
	mhz      uint64
	machines map[string]*hostv1.VirtualMachine // by id on the host
	usage    map[string]usage
	stale    bool
}

// New is the part; [Service.Run] runs it.
func New(s *store.Store, fleet Fleet) *Service {
	return &Service{fleet: fleet, store: s, records: store.Of[record](s, "machines"), counters: store.Of[counter](s, "machines-counter"), hosts: map[string]*host{}}
}

// List of all machines, by number.
func (s *Service) List(ctx context.Context) ([]Machine, error) {
	records, err := s.records.List(ctx)
	if err != nil {
		return nil, err
	}
	var addresses map[string]string
	if s.Addresses != nil {
		// A Supervisor that is away must not hide the machines.
		addresses, _ = s.Addresses(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Machine{}
	for _, item := range records {
		h := s.hosts[item.Value.Host]
		if h == nil || h.machines[item.ID] == nil {
			continue // its host has not told of it since center's start
		}
		m := describe(h.machines[item.ID], h)
		m.VM, m.Host, m.HostName, m.Stale = item.Value.VM, item.Value.Host, h.name, h.stale
		m.Address = addresses[item.ID]
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Machine) int { return cmp.Or(len(a.VM)-len(b.VM), cmp.Compare(a.VM, b.VM)) })
	return list, nil
}

func describe(vm *hostv1.VirtualMachine, h *host) Machine {
	spec := vm.GetSpec()
	m := Machine{Name: spec.GetName(), ID: spec.GetId(), Type: "VM", PowerState: "POWERED_OFF", CPUs: spec.GetVcpus(), MemoryBytes: spec.GetMemoryBytes()}
	if vm.GetPhase() == hostv1.VirtualMachine_RUNNING {
		m.PowerState = "POWERED_ON"
	}
	if spec.GetCrx() != nil {
		m.Type, m.Namespace, m.Pod = "CRX", spec.GetLabels()[labelNamespace], spec.GetLabels()[labelPod]
	}
	if m.Name == "" {
		m.Name = m.ID
	}
	if u, ok := h.usage[m.ID]; ok && m.PowerState == "POWERED_ON" {
		m.MemoryUsedBytes = &u.memory
		if u.measured {
			mhz := uint64(u.cores * float64(h.mhz))
			m.CPUMHz = &mhz
		}
	}
	return m
}

// usage of a machine at its last measurement.
type usage struct {
	at       time.Time
	cpu      uint64 // nanoseconds in all
	memory   uint64
	cores    float64 // in use between the last two measurements
	measured bool
}

// next computes the usage from the one before.
func (u usage) next(at time.Time, cpu, memory uint64) usage {
	now := usage{at: at, cpu: cpu, memory: memory}
	if passed := at.Sub(u.at); !u.at.IsZero() && passed > 0 && cpu >= u.cpu {
		now.cores, now.measured = float64(cpu-u.cpu)/float64(passed), true
	}
	return now
}

// number gives a machine its name in the inventory, which it keeps.
func (s *Service) number(ctx context.Context, id, hostID string) error {
	for {
		have, revision, err := s.records.Get(ctx, id)
		switch {
		case err == nil && have.Host == hostID:
			return nil
		case err == nil: // it was moved
			have.Host = hostID
			err = s.records.Put(ctx, id, have, revision)
		case errors.Is(err, store.ErrNotFound):
			err = s.create(ctx, id, hostID)
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
}

func (s *Service) create(ctx context.Context, id, hostID string) error {
	const name = "machines"
	c, revision, err := s.counters.Get(ctx, name)
	used := s.counters.PutOp(name, counter{c.Next + 1}, revision)
	if errors.Is(err, store.ErrNotFound) {
		c.Next, err = 1, nil
		used = s.counters.CreateOp(name, counter{2})
	}
	if err != nil {
		return err
	}
	return s.store.Commit(ctx, used, s.records.CreateOp(id, record{VM: fmt.Sprintf("vm-%d", c.Next), Host: hostID}))
}

// forget deletes records of a host whose machines are none any more.
func (s *Service) forget(ctx context.Context, gone func(id string, r record) bool) error {
	records, err := s.records.List(ctx)
	for _, item := range records {
		if !gone(item.ID, item.Value) {
			continue
		}
		if deleteErr := s.records.Delete(ctx, item.ID); deleteErr != nil && !errors.Is(deleteErr, store.ErrNotFound) {
			err = errors.Join(err, deleteErr)
		}
	}
	return err
}
