package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
)

// maxWeight is what cgroup v2 allows at most.
const maxWeight = 10000

// weigh gives each pool from the one at path up to below the parent the weight of all that is in it. Without that a
// machine in a pool of a hundred would get a hundredth of what one alone in its pool gets.
func (t *Tree) weigh(pool string) error {
	root, file, limit := filepath.Join(mount, "cpu"), "cpu.shares", uint64(1<<18)
	if cgroups.IsCgroup2UnifiedMode() {
		root, file, limit = mount, "cpu.weight", maxWeight
	}
	for ; len(pool) > len(t.parent); pool = filepath.Dir(pool) {
		dir := filepath.Join(root, pool)
		sum, err := sumOfChildren(dir, file)
		if err != nil || sum == 0 {
			return err
		}
		err = os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatUint(min(sum, limit), 10)), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func sumOfChildren(dir, file string) (uint64, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var sum uint64
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		weight, err := readNumber(filepath.Join(dir, entry.Name(), file))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		sum += weight
	}
	return sum, err
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
