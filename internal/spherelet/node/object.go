// Package node makes the host a Node of the cluster: registers it, keeps its status and its heartbeat.
package node

import (
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper"
	"k8s.io/utils/ptr"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

// Machine is what does not change while the spherelet runs.
type Machine struct {
	Name    string
	IPs     []string
	Port    int32
	MaxPods int64
	System  v1.NodeSystemInfo
}

// Observation is what is looked at again and again.
type Observation struct {
	// Host as hostd describes it; the last known if hostd does not answer, nil if it never has.
	Host *hostv1.GetHostResponse
	// Problem keeps the node from running pods; nil if there is none.
	Problem error
	// NotReady is why the node takes no pods though all works; nil if it does.
	NotReady error
	// Pressures of the host.
	Pressures []v1.NodeConditionType
	// Images that the host has.
	Images []v1.ContainerImage
}

// Labels that the node gives itself. Its role is not among them: the API server lets no node choose its own.
func Labels(m Machine) map[string]string {
	return map[string]string{
		v1.LabelHostname:   m.Name,
		v1.LabelOSStable:   m.System.OperatingSystem,
		v1.LabelArchStable: m.System.Architecture,
	}
}

// Allocatable is what pods can have: all that hostd gives to machines.
func Allocatable(m Machine, host *hostv1.GetHostResponse) v1.ResourceList {
	list := v1.ResourceList{v1.ResourcePods: *resource.NewQuantity(m.MaxPods, resource.DecimalSI)}
	list[v1.ResourceCPU] = *resource.NewQuantity(int64(host.GetCpus()), resource.DecimalSI)
	list[v1.ResourceMemory] = *resource.NewQuantity(int64(host.GetMemoryBytes()), resource.BinarySI)
	list[v1.ResourceEphemeralStorage] = *resource.NewQuantity(int64(host.GetStorageBytes()), resource.BinarySI)
	return list
}

// withExtended adds the extended resources that others have put into a node's capacity. As with the kubelet all of them is
// allocatable, and one that is no longer in the capacity is not.
func withExtended(list, capacity v1.ResourceList) v1.ResourceList {
	for name, quantity := range capacity {
		if helper.IsExtendedResourceName(name) {
			list[name] = quantity
		}
	}
	return list
}

// Status computes the node's status. Conditions and extended resources of other writers stay.
func Status(old v1.NodeStatus, m Machine, o Observation, now time.Time) v1.NodeStatus {
	out := *old.DeepCopy()
	out.Capacity = withExtended(Allocatable(m, o.Host), old.Capacity)
	out.Allocatable = withExtended(Allocatable(m, o.Host), old.Capacity)
	out.Addresses = nil
	for _, ip := range m.IPs {
		out.Addresses = append(out.Addresses, v1.NodeAddress{Type: v1.NodeInternalIP, Address: ip})
	}
	out.Addresses = append(out.Addresses, v1.NodeAddress{Type: v1.NodeHostName, Address: m.Name})
	out.DaemonEndpoints.KubeletEndpoint.Port = m.Port
	out.NodeInfo = m.System
	out.Images = o.Images
	out.RuntimeHandlers = runtimeHandlers()
	out.Features = &v1.NodeFeatures{SupplementalGroupsPolicy: ptr.To(true)}
	out.NodeInfo.ContainerRuntimeVersion = "crx://" + orUnknown(o.Host.GetVersion())
	for _, c := range conditions(o) {
		setCondition(&out, c, now)
	}
	if !slices.ContainsFunc(out.Conditions, func(c v1.NodeCondition) bool { return c.Type == v1.NodeNetworkUnavailable }) {
		// The dataplane on this host programs each pod's port by itself, and each pod waits for its own.
		setCondition(&out, v1.NodeCondition{Type: v1.NodeNetworkUnavailable, Status: v1.ConditionFalse, Reason: "RoutedPorts",
			Message: "every pod's port is programmed on its own"}, now)
	}
	return out
}

// runtimeHandlers are the default and the one that has a name.
func runtimeHandlers() []v1.NodeRuntimeHandler {
	var list []v1.NodeRuntimeHandler
	for _, name := range []string{"", podapi.Handler} {
		list = append(list, v1.NodeRuntimeHandler{Name: name, Features: &v1.NodeRuntimeHandlerFeatures{
			RecursiveReadOnlyMounts: ptr.To(true), UserNamespaces: ptr.To(false)}})
	}
	return list
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func conditions(o Observation) []v1.NodeCondition {
	under := func(t v1.NodeConditionType) bool { return slices.Contains(o.Pressures, t) }
	list := []v1.NodeCondition{
		pressure(v1.NodeMemoryPressure, under(v1.NodeMemoryPressure), "SufficientMemory", "InsufficientMemory",
			"machines use nearly all of the memory that they may have, or the host itself is short of it"),
		pressure(v1.NodeDiskPressure, under(v1.NodeDiskPressure), "NoDiskPressure", "DiskPressure",
			"the datastore is nearly full"),
		pressure(v1.NodePIDPressure, under(v1.NodePIDPressure), "SufficientPID", "InsufficientPID",
			"the host has few process numbers left"),
	}
	return append(list, ready(o))
}

func ready(o Observation) v1.NodeCondition {
	c := v1.NodeCondition{Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "SphereletReady", Message: "spherelet is posting ready status"}
	switch {
	case o.NotReady != nil:
		c.Status, c.Reason, c.Message = v1.ConditionFalse, "SphereletNotReady", o.NotReady.Error()
	case o.Problem != nil:
		c.Status, c.Reason = v1.ConditionFalse, "HypervisorNotReachable"
		c.Message = fmt.Sprintf("hostd does not answer: %v; see hostd's log on this host", o.Problem)
	}
	return c
}

// pressure has the kubelet's reasons with the spherelet's name.
func pressure(t v1.NodeConditionType, is bool, calm, under, detail string) v1.NodeCondition {
	if is {
		return v1.NodeCondition{Type: t, Status: v1.ConditionTrue, Reason: "SphereletHas" + under, Message: detail}
	}
	return v1.NodeCondition{Type: t, Status: v1.ConditionFalse, Reason: "SphereletHas" + calm, Message: "spherelet has no " + string(t)}
}

func setCondition(s *v1.NodeStatus, c v1.NodeCondition, now time.Time) {
	c.LastHeartbeatTime, c.LastTransitionTime = metav1.NewTime(now), metav1.NewTime(now)
	for i := range s.Conditions {
		if s.Conditions[i].Type == c.Type {
			if s.Conditions[i].Status == c.Status {
				c.LastTransitionTime = s.Conditions[i].LastTransitionTime
			}
			s.Conditions[i] = c
			return
		}
	}
	s.Conditions = append(s.Conditions, c)
}

// changed tells whether two statuses differ, the times of heartbeats left aside.
func changed(before, after v1.NodeStatus) bool {
	plain := func(s v1.NodeStatus) v1.NodeStatus {
		s = *s.DeepCopy()
		for i := range s.Conditions {
			s.Conditions[i].LastHeartbeatTime = metav1.Time{}
		}
		return s
	}
	return !equal(plain(before), plain(after))
}
