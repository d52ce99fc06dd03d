package podworker

import (
	"fmt"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	grpcstatus "google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

// EventNamespaceMemoryLimit is the event of a pod that waits for memory of its namespace.
const EventNamespaceMemoryLimit = "NamespaceMemoryLimit"

// noPoolMemory explains a start that the namespace's resource pool refused; empty for other errors.
func noPoolMemory(namespace, host string, err error) string {
	for _, detail := range grpcstatus.Convert(err).Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.Domain != hostv1.PoolErrorDomain || info.Reason != hostv1.ReasonPoolMemoryLimit {
			continue
		}
		mib := func(key string) uint64 {
			n, _ := strconv.ParseUint(info.Metadata[key], 10, 64)
			return n >> 20
		}
		limit := fmt.Sprintf("%d MiB on %s", mib(hostv1.PoolErrorLimit), host)
		if all := mib(hostv1.PoolErrorLimitAllHosts); all > 0 {
			limit = fmt.Sprintf("%d MiB on all hosts, %s now", all, limit)
		}
		return fmt.Sprintf("Namespace %s has no memory left for the pod, which needs %d MiB with its virtual machine: the namespace may use %s, where its pods reserve %d MiB and use %d MiB. It waits; end other pods, lower the requests, or have the limit raised",
			namespace, mib(hostv1.PoolErrorWanted), limit, mib(hostv1.PoolErrorReserved), mib(hostv1.PoolErrorUsed))
	}
	return ""
}
