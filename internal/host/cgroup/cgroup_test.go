package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"
)

const sleeps = "PACIFIC_TEST_SLEEPS"

// TestMain can be a process that sleeps or works, so that the tests need no other program and run in a CRX too.
func TestMain(m *testing.M) {
	if os.Getenv(works) != "" {
		work()
		return
	}
	if os.Getenv(spins) != "" {
		spin()
	}
	if os.Getenv(sleeps) != "" {
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

func TestPlaceAndRemove(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	tree := New(fmt.Sprintf("/pacific-unit-%d", os.Getpid()))
	path := tree.Path("pool/sub", "a")
	if MachineID(path) != "a" {
		t.Errorf("the machine of %s is %s", path, MachineID(path))
	}
	sleeper := exec.Command("/proc/self/exe")
	sleeper.Env = []string{sleeps + "=1"}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := tree.Place(path, Limits{MemoryBytes: 64 << 20, ReservationBytes: 32 << 20, Shares: 2048, OOMScoreAdj: 900}, sleeper.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	if total, err := tree.Total(); err != nil || total.WorkingSet > 1<<30 {
		t.Errorf("working set %d: %v", total.WorkingSet, err)
	}
	score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", sleeper.Process.Pid))
	if err != nil || string(score) != "900\n" {
		t.Errorf("OOM score %q, %v", score, err)
	}
	second := tree.Path("pool/sub", "b")
	if err := tree.Place(second, Limits{MemoryBytes: 64 << 20, Shares: 1024}, sleeper.Process.Pid); err != nil {
		t.Fatal(err)
	}
	checkWeight(t, tree, "pool", 3072)
	if err := errors.Join(tree.Place(path, Limits{MemoryBytes: 64 << 20, Shares: 2048}, sleeper.Process.Pid), tree.Remove(second)); err != nil {
		t.Fatal(err)
	}
	checkWeight(t, tree, "pool", 2048)
	if paths, err := tree.List(); err != nil || len(paths) != 1 || paths[0] != path {
		t.Errorf("%v %v", paths, err)
	}
	if tree.OutOfMemory(path) {
		t.Error("out of memory")
	}
	// The process that is left in it is killed.
	for range 2 {
		if err := tree.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if sleeper.Wait() == nil {
		t.Error("the process was not killed")
	}
	for _, root := range roots() {
		if _, err := os.Stat(filepath.Join(root, tree.parent)); err == nil {
			t.Errorf("%s is left in %s", tree.parent, root)
		}
	}
}

func TestTidyRemovesEmptyPoolsOnly(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	tree := New(fmt.Sprintf("/pacific-tidy-%d", os.Getpid()))
	root := roots()[0]
	dir := func(name string) string { return filepath.Join(root, tree.parent, name) }
	machine := filepath.Join(root, tree.Path("pool/full", "a"))
	for _, d := range []string{dir("empty/below"), machine} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Tidy(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir("empty")); err == nil {
		t.Error("an empty pool is left")
	}
	if _, err := os.Stat(machine); err != nil {
		t.Error(err)
	}
	if err := os.Remove(machine); err != nil {
		t.Fatal(err)
	}
	if err := tree.Tidy(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir("")); err == nil {
		t.Error("the parent is left")
	}
}

// What is in a group that is removed gets killed, so only that of a machine may be.
func TestRemoveTouchesOnlyGroupsOfMachines(t *testing.T) {
	tree := New("/pacific-unit")
	for _, path := range []string{"", "/", "/pacific-unit", "/pacific-unit/pool", "/other/a.vm", "/pacific-unit/../a.vm", "/pacific-unit-2/a.vm", "a.vm"} {
		if err := tree.Remove(path); err == nil {
			t.Errorf("%q was accepted", path)
		}
	}
	if err := tree.Remove(tree.Path("pool", "gone")); err != nil {
		t.Error(err)
	}
}

func checkWeight(t *testing.T, tree *Tree, pool string, want uint64) {
	t.Helper()
	if cgroups.IsCgroup2UnifiedMode() {
		return // weights there are not shares; the sum is the same code
	}
	got, err := readMemory(filepath.Join(mount, "cpu", tree.parent, pool), "cpu.shares")
	if err != nil || got != want {
		t.Errorf("pool %s has %d shares, want %d (%v)", pool, got, want, err)
	}
}
