package service

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// heard writes down what the proxier would hear.
type heard struct{ lines []string }

func (h *heard) say(verb string, slice *discoveryv1.EndpointSlice) {
	var addresses []string
	for _, e := range slice.Endpoints {
		addresses = append(addresses, e.Addresses...)
	}
	h.lines = append(h.lines, fmt.Sprintf("%s %s %s", verb, slice.Name, strings.Join(addresses, ",")))
}

func (h *heard) OnEndpointSliceAdd(s *discoveryv1.EndpointSlice)       { h.say("add", s) }
func (h *heard) OnEndpointSliceUpdate(_, s *discoveryv1.EndpointSlice) { h.say("update", s) }
func (h *heard) OnEndpointSliceDelete(s *discoveryv1.EndpointSlice)    { h.say("delete", s) }
func (h *heard) OnEndpointSlicesSynced()                               { h.lines = append(h.lines, "synced") }

func slice(name string, family discoveryv1.AddressType, endpoints ...string) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: name}, AddressType: family}
	for _, e := range endpoints {
		uid, address, _ := strings.Cut(e, "=")
		endpoint := discoveryv1.Endpoint{Addresses: []string{address}}
		if uid != "" {
			endpoint.TargetRef = &corev1.ObjectReference{Kind: "Pod", UID: types.UID(uid)}
		}
		out.Endpoints = append(out.Endpoints, endpoint)
	}
	return out
}

func TestHostEndpoints(t *testing.T) {
	proxier := &heard{}
	h := &hostEndpoints{}
	expect := func(lines ...string) {
		t.Helper()
		slices.Sort(proxier.lines)
		if !slices.Equal(proxier.lines, lines) {
			t.Errorf("the proxier heard %q, want %q", proxier.lines, lines)
		}
		proxier.lines = nil
	}
	machines := func(of ...string) map[types.UID][]netip.Addr {
		out := map[types.UID][]netip.Addr{}
		for _, m := range of {
			uid, address, _ := strings.Cut(m, "=")
			out[types.UID(uid)] = append(out[types.UID(uid)], netip.MustParseAddr(address))
		}
		return out
	}
	h.attach(proxier)
	h.OnEndpointSlicesSynced()
	expect() // the machines are not known yet
	h.setMachines(machines("node-pod=10.244.1.5"))
	expect("synced")
	h = &hostEndpoints{}
	h.setMachines(machines("node-pod=10.244.1.5")) // before there is a proxier
	h.attach(proxier)
	web := slice("web", discoveryv1.AddressTypeIPv4, "node-pod=192.0.2.1", "pod=10.244.1.9", "=192.0.2.1")
	h.OnEndpointSliceAdd(web)
	h.OnEndpointSliceAdd(slice("other", discoveryv1.AddressTypeIPv4, "pod=10.244.1.9"))
	h.OnEndpointSliceAdd(slice("web6", discoveryv1.AddressTypeIPv6, "node-pod=2001:db8::1"))
	h.OnEndpointSlicesSynced()
	expect("add other 10.244.1.9", "add web 10.244.1.5,10.244.1.9,192.0.2.1", "add web6 2001:db8::1", "synced")
	if web.Endpoints[0].Addresses[0] != "192.0.2.1" {
		t.Error("the informer's object was changed")
	}
	h.setMachines(machines("node-pod=10.244.1.5"))
	expect()
	h.setMachines(machines("node-pod=10.244.1.6", "node-pod=fd00:1::6"))
	expect("update web 10.244.1.6,10.244.1.9,192.0.2.1", "update web6 fd00:1::6")
	h.OnEndpointSliceUpdate(web, slice("web", discoveryv1.AddressTypeIPv4, "node-pod=192.0.2.1"))
	expect("update web 10.244.1.6")
	h.OnEndpointSliceDelete(slice("web6", discoveryv1.AddressTypeIPv6, "node-pod=2001:db8::1"))
	expect("delete web6 fd00:1::6")
	h.setMachines(nil)
	expect("update web 192.0.2.1")
}
