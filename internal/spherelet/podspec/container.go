package podspec

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/qos"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/spherelet/scratch"
)

type builder struct {
	in  Input
	env Environment
}

// orError makes a container that waits with the cause when its configuration cannot be made.
func (b *builder) orError(c *v1.Container) *agentv1.Container {
	out, err := b.container(c)
	if err != nil {
		out = &agentv1.Container{Name: c.Name, Image: c.Image, ConfigError: err.Error()}
	}
	return out
}

func (b *builder) container(c *v1.Container) (*agentv1.Container, error) {
	env, err := b.environment(c)
	if err != nil {
		return nil, err
	}
	security, err := b.security(c)
	if err != nil {
		return nil, err
	}
	mounts, err := mounts(b.in.Pod, c, env)
	if err != nil {
		return nil, err
	}
	mapping := expansion.MappingFuncFor(env.values)
	image := b.in.Images[c.Name]
	if image.Reference != c.Image {
		image = Image{} // it was changed, and the new one is not there yet
	}
	out := &agentv1.Container{
		Name:                             c.Name,
		Image:                            c.Image,
		ImageId:                          image.Digest,
		ImageDisk:                        &agentv1.Disk{Lun: image.LUN, Filesystem: image.Filesystem, ReadOnly: true},
		ImageConfig:                      image.Config,
		Command:                          expandAll(c.Command, mapping),
		Args:                             expandAll(c.Args, mapping),
		WorkingDir:                       c.WorkingDir,
		Env:                              env.list(),
		Mounts:                           mounts,
		Resources:                        resources(c.Resources),
		Security:                         security,
		TerminationMessagePath:           c.TerminationMessagePath,
		TerminationMessageFallbackToLogs: c.TerminationMessagePolicy == v1.TerminationMessageFallbackToLogsOnError,
		Tty:                              c.TTY,
		Stdin:                            c.Stdin,
		StdinOnce:                        c.StdinOnce,
		RestartOnCpuResize:               restartsOnResize(c, v1.ResourceCPU),
		RestartOnMemoryResize:            restartsOnResize(c, v1.ResourceMemory),
		OomScoreAdj:                      b.oomScore(c),
	}
	for _, rule := range c.RestartPolicyRules {
		if e := rule.ExitCodes; e != nil && rule.Action == v1.ContainerRestartRuleActionRestart {
			out.RestartRules = append(out.RestartRules, &agentv1.RestartRule{NotIn: e.Operator == v1.ContainerRestartRuleOnExitCodesOpNotIn, ExitCodes: e.Values})
		}
	}
	if c.RestartPolicy != nil {
		policy := restartPolicy(string(*c.RestartPolicy))
		out.RestartPolicy = &policy
	}
	return out, b.actions(c, out)
}

func restartsOnResize(c *v1.Container, name v1.ResourceName) bool {
	return slices.ContainsFunc(c.ResizePolicy, func(p v1.ContainerResizePolicy) bool {
		return p.ResourceName == name && p.RestartPolicy == v1.RestartContainer
	})
}

// oomScore is the kubelet's, which users may look at; within the machine it ranks the containers the same way.
func (b *builder) oomScore(c *v1.Container) int32 {
	if b.env.Memory == nil || b.env.Memory() <= 0 {
		return 0
	}
	return int32(qos.GetContainerOOMScoreAdjust(b.in.Pod, c, b.env.Memory()))
}

// actions adds the probes and lifecycle hooks.
func (b *builder) actions(c *v1.Container, out *agentv1.Container) (err error) {
	ip := first(addresses(b.in.Network.Addresses))
	for _, p := range []struct {
		from *v1.Probe
		to   **agentv1.Probe
		what string
	}{
		{c.StartupProbe, &out.StartupProbe, "startupProbe"},
		{c.ReadinessProbe, &out.ReadinessProbe, "readinessProbe"},
		{c.LivenessProbe, &out.LivenessProbe, "livenessProbe"},
	} {
		if *p.to, err = probe(p.from, c, ip); err != nil {
			return fmt.Errorf("%s: %w", p.what, err)
		}
	}
	if c.Lifecycle == nil {
		return nil
	}
	if out.PostStart, err = lifecycleHandler(c.Lifecycle.PostStart, c, ip); err != nil {
		return fmt.Errorf("postStart: %w", err)
	}
	if out.PreStop, err = lifecycleHandler(c.Lifecycle.PreStop, c, ip); err != nil {
		return fmt.Errorf("preStop: %w", err)
	}
	if s := c.Lifecycle.StopSignal; s != nil {
		out.StopSignal = string(*s)
	}
	return nil
}

func expandAll(list []string, mapping func(string) string) []string {
	var out []string
	for _, s := range list {
		out = append(out, expansion.Expand(s, mapping))
	}
	return out
}

func mounts(pod *v1.Pod, c *v1.Container, env *environment) ([]*agentv1.Mount, error) {
	var out []*agentv1.Mount
	for _, m := range c.VolumeMounts {
		copied := slices.ContainsFunc(pod.Spec.Volumes, func(v v1.Volume) bool {
			return v.Name == m.Name && v.HostPath != nil && !scratch.Is(v.HostPath)
		})
		mount := &agentv1.Mount{Volume: m.Name, Path: m.MountPath, SubPath: m.SubPath, ReadOnly: m.ReadOnly || copied}
		if m.SubPathExpr != "" {
			path, err := expandStrict(m.SubPathExpr, env)
			if err != nil {
				return nil, fmt.Errorf("failed to prepare subPathExpr of volume %q: %w", m.Name, err)
			}
			mount.SubPath = path
		}
		if m.MountPropagation != nil && *m.MountPropagation != v1.MountPropagationNone {
			mount.Propagation = string(*m.MountPropagation)
		}
		if m.RecursiveReadOnly != nil {
			mount.RecursiveReadOnly = string(*m.RecursiveReadOnly)
		}
		out = append(out, mount)
	}
	return out, nil
}

// expandStrict refuses a reference to a variable that is not there, and results that leave the volume.
func expandStrict(expr string, env *environment) (string, error) {
	var missing []string
	out := expansion.Expand(expr, func(name string) string {
		value, ok := env.values[name]
		if !ok {
			missing = append(missing, name)
		}
		return value
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("missing value for %q", missing[0])
	}
	for _, part := range strings.Split(out, "/") {
		if part == ".." {
			return "", fmt.Errorf("%q must not contain '..'", out)
		}
	}
	if strings.HasPrefix(out, "/") {
		return "", fmt.Errorf("%q must be a relative path", out)
	}
	return out, nil
}

func resources(r v1.ResourceRequirements) *agentv1.Resources {
	return &agentv1.Resources{
		CpuRequestMilli:     r.Requests.Cpu().MilliValue(),
		CpuLimitMilli:       r.Limits.Cpu().MilliValue(),
		MemoryRequestBytes:  r.Requests.Memory().Value(),
		MemoryLimitBytes:    r.Limits.Memory().Value(),
		EphemeralLimitBytes: r.Limits.StorageEphemeral().Value(),
	}
}
