package center

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"pacific/internal/component"
	"pacific/internal/supervisor/etcd"
)

const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 5 * time.Second
)

// Run runs center until ctx is cancelled.
func Run(ctx context.Context, config Config) error {
	if err := config.validate(); err != nil {
		return err
	}
	dir, err := filepath.Abs(config.DataDir)
	if err != nil {
		return err
	}
	config.DataDir = dir
	stages, err := config.stages()
	if err != nil {
		return err
	}
	manager := component.Manager{Stages: stages, StartTimeout: startTimeout, StopTimeout: stopTimeout}
	return manager.Run(ctx)
}

func (c *Config) stages() ([]component.Stage, error) {
	certificates := &certificates{config: c}
	services := &services{config: c}
	if len(c.Etcd.Endpoints) > 0 {
		return []component.Stage{{certificates}, {services}}, nil
	}
	own, err := etcd.New(Layout{c.DataDir}.EtcdDir(), nil)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	services.socket = own.Endpoint()
	return []component.Stage{{own, certificates}, {services}}, nil
}
