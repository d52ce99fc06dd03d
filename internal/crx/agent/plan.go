package agent

import (
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/podstate"
	"pacific/internal/crx/agent/spec"
)

// plan is what of a pod matters to the state machine.
func plan(p *agentv1.Pod) podstate.Plan {
	out := podstate.Plan{
		Pod:      spec.PodString(p),
		Policy:   policy(p.GetRestartPolicy(), podstate.Always),
		Grace:    time.Duration(p.GetTerminationGraceSeconds()) * time.Second,
		Deadline: time.Duration(p.GetActiveDeadlineSeconds()) * time.Second,
	}
	for _, c := range p.GetInitContainers() {
		out.Init = append(out.Init, planContainer(p, c))
	}
	for _, c := range p.GetContainers() {
		out.Main = append(out.Main, planContainer(p, c))
	}
	for _, c := range p.GetEphemeralContainers() {
		out.Ephemeral = append(out.Ephemeral, planEphemeral(p, c))
	}
	return out
}

// planEphemeral: an ephemeral container runs once, whatever the pod's policy.
func planEphemeral(p *agentv1.Pod, c *agentv1.Container) podstate.Spec {
	s := planContainer(p, c)
	s.Policy = podstate.Never
	return s
}

func planContainer(p *agentv1.Pod, c *agentv1.Container) podstate.Spec {
	s := podstate.Spec{
		Name:          c.GetName(),
		Policy:        policy(c.GetRestartPolicy(), ""),
		Startup:       c.GetStartupProbe() != nil,
		Readiness:     c.GetReadinessProbe() != nil,
		Liveness:      c.GetLivenessProbe() != nil,
		StartupGrace:  grace(c.GetStartupProbe()),
		LivenessGrace: grace(c.GetLivenessProbe()),
		PostStart:     c.GetPostStart() != nil,
		PreStop:       c.GetPreStop() != nil,
		ConfigError:   c.GetConfigError(),
	}
	for _, r := range c.GetRestartRules() {
		s.Rules = append(s.Rules, podstate.Rule{NotIn: r.GetNotIn(), ExitCodes: r.GetExitCodes()})
	}
	if s.ConfigError != "" {
		return s
	}
	image, err := spec.ParseImage(c.GetImageConfig())
	if err == nil {
		err = spec.CheckNonRoot(p, c, image)
	}
	if err != nil {
		s.ConfigError = err.Error()
	}
	return s
}

func grace(p *agentv1.Probe) *time.Duration {
	if p == nil || p.TerminationGraceSeconds == nil {
		return nil
	}
	d := time.Duration(p.GetTerminationGraceSeconds()) * time.Second
	return &d
}

func policy(p agentv1.RestartPolicy, unset podstate.Policy) podstate.Policy {
	switch p {
	case agentv1.RestartPolicy_ALWAYS:
		return podstate.Always
	case agentv1.RestartPolicy_ON_FAILURE:
		return podstate.OnFailure
	case agentv1.RestartPolicy_NEVER:
		return podstate.Never
	}
	return unset
}
