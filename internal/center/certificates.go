package center

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"pacific/internal/pki"
)

// checkInterval is far below a third of a certificate's life.
const checkInterval = time.Hour

// certificates is the component that keeps center's authorities and its own certificate.
type certificates struct{ config *Config }

// Name of the component.
func (*certificates) Name() string { return "certificates" }

// Init makes what other components read at their start.
func (c *certificates) Init(context.Context) error { return c.ensure() }

func (c *certificates) ensure() error {
	layout := Layout{c.config.DataDir}
	cert, key := c.config.hostCA()
	if _, err := pki.LoadOrCreateCA(cert, key, "pacific-hosts"); err != nil {
		return err
	}
	cert, key = layout.CA()
	ca, err := pki.LoadOrCreateCA(cert, key, "pacific-center")
	if err != nil {
		return err
	}
	for _, leaf := range c.config.leaves() {
		if _, err := ca.Ensure(leaf); err != nil {
			return err
		}
	}
	return nil
}

// Run renews certificates before they run out.
func (c *certificates) Run(ctx context.Context, ready func()) error {
	ready()
	wait.UntilWithContext(ctx, func(context.Context) {
		if err := c.ensure(); err != nil {
			klog.ErrorS(err, "Cannot renew certificates; will try again", "after", checkInterval)
		}
	}, checkInterval)
	return ctx.Err()
}
