package hosts

import (
	"fmt"
	"time"

	"pacific/internal/center/store"
)

// Host is a host's record.
type Host struct {
	ID      string            `json:"id"` // host-1
	Name    string            `json:"name"`
	Cluster string            `json:"cluster"`
	Address string            `json:"address"` // on the management network
	Labels  map[string]string `json:"labels,omitempty"`
	Joined  time.Time         `json:"joined"`
	// Keys are ids of the keys that the agent may show, the newest last. There are two while it renews its certificate.
	Keys []string `json:"keys"`
	// Maintenance is wanted by the administrator.
	Maintenance bool `json:"maintenance,omitempty"`
	// Removing hosts clean themselves; the record goes when they have.
	Removing bool `json:"removing,omitempty"`
	// Seen is when the agent reported last, to within a minute; zero before its first session.
	Seen time.Time `json:"seen,omitzero"`
	// Lost is when the agent reported last, once it is missed; zero for a host that answers.
	Lost     time.Time `json:"lost,omitzero"`
	Facts    Facts     `json:"facts"`
	Revision string    `json:"revision,omitempty"` // that the host follows
	Problems []string  `json:"problems,omitempty"`
}

// Facts are what the host told of itself.
type Facts struct {
	Kernel          string `json:"kernel,omitempty"`
	OperatingSystem string `json:"operating_system,omitempty"`
	AgentVersion    string `json:"agent_version,omitempty"`
	HostdVersion    string `json:"hostd_version,omitempty"`
	VMMVersion      string `json:"vmm_version,omitempty"`
	BootID          string `json:"boot_id,omitempty"`
	Accelerator     string `json:"accelerator,omitempty"`
	CPUs            uint32 `json:"cpus,omitempty"`
	CPUMHz          uint64 `json:"cpu_mhz,omitempty"` // of one processor
	MemoryBytes     uint64 `json:"memory_bytes,omitempty"`
	StorageBytes    uint64 `json:"storage_bytes,omitempty"`
}

// token is a join token's record; its id is the token's hash.
type token struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
	Expires   time.Time `json:"expires"`
	// UsedBy is the id of the key that joined with it, and Host what it became.
	UsedBy string `json:"used_by,omitempty"`
	Host   string `json:"host,omitempty"`
}

// removed is a key that is refused ever after; its id is the key's.
type removed struct {
	Host string    `json:"host"`
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	// NodeLeft: the host's Node has not been deleted yet. Of the keys of a host one has it.
	NodeLeft bool `json:"node_left,omitempty"`
}

// counter numbers hosts; a number is never used twice.
type counter struct {
	Next int `json:"next"`
}

// owner is the holder of a name; its id is the name.
type owner struct {
	Host string `json:"host"`
}

type records struct {
	hosts   store.Collection[Host]
	tokens  store.Collection[token]
	removed store.Collection[removed]
	counter store.Collection[counter]
	names   store.Collection[owner]
}

func recordsOf(s *store.Store) records {
	return records{
		hosts:   store.Of[Host](s, "hosts"),
		tokens:  store.Of[token](s, "host-tokens"),
		removed: store.Of[removed](s, "hosts-removed"),
		counter: store.Of[counter](s, "hosts-counter"),
		names:   store.Of[owner](s, "host-names"),
	}
}

// State of a host.
type State string

// States.
const (
	Connected     State = "CONNECTED"
	NotResponding State = "NOT_RESPONDING"
	Disconnected  State = "DISCONNECTED"
	Maintenance   State = "MAINTENANCE"
	Removing      State = "REMOVING"
)

// State of the host, and what there is to say about it.
func (h Host) State() (State, string) {
	connection, message := h.Connection()
	switch {
	case h.Removing && connection == Connected:
		return Removing, "it ends what runs on it and deletes its files and certificates"
	case h.Removing:
		return Removing, message + "; it cleans itself when it is back"
	case connection == Connected && h.Maintenance:
		return Maintenance, "its node takes no new pods; end it with: pacific host maintenance exit " + h.Name
	}
	return connection, message
}

// Connection is the state of the session with the host's agent alone.
func (h Host) Connection() (State, string) {
	switch {
	case !h.Lost.IsZero():
		return NotResponding, fmt.Sprintf("no heartbeat since %s; see to the host, its network and its agent (pacific host agent)", h.Lost.UTC().Format(time.RFC3339))
	case h.Seen.IsZero():
		return Disconnected, "it has joined, but its agent has not connected yet; it runs as: pacific host agent"
	}
	return Connected, ""
}
