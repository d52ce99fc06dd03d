package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
)

// PoolLimits of all machines of a pool together.
type PoolLimits struct {
	Processors         float64 // limit; 0 for none
	ReservedProcessors float64
	Boost              float64 // of the weight that the reservation makes; 0 for none
	MemoryBytes        *uint64 // limit; nil for none
	ReservationBytes   uint64
	Shares             uint64 // 0 for the sum of what is in it
}

// SetPool makes the group of a pool, which stays until RemovePool, and gives it its limits.
func (t *Tree) SetPool(pool string, limits PoolLimits) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pools == nil {
		t.pools = map[string]PoolLimits{}
	}
	t.pools[pool] = limits
	return t.bound()
}

// SetPools makes these the pools that there are, as SetPool and RemovePool do.
func (t *Tree) SetPools(pools map[string]PoolLimits) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.pools
	t.pools = maps.Clone(pools)
	err := t.bound()
	for pool := range before {
		if _, ok := pools[pool]; ok || err != nil {
			continue
		}
		for _, root := range roots() {
			t.prune(root, t.PoolPath(pool))
		}
	}
	return err
}

// RemovePool takes the limits away, and the group when there is nothing in it.
func (t *Tree) RemovePool(pool string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pools, pool)
	if err := t.bound(); err != nil {
		return err
	}
	for _, root := range roots() {
		t.prune(root, filepath.Join(t.parent, pool))
	}
	return nil
}

// PoolPath is the path of a pool's group.
func (t *Tree) PoolPath(pool string) string { return filepath.Join(t.parent, filepath.Join("/", pool)) }

func (t *Tree) isPool(path string) bool {
	_, ok := t.pools[strings.TrimPrefix(strings.TrimPrefix(path, t.parent), "/")]
	return ok
}

// bound brings all pools to their limits: those too that nobody set, since an earlier hostd may have left them some.
func (t *Tree) bound() error {
	for pool := range t.pools {
		if err := t.ensure(pool); err != nil {
			return fmt.Errorf("make cgroup %s: %w", t.PoolPath(pool), err)
		}
	}
	found, err := t.found()
	if err != nil {
		return err
	}
	err = t.limitProcessors(found)
	for _, pool := range found {
		if e := t.limitMemory(pool); e != nil {
			err = errors.Join(err, fmt.Errorf("limit the memory of cgroup %s: %w", t.PoolPath(pool), e))
		}
	}
	if e := t.weigh(); e != nil {
		err = errors.Join(err, fmt.Errorf("weigh the pools of cgroup %s: %w", t.parent, e))
	}
	return err
}

func (t *Tree) ensure(pool string) error {
	group, err := manager.New(&cgroups.Cgroup{Path: t.PoolPath(pool), Resources: &cgroups.Resources{SkipDevices: true}})
	if err != nil {
		return err
	}
	return group.Apply(-1)
}

// found are the pools that have a group, those above before those below.
func (t *Tree) found() ([]string, error) {
	if t.parent == "/" && len(t.pools) == 0 {
		return nil, nil // others have groups there
	}
	var pools []string
	root := controllerRoot("cpu")
	err := t.walk(root, func(path string) error {
		if isLeaf(path) {
			return fs.SkipDir
		}
		if pool := strings.TrimPrefix(strings.TrimPrefix(path, filepath.Join(root, t.parent)), "/"); pool != "" {
			pools = append(pools, pool)
		}
		return nil
	})
	slices.SortFunc(pools, func(a, b string) int { return cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")) })
	return pools, err
}

// limitProcessors lowers what is below before what is above, and raises the other way round: in version 1 no group may have more than
// the one above it.
func (t *Tree) limitProcessors(pools []string) error {
	var problems []error
	apply := func(pool string, lower bool) {
		if err := t.limitPool(pool, lower); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("limit the processors of cgroup %s: %w", t.PoolPath(pool), err))
		}
	}
	for _, pool := range slices.Backward(pools) {
		apply(pool, true)
	}
	for _, pool := range pools {
		apply(pool, false)
	}
	return errors.Join(problems...)
}

// limitPool writes nothing that is there already: the kernel grants a whole quota anew with every write.
func (t *Tree) limitPool(pool string, onlyLower bool) error {
	dir := filepath.Join(controllerRoot("cpu"), t.PoolPath(pool))
	want := bandwidthOf(effective(t.pools, pool))
	have, err := readBandwidth(dir)
	if errors.Is(err, fs.ErrNotExist) && want.quota > 0 && cgroups.PathExists(dir) {
		return errors.New("the host's kernel cannot limit processor time; it needs CONFIG_CFS_BANDWIDTH")
	}
	if err != nil {
		return err
	}
	if onlyLower && !want.below(have) {
		return nil
	}
	return write(dir, steps(cgroups.IsCgroup2UnifiedMode(), have, want)...)
}

// effective is the least limit of a pool and those above it; 0 for none.
func effective(pools map[string]PoolLimits, pool string) float64 {
	least := 0.0
	for ; pool != "." && pool != ""; pool = filepath.Dir(pool) {
		if p := pools[pool].Processors; p > 0 && (least == 0 || p < least) {
			least = p
		}
	}
	return least
}

func readBandwidth(dir string) (bandwidth, error) {
	if cgroups.IsCgroup2UnifiedMode() {
		text, err := cgroups.ReadFile(dir, "cpu.max")
		if err != nil {
			return unbounded, err
		}
		return parseBandwidth(text)
	}
	quota, err := cgroups.ReadFile(dir, "cpu.cfs_quota_us")
	if err != nil {
		return unbounded, err
	}
	period, err := cgroups.ReadFile(dir, "cpu.cfs_period_us")
	if err != nil {
		return unbounded, err
	}
	return parseBandwidth(strings.TrimSpace(quota) + " " + period)
}

// limitMemory never goes below what the pool uses: version 2 would kill for it. The next time it may go further.
func (t *Tree) limitMemory(pool string) error {
	dir, file := filepath.Join(controllerRoot("memory"), t.PoolPath(pool)), memoryFile()
	have, err := readMemory(dir, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	want := uint64(noMemoryLimit)
	if limit := t.pools[pool].MemoryBytes; limit != nil {
		usage, e := t.Usage(t.PoolPath(pool))
		err = errors.Join(err, e)
		want = atLeast(*limit, usage.WorkingSet)
	}
	if err != nil || have == want {
		return err
	}
	err = write(dir, setting{file, formatMemory(want)})
	if errors.Is(err, syscall.EBUSY) {
		return nil // version 1 could not take back so much
	}
	return err
}

// pageGroup is what limits are rounded up to, so that one which follows the use is not written each time.
const pageGroup = 1 << 20

// atLeast is the limit, or as much more as is in use with some room.
func atLeast(limit, used uint64) uint64 {
	return (max(limit, used+used/64) + pageGroup - 1) / pageGroup * pageGroup
}

const noMemoryLimit = 1<<63 - 1

func memoryFile() string {
	if cgroups.IsCgroup2UnifiedMode() {
		return "memory.max"
	}
	return "memory.limit_in_bytes"
}

// formatMemory is as both versions take it.
func formatMemory(bytes uint64) string {
	switch {
	case bytes != noMemoryLimit:
		return strconv.FormatUint(bytes, 10)
	case cgroups.IsCgroup2UnifiedMode():
		return "max"
	}
	return "-1"
}

func readMemory(dir, file string) (uint64, error) {
	text, err := cgroups.ReadFile(dir, file)
	if err != nil {
		return 0, err
	}
	return parseMemory(text)
}

// parseMemory knows how both versions write that there is no limit.
func parseMemory(text string) (uint64, error) {
	text = strings.TrimSpace(text)
	if text == "max" {
		return noMemoryLimit, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if n > noMemoryLimit>>1 {
		n = noMemoryLimit
	}
	return n, err
}

// weigh gives each pool the weight by which it gets what it shall have.
func (t *Tree) weigh() error {
	file, least, most := "cpu.shares", uint64(2), uint64(1<<18)
	if cgroups.IsCgroup2UnifiedMode() {
		file, least, most = "cpu.weight", 1, 10000
	}
	root, err := t.read("", file)
	if err != nil {
		return err
	}
	for path, weight := range root.weights(cmp.Or(t.Processors, 1), t.pools, least, most) {
		dir := filepath.Join(controllerRoot("cpu"), t.PoolPath(path))
		if err := t.change(dir, file, weight); err != nil {
			return err
		}
	}
	if cgroups.IsCgroup2UnifiedMode() {
		return t.protect(root)
	}
	return nil
}

// protect is for version 2 alone: in version 1 the soft limit of a group stands for itself.
func (t *Tree) protect(n *node) error {
	if n.leaf || t.PoolPath(n.path) == "/" {
		return nil
	}
	err := t.change(filepath.Join(mount, t.PoolPath(n.path)), "memory.low", n.protected(t.pools))
	for _, child := range n.children {
		err = errors.Join(err, t.protect(child))
	}
	return err
}

// change writes a number that is not there already. A group that is gone needs none.
func (t *Tree) change(dir, file string, value uint64) error {
	have, err := readMemory(dir, file)
	if err == nil && have != value {
		err = write(dir, setting{file, strconv.FormatUint(value, 10)})
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// read the groups at path and below. Those that go meanwhile are left out.
func (t *Tree) read(path, weightFile string) (*node, error) {
	n := &node{path: path}
	if t.parent == "/" && path == "" && len(t.pools) == 0 {
		return n, nil
	}
	dir := filepath.Join(controllerRoot("cpu"), t.PoolPath(path))
	if n.leaf = isLeaf(path); n.leaf {
		var err error
		if n.weight, err = readMemory(dir, weightFile); err == nil && cgroups.IsCgroup2UnifiedMode() {
			n.low, err = readMemory(dir, "memory.low")
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return n, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		child, err := t.read(filepath.Join(path, entry.Name()), weightFile)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, child)
	}
	return n, nil
}

func isLeaf(path string) bool {
	return strings.HasSuffix(path, suffix) || strings.HasSuffix(path, standbySuffix)
}

func controllerRoot(controller string) string {
	if cgroups.IsCgroup2UnifiedMode() {
		return mount
	}
	return filepath.Join(mount, controller)
}

func write(dir string, settings ...setting) error {
	for _, s := range settings {
		if err := cgroups.WriteFile(dir, s.file, s.value); err != nil {
			return err
		}
	}
	return nil
}
