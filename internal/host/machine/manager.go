package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/cgroup"
	guest "pacific/internal/host/crx"
	"pacific/internal/host/disk"
	"pacific/internal/host/pool"
	"pacific/internal/host/standby"
	"pacific/internal/host/vmm"
)

// DiskResolver finds the file of a disk. Its error is disk.ErrNoDisk when the disk is not of its kind.
type DiskResolver interface {
	DiskPath(id string) (path string, readOnly bool, err error)
}

// Discarder deletes disks that go with a machine. A disk that is gone or not of its kind is no error.
type Discarder interface {
	Discard(id string) error
}

// Config is what a Manager works with.
type Config struct {
	HostName         string
	StateDir, RunDir string
	CPUs             uint32
	MemoryBytes      uint64
	VMM              vmm.VMM
	// Accelerator may block until it is known.
	Accelerator func() vmm.Accelerator
	Cgroups     *cgroup.Tree
	Pools       *pool.Pools
	Guest       *guest.Guest
	Initrds     *guest.Initrds
	// TSCKHz of the host, for guests under TCG.
	TSCKHz uint64
	// Templates that CRX are cloned from; nil for none.
	Templates Templates
	// Standbys that CRX take over; nil for none.
	Standbys *standby.Standbys
	// ManagementBridge is the bridge of ports on the management network, "" for none.
	ManagementBridge string
	// Resolvers are asked in order.
	Resolvers []DiskResolver
	Disks     Discarder
}

// Manager runs the machines of a host. Its methods are safe for concurrent use, idempotent, and return errors with gRPC
// codes, as host.proto says.
type Manager struct {
	Config
	records records
	hub     hub
	spent   meter // processor time of all machines, those that are gone included

	mu       sync.Mutex
	actors   map[string]*actor
	admitted map[string]bool   // machines whose start was allowed and is under way
	refused  uint64            // starts for which there was no memory
	claims   map[string]string // disks that a machine is about to attach for writing
}

// Open reads the records, adopts what runs, ends what has no record, and finishes what was cut off. It returns when every
// machine's state is what it is on the host.
func Open(config Config) (*Manager, error) {
	m := &Manager{Config: config, actors: map[string]*actor{}, admitted: map[string]bool{}, claims: map[string]string{}}
	m.hub.watchers = map[*Watcher]bool{}
	var err error
	if m.records, err = openRecords(config.StateDir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(RunDirs(config.RunDir), 0o700); err != nil {
		return nil, err
	}
	return m, m.recover()
}

func (m *Manager) dir(r Record) string {
	if r.State.Standby != "" {
		return m.traces().Dir(r.State.Standby)
	}
	return filepath.Join(RunDirs(m.RunDir), dirName(r.Spec.GetId()))
}

func (m *Manager) resolve(id string) (path string, readOnly bool, err error) {
	for _, resolver := range m.Resolvers {
		path, readOnly, err = resolver.DiskPath(id)
		if !errors.Is(err, disk.ErrNoDisk) {
			return path, readOnly, err
		}
	}
	return "", false, fmt.Errorf("disk %s: %w; create it or pull its image first", id, disk.ErrNoDisk)
}

// Create makes a machine, and starts it where start is set and it never ran.
func (m *Manager) Create(ctx context.Context, spec *hostv1.VirtualMachineSpec, start bool) (*hostv1.VirtualMachine, error) {
	if err := m.admissible(spec); err != nil {
		return nil, err
	}
	a, err := m.ensure(spec)
	if err != nil {
		return nil, err
	}
	if start && a.state().Run == 0 {
		return m.Start(ctx, spec.GetId())
	}
	return a.message(), nil
}

// ensure returns the machine that exists, or makes it with its disks kept for it meanwhile.
func (m *Manager) ensure(spec *hostv1.VirtualMachineSpec) (*actor, error) {
	if _, err := m.find(spec.GetId()); err == nil {
		return m.create(spec)
	}
	release, err := m.claim(spec.GetId(), spec.GetDisks()...)
	if err != nil {
		return nil, err
	}
	defer release()
	return m.create(spec)
}

func (m *Manager) create(spec *hostv1.VirtualMachineSpec) (*actor, error) {
	spec = canonical(spec)
	m.mu.Lock()
	defer m.mu.Unlock()
	if have, ok := m.actors[spec.Id]; ok {
		if !proto.Equal(have.record.Spec, spec) {
			return nil, status.Errorf(codes.AlreadyExists, "machine %s exists with another specification; destroy it first", spec.Id)
		}
		return have, nil
	}
	record := Record{Spec: spec, State: State{
		Phase: Created, Goal: WantStopped, Restart: spec.RestartPolicy == hostv1.VirtualMachineSpec_ALWAYS,
	}}
	record.UID = chooseUID(m.HostName, spec.Id, m.uidTaken)
	for _, d := range append(root(spec), spec.Disks...) {
		next, _, err := Step(record.State, Attach{Disk: attachment(d)})
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "machine %s: disk %s: %v", spec.Id, d.DiskId, err)
		}
		record.State = next
	}
	if err := m.records.write(record); err != nil {
		return nil, status.Errorf(codes.Internal, "machine %s: write its record: %v", spec.Id, err)
	}
	a := m.add(record)
	m.hub.mark(a.id)
	return a, nil
}

// root is the disk of a guest's image, at the first LUN.
func root(spec *hostv1.VirtualMachineSpec) []*hostv1.DiskAttachment {
	image := spec.GetGuest().GetImage()
	if image == "" {
		return nil
	}
	return []*hostv1.DiskAttachment{{DiskId: guest.RootDisk(image), ReadOnly: true}}
}

// canonical leaves out what hostd sets.
func canonical(spec *hostv1.VirtualMachineSpec) *hostv1.VirtualMachineSpec {
	spec = proto.CloneOf(spec)
	for _, d := range spec.Disks {
		d.Lun = 0
	}
	return spec
}

func (m *Manager) uidTaken(uid uint32) bool {
	for _, a := range m.actors {
		if a.record.UID == uid {
			return true
		}
	}
	return false
}

// add needs mu.
func (m *Manager) add(record Record) *actor {
	a := newActor(m, record)
	m.actors[a.id] = a
	go a.run()
	return a
}

func (m *Manager) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.actors, id)
}

func (m *Manager) find(id string) (*actor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.actors[id]; ok {
		return a, nil
	}
	return nil, status.Errorf(codes.NotFound, "machine %s does not exist on host %s", id, m.HostName)
}

func (m *Manager) all() []*actor {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*actor
	for _, a := range m.actors {
		all = append(all, a)
	}
	return slices.SortedFunc(slices.Values(all), func(a, b *actor) int { return cmp.Compare(a.id, b.id) })
}

func (m *Manager) lookup(id string) (*hostv1.VirtualMachine, bool) {
	a, err := m.find(id)
	if err != nil {
		return nil, false
	}
	return a.message(), true
}

// Start boots a machine that is not running, and returns when its VMM runs.
func (m *Manager) Start(ctx context.Context, id string) (*hostv1.VirtualMachine, error) {
	a, err := m.find(id)
	if err != nil {
		return nil, err
	}
	if err := m.admitPatiently(ctx, a); err != nil {
		return nil, err
	}
	defer m.Pools.Poke()
	defer m.dismiss(id)
	defer m.Standbys.Starting()()
	before := a.state().Run
	err = a.ask(ctx, Start{}, func(s State) (bool, error) {
		switch {
		case s.Phase == Running:
			return true, nil
		case s.Goal == WantDestroyed:
			return true, ErrDestroying
		case s.Phase == Stopped && s.Run > before:
			return true, status.Errorf(codes.Unavailable, "machine %s does not start: %s: %s", id, s.LastExit.Reason, s.LastExit.Message)
		case s.Phase == Stopped && s.Goal == WantStopped:
			return true, status.Errorf(codes.FailedPrecondition, "machine %s was stopped meanwhile", id)
		}
		return false, nil
	})
	return m.answer(a, err)
}

// Stop asks the guest to power off, ends the VMM after grace, and returns when it is gone.
func (m *Manager) Stop(ctx context.Context, id string, grace time.Duration) (*hostv1.VirtualMachine, error) {
	a, err := m.find(id)
	if err != nil {
		return nil, err
	}
	err = a.ask(ctx, Stop{At: time.Now(), Grace: grace}, func(s State) (bool, error) { return !s.Phase.Active(), nil })
	return m.answer(a, err)
}

// Destroy ends a machine and deletes everything of it. It returns when nothing is left.
func (m *Manager) Destroy(ctx context.Context, id string) error {
	a, err := m.find(id)
	if status.Code(err) == codes.NotFound {
		return nil
	}
	err = a.ask(ctx, Destroy{At: time.Now()}, func(s State) (bool, error) { return s.Phase == Gone, nil })
	if errors.Is(err, errGone) {
		return nil
	}
	_, err = m.answer(a, err)
	return err
}

// AttachDisk plugs a disk into a machine, running or not.
func (m *Manager) AttachDisk(ctx context.Context, id string, d *hostv1.DiskAttachment) (*hostv1.DiskAttachment, error) {
	a, err := m.find(id)
	if err != nil {
		return nil, err
	}
	release, err := m.claim(id, d)
	if err != nil {
		return nil, err
	}
	defer release()
	vm, err := m.answer(a, a.ask(ctx, Attach{Disk: attachment(d)}, nil))
	if err != nil {
		return nil, err
	}
	for _, have := range vm.Spec.Disks {
		if have.DiskId == d.DiskId {
			return have, nil
		}
	}
	return nil, status.Errorf(codes.Aborted, "disk %s was detached from machine %s meanwhile", d.DiskId, id)
}

// DetachDisk takes a disk out of a machine. One that is not attached is no error.
func (m *Manager) DetachDisk(ctx context.Context, id, diskID string) error {
	a, err := m.find(id)
	if err != nil {
		return err
	}
	_, err = m.answer(a, a.ask(ctx, Detach{ID: diskID}, nil))
	return err
}

// Get returns a machine.
func (m *Manager) Get(id string) (*hostv1.VirtualMachine, error) {
	a, err := m.find(id)
	if err != nil {
		return nil, err
	}
	return a.message(), nil
}

// List returns all machines, by id.
func (m *Manager) List() []*hostv1.VirtualMachine {
	var vms []*hostv1.VirtualMachine
	for _, a := range m.all() {
		vms = append(vms, a.message())
	}
	return vms
}

// DiskUser returns the machine that has a disk, "" for none.
func (m *Manager) DiskUser(diskID string) string {
	for _, a := range m.all() {
		if _, ok := a.state().disk(diskID); ok {
			return a.id
		}
	}
	return ""
}

// othersHave tells whether a machine but this one has a disk, which many can where they only read it.
func (m *Manager) othersHave(diskID, id string) bool {
	for _, a := range m.all() {
		if _, ok := a.state().disk(diskID); ok && a.id != id {
			return true
		}
	}
	return false
}

// answer gives the machine, or the error a gRPC code.
func (m *Manager) answer(a *actor, err error) (*hostv1.VirtualMachine, error) {
	if err == nil {
		return a.message(), nil
	}
	if _, ok := status.FromError(err); ok {
		return nil, err
	}
	code := codes.Unavailable
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.Is(err, ErrDestroying), errors.Is(err, ErrOtherAccess):
		code = codes.FailedPrecondition
	case errors.Is(err, disk.ErrNoDisk), errors.Is(err, errGone):
		code = codes.NotFound
	}
	return nil, status.Errorf(code, "machine %s: %v", a.id, err)
}
