// Package mount makes the file systems of a pod: its disks, the root file systems of its containers, its volumes.
package mount

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/scsi"

	"golang.org/x/sys/unix"
)

// Disks mounts the disks of a pod, each once.
type Disks struct {
	dir string

	mu      sync.Mutex
	mounted map[int32]*mounted
}

type mounted struct {
	once sync.Once
	path string
	err  error
}

// NewDisks makes mount points below dir.
func NewDisks(dir string) *Disks { return &Disks{dir: dir, mounted: map[int32]*mounted{}} }

// Provide says that the disk is mounted already.
func (d *Disks) Provide(lun int32, path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := &mounted{path: path}
	m.once.Do(func() {})
	d.mounted[lun] = m
}

// attachTimeout bounds the wait for a disk that the host says it has attached.
const attachTimeout = time.Minute

// Mount mounts the disk, if it is not, and returns where. It waits for a disk that is not there yet. Containers with the
// same image share one mount. A failure is not kept: the next call tries again.
func (d *Disks) Mount(ctx context.Context, disk *agentv1.Disk) (string, error) {
	d.mu.Lock()
	m := d.mounted[disk.GetLun()]
	if m == nil {
		m = &mounted{}
		d.mounted[disk.GetLun()] = m
	}
	d.mu.Unlock()
	m.once.Do(func() {
		m.path = filepath.Join(d.dir, fmt.Sprintf("lun-%d", disk.GetLun()))
		m.err = attach(ctx, disk, m.path)
	})
	if m.err != nil {
		d.mu.Lock()
		delete(d.mounted, disk.GetLun())
		d.mu.Unlock()
	}
	return m.path, m.err
}

func attach(ctx context.Context, disk *agentv1.Disk, path string) error {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	device, err := scsi.WaitDevice(ctx, int(disk.GetLun()))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	flags := uintptr(unix.MS_NOATIME)
	if disk.GetReadOnly() {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount(device, path, disk.GetFilesystem(), flags, ""); err != nil {
		return fmt.Errorf("mount disk %d (%s, %s): %w", disk.GetLun(), device, disk.GetFilesystem(), err)
	}
	return nil
}
