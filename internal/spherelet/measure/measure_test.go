package measure

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files")

var epoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// sample at seconds after the start: a pod of two containers, the second of which has limits, and one of an idle container.
func sample(seconds uint64) *Sample {
	running := func(name, id string) v1.ContainerStatus {
		return v1.ContainerStatus{Name: name, ContainerID: "crx://" + id, Image: "registry.test/" + name + ":1",
			State: v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.NewTime(epoch)}}}
	}
	pod := func(name string, statuses ...v1.ContainerStatus) *v1.Pod {
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)}}
		p.Status.StartTime, p.Status.ContainerStatuses = &metav1.Time{Time: epoch}, statuses
		for _, s := range statuses {
			p.Spec.Containers = append(p.Spec.Containers, v1.Container{Name: s.Name})
		}
		return p
	}
	web := pod("web", running("app", "a1"), running("side", "a2"))
	limits := v1.ResourceList{v1.ResourceCPU: resource.MustParse("500m"), v1.ResourceMemory: resource.MustParse("64Mi")}
	web.Spec.Containers[1].Resources = v1.ResourceRequirements{Limits: limits, Requests: limits}
	idle := pod("idle", running("app", "b1"))

	s := &Sample{
		At: epoch.Add(time.Duration(seconds) * time.Second), Storage: true,
		Node: Node{
			Name: "host-1", ImageBytes: 5 << 20,
			Host: &hostv1.GetHostResponse{Cpus: 2, MemoryBytes: 4 << 30, StorageBytes: 100 << 30, StorageFreeBytes: 60 << 30, CrxKernelVersion: "6.1.1-crx"},
			System: System{BootTime: epoch.Add(-time.Hour), OwnStart: epoch.Add(-time.Minute), OwnCPU: 1e9 + seconds*1e6, OwnMemory: 30 << 20,
				MaxProcesses: 32768, Processes: 200, Interfaces: []Interface{{Name: "eth0", RxBytes: 1, RxErrors: 2, TxBytes: 3, TxErrors: 4}}},
			Stats: &hostv1.GetStatsResponse{
				MachinesTotal: &hostv1.Usage{CpuNanoseconds: 50e9 + seconds*1e9, MemoryBytes: 300 << 20, MemoryWorkingSetBytes: 280 << 20, MemoryRssBytes: 250 << 20},
				Daemon:        &hostv1.Usage{CpuNanoseconds: 2e9, MemoryBytes: 40 << 20, MemoryWorkingSetBytes: 40 << 20, MemoryRssBytes: 40 << 20},
			},
		},
		Pods: []Pod{
			{
				Pod: idle, CPU: map[string]uint64{"app": 1e6},
				Agent: &agentv1.StatsResponse{NetworkRxBytes: 21, NetworkTxBytes: 22, Containers: []*agentv1.ContainerStats{
					{Name: "app", CpuUsageNanoseconds: 1e6, MemoryUsageBytes: 1 << 20, MemoryWorkingSetBytes: 1 << 20},
				}},
			},
			{
				Pod: web, CPU: map[string]uint64{"app": seconds * 5e8, "side": 7e8},
				Machine: &hostv1.MachineStats{
					Id: "uid-web", Usage: &hostv1.Usage{CpuNanoseconds: 3e9 + seconds*6e8, MemoryBytes: 90 << 20, MemoryWorkingSetBytes: 80 << 20, MemoryRssBytes: 70 << 20},
					Disks: []*hostv1.DiskTraffic{{DiskId: "uid-web-ephemeral", ReadBytes: 1, WrittenBytes: 2, Reads: 3, Writes: 4}},
					Ports: []*hostv1.PortTraffic{{Name: "eth0", ReceivedBytes: 11, SentBytes: 12, ReceivedPackets: 13, SentPackets: 14, ReceivedDropped: 15, SentDropped: 16}},
				},
				Agent: &agentv1.StatsResponse{
					EphemeralUsedBytes: 3 << 20, EphemeralCapacityBytes: 10 << 30, EphemeralInodes: 1000, EphemeralInodesFree: 900,
					Volumes: []*agentv1.VolumeStats{{Name: "scratch", UsedBytes: 4096, CapacityBytes: 10 << 30, AvailableBytes: 9 << 30, InodesUsed: 1, Inodes: 1000, InodesFree: 900}},
					Probes:  []*agentv1.ProbeCount{{Container: "app", Kind: "readiness", Successful: 5, Failed: 1}, {Container: "app", Kind: "startup", Unknown: 2}},
					Containers: []*agentv1.ContainerStats{
						{Name: "app", CpuUserNanoseconds: 2e8, CpuSystemNanoseconds: 1e8, MemoryUsageBytes: 20 << 20, MemoryWorkingSetBytes: 18 << 20, MemoryRssBytes: 10 << 20,
							MemoryCacheBytes: 8 << 20, MemoryPageFaults: 100, MemoryMajorPageFaults: 3, RootfsUsedBytes: 8192, RootfsInodesUsed: 3, LogsUsedBytes: 4096, LogsInodesUsed: 2, Pids: 4},
						{Name: "side", MemoryUsageBytes: 5 << 20, MemoryWorkingSetBytes: 5 << 20, CpuPeriods: 40, CpuThrottledPeriods: 4, CpuThrottledNanoseconds: 5e8, OomEvents: 1, Pids: 1},
					},
				},
			},
		},
	}
	return s
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestSummary(t *testing.T) {
	for name, summary := range map[string]any{
		"summary.json":       Summary(sample(10), sample(20)),
		"summary-cpu.json":   OnlyCPUAndMemory(Summary(sample(10), sample(20))),
		"summary-first.json": Summary(nil, &Sample{At: epoch, Node: Node{Name: "host-1"}}),
	} {
		data, err := json.MarshalIndent(summary, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, string(data)+"\n")
	}
}

func TestExposition(t *testing.T) {
	s := sample(20)
	broken := &Sample{At: epoch, Failed: 1, Node: Node{Away: true}}
	for name, write := range map[string]func(http.ResponseWriter, *http.Request){
		"resource.txt":        func(w http.ResponseWriter, r *http.Request) { WriteResource(w, r, s) },
		"resource-broken.txt": func(w http.ResponseWriter, r *http.Request) { WriteResource(w, r, broken) },
		"cadvisor.txt":        func(w http.ResponseWriter, r *http.Request) { WriteCAdvisor(w, r, s, "v1") },
		"probes.txt":          func(w http.ResponseWriter, r *http.Request) { WriteProbes(w, r, s) },
	} {
		answer := httptest.NewRecorder()
		write(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		if answer.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
			continue
		}
		golden(t, name, answer.Body.String())
	}
}

// What pods use is part of what the node uses, and what containers use part of what their pod uses.
func TestTheWholeIsNotLessThanItsParts(t *testing.T) {
	for _, edit := range []func(*Sample){
		func(*Sample) {},
		func(s *Sample) { s.Node.Stats = nil },
		func(s *Sample) { s.Node.Stats.MachinesTotal = &hostv1.Usage{} },
		func(s *Sample) { s.Pods[1].Machine = nil },
	} {
		s := sample(20)
		edit(s)
		summary := Summary(nil, s)
		var cpu, memory uint64
		for _, p := range summary.Pods {
			var inside, set uint64
			for _, c := range p.Containers {
				inside += *c.CPU.UsageCoreNanoSeconds
				set += *c.Memory.WorkingSetBytes
			}
			if inside > *p.CPU.UsageCoreNanoSeconds || set > *p.Memory.WorkingSetBytes {
				t.Errorf("pod %s: %d, %d of %d, %d", p.PodRef.Name, inside, set, *p.CPU.UsageCoreNanoSeconds, *p.Memory.WorkingSetBytes)
			}
			cpu, memory = cpu+*p.CPU.UsageCoreNanoSeconds, memory+*p.Memory.WorkingSetBytes
		}
		if n := summary.Node; cpu > *n.CPU.UsageCoreNanoSeconds || memory > *n.Memory.WorkingSetBytes {
			t.Errorf("node: %d, %d of %d, %d", cpu, memory, *n.CPU.UsageCoreNanoSeconds, *n.Memory.WorkingSetBytes)
		}
	}
}

func TestParseInterfaces(t *testing.T) {
	have := parseInterfaces(`Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:      10       1    0    0    0     0          0         0       10       1    0    0    0     0       0          0
  eth0:     100       2    3    4    0     0          0         0      200       5    6    7    0     0       0          0
tap0123456789ab: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
`)
	want := Interface{Name: "eth0", RxBytes: 100, RxPackets: 2, RxErrors: 3, RxDrops: 4, TxBytes: 200, TxPackets: 5, TxErrors: 6, TxDrops: 7}
	if len(have) != 1 || have[0] != want {
		t.Errorf("got %+v", have)
	}
}

func TestReadSystem(t *testing.T) {
	s := readSystem()
	if s.BootTime.IsZero() || s.OwnCPU == 0 || s.OwnMemory == 0 || s.MaxProcesses == 0 || s.Processes == 0 {
		t.Errorf("got %+v", s)
	}
}
