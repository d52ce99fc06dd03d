package admission

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"pacific/internal/spherelet/hostfiles"
	"pacific/internal/spherelet/scratch"
)

// unsupported names every field of the pod that a Native Pod cannot have, since it is a virtual machine and shares no
// kernel, network stack or file system with its host.
func unsupported(spec *v1.PodSpec) []string {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	if spec.HostPID {
		add("spec.hostPID: a Native Pod sees no processes of the host; remove the field (spec.shareProcessNamespace joins the pod's own containers)")
	}
	if spec.HostIPC {
		add("spec.hostIPC: a Native Pod shares no memory with the host; remove the field (the pod's containers share IPC anyway)")
	}
	if spec.OS != nil && spec.OS.Name != v1.Linux {
		add("spec.os.name %q: this node runs only linux pods", spec.OS.Name)
	}
	if s := spec.SecurityContext; s != nil {
		if s.WindowsOptions != nil && s.WindowsOptions.HostProcess != nil && *s.WindowsOptions.HostProcess {
			add("spec.securityContext.windowsOptions: this node runs only linux pods")
		}
		if confined(s.AppArmorProfile) {
			add("spec.securityContext.appArmorProfile: %s", noAppArmor)
		}
	}
	if len(spec.ResourceClaims) > 0 {
		add("spec.resourceClaims: this node has no devices to claim; remove the field")
	}
	for i := range spec.Volumes {
		if why := unsupportedVolume(&spec.Volumes[i]); why != "" {
			add("spec.volumes[%d] (%s): %s", i, spec.Volumes[i].Name, why)
		}
	}
	problems = append(problems, unsupportedContainers("initContainers", spec.InitContainers)...)
	return append(problems, unsupportedContainers("containers", spec.Containers)...)
}

func unsupportedContainers(list string, containers []v1.Container) []string {
	var problems []string
	for i := range containers {
		c := &containers[i]
		add := func(field, why string) {
			problems = append(problems, fmt.Sprintf("spec.%s[%d].%s (%s): %s", list, i, field, c.Name, why))
		}
		if len(c.Resources.Claims) > 0 {
			add("resources.claims", "this node has no devices to claim; remove the field")
		}
		if len(c.VolumeDevices) > 0 {
			add("volumeDevices", "raw block volumes are not supported on this node; use volumeMounts")
		}
		for j, r := range c.RestartPolicyRules {
			if r.Action != v1.ContainerRestartRuleActionRestart {
				add(fmt.Sprintf("restartPolicyRules[%d].action", j), fmt.Sprintf("%s is not supported on this node; use %s", r.Action, v1.ContainerRestartRuleActionRestart))
			}
		}
		if s := c.SecurityContext; s != nil {
			if s.WindowsOptions != nil && s.WindowsOptions.HostProcess != nil && *s.WindowsOptions.HostProcess {
				add("securityContext.windowsOptions", "this node runs only linux pods")
			}
			if confined(s.AppArmorProfile) {
				add("securityContext.appArmorProfile", noAppArmor)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.FileKeyRef != nil {
				add("env", fmt.Sprintf("variable %s: fileKeyRef is not supported on this node; use configMapKeyRef or secretKeyRef", e.Name))
			}
		}
	}
	return problems
}

const noAppArmor = "the kernel of a Native Pod has no AppArmor; use seccompProfile"

// confined: a kubelet on a host without AppArmor refuses such a pod too.
func confined(p *v1.AppArmorProfile) bool {
	return p != nil && p.Type != v1.AppArmorProfileTypeUnconfined
}

func unsupportedVolume(v *v1.Volume) string {
	s := v.VolumeSource
	switch {
	case s.EmptyDir != nil:
		if s.EmptyDir.Medium != v1.StorageMediumDefault && s.EmptyDir.Medium != v1.StorageMediumMemory {
			return fmt.Sprintf("an emptyDir of medium %q is not supported; use \"\" or Memory", s.EmptyDir.Medium)
		}
		return ""
	case s.ConfigMap != nil, s.Secret != nil, s.DownwardAPI != nil, s.Image != nil:
		return ""
	case s.Projected != nil:
		for _, p := range s.Projected.Sources {
			if p.ClusterTrustBundle != nil || p.PodCertificate != nil {
				return "projected clusterTrustBundle and podCertificate are not supported; use configMap, secret, downwardAPI or serviceAccountToken"
			}
		}
		return ""
	case scratch.Is(s.HostPath):
		return ""
	case s.HostPath != nil:
		return hostfiles.Refusal(s.HostPath)
	case s.PersistentVolumeClaim != nil, s.Ephemeral != nil, s.CSI != nil:
		return "persistent volumes are not supported on this node yet; use emptyDir for what may die with the pod"
	default:
		return "volumes of this kind are not supported; use emptyDir, configMap, secret, downwardAPI or projected"
	}
}
