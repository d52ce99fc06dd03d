package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"pacific/internal/host/vmm"
)

var _ vmm.Snapshotter = (*connection)(nil)

// stateFD names the descriptor of a state in QEMU.
const stateFD = "state"

// Save implements vmm.Snapshotter by a migration into the file. Memory that QEMU shares with a file is left out.
func (c *connection) Save(ctx context.Context, file *os.File) error {
	if err := c.qmp.execute(ctx, "stop", nil, nil); err != nil {
		return err
	}
	if err := c.transfer(ctx, "migrate", file); err != nil {
		return fmt.Errorf("save the guest: %w", err)
	}
	return nil
}

// Restore implements vmm.Snapshotter. QEMU ends when it cannot take the state.
func (c *connection) Restore(ctx context.Context, file *os.File) error {
	err := c.transfer(ctx, "migrate-incoming", file)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("restore the guest: %w: %w", vmm.ErrState, err)
	}
	if err != nil {
		return fmt.Errorf("restore the guest: %w", err)
	}
	return nil
}

func (c *connection) transfer(ctx context.Context, command string, file *os.File) error {
	capabilities := []map[string]any{{"capability": "x-ignore-shared", "state": true}, {"capability": "events", "state": true}}
	if err := c.qmp.execute(ctx, "migrate-set-capabilities", map[string]any{"capabilities": capabilities}, nil); err != nil {
		return err
	}
	if err := c.qmp.execute(ctx, "getfd", map[string]any{"fdname": stateFD}, nil, file); err != nil {
		return err
	}
	if err := c.qmp.execute(ctx, command, map[string]any{"uri": "fd:" + stateFD}, nil); err != nil {
		return err
	}
	select {
	case result := <-c.migration:
		if result != "completed" {
			return fmt.Errorf("the VMM says %q", result)
		}
		return nil
	case <-c.qmp.done:
		return errLost
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", command, ctx.Err())
	}
}

func (c *connection) migrated(data json.RawMessage) {
	var state struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(data, &state)
	if state.Status != "completed" && state.Status != "failed" {
		return
	}
	select {
	case c.migration <- state.Status:
	default:
	}
}
