package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const sleeps = "PACIFIC_TEST_SLEEPS"

// TestMain can be a process that sleeps, so that the test needs no other program and runs in a CRX too.
func TestMain(m *testing.M) {
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
		if err := tree.Place(path, Limits{MemoryBytes: 64 << 20, Shares: 2048}, sleeper.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
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
