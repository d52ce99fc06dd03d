package podspec

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	agentv1 "pacific/api/agent/v1"
)

func probe(p *v1.Probe, c *v1.Container, podIP string) (*agentv1.Probe, error) {
	if p == nil {
		return nil, nil
	}
	h, err := handler(action{exec: p.Exec, http: p.HTTPGet, tcp: p.TCPSocket, grpc: p.GRPC}, c, podIP)
	if err != nil {
		return nil, err
	}
	return &agentv1.Probe{
		Handler:                 h,
		InitialDelaySeconds:     p.InitialDelaySeconds,
		TimeoutSeconds:          max(1, p.TimeoutSeconds),
		PeriodSeconds:           p.PeriodSeconds,
		SuccessThreshold:        p.SuccessThreshold,
		FailureThreshold:        p.FailureThreshold,
		TerminationGraceSeconds: p.TerminationGracePeriodSeconds,
	}, nil
}

func lifecycleHandler(h *v1.LifecycleHandler, c *v1.Container, podIP string) (*agentv1.Handler, error) {
	if h == nil {
		return nil, nil
	}
	return handler(action{exec: h.Exec, http: h.HTTPGet, tcp: h.TCPSocket, sleep: h.Sleep}, c, podIP)
}

// action is what probes and hooks can do; one is set.
type action struct {
	exec  *v1.ExecAction
	http  *v1.HTTPGetAction
	tcp   *v1.TCPSocketAction
	grpc  *v1.GRPCAction
	sleep *v1.SleepAction
}

func handler(a action, c *v1.Container, podIP string) (*agentv1.Handler, error) {
	switch {
	case a.exec != nil:
		return &agentv1.Handler{Action: &agentv1.Handler_Exec_{Exec: &agentv1.Handler_Exec{Command: a.exec.Command}}}, nil
	case a.http != nil:
		return httpGet(a.http, c, podIP)
	case a.tcp != nil:
		port, err := portNumber(a.tcp.Port, c)
		return &agentv1.Handler{Action: &agentv1.Handler_TcpSocket_{TcpSocket: &agentv1.Handler_TcpSocket{
			Host: orElse(a.tcp.Host, podIP), Port: port}}}, err
	case a.grpc != nil:
		g := &agentv1.Handler_Grpc{Port: a.grpc.Port}
		if a.grpc.Service != nil {
			g.Service = *a.grpc.Service
		}
		return &agentv1.Handler{Action: &agentv1.Handler_Grpc_{Grpc: g}}, nil
	case a.sleep != nil:
		return &agentv1.Handler{Action: &agentv1.Handler_SleepSeconds{SleepSeconds: a.sleep.Seconds}}, nil
	}
	return nil, fmt.Errorf("names no action")
}

func httpGet(h *v1.HTTPGetAction, c *v1.Container, podIP string) (*agentv1.Handler, error) {
	port, err := portNumber(h.Port, c)
	if err != nil {
		return nil, err
	}
	get := &agentv1.Handler_HttpGet{Scheme: string(h.Scheme), Host: orElse(h.Host, podIP), Port: port, Path: h.Path}
	for _, header := range h.HTTPHeaders {
		get.Headers = append(get.Headers, &agentv1.EnvVar{Name: header.Name, Value: header.Value})
	}
	return &agentv1.Handler{Action: &agentv1.Handler_HttpGet_{HttpGet: get}}, nil
}

// portNumber resolves a name by the ports of the container.
func portNumber(p intstr.IntOrString, c *v1.Container) (int32, error) {
	if p.Type == intstr.Int {
		return p.IntVal, nil
	}
	for _, port := range c.Ports {
		if port.Name == p.StrVal {
			return port.ContainerPort, nil
		}
	}
	var number int32
	if n, err := fmt.Sscanf(p.StrVal, "%d", &number); n == 1 && err == nil {
		return number, nil
	}
	return 0, fmt.Errorf("couldn't find port %q in container %q", p.StrVal, c.Name)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
