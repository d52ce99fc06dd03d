// Package probe checks containers from inside the pod's network, by the kubelet's rules and in its words.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	agentv1 "pacific/api/agent/v1"
)

// userAgent is that of the Kubernetes version that the pods are run for.
const userAgent = "kube-probe/1.36"

// maxOutput bounds what is kept of a probe's output, as in the kubelet.
const maxOutput = 10 << 10

// Target is the container that is probed.
type Target struct {
	Host string // the pod's address
	// Exec runs a command in the container. Its error is not nil when there was no exit code.
	Exec func(ctx context.Context, command []string) (exitCode int32, output []byte, err error)
}

// Result of one check.
type Result struct {
	OK     bool
	Output string // why not, or a warning
	Err    error  // the check could not be made; it counts neither way
}

func failure(format string, args ...any) Result { return Result{Output: fmt.Sprintf(format, args...)} }

// Check runs a probe's handler once.
func Check(ctx context.Context, t Target, h *agentv1.Handler, timeout time.Duration) Result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch action := h.GetAction().(type) {
	case *agentv1.Handler_Exec_:
		return checkExec(ctx, t, action.Exec.GetCommand(), timeout)
	case *agentv1.Handler_HttpGet_:
		return checkHTTP(ctx, t, action.HttpGet)
	case *agentv1.Handler_TcpSocket_:
		return checkTCP(ctx, t, action.TcpSocket)
	case *agentv1.Handler_Grpc_:
		return checkGRPC(ctx, t, action.Grpc, timeout)
	}
	return Result{Err: errors.New("the probe has no handler")}
}

func checkExec(ctx context.Context, t Target, command []string, timeout time.Duration) Result {
	code, output, err := t.Exec(ctx, command)
	if len(output) > maxOutput {
		output = output[:maxOutput]
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return failure("command timed out: %q timed out after %s", strings.Join(command, " "), timeout)
	case err != nil:
		return Result{Err: err}
	}
	return Result{OK: code == 0, Output: string(output)}
}

func checkTCP(ctx context.Context, t Target, s *agentv1.Handler_TcpSocket) Result {
	conn, err := dialer.DialContext(ctx, "tcp", address(t, s.GetHost(), s.GetPort()))
	if err != nil {
		return failure("%v", err)
	}
	conn.Close()
	return Result{OK: true}
}

func address(t Target, host string, port int32) string {
	if host == "" {
		host = t.Host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// dialer: a probe's connection is closed by a reset, so that frequent probes leave no sockets in TIME_WAIT.
var dialer = &net.Dialer{ControlContext: noLinger}

func checkHTTP(ctx context.Context, t Target, get *agentv1.Handler_HttpGet) Result {
	req, err := Request(ctx, t, get, userAgent)
	if err != nil {
		return Result{Err: err}
	}
	client := &http.Client{Transport: transport, CheckRedirect: sameHost}
	resp, err := client.Do(req)
	if err != nil {
		return failure("%v", err)
	}
	defer resp.Body.Close()
	// Over TLS the server hears of the end before the connection is gone, and may still answer then.
	if ctx.Err() != nil {
		return failure("%s %q: %v", req.Method, req.URL, ctx.Err())
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput))
	switch {
	case err != nil:
		return Result{Err: err}
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return Result{OK: true, Output: fmt.Sprintf("Probe terminated redirects, Response body: %s", body)}
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return Result{OK: true}
	}
	return failure("HTTP probe failed with statuscode: %d", resp.StatusCode)
}

// probedServers are whose sessions are kept: a pod has few that are asked over TLS.
const probedServers = 16

var transport = &http.Transport{
	DialContext: dialer.DialContext,
	TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // as the kubelet: it asks for health, not for identity
		// Each probe is a connection of its own, but the server need not sign for each: that is a tenth of a second of an emulated
		// processor, which it has for its work.
		ClientSessionCache: tls.NewLRUClientSessionCache(probedServers),
	},
	DisableKeepAlives: true,
	ForceAttemptHTTP2: true,
	Proxy:             nil,
}

func sameHost(req *http.Request, via []*http.Request) error {
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// Request makes the request of a probe or of a lifecycle hook.
func Request(ctx context.Context, t Target, get *agentv1.Handler_HttpGet, agent string) (*http.Request, error) {
	u, err := url.Parse(get.GetPath())
	if err != nil {
		u = &url.URL{Path: get.GetPath()} // passed along as it is, as the kubelet does
	}
	u.Scheme = strings.ToLower(get.GetScheme())
	if u.Scheme == "" {
		u.Scheme = "http"
	}
	u.Host = address(t, get.GetHost(), get.GetPort())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for _, h := range get.GetHeaders() {
		req.Header.Add(h.GetName(), h.GetValue())
	}
	if _, set := req.Header["User-Agent"]; !set {
		req.Header.Set("User-Agent", agent)
	}
	if _, set := req.Header["Accept"]; !set {
		req.Header.Set("Accept", "*/*")
	} else if req.Header.Get("Accept") == "" {
		req.Header.Del("Accept")
	}
	req.Host = req.Header.Get("Host")
	return req, nil
}
