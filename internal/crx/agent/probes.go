package agent

import (
	"context"
	"net/netip"
	"strings"
	"sync"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/podstate"
	"pacific/internal/crx/agent/probe"
)

// probes are the running probes of an instance.
type probes struct {
	mu      sync.Mutex
	ended   bool
	cancels map[string]context.CancelFunc
}

func (p *probes) begin(kind string) (context.Context, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.cancels[kind] != nil {
		return nil, false
	}
	if p.cancels == nil {
		p.cancels = map[string]context.CancelFunc{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancels[kind] = cancel
	return ctx, true
}

// stopKilling ends the probes that may end the container; it is being ended.
func (p *probes) stopKilling() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, kind := range []string{"startup", "liveness"} {
		if cancel := p.cancels[kind]; cancel != nil {
			cancel()
		}
	}
}

func (p *probes) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, cancel := range p.cancels {
		cancel()
	}
}

func (i *instance) probeStartup() {
	i.probe("startup", "Startup", i.spec.GetStartupProbe(), func(healthy bool) podstate.Event {
		if healthy {
			return podstate.Event{Kind: podstate.Up}
		}
		return podstate.Event{Kind: podstate.Unhealthy, Message: "startup"}
	})
}

func (i *instance) probeAll() {
	i.probe("liveness", "Liveness", i.spec.GetLivenessProbe(), func(healthy bool) podstate.Event {
		if healthy {
			return podstate.Event{}
		}
		return podstate.Event{Kind: podstate.Unhealthy, Message: "liveness"}
	})
	i.probe("readiness", "Readiness", i.spec.GetReadinessProbe(), func(healthy bool) podstate.Event {
		if healthy {
			return podstate.Event{Kind: podstate.Ready}
		}
		return podstate.Event{Kind: podstate.NotReady}
	})
}

// probe runs one probe; event says what a reached threshold means.
func (i *instance) probe(kind, title string, p *agentv1.Probe, event func(healthy bool) podstate.Event) {
	if p == nil {
		return
	}
	ctx, ok := i.probes.begin(kind)
	if !ok {
		return
	}
	each := func(r probe.Result) {
		i.pod.probeCounts.add(i.spec.GetName(), kind, r)
		i.noteProbe(title, r)
	}
	// The machine hears of changes only.
	var last podstate.Event
	report := func(healthy bool) {
		e := event(healthy)
		e.Container = i.spec.GetName()
		if e.Kind == "" || e == last {
			return
		}
		last = e
		if kind == "startup" || e.Kind == podstate.Unhealthy {
			i.probes.cancel(kind) // its work is done
		}
		i.pod.tell(e)
	}
	go probe.Run(ctx, i.target(), p, i.started, each, report)
}

func (p *probes) cancel(kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancels[kind]()
}

// noteProbe keeps a failed check as an event, in the kubelet's words.
func (i *instance) noteProbe(title string, r probe.Result) {
	note := podstate.Action{Warning: true, Reason: "Unhealthy", Container: i.spec.GetName()}
	switch {
	case r.Err != nil:
		note.Message = title + " probe errored and resulted in unknown state: " + r.Err.Error()
	case !r.OK:
		note.Message = title + " probe failed: " + r.Output
	case strings.HasPrefix(r.Output, "Probe terminated redirects"):
		note.Reason, note.Message = "ProbeWarning", title+" probe warning: "+r.Output
	default:
		return
	}
	i.pod.status.note(note)
	i.pod.tell(podstate.Event{Kind: podstate.Tick}) // publishes it
}

// target is the container as its probes see it.
func (i *instance) target() probe.Target {
	host := "127.0.0.1"
	for _, cidr := range i.pod.spec.GetNetwork().GetAddresses() {
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			host = prefix.Addr().String()
			break
		}
	}
	return probe.Target{Host: host, Exec: i.run}
}

func join(command []string) string { return strings.Join(command, " ") }
