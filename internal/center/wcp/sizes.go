package wcp

// Size of a control plane, by the original's hint.
type Size struct {
	CPUs      int64
	MemoryMiB int64
	DiskGiB   int64
	// Pods and Services that such a Supervisor is meant for.
	Pods, Services int64
}

// Sizes by hint. The memory is what Pacific's own control plane needs for so many pods, far less than the original's.
var Sizes = map[string]Size{
	"TINY":   {CPUs: 2, MemoryMiB: 1536, DiskGiB: 16, Pods: 1000, Services: 1000},
	"SMALL":  {CPUs: 4, MemoryMiB: 4096, DiskGiB: 32, Pods: 2000, Services: 2000},
	"MEDIUM": {CPUs: 8, MemoryMiB: 8192, DiskGiB: 64, Pods: 4000, Services: 4000},
	"LARGE":  {CPUs: 16, MemoryMiB: 16384, DiskGiB: 128, Pods: 8000, Services: 8000},
}

// The prefixes that a Supervisor gets when its specification names none.
const (
	DefaultServiceCIDR = "10.96.0.0/16"
	DefaultPodCIDR     = "10.244.0.0/16"
)

type sizeInfo struct {
	Pods        int64    `json:"num_supported_pods"`
	Services    int64    `json:"num_supported_services"`
	ServiceCIDR CIDR     `json:"default_service_cidr"`
	PodCIDR     CIDR     `json:"default_pod_cidr"`
	Master      nodeSize `json:"master_vm_info"`
}

type nodeSize struct {
	Count          int64 `json:"count"`
	CoresPerSocket int64 `json:"cores_per_socket"`
	Memory         int64 `json:"memory"`   // MiB
	Capacity       int64 `json:"capacity"` // MiB of disk
}

func sizeInfos() map[string]sizeInfo {
	infos := map[string]sizeInfo{}
	for hint, size := range Sizes {
		infos[hint] = sizeInfo{
			Pods: size.Pods, Services: size.Services,
			ServiceCIDR: mustCIDR(DefaultServiceCIDR), PodCIDR: mustCIDR(DefaultPodCIDR),
			Master: nodeSize{Count: defaultCount, CoresPerSocket: size.CPUs, Memory: size.MemoryMiB, Capacity: size.DiskGiB * gibMiB},
		}
	}
	return infos
}
