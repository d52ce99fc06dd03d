// Package server is the spherelet's endpoint for the API server: logs, exec, attach, port-forward, statistics. It has the
// paths of the kubelet, since kube-apiserver, kubectl and the metrics server know those.
package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/klog/v2"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"

	"pacific/internal/spherelet/measure"
	"pacific/internal/spherelet/podstarts"
	"pacific/internal/spherelet/podworker"
)

// Server answers for the pods of the manager.
type Server struct {
	Pods     *podworker.Manager
	NodeName string
	Starts   *podstarts.Recorder
	Metrics  prometheus.Gatherer
	Sampler  *measure.Sampler
	Access   *Access
	Version  string
	// Config is shown by /configz.
	Config *kubeletconfig.KubeletConfiguration
	// Healthy tells whether the node can run pods; the error says what is wrong.
	Healthy func() error
}

// Serve listens on address until ctx ends.
func (s *Server) Serve(ctx context.Context, address string, config *tls.Config) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for the API server: %w", err)
	}
	server := &http.Server{
		Handler: s.Access.guard(s.routes()),
		// Streams live as long as their users like; only the head of a request is bounded.
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         config,
		ErrorLog:          nil,
	}
	context.AfterFunc(ctx, func() { server.Close() })
	err = server.ServeTLS(listener, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /healthz/{check}", s.healthz)
	mux.HandleFunc("GET /pods", s.pods)
	mux.HandleFunc("GET /runningpods/", s.runningPods)
	mux.HandleFunc("GET /configz", s.configz)
	mux.HandleFunc("GET /podstarts", s.podStarts)
	mux.HandleFunc("/stats/summary", s.summary)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /metrics/resource", s.resourceMetrics)
	mux.HandleFunc("GET /metrics/cadvisor", s.cadvisorMetrics)
	mux.HandleFunc("GET /metrics/probes", s.probeMetrics)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.containerLogs)
	for _, p := range []string{"/{namespace}/{pod}/{container}", "/{namespace}/{pod}/{uid}/{container}"} {
		mux.HandleFunc("/exec"+p, s.exec)
		mux.HandleFunc("/attach"+p, s.attach)
		mux.HandleFunc("POST /run"+p, s.run)
	}
	for _, p := range []string{"/{namespace}/{pod}", "/{namespace}/{pod}/{uid}"} {
		mux.HandleFunc("/portForward"+p, s.portForward)
	}
	return mux
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	if err := s.Healthy(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, "ok")
}

func (s *Server) configz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"kubeletconfig": s.Config})
}

func (s *Server) podStarts(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"items": s.Starts.List()})
}

func writeJSON(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(data); err != nil {
		klog.V(4).InfoS("Answer could not be written", "err", err)
	}
}

// find returns the worker of the pod that the request's path names, or answers 404.
func (s *Server) find(w http.ResponseWriter, r *http.Request) *podworker.Worker {
	worker, err := s.Pods.Find(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("uid"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return nil
	}
	return worker
}
