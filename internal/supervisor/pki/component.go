package pki

import (
	"context"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

// checkInterval is far below a third of a certificate's life, so that a Supervisor that was off for long, or whose disk
// was full, still has many tries.
const checkInterval = time.Hour

// Keeper is the component that keeps the Supervisor's certificates valid.
type Keeper struct {
	Layout    Layout
	Addresses Addresses
}

// Name of the component.
func (*Keeper) Name() string { return "certificates" }

// Init makes everything that the other components read at their start.
func (k *Keeper) Init(context.Context) error {
	if err := os.MkdirAll(k.Layout.DataDir, 0o700); err != nil {
		return err
	}
	return k.Layout.Ensure(k.Addresses)
}

// Run renews certificates before they run out.
func (k *Keeper) Run(ctx context.Context, ready func()) error {
	ready()
	wait.UntilWithContext(ctx, func(context.Context) {
		if err := k.Layout.Ensure(k.Addresses); err != nil {
			klog.ErrorS(err, "Cannot renew certificates; will try again", "after", checkInterval)
		}
	}, checkInterval)
	return ctx.Err()
}
