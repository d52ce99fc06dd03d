package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	agentv1 "pacific/api/agent/v1"

	"google.golang.org/protobuf/encoding/protowire"
)

// The one gRPC call of a probe, grpc.health.v1.Health/Check, is made with the standard library's HTTP/2: a whole gRPC client
// would be the largest part of the agent.

var grpcTransport = func() *http.Transport {
	t := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, Protocols: new(http.Protocols)}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}()

// Statuses of a gRPC call and of a health check.
const (
	codeOK               = "0"
	codeDeadlineExceeded = "4"
	codeUnimplemented    = "12"
	serving              = 1
)

var healthNames = map[uint64]string{0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}

func checkGRPC(ctx context.Context, t Target, g *agentv1.Handler_Grpc, timeout time.Duration) Result {
	addr := address(t, "", g.GetPort())
	req, err := healthRequest(ctx, addr, g.GetService())
	if err != nil {
		return Result{Err: err}
	}
	resp, err := grpcTransport.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return failure("timeout: failed to connect service %q within %v: %v", addr, timeout, context.DeadlineExceeded)
		}
		return failure("error: failed to connect service at %q: %v", addr, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput))
	if err != nil && ctx.Err() != nil {
		return failure("timeout: health rpc did not complete within %v", timeout)
	}
	switch code, message := grpcStatus(resp); {
	case code == codeUnimplemented:
		return failure("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): %s", message)
	case code == codeDeadlineExceeded:
		return failure("timeout: health rpc did not complete within %v", timeout)
	case code != codeOK || err != nil:
		return failure("error: health rpc probe failed: code %s: %s", code, message)
	}
	health, err := healthStatus(body)
	if err != nil {
		return failure("error: health rpc probe failed: %v", err)
	}
	if health != serving {
		return failure("service unhealthy (responded with %q)", healthNames[health])
	}
	return Result{OK: true, Output: "service healthy"}
}

func healthRequest(ctx context.Context, addr, service string) (*http.Request, error) {
	var message []byte
	if service != "" {
		message = protowire.AppendTag(message, 1, protowire.BytesType)
		message = protowire.AppendString(message, service)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) // not compressed
	frame = append(frame, message...)
	u := url.URL{Scheme: "http", Host: addr, Path: "/grpc.health.v1.Health/Check"}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(frame))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	req.Header.Set("User-Agent", userAgent)
	return req, nil
}

// grpcStatus is in the trailers, or in the headers of an answer without a body.
func grpcStatus(resp *http.Response) (code, message string) {
	for _, h := range []http.Header{resp.Trailer, resp.Header} {
		if code := h.Get("Grpc-Status"); code != "" {
			return code, h.Get("Grpc-Message")
		}
	}
	return "2", fmt.Sprintf("HTTP status %s", resp.Status)
}

func healthStatus(frame []byte) (uint64, error) {
	if len(frame) < 5 || frame[0] != 0 || int(binary.BigEndian.Uint32(frame[1:])) != len(frame)-5 {
		return 0, errors.New("the answer is no gRPC message")
	}
	var status uint64
	for b := frame[5:]; len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		b = b[n:]
		if number == 1 && kind == protowire.VarintType {
			status, n = protowire.ConsumeVarint(b)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return status, nil
}
