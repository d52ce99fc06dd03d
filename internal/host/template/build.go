package template

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	guest "pacific/internal/host/crx"
	"pacific/internal/host/port"
	"pacific/internal/host/vmm"
)

// buildTimeout is for the boot of a template with the least priority on a busy host, under emulation.
const buildTimeout = 5 * time.Minute

// uid of the VMMs of templates is below the range of machines' users.
const uid = 1_899_999_998

// niceness of a template's VMM: machines that somebody waits for come first.
const niceness = 19

// build boots a template, waits until it is held, and saves it.
func (t *Templates) build(ctx context.Context, key Key) (*Template, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout, fmt.Errorf("it did not wait for work within %s", buildTimeout))
	defer cancel()
	dir, err := t.store.begin(key)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	memory, err := newMemory(key.Class.MemoryBytes)
	if err != nil {
		return nil, err
	}
	err = t.save(ctx, key, memory, filepath.Join(dir, "state"))
	if err == nil {
		err = seal(memory)
	}
	if err == nil {
		err = t.store.finish(dir, key, memory)
	}
	if err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	return &Template{Key: key, memory: memory, state: t.store.path(key.ID(), "state")}, nil
}

// save runs the machine. Its process and its run directory are gone when it returns.
func (t *Templates) save(ctx context.Context, key Key, memory *os.File, state string) (err error) {
	dir := filepath.Join(t.runDir(), key.ID())
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := t.machine(key, dir, memory)
	if err != nil {
		return err
	}
	process, err := t.VMM.Launch(m)
	vmm.CloseTaps(m.Ports)
	if err != nil {
		return err
	}
	defer func() {
		killed := process.Kill()
		_, waited := process.Wait()
		err = errors.Join(err, killed, waited, process.Close(), vmm.Complaint(err, dir))
	}()
	// Threads that come later inherit it, the virtual processors among them.
	if err := unix.Setpriority(unix.PRIO_PROCESS, process.PID, niceness); err != nil {
		return fmt.Errorf("priority of process %d: %w", process.PID, err)
	}
	return t.saveProcess(ctx, dir, state)
}

func (t *Templates) saveProcess(ctx context.Context, dir, state string) error {
	conn, err := t.VMM.Connect(ctx, dir)
	if err != nil {
		return err
	}
	defer conn.Close()
	snapshotter, ok := conn.(vmm.Snapshotter)
	if !ok {
		return errors.New("the VMM cannot save machines")
	}
	init, err := guest.DialInit(filepath.Join(dir, vmm.InitSocket))
	if err != nil {
		return err
	}
	defer init.Close()
	if err := conn.Run(ctx); err != nil {
		return err
	}
	if err := awaitHeld(ctx, conn, init); err != nil {
		return err
	}
	file, err := os.OpenFile(state, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = snapshotter.Save(ctx, file)
	return errors.Join(err, file.Close())
}

func awaitHeld(ctx context.Context, conn vmm.Connection, init *guest.InitPort) error {
	result := make(chan error, 1)
	go func() { result <- receiveHeld(init) }()
	select {
	case err := <-result:
		return err
	case cause := <-conn.Ended():
		return fmt.Errorf("the guest ended before it waited for work: %s", cause)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func receiveHeld(init *guest.InitPort) error {
	for {
		message, err := init.Next()
		switch {
		case err != nil:
			return fmt.Errorf("the guest hung up before it waited for work: %w", err)
		case message.Held != nil:
			return nil
		case message.Exited != nil:
			return fmt.Errorf("the personality ended with code %d before it waited for work: %s", message.Exited.ExitCode, message.Exited.Message)
		}
	}
}

// machine is that of the clones but for what each has of its own.
func (t *Templates) machine(key Key, dir string, memory *os.File) (vmm.Machine, error) {
	m := vmm.Machine{
		ID: "template-" + key.ID(), Dir: dir, Accelerator: key.Accelerator, VCPUs: key.Class.VCPUs, MemoryBytes: key.Class.MemoryBytes,
		UID: uid, Memory: &vmm.Memory{File: memory},
	}
	initrd, err := t.Initrds.Path(key.Class.Personality)
	if err != nil {
		return m, err
	}
	boot := guest.Boot{Personality: key.Class.Personality, Template: true}
	if key.Accelerator == vmm.TCG {
		boot.TSCKHz = t.TSCKHz
	}
	m.Kernel = &vmm.Kernel{Image: t.Guest.Kernel(), Initrd: initrd, CommandLine: guest.CommandLine(boot), ACPI: t.Guest.Modular()}
	for i := range key.Class.Ports {
		tap, err := port.Temporary()
		if err != nil {
			vmm.CloseTaps(m.Ports)
			return m, err
		}
		m.Ports = append(m.Ports, vmm.Port{MAC: port.MAC(m.ID, i), Tap: tap})
	}
	return m, nil
}
