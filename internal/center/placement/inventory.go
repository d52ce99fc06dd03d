// Package placement decides on which host a virtual machine runs. It is a pure function over an inventory: the same
// inventory gives the same decision, and every decision says why this host and why not the others.
package placement

// Resources of processors and memory.
type Resources struct {
	CPUMHz      int64 `json:"cpu_mhz"`
	MemoryBytes int64 `json:"memory_bytes"`
}

func (r Resources) plus(o Resources) Resources {
	return Resources{r.CPUMHz + o.CPUMHz, r.MemoryBytes + o.MemoryBytes}
}

func (r Resources) minus(o Resources) Resources {
	return Resources{r.CPUMHz - o.CPUMHz, r.MemoryBytes - o.MemoryBytes}
}

func (r Resources) atLeast(o Resources) Resources {
	return Resources{max(r.CPUMHz, o.CPUMHz), max(r.MemoryBytes, o.MemoryBytes)}
}

// State of the connection to a host.
type State string

// The original's states.
const (
	Connected     State = "CONNECTED"
	Disconnected  State = "DISCONNECTED"
	NotResponding State = "NOT_RESPONDING"
)

// Host is a candidate.
type Host struct {
	ID    string `json:"host"`
	Name  string `json:"name"`
	State State  `json:"connection_state"`
	// Maintenance: the host takes no machines, be it that it enters maintenance or is in it.
	Maintenance bool `json:"in_maintenance"`
	// CPUs are the logical processors that machines may use.
	CPUs     int       `json:"cpu_count"`
	Capacity Resources `json:"capacity"`
	// Reserved is what the host guarantees to what is no Machine of the inventory, as pods are.
	Reserved Resources `json:"reserved"`
	// Used is what was measured, of everything on the host; zero where nothing is known.
	Used       Resources         `json:"used"`
	Labels     map[string]string `json:"labels,omitempty"`
	Datastores []Datastore       `json:"datastores,omitempty"`
	Networks   []string          `json:"networks,omitempty"`
}

// Datastore that a host can reach. Hosts that share one list it under the same ID.
type Datastore struct {
	ID        string `json:"datastore"`
	FreeBytes int64  `json:"free_bytes"`
}

// Disk of a machine that is still to be made.
type Disk struct {
	// Datastore that it has to be on, empty for any.
	Datastore string `json:"datastore,omitempty"`
	Bytes     int64  `json:"bytes"`
}

// Machine is placed, or wants to be.
type Machine struct {
	ID   string `json:"vm"`
	Name string `json:"name"`
	// Host where it is, empty for none yet.
	Host        string `json:"host,omitempty"`
	CPUs        int    `json:"cpu_count"`
	MemoryBytes int64  `json:"memory_bytes"`
	// Reservation is what its host has to guarantee.
	Reservation Resources `json:"reservation"`
	// OverheadBytes of memory that its host needs beside what the guest has.
	OverheadBytes int64 `json:"overhead_bytes,omitempty"`
	// Used is what was measured; zero where nothing is known.
	Used     Resources `json:"used"`
	Disks    []Disk    `json:"disks,omitempty"`
	Networks []string  `json:"networks,omitempty"`
	Pool     string    `json:"resource_pool,omitempty"`
	// Groups that rules speak of.
	Groups []string `json:"groups,omitempty"`
	// Pinned machines cannot move while they run.
	Pinned bool `json:"pinned,omitempty"`
}

// guarantee is what the machine takes of its host for certain.
func (m Machine) guarantee() Resources {
	return m.Reservation.plus(Resources{MemoryBytes: m.OverheadBytes})
}

// Pool is a resource pool.
type Pool struct {
	ID   string `json:"resource_pool"`
	Name string `json:"name"`
	// Limit of all members together, zero for none.
	Limit Resources `json:"limit"`
	// Reserved for members that are no Machines of the inventory.
	Reserved Resources `json:"reserved"`
}

// Inventory is all that a decision rests on.
type Inventory struct {
	Hosts    []Host    `json:"hosts"`
	Machines []Machine `json:"machines"`
	Rules    []Rule    `json:"rules"`
	Pools    []Pool    `json:"pools"`
}
