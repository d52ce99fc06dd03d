package qemu

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"pacific/internal/host/vmm"
)

const qmpSocket = "qmp"

// unplugTimeout is for QEMU's own bookkeeping after a device is gone; the guest has no say with SCSI disks.
const unplugTimeout = 5 * time.Second

// connection implements vmm.Connection by QMP.
type connection struct {
	qmp   *client
	ended chan vmm.Cause
	once  sync.Once

	mu      sync.Mutex
	deleted map[string]chan struct{} // devices that an Unplug waits for

	migration chan string // QEMU's word on a Save or Restore: "completed" or "failed"
}

// Connect implements vmm.VMM.
func (q *QEMU) Connect(ctx context.Context, dir string) (vmm.Connection, error) {
	c := &connection{ended: make(chan vmm.Cause, 1), deleted: map[string]chan struct{}{}, migration: make(chan string, 1)}
	qmp, err := dial(ctx, filepath.Join(dir, qmpSocket), c.event)
	if err != nil {
		return nil, fmt.Errorf("connect to the VMM in %s: %w", dir, err)
	}
	c.qmp = qmp
	// The guest may have ended before anybody was here to see the event.
	state, err := c.State(ctx)
	if err != nil {
		qmp.close()
		return nil, fmt.Errorf("ask the VMM in %s: %w", dir, err)
	}
	if state.Ended != vmm.Running {
		c.end(state.Ended)
	}
	go func() {
		<-qmp.done
		c.end(vmm.Lost)
	}()
	return c, nil
}

func (c *connection) Close() error            { return c.qmp.close() }
func (c *connection) Ended() <-chan vmm.Cause { return c.ended }
func (c *connection) end(cause vmm.Cause)     { c.once.Do(func() { c.ended <- cause }) }

func (c *connection) event(e event) {
	switch e.Name {
	case "SHUTDOWN":
		var data struct {
			Guest  bool   `json:"guest"`
			Reason string `json:"reason"`
		}
		_ = json.Unmarshal(e.Data, &data)
		if data.Guest {
			c.end(causeOf(data.Reason))
		}
	case "GUEST_PANICKED":
		c.end(vmm.Panic)
	case "STOP":
		go c.stopped()
	case "MIGRATION":
		c.migrated(e.Data)
	case "DEVICE_DELETED":
		var data struct {
			Device string `json:"device"`
		}
		_ = json.Unmarshal(e.Data, &data)
		c.announceDeleted(data.Device)
	}
}

func causeOf(reason string) vmm.Cause {
	switch reason {
	case "guest-shutdown":
		return vmm.Shutdown
	case "guest-panic":
		return vmm.Panic
	}
	return vmm.Reset
}

// stopped looks why the guest does not run: an internal error has no event of its own.
func (c *connection) stopped() {
	ctx, cancel := context.WithTimeout(context.Background(), unplugTimeout)
	defer cancel()
	if state, err := c.State(ctx); err == nil && state.Ended == vmm.Internal {
		c.end(vmm.Internal)
	}
}

// State implements vmm.Observer.
func (c *connection) State(ctx context.Context) (vmm.State, error) {
	var status struct {
		Status string `json:"status"`
	}
	if err := c.qmp.execute(ctx, "query-status", nil, &status); err != nil {
		return vmm.State{}, err
	}
	return stateOf(status.Status), nil
}

// stateOf maps QEMU's RunState. A guest that ended while nobody was connected left no event, only "shutdown", which does
// not tell a reset from a power-off; a CRX knows no other end than a reset.
func stateOf(status string) vmm.State {
	switch status {
	case "prelaunch", "inmigrate", "paused":
		return vmm.State{Held: true}
	case "shutdown":
		return vmm.State{Ended: vmm.Shutdown}
	case "guest-panicked":
		return vmm.State{Ended: vmm.Panic}
	case "internal-error":
		return vmm.State{Ended: vmm.Internal}
	}
	return vmm.State{}
}

// Run implements vmm.Power.
func (c *connection) Run(ctx context.Context) error {
	state, err := c.State(ctx)
	if err != nil || !state.Held {
		return err
	}
	return c.qmp.execute(ctx, "cont", nil, nil)
}

var _ vmm.Pauser = (*connection)(nil)

// Pause implements vmm.Pauser. The guest's clocks stop too.
func (c *connection) Pause(ctx context.Context) error { return c.qmp.execute(ctx, "stop", nil, nil) }

// PressButton implements vmm.Power.
func (c *connection) PressButton(ctx context.Context) error {
	return c.qmp.execute(ctx, "system_powerdown", nil, nil)
}

// Quit implements vmm.Power.
func (c *connection) Quit(ctx context.Context) error {
	err := c.qmp.execute(ctx, "quit", nil, nil)
	if errors.Is(err, errLost) {
		return nil
	}
	return err
}

// Console implements vmm.Observer.
func (c *connection) Console(ctx context.Context) (string, error) {
	var encoded string
	args := map[string]any{"device": "console", "size": MaxConsole, "format": "base64"}
	if err := c.qmp.execute(ctx, "ringbuf-read", args, &encoded); err != nil {
		return "", err
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	return strings.ToValidUTF8(string(text), "\uFFFD"), err
}

func lunOf(device string) (int, bool) {
	number, ok := strings.CutPrefix(device, devicePrefix)
	if !ok {
		return 0, false
	}
	lun, err := strconv.Atoi(number)
	return lun, err == nil
}
