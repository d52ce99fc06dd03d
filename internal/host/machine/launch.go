package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/cgroup"
	guest "pacific/internal/host/crx"
	"pacific/internal/host/template"
	"pacific/internal/host/vmm"
	"pacific/internal/host/vmm/qemu"
)

// launch takes a standby machine, or makes what the VMM needs, starts it and lets the guest go.
func (a *actor) launch(run uint32) Event {
	if event, ok := a.takeStandby(run); ok {
		return event
	}
	s, err := a.start(run)
	if err != nil {
		slog.Warn("machine does not start", "machine", a.id, "err", err)
		return LaunchFailed{Run: run, At: time.Now(), Message: err.Error()}
	}
	return a.launched(s)
}

func (a *actor) launched(s *session) Event {
	a.session = s
	a.follow(s)
	if !s.ready.IsZero() {
		a.post(Ready{Run: s.run, At: s.ready})
	}
	return Launched{Run: s.run, At: time.Now(), Process: s.process.Identity, ImageVersion: a.imageVersion()}
}

// boot starts the machine, from a copy of a template unless that is nil.
func (a *actor) boot(run uint32, record Record, copy *template.Copy) (*session, error) {
	config, err := a.config(record)
	if err != nil {
		return nil, err
	}
	defer closeFiles(config)
	if copy != nil {
		config.Memory = &vmm.Memory{File: copy.Memory, Clone: true}
	}
	process, err := a.host.VMM.Launch(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := vmm.Patience(context.Background(), process, cloneLimit)
	defer cancel()
	s, err := a.prepare(ctx, run, record, process, copy)
	if err != nil {
		return nil, a.abandon(process, config.Dir, err)
	}
	return s, nil
}

// abandon ends a VMM that did not come up, and adds to the failure how it ended and its own words.
func (a *actor) abandon(process *vmm.Process, dir string, failure error) error {
	killed := process.Kill()
	exit, waited := process.Wait()
	switch {
	case exit.Signal != 0 && exit.Signal != int(syscall.SIGKILL):
		failure = fmt.Errorf("%w: the VMM was killed by %s", failure, signalName(exit.Signal))
	case exit.Known && exit.Signal == 0:
		failure = fmt.Errorf("%w: the VMM exited with code %d", failure, exit.Code)
	}
	if log := readLog(dir); log != "" {
		failure = fmt.Errorf("%w: %s", failure, log)
	}
	return errors.Join(failure, killed, waited, process.Close())
}

// prepare does what comes between the start of the process and that of the guest.
func (a *actor) prepare(ctx context.Context, run uint32, record Record, process *vmm.Process, copy *template.Copy) (*session, error) {
	if err := a.host.Cgroups.Place(a.cgroup(), limits(record.Spec), process.PID); err != nil {
		return nil, err
	}
	s, err := a.connect(ctx, run, record, process)
	if err != nil {
		return nil, err
	}
	if err := a.begin(ctx, s, record, copy); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// begin lets the guest go. A clone is restored first, and is an individual before anything else runs.
func (a *actor) begin(ctx context.Context, s *session, record Record, copy *template.Copy) error {
	if copy == nil {
		return a.letGo(ctx, s, record)
	}
	if err := s.restore(ctx, copy); err != nil {
		return err
	}
	if err := a.letGo(ctx, s, record); err != nil {
		return err
	}
	return s.individualize(ctx, record)
}

// letGo plugs the disks and runs the guest. One that ran before hears of its disks as of any that come while it runs.
func (a *actor) letGo(ctx context.Context, s *session, record Record) error {
	for _, disk := range record.State.Disks {
		if err := a.plug(ctx, s, disk); err != nil {
			return err
		}
	}
	return s.conn.Run(ctx)
}

func (a *actor) connect(ctx context.Context, run uint32, record Record, process *vmm.Process) (*session, error) {
	s := newSession(run, a.dir(), process)
	var err error
	if s.conn, err = a.host.VMM.Connect(ctx, s.dir); err != nil {
		return nil, err
	}
	if hasInit(record.Spec) {
		if s.init, err = guest.DialInit(filepath.Join(s.dir, vmm.InitSocket)); err != nil {
			return nil, errors.Join(err, s.conn.Close())
		}
	}
	return s, nil
}

// config makes run directory and taps, and the configuration of the VMM from them.
func (a *actor) config(record Record) (vmm.Machine, error) {
	spec := record.Spec
	config := vmm.Machine{
		ID: a.id, Dir: a.dir(), UID: record.UID, Accelerator: a.host.Accelerator(),
		VCPUs: spec.GetVcpus(), MemoryBytes: memory(spec), Firmware: spec.GetGuest().GetFirmware(),
	}
	if err := errors.Join(os.RemoveAll(config.Dir), os.MkdirAll(config.Dir, 0o700)); err != nil {
		return config, err
	}
	if config.Firmware == "uefi" {
		if _, err := os.Stat(qemu.FirmwareUEFI); err != nil {
			return config, fmt.Errorf("firmware uefi: %w; install the package ovmf", err)
		}
	}
	if c := spec.GetCrx(); c != nil {
		kernel, err := a.kernel(c.GetPersonality(), config.Accelerator)
		if err != nil {
			return config, err
		}
		config.Kernel = kernel
	}
	if isAppliance(spec) {
		if err := a.appliance(&config); err != nil {
			return config, err
		}
	}
	for i := range spec.GetPorts() {
		tap, err := a.openPort(spec, i)
		if err != nil {
			closeFiles(config)
			return config, err
		}
		config.Ports = append(config.Ports, vmm.Port{MAC: mac(spec, i), Tap: tap})
	}
	return config, nil
}

func (a *actor) kernel(personality string, accelerator vmm.Accelerator) (*vmm.Kernel, error) {
	initrd, err := a.host.Initrds.Path(personality)
	if err != nil {
		return nil, err
	}
	return &vmm.Kernel{
		Image: a.host.Guest.Kernel(), Initrd: initrd, CommandLine: guest.CommandLine(a.bootOf(personality, accelerator)), ACPI: a.host.Guest.Modular(),
	}, nil
}

func (a *actor) cgroup() string {
	return a.host.Cgroups.Path(a.snapshot().Spec.GetResourcePool(), a.id)
}

// limits of the cgroup.
func limits(spec *hostv1.VirtualMachineSpec) cgroup.Limits {
	return cgroup.Limits{
		MemoryBytes:      qemu.MemoryLimit(memory(spec), spec.GetCrx() != nil),
		ReservationBytes: reservation(spec),
		Shares:           cmp.Or(uint64(spec.GetCpuShares()), 1024*uint64(spec.GetVcpus())),
		OOMScoreAdj:      int(spec.GetOomScoreAdj()),
	}
}

func (a *actor) plug(ctx context.Context, s *session, disk Disk) error {
	path, readOnly, err := a.host.resolve(disk.ID)
	if err != nil {
		return err
	}
	if readOnly && !disk.ReadOnly {
		return fmt.Errorf("disk %s is read-only; attach it with read_only", disk.ID)
	}
	mode := os.O_RDWR
	if disk.ReadOnly {
		mode = os.O_RDONLY
	}
	file, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return fmt.Errorf("disk %s: %w", disk.ID, err)
	}
	defer file.Close()
	return s.conn.Plug(ctx, vmm.Disk{LUN: disk.LUN, File: file, ReadOnly: disk.ReadOnly})
}
