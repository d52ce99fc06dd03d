package hypervisor

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"k8s.io/klog/v2"

	hostv1 "pacific/api/host/v1"
)

// Observer is told of every change of a machine; machine is nil when it is gone. It must not block.
type Observer func(id string, machine *hostv1.VirtualMachine)

// View is the host's machines as hostd's watch shows them.
type View struct {
	client  hostv1.VirtualMachinesClient
	observe Observer

	mu       sync.Mutex
	machines map[string]*hostv1.VirtualMachine
	synced   chan struct{}
}

// NewView makes a view that is empty until Run has been called.
func NewView(client hostv1.VirtualMachinesClient, observe Observer) *View {
	return &View{client: client, observe: observe, machines: map[string]*hostv1.VirtualMachine{}, synced: make(chan struct{})}
}

// Synced is closed once the view has been complete.
func (v *View) Synced() <-chan struct{} { return v.synced }

// Get returns the machine with this id, nil if there is none.
func (v *View) Get(id string) *hostv1.VirtualMachine {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.machines[id]
}

// List returns all machines.
func (v *View) List() []*hostv1.VirtualMachine {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := make([]*hostv1.VirtualMachine, 0, len(v.machines))
	for _, m := range v.machines {
		list = append(list, m)
	}
	return list
}

// Run keeps the view until ctx ends.
func (v *View) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := v.watch(ctx)
		if ctx.Err() != nil {
			return
		}
		klog.ErrorS(err, "Watch of hostd's machines ended; trying again")
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond): // gRPC itself backs off further while hostd is away
		}
	}
}

func (v *View) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := v.client.Watch(ctx, &hostv1.WatchRequest{})
	if err != nil {
		return err
	}
	initial := map[string]bool{}
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("hostd ended the watch")
		}
		if err != nil {
			return err
		}
		switch event.Type {
		case hostv1.WatchEvent_SYNCED:
			v.complete(initial)
			initial = nil
		case hostv1.WatchEvent_DELETED:
			v.set(event.Machine.GetSpec().GetId(), nil)
		case hostv1.WatchEvent_ADDED, hostv1.WatchEvent_MODIFIED:
			id := event.Machine.GetSpec().GetId()
			if initial != nil {
				initial[id] = true
			}
			v.set(id, event.Machine)
		}
	}
}

// complete drops what was deleted while nobody watched.
func (v *View) complete(present map[string]bool) {
	v.mu.Lock()
	var gone []string
	for id := range v.machines {
		if !present[id] {
			gone = append(gone, id)
		}
	}
	v.mu.Unlock()
	for _, id := range gone {
		v.set(id, nil)
	}
	select {
	case <-v.synced:
	default:
		close(v.synced)
	}
}

func (v *View) set(id string, machine *hostv1.VirtualMachine) {
	v.mu.Lock()
	if machine == nil {
		delete(v.machines, id)
	} else {
		v.machines[id] = machine
	}
	v.mu.Unlock()
	v.observe(id, machine)
}
