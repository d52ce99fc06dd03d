package pool

import (
	"fmt"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

// Refusal of a start for which a pool has no memory left.
type Refusal struct {
	Machine, Host, Pool string
	// Wanted by the machine; Limit of the pool on this host; LimitAllHosts, of which that is a part, 0 if unknown; Reserved and Used by the
	// machines that run in the pool. All in bytes.
	Wanted, Limit, LimitAllHosts, Reserved, Used uint64
}

// Error implements error.
func (r *Refusal) Error() string {
	all := ""
	if r.LimitAllHosts > 0 {
		all = fmt.Sprintf(" (of %d MiB on all hosts)", r.LimitAllHosts>>20)
	}
	return fmt.Sprintf("machine %s needs %d MiB of memory; resource pool %s may use %d MiB on host %s%s, of which its machines reserve %d MiB and use %d MiB: end one, or raise the pool's limit",
		r.Machine, r.Wanted>>20, r.Pool, r.Limit>>20, r.Host, all, r.Reserved>>20, r.Used>>20)
}

// MayPass tells whether the machine would fit if all of the limit of all hosts were this host's.
func (r *Refusal) MayPass() bool {
	return r.LimitAllHosts > r.Limit && max(r.Reserved, r.Used)+r.Wanted <= r.LimitAllHosts
}

// GRPCStatus gives the refusal its code and its numbers.
func (r *Refusal) GRPCStatus() *status.Status {
	s := status.New(codes.ResourceExhausted, r.Error())
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	info := &errdetails.ErrorInfo{Domain: hostv1.PoolErrorDomain, Reason: hostv1.ReasonPoolMemoryLimit, Metadata: map[string]string{
		hostv1.PoolErrorPool: r.Pool, hostv1.PoolErrorWanted: number(r.Wanted), hostv1.PoolErrorLimit: number(r.Limit),
		hostv1.PoolErrorReserved: number(r.Reserved), hostv1.PoolErrorUsed: number(r.Used),
	}}
	if r.LimitAllHosts > 0 {
		info.Metadata[hostv1.PoolErrorLimitAllHosts] = number(r.LimitAllHosts)
	}
	if detailed, err := s.WithDetails(info); err == nil {
		return detailed
	}
	return s
}

// refuse decides whether a machine may start beside those that run: within the memory of every pool that it is in. used is the
// memory that a pool's machines use.
func (p byPath) refuse(want Member, running []Member, used func(pool string) uint64) *Refusal {
	for _, path := range above(want.Pool) {
		pool := p[path]
		if pool == nil || pool.MemoryLimitBytes == nil {
			continue
		}
		r := &Refusal{
			Machine: want.ID, Pool: path, Wanted: want.Reserved, Limit: pool.GetMemoryLimitBytes(),
			LimitAllHosts: pool.GetMemoryLimitAllHostsBytes(), Reserved: reservedIn(path, running), Used: used(path),
		}
		if max(r.Reserved, r.Used)+r.Wanted > r.Limit {
			return r
		}
	}
	return nil
}
