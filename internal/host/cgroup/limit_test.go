package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"
)

const spins = "PACIFIC_TEST_SPINS"

// spin uses all processors.
func spin() {
	for range 4 {
		go func() {
			for n := 0; ; n++ { // uses its processor up, on purpose
			}
		}()
	}
	select {}
}

func spinning(t *testing.T) int {
	t.Helper()
	process := exec.Command("/proc/self/exe")
	process.Env = []string{spins + "=1"}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	return process.Process.Pid
}

// limitable skips where nobody may write cgroups, or the kernel knows no limit of processor time.
func limitable(t *testing.T, tree *Tree) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if err := tree.SetPool("probe", PoolLimits{Processors: 1}); err != nil {
		t.Skip(err)
	}
	if err := tree.RemovePool("probe"); err != nil {
		t.Fatal(err)
	}
}

func TestPoolsAreLimited(t *testing.T) {
	tree := New(fmt.Sprintf("/pacific-limit-%d", os.Getpid()))
	limitable(t, tree)
	limit := uint64(256 << 20)
	// The one below wants more than the one above has, which version 1 refuses.
	if err := tree.SetPool("a/b", PoolLimits{Processors: 1}); err != nil {
		t.Fatal(err)
	}
	if err := tree.SetPool("a", PoolLimits{Processors: 0.2, MemoryBytes: &limit, ReservationBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	path := tree.Path("a/b", "m")
	if err := tree.Place(path, Limits{MemoryBytes: 64 << 20, Shares: 1024}, spinning(t)); err != nil {
		t.Fatal(err)
	}
	begin, before := time.Now(), usage(t, tree, "a")
	time.Sleep(time.Second) // the time over which it is measured
	after, took := usage(t, tree, "a"), time.Since(begin)
	used := float64(after.CPUNanoseconds-before.CPUNanoseconds) / float64(took.Nanoseconds())
	t.Logf("%.4f of 0.2 processors, throttled in %d of %d periods", used, after.ThrottledPeriods, after.Periods)
	if used > 0.2*1.1 || after.ThrottledPeriods == 0 {
		t.Errorf("%v processors, %+v", used, after)
	}
	if have, err := readMemory(filepath.Join(controllerRoot("memory"), tree.PoolPath("a")), memoryFile()); have != limit || err != nil {
		t.Errorf("memory limit %d %v", have, err)
	}
	// A new hostd knows of other pools than the old one.
	again := New(tree.parent)
	if err := again.SetPool("a/b", PoolLimits{Processors: 0.5}); err != nil {
		t.Fatal(err)
	}
	for pool, want := range map[string]float64{"a": 0, "a/b": 0.5} {
		if have, err := readBandwidth(filepath.Join(controllerRoot("cpu"), again.PoolPath(pool))); err != nil || have.processors() != want {
			t.Errorf("%s: %v %v, want %v processors", pool, have, err, want)
		}
	}
	if err := again.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := again.Tidy(); err != nil {
		t.Fatal(err)
	}
	if u := usage(t, again, "a/b"); u.CPUNanoseconds < after.CPUNanoseconds {
		t.Errorf("the machine's %d ns went with it: %d", after.CPUNanoseconds, u.CPUNanoseconds)
	}
	if err := again.RemovePool("a/b"); err != nil {
		t.Fatal(err)
	}
	for _, root := range roots() {
		if cgroups.PathExists(filepath.Join(root, tree.parent)) {
			t.Errorf("%s is left in %s", tree.parent, root)
		}
	}
}

func usage(t *testing.T, tree *Tree, pool string) Usage {
	t.Helper()
	u, err := tree.Usage(tree.PoolPath(pool))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Two pools that want all there is: the one with a reservation has its own, though the other weighs more.
func TestReservationsHold(t *testing.T) {
	tree := New(fmt.Sprintf("/pacific-reserve-%d", os.Getpid()))
	limitable(t, tree)
	tree.Processors = 2
	if err := tree.SetPool("reserved", PoolLimits{ReservedProcessors: 1.5}); err != nil {
		t.Fatal(err)
	}
	for pool, shares := range map[string]uint64{"reserved": 1024, "greedy": 8192} {
		path := tree.Path(pool, "m")
		if err := tree.Place(path, Limits{MemoryBytes: 64 << 20, Shares: shares}, spinning(t)); err != nil {
			t.Fatal(err)
		}
		defer tree.RemovePool("reserved")
		defer tree.Remove(path)
	}
	reserved, greedy := usage(t, tree, "reserved").CPUNanoseconds, usage(t, tree, "greedy").CPUNanoseconds
	time.Sleep(time.Second) // the time over which it is measured
	reserved, greedy = usage(t, tree, "reserved").CPUNanoseconds-reserved, usage(t, tree, "greedy").CPUNanoseconds-greedy
	part := float64(reserved) / float64(reserved+greedy)
	t.Logf("%.3f of the processor time where 0.75 are reserved", part)
	if part < 0.65 { // by weight it would be 0.11
		t.Errorf("the pool got %.3f of the processor time, want 0.75", part)
	}
}
