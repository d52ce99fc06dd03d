// Package floating holds the floating address of a Supervisor on exactly one of its healthy members.
//
// Who has it renews a Lease, through its own kube-apiserver, and with each renewal lends the address to its interface for
// a while: a member that cannot renew loses it by itself, before another one may take it.
package floating

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/component"
	"pacific/internal/supervisor/member"
)

const (
	// A new holder announces the address several times, since a dead one's kernel may answer for it two seconds longer;
	// and then now and then, for machines that have heard neither.
	announceOften = 10
	announceEvery = 60
	// releaseTimeout bounds the stop; an address that could not be given back is free after its Lease.
	releaseTimeout = time.Second
)

// Config of the component.
type Config struct {
	Address   netip.Prefix
	Interface string
	// Self is the name of this member; Alone tells that there is no other, so that nothing has to be agreed on.
	Self       string
	Alone      bool
	Kubeconfig string
	Timing     member.FloatingTiming
}

// Holder is the component.
type Holder struct {
	config  Config
	address address

	mu       sync.Mutex
	holder   string // as last seen
	problem  error
	renewals int
}

// New returns the component.
func New(config Config) *Holder {
	return &Holder{config: config, address: address{prefix: config.Address, link: config.Interface}}
}

// Name of the component.
func (*Holder) Name() string { return "floating address" }

// Init takes away what a killed predecessor left.
func (h *Holder) Init(context.Context) error { return h.address.remove() }

// Run takes part until ctx is cancelled. It is ready when it knows who has the address, or has it.
func (h *Holder) Run(ctx context.Context, ready func()) error {
	if h.config.Alone {
		return h.keep(ctx, ready)
	}
	lease, err := newLease(h.config.Kubeconfig, h.config.Self, h.config.Timing.Lease)
	if err != nil {
		return err
	}
	defer h.release(lease)
	ticker := time.NewTicker(h.config.Timing.Tick)
	defer ticker.Stop()
	var until time.Time
	for {
		until = h.turn(ctx, lease, until)
		if holder, err := h.seen(); err == nil && holder != "" {
			ready()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// turn does what is to do now. It takes and returns the time until which this member may have the address; zero when it
// has not.
func (h *Holder) turn(ctx context.Context, l *lease, until time.Time) time.Time {
	begin := time.Now()
	deadline := begin.Add(2 * h.config.Timing.Tick)
	if !until.IsZero() && until.Before(deadline) {
		deadline = until
	}
	bounded, cancel := context.WithDeadline(ctx, deadline)
	err := h.agree(bounded, l)
	cancel()
	h.see(l.seen.holder, err)
	switch {
	case err == nil && l.seen.holder == h.config.Self:
		// Counted from before the request: the others count from when they saw its effect.
		until = begin.Add(h.config.Timing.Hold)
		h.hold(until)
	case err == nil:
		h.drop(until, "another member has it")
		until = time.Time{}
	case !until.IsZero() && !time.Now().Before(until):
		h.drop(until, "it could not be renewed in time: "+err.Error())
		until = time.Time{}
	}
	return until
}

var errUnhealthy = errors.New("the kube-apiserver of this member is not ready, so it does not take the address")

// agree reads the Lease, and takes or renews it.
func (h *Holder) agree(ctx context.Context, l *lease) error {
	// Who has it writes on top of what it wrote; if somebody else wrote, the next turn reads.
	if l.record == nil || l.seen.holder != h.config.Self || h.failing() {
		if err := l.read(ctx); err != nil {
			return err
		}
	}
	switch decide(time.Now(), h.config.Self, l.seen, h.config.Timing.Lease) {
	case take:
		if !l.healthy(ctx) {
			return errUnhealthy
		}
		return l.write(ctx, h.config.Self)
	case renew:
		return l.write(ctx, h.config.Self)
	}
	return nil
}

func (h *Holder) hold(until time.Time) {
	if err := h.address.add(time.Until(until)); err != nil {
		klog.ErrorS(err, "Cannot hold the floating address")
		h.see(h.config.Self, err)
		return
	}
	h.renewals++
	if h.renewals == 1 {
		klog.InfoS("This member has the floating address now", "address", h.config.Address, "interface", h.config.Interface)
	}
	if h.renewals <= announceOften || h.renewals%announceEvery == 0 {
		if err := h.address.announce(); err != nil {
			klog.ErrorS(err, "Cannot announce the floating address")
		}
	}
}

// drop gives the address up, if this member had it.
func (h *Holder) drop(until time.Time, why string) {
	if until.IsZero() {
		return
	}
	h.renewals = 0
	if err := h.address.remove(); err != nil {
		klog.ErrorS(err, "Cannot give up the floating address; the kernel will take it away")
		return
	}
	klog.InfoS("This member gave up the floating address", "address", h.config.Address, "why", why)
}

// release gives the address back, so that another member need not wait.
func (h *Holder) release(l *lease) {
	if err := h.address.remove(); err != nil {
		klog.ErrorS(err, "Cannot take the floating address away")
	}
	if l.record == nil || l.seen.holder != h.config.Self {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := l.write(ctx, ""); err != nil {
		klog.V(1).InfoS("The floating address was not given back, the others wait for it", "err", err)
	}
}

// keep holds the address of a Supervisor that has one member.
func (h *Holder) keep(ctx context.Context, ready func()) error {
	defer func() {
		if err := h.address.remove(); err != nil {
			klog.ErrorS(err, "Cannot take the floating address away")
		}
	}()
	ticker := time.NewTicker(h.config.Timing.Hold)
	defer ticker.Stop()
	for {
		err := h.address.add(0)
		h.see(h.config.Self, err)
		if err == nil {
			if h.renewals++; h.renewals <= announceOften {
				err = h.address.announce()
			}
			ready()
		}
		if err != nil {
			klog.ErrorS(err, "Cannot hold the floating address")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (h *Holder) see(holder string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holder, h.problem = holder, err
}

func (h *Holder) seen() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.holder, h.problem
}

func (h *Holder) failing() bool {
	_, err := h.seen()
	return err != nil
}

// Holder is the name of the member that has the address, as far as this one knows; empty when nobody has.
func (h *Holder) Holder() string {
	holder, _ := h.seen()
	return holder
}

// Check says who has the address when it is another member.
func (h *Holder) Check(context.Context) error {
	switch holder, err := h.seen(); {
	case err != nil:
		return err
	case holder == h.config.Self:
		return nil
	case holder == "":
		return errors.New("nobody has the address yet")
	default:
		return component.Standby("held by " + holder)
	}
}
