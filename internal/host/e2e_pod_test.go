//go:build e2e

package host_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/channel"
	"pacific/internal/host/vmm"
	"pacific/internal/host/vmm/qemu"
	"pacific/internal/smaps"
)

// A pod in a clone: what its start costs, stage by stage, in time and in processor time of its VMM, which does not depend on what
// else the machine does.
func TestPodInAClone(t *testing.T) {
	h := newHost(t, "--templates", "agent:1:352:1")
	if !exists(filepath.Join(h.guest, "personalities", "agent")) {
		t.Skip("no agent")
	}
	h.awaitTemplate()
	h.imageDisk("image")
	for i := range 3 {
		id := fmt.Sprintf("pod-%d", i)
		h.stopPod(h.startPod(id))
		h.destroy(id)
	}
	_, err := h.disks.Delete(h.ctx(), &hostv1.DeleteDiskRequest{Id: "image"})
	h.must(err)
	h.empty()
}

// The same in a machine that has rehearsed.
func TestPodInAStandby(t *testing.T) {
	h := newHost(t, "--templates", "agent:1:352:1", "--standbys", "1")
	if !exists(filepath.Join(h.guest, "personalities", "agent")) {
		t.Skip("no agent")
	}
	h.imageDisk("image")
	for i := range 3 {
		h.awaitStandby()
		id := fmt.Sprintf("pod-%d", i)
		pod := h.startPod(id)
		if i == 0 {
			h.settles(pod)
		}
		h.stopPod(pod)
		h.destroy(id)
	}
	if got := h.metric(`pacific_crx_starts_total{kind="standby",reason=""}`); got != 3 {
		t.Errorf("%v of 3 machines were standbys", got)
	}
}

// imageDisk makes a disk with a busybox.
func (h *host) imageDisk(id string) {
	h.t.Helper()
	_, err := h.disks.Create(h.ctx(), &hostv1.CreateDiskRequest{Disk: &hostv1.Disk{Id: id, SizeBytes: 64 << 20}})
	h.must(err)
	root := h.t.TempDir()
	h.must(os.MkdirAll(filepath.Join(root, "bin"), 0o755))
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		h.t.Skip("busybox-static is not installed")
	}
	h.must(os.WriteFile(filepath.Join(root, "bin", "sleep"), busybox, 0o755))
	out, err := exec.Command("mkfs.ext4", "-q", "-F", "-d", root, filepath.Join(h.dir, "state", "disks", id, "disk.raw"), "64M").CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v %s", err, out)
	}
}

// settles waits until the machine of a pod has given back what was translated for its start, and sees that it works as before.
func (h *host) settles(p *runningPod) {
	h.t.Helper()
	monitor := &qemu.QEMU{}
	identity, err := vmm.Identify(int(p.vm.Pid))
	h.must(err)
	code := func() uint64 {
		bytes, err := monitor.Trimmable(identity)
		h.must(err)
		return bytes
	}
	if bytes := code(); bytes < 20<<20 {
		h.t.Errorf("after its start a pod has %d bytes of translated code, so nothing has to be given back", bytes)
	}
	for begun := time.Now(); code() >= 16<<20; time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			h.t.Fatalf("%d bytes of translated code are not given back", code())
		}
	}
	h.t.Logf("settled, memory: %s", memoryOf(h, p.vm.Pid))
	watch, err := p.agent.Watch(h.ctx(), &agentv1.WatchRequest{})
	h.must(err)
	status, err := watch.Recv()
	h.must(err)
	if containers := status.GetContainers(); len(containers) != 1 || containers[0].GetState().GetRunning() == nil {
		h.t.Errorf("the pod is %v", status)
	}
}

// runningPod is a pod whose container runs.
type runningPod struct {
	id      string
	vm      *hostv1.VirtualMachine
	session *channel.Session
	agent   agentv1.AgentClient
}

func (h *host) startPod(id string) *runningPod {
	h.t.Helper()
	_, err := h.disks.Create(h.ctx(), &hostv1.CreateDiskRequest{Disk: &hostv1.Disk{Id: id, SizeBytes: 1 << 30, Filesystem: "ext4"}})
	h.must(err)
	begun := time.Now()
	spec := crxSpec(id)
	spec.MemoryBytes = 352 << 20
	spec.GetCrx().Personality = "agent"
	spec.Disks = []*hostv1.DiskAttachment{{DiskId: id, DeleteWithMachine: true}, {DiskId: "image", ReadOnly: true}}
	vm, err := h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: spec, Start: true})
	h.must(err)
	stage := func(name string) {
		h.t.Logf("%-10s after %4d ms, %4d ms of processor time", name, time.Since(begun).Milliseconds(), processorTime(h, vm.Pid).Milliseconds())
	}
	stage("created")
	session, err := channel.Dial(h.ctx(), vm.PersonalitySocket)
	h.must(err)
	rpc, err := session.RPC(h.ctx())
	h.must(err)
	agent := agentv1.NewAgentClient(rpc)
	stage("connected")
	_, err = agent.Start(h.ctx(), &agentv1.StartRequest{Pod: &agentv1.Pod{
		Uid: id, Namespace: "default", Name: id, Hostname: id,
		Network:   &agentv1.Network{Addresses: []string{"10.0.0.7/32"}, Gateways: []string{"169.254.1.1"}, Mac: hostv1.MAC(id), GatewayMac: hostv1.GatewayMAC},
		Ephemeral: &agentv1.Disk{Lun: 0, Filesystem: "ext4"},
		Containers: []*agentv1.Container{{
			Name: "c", Command: []string{"/bin/sleep", "1000"}, ImageDisk: &agentv1.Disk{Lun: 1, Filesystem: "ext4", ReadOnly: true},
		}},
	}})
	h.must(err)
	stage("handed over")
	watch, err := agent.Watch(h.ctx(), &agentv1.WatchRequest{})
	h.must(err)
	for {
		status, err := watch.Recv()
		h.must(err)
		if containers := status.GetContainers(); len(containers) == 1 && containers[0].GetState().GetRunning() != nil {
			break
		}
	}
	stage("running")
	h.t.Logf("memory: %s", memoryOf(h, vm.Pid))
	return &runningPod{id: id, vm: vm, session: session, agent: agent}
}

func (h *host) stopPod(p *runningPod) {
	h.t.Helper()
	defer p.session.Close()
	_, err := h.machines.Stop(h.ctx(), &hostv1.StopRequest{Id: p.id, Grace: durationpb.New(20 * time.Second)})
	h.must(err)
	console, _ := os.ReadFile(filepath.Join(h.dir, "state", "machines", p.id, "console.log"))
	h.t.Logf("console:\n%s", console)
}

// memoryOf a process: what it has for itself, by what it is mapped from, the largest parts.
func memoryOf(h *host, pid int32) string {
	mappings, err := smaps.Read(int(pid))
	h.must(err)
	own := map[string]int64{}
	for _, m := range mappings {
		// Anonymous memory by the size of its mapping, which tells the translation cache.
		name := fmt.Sprintf("anonymous of %d kB", m.Size>>10)
		if path, _, _ := strings.Cut(m.Path, " "); path != "" {
			name = filepath.Base(path)
		}
		own[name] += m.Private
		own["PSS in all"] += m.PSS
	}
	var parts []string
	for name, n := range own {
		if n >= 1<<20 {
			parts = append(parts, fmt.Sprintf("%s: %d MiB", name, n>>20))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
