package machines

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"k8s.io/klog/v2"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/center/hosts"
	"pacific/internal/center/store"
)

const (
	// sampling is the interval of the original's real-time statistics.
	sampling = 20 * time.Second
	retry    = 2 * time.Second
)

// Run watches every host until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	watched := map[string]context.CancelFunc{}
	var all sync.WaitGroup
	defer all.Wait()
	changed := s.fleet.Watch(ctx)
	for {
		list, err := s.fleet.List(ctx)
		if err == nil {
			err = s.follow(ctx, list, watched, &all)
		}
		if err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cannot follow which hosts there are; will try again")
			pause(ctx, retry)
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// follow starts and ends watches, so that there is one for each host.
func (s *Service) follow(ctx context.Context, list []hosts.Host, watched map[string]context.CancelFunc, all *sync.WaitGroup) error {
	known := map[string]bool{}
	for _, h := range list {
		known[h.ID] = true
		s.know(h)
		if watched[h.ID] != nil {
			continue
		}
		one, cancel := context.WithCancel(ctx)
		watched[h.ID] = cancel
		all.Go(func() { s.watch(one, h.ID) })
	}
	for id, cancel := range watched {
		if !known[id] {
			cancel()
			delete(watched, id)
		}
	}
	s.mu.Lock()
	for id := range s.hosts {
		if !known[id] {
			delete(s.hosts, id)
		}
	}
	s.mu.Unlock()
	return s.forget(ctx, func(_ string, r record) bool { return !known[r.Host] })
}

func (s *Service) know(h hosts.Host) {
	connection, _ := h.Connection()
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.hosts[h.ID]
	if have == nil {
		have = &host{machines: map[string]*hostv1.VirtualMachine{}, usage: map[string]usage{}}
		s.hosts[h.ID] = have
	}
	have.name, have.mhz, have.stale = h.Name, h.Facts.CPUMHz, connection != hosts.Connected
}

// watch follows the machines of one host, again and again.
func (s *Service) watch(ctx context.Context, id string) {
	for ctx.Err() == nil {
		if conn, err := s.fleet.Dial(ctx, id); err == nil {
			if err := s.watchOnce(ctx, id, conn); err != nil && ctx.Err() == nil {
				klog.V(1).InfoS("Watch of a host's machines ended, it begins again", "host", id, "err", err)
			}
		}
		pause(ctx, retry)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *Service) watchOnce(ctx context.Context, id string, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	client := hostv1.NewVirtualMachinesClient(conn)
	var sampler sync.WaitGroup
	defer sampler.Wait()
	defer cancel()
	stream, err := client.Watch(ctx, &hostv1.WatchRequest{})
	if err != nil {
		return err
	}
	found := map[string]*hostv1.VirtualMachine{}
	for synced := false; ; {
		event, err := stream.Recv()
		if err != nil {
			return err
		}
		switch {
		case event.GetType() == hostv1.WatchEvent_SYNCED:
			synced = true
			if err := s.synced(ctx, id, found); err != nil {
				return err
			}
			sampler.Go(func() { s.sample(ctx, id, client) })
		case !synced:
			found[event.GetMachine().GetSpec().GetId()] = event.GetMachine()
		default:
			if err := s.changed(ctx, id, event); err != nil {
				return err
			}
		}
	}
}

// synced takes the whole list of a host in.
func (s *Service) synced(ctx context.Context, id string, found map[string]*hostv1.VirtualMachine) error {
	for machine := range found {
		if err := s.number(ctx, machine, id); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if h := s.hosts[id]; h != nil {
		h.machines = found
	}
	s.mu.Unlock()
	return s.forget(ctx, func(machine string, r record) bool { return r.Host == id && found[machine] == nil })
}

func (s *Service) changed(ctx context.Context, id string, event *hostv1.WatchEvent) error {
	machine := event.GetMachine().GetSpec().GetId()
	deleted := event.GetType() == hostv1.WatchEvent_DELETED
	if !deleted {
		if err := s.number(ctx, machine, id); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if h := s.hosts[id]; h != nil {
		if deleted {
			delete(h.machines, machine)
			delete(h.usage, machine)
		} else {
			h.machines[machine] = event.GetMachine()
		}
	}
	s.mu.Unlock()
	if !deleted {
		return nil
	}
	have, revision, err := s.records.Get(ctx, machine)
	if err != nil || have.Host != id {
		return nil // it lives on another host
	}
	if err := s.store.Commit(ctx, s.records.DeleteOp(machine, revision)); !errors.Is(err, store.ErrConflict) {
		return err
	}
	return nil // another host has it since
}

// sample measures the machines of a host every now and then.
func (s *Service) sample(ctx context.Context, id string, client hostv1.VirtualMachinesClient) {
	for ctx.Err() == nil {
		if stats, err := client.GetStats(ctx, &hostv1.GetStatsRequest{}); err == nil {
			s.measured(id, stats)
		}
		pause(ctx, sampling)
	}
}

func (s *Service) measured(id string, stats *hostv1.GetStatsResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[id]
	if h == nil {
		return
	}
	now := map[string]usage{}
	for _, m := range stats.GetMachines() {
		now[m.GetId()] = h.usage[m.GetId()].next(stats.GetAt().AsTime(), m.GetUsage().GetCpuNanoseconds(), m.GetUsage().GetMemoryWorkingSetBytes())
	}
	h.usage = now
}
