package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"pacific/internal/host/accelerator"
	"pacific/internal/host/cgroup"
	"pacific/internal/host/crx"
	"pacific/internal/host/disk"
	"pacific/internal/host/frequency"
	"pacific/internal/host/image"
	"pacific/internal/host/image/layercache"
	"pacific/internal/host/inventory"
	"pacific/internal/host/machine"
	"pacific/internal/host/metrics"
	"pacific/internal/host/pool"
	"pacific/internal/host/port"
	"pacific/internal/host/server"
	"pacific/internal/host/standby"
	"pacific/internal/host/template"
	"pacific/internal/host/trim"
	"pacific/internal/host/vmm"
	"pacific/internal/host/vmm/qemu"
	"pacific/internal/pki"
)

// Run runs hostd until ctx is done. Machines run on after it.
func Run(ctx context.Context, o *Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	if err := port.CheckBridge(o.ManagementBridge); err != nil {
		return fmt.Errorf("--management-bridge: %w", err)
	}
	unlock, err := claim(o)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := assemble(o)
	if err != nil {
		return err
	}
	go d.accelerator.find(ctx)
	if o.InstantClone {
		defer background(ctx, d.templates.Run)()
	}
	// Running guests come first: none of them waits for a certificate or an address.
	if d.machines, err = machine.Open(d.config); err != nil {
		return fmt.Errorf("bring machines and host together: %w", err)
	}
	if err := d.config.Pools.Commit(d.machines.Members()); err != nil {
		slog.Error("resource pools are not as wanted; trying again", "err", err)
	}
	defer background(ctx, func(ctx context.Context) { d.config.Pools.Run(ctx, d.machines.Members) })()
	d.disks.GuardBy(d.machines.DiskUser)
	if d.config.Standbys != nil {
		d.config.Standbys.Room = d.machines.Room
		defer background(ctx, d.config.Standbys.Run)()
	}
	go d.trim(ctx)
	layers, err := layercache.Open(o.StateDir, func() uint64 { return image.LayerLimit(o.StateDir, o.ImageGarbage) })
	if err != nil {
		return fmt.Errorf("open the cache of layers: %w", err)
	}
	images, err := image.NewService(ctx, image.Config{
		Store: d.images, Machines: d.machines, RegistryConfig: o.RegistryConfig, CPUs: o.CPUs,
		Layers: layers, Garbage: o.ImageGarbage, Emulated: func() bool { return d.accelerator.wait() == vmm.TCG },
	})
	if err != nil {
		return err
	}
	go images.CollectGarbagePeriodically(ctx)
	return d.serve(ctx, o, images)
}

// daemon is hostd's parts.
type daemon struct {
	config      machine.Config
	qemu        *qemu.QEMU
	disks       *disk.Store
	images      *image.Store
	machines    *machine.Manager
	accelerator *chosen
	templates   *template.Templates
}

// trim gives back what only emulation takes.
func (d *daemon) trim(ctx context.Context) {
	if d.accelerator.wait() == vmm.TCG {
		(&trim.Trim{VMM: d.qemu, Machines: d.machines.Running}).Run(ctx)
	}
}

// background runs something until the function that it returns is called. That waits, so that nothing is left half made.
func background(ctx context.Context, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// claim makes the directories and keeps a second hostd out of them.
func claim(o *Options) (unlock func(), err error) {
	for _, dir := range []string{o.StateDir, o.RunDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(o.StateDir, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("another hostd has %s; stop it or choose another --state-dir: %w", o.StateDir, err)
	}
	return func() { file.Close() }, nil
}

func assemble(o *Options) (*daemon, error) {
	binary, err := exec.LookPath(o.QEMU)
	if err != nil {
		return nil, fmt.Errorf("%w; install the package qemu-system-x86 or set --qemu", err)
	}
	guest := crx.OpenGuest(o.GuestDir)
	initrds, err := crx.OpenInitrds(guest, o.StateDir)
	if err != nil {
		return nil, err
	}
	disks, err := disk.Open(o.StateDir)
	if err != nil {
		return nil, fmt.Errorf("open the store of disks: %w", err)
	}
	images, err := image.OpenStore(o.StateDir)
	if err != nil {
		return nil, fmt.Errorf("open the store of images: %w", err)
	}
	d := &daemon{
		qemu:  &qemu.QEMU{Binary: binary, Plugin: o.plugin()},
		disks: disks, images: images, accelerator: newChosen(o.Accelerator),
	}
	cgroups := cgroup.New(o.CgroupParent)
	cgroups.Processors = float64(o.CPUs)
	pools, err := pool.Open(pool.Config{
		HostName: o.Name, StateDir: o.StateDir, Cgroups: cgroups, MHzPerCore: frequency.Nominal(os.DirFS("/")), CPUs: o.CPUs, MemoryBytes: o.MemoryBytes,
	})
	if err != nil {
		return nil, err
	}
	d.config = machine.Config{
		HostName: o.Name, StateDir: o.StateDir, RunDir: o.RunDir, CPUs: o.CPUs, MemoryBytes: o.MemoryBytes,
		VMM: d.qemu, Accelerator: d.accelerator.wait,
		Cgroups: cgroups, Pools: pools, Guest: guest, Initrds: initrds, TSCKHz: crx.MeasureTSC(),
		Resolvers: []machine.DiskResolver{disks, images, guest}, Disks: disks, ManagementBridge: o.ManagementBridge,
	}
	defaults, err := o.templates()
	if err != nil {
		return nil, err
	}
	var standbys *standby.Standbys
	if d.templates, err = template.Open(template.Config{
		StateDir: o.StateDir, RunDir: o.RunDir, VMM: d.config.VMM, Accelerator: d.accelerator.wait,
		Guest: guest, Initrds: initrds, TSCKHz: d.config.TSCKHz, Defaults: defaults,
		Made: func() { standbys.Poke() },
	}); err != nil {
		return nil, err
	}
	if o.InstantClone {
		standbys = standby.New(standby.Config{
			Traces:      standby.Traces{RunDir: o.RunDir, VMM: d.config.VMM, Cgroups: d.config.Cgroups},
			Accelerator: d.accelerator.wait, Guest: guest, Templates: d.templates, Classes: defaults, Count: o.Standbys,
			MemoryBytes: o.MemoryBytes, Scratch: disks.Scratch, Load: new(standby.Load).PerProcessor,
		})
		d.config.Templates, d.config.Standbys = d.templates, standbys
	}
	d.accelerator.prober = &accelerator.Prober{
		VMM: d.config.VMM, Guest: guest, Initrds: initrds, StateDir: o.StateDir, RunDir: filepath.Join(o.RunDir, "probe"),
	}
	return d, nil
}

func (d *daemon) serve(ctx context.Context, o *Options, images *image.Service) error {
	config, err := pki.ServerConfig(o.TLSCert, o.TLSKey, o.ClientCA)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("serve the API: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := d.serveMetrics(ctx, o, config, cancel); err != nil {
		listener.Close()
		return err
	}
	slog.Info("hostd serves", "host", o.Name, "address", listener.Addr().String(), "version", o.Version)
	err = server.Serve(ctx, listener, config, o.Name, server.Services{
		Host: &server.Host{
			Version: o.Version, Manager: d.machines, VMM: d.config.VMM, Guest: d.config.Guest,
			Inventory:   &inventory.Host{StateDir: o.StateDir, RunDir: o.RunDir, VMM: d.config.VMM, Cgroups: d.config.Cgroups},
			Accelerator: d.accelerator.get,
		},
		Machines: &server.Machines{Manager: d.machines},
		Pools:    &server.Pools{Manager: d.machines},
		Disks:    &server.Disks{Store: d.disks},
		Images:   images,
	})
	return errors.Join(err, context.Cause(ctx))
}

// serveMetrics serves beside the API; its failure ends hostd.
func (d *daemon) serveMetrics(ctx context.Context, o *Options, config *tls.Config, failed context.CancelCauseFunc) error {
	if o.MetricsListen == "" {
		return nil
	}
	listener, err := net.Listen("tcp", o.MetricsListen)
	if err != nil {
		return fmt.Errorf("serve metrics: %w; choose another --metrics-listen, or none", err)
	}
	collector := &metrics.Collector{Machines: d.machines, Version: o.Version, Proportional: metrics.Proportional, More: []prometheus.Collector{machine.Starts(), d.config.Standbys}}
	go func() {
		if err := metrics.Serve(ctx, listener, config.Clone(), collector); err != nil {
			failed(err)
		}
	}()
	return nil
}

// chosen is the accelerator, once it is known.
type chosen struct {
	prober *accelerator.Prober
	known  chan struct{}
	value  vmm.Accelerator
	fixed  bool
}

func newChosen(flag string) *chosen {
	c := &chosen{known: make(chan struct{})}
	if flag != "auto" {
		c.value, c.fixed = vmm.Accelerator(flag), true
	}
	return c
}

// find asks the prober unless the administrator has chosen. TCG is always possible.
func (c *chosen) find(ctx context.Context) {
	defer close(c.known)
	if c.fixed {
		return
	}
	found, err := c.prober.Find(ctx)
	if err != nil {
		slog.Warn("cannot find out the accelerator, using tcg until the next start", "err", err)
	}
	c.value = found
}

func (c *chosen) wait() vmm.Accelerator {
	<-c.known
	return c.value
}

func (c *chosen) get(ctx context.Context) (vmm.Accelerator, error) {
	select {
	case <-c.known:
		return c.value, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
