package podspec

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	agentv1 "pacific/api/agent/v1"
)

// security merges the pod's and the container's security contexts; the container's wins.
func (b *builder) security(c *v1.Container) (*agentv1.SecurityContext, error) {
	out := &agentv1.SecurityContext{}
	var profile *v1.SeccompProfile
	if p := b.in.Pod.Spec.SecurityContext; p != nil {
		out.RunAsUser, out.RunAsGroup = p.RunAsUser, p.RunAsGroup
		out.RunAsNonRoot = p.RunAsNonRoot != nil && *p.RunAsNonRoot
		out.SupplementalGroups = append(out.SupplementalGroups, p.SupplementalGroups...)
		out.StrictSupplementalGroups = p.SupplementalGroupsPolicy != nil && *p.SupplementalGroupsPolicy == v1.SupplementalGroupsPolicyStrict
		if p.FSGroup != nil {
			out.SupplementalGroups = append(out.SupplementalGroups, *p.FSGroup)
		}
		profile = p.SeccompProfile
	}
	if s := c.SecurityContext; s != nil {
		mergeContainer(s, out)
		if s.SeccompProfile != nil {
			profile = s.SeccompProfile
		}
	}
	return out, b.seccomp(profile, out)
}

func mergeContainer(s *v1.SecurityContext, out *agentv1.SecurityContext) {
	if s.RunAsUser != nil {
		out.RunAsUser = s.RunAsUser
	}
	if s.RunAsGroup != nil {
		out.RunAsGroup = s.RunAsGroup
	}
	if s.RunAsNonRoot != nil {
		out.RunAsNonRoot = *s.RunAsNonRoot
	}
	if s.Capabilities != nil {
		out.AddCapabilities = names(s.Capabilities.Add)
		out.DropCapabilities = names(s.Capabilities.Drop)
	}
	out.Privileged = s.Privileged != nil && *s.Privileged
	out.ReadOnlyRoot = s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem
	out.NoNewPrivileges = s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation
	out.ProcMountUnmasked = s.ProcMount != nil && *s.ProcMount == v1.UnmaskedProcMount
}

func names(list []v1.Capability) []string {
	var out []string
	for _, c := range list {
		out = append(out, string(c))
	}
	return out
}

// seccomp: without a profile a container is unconfined, the kubelet's default too.
func (b *builder) seccomp(p *v1.SeccompProfile, out *agentv1.SecurityContext) error {
	out.Seccomp = "unconfined"
	if p == nil || out.Privileged {
		return nil
	}
	switch p.Type {
	case v1.SeccompProfileTypeRuntimeDefault:
		out.Seccomp = "runtime/default"
	case v1.SeccompProfileTypeLocalhost:
		if p.LocalhostProfile == nil || b.env.SeccompProfile == nil {
			return fmt.Errorf("a seccompProfile of type Localhost needs localhostProfile")
		}
		data, err := b.env.SeccompProfile(*p.LocalhostProfile)
		if err != nil {
			return fmt.Errorf("seccomp profile %q: %w", *p.LocalhostProfile, err)
		}
		out.Seccomp, out.SeccompProfile = "localhost/"+*p.LocalhostProfile, data
	}
	return nil
}
