package runtime

import (
	"github.com/moby/sys/devices"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func process(spec *specs.Process, first bool) *libcontainer.Process {
	p := &libcontainer.Process{
		Args:            spec.Args,
		Env:             spec.Env,
		UID:             int(spec.User.UID),
		GID:             int(spec.User.GID),
		Cwd:             spec.Cwd,
		NoNewPrivileges: &spec.NoNewPrivileges,
		Init:            first,
	}
	for _, g := range spec.User.AdditionalGids {
		p.AdditionalGroups = append(p.AdditionalGroups, int(g))
	}
	if caps := spec.Capabilities; caps != nil {
		p.Capabilities = &configs.Capabilities{
			Bounding: caps.Bounding, Permitted: caps.Permitted, Effective: caps.Effective,
			Inheritable: caps.Inheritable, Ambient: caps.Ambient,
		}
	}
	for _, l := range spec.Rlimits {
		p.Rlimits = append(p.Rlimits, configs.Rlimit{Type: rlimits[l.Type], Hard: l.Hard, Soft: l.Soft})
	}
	if size := spec.ConsoleSize; size != nil {
		p.ConsoleWidth, p.ConsoleHeight = uint16(size.Width), uint16(size.Height)
	}
	return p
}

// rlimits that this program sets; the numbers are the kernel's.
var rlimits = map[string]int{"RLIMIT_NPROC": 6, "RLIMIT_NOFILE": 7}

// addHostDevices gives a container that may use all devices the VM's device nodes.
func addHostDevices(config *configs.Config, spec *specs.Spec) error {
	rules := spec.Linux.Resources.Devices
	if len(rules) == 0 || !rules[0].Allow {
		return nil
	}
	found, err := devices.HostDevices()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, d := range config.Devices {
		known[d.Path] = true
	}
	for _, d := range found {
		if !known[d.Path] {
			config.Devices = append(config.Devices, d)
		}
	}
	return nil
}
