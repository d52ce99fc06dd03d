package onemachine

import (
	"strings"
	"testing"

	"pacific/internal/onemachine/instance"
)

func TestResolve(t *testing.T) {
	machine := Machine{CPUs: 4, Memory: 16 << 30}
	three := &instance.Instance{ID: 5, Home: "/h", Hosts: 3, Options: instance.Options{Accelerator: "tcg", BinDir: "/old", HostCPUs: 2, HostMemory: 1 << 30}}
	for _, c := range []struct {
		name    string
		earlier *instance.Instance
		request Request
		want    instance.Instance
		err     string
	}{
		{"new", nil, Request{Home: "/h", BinDir: "/b"},
			instance.Instance{Home: "/h", Hosts: 3, Options: instance.Options{Accelerator: "auto", BinDir: "/b", HostCPUs: 4, HostMemory: 4 << 30}}, ""},
		{"small machine", nil, Request{Home: "/h", Hosts: 30},
			instance.Instance{Home: "/h", Hosts: 30, Options: instance.Options{Accelerator: "auto", HostCPUs: 4, HostMemory: 512 << 20}}, ""},
		{"again: options stay, programs are the caller's", three, Request{Home: "/h", BinDir: "/b"},
			instance.Instance{ID: 5, Home: "/h", Hosts: 3, Options: instance.Options{Accelerator: "tcg", BinDir: "/b", HostCPUs: 2, HostMemory: 1 << 30}}, ""},
		{"grow", three, Request{Home: "/h", Hosts: 5, Accelerator: "kvm"},
			instance.Instance{ID: 5, Home: "/h", Hosts: 5, Options: instance.Options{Accelerator: "kvm", HostCPUs: 2, HostMemory: 1 << 30}}, ""},
		{"shrink", three, Request{Home: "/h", Hosts: 2}, instance.Instance{}, "not shrink"},
		{"too many", nil, Request{Home: "/h", Hosts: 1000}, instance.Instance{}, "1000 hosts"},
		{"too little memory", nil, Request{Home: "/h", HostMemory: 1 << 20}, instance.Instance{}, "512 MiB"},
		{"negative memory", nil, Request{Home: "/h", HostMemory: -1 << 40}, instance.Instance{}, "512 MiB"},
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
