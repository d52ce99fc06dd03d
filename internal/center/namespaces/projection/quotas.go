package projection

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"

	"pacific/internal/center/namespaces/spec"
)

const classSuffix = ".storageclass.storage.k8s.io/"

// Names of the quotas, which are the original's.
func countQuotaName(ns string) string   { return ns }
func storageQuotaName(ns string) string { return ns + "-storagequota" }

// countQuota limits how many objects there may be, and the storage of all claims together.
func countQuota(ns Namespace) Object {
	r := ns.Settings.Resources
	hard := corev1.ResourceList{corev1.ResourceRequestsStorage: mebibytes(r.StorageRequestLimit)}
	for name, count := range map[corev1.ResourceName]*int64{
		corev1.ResourcePods:                   r.Pods,
		corev1.ResourceServices:               r.Services,
		corev1.ResourceConfigMaps:             r.ConfigMaps,
		corev1.ResourceSecrets:                r.Secrets,
		corev1.ResourceReplicationControllers: r.ReplicationControllers,
		corev1.ResourcePersistentVolumeClaims: r.PersistentVolumeClaims,
		"count/deployments.apps":              r.Deployments,
		"count/daemonsets.apps":               r.DaemonSets,
		"count/replicasets.apps":              r.ReplicaSets,
		"count/statefulsets.apps":             r.StatefulSets,
		"count/jobs.batch":                    r.Jobs,
	} {
		if count != nil {
			hard[name] = *resource.NewQuantity(*count, resource.DecimalSI)
		}
	}
	return quota(ns.Name, countQuotaName(ns.Name), hard)
}

// storageQuota limits each StorageClass: to what its policy was given, or to no claim at all where the namespace may not use
// the policy. The second is told by the number of claims, since clients take a class with a quota of storage for one that the
// namespace may use.
func storageQuota(ns Namespace, on Supervisor) Object {
	hard := corev1.ResourceList{}
	for policy, class := range on.Classes {
		limit, may := storageLimit(ns, policy)
		if may {
			hard[corev1.ResourceName(class+classSuffix+string(corev1.ResourceRequestsStorage))] = mebibytes(limit)
		} else {
			hard[corev1.ResourceName(class+classSuffix+string(corev1.ResourcePersistentVolumeClaims))] = *resource.NewQuantity(0, resource.DecimalSI)
		}
	}
	return quota(ns.Name, storageQuotaName(ns.Name), hard)
}

func storageLimit(ns Namespace, policy string) (limit *int64, may bool) {
	for _, s := range ns.Settings.Storage {
		if s.Policy == policy {
			return s.Limit, true
		}
	}
	return nil, false
}

func quota(namespace, name string, hard corev1.ResourceList) Object {
	return object(applycorev1.ResourceQuota(name, namespace).WithLabels(managed()).
		WithSpec(applycorev1.ResourceQuotaSpec().WithHard(hard)))
}

func mebibytes(limit *int64) resource.Quantity {
	if limit == nil {
		return *resource.NewQuantity(spec.Unlimited, resource.DecimalSI)
	}
	return *resource.NewQuantity(*limit<<20, resource.BinarySI)
}

// limitRange gives containers that say nothing their default; nil where there is none. The API server takes a default limit
// for a missing default request, so that is written down too.
func limitRange(ns Namespace, on Supervisor) (Object, error) {
	r := ns.Settings.Resources
	limits, requests := corev1.ResourceList{}, corev1.ResourceList{}
	for _, cpu := range []struct {
		mhz *int64
		to  []corev1.ResourceList
	}{
		{r.CPULimitDefault, []corev1.ResourceList{limits, requests}},
		{r.CPURequestDefault, []corev1.ResourceList{requests}},
	} {
		if cpu.mhz == nil {
			continue
		}
		cores, err := on.cores(*cpu.mhz)
		if err != nil {
			return nil, err
		}
		for _, list := range cpu.to {
			list[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(math.Ceil(cores*1000)), resource.DecimalSI)
		}
	}
	if r.MemoryLimitDefault != nil {
		limits[corev1.ResourceMemory], requests[corev1.ResourceMemory] = mebibytes(r.MemoryLimitDefault), mebibytes(r.MemoryLimitDefault)
	}
	if r.MemoryRequestDefault != nil {
		requests[corev1.ResourceMemory] = mebibytes(r.MemoryRequestDefault)
	}
	if len(limits)+len(requests) == 0 {
		return nil, nil
	}
	item := applycorev1.LimitRangeItem().WithType(corev1.LimitTypeContainer).WithDefaultRequest(requests)
	if len(limits) > 0 {
		item = item.WithDefault(limits)
	}
	return object(applycorev1.LimitRange(ns.Name, ns.Name).WithLabels(managed()).
		WithSpec(applycorev1.LimitRangeSpec().WithLimits(item))), nil
}
