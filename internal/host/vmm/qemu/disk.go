package qemu

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pacific/internal/host/vmm"
)

// A disk with LUN n is the block node "node<n>" and the device "disk<n>".
const devicePrefix = "disk"

func device(lun int) string { return fmt.Sprintf("%s%d", devicePrefix, lun) }
func node(lun int) string   { return fmt.Sprintf("node%d", lun) }

// Plug implements vmm.Disks.
func (c *connection) Plug(ctx context.Context, disk vmm.Disk) error {
	plugged, err := c.Plugged(ctx)
	if err != nil || slices.Contains(plugged, disk.LUN) {
		return err
	}
	// What a Plug left that was cut off half way.
	if err := c.dropNode(ctx, disk.LUN); err != nil {
		return err
	}
	if err := c.addNode(ctx, disk); err != nil {
		return err
	}
	return c.qmp.execute(ctx, "device_add", map[string]any{
		"driver": "scsi-hd", "id": device(disk.LUN), "drive": node(disk.LUN),
		"bus": "scsi.0", "channel": 0, "scsi-id": 0, "lun": disk.LUN,
		// One image disk serves many machines.
		"share-rw": disk.ReadOnly,
	}, nil)
}

// addNode hands over the file by descriptor, since QEMU cannot see any file. QEMU's own locks are off: they would keep one
// image from being used by several machines, and hostd sees to it that a writable disk has one user.
func (c *connection) addNode(ctx context.Context, disk vmm.Disk) error {
	var set struct {
		ID int `json:"fdset-id"`
	}
	if err := c.qmp.execute(ctx, "add-fd", nil, &set, disk.File); err != nil {
		return err
	}
	err := c.qmp.execute(ctx, "blockdev-add", map[string]any{
		"driver": "raw", "node-name": node(disk.LUN), "read-only": disk.ReadOnly, "discard": "unmap",
		"file": map[string]any{
			"driver": "file", "filename": fmt.Sprintf("/dev/fdset/%d", set.ID),
			"read-only": disk.ReadOnly, "locking": "off", "aio": "threads", "discard": "unmap",
		},
	}, nil)
	// The node has a duplicate of its own, or there is no node: either way the set is done with.
	return errors.Join(err, c.qmp.execute(ctx, "remove-fd", map[string]any{"fdset-id": set.ID}, nil))
}

// Unplug implements vmm.Disks.
func (c *connection) Unplug(ctx context.Context, lun int) error {
	plugged, err := c.Plugged(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(plugged, lun) {
		if err := c.removeDevice(ctx, lun); err != nil {
			return err
		}
	}
	return c.dropNode(ctx, lun)
}

func (c *connection) removeDevice(ctx context.Context, lun int) error {
	ctx, cancel := context.WithTimeout(ctx, unplugTimeout)
	defer cancel()
	gone := c.awaitDeleted(device(lun))
	if err := c.qmp.execute(ctx, "device_del", map[string]any{"id": device(lun)}, nil); err != nil {
		return err
	}
	select {
	case <-gone:
		return nil
	case <-c.qmp.done:
		return errLost
	case <-ctx.Done():
		return fmt.Errorf("disk at LUN %d is not released by the VMM: %w", lun, ctx.Err())
	}
}

// dropNode deletes the block node of a LUN, where it exists.
func (c *connection) dropNode(ctx context.Context, lun int) error {
	var nodes []struct {
		Name string `json:"node-name"`
	}
	if err := c.qmp.execute(ctx, "query-named-block-nodes", map[string]any{"flat": true}, &nodes); err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Name == node(lun) {
			return c.qmp.execute(ctx, "blockdev-del", map[string]any{"node-name": n.Name}, nil)
		}
	}
	return nil
}

// Plugged implements vmm.Disks.
func (c *connection) Plugged(ctx context.Context) ([]int, error) {
	var blocks []struct {
		// QOM path of the device, "/machine/peripheral/disk0/..." or the id.
		QDev string `json:"qdev"`
	}
	if err := c.qmp.execute(ctx, "query-block", nil, &blocks); err != nil {
		return nil, err
	}
	var luns []int
	for _, block := range blocks {
		if lun, ok := lunOf(block.QDev); ok {
			luns = append(luns, lun)
		}
	}
	slices.Sort(luns)
	return luns, nil
}

func (c *connection) awaitDeleted(device string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := make(chan struct{})
	c.deleted[device] = gone
	return gone
}

func (c *connection) announceDeleted(device string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gone, ok := c.deleted[device]; ok {
		close(gone)
		delete(c.deleted, device)
	}
}
