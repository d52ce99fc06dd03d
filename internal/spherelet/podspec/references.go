package podspec

import (
	"path"
	"slices"

	v1 "k8s.io/api/core/v1"

	"pacific/internal/spherelet/hostfiles"
	"pacific/internal/spherelet/scratch"
)

// Reference is a ConfigMap or Secret that a pod names.
type Reference struct {
	Secret bool // else a ConfigMap
	Name   string
}

func (r Reference) kind() string {
	if r.Secret {
		return "secret"
	}
	return "configmap"
}

// References lists what the pod's containers and volumes name, each once. Image pull secrets are not among them: the
// image controller reads those.
func References(pod *v1.Pod) []Reference {
	var list []Reference
	seen := map[Reference]bool{}
	add := func(secret bool, name string) {
		if r := (Reference{secret, name}); !seen[r] {
			seen[r] = true
			list = append(list, r)
		}
	}
	for _, c := range allContainers(pod) {
		for _, from := range c.EnvFrom {
			if from.ConfigMapRef != nil {
				add(false, from.ConfigMapRef.Name)
			}
			if from.SecretRef != nil {
				add(true, from.SecretRef.Name)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			if r := e.ValueFrom.ConfigMapKeyRef; r != nil {
				add(false, r.Name)
			}
			if r := e.ValueFrom.SecretKeyRef; r != nil {
				add(true, r.Name)
			}
		}
	}
	for _, v := range pod.Spec.Volumes {
		for _, s := range sources(v) {
			if s.ConfigMap != nil {
				add(false, s.ConfigMap.Name)
			}
			if s.Secret != nil {
				add(true, s.Secret.Name)
			}
		}
	}
	return list
}

// HostFiles lists the files of the host that the pod has copies of, each once.
func HostFiles(pod *v1.Pod) []string {
	var list []string
	if pod.Spec.HostNetwork {
		list = append(list, hostfiles.Hosts)
	}
	for _, v := range pod.Spec.Volumes {
		if v.HostPath != nil && !scratch.Is(v.HostPath) {
			list = append(list, path.Clean(v.HostPath.Path))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ScratchDirs are the pod's scratch directories by the names of their volumes.
func ScratchDirs(pod *v1.Pod) map[string]string {
	dirs := map[string]string{}
	for _, v := range pod.Spec.Volumes {
		if scratch.Is(v.HostPath) {
			dirs[v.Name] = path.Clean(v.HostPath.Path)
		}
	}
	return dirs
}

func allContainers(pod *v1.Pod) []*v1.Container {
	var all []*v1.Container
	for i := range pod.Spec.InitContainers {
		all = append(all, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		all = append(all, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.EphemeralContainers {
		all = append(all, asContainer(&pod.Spec.EphemeralContainers[i]))
	}
	return all
}

// asContainer views an ephemeral container as one of the others; their fields are the same by design of the API.
func asContainer(e *v1.EphemeralContainer) *v1.Container {
	c := v1.Container(e.EphemeralContainerCommon)
	return &c
}

// sources views every volume made of files as the sources of a projected one, so that the rest knows one form only.
func sources(v v1.Volume) []v1.VolumeProjection {
	switch {
	case v.Projected != nil:
		return v.Projected.Sources
	case v.ConfigMap != nil:
		return []v1.VolumeProjection{{ConfigMap: &v1.ConfigMapProjection{
			LocalObjectReference: v.ConfigMap.LocalObjectReference, Items: v.ConfigMap.Items, Optional: v.ConfigMap.Optional}}}
	case v.Secret != nil:
		return []v1.VolumeProjection{{Secret: &v1.SecretProjection{
			LocalObjectReference: v1.LocalObjectReference{Name: v.Secret.SecretName}, Items: v.Secret.Items, Optional: v.Secret.Optional}}}
	case v.DownwardAPI != nil:
		return []v1.VolumeProjection{{DownwardAPI: &v1.DownwardAPIProjection{Items: v.DownwardAPI.Items}}}
	}
	return nil
}

// defaultMode of the files of a volume.
func defaultMode(v v1.Volume) int32 {
	var mode *int32
	switch {
	case v.Projected != nil:
		mode = v.Projected.DefaultMode
	case v.ConfigMap != nil:
		mode = v.ConfigMap.DefaultMode
	case v.Secret != nil:
		mode = v.Secret.DefaultMode
	case v.DownwardAPI != nil:
		mode = v.DownwardAPI.DefaultMode
	}
	if mode == nil {
		return 0o644
	}
	return *mode
}
