// Package spec turns a container of a pod and its image's configuration into an OCI runtime specification, by the rules
// of Kubernetes and with the defaults of containerd's CRI service. It touches no file but the image's user database.
package spec

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"

	agentv1 "pacific/api/agent/v1"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Input is all that a specification is made of.
type Input struct {
	Pod       *agentv1.Pod
	Container *agentv1.Container
	Image     imagespec.ImageConfig
	User      User
	Rootfs    string  // directory in the VM
	Mounts    []Mount // of the pod's volumes and files, over the default ones
	Shm       string  // the pod's /dev/shm
	Cgroup    string  // path below the cgroup root
	PIDs      string  // path of the PID namespace that the container shares with others; "" for one of its own
}

// Mount is a bind mount into the container.
type Mount struct {
	Source, Target string
	ReadOnly       bool
	Recursive      bool // ReadOnly holds for the mounts below, too
	NoExec         bool
	Propagation    string
}

// Make makes the specification.
func Make(in Input) (*specs.Spec, error) {
	args, err := Args(in.Container, in.Image)
	if err != nil {
		return nil, err
	}
	sec := in.Container.GetSecurity()
	s := &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: in.Rootfs, Readonly: sec.GetReadOnlyRoot()},
		Process: process(in, args),
		Mounts:  mounts(in),
		Linux: &specs.Linux{
			CgroupsPath: in.Cgroup,
			Resources:   Resources(in.Container.GetResources(), sec.GetPrivileged()),
			Namespaces:  namespaces(in),
		},
	}
	if !sec.GetPrivileged() && !sec.GetProcMountUnmasked() {
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = maskedPaths, readonlyPaths
	}
	for _, m := range in.Mounts {
		s.Linux.RootfsPropagation = strongest(s.Linux.RootfsPropagation, m.Propagation)
	}
	if s.Linux.Seccomp, err = seccompProfile(sec, s); err != nil {
		return nil, err
	}
	return s, nil
}

// The paths that the kubelet has masked.
var maskedPaths = []string{
	"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
	"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
}

var readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}

// namespaces: network, IPC and UTS are the VM's, which is the pod's.
func namespaces(in Input) []specs.LinuxNamespace {
	ns := []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace, Path: in.PIDs}}
	if !in.Container.GetSecurity().GetPrivileged() {
		ns = append(ns, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	return ns
}

func process(in Input, args []string) *specs.Process {
	sec := in.Container.GetSecurity()
	caps := capabilities(sec)
	oom := int(in.Container.GetOomScoreAdj())
	return &specs.Process{
		Terminal: in.Container.GetTty(),
		User: specs.User{
			UID: in.User.UID, GID: in.User.GID, AdditionalGids: in.User.Groups,
		},
		Args:            args,
		Env:             Env(in.Pod, in.Container, in.Image),
		Cwd:             workingDir(in.Container, in.Image),
		Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps},
		NoNewPrivileges: sec.GetNoNewPrivileges(),
		OOMScoreAdj:     &oom,
		Rlimits: []specs.POSIXRlimit{
			{Type: "RLIMIT_NOFILE", Hard: 1 << 20, Soft: 1 << 20},
			// The kernel's default is a share of the VM's small memory; the pids limit is what bounds a container.
			{Type: "RLIMIT_NPROC", Hard: ^uint64(0), Soft: ^uint64(0)},
		},
	}
}

// Resources are the limits of a container's cgroup.
func Resources(r *agentv1.Resources, privileged bool) *specs.LinuxResources {
	out := &specs.LinuxResources{
		// All processes of a container end when the kernel ends one for lack of memory, as with the kubelet.
		Unified: map[string]string{"memory.oom.group": "1"},
		Devices: []specs.LinuxDeviceCgroup{{Allow: privileged, Access: "rwm"}},
	}
	cpu := &specs.LinuxCPU{}
	shares := max(uint64(r.GetCpuRequestMilli())*1024/1000, 2)
	cpu.Shares = &shares
	if limit := r.GetCpuLimitMilli(); limit > 0 {
		period := uint64(100_000)
		quota := max(limit*int64(period)/1000, 1000)
		cpu.Period, cpu.Quota = &period, &quota
	}
	out.CPU = cpu
	if limit := r.GetMemoryLimitBytes(); limit > 0 {
		out.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &limit}
	}
	if limit := r.GetPidsLimit(); limit > 0 {
		out.Pids = &specs.LinuxPids{Limit: &limit}
	}
	return out
}

func mounts(in Input) []specs.Mount {
	sysMode := "ro"
	if in.Container.GetSecurity().GetPrivileged() {
		sysMode = "rw"
	}
	defaults := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", sysMode}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", sysMode}},
		{Destination: "/dev/shm", Type: "bind", Source: in.Shm, Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev"}},
	}
	own := in.Mounts
	// A mount must not hide the ones below it.
	sort.SliceStable(own, func(i, j int) bool { return depth(own[i].Target) < depth(own[j].Target) })
	replaced := map[string]bool{}
	for _, m := range own {
		replaced[filepath.Clean(m.Target)] = true
	}
	var out []specs.Mount
	for _, m := range defaults {
		if !replaced[m.Destination] && !(replaced["/dev"] && strings.HasPrefix(m.Destination, "/dev/")) {
			out = append(out, m)
		}
	}
	for _, m := range own {
		out = append(out, specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source, Options: bindOptions(m)})
	}
	return out
}

func depth(path string) int { return strings.Count(filepath.Clean(path), "/") }

var propagations = map[string]string{"": "rprivate", "None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}

func bindOptions(m Mount) []string {
	mode := "rw"
	switch {
	case m.ReadOnly && m.Recursive:
		mode = "rro"
	case m.ReadOnly:
		mode = "ro"
	}
	options := []string{"rbind", propagations[m.Propagation], mode}
	if m.NoExec {
		options = append(options, "noexec")
	}
	return options
}

func strongest(have, propagation string) string {
	switch {
	case propagation == "Bidirectional":
		return "rshared"
	case propagation == "HostToContainer" && have == "":
		return "rslave"
	}
	return have
}

// StopSignal is the name of the signal that ends the container.
func StopSignal(c *agentv1.Container, image imagespec.ImageConfig) string {
	for _, name := range []string{c.GetStopSignal(), image.StopSignal} {
		if name != "" {
			return name
		}
	}
	return "SIGTERM"
}

func workingDir(c *agentv1.Container, image imagespec.ImageConfig) string {
	for _, dir := range []string{c.GetWorkingDir(), image.WorkingDir} {
		if dir != "" {
			return filepath.Join("/", dir)
		}
	}
	return "/"
}

// Args are the command line of the container.
func Args(c *agentv1.Container, image imagespec.ImageConfig) ([]string, error) {
	command, args := c.GetCommand(), c.GetArgs()
	if len(command) == 0 {
		if len(args) == 0 {
			args = image.Cmd
		}
		if len(image.Entrypoint) != 1 || image.Entrypoint[0] != "" {
			command = image.Entrypoint
		}
	}
	all := append(append([]string{}, command...), args...)
	if len(all) == 0 {
		return nil, fmt.Errorf("failed to generate container spec: no command specified")
	}
	return all, nil
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Env is the environment of the container; a later variable overrides an earlier one of the same name.
func Env(pod *agentv1.Pod, c *agentv1.Container, image imagespec.ImageConfig) []string {
	env := []string{defaultPath, "HOSTNAME=" + pod.GetHostname()}
	if c.GetTty() {
		env = append(env, "TERM=xterm")
	}
	env = append(env, image.Env...)
	for _, v := range c.GetEnv() {
		env = append(env, v.GetName()+"="+v.GetValue())
	}
	return lastOfEach(env)
}

func lastOfEach(env []string) []string {
	at := map[string]int{}
	var out []string
	for _, kv := range env {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			continue // an image may hold such; no process can be given it
		}
		if i, seen := at[name]; seen {
			out[i] = kv
			continue
		}
		at[name] = len(out)
		out = append(out, kv)
	}
	return out
}
