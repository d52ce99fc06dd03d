package agent

import (
	"cmp"
	"slices"
	"sync"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/probe"
)

// probeCounts are the results of all probes since the machine started, over restarts of containers.
type probeCounts struct {
	mu     sync.Mutex
	counts map[[2]string]*agentv1.ProbeCount
}

func (p *probeCounts) add(container, kind string, r probe.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [2]string{container, kind}
	count := p.counts[key]
	if count == nil {
		count = &agentv1.ProbeCount{Container: container, Kind: kind}
		if p.counts == nil {
			p.counts = map[[2]string]*agentv1.ProbeCount{}
		}
		p.counts[key] = count
	}
	switch {
	case r.Err != nil:
		count.Unknown++
	case r.OK:
		count.Successful++
	default:
		count.Failed++
	}
}

// list is a copy, in the order of containers and kinds.
func (p *probeCounts) list() []*agentv1.ProbeCount {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*agentv1.ProbeCount
	for _, c := range p.counts {
		all = append(all, &agentv1.ProbeCount{Container: c.Container, Kind: c.Kind, Successful: c.Successful, Failed: c.Failed, Unknown: c.Unknown})
	}
	slices.SortFunc(all, func(a, b *agentv1.ProbeCount) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}
