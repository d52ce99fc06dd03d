package dataplane

import (
	"context"
	"errors"
)

// Component is the dataplane as a part of another program: the control plane's, whose machine runs only one.
type Component struct {
	config Config
	health *health
}

// NewComponent returns the dataplane with this configuration.
func NewComponent(config Config) *Component { return &Component{config: config, health: new(health)} }

// Name of the component.
func (*Component) Name() string { return "dataplane" }

// Run works until ctx is done. Nothing waits for it: it is ready at once, and Check tells more.
func (c *Component) Run(ctx context.Context, ready func()) error {
	ready()
	return run(ctx, c.config, c.health)
}

// Check tells whether the machine's network is as it should be.
func (c *Component) Check(context.Context) error {
	if c.health.Load() {
		return nil
	}
	return errors.New("the machine's network is not as it should be yet, see the log")
}
