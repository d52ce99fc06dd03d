// Package advisor answers questions about placement in center's API, and remembers the decisions that were carried out.
package advisor

import (
	"context"
	"errors"
	"slices"
	"time"

	"pacific/internal/center/placement"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// Source tells what there is in a cluster; an empty name is the only one. An unknown cluster is an error of package vapi.
type Source interface {
	Inventory(ctx context.Context, cluster string) (placement.Inventory, error)
}

// Advisor is the part of center.
type Advisor struct {
	source  Source
	records store.Collection[placement.Record]
	now     func() time.Time
}

// New makes the advisor.
func New(s *store.Store, source Source) *Advisor {
	return &Advisor{source: source, records: store.Of[placement.Record](s, "placement-decisions"), now: time.Now}
}

// Run implements center's part: there is nothing to do in the background.
func (*Advisor) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Remember the decision by which a machine came where it is, in place of an earlier one.
func (a *Advisor) Remember(ctx context.Context, d placement.Decision) error {
	record := placement.Record{Decision: d, At: a.now().UTC()}
	err := a.records.Create(ctx, d.Machine, record)
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	_, err = a.records.Update(ctx, d.Machine, func(r *placement.Record) error { *r = record; return nil })
	if errors.Is(err, store.ErrNotFound) { // forgotten meanwhile: the machine has gone
		return nil
	}
	return err
}

// Forget a machine that is gone.
func (a *Advisor) Forget(ctx context.Context, machine string) error {
	if err := a.records.Delete(ctx, machine); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// explainNew places machines that do not exist.
func (a *Advisor) explainNew(ctx context.Context, q question) (placement.Set, error) {
	in, err := a.source.Inventory(ctx, q.Cluster)
	if err != nil {
		return placement.Set{}, err
	}
	machines := q.machines()
	in.Rules = append(slices.Clone(in.Rules), q.rules(in.Rules)...)
	return placement.PlaceAll(in, machines), nil
}

// explain a machine by its id or name.
func (a *Advisor) explain(ctx context.Context, cluster, machine string) (placement.Standing, error) {
	in, err := a.source.Inventory(ctx, cluster)
	if err != nil {
		return placement.Standing{}, err
	}
	m, err := find(in.Machines, machine)
	if err != nil {
		return placement.Standing{}, err
	}
	standing := placement.Standing{Machine: m.ID, Name: m.Name, Host: m.Host, HostName: hostName(in, m.Host), Now: placement.Place(in, m)}
	record, _, err := a.records.Get(ctx, m.ID)
	if err == nil {
		standing.Record = &record
	} else if !errors.Is(err, store.ErrNotFound) {
		return placement.Standing{}, err
	}
	return standing, nil
}

// find by the id, or by a name that is not ambiguous.
func find(machines []placement.Machine, key string) (placement.Machine, error) {
	var found []placement.Machine
	for _, m := range machines {
		if m.ID == key {
			return m, nil
		}
		if m.Name == key {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return placement.Machine{}, vapi.NotFound("placement.machine", "there is no machine %s", key)
	case 1:
		return found[0], nil
	}
	return placement.Machine{}, vapi.InvalidArgument("placement.ambiguous", "%d machines are called %s; name one by its id, such as %s", len(found), key, found[0].ID)
}

// hostOf finds a host by its id or name.
func hostOf(in placement.Inventory, key string) (placement.Host, error) {
	n := slices.IndexFunc(in.Hosts, func(h placement.Host) bool { return h.ID == key })
	if n < 0 {
		n = slices.IndexFunc(in.Hosts, func(h placement.Host) bool { return h.Name == key })
	}
	if n < 0 {
		return placement.Host{}, vapi.NotFound("placement.host", "there is no host %s", key)
	}
	return in.Hosts[n], nil
}

func hostName(in placement.Inventory, id string) string {
	if h, err := hostOf(in, id); err == nil {
		return h.Name
	}
	return id
}
