package agent

import (
	"fmt"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/podstate"
	"pacific/internal/crx/agent/spec"

	"google.golang.org/protobuf/proto"
)

// resizeRetry is the time after which resources that could not be set are tried again: a container that uses more memory
// than its new limit may give some back.
const resizeRetry = 10 * time.Second

// resize brings a running container to the resources that it shall have, by a restart where it wants one for that.
func (p *pod) resize(name string) {
	p.mu.Lock()
	i, want := p.instances[name], p.containers[name]
	if i == nil || proto.Equal(i.resources, want.GetResources()) {
		p.mu.Unlock()
		return
	}
	restart := needsRestart(want, i.resources, want.GetResources())
	var err error
	if !restart {
		err = i.container.SetResources(spec.Resources(want.GetResources(), want.GetSecurity().GetPrivileged()))
		i.resizeFailed = ""
		if err == nil {
			i.resources = want.GetResources()
		} else {
			i.resizeFailed = fmt.Sprintf("container %s: %v", name, err)
		}
	}
	p.mu.Unlock()
	switch {
	case restart:
		p.tell(podstate.Event{Kind: podstate.Restart, Container: name, Message: fmt.Sprintf("Container %s resize requires restart", name)})
	case err != nil:
		time.AfterFunc(resizeRetry, func() { p.resize(name) })
		fallthrough
	default:
		p.tell(podstate.Event{Kind: podstate.Tick}) // publishes it
	}
}

// needsRestart tells whether the container's resize policy wants a restart for this change.
func needsRestart(c *agentv1.Container, have, want *agentv1.Resources) bool {
	cpu := have.GetCpuRequestMilli() != want.GetCpuRequestMilli() || have.GetCpuLimitMilli() != want.GetCpuLimitMilli()
	memory := have.GetMemoryRequestBytes() != want.GetMemoryRequestBytes() || have.GetMemoryLimitBytes() != want.GetMemoryLimitBytes()
	return cpu && c.GetRestartOnCpuResize() || memory && c.GetRestartOnMemoryResize()
}
