//go:build e2e

package agent_test

import (
	"bytes"
	"testing"

	agentv1 "pacific/api/agent/v1"

	protobuf "google.golang.org/protobuf/proto"
)

func (v *vm) update(req *agentv1.UpdateRequest) {
	v.t.Helper()
	if _, err := v.agent.Update(v.t.Context(), req); err != nil {
		v.t.Fatal(err)
	}
}

// What may change of a pod changes while it runs: ephemeral containers, configurations, resources, files; in the end it uses
// more storage than it may.
func TestUpdate(t *testing.T) {
	const loop = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
	a := sh("a", "cat /sys/fs/cgroup/cpu.max; "+loop)
	a.Resources = &agentv1.Resources{CpuRequestMilli: 100, CpuLimitMilli: 200, MemoryLimitBytes: 32 << 20}
	a.RestartOnMemoryResize = true
	a.Mounts = []*agentv1.Mount{{Volume: "big", Path: "/big"}, {Volume: "scratch", Path: "/scratch"}, {Volume: "image", Path: "/image", SubPath: "bin"}}
	b := &agentv1.Container{Name: "b", ConfigError: `configmap "c" not found`}
	pod := newPod(a, b)
	pod.Volumes = []*agentv1.Volume{
		{Name: "big", Source: &agentv1.Volume_Files_{Files: &agentv1.Volume_Files{More: true}}},
		{Name: "scratch", Source: &agentv1.Volume_EmptyDir_{EmptyDir: &agentv1.Volume_EmptyDir{SizeLimitBytes: 1 << 20}}},
		{Name: "image", Source: &agentv1.Volume_Image{Image: &agentv1.Disk{Lun: imageLUN, Filesystem: "ext4", ReadOnly: true}}},
	}
	v := boot(t, image(t), ephemeral(t))
	v.startPod(pod)
	for part := range int32(3) {
		v.update(&agentv1.UpdateRequest{Volumes: []*agentv1.Volume{{Name: "big", Source: &agentv1.Volume_Files_{Files: &agentv1.Volume_Files{
			Part: part, More: part < 2, Files: []*agentv1.File{{Path: string('x' + part), Data: bytes.Repeat([]byte("0"), 2<<20)}}}}}}})
	}
	s := v.await("the container that can run", func(s *agentv1.PodStatus) bool { return v.status("a", s).GetReady() })
	v.awaitLog("a", 0, "stdout:20000 100000\n") // the limit holds from the program's first instruction
	if w := v.status("b", s).GetState().GetWaiting(); w.GetReason() != "CreateContainerConfigError" || w.GetMessage() != b.ConfigError {
		t.Errorf("b: %v", w)
	}
	v.want("a", "cat /big/* | wc -c; /image/busybox true 2>/dev/null || echo not executable; cat /sys/fs/cgroup/cpu.max", "6291456\nnot executable\n20000 100000\n")

	b = sh("b", loop)
	b.Security = &agentv1.SecurityContext{RunAsUser: proto(int64(1000)), StrictSupplementalGroups: true, SupplementalGroups: []int64{7}}
	debug := sh("debug", "echo debugging; cat /proc/1/comm; "+loop)
	debug.TargetContainer = "a"
	v.update(&agentv1.UpdateRequest{Containers: []*agentv1.Container{b}, EphemeralContainers: []*agentv1.Container{debug}})
	s = v.await("both", func(s *agentv1.PodStatus) bool {
		return v.status("b", s).GetReady() && len(s.GetEphemeralContainers()) == 1 && s.GetEphemeralContainers()[0].GetState().GetRunning() != nil
	})
	if u := v.status("b", s).GetUser(); u.GetUid() != 1000 || u.GetGid() != 1001 || len(u.GetGroups()) != 2 {
		t.Errorf("user of b: %v", u)
	}
	v.awaitLog("debug", 0, "stdout:debugging\nstdout:sh\n")

	t.Run("resize", func(t *testing.T) {
		resized := protobuf.Clone(a).(*agentv1.Container)
		resized.Resources.CpuRequestMilli, resized.Resources.CpuLimitMilli = 500, 600
		v.update(&agentv1.UpdateRequest{Containers: []*agentv1.Container{resized}})
		v.await("more CPU", func(s *agentv1.PodStatus) bool { return v.status("a", s).GetResources().GetCpuLimitMilli() == 600 })
		v.want("a", "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max", "60000 100000\n33554432\n")
		more := protobuf.Clone(resized).(*agentv1.Container)
		more.Resources.MemoryLimitBytes = 48 << 20
		v.update(&agentv1.UpdateRequest{Containers: []*agentv1.Container{more}})
		v.await("a restart for more memory", func(s *agentv1.PodStatus) bool {
			c := v.status("a", s)
			return c.GetRestartCount() == 1 && c.GetReady() && c.GetResources().GetMemoryLimitBytes() == 48<<20
		})
		v.want("a", "cat /sys/fs/cgroup/memory.max", "50331648\n")
	})
	v.want("a", "dd if=/dev/zero of=/scratch/x bs=1M count=2 2>/dev/null; echo written", "written\n")
	s = v.await("the end", (*agentv1.PodStatus).GetFinished)
	if s.GetEvicted() != `Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ` {
		t.Errorf("evicted: %q", s.GetEvicted())
	}
}
