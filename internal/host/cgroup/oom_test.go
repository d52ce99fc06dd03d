package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A hostd that may not protect processes starts machines of guaranteed pods all the same.
func TestOOMScoreWithoutTheCapability(t *testing.T) {
	sleeper := exec.Command("/proc/self/exe")
	sleeper.Env = []string{sleeps + "=1"}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleeper.Wait()
	defer sleeper.Process.Kill()
	done := make(chan error)
	go func() {
		// The thread ends with the goroutine, as it is not unlocked.
		runtime.LockOSThread()
		if err := dropSysResource(); err != nil {
			done <- err
			return
		}
		done <- setOOMScore(sleeper.Process.Pid, -500)
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", sleeper.Process.Pid))
	if err != nil || string(score) != "0\n" {
		t.Errorf("OOM score %q, %v; want 0", score, err)
	}
	if err := setOOMScore(sleeper.Process.Pid, 1001); err == nil {
		t.Error("a score that there is not was set")
	}
}

func dropSysResource() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_SYS_RESOURCE
	return unix.Capset(&header, &data[0])
}
