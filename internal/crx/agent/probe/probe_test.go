package probe

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	agentv1 "pacific/api/agent/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

func split(t *testing.T, addr string) (string, int32) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	return host, int32(n)
}

func check(t *testing.T, target Target, h *agentv1.Handler, ok bool, output string) {
	t.Helper()
	checkWithin(t, time.Minute, target, h, ok, output)
}

func checkWithin(t *testing.T, limit time.Duration, target Target, h *agentv1.Handler, ok bool, output string) {
	t.Helper()
	r := Check(t.Context(), target, h, limit)
	if r.Err != nil || r.OK != ok || !strings.Contains(r.Output, output) {
		t.Errorf("got %+v, want %v %q", r, ok, output)
	}
}

func TestHTTP(t *testing.T) {
	handler := http.NewServeMux()
	handler.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != userAgent || r.Header.Get("X-Own") != "v" || r.Host != "virtual" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	handler.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	handler.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
	})
	handler.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/bad", http.StatusFound) })
	handler.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for scheme, server := range map[string]*httptest.Server{"HTTP": httptest.NewServer(handler), "HTTPS": httptest.NewTLSServer(handler)} {
		defer server.Close()
		host, port := split(t, server.Listener.Addr().String())
		get := func(path string) *agentv1.Handler {
			return &agentv1.Handler{Action: &agentv1.Handler_HttpGet_{HttpGet: &agentv1.Handler_HttpGet{
				Scheme: scheme, Port: port, Path: path, Headers: []*agentv1.EnvVar{{Name: "X-Own", Value: "v"}, {Name: "Host", Value: "virtual"}}}}}
		}
		target := Target{Host: host}
		check(t, target, get("/ok"), true, "")
		check(t, target, get("/bad"), false, "HTTP probe failed with statuscode: 500")
		check(t, target, get("/away"), true, "Probe terminated redirects")
		check(t, target, get("/here"), false, "statuscode: 500")
		checkWithin(t, 300*time.Millisecond, target, get("/slow"), false, "deadline exceeded")
	}
}

// TestResumption: probes of one server ask it for one signature only.
func TestResumption(t *testing.T) {
	var resumed []bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { resumed = append(resumed, r.TLS.DidResume) }))
	defer server.Close()
	host, port := split(t, server.Listener.Addr().String())
	h := &agentv1.Handler{Action: &agentv1.Handler_HttpGet_{HttpGet: &agentv1.Handler_HttpGet{Scheme: "HTTPS", Port: port}}}
	for range 3 {
		check(t, Target{Host: host}, h, true, "")
	}
	if want := []bool{false, true, true}; !slices.Equal(resumed, want) {
		t.Errorf("resumed %v, want %v", resumed, want)
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port := split(t, l.Addr().String())
	h := &agentv1.Handler{Action: &agentv1.Handler_TcpSocket_{TcpSocket: &agentv1.Handler_TcpSocket{Port: port}}}
	check(t, Target{Host: host}, h, true, "")
	l.Close()
	check(t, Target{Host: host}, h, false, "connection refused")
}

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port := split(t, l.Addr().String())
	states := health.NewServer()
	states.SetServingStatus("well", healthv1.HealthCheckResponse_SERVING)
	states.SetServingStatus("ill", healthv1.HealthCheckResponse_NOT_SERVING)
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, states)
	go server.Serve(l)
	defer server.Stop()
	h := func(port int32, service string) *agentv1.Handler {
		return &agentv1.Handler{Action: &agentv1.Handler_Grpc_{Grpc: &agentv1.Handler_Grpc{Port: port, Service: service}}}
	}
	target := Target{Host: host}
	check(t, target, h(port, ""), true, "service healthy")
	check(t, target, h(port, "well"), true, "service healthy")
	check(t, target, h(port, "ill"), false, `service unhealthy (responded with "NOT_SERVING")`)
	check(t, target, h(port, "unknown"), false, "health rpc probe failed")

	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := grpc.NewServer()
	go other.Serve(bare)
	defer other.Stop()
	_, barePort := split(t, bare.Addr().String())
	check(t, target, h(barePort, ""), false, "this server does not implement the grpc health protocol")
	check(t, target, h(1, ""), false, "failed to connect service")
}

func TestExec(t *testing.T) {
	h := &agentv1.Handler{Action: &agentv1.Handler_Exec_{Exec: &agentv1.Handler_Exec{Command: []string{"a", "b"}}}}
	answer := func(code int32, output string) Target {
		return Target{Exec: func(context.Context, []string) (int32, []byte, error) { return code, []byte(output), nil }}
	}
	check(t, answer(0, "fine"), h, true, "fine")
	check(t, answer(3, "bad"), h, false, "bad")
	slow := Target{Exec: func(ctx context.Context, _ []string) (int32, []byte, error) { <-ctx.Done(); return 0, nil, ctx.Err() }}
	checkWithin(t, 300*time.Millisecond, slow, h, false, `command timed out: "a b" timed out after 300ms`)
	broken := Target{Exec: func(context.Context, []string) (int32, []byte, error) { return 0, nil, errors.New("no such container") }}
	if r := Check(t.Context(), broken, h, time.Second); r.Err == nil {
		t.Errorf("%+v", r)
	}
}

func TestCounter(t *testing.T) {
	c := counter{success: 2, failure: 3}
	var got strings.Builder
	for _, ok := range "++-+-----++" {
		if c.reached(ok == '+') {
			got.WriteRune(ok)
		} else {
			got.WriteByte('.')
		}
	}
	if got.String() != ".+....---.+" {
		t.Error(got.String())
	}
}
