package component

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Status of all components, in the order of their start; side by side, since each may take a moment.
func (m *Manager) Status(ctx context.Context) []Status {
	m.mu.Lock()
	started := append([]*running(nil), m.started...)
	m.mu.Unlock()

	var parts []func() []Status
	for i, stage := range m.Stages {
		for j, c := range stage {
			parts = append(parts, func() []Status {
				if i >= len(started) {
					return []Status{{Name: c.Name(), State: Waiting, Message: "waits for what it depends on"}}
				}
				return started[i].parts[j].status(ctx)
			})
		}
	}
	lists := make([][]Status, len(parts))
	var group sync.WaitGroup
	for i, status := range parts {
		group.Go(func() { lists[i] = status() })
	}
	group.Wait()
	return slices.Concat(lists...)
}

func (p *part) status(ctx context.Context) []Status {
	status := Status{Name: p.name, State: Starting}
	select {
	case <-p.ready:
		status.State = Ready
	default:
	}
	if checker, ok := p.of.(Checker); ok {
		if err := checker.Check(ctx); err != nil {
			status.Message = err.Error()
			if status.State == Ready {
				status.State = stateOf(err)
			}
		}
	}
	select {
	case <-p.done:
		status.State = Stopped
	default:
	}
	list := []Status{status}
	if nested, ok := p.of.(Nested); ok {
		list = append(list, nested.Status(ctx)...)
	}
	return list
}

func stateOf(err error) State {
	var standby Standby
	if errors.As(err, &standby) {
		return Idle
	}
	return Failing
}
