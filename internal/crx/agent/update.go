package agent

import (
	"context"
	"fmt"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/podstate"

	"google.golang.org/protobuf/proto"
)

// update changes what may change of a pod that was handed over.
func (p *pod) update(ctx context.Context, req *agentv1.UpdateRequest) error {
	for _, v := range req.GetVolumes() {
		if err := p.files.update(ctx, v); err != nil {
			return err
		}
	}
	for _, c := range req.GetContainers() {
		if err := p.updateContainer(c); err != nil {
			return err
		}
	}
	for _, c := range req.GetEphemeralContainers() {
		p.addEphemeral(c)
	}
	if req.ActiveDeadlineSeconds != nil {
		p.tell(podstate.Event{Kind: podstate.Deadline, Grace: time.Duration(req.GetActiveDeadlineSeconds()) * time.Second})
	}
	return nil
}

func (p *pod) updateContainer(c *agentv1.Container) error {
	p.mu.Lock()
	known := p.containers[c.GetName()]
	if known != nil {
		p.know(c)
	}
	p.mu.Unlock()
	switch {
	case known == nil:
		return fmt.Errorf("container %s: the pod has none of this name", c.GetName())
	case proto.Equal(known, c):
		return nil
	}
	s := planContainer(p.spec, c)
	p.tell(podstate.Event{Kind: podstate.Change, Container: c.GetName(), Spec: &s})
	if known.GetImage() != c.GetImage() {
		why := fmt.Sprintf("Container %s definition changed, will be restarted", c.GetName())
		p.tell(podstate.Event{Kind: podstate.Restart, Container: c.GetName(), Message: why})
		return nil
	}
	p.resize(c.GetName())
	return nil
}

func (p *pod) addEphemeral(c *agentv1.Container) {
	p.mu.Lock()
	known := p.containers[c.GetName()] != nil
	if !known {
		p.know(c)
	}
	p.mu.Unlock()
	if !known {
		s := planEphemeral(p.spec, c)
		p.tell(podstate.Event{Kind: podstate.Add, Spec: &s})
	}
}
