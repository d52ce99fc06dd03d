// Package fleet makes the inventory that placement decides on: of the hosts' records, and of what their hostds say now.
package fleet

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/center/hosts"
	"pacific/internal/center/inventory"
	"pacific/internal/center/placement"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// Hosts are those that have joined.
type Hosts interface {
	List(ctx context.Context) ([]hosts.Host, error)
	// Dial is a shared connection to a host's hostd.
	Dial(ctx context.Context, nameOrID string) (*grpc.ClientConn, error)
}

// Records are machines that center keeps records of, with the rules for them. They count where their host is away, and lend
// their groups to what hostd finds under the same name.
type Records func(ctx context.Context, cluster string) ([]placement.Machine, []placement.Rule, error)

// Source of inventories.
type Source struct {
	clusters store.Collection[inventory.Cluster]
	hosts    Hosts
	records  []Records
	loads    loads
}

// New makes a source.
func New(s *store.Store, h Hosts, records ...Records) *Source {
	return &Source{clusters: inventory.Clusters(s), hosts: h, records: records, loads: loads{last: map[string]point{}}}
}

// patience with one hostd: one that is slower than this is described by its record.
const patience = 3 * time.Second

// Inventory of a cluster by its id or name, empty for the only one.
func (s *Source) Inventory(ctx context.Context, cluster string) (placement.Inventory, error) {
	id, err := s.cluster(ctx, cluster)
	if err != nil {
		return placement.Inventory{}, err
	}
	list, err := s.hosts.List(ctx)
	if err != nil {
		return placement.Inventory{}, err
	}
	list = slices.DeleteFunc(list, func(h hosts.Host) bool { return h.Cluster != id })
	var known []placement.Machine
	var in placement.Inventory
	for _, records := range s.records {
		machines, rules, err := records(ctx, id)
		if err != nil {
			return placement.Inventory{}, err
		}
		known, in.Rules = append(known, machines...), append(in.Rules, rules...)
	}
	for i, seen := range s.look(ctx, list) {
		host, machines := describe(list[i], seen, known)
		in.Hosts = append(in.Hosts, host)
		in.Machines = append(in.Machines, machines...)
	}
	in.Machines = append(in.Machines, unplaced(known, list)...)
	return in, nil
}

// unplaced are the records of machines whose host is none of these.
func unplaced(known []placement.Machine, list []hosts.Host) []placement.Machine {
	return slices.DeleteFunc(slices.Clone(known), func(m placement.Machine) bool {
		return slices.ContainsFunc(list, func(h hosts.Host) bool { return h.ID == m.Host })
	})
}

func (s *Source) cluster(ctx context.Context, key string) (string, error) {
	items, err := s.clusters.List(ctx)
	if err != nil {
		return "", err
	}
	for _, item := range items {
		if key == item.ID || key == item.Value.Name || key == "" && len(items) == 1 {
			return item.ID, nil
		}
	}
	if key == "" {
		return "", vapi.InvalidArgument("placement.cluster.missing", "there are %d clusters; name one", len(items))
	}
	return "", vapi.NotFound("placement.cluster", "there is no cluster %s", key)
}

// sight is what a hostd said; host is nil if it said nothing.
type sight struct {
	host     *hostv1.GetHostResponse
	machines []*hostv1.VirtualMachine
	cpuMHz   int64
}

// look at all hosts at once.
func (s *Source) look(ctx context.Context, list []hosts.Host) []sight {
	seen := make([]sight, len(list))
	var group errgroup.Group
	for i, h := range list {
		if state, _ := h.Connection(); state != hosts.Connected {
			continue
		}
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			if one, err := s.ask(ctx, h); err == nil {
				seen[i] = one
			}
			return nil
		})
	}
	_ = group.Wait() // a host that says nothing is described by its record
	return seen
}

func (s *Source) ask(ctx context.Context, h hosts.Host) (sight, error) {
	conn, err := s.hosts.Dial(ctx, h.ID)
	if err != nil {
		return sight{}, err
	}
	client := hostv1.NewHostClient(conn)
	var seen sight
	if seen.host, seen.cpuMHz, err = s.loads.measure(ctx, h.ID, client); err != nil {
		return sight{}, err
	}
	answer, err := hostv1.NewVirtualMachinesClient(conn).List(ctx, &hostv1.ListRequest{})
	if err != nil {
		return sight{}, err
	}
	seen.machines = answer.Machines
	return seen, nil
}
