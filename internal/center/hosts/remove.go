package hosts

import (
	"context"
	"errors"

	"k8s.io/klog/v2"

	"pacific/internal/center/store"
)

// Remove takes a host out of center. One that is connected cleans itself first; one that is away, or where force is set, is
// forgotten at once: its keys are refused ever after, and it cleans itself when it is told so.
func (h *Hosts) Remove(ctx context.Context, nameOrID string, force bool) (Host, error) {
	host, err := h.Find(ctx, nameOrID)
	if err != nil {
		return host, err
	}
	if connection, _ := host.Connection(); force || connection != Connected {
		return host, h.forget(ctx, host.ID)
	}
	return h.records.hosts.Update(ctx, host.ID, func(host *Host) error {
		host.Removing = true
		return nil
	})
}

// cleaned is what follows an agent's last words.
func (h *Hosts) cleaned(ctx context.Context, id string) error {
	host, _, err := h.records.hosts.Get(ctx, id)
	if err != nil || !host.Removing {
		return h.storeError(err)
	}
	if err := h.forget(ctx, id); err != nil {
		return unavailable(err)
	}
	return errRemoved
}

// forget deletes the record and the name, and refuses the keys.
func (h *Hosts) forget(ctx context.Context, id string) error {
	for {
		err := h.forgetOnce(ctx, id)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (h *Hosts) forgetOnce(ctx context.Context, id string) error {
	host, revision, err := h.records.hosts.Get(ctx, id)
	if err != nil {
		return ignoreNotFound(err)
	}
	ops := []store.Op{h.records.hosts.DeleteOp(id, revision)}
	if named, revision, err := h.records.names.Get(ctx, host.Name); err == nil && named.Host == id {
		ops = append(ops, h.records.names.DeleteOp(host.Name, revision))
	}
	for i, key := range host.Keys {
		ops = append(ops, h.records.removed.CreateOp(key, removed{Host: id, Name: host.Name, At: h.now().UTC(), NodeLeft: i == 0}))
	}
	if err := h.store.Commit(ctx, ops...); err != nil {
		return err
	}
	h.dialer.drop(id)
	h.mu.Lock()
	delete(h.sessions, id)
	h.mu.Unlock()
	klog.InfoS("Host removed", "host", id, "name", host.Name)
	return nil
}
