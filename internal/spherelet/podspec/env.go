package podspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	podhelper "k8s.io/kubernetes/pkg/apis/core/pods"
	v1helper "k8s.io/kubernetes/pkg/apis/core/v1/helper"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/pkg/kubelet/envvars"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	apiresource "k8s.io/apimachinery/pkg/api/resource"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/spherelet/sizing"
)

// environment holds a container's variables in the order in which they were declared; a later one of the same name
// replaces an earlier one in its place.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if _, known := e.values[name]; !known {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

// env resolves the variables of a container: envFrom, then env with references to what came before and to the variables
// of Services, then the latter themselves.
func (b *builder) environment(c *v1.Container) (*environment, error) {
	services := b.serviceVariables()
	out := &environment{values: map[string]string{}}
	for _, from := range c.EnvFrom {
		if err := b.envFrom(from, out); err != nil {
			return nil, err
		}
	}
	mapping := expansion.MappingFuncFor(out.values, services)
	for _, e := range c.Env {
		value, present, err := b.value(c, e, mapping)
		if err != nil {
			return nil, err
		}
		if present {
			out.set(e.Name, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if _, own := out.values[name]; !own {
			out.set(name, services[name])
		}
	}
	return out, nil
}

func (e *environment) list() []*agentv1.EnvVar {
	var list []*agentv1.EnvVar
	for _, name := range e.names {
		list = append(list, &agentv1.EnvVar{Name: name, Value: e.values[name]})
	}
	return list
}

func (b *builder) envFrom(from v1.EnvFromSource, out *environment) error {
	var data map[string]string
	var err error
	switch {
	case from.ConfigMapRef != nil:
		var m *v1.ConfigMap
		if m, err = b.configMap(from.ConfigMapRef.Name, from.ConfigMapRef.Optional); m != nil {
			data = m.Data
		}
	case from.SecretRef != nil:
		var s *v1.Secret
		if s, err = b.secret(from.SecretRef.Name, from.SecretRef.Optional); s != nil {
			data = texts(s.Data)
		}
	}
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		out.set(from.Prefix+key, data[key])
	}
	return nil
}

// value of one variable; not present when it comes of something optional that is not there.
func (b *builder) value(c *v1.Container, e v1.EnvVar, mapping func(string) string) (value string, present bool, err error) {
	if e.Value != "" || e.ValueFrom == nil {
		return expansion.Expand(e.Value, mapping), true, nil
	}
	switch from := e.ValueFrom; {
	case from.FieldRef != nil:
		value, err = b.field(from.FieldRef)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err = resourceField(b.in.Pod, from.ResourceFieldRef, c.Name, b.in.Size)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		m, err := b.configMap(ref.Name, ref.Optional)
		if m == nil || err != nil {
			return "", false, err
		}
		return key(m.Data, ref.Key, ref.Optional, "ConfigMap", b.in.Pod.Namespace, ref.Name)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		s, err := b.secret(ref.Name, ref.Optional)
		if s == nil || err != nil {
			return "", false, err
		}
		return key(texts(s.Data), ref.Key, ref.Optional, "Secret", b.in.Pod.Namespace, ref.Name)
	}
	return "", false, fmt.Errorf("variable %s: this kind of valueFrom is not supported", e.Name)
}

func key(data map[string]string, key string, optional *bool, kind, namespace, name string) (string, bool, error) {
	value, ok := data[key]
	if !ok && (optional == nil || !*optional) {
		return "", false, fmt.Errorf("couldn't find key %s in %s %s/%s", key, kind, namespace, name)
	}
	return value, ok, nil
}

func (b *builder) configMap(name string, optional *bool) (*v1.ConfigMap, error) {
	if m := b.in.Contents.ConfigMaps[name]; m != nil {
		return m, nil
	}
	return nil, b.in.Contents.missing(Reference{Name: name}, optional)
}

func (b *builder) secret(name string, optional *bool) (*v1.Secret, error) {
	if s := b.in.Contents.Secrets[name]; s != nil {
		return s, nil
	}
	return nil, b.in.Contents.missing(Reference{Secret: true, Name: name}, optional)
}

func texts(data map[string][]byte) map[string]string {
	out := make(map[string]string, len(data))
	for k, v := range data {
		out[k] = string(v)
	}
	return out
}

// field resolves a field of the downward API; the addresses come from the network annotation, since the status has them
// only later.
func (b *builder) field(ref *v1.ObjectFieldSelector) (string, error) {
	path, _, err := podhelper.ConvertDownwardAPIFieldLabel(ref.APIVersion, ref.FieldPath, "")
	if err != nil {
		return "", err
	}
	ips := PodIPs(b.in.Pod, addresses(b.in.Network.Addresses), b.env.HostIPs)
	switch path {
	case "spec.nodeName":
		return b.in.Pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return b.in.Pod.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return first(b.env.HostIPs), nil
	case "status.hostIPs":
		return strings.Join(b.env.HostIPs, ","), nil
	case "status.podIP":
		return first(ips), nil
	case "status.podIPs":
		return strings.Join(ips, ","), nil
	}
	return fieldpath.ExtractFieldPathAsString(b.in.Pod, path)
}

// resourceField takes the machine's size for a limit that is not set: that is all the container can get.
func resourceField(pod *v1.Pod, ref *v1.ResourceFieldSelector, container string, size sizing.Size) (string, error) {
	if ref.ContainerName != "" {
		container = ref.ContainerName
	}
	all := v1.ResourceList{
		v1.ResourceCPU:    *apiresource.NewQuantity(int64(size.VCPUs), apiresource.DecimalSI),
		v1.ResourceMemory: *apiresource.NewQuantity(int64(size.MemoryBytes), apiresource.BinarySI),
	}
	return resource.ExtractResourceValueByContainerNameAndNodeAllocatable(ref, pod, container, all)
}

// serviceVariables are those of the Services in the pod's namespace, if it wants them, and of default/kubernetes always.
func (b *builder) serviceVariables() map[string]string {
	links := b.in.Pod.Spec.EnableServiceLinks == nil || *b.in.Pod.Spec.EnableServiceLinks
	chosen := map[string]*v1.Service{}
	for _, s := range b.in.Contents.Services {
		if !v1helper.IsServiceIPSet(s) {
			continue
		}
		switch {
		case s.Namespace == v1.NamespaceDefault && s.Name == "kubernetes":
			if chosen[s.Name] == nil {
				chosen[s.Name] = s
			}
		case s.Namespace == b.in.Pod.Namespace && links:
			chosen[s.Name] = s
		}
	}
	out := map[string]string{}
	for _, e := range envvars.FromServices(slices.Collect(maps.Values(chosen))) {
		out[e.Name] = e.Value
	}
	return out
}

// PodIPs are the addresses that the pod has to the world: those of its port, or on the host's network the host's.
func PodIPs(pod *v1.Pod, own, host []string) []string {
	if pod.Spec.HostNetwork {
		return host
	}
	return own
}

// addresses drops the prefix lengths.
func addresses(cidrs []string) []string {
	var out []string
	for _, c := range cidrs {
		ip, _, _ := strings.Cut(c, "/")
		out = append(out, ip)
	}
	return out
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
