package onemachine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/onemachine/network"
	"pacific/internal/onemachine/plan"
	"pacific/internal/onemachine/preflight"
)

// Request is what the user wants of an instance. Zero values mean: as it is, or the default for a new one.
type Request struct {
	Home        string
	Hosts       int
	Accelerator string
	BinDir      string
	HostCPUs    int
	HostMemory  int64 // bytes
	// ControlPlanes is how many members the control plane has: 1, 3 or 5. ControlPlane is what they are: auto, process or vm.
	ControlPlanes int
	ControlPlane  string
}

// Resolve computes the instance that a request makes of an earlier one, or of none.
func Resolve(earlier *instance.Instance, r Request, machine Machine) (instance.Instance, error) {
	in := instance.Instance{Home: r.Home, Hosts: 3, Options: instance.Options{Accelerator: "auto", HostCPUs: machine.CPUs, ControlPlanes: 1, ControlPlane: "auto"}}
	if earlier != nil {
		in = *earlier
	}
	if r.Hosts != 0 {
		if earlier != nil && r.Hosts < earlier.Hosts {
			return in, fmt.Errorf("the instance has %d hosts; it can grow but not shrink to %d: pacific down --purge deletes it with all that runs on it", earlier.Hosts, r.Hosts)
		}
		in.Hosts = r.Hosts
	}
	if in.Hosts < 1 || in.Hosts > instance.MaxHosts {
		return in, fmt.Errorf("%d hosts; possible are 1 to %d", in.Hosts, instance.MaxHosts)
	}
	if r.Accelerator != "" {
		in.Options.Accelerator = r.Accelerator
	}
	if !slices.Contains([]string{"auto", "kvm", "tcg"}, in.Options.Accelerator) {
		return in, fmt.Errorf("accelerator %q is none of auto, kvm, tcg", in.Options.Accelerator)
	}
	if err := r.controlPlane(&in, earlier != nil); err != nil {
		return in, err
	}
	in.Options.BinDir = r.BinDir
	if r.HostCPUs != 0 {
		in.Options.HostCPUs = r.HostCPUs
	}
	switch {
	case r.HostMemory != 0 && r.HostMemory < minHostMemory:
		return in, fmt.Errorf("%d bytes of memory for each host are too few for a pod; give at least %d MiB", r.HostMemory, minHostMemory>>20)
	case r.HostMemory != 0:
		in.Options.HostMemory = r.HostMemory
	case in.Options.HostMemory == 0:
		in.Options.HostMemory = machine.hostMemory(in.Hosts)
	}
	return in, nil
}

// controlPlane resolves what is wanted of it. It is decided once: center cannot change it on a Supervisor that is there.
func (r Request) controlPlane(in *instance.Instance, exists bool) error {
	o := &in.Options
	if exists && o.ControlPlanes == 0 {
		return fmt.Errorf("the instance in %s was made by a version without center, and cannot be taken over; delete it with: pacific down --purge --home %s", in.Home, in.Home)
	}
	if exists && (r.ControlPlanes != 0 && r.ControlPlanes != o.ControlPlanes || r.ControlPlane != "" && r.ControlPlane != o.ControlPlane) {
		return fmt.Errorf("the instance has %d control plane members of kind %s, which cannot change; pacific down --purge deletes it with all that runs on it", o.ControlPlanes, o.ControlPlane)
	}
	if r.ControlPlanes != 0 {
		o.ControlPlanes = r.ControlPlanes
	}
	if r.ControlPlane != "" {
		o.ControlPlane = r.ControlPlane
	}
	switch {
	case !slices.Contains([]int{1, 3, 5}, o.ControlPlanes):
		return fmt.Errorf("%d control plane members; possible are 1, 3 and 5, since an even number tolerates no more failures than one less", o.ControlPlanes)
	case o.ControlPlanes > in.Hosts:
		return fmt.Errorf("%d control plane members take as many hosts, since no two may be on one; there are %d: give --hosts %d", o.ControlPlanes, in.Hosts, o.ControlPlanes)
	case !slices.Contains([]string{"auto", "process", "vm"}, o.ControlPlane):
		return fmt.Errorf("control plane %q is none of auto, process, vm", o.ControlPlane)
	}
	return nil
}

// Machine is what the hosts of an instance share.
type Machine struct {
	CPUs   int
	Memory uint64 // bytes
}

// ThisMachine is the one that the program runs on.
func ThisMachine() (Machine, error) {
	memory, err := preflight.Memory("MemTotal")
	return Machine{CPUs: runtime.NumCPU(), Memory: memory}, err
}

const (
	// controlPlaneMemory is left for what is not machines.
	controlPlaneMemory = 4 << 30
	minHostMemory      = 512 << 20
)

// hostMemory shares the machine's memory among hosts, in whole MiB.
func (m Machine) hostMemory(hosts int) int64 {
	if m.Memory < controlPlaneMemory {
		return minHostMemory
	}
	share := int64(m.Memory-controlPlaneMemory) / int64(hosts)
	return max(share>>20<<20, minHostMemory)
}

// Up brings an instance up.
type Up struct {
	Request Request
	Claims  instance.Claims
	// Warn gets what the user should know though nothing failed.
	Warn func(string)

	in     instance.Instance
	layout layout.Layout
	plan   plan.Plan
	unlock func()
}

// Stages of the way up, in order. Each is idempotent; together they complete what is there.
func (u *Up) Stages() []Stage {
	return []Stage{
		{"Check this machine", time.Minute, u.check},
		{"Set up network", time.Minute, u.network},
		{"Start daemons", time.Minute, u.startKeeper},
		{"Wait for registry", time.Minute, u.awaitRegistry},
		{"Wait for center", 2 * time.Minute, u.awaitCenter},
		{"Join hosts to center", 2 * time.Minute, u.joinHosts},
		// A host boots a tiny machine with every accelerator it may use, and all hosts do so at once.
		{"Wait for hosts", 3 * time.Minute, u.awaitHosts},
		{"Enable Supervisor", time.Minute, u.enableSupervisor},
		// Emulated control plane machines are some eight times slower than processes.
		{"Wait for Supervisor", 10 * time.Minute, u.awaitSupervisor},
		{"Wait for nodes", 3 * time.Minute, u.awaitNodes},
	}
}

// Instance that was brought up; valid after the first stage.
func (u *Up) Instance() instance.Instance { return u.in }

// Close lets others work on the instance.
func (u *Up) Close() {
	if u.unlock != nil {
		u.unlock()
	}
}

func (u *Up) check(ctx context.Context, _ func(string)) error {
	var earlier *instance.Instance
	switch in, err := instance.Load(u.Request.Home); {
	case err == nil:
		earlier = &in
	case !errors.Is(err, instance.ErrNone):
		return err
	}
	machine, err := ThisMachine()
	if err != nil {
		return err
	}
	in, err := Resolve(earlier, u.Request, machine)
	if err != nil {
		return err
	}
	if err := u.preflight(ctx, in, earlier); err != nil {
		return err
	}
	return u.claim(in, earlier)
}

func (u *Up) preflight(ctx context.Context, in instance.Instance, earlier *instance.Instance) error {
	wanted := preflight.Wanted{Hosts: in.Hosts, Accelerator: in.Options.Accelerator, Home: in.Home, BinDir: in.Options.BinDir}
	facts, err := preflight.Look(ctx, wanted)
	if err != nil {
		return err
	}
	if earlier != nil {
		l := layout.Layout{ID: in.ID, Home: in.Home}
		_, facts.Running = records(l).Running(layout.Center)
		facts.Subnet = network.Free(in.ID)
	}
	if ctx.Err() != nil { // what was cut off looks like something missing
		return ctx.Err()
	}
	problems := preflight.Problems(facts, wanted)
	if len(problems) == 0 {
		return nil
	}
	lines := []string{"this machine is not ready for Pacific; nothing was changed:"}
	for _, p := range problems {
		lines = append(lines, "  - "+p.String())
	}
	return errors.New(strings.Join(lines, "\n"))
}

// claim is the first change to the machine.
func (u *Up) claim(in instance.Instance, earlier *instance.Instance) (err error) {
	if err := os.MkdirAll(in.Home, 0o755); err != nil {
		return fmt.Errorf("create home: %w", err)
	}
	if u.unlock, err = instance.Lock(in.Home); err != nil {
		return err
	}
	if err := unchanged(in.Home, earlier); err != nil {
		return err
	}
	if earlier != nil {
		err = u.Claims.Confirm(in.ID, in.Home)
	} else {
		in.ID, err = u.Claims.Claim(in.Home, network.Free)
	}
	if err != nil {
		return err
	}
	if _, running := records(layout.Layout{ID: in.ID}).Running(keeperName); running && earlier == nil {
		return fmt.Errorf("the instance that was in %s still runs, though its data was deleted; end it first: pacific down --home %s", in.Home, in.Home)
	}
	in.Subnet = instance.Subnet(in.ID)
	u.in, u.layout, u.plan = in, layout.Layout{ID: in.ID, Home: in.Home}, plan.Of(in)
	return in.Save()
}

// unchanged tells whether the instance is still what it was before it was locked: meanwhile another command may have
// worked on it.
func unchanged(home string, earlier *instance.Instance) error {
	now, err := instance.Load(home)
	switch {
	case errors.Is(err, instance.ErrNone) && earlier == nil:
		return nil
	case err != nil && !errors.Is(err, instance.ErrNone):
		return err
	case err != nil || earlier == nil || now != *earlier:
		return fmt.Errorf("another command has changed the instance in %s just now; try again", home)
	}
	return nil
}

func (u *Up) network(ctx context.Context, _ func(string)) error {
	for _, dir := range []string{u.layout.RecordDir(), u.layout.LogDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return network.Apply(ctx, u.plan.Network)
}

// DefaultBinDir is where this program lies.
func DefaultBinDir() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	self, err = filepath.EvalSymlinks(self)
	return filepath.Dir(self), err
}
