// Package podstarts keeps how long each stage of the start of each pod took.
package podstarts

import (
	"sort"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stage of a pod's start, in the usual order. Several run side by side.
type Stage string

// Stages. Each has the time at which it was over.
const (
	Created          Stage = "created"           // the Pod object, by the API server's clock, to the second
	Scheduled        Stage = "scheduled"         // bound to this node, by the API server's clock, to the second
	Observed         Stage = "observed"          // this spherelet got the pod
	MachineRequested Stage = "vm-requested"      // hostd was asked for the machine
	MachineStarted   Stage = "vm-started"        // the VMM runs
	MachineUp        Stage = "vm-up"             // the guest's PID 1 reported ready
	AgentConnected   Stage = "agent-connected"   // and has told its status
	Configured       Stage = "configured"        // ConfigMaps, Secrets, tokens are read
	Network          Stage = "network"           // the port is programmed
	Image            Stage = "image"             // the images' disks are attached
	HandedOver       Stage = "handed-over"       // the agent took the pod
	ContainerStarted Stage = "container-started" // the first container of the pod proper runs
	Ready            Stage = "ready"             // the Ready condition became true
	ReadyWritten     Stage = "ready-written"     // and the API server has it
)

// kept bounds the memory: the last starts are of interest, and a node has not many more pods.
const kept = 500

// Start of one pod.
type Start struct {
	Namespace string              `json:"namespace"`
	Name      string              `json:"name"`
	UID       string              `json:"uid"`
	Stages    map[Stage]time.Time `json:"stages"`
	// Seconds from Observed to the end of each stage.
	Seconds map[Stage]float64 `json:"seconds"`
}

// Recorder keeps the starts of the last pods.
type Recorder struct {
	duration *prometheus.HistogramVec

	mu     sync.Mutex
	starts map[string]*Start
	order  []string
}

// NewRecorder makes a recorder whose metric is registered with registry.
func NewRecorder(registry prometheus.Registerer) *Recorder {
	r := &Recorder{
		starts: map[string]*Start{},
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "pacific_pod_start_stage_duration_seconds",
			Help:    "Time from when the spherelet got a pod to the end of each stage of its start.",
			Buckets: []float64{.01, .025, .05, .1, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300},
		}, []string{"stage"}),
	}
	registry.MustRegister(r.duration)
	return r
}

// Begin notes that the spherelet got the pod.
func (r *Recorder) Begin(namespace, name, uid string, created, scheduled, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.starts[uid] != nil {
		return
	}
	r.starts[uid] = &Start{Namespace: namespace, Name: name, UID: uid,
		Stages: map[Stage]time.Time{Created: created, Scheduled: scheduled, Observed: now}, Seconds: map[Stage]float64{}}
	r.order = append(r.order, uid)
	if len(r.order) > kept {
		delete(r.starts, r.order[0])
		r.order = r.order[1:]
	}
}

// Reached notes the end of a stage; only the first time counts.
func (r *Recorder) Reached(uid string, stage Stage, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.starts[uid]
	if s == nil {
		return
	}
	if _, known := s.Stages[stage]; known {
		return
	}
	s.Stages[stage] = at
	took := max(0, at.Sub(s.Stages[Observed]).Seconds())
	s.Seconds[stage] = took
	r.duration.WithLabelValues(string(stage)).Observe(took)
}

// List returns the starts, oldest first.
func (r *Recorder) List() []Start {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Start, 0, len(r.starts))
	for _, s := range r.starts {
		c := Start{Namespace: s.Namespace, Name: s.Name, UID: s.UID, Stages: map[Stage]time.Time{}, Seconds: map[Stage]float64{}}
		for k, v := range s.Stages {
			c.Stages[k] = v
		}
		for k, v := range s.Seconds {
			c.Seconds[k] = v
		}
		list = append(list, c)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Stages[Observed].Before(list[j].Stages[Observed]) })
	return list
}
