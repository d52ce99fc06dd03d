package spherelet

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/spherelet/admission"
	"pacific/internal/spherelet/eviction"
	"pacific/internal/spherelet/node"
	"pacific/internal/spherelet/podworker"
	"pacific/internal/spherelet/shutdown"
)

// EvictionOptions are the kubelet's flags of these names.
type EvictionOptions struct {
	Hard, Soft, SoftGrace string
	Transition            time.Duration
	MaxGraceSeconds       int64
}

func (o *EvictionOptions) config() (eviction.Config, error) {
	thresholds, err := eviction.Parse(o.Hard, o.Soft, o.SoftGrace)
	return eviction.Config{Thresholds: thresholds, Transition: o.Transition, MaxGraceSeconds: o.MaxGraceSeconds}, err
}

// guard makes the parts that end pods for the sake of the host.
func (p *parts) guard(config eviction.Config) {
	p.eviction = &eviction.Manager{
		Config:  config,
		Levels:  p.agent.Levels,
		Reclaim: p.reclaim,
		Pods:    func(ctx context.Context) []eviction.Usage { return p.workers.Usage(ctx) },
		Evict:   p.evict,
		Changed: p.agent.Poke,
		Events:  p.events,
		Node:    &v1.ObjectReference{Kind: "Node", Name: p.options.NodeName, UID: types.UID(p.options.NodeName)},
	}
	p.shutdown = &shutdown.Manager{
		Total: p.options.ShutdownGrace, Critical: p.options.ShutdownGraceCritical,
		Pods: func() []*v1.Pod { return p.workers.Active() },
		End: func(ctx context.Context, o shutdown.Order) error {
			return p.workers.Evict(ctx, o.Pod, podworker.Eviction{Reason: shutdown.Reason, Message: shutdown.Message,
				Condition: shutdown.Message, GraceSeconds: o.GraceSeconds})
		},
		Changed: p.agent.Poke,
		File:    filepath.Join(p.options.StateDir, "shutdown"),
		BootID:  node.BootID(),
	}
	p.agent.Watch(p.eviction.Pressures, func() error {
		if p.shutdown.Active() {
			return shutdown.ErrNode
		}
		return nil
	})
}

// reclaim lets hostd remove all images that nothing uses.
func (p *parts) reclaim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := p.host.Images.CollectGarbage(ctx, &hostv1.CollectGarbageRequest{FreeBytes: node.AllImages}); err != nil {
		return err
	}
	p.agent.Look(ctx)
	return nil
}

func (p *parts) evict(ctx context.Context, victim *eviction.Victim) error {
	return p.workers.Evict(ctx, victim.Pod, podworker.Eviction{Reason: eviction.Reason, Message: victim.Message,
		Condition: victim.Message, GraceSeconds: victim.GraceSeconds})
}

// admission is what pods are fitted into.
func (p *parts) admission() admission.Node {
	return admission.Node{
		Allocatable:   p.agent.Allocatable(),
		Object:        p.agent.Node(),
		Pressures:     p.eviction.Pressures(),
		ShuttingDown:  p.shutdown.Active(),
		UnsafeSysctls: p.options.UnsafeSysctls,
		IPs:           []string{p.options.NodeIP},
		Reserved:      p.options.ports(),
	}
}

// watchHost sees to the host as soon as the workers know all pods.
func (p *parts) watchHost(ctx context.Context) error {
	go p.eviction.Run(ctx)
	go p.obey(ctx)
	return p.shutdown.Resume(ctx)
}

// obey the signals that say that the host is about to power off, and that it is not.
func (p *parts) obey(ctx context.Context) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPWR, syscall.SIGUSR2)
	defer signal.Stop(signals)
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			if s == syscall.SIGPWR {
				err = p.shutdown.Begin(ctx)
			} else {
				err = p.shutdown.Cancel()
			}
		}
		if err != nil {
			klog.ErrorS(err, "Shutdown")
		}
	}
}
