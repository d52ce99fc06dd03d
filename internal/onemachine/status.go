package onemachine

import (
	"context"
	"sort"
	"time"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/onemachine/plan"
)

// Status of an instance, as pacific status -o json prints it.
type Status struct {
	Ready       bool             `json:"ready"`
	Accelerator string           `json:"accelerator"`
	Center      CenterStatus     `json:"center"`
	Supervisor  SupervisorStatus `json:"supervisor"`
	Registry    RegistryStatus   `json:"registry"`
	Hosts       []HostStatus     `json:"hosts"`
	Daemons     []DaemonStatus   `json:"daemons"`
}

// SupervisorStatus is the control plane's.
type SupervisorStatus struct {
	Ready      bool   `json:"ready"`
	Server     string `json:"server"`
	Kubeconfig string `json:"kubeconfig"`
	Version    string `json:"version"`
	Message    string `json:"message,omitempty"`
}

// RegistryStatus is the registry's.
type RegistryStatus struct {
	Ready   bool   `json:"ready"`
	Address string `json:"address"`
	CA      string `json:"ca"`
	Message string `json:"message,omitempty"`
}

// HostStatus is a host's. It is ready when its hostd answers and its node is Ready.
type HostStatus struct {
	Name        string `json:"name"`
	Address     string `json:"address"`
	Ready       bool   `json:"ready"`
	Accelerator string `json:"accelerator,omitempty"`
	Namespace   string `json:"namespace"`
	// State at center, empty while that does not answer.
	State   string `json:"state,omitempty"`
	Message string `json:"message,omitempty"`
}

// DaemonStatus is a process of the instance.
type DaemonStatus struct {
	Name string `json:"name"`
	PID  int    `json:"pid,omitempty"` // 0 when it does not run
	// Ends counts how often it ended since the instance came up; the keeper started it again each time.
	Ends    int    `json:"ends"`
	LastEnd string `json:"lastEnd,omitempty"`
	Log     string `json:"log"`
}

// GetStatus asks all parts of the instance.
func GetStatus(ctx context.Context, in instance.Instance) Status {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	l := layout.Layout{ID: in.ID, Home: in.Home}
	status := Status{
		Supervisor: supervisorStatus(ctx, l),
		Registry:   RegistryStatus{Address: l.Registry(), CA: l.RegistryCA()},
		Daemons:    daemonStatus(in, l),
	}
	if err := registryReady(ctx, l); err != nil {
		status.Registry.Message = err.Error()
	} else {
		status.Registry.Ready = true
	}
	status.Hosts = hostStatus(ctx, in, l)
	status.Center = centerStatus(ctx, l, status.Hosts)
	status.Ready = status.Center.Ready && status.Supervisor.Ready && status.Registry.Ready
	for _, host := range status.Hosts {
		status.Ready = status.Ready && host.Ready
		if host.Accelerator != "" {
			status.Accelerator = host.Accelerator
		}
	}
	return status
}

func supervisorStatus(ctx context.Context, l layout.Layout) SupervisorStatus {
	status := SupervisorStatus{Server: l.Server(), Kubeconfig: l.Kubeconfig()}
	err := supervisorReady(ctx, l)
	if err == nil {
		status.Version, err = version(l)
	}
	if err != nil {
		status.Message = err.Error()
		return status
	}
	status.Ready = true
	return status
}

func version(l layout.Layout) (string, error) {
	client, err := Kubernetes(l)
	if err != nil {
		return "", err
	}
	info, err := client.Discovery().ServerVersion()
	if err != nil {
		return "", err
	}
	return info.GitVersion, nil
}

func hostStatus(ctx context.Context, in instance.Instance, l layout.Layout) []HostStatus {
	names := layout.HostNames(in.Hosts)
	trouble, nodesErr := nodesTrouble(ctx, l, names)
	numbers := make([]int, in.Hosts)
	for i := range numbers {
		numbers[i] = i + 1
	}
	answers := askHosts(ctx, l, numbers)
	var hosts []HostStatus
	for _, n := range numbers {
		name := layout.HostName(n)
		host := HostStatus{Name: name, Address: l.HostAddress(n).String(), Namespace: l.Namespace(name)}
		if reason := trouble[name]; reason != "" {
			host.Message = "node: " + reason
		}
		if nodesErr != nil {
			host.Message = "node unknown: " + nodesErr.Error()
		}
		if answer := answers[n]; answer.err != nil {
			host.Message = "hostd: " + answer.err.Error()
		} else {
			host.Accelerator = answer.host.GetAccelerator()
		}
		host.Ready = host.Message == ""
		hosts = append(hosts, host)
	}
	return hosts
}

func nodesTrouble(ctx context.Context, l layout.Layout, hosts []string) (map[string]string, error) {
	client, err := Kubernetes(l)
	if err != nil {
		return nil, err
	}
	return nodeTrouble(ctx, client, l, hosts)
}

func daemonStatus(in instance.Instance, l layout.Layout) []DaemonStatus {
	names := append(plan.DaemonNames(in), keeperName)
	sort.Strings(names)
	var daemons []DaemonStatus
	for _, name := range names {
		daemon := DaemonStatus{Name: name, Log: l.Log(name)}
		if rec, ok := records(l).Running(name); ok {
			daemon.PID = rec.PID
		}
		end := ends(l).Of(name)
		daemon.Ends, daemon.LastEnd = end.Count, end.Last
		daemons = append(daemons, daemon)
	}
	return daemons
}
