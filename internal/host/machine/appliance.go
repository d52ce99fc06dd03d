package machine

import (
	"os"

	"pacific/api/crx"
	hostv1 "pacific/api/host/v1"
	guest "pacific/internal/host/crx"
	"pacific/internal/host/port"
	"pacific/internal/host/vmm"
)

// isAppliance tells whether a machine runs an image.
func isAppliance(spec *hostv1.VirtualMachineSpec) bool { return spec.GetGuest().GetImage() != "" }

// hasInit tells whether PID 1 of the machine is the project's, which speaks api/crx.
func hasInit(spec *hostv1.VirtualMachineSpec) bool { return spec.GetCrx() != nil || isAppliance(spec) }

// appliance adds kernel and console of a guest with an image.
func (a *actor) appliance(config *vmm.Machine) (err error) {
	if config.Kernel, err = a.kernel(crx.PersonalityAppliance, config.Accelerator); err != nil {
		return err
	}
	config.System = true
	config.Console, err = openConsole(a.host.records.consoleFile(a.id))
	return err
}

func (a *actor) imageVersion() string {
	if image := a.snapshot().Spec.GetGuest().GetImage(); image != "" {
		return a.host.Guest.ImageVersion(image)
	}
	return ""
}

func (a *actor) openPort(spec *hostv1.VirtualMachineSpec, index int) (*os.File, error) {
	name := portName(spec, index)
	if spec.GetPorts()[index].GetNetwork() == NetworkManagement {
		return port.OpenBridged(name, a.host.ManagementBridge, mac(spec, index))
	}
	return port.Open(name)
}

// closeFiles closes what was opened for a VMM, which has duplicates.
func closeFiles(config vmm.Machine) {
	vmm.CloseTaps(config.Ports)
	if config.Console != nil {
		config.Console.Close()
	}
}

// bootOf is what the kernel of a machine with this personality is told.
func (a *actor) bootOf(personality string, accelerator vmm.Accelerator) guest.Boot {
	boot := guest.Boot{Personality: personality, Hostname: a.id}
	if accelerator == vmm.TCG {
		boot.TSCKHz = a.host.TSCKHz
	}
	return boot
}
