package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
)

// WorkingSet is the memory of all machines below the parent that the kernel cannot take back at once: everything but page
// cache that was not used for a while. Without machines there is no group, and the answer is 0.
func (t *Tree) WorkingSet() (uint64, error) {
	dir, usage, inactive := filepath.Join(mount, "memory", t.parent), "memory.usage_in_bytes", "total_inactive_file"
	if cgroups.IsCgroup2UnifiedMode() {
		dir, usage, inactive = filepath.Join(mount, t.parent), "memory.current", "inactive_file"
	}
	used, err := readNumber(filepath.Join(dir, usage))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	cache, err := readField(filepath.Join(dir, "memory.stat"), inactive)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // the last machine has just gone
	}
	return used - min(used, cache), err
}

func readNumber(file string) (uint64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

func readField(path, name string) (uint64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseUint(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no field %s", path, name)
}
