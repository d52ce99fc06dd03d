package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/mount"
	"pacific/internal/crx/agent/podstate"
	"pacific/internal/crx/agent/runtime"
)

// pod carries out what the state machine decides and tells it what happens. All of the machine is in one goroutine, run.
type pod struct {
	spec    *agentv1.Pod
	runtime *runtime.Runtime
	machine *podstate.Machine
	inbox   chan podstate.Event
	status  *publisher
	record  *recorder

	volumes   *mount.Volumes
	files     *fileSets
	setupStop context.CancelFunc
	setupCtx  context.Context
	setup     chan setupResult
	pids      string // path of the shared PID namespace

	probeCounts probeCounts

	mu         sync.Mutex
	containers map[string]*agentv1.Container // of all kinds, as they are to be at their next start
	order      []string                      // of their names, as in the pod
	instances  map[string]*instance          // running ones, by container
	logs       map[string]*instance          // the newest of each, for its log's end
}

func newPod(r *runtime.Runtime, spec *agentv1.Pod) *pod {
	p := &pod{
		spec:       spec,
		runtime:    r,
		machine:    podstate.New(plan(spec)),
		inbox:      make(chan podstate.Event, 64),
		setup:      make(chan setupResult),
		containers: map[string]*agentv1.Container{},
		instances:  map[string]*instance{},
		logs:       map[string]*instance{},
	}
	for _, list := range [][]*agentv1.Container{spec.GetInitContainers(), spec.GetContainers(), spec.GetEphemeralContainers()} {
		for _, c := range list {
			p.know(c)
		}
	}
	p.setupCtx, p.setupStop = context.WithCancel(context.Background())
	disks := mount.NewDisks(runDir + "/disks")
	p.volumes = &mount.Volumes{Disks: disks, Dir: runDir + "/volumes", Ephemeral: ephemeralDir + "/volumes", FSGroup: spec.FsGroup}
	p.files = newFileSets(p.volumes)
	p.status = newPublisher(p.project())
	return p
}

// run is the pod's life.
func (p *pod) run() {
	go p.prepare()
	wake := time.NewTimer(0)
	wake.Stop()
	for {
		select {
		case s := <-p.setup:
			p.prepared(s)
		case e := <-p.inbox:
			p.step(e)
		case <-wake.C:
			p.step(podstate.Event{Kind: podstate.Tick})
		}
		wake.Stop()
		if at := p.machine.Wake(); !at.IsZero() {
			wake.Reset(time.Until(at))
		}
	}
}

// tell is called by everything that happens.
func (p *pod) tell(e podstate.Event) { p.inbox <- e }

func (p *pod) step(e podstate.Event) {
	actions := p.machine.Step(time.Now(), e)
	for _, a := range actions {
		p.act(a)
	}
	p.publish()
}

func (p *pod) act(a podstate.Action) {
	switch a.Kind {
	case podstate.Start:
		go p.start(a.Container, a.Attempt)
	case podstate.Note:
		p.status.note(a)
	case podstate.Finish:
		p.setupStop()
	default:
		if i := p.instance(a.Container); i != nil {
			i.act(a)
		}
	}
}

// stop ends the pod, before it is set up too.
func (p *pod) stop(grace time.Duration) {
	p.setupStop()
	p.tell(podstate.Event{Kind: podstate.Stop, Grace: grace})
}

// fromImage tells whether a volume shows the files of an image.
func (p *pod) fromImage(volume string) bool {
	return slices.ContainsFunc(p.spec.GetVolumes(), func(v *agentv1.Volume) bool { return v.GetName() == volume && v.GetImage() != nil })
}

// instance returns the running instance of a container, or nil.
func (p *pod) instance(container string) *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.instances[container]
}

// know takes a container's configuration for its next start.
func (p *pod) know(c *agentv1.Container) {
	if p.containers[c.GetName()] == nil {
		p.order = append(p.order, c.GetName())
	}
	p.containers[c.GetName()] = c
}

func (p *pod) container(name string) *agentv1.Container {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.containers[name]
}
