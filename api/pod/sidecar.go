package pod

import v1 "k8s.io/api/core/v1"

// IsSidecar tells whether an init container is one that stays: it is started in the order of the init containers, and runs
// beside all that come after it.
func IsSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}
