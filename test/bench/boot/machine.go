package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"pacific/api/crx"
	hostcrx "pacific/internal/host/crx"
)

// Options of a bare machine.
type Options struct {
	Kernel, Initrd string
	Personality    string
	// Params are further kernel parameters.
	Params []string
	// Args are further arguments for QEMU.
	Args []string
	// Accelerator is "tcg" or "kvm".
	Accelerator string
	// ACPI is for Debian's cloud kernel, which finds its devices by ACPI only.
	ACPI bool
	// TSCKHz is the host's time stamp counter in kHz; under TCG it is the guest's.
	TSCKHz uint64
}

// Machine is a QEMU microvm with nothing around it: no host daemon, no confinement, no network.
type Machine struct {
	Started time.Time

	cmd    *exec.Cmd
	dir    string
	stderr strings.Builder
}

// Start starts a machine whose files lie in dir, which has to be short enough for a unix socket.
func Start(ctx context.Context, dir string, o Options) (*Machine, error) {
	m := &Machine{dir: dir}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: m.socket(), Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	defer listener.Close()
	// QEMU inherits the listening socket, so that it can be dialled from the first moment on.
	inherited, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer inherited.Close()

	m.cmd = exec.CommandContext(ctx, "qemu-system-x86_64", arguments(m.ConsoleFile(), o)...)
	m.cmd.ExtraFiles = []*os.File{inherited}
	m.cmd.Stderr = &m.stderr
	m.Started = time.Now()
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start QEMU: %w", err)
	}
	return m, nil
}

func arguments(console string, o Options) []string {
	cpu, acpi := "host", "off"
	if o.Accelerator != "kvm" {
		cpu = "max,la57=off,erms=off"
	}
	if o.ACPI {
		acpi = "on"
	}
	params := hostcrx.CommandLine(hostcrx.Boot{Personality: o.Personality, TSCKHz: o.TSCKHz})
	return append([]string{
		"-accel", o.Accelerator, "-cpu", cpu, "-smp", "1", "-m", "128M",
		"-machine", "microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,acpi=" + acpi,
		"-global", "virtio-mmio.force-legacy=false",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "file:" + console,
		"-kernel", o.Kernel, "-initrd", o.Initrd,
		"-append", strings.Join(append([]string{params}, o.Params...), " "),
		"-device", "virtio-serial-device,id=serial,max_ports=3",
		"-chardev", "socket,id=init,fd=3,server=on,wait=off",
		"-device", "virtserialport,bus=serial.0,nr=1,chardev=init,name=" + crx.InitPort,
	}, o.Args...)
}

func (m *Machine) socket() string { return filepath.Join(m.dir, "init.sock") }

// Dial connects to the init port.
func (m *Machine) Dial() (net.Conn, error) { return net.Dial("unix", m.socket()) }

// ConsoleFile is where the console goes.
func (m *Machine) ConsoleFile() string { return filepath.Join(m.dir, "console.log") }

// Wait waits for the machine to end by itself.
func (m *Machine) Wait() error {
	if err := m.cmd.Wait(); err != nil {
		return m.explain(err)
	}
	return nil
}

// Kill ends the VMM.
func (m *Machine) Kill() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
}

// explain adds what QEMU and the guest said last.
func (m *Machine) explain(err error) error {
	console, readErr := os.ReadFile(m.ConsoleFile())
	if readErr != nil && !errors.Is(readErr, os.ErrNotExist) {
		return errors.Join(err, readErr)
	}
	return fmt.Errorf("%w\nQEMU: %s\nconsole: %s", err, m.stderr.String(), console[max(0, len(console)-4096):])
}

// Pid is the number of the VMM's process.
func (m *Machine) Pid() int { return m.cmd.Process.Pid }
