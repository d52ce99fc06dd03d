package service

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/proxy/config"
)

// hostEndpoints stands between the EndpointSlices and the proxier. An endpoint that is a pod on this host's network has the
// host's address, from which the firewall leads its ports on to the pod's machine. But a packet's destination is translated
// once: a connection that a Service has led to this very host's address would end at the host. So the proxier is given the
// address of the machine instead. The port is the same, as the API demands of such pods. Other hosts use the host's address.
type hostEndpoints struct {
	mu       sync.Mutex
	proxier  config.EndpointSliceHandler // nil until attached
	machines map[types.UID][]netip.Addr
	known    bool                                            // the machines have been told
	complete bool                                            // the slices are
	slices   map[cache.ObjectName]*discoveryv1.EndpointSlice // as the API server has them
}

func (h *hostEndpoints) attach(proxier config.EndpointSliceHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.proxier, h.slices = proxier, map[cache.ObjectName]*discoveryv1.EndpointSlice{}
}

// setMachines takes the addresses of the machines of this host's pods on its network, by the pods' UIDs.
func (h *hostEndpoints) setMachines(machines map[types.UID][]netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.known {
		h.known = true
		defer h.begin()
	}
	if maps.EqualFunc(h.machines, machines, slices.Equal) {
		return
	}
	before := h.machines
	h.machines = machines
	for _, slice := range h.slices {
		if old, now := withMachines(slice, before), withMachines(slice, machines); old != slice || now != slice {
			h.proxier.OnEndpointSliceUpdate(old, now)
		}
	}
}

// OnEndpointSliceAdd implements config.EndpointSliceHandler.
func (h *hostEndpoints) OnEndpointSliceAdd(slice *discoveryv1.EndpointSlice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slices[cache.MetaObjectToName(slice)] = slice
	h.proxier.OnEndpointSliceAdd(withMachines(slice, h.machines))
}

// OnEndpointSliceUpdate implements config.EndpointSliceHandler.
func (h *hostEndpoints) OnEndpointSliceUpdate(old, slice *discoveryv1.EndpointSlice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slices[cache.MetaObjectToName(slice)] = slice
	h.proxier.OnEndpointSliceUpdate(withMachines(old, h.machines), withMachines(slice, h.machines))
}

// OnEndpointSliceDelete implements config.EndpointSliceHandler.
func (h *hostEndpoints) OnEndpointSliceDelete(slice *discoveryv1.EndpointSlice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.slices, cache.MetaObjectToName(slice))
	h.proxier.OnEndpointSliceDelete(withMachines(slice, h.machines))
}

// OnEndpointSlicesSynced implements config.EndpointSliceHandler.
func (h *hostEndpoints) OnEndpointSlicesSynced() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.complete = true
	h.begin()
}

// begin lets the proxier replace the rules of the dataplane before this one, once all is known that they are made of. It is
// called with the lock held.
func (h *hostEndpoints) begin() {
	if h.known && h.complete {
		h.proxier.OnEndpointSlicesSynced()
	}
}

// withMachines is the slice with the machines' addresses of the pods among its endpoints; the slice itself if there are none.
func withMachines(slice *discoveryv1.EndpointSlice, machines map[types.UID][]netip.Addr) *discoveryv1.EndpointSlice {
	out := slice
	for i, endpoint := range slice.Endpoints {
		address, ok := machineOf(endpoint, slice.AddressType, machines)
		if !ok {
			continue
		}
		if out == slice {
			out = slice.DeepCopy()
		}
		out.Endpoints[i].Addresses = []string{address.String()}
	}
	return out
}

func machineOf(endpoint discoveryv1.Endpoint, family discoveryv1.AddressType, machines map[types.UID][]netip.Addr) (netip.Addr, bool) {
	if endpoint.TargetRef == nil || endpoint.TargetRef.Kind != "Pod" {
		return netip.Addr{}, false
	}
	for _, address := range machines[endpoint.TargetRef.UID] {
		if address.Is4() == (family == discoveryv1.AddressTypeIPv4) {
			return address, true
		}
	}
	return netip.Addr{}, false
}
