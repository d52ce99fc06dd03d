package hosts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/center/store"
)

// NodeRemover is what [Supervisors] may be too.
type NodeRemover interface {
	// RemoveNode deletes the Node of a host that is none any more; no error where there is no Node, or no Supervisor.
	RemoveNode(ctx context.Context, name string) error
}

// removeNodes deletes the Nodes that removed hosts have left, as soon as their Supervisor answers.
func (h *Hosts) removeNodes(ctx context.Context) error {
	remover, ok := h.config.Supervisors.(NodeRemover)
	if !ok {
		return nil
	}
	gone, err := h.records.removed.List(ctx)
	for _, item := range gone {
		if !item.Value.NodeLeft {
			continue
		}
		// Another host with the name has its Node by now.
		_, _, nameErr := h.records.names.Get(ctx, item.Value.Name)
		if errors.Is(nameErr, store.ErrNotFound) {
			nameErr = remover.RemoveNode(ctx, item.Value.Name)
		}
		if nameErr != nil {
			err = errors.Join(err, fmt.Errorf("node %s of a removed host: %w", item.Value.Name, nameErr))
			continue
		}
		item.Value.NodeLeft = false
		err = errors.Join(err, h.records.removed.Put(ctx, item.ID, item.Value, item.Revision))
	}
	return err
}

func (h *Hosts) nodeRemover(ctx context.Context) {
	changed := h.records.removed.Watch(ctx)
	ticker := time.NewTicker(lostAfter)
	defer ticker.Stop()
	for {
		if err := h.removeNodes(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cannot delete what removed hosts left; will try again")
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ticker.C:
		}
	}
}
