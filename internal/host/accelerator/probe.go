// Package accelerator finds out how a host can run guests. That /dev/kvm exists does not say that a guest boots by it, for
// instance on a virtual machine whose nested virtualization is only half there. So a tiny CRX is booted once, and the
// answer is remembered for as long as the CRX kernel, the VMM and the host's kernel are the same.
package accelerator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"pacific/api/crx"
	guest "pacific/internal/host/crx"
	"pacific/internal/host/vmm"
)

// timeLimit for a boot. With KVM it takes well below a second.
const timeLimit = 10 * time.Second

// probeID is the machine id of the probe.
const probeID = "accelerator-probe"

// probeUID is below the range of machines' users.
const probeUID = 1_899_999_999

// Prober finds the accelerator of a host.
type Prober struct {
	VMM      vmm.VMM
	Guest    *guest.Guest
	Initrds  *guest.Initrds
	StateDir string
	// RunDir is a directory for the probe alone.
	RunDir string
}

// answer is what is remembered.
type answer struct {
	Kernel      string          `json:"kernel"`
	VMM         string          `json:"vmm"`
	HostKernel  string          `json:"hostKernel"`
	Accelerator vmm.Accelerator `json:"accelerator"`
	Reason      string          `json:"reason"`
}

func (a answer) sameHost(b answer) bool {
	return a.Kernel == b.Kernel && a.VMM == b.VMM && a.HostKernel == b.HostKernel
}

// Find returns KVM when a guest was seen to boot by it, else TCG.
func (p *Prober) Find(ctx context.Context) (vmm.Accelerator, error) {
	if err := vmm.Sweep(p.VMM, p.RunDir); err != nil {
		return vmm.TCG, err
	}
	if _, err := os.Stat("/dev/kvm"); err != nil {
		slog.Info("accelerator is tcg", "reason", "there is no /dev/kvm")
		return vmm.TCG, nil
	}
	now, err := p.host(ctx)
	if err != nil {
		return vmm.TCG, err
	}
	if known, err := p.remembered(); err == nil && known.sameHost(now) {
		slog.Info("accelerator is "+string(known.Accelerator), "reason", known.Reason, "remembered", true)
		return known.Accelerator, nil
	}
	now.Accelerator, now.Reason = vmm.KVM, "a CRX boots by KVM"
	if err := p.boot(ctx); err != nil {
		if ctx.Err() != nil {
			return vmm.TCG, ctx.Err()
		}
		now.Accelerator, now.Reason = vmm.TCG, "a CRX does not boot by KVM: "+err.Error()
	}
	slog.Info("accelerator is "+string(now.Accelerator), "reason", now.Reason)
	return now.Accelerator, p.remember(now)
}

func (p *Prober) host(ctx context.Context) (answer, error) {
	var a answer
	var err error
	if a.Kernel, err = p.Guest.KernelHash(); err != nil {
		return a, err
	}
	if a.VMM, err = p.VMM.Version(ctx); err != nil {
		return a, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return a, err
	}
	a.HostKernel = unix.ByteSliceToString(name.Release[:]) + " " + unix.ByteSliceToString(name.Version[:])
	return a, nil
}

func (p *Prober) file() string { return filepath.Join(p.StateDir, "accelerator.json") }

func (p *Prober) remembered() (answer, error) {
	var a answer
	text, err := os.ReadFile(p.file())
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(text, &a)
}

func (p *Prober) remember(a answer) error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(p.file(), append(text, '\n'), 0o600)
}

// boot starts a CRX with the built-in personality by KVM and waits until its PID 1 says that it is ready.
func (p *Prober) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	initrd, err := p.Initrds.Path(crx.PersonalityProbe)
	if err != nil {
		return err
	}
	dir := filepath.Join(p.RunDir, probeID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(p.RunDir)
	process, err := p.VMM.Launch(vmm.Machine{
		ID: probeID, Dir: dir, Accelerator: vmm.KVM, VCPUs: 1, MemoryBytes: 64 << 20, UID: probeUID,
		Kernel: &vmm.Kernel{
			Image: p.Guest.Kernel(), Initrd: initrd,
			CommandLine: guest.CommandLine(guest.Boot{Personality: crx.PersonalityProbe}),
			ACPI:        p.Guest.Modular(),
		},
	})
	if err != nil {
		return err
	}
	err = p.awaitReady(ctx, dir)
	killed := process.Kill()
	_, waited := process.Wait()
	return errors.Join(err, killed, waited, process.Close(), vmm.Complaint(err, dir))
}

func (p *Prober) awaitReady(ctx context.Context, dir string) error {
	conn, err := p.VMM.Connect(ctx, dir)
	if err != nil {
		return err
	}
	defer conn.Close()
	port, err := guest.DialInit(filepath.Join(dir, vmm.InitSocket))
	if err != nil {
		return err
	}
	defer port.Close()
	ready := make(chan struct{}, 1)
	go port.Receive(func(message crx.Message) {
		if message.Ready != nil {
			select {
			case ready <- struct{}{}:
			default:
			}
		}
	})
	if err := conn.Run(ctx); err != nil {
		return err
	}
	select {
	case <-ready:
		return nil
	case cause := <-conn.Ended():
		return fmt.Errorf("the guest ended before it was ready: %s", cause)
	case <-ctx.Done():
		return fmt.Errorf("the guest was not ready within %s", timeLimit)
	}
}
