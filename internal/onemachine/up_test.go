package onemachine

import (
	"strings"
	"testing"

	"pacific/internal/onemachine/instance"
)

func TestResolve(t *testing.T) {
	machine := Machine{CPUs: 4, Memory: 16 << 30}
	three := &instance.Instance{ID: 5, Home: "/h", Hosts: 3, Options: instance.Options{Accelerator: "tcg", BinDir: "/old", HostCPUs: 2, HostMemory: 1 << 30, ControlPlanes: 3, ControlPlane: "process"}}
	for _, c := range []struct {
		name    string
		earlier *instance.Instance
		request Request
		want    instance.Instance
		err     string
	}{
		{"new", nil, Request{Home: "/h", BinDir: "/b"},
			instance.Instance{Home: "/h", Hosts: 3, Options: instance.Options{Accelerator: "auto", BinDir: "/b", HostCPUs: 4, HostMemory: 4 << 30, ControlPlanes: 1, ControlPlane: "auto"}}, ""},
		{"small machine", nil, Request{Home: "/h", Hosts: 30},
			instance.Instance{Home: "/h", Hosts: 30, Options: instance.Options{Accelerator: "auto", HostCPUs: 4, HostMemory: 512 << 20, ControlPlanes: 1, ControlPlane: "auto"}}, ""},
		{"again: options stay, programs are the caller's", three, Request{Home: "/h", BinDir: "/b"},
			instance.Instance{ID: 5, Home: "/h", Hosts: 3, Options: instance.Options{Accelerator: "tcg", BinDir: "/b", HostCPUs: 2, HostMemory: 1 << 30, ControlPlanes: 3, ControlPlane: "process"}}, ""},
		{"grow", three, Request{Home: "/h", Hosts: 5, Accelerator: "kvm"},
			instance.Instance{ID: 5, Home: "/h", Hosts: 5, Options: instance.Options{Accelerator: "kvm", HostCPUs: 2, HostMemory: 1 << 30, ControlPlanes: 3, ControlPlane: "process"}}, ""},
		{"shrink", three, Request{Home: "/h", Hosts: 2}, instance.Instance{}, "not shrink"},
		{"too many", nil, Request{Home: "/h", Hosts: 1000}, instance.Instance{}, "1000 hosts"},
		{"too little memory", nil, Request{Home: "/h", HostMemory: 1 << 20}, instance.Instance{}, "512 MiB"},
		{"negative memory", nil, Request{Home: "/h", HostMemory: -1 << 40}, instance.Instance{}, "512 MiB"},
		{"control plane", nil, Request{Home: "/h", Hosts: 5, ControlPlanes: 5, ControlPlane: "vm"},
			instance.Instance{Home: "/h", Hosts: 5, Options: instance.Options{Accelerator: "auto", HostCPUs: 4, HostMemory: 2457 << 20, ControlPlanes: 5, ControlPlane: "vm"}}, ""},
		{"even control plane", nil, Request{Home: "/h", ControlPlanes: 2}, instance.Instance{}, "1, 3 and 5"},
		{"more members than hosts", nil, Request{Home: "/h", ControlPlanes: 5}, instance.Instance{}, "--hosts 5"},
		{"unknown control plane", nil, Request{Home: "/h", ControlPlane: "cloud"}, instance.Instance{}, "cloud"},
		{"another control plane", three, Request{Home: "/h", ControlPlanes: 1}, instance.Instance{}, "cannot change"},
		{"without center", &instance.Instance{ID: 5, Home: "/h", Hosts: 3, Options: instance.Options{Accelerator: "tcg"}}, Request{Home: "/h"}, instance.Instance{}, "--purge"},
		{"unknown accelerator", nil, Request{Home: "/h", Accelerator: "xen"}, instance.Instance{}, "xen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Resolve(c.earlier, c.request, machine)
			if c.err != "" {
				if err == nil || !containsOne(err.Error(), strings.Split(c.err, "|")) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func containsOne(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
