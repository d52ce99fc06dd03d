//go:build e2e

package agent_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	agentv1 "pacific/api/agent/v1"
)

// cost is what something took: by the clock, and as processor time of the VMM, which does not depend on what else the
// machine does.
type cost struct{ clock, cpu time.Duration }

func (c cost) String() string {
	return fmt.Sprintf("%d ms (%d ms of processor time)", c.clock.Milliseconds(), c.cpu.Milliseconds())
}

func (v *vm) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", v.qemu.Process.Pid))
	if err != nil {
		v.t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

func (v *vm) measure(f func()) cost {
	clock, cpu := time.Now(), v.cpu()
	f()
	return cost{time.Since(clock), v.cpu() - cpu}
}

// TestCosts prints what the agent's work costs. It fails on nothing: see docs/agent.md for the figures.
func TestCosts(t *testing.T) {
	v := boot(t, image(t), ephemeral(t))
	t.Logf("QEMU's start to the agent's answer: %v", cost{time.Since(v.booted), v.cpu()})
	pod := newPod(sh("a", "exec sleep 1000"), sh("b", "exec sleep 1000"), sh("c", "exec sleep 1000"), sh("d", "exec sleep 1000"))
	begun := time.Now()
	var s *agentv1.PodStatus
	t.Logf("Start to Ready of 4 containers: %v", v.measure(func() {
		v.startPod(pod)
		s = v.await("readiness", allReady)
	}))
	last := s.GetNetworkReadyAt().AsTime()
	t.Logf("network: %v", last.Sub(begun))
	for _, c := range s.GetContainers() {
		started := c.GetState().GetRunning().GetStartedAt().AsTime()
		t.Logf("container %s: %v", c.GetName(), started.Sub(last))
		last = started
	}
	const n = 10
	all := v.measure(func() {
		for range n {
			v.exec("a", "", "true")
		}
	})
	t.Logf("an exec: %v", cost{all.clock / n, all.cpu / n})
	idle := v.measure(func() { time.Sleep(5 * time.Second) })
	t.Logf("5 s of nothing: %v", idle)
	console, _ := os.ReadFile(v.path("console"))
	t.Logf("console:\n%s", console)
	t.Logf("memory: %s", v.exec("a", "", "sh", "-c", "grep -E 'MemTotal|MemAvail' /proc/meminfo").stdout)
}
