package spec

import (
	"math"

	"pacific/internal/center/vapi"
)

// Unlimited is what the original writes for no limit.
const Unlimited int64 = math.MaxInt64

type field struct {
	name     string
	value    *int64
	min, max int64
	unit     string
}

func (r Resources) fields() []field {
	return []field{
		{"cpu_limit", r.CPULimit, 1, maxMHz, "MHz"},
		{"memory_limit", r.MemoryLimit, 1, maxMiB, "MiB"},
		{"cpu_limit_default", r.CPULimitDefault, 1, maxMHz, "MHz"},
		{"cpu_request_default", r.CPURequestDefault, 0, maxMHz, "MHz"},
		{"memory_limit_default", r.MemoryLimitDefault, 1, maxMiB, "MiB"},
		{"memory_request_default", r.MemoryRequestDefault, 0, maxMiB, "MiB"},
		{"storage_request_limit", r.StorageRequestLimit, 0, maxMiB, "MiB"},
		{"pod_count", r.Pods, 0, maxCount, "pods"},
		{"service_count", r.Services, 0, maxCount, "services"},
		{"deployment_count", r.Deployments, 0, maxCount, "deployments"},
		{"daemon_set_count", r.DaemonSets, 0, maxCount, "daemon sets"},
		{"replica_set_count", r.ReplicaSets, 0, maxCount, "replica sets"},
		{"replication_controller_count", r.ReplicationControllers, 0, maxCount, "replication controllers"},
		{"stateful_set_count", r.StatefulSets, 0, maxCount, "stateful sets"},
		{"config_map_count", r.ConfigMaps, 0, maxCount, "config maps"},
		{"secret_count", r.Secrets, 0, maxCount, "secrets"},
		{"persistent_volume_claim_count", r.PersistentVolumeClaims, 0, maxCount, "claims"},
		{"job_count", r.Jobs, 0, maxCount, "jobs"},
		{"cpu_reservation", r.CPUReservation, 0, maxMHz, "MHz"},
		{"memory_reservation", r.MemoryReservation, 0, maxMiB, "MiB"},
		{"cpu_shares", r.CPUShares, 1, maxShares, "shares"},
		{"memory_shares", r.MemoryShares, 1, maxShares, "shares"},
	}
}

func (r Resources) validate() error {
	for _, f := range r.fields() {
		if err := between("resource_spec."+f.name, f.value, f.min, f.max, f.unit); err != nil {
			return err
		}
	}
	for _, pair := range []struct {
		small string
		a     *int64
		large string
		b     *int64
	}{
		{"cpu_reservation", r.CPUReservation, "cpu_limit", r.CPULimit},
		{"memory_reservation", r.MemoryReservation, "memory_limit", r.MemoryLimit},
		{"cpu_request_default", r.CPURequestDefault, "cpu_limit_default", r.CPULimitDefault},
		{"memory_request_default", r.MemoryRequestDefault, "memory_limit_default", r.MemoryLimitDefault},
		{"cpu_limit_default", r.CPULimitDefault, "cpu_limit", r.CPULimit},
		{"memory_limit_default", r.MemoryLimitDefault, "memory_limit", r.MemoryLimit},
	} {
		if pair.a != nil && pair.b != nil && *pair.a > *pair.b {
			return vapi.InvalidArgument("namespaces.resources.order", "resource_spec.%s (%d) is above resource_spec.%s (%d); lower the one or raise the other", pair.small, *pair.a, pair.large, *pair.b)
		}
	}
	return nil
}

func between(name string, value *int64, low, high int64, unit string) error {
	if value != nil && (*value < low || *value > high) {
		return vapi.InvalidArgument("namespaces.range", "%s is %d; it must be from %d to %d %s, or be left out for no limit", name, *value, low, high, unit)
	}
	return nil
}
