package wcp

import (
	"sync"
)

// Configuration states of a Supervisor.
const (
	Configuring = "CONFIGURING"
	Running     = "RUNNING"
	Removing    = "REMOVING"
	Error       = "ERROR"
)

// Kubernetes states of a Supervisor.
const (
	Ready     = "READY"
	Warning   = "WARNING"
	KubeError = "ERROR"
)

// Status is how a Supervisor was seen the last time. It is not kept: center looks again after a restart.
type Status struct {
	Config, Kubernetes string
	Messages           []string
	Stats              Stats
}

// Stats of a cluster's hosts.
type Stats struct {
	CPUUsed         int64 `json:"cpu_used"` // MHz
	CPUCapacity     int64 `json:"cpu_capacity"`
	MemoryUsed      int64 `json:"memory_used"` // MiB
	MemoryCapacity  int64 `json:"memory_capacity"`
	StorageUsed     int64 `json:"storage_used"` // MiB
	StorageCapacity int64 `json:"storage_capacity"`
}

// configStatus follows from the record alone.
func (s Supervisor) configStatus() string {
	switch {
	case s.Removing:
		return Removing
	case s.Running:
		return Running
	}
	return Configuring
}

type statuses struct {
	mu   sync.Mutex
	seen map[string]Status
}

func (s *statuses) set(cluster string, status Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]Status{}
	}
	s.seen[cluster] = status
}

func (s *statuses) forget(cluster string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, cluster)
}

// of is the status of a Supervisor; one that was not seen yet says so.
func (s *statuses) of(cluster string, supervisor Supervisor) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, ok := s.seen[cluster]
	if !ok {
		status = Status{Kubernetes: Warning, Messages: []string{"center has just begun to look at the Supervisor"}}
	}
	// What was asked for since then shows at once.
	status.Config = supervisor.configStatus()
	return status
}

// judge makes a status of what a step said.
func judge(s Supervisor, api string, messages []string) Status {
	status := Status{Config: s.configStatus(), Kubernetes: Ready, Messages: messages}
	switch {
	case api != "":
		status.Kubernetes = KubeError
	case len(messages) > 0:
		status.Kubernetes = Warning
	}
	return status
}

// message in the original's shape.
type message struct {
	Severity string  `json:"severity"`
	Details  details `json:"details"`
}

type details struct {
	ID   string   `json:"id"`
	Text string   `json:"default_message"`
	Args []string `json:"args"`
}

func shown(status Status) []message {
	list := make([]message, 0, len(status.Messages))
	for _, text := range status.Messages {
		severity := "INFO"
		if status.Config == Running {
			severity = "WARNING"
		}
		list = append(list, message{Severity: severity, Details: details{ID: "pacific.supervisor", Text: text, Args: []string{}}})
	}
	return list
}
