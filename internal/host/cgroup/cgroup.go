// Package cgroup keeps one control group for every machine, on v1 and v2:
//
//	<parent>/<resource pool>/<machine id>.vm
//	<parent>/<standby id>.standby
//
// The suffix tells machines from pools. A pool's group exists while it has machines, that of a pool with limits until those are taken away. The second is of a machine that waits to be
// taken over. Its process moves to the group of the machine that takes it over; memory that it has taken stays in
// the old group, which therefore lives as long as the machine.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
)

const (
	suffix        = ".vm"
	standbySuffix = ".standby"
	mount         = "/sys/fs/cgroup"
)

// Limits of one machine.
type Limits struct {
	// MemoryBytes that the VMM may use; beyond, the kernel kills it.
	MemoryBytes uint64
	// ReservationBytes are taken back last when the host is short of memory.
	ReservationBytes uint64
	// Shares of the processor against other machines.
	Shares uint64
	// OOMScoreAdj of the process: whom the kernel kills first when the host has no memory left.
	OOMScoreAdj int
}

// Tree is the part of the hierarchies below one parent.
type Tree struct {
	// Processors that the pools have together; 0 for one.
	Processors float64

	parent string
	// mu keeps a pool from being deleted while a machine is put into it.
	mu    sync.Mutex
	pools map[string]PoolLimits // by path below parent
}

// New returns the tree below parent, e.g. "/pacific/host-1".
func New(parent string) *Tree { return &Tree{parent: filepath.Join("/", parent)} }

// Path of a machine's group.
func (t *Tree) Path(pool, machineID string) string {
	return filepath.Join(t.parent, filepath.Join("/", pool), machineID+suffix)
}

// Standby is the path of the group of a machine that waits to be taken over.
func (t *Tree) Standby(id string) string { return filepath.Join(t.parent, id+standbySuffix) }

// MachineID is the inverse of Path.
func MachineID(path string) string { return strings.TrimSuffix(filepath.Base(path), suffix) }

// Place creates the group where it is missing, sets its limits and puts the process into it.
func (t *Tree) Place(path string, limits Limits, pid int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	config := &cgroups.Cgroup{Path: path, Resources: &cgroups.Resources{
		// Devices need no rules: the VMM opens none of its own in its empty root.
		SkipDevices:       true,
		Memory:            int64(limits.MemoryBytes),
		MemoryReservation: int64(limits.ReservationBytes),
		CpuShares:         limits.Shares,
		CpuWeight:         cgroups.ConvertCPUSharesToCgroupV2Value(limits.Shares),
	}}
	group, err := manager.New(config)
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", path, err)
	}
	// Limits before the process, so that it never runs without them.
	if err := errors.Join(group.Apply(-1), group.Set(config.Resources)); err != nil {
		return fmt.Errorf("cgroup %s: %w", path, err)
	}
	if err := group.Apply(pid); err != nil {
		return fmt.Errorf("put process %d into cgroup %s: %w", pid, path, err)
	}
	if err := t.weigh(); err != nil {
		return fmt.Errorf("weigh the pools of cgroup %s: %w", path, err)
	}
	return setOOMScore(pid, limits.OOMScoreAdj)
}

var unprotected sync.Once

// setOOMScore sets a score below 0 only where hostd may: in a container that lacks CAP_SYS_RESOURCE the machine runs all the same,
// as the last of those that may be killed.
func setOOMScore(pid, score int) error {
	write := func(score int) error {
		return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(strconv.Itoa(score)), 0)
	}
	err := write(score)
	if score < 0 && errors.Is(err, fs.ErrPermission) {
		unprotected.Do(func() {
			slog.Warn("guaranteed machines are not protected from the kernel's OOM killer: hostd lacks CAP_SYS_RESOURCE", "err", err)
		})
		err = write(0)
	}
	if err != nil {
		return fmt.Errorf("set the OOM score of process %d: %w", pid, err)
	}
	return nil
}

// OutOfMemory tells whether the kernel killed a process of the group for its memory.
func (t *Tree) OutOfMemory(path string) bool {
	group, err := manager.New(&cgroups.Cgroup{Path: path, Resources: &cgroups.Resources{SkipDevices: true}})
	if err != nil {
		return false
	}
	count, err := group.OOMKillCount()
	return err == nil && count > 0
}

// Remove deletes the group, and its pools when they are empty. Processes that are left in it are killed. A group that is
// gone is no error.
func (t *Tree) Remove(path string) error {
	ours := strings.HasSuffix(path, suffix) || strings.HasSuffix(path, standbySuffix)
	if below, err := filepath.Rel(t.parent, path); err != nil || strings.HasPrefix(below, "..") || !ours {
		return fmt.Errorf("cgroup %q is not that of a machine below %s: it is left alone with its processes", path, t.parent)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, root := range roots() {
		if err := remove(filepath.Join(root, path)); err != nil {
			return fmt.Errorf("delete cgroup %s: %w", path, err)
		}
		t.prune(root, filepath.Dir(path))
	}
	if err := t.weigh(); err != nil {
		return fmt.Errorf("weigh the pools of cgroup %s: %w", path, err)
	}
	return nil
}

func (t *Tree) prune(root, pool string) {
	for len(pool) >= len(t.parent) && pool != "/" {
		if t.isPool(pool) || !removeEmpty(filepath.Join(root, pool)) {
			return
		}
		pool = filepath.Dir(pool)
	}
}

// Tidy removes pools that are empty, which is what a hostd leaves that was killed when it had removed a group and not yet its pools.
func (t *Tree) Tidy() error {
	if t.parent == "/" {
		return nil // others have groups there
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, root := range roots() {
		var pools []string
		err := t.walk(root, func(path string) error {
			if strings.HasSuffix(path, suffix) || strings.HasSuffix(path, standbySuffix) {
				return fs.SkipDir
			}
			pools = append(pools, path)
			return nil
		})
		if err != nil {
			return err
		}
		for _, pool := range slices.Backward(pools) { // those below come first
			if !t.isPool(strings.TrimPrefix(pool, root)) {
				removeEmpty(pool)
			}
		}
	}
	return nil
}

// removeEmpty tells whether the group is gone. One that has no groups below may be busy for a moment after it had.
func removeEmpty(dir string) bool {
	for range 20 {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return true
		}
		if !errors.Is(err, syscall.EBUSY) {
			return false
		}
		if entries, _ := os.ReadDir(dir); slices.ContainsFunc(entries, fs.DirEntry.IsDir) {
			return false
		}
		if pids, _ := cgroups.GetPids(dir); len(pids) > 0 {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// remove waits for the kernel to let go of processes that have just ended, for at most a second.
func remove(dir string) error {
	var err error
	for range 100 {
		err = os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) {
			return err
		}
		kill(dir)
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func kill(dir string) {
	pids, err := cgroups.GetAllPids(dir)
	if err != nil {
		return
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// List returns the groups of machines below the parent, those left in only one of several hierarchies too.
func (t *Tree) List() ([]string, error) { return t.list(suffix) }

// Standbys returns the ids of all groups of machines that wait, or waited until they were taken over.
func (t *Tree) Standbys() ([]string, error) {
	paths, err := t.list(standbySuffix)
	for i := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(paths[i]), standbySuffix)
	}
	return paths, err
}

func (t *Tree) list(suffix string) ([]string, error) {
	found := map[string]bool{}
	for _, root := range roots() {
		err := t.walk(root, func(path string) error {
			if strings.HasSuffix(path, suffix) {
				found[strings.TrimPrefix(path, root)] = true
				return fs.SkipDir
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var paths []string
	for path := range found {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths, nil
}

// walk visits the parent and the groups below it in one hierarchy. One that goes meanwhile is no error.
func (t *Tree) walk(root string, visit func(path string) error) error {
	err := filepath.WalkDir(filepath.Join(root, t.parent), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || !entry.IsDir():
			return err
		}
		return visit(path)
	})
	if err != nil {
		return fmt.Errorf("list cgroups below %s: %w", t.parent, err)
	}
	return nil
}

// roots are the mount points of the hierarchies.
func roots() []string {
	if cgroups.IsCgroup2UnifiedMode() {
		return []string{mount}
	}
	entries, err := os.ReadDir(mount)
	if err != nil {
		return nil
	}
	var found []string
	for _, entry := range entries {
		if entry.IsDir() {
			found = append(found, filepath.Join(mount, entry.Name()))
		}
	}
	return found
}
