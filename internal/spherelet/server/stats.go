package server

import (
	"net/http"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/spherelet/hypervisor"
	"pacific/internal/spherelet/measure"
	"pacific/internal/spherelet/podworker"
)

// measurable are the pods whose agents answer.
func measurable(pods *podworker.Manager) []measure.Running {
	var all []measure.Running
	for _, worker := range pods.Workers() {
		link, err := worker.Link()
		if err != nil {
			continue
		}
		if pod, err := worker.Status(); err == nil {
			all = append(all, measure.Running{Pod: pod, Agent: link.Agent})
		}
	}
	return all
}

// NewSampler measures the pods of a manager and the machines of its host.
func NewSampler(nodeName string, pods *podworker.Manager, info func() *hostv1.GetHostResponse, host *hypervisor.Client) *measure.Sampler {
	return &measure.Sampler{
		NodeName: nodeName, Host: info, Machines: host.Machines, Images: host.Images,
		Pods: func() []measure.Running { return measurable(pods) },
	}
}

func (s *Server) summary(w http.ResponseWriter, r *http.Request) {
	small := r.FormValue("only_cpu_and_memory") == "true"
	previous, last := s.Sampler.Pair(r.Context(), !small)
	summary := measure.Summary(previous, last)
	if small {
		summary = measure.OnlyCPUAndMemory(summary)
	}
	writeJSON(w, summary)
}

func (s *Server) resourceMetrics(w http.ResponseWriter, r *http.Request) {
	measure.WriteResource(w, r, s.Sampler.Sample(r.Context(), false))
}

func (s *Server) cadvisorMetrics(w http.ResponseWriter, r *http.Request) {
	measure.WriteCAdvisor(w, r, s.Sampler.Sample(r.Context(), true), s.Version)
}

func (s *Server) probeMetrics(w http.ResponseWriter, r *http.Request) {
	measure.WriteProbes(w, r, s.Sampler.Sample(r.Context(), false))
}
