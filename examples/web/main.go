// Command web is the application of the demo. It answers every path with where it runs, as text or, for clients that
// accept application/json, as JSON; /healthz is for probes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// place is where the program runs and what it was asked.
type place struct {
	Hostname string `json:"hostname"`
	Pod      string `json:"pod"`
	Node     string `json:"node"`
	Kernel   string `json:"kernel"`
	Path     string `json:"path"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	server := &http.Server{Addr: ":8080", Handler: routes(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Shutdown(context.Background()) })
	log.Printf("serving on %s", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /", answer)
	return mux
}

func answer(w http.ResponseWriter, r *http.Request) {
	p := here(r.URL.Path)
	log.Printf("%s %s from %s", r.Method, r.URL.Path, r.RemoteAddr)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(p)
		return
	}
	fmt.Fprintf(w, "hostname: %s\npod:      %s\nnode:     %s\nkernel:   %s\npath:     %s\n", p.Hostname, p.Pod, p.Node, p.Kernel, p.Path)
}

func here(path string) place {
	hostname, _ := os.Hostname()
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return place{
		Hostname: hostname,
		Pod:      os.Getenv("POD_NAME"),
		Node:     os.Getenv("NODE_NAME"),
		Kernel:   strings.TrimSpace(string(kernel)),
		Path:     path,
	}
}
