// Package fakehost is a hostd without machines: the same gRPC contract, idempotent calls and watch included, with a fake
// agent behind the socket of each machine that "runs".
package fakehost

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/spherelet/agentlink/fakeagent"
	"pacific/internal/spherelet/hypervisor"
)

// Host is a host and its hostd.
type Host struct {
	hostv1.UnimplementedHostServer
	hostv1.UnimplementedVirtualMachinesServer

	dir string

	mu       sync.Mutex
	machines map[string]*hostv1.VirtualMachine
	agents   map[string]*fakeagent.Agent
	disks    map[string]*hostv1.Disk
	images   map[string]*hostv1.Image
	watchers map[chan *hostv1.WatchEvent]bool
	refuse   error
}

// New makes a host whose sockets are in dir.
func New(dir string) *Host {
	return &Host{dir: dir, machines: map[string]*hostv1.VirtualMachine{}, agents: map[string]*fakeagent.Agent{}, disks: map[string]*hostv1.Disk{},
		images: map[string]*hostv1.Image{}, watchers: map[chan *hostv1.WatchEvent]bool{}}
}

// Serve starts a gRPC server in this process; stop is the death of hostd, not of the machines.
func (h *Host) Serve() (client *hypervisor.Client, stop func(), err error) {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	hostv1.RegisterHostServer(server, h)
	hostv1.RegisterVirtualMachinesServer(server, h)
	hostv1.RegisterDisksServer(server, disks{h: h})
	hostv1.RegisterImagesServer(server, images{h: h})
	go server.Serve(listener)
	conn, err := grpc.NewClient("passthrough:///hostd", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		return nil, nil, err
	}
	return hypervisor.NewClient(conn), server.Stop, nil
}

// GetStats implements hostv1.VirtualMachinesServer. Every machine that runs has used three seconds and 50 MiB.
func (h *Host) GetStats(context.Context, *hostv1.GetStatsRequest) (*hostv1.GetStatsResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := &hostv1.GetStatsResponse{At: timestamppb.Now(), MachinesTotal: &hostv1.Usage{}, Daemon: &hostv1.Usage{}}
	for id := range h.agents {
		usage := &hostv1.Usage{CpuNanoseconds: 3e9, MemoryBytes: 50 << 20, MemoryWorkingSetBytes: 50 << 20, MemoryRssBytes: 50 << 20}
		out.Machines = append(out.Machines, &hostv1.MachineStats{Id: id, Usage: usage})
		out.MachinesTotal.CpuNanoseconds += usage.CpuNanoseconds
		out.MachinesTotal.MemoryBytes += usage.MemoryBytes
		out.MachinesTotal.MemoryWorkingSetBytes += usage.MemoryWorkingSetBytes
		out.MachinesTotal.MemoryRssBytes += usage.MemoryRssBytes
	}
	return out, nil
}

// Agent is the agent of a machine that runs, nil if it does not.
func (h *Host) Agent(id string) *fakeagent.Agent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.agents[id]
}

// Machine is a copy of a machine, nil if there is none.
func (h *Host) Machine(id string) *hostv1.VirtualMachine {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.machines[id]; m != nil {
		return proto.Clone(m).(*hostv1.VirtualMachine)
	}
	return nil
}

// Disks lists the ids of the writable disks.
func (h *Host) Disks() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for id := range h.disks {
		ids = append(ids, id)
	}
	return ids
}

// SetRefuseCreate makes every Create fail with this error until it is set to nil.
func (h *Host) SetRefuseCreate(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse = err
}

// AddImage puts an image on the host.
func (h *Host) AddImage(repository, digest string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.images[repository+"@"+digest] = &hostv1.Image{Digest: digest, DiskId: "image-" + digest, Filesystem: "erofs", Config: []byte("{}")}
}

// Kill ends a machine as the kernel would.
func (h *Host) Kill(id, reason, message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.machines[id]
	if m == nil || m.Phase != hostv1.VirtualMachine_RUNNING {
		return
	}
	h.halt(m)
	m.LastExit = &hostv1.Exit{At: timestamppb.Now(), Reason: reason, Message: message, Signal: 9}
	h.tell(hostv1.WatchEvent_MODIFIED, m)
}

func (h *Host) halt(m *hostv1.VirtualMachine) {
	if a := h.agents[m.Spec.Id]; a != nil {
		a.Close()
		delete(h.agents, m.Spec.Id)
	}
	m.Phase, m.Pid = hostv1.VirtualMachine_STOPPED, 0
}

// tell is called with the lock held.
func (h *Host) tell(kind hostv1.WatchEvent_Type, m *hostv1.VirtualMachine) {
	for w := range h.watchers {
		w <- &hostv1.WatchEvent{Type: kind, Machine: proto.Clone(m).(*hostv1.VirtualMachine)}
	}
}

// GetHost implements hostv1.HostServer.
func (h *Host) GetHost(context.Context, *hostv1.GetHostRequest) (*hostv1.GetHostResponse, error) {
	return &hostv1.GetHostResponse{Name: "fake", Version: "1.0", Cpus: 4, MemoryBytes: 8 << 30, StorageBytes: 100 << 30, StorageFreeBytes: 50 << 30}, nil
}

// Create implements hostv1.VirtualMachinesServer.
func (h *Host) Create(_ context.Context, r *hostv1.CreateRequest) (*hostv1.VirtualMachine, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return nil, h.refuse
	}
	id := r.Spec.Id
	m := h.machines[id]
	if m == nil {
		for i, d := range r.Spec.Disks {
			if h.disks[d.DiskId] == nil {
				return nil, status.Errorf(codes.FailedPrecondition, "no disk %s", d.DiskId)
			}
			d.Lun = int32(i)
		}
		m = &hostv1.VirtualMachine{Spec: r.Spec, Phase: hostv1.VirtualMachine_CREATED}
		h.machines[id] = m
		h.tell(hostv1.WatchEvent_ADDED, m)
	}
	if r.Start {
		return h.start(m)
	}
	return proto.Clone(m).(*hostv1.VirtualMachine), nil
}

// start is called with the lock held.
func (h *Host) start(m *hostv1.VirtualMachine) (*hostv1.VirtualMachine, error) {
	if m.Phase == hostv1.VirtualMachine_RUNNING {
		return proto.Clone(m).(*hostv1.VirtualMachine), nil
	}
	m.Starts++
	m.PersonalitySocket = filepath.Join(h.dir, fmt.Sprintf("%s.%d", m.Spec.Id, m.Starts))
	agent, err := fakeagent.Listen(m.PersonalitySocket)
	if err != nil {
		return nil, err
	}
	h.agents[m.Spec.Id] = agent
	m.Phase, m.Pid, m.StartedAt, m.GuestReadyAt = hostv1.VirtualMachine_RUNNING, 4711, timestamppb.Now(), timestamppb.Now()
	h.tell(hostv1.WatchEvent_MODIFIED, m)
	return proto.Clone(m).(*hostv1.VirtualMachine), nil
}

// Start implements hostv1.VirtualMachinesServer.
func (h *Host) Start(_ context.Context, r *hostv1.StartRequest) (*hostv1.VirtualMachine, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.machines[r.Id]
	if m == nil {
		return nil, status.Errorf(codes.NotFound, "no machine %s", r.Id)
	}
	return h.start(m)
}

// Destroy implements hostv1.VirtualMachinesServer.
func (h *Host) Destroy(_ context.Context, r *hostv1.DestroyRequest) (*hostv1.DestroyResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.machines[r.Id]
	if m == nil {
		return &hostv1.DestroyResponse{}, nil
	}
	h.halt(m)
	for _, d := range m.Spec.Disks {
		if d.DeleteWithMachine {
			delete(h.disks, d.DiskId)
		}
	}
	delete(h.machines, r.Id)
	h.tell(hostv1.WatchEvent_DELETED, m)
	return &hostv1.DestroyResponse{}, nil
}

// AttachDisk implements hostv1.VirtualMachinesServer.
func (h *Host) AttachDisk(_ context.Context, r *hostv1.AttachDiskRequest) (*hostv1.DiskAttachment, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.machines[r.MachineId]
	if m == nil {
		return nil, status.Errorf(codes.NotFound, "no machine %s", r.MachineId)
	}
	for _, d := range m.Spec.Disks {
		if d.DiskId == r.Disk.DiskId {
			return d, nil
		}
	}
	r.Disk.Lun = int32(len(m.Spec.Disks))
	m.Spec.Disks = append(m.Spec.Disks, r.Disk)
	return r.Disk, nil
}

// Watch implements hostv1.VirtualMachinesServer.
func (h *Host) Watch(_ *hostv1.WatchRequest, server grpc.ServerStreamingServer[hostv1.WatchEvent]) error {
	events := make(chan *hostv1.WatchEvent, 1000)
	h.mu.Lock()
	for _, m := range h.machines {
		events <- &hostv1.WatchEvent{Type: hostv1.WatchEvent_ADDED, Machine: proto.Clone(m).(*hostv1.VirtualMachine)}
	}
	events <- &hostv1.WatchEvent{Type: hostv1.WatchEvent_SYNCED}
	h.watchers[events] = true
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.watchers, events)
		h.mu.Unlock()
	}()
	for {
		select {
		case <-server.Context().Done():
			return server.Context().Err()
		case e := <-events:
			if err := server.Send(e); err != nil {
				return err
			}
		}
	}
}
