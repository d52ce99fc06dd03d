// Package namespaces is about vSphere Namespaces: their records, the REST API on them, and their projection into the Supervisors.
//
// A record says what is wanted. A reconciler brings each to its Supervisor whenever the record, the Supervisor or something of
// center's in the Supervisor changes, and writes what it found as the namespace's status; so it does not matter at which point
// center is killed. A namespace that is to go has a record with Removing until nothing of it is left.
package namespaces

import (
	"time"

	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/store"
)

// Record is a namespace that is wanted. Its id is the namespace's name, which is unique in the whole center.
type Record struct {
	// UID tells it from an earlier namespace of that name.
	UID     string `json:"uid"`
	Cluster string `json:"cluster"`
	// ResourcePool and Folder are ids of the inventory.
	ResourcePool string          `json:"resource_pool"`
	Folder       string          `json:"folder"`
	Settings     spec.Settings   `json:"settings"`
	SelfService  bool            `json:"self_service,omitempty"`
	Creator      *spec.Principal `json:"creator,omitempty"`
	Created      time.Time       `json:"created"`
	// Generation grows with each change of what is wanted.
	Generation int64 `json:"generation"`
	// Removing namespaces never come back.
	Removing bool `json:"removing,omitempty"`
	// Adopted is a namespace that a user made with kubectl: it was there before the record.
	Adopted bool `json:"adopted,omitempty"`
}

// Status is what was found at the last look.
type Status struct {
	// UID and Generation of the record that was looked at.
	UID        string       `json:"uid"`
	Generation int64        `json:"generation"`
	Config     ConfigStatus `json:"config_status"`
	Messages   []Message    `json:"messages,omitempty"`
	// Projected: the Namespace has been in the Supervisor.
	Projected bool `json:"projected,omitempty"`
}

// ConfigStatus of a namespace.
type ConfigStatus string

// The original's states.
const (
	Configuring ConfigStatus = "CONFIGURING"
	Running     ConfigStatus = "RUNNING"
	RemovingNow ConfigStatus = "REMOVING"
	Failed      ConfigStatus = "ERROR"
)

// Severities of messages.
const (
	Info    = "INFO"
	Warning = "WARNING"
	Problem = "ERROR"
)

// Message of a namespace's status.
type Message struct {
	Severity string  `json:"severity"`
	Details  Details `json:"details"`
}

// Details are the original's localizable message.
type Details struct {
	ID   string   `json:"id"`
	Text string   `json:"default_message"`
	Args []string `json:"args"`
}

func message(severity, id, text string) Message {
	return Message{Severity: severity, Details: Details{ID: "pacific.namespaces." + id, Text: text, Args: []string{}}}
}

// Counter gives ids of the inventory.
type counter struct {
	Next int64 `json:"next"`
}

// collections of this part.
type collections struct {
	records     store.Collection[Record]
	statuses    store.Collection[Status]
	counters    store.Collection[counter]
	templates   store.Collection[Template]
	selfService store.Collection[SelfService]
}

func open(s *store.Store) collections {
	return collections{
		records:     store.Of[Record](s, "namespaces"),
		statuses:    store.Of[Status](s, "namespace-statuses"),
		counters:    store.Of[counter](s, "namespace-counters"),
		templates:   store.Of[Template](s, "namespace-templates"),
		selfService: store.Of[SelfService](s, "namespace-self-service"),
	}
}

// shown is the status of a record by what was found last: a change that nobody has looked at yet is being configured.
func (r Record) shown(found Status) Status {
	if found.UID != r.UID {
		found = Status{UID: r.UID}
	}
	switch {
	case r.Removing && found.Config != RemovingNow:
		found.Config = RemovingNow
		found.Messages = []Message{message(Info, "removing", "the removal begins")}
	case !r.Removing && (found.Config == "" || found.Generation != r.Generation && found.Config == Running):
		found.Config = Configuring
		found.Messages = append([]Message{message(Info, "configuring", "the change is about to be brought to the Supervisor")}, found.Messages...)
	}
	return found
}
