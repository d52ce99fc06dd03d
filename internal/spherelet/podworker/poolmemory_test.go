package podworker

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

func TestNoPoolMemory(t *testing.T) {
	refusal := func(domain string) error {
		s, err := grpcstatus.New(codes.ResourceExhausted, "machine m needs …").WithDetails(&errdetails.ErrorInfo{
			Domain: domain, Reason: hostv1.ReasonPoolMemoryLimit, Metadata: map[string]string{
				hostv1.PoolErrorPool: "team-a", hostv1.PoolErrorWanted: fmt.Sprint(836 << 20), hostv1.PoolErrorLimit: fmt.Sprint(642 << 20),
				hostv1.PoolErrorLimitAllHosts: fmt.Sprint(1024 << 20), hostv1.PoolErrorReserved: fmt.Sprint(292 << 20), hostv1.PoolErrorUsed: fmt.Sprint(233 << 20),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s.Err()
	}
	const want = "Namespace team-a has no memory left for the pod, which needs 836 MiB with its virtual machine: the namespace may use 1024 MiB on all hosts, 642 MiB on host-1 now, where its pods reserve 292 MiB and use 233 MiB. It waits; end other pods, lower the requests, or have the limit raised"
	if have := noPoolMemory("team-a", "host-1", refusal(hostv1.PoolErrorDomain)); have != want {
		t.Errorf("got %q", have)
	}
	for _, err := range []error{nil, errors.New("the host is full"), refusal("elsewhere"), grpcstatus.Error(codes.ResourceExhausted, "the host is full")} {
		if have := noPoolMemory("team-a", "host-1", err); have != "" {
			t.Errorf("%v: %q", err, have)
		}
	}
}
