package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Results of one run; a section that was not asked for is nil. Times are in seconds.
type Results struct {
	Machine Machine `json:"machine"`
	// Workload is what the pods run.
	Workload string `json:"workload"`
	// F is what everything is compared with.
	F      *Bare   `json:"bare,omitempty"`
	Start  *Start  `json:"start,omitempty"`
	Burst  *Crowd  `json:"burst,omitempty"`
	Memory *Memory `json:"memory,omitempty"`
	Scale  *Crowd  `json:"scale,omitempty"`
	Idle   *Idle   `json:"idle,omitempty"`
}

// Machine that the figures are of.
type Machine struct {
	CPUs        int    `json:"cpus"`
	MemoryBytes uint64 `json:"memoryBytes"`
	Kernel      string `json:"kernel"`
	Accelerator string `json:"accelerator"`
	VMM         string `json:"vmm"`
	GuestKernel string `json:"guestKernel"`
	Hosts       int    `json:"hosts"`
}

// Bare machine: QEMU microvm with the CRX kernel, from the start of the process to its init.
type Bare struct {
	Boots int     `json:"boots"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
}

// Start of pods one at a time, from create to Ready, their image on the host.
type Start struct {
	Pods     int     `json:"pods"`
	P50      float64 `json:"p50"`
	P90      float64 `json:"p90"`
	P50ByF   float64 `json:"p50ByF"`
	P90ByF   float64 `json:"p90ByF"`
	Stages   []Stage `json:"stages"`
	Deletion float64 `json:"deletionP50"`
}

// Stage of a start: how long after the host got the pod it was over.
type Stage struct {
	Name string  `json:"name"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
}

// Crowd is many pods at once, on all hosts.
type Crowd struct {
	Pods int `json:"pods"`
	// AllReady is from the first create to the last Ready; P50 and P90 are the pods', each from its own create.
	AllReady    float64 `json:"allReady"`
	AllReadyByF float64 `json:"allReadyByF"`
	P50         float64 `json:"p50"`
	P90         float64 `json:"p90"`
	// Hold is how long they were watched, Lapses how many stopped being Ready meanwhile, Restarts of their containers.
	Hold     float64 `json:"hold"`
	Lapses   int     `json:"lapses"`
	Restarts int     `json:"restarts"`
	// Deletion is from the request to delete all until the hosts have nothing left of them.
	Deletion float64 `json:"deletion"`
}

// Memory of the host side of idle pods with one container, in bytes of the proportional set size.
type Memory struct {
	Pods int      `json:"pods"`
	Mean Parts    `json:"mean"`
	Max  Parts    `json:"max"`
	Over Overhead `json:"overhead"`
	// Daemons of all hosts together.
	Daemons map[string]int64 `json:"daemons"`
}

// Overhead that the scheduler counts for such a pod, and how it compares with the mean.
type Overhead struct {
	Counted int64   `json:"counted"`
	ByMean  float64 `json:"byMean"`
}

// Idle is what pods that do nothing cost, in per cent of one core.
type Idle struct {
	Pods     int     `json:"pods"`
	Window   float64 `json:"window"`
	Machines float64 `json:"machines"` // all VMMs together
	PerPod   float64 `json:"perPod"`
	// Daemons by kind, all hosts together.
	Daemons map[string]float64 `json:"daemons"`
}

// percentile of durations by the nearest rank; p from 0 to 100.
func percentile(durations []time.Duration, p float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// bareOf sums up the boots of bare machines.
func bareOf(boots []time.Duration) *Bare {
	return &Bare{Boots: len(boots), P50: percentile(boots, 50).Seconds(), P90: percentile(boots, 90).Seconds()}
}

// compare fills in the ratios.
func (r *Results) compare() {
	if r.F == nil || r.F.P50 == 0 {
		return
	}
	if s := r.Start; s != nil {
		s.P50ByF, s.P90ByF = s.P50/r.F.P50, s.P90/r.F.P50
	}
	for _, c := range []*Crowd{r.Burst, r.Scale} {
		if c != nil {
			c.AllReadyByF = c.AllReady / r.F.P50
		}
	}
}

// stagesOf turns what spherelet tells of each pod into stages in the order in which they usually end.
func stagesOf(pods []map[string]float64) []Stage {
	ends := map[string][]time.Duration{}
	for _, pod := range pods {
		for name, seconds := range pod {
			ends[name] = append(ends[name], time.Duration(seconds*float64(time.Second)))
		}
	}
	var stages []Stage
	for name, durations := range ends {
		stages = append(stages, Stage{name, percentile(durations, 50).Seconds(), percentile(durations, 90).Seconds()})
	}
	slices.SortFunc(stages, func(a, b Stage) int { return cmp.Or(cmp.Compare(a.P50, b.P50), cmp.Compare(a.Name, b.Name)) })
	return stages
}
