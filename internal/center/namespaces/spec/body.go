// Package spec holds what a vSphere Namespace is asked to be: the bodies of the REST API under the original's field names, and the
// checks that need nothing but the body itself.
package spec

// Roles of a subject in a namespace.
const (
	RoleView  = "VIEW"
	RoleEdit  = "EDIT"
	RoleOwner = "OWNER"
)

// Types of subjects.
const (
	User  = "USER"
	Group = "GROUP"
)

// Resources are limits; what is nil is not limited. Memory and storage are in MiB, CPU in MHz.
type Resources struct {
	CPULimit             *int64 `json:"cpu_limit,omitempty"`
	MemoryLimit          *int64 `json:"memory_limit,omitempty"`
	CPULimitDefault      *int64 `json:"cpu_limit_default,omitempty"`
	CPURequestDefault    *int64 `json:"cpu_request_default,omitempty"`
	MemoryLimitDefault   *int64 `json:"memory_limit_default,omitempty"`
	MemoryRequestDefault *int64 `json:"memory_request_default,omitempty"`
	StorageRequestLimit  *int64 `json:"storage_request_limit,omitempty"`

	Pods                   *int64 `json:"pod_count,omitempty"`
	Services               *int64 `json:"service_count,omitempty"`
	Deployments            *int64 `json:"deployment_count,omitempty"`
	DaemonSets             *int64 `json:"daemon_set_count,omitempty"`
	ReplicaSets            *int64 `json:"replica_set_count,omitempty"`
	ReplicationControllers *int64 `json:"replication_controller_count,omitempty"`
	StatefulSets           *int64 `json:"stateful_set_count,omitempty"`
	ConfigMaps             *int64 `json:"config_map_count,omitempty"`
	Secrets                *int64 `json:"secret_count,omitempty"`
	PersistentVolumeClaims *int64 `json:"persistent_volume_claim_count,omitempty"`
	Jobs                   *int64 `json:"job_count,omitempty"`

	// These are Pacific's own; the original sets them on the resource pool itself. Reservations are in MHz and MiB; shares
	// weigh the pool against its siblings when a host is full, 1000 if nil.
	CPUReservation    *int64 `json:"cpu_reservation,omitempty"`
	MemoryReservation *int64 `json:"memory_reservation,omitempty"`
	CPUShares         *int64 `json:"cpu_shares,omitempty"`
	MemoryShares      *int64 `json:"memory_shares,omitempty"`
}

// Access gives a subject a role.
type Access struct {
	SubjectType string `json:"subject_type"`
	Subject     string `json:"subject"`
	Domain      string `json:"domain"`
	Role        string `json:"role"`
}

// Storage is a storage policy that may be used, up to a limit in MiB; nil is no limit.
type Storage struct {
	Policy string `json:"policy"`
	Limit  *int64 `json:"limit,omitempty"`
}

// VMService is what virtual machines may be made of.
type VMService struct {
	ContentLibraries []string `json:"content_libraries,omitempty"`
	VMClasses        []string `json:"vm_classes,omitempty"`
}

// ContentLibrary that is attached.
type ContentLibrary struct {
	ContentLibrary         string `json:"content_library"`
	Writable               bool   `json:"writable,omitempty"`
	AllowImport            bool   `json:"allow_import,omitempty"`
	ResourceNamingStrategy string `json:"resource_naming_strategy,omitempty"`
}

// Principal is a user who made something.
type Principal struct {
	Subject string `json:"subject"`
	Domain  string `json:"domain"`
}

// Settings are what may be changed as long as a namespace lives.
type Settings struct {
	Description      string           `json:"description"`
	Resources        Resources        `json:"resource_spec"`
	Access           []Access         `json:"access_list"`
	Storage          []Storage        `json:"storage_specs"`
	VMService        VMService        `json:"vm_service_spec"`
	ContentLibraries []ContentLibrary `json:"content_libraries"`
}

// Update of settings: what is nil stays. The fixed fields are here so that a request to change one is told so.
type Update struct {
	Description      *string           `json:"description"`
	Resources        *Resources        `json:"resource_spec"`
	Access           *[]Access         `json:"access_list"`
	Storage          *[]Storage        `json:"storage_specs"`
	VMService        *VMService        `json:"vm_service_spec"`
	ContentLibraries *[]ContentLibrary `json:"content_libraries"`

	Cluster     *string `json:"cluster"`
	Supervisor  *string `json:"supervisor"`
	Namespace   *string `json:"namespace"`
	SelfService *bool   `json:"self_service_namespace"`
	Network
}

// Create is the body that makes a namespace: Cluster in version 1 of the API, Supervisor in version 2.
type Create struct {
	Namespace   string     `json:"namespace"`
	Cluster     string     `json:"cluster"`
	Supervisor  string     `json:"supervisor"`
	Creator     *Principal `json:"creator"`
	SelfService bool       `json:"self_service_namespace"`

	Description      string           `json:"description"`
	Resources        Resources        `json:"resource_spec"`
	Access           []Access         `json:"access_list"`
	Storage          []Storage        `json:"storage_specs"`
	VMService        VMService        `json:"vm_service_spec"`
	ContentLibraries []ContentLibrary `json:"content_libraries"`
	Network
}

// Network is the part of a body that overrides the Supervisor's network for one namespace, and where it lies.
type Network struct {
	Networks         []string       `json:"networks"`
	NamespaceNetwork map[string]any `json:"namespace_network"`
	NetworkSpec      map[string]any `json:"network_spec"`
	Zones            []Zone         `json:"zones"`
}

// Zone of a Supervisor.
type Zone struct {
	Name string `json:"name"`
}

// Settings of a body that makes a namespace.
func (c Create) Settings() Settings {
	return Settings{c.Description, c.Resources, c.Access, c.Storage, c.VMService, c.ContentLibraries}
}

// Apply returns the settings with what the update says.
func (u Update) Apply(s Settings) Settings {
	set(&s.Description, u.Description)
	set(&s.Resources, u.Resources)
	set(&s.Access, u.Access)
	set(&s.Storage, u.Storage)
	set(&s.VMService, u.VMService)
	set(&s.ContentLibraries, u.ContentLibraries)
	return s
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
