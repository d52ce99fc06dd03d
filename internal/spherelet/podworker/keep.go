package podworker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"google.golang.org/protobuf/proto"

	agentv1 "pacific/api/agent/v1"
)

// Keep is the directory in which the spherelet keeps what it cannot learn again after a restart, one directory a pod:
//
//	<dir>/<uid>/state.json             Kept
//	<dir>/<uid>/final.pb               the agent's last status, once the pod has ended
//	<dir>/<uid>/logs/<container>/<n>.1 logs of an ended pod in the CRI format, <n> the restart count
type Keep struct{ dir string }

// Kept is what is known only here.
type Kept struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// HandedOver is written BEFORE the pod is given to an agent for the first time.
	HandedOver bool `json:"handedOver,omitempty"`
	// Outcome, LogsKept and FinalKept are written BEFORE the machine is destroyed.
	Outcome   Outcome `json:"outcome,omitempty"`
	LogsKept  bool    `json:"logsKept,omitempty"`
	FinalKept bool    `json:"finalKept,omitempty"`
	// Eviction is why the node ended the pod. It is written with the outcome BEFORE the containers are asked to end.
	Eviction *Eviction `json:"eviction,omitempty"`
	// Exit is how the machine ended, where that is the outcome.
	Exit *Exit `json:"exit,omitempty"`
	// Allocated are the resources of the containers that were decided on, written BEFORE the agent is told.
	Allocated Resources `json:"allocated,omitempty"`
	// Events of the agent up to this time have been recorded.
	EventsUntil time.Time `json:"eventsUntil,omitzero"`
}

// Exit is how a machine ended.
type Exit struct {
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// NewKeep uses the directory, which it makes if needed.
func NewKeep(dir string) (*Keep, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the pods' state: %w", err)
	}
	return &Keep{dir}, nil
}

// Load returns what is kept of a pod, nil if nothing.
func (k *Keep) Load(uid string) (*Kept, *agentv1.PodStatus, error) {
	data, err := os.ReadFile(k.path(uid, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	kept := &Kept{}
	if err := json.Unmarshal(data, kept); err != nil {
		return nil, nil, fmt.Errorf("state of pod %s in %s: %w", uid, k.path(uid, "state.json"), err)
	}
	final, err := os.ReadFile(k.path(uid, "final.pb"))
	if err != nil {
		return kept, nil, nil
	}
	status := &agentv1.PodStatus{}
	if proto.Unmarshal(final, status) != nil {
		return kept, nil, nil
	}
	return kept, status, nil
}

// Save replaces what is kept of a pod.
func (k *Keep) Save(uid string, kept *Kept) error {
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return k.write(uid, "state.json", data)
}

// SaveFinal keeps the agent's last status.
func (k *Keep) SaveFinal(uid string, status *agentv1.PodStatus) error {
	data, err := proto.Marshal(status)
	if err != nil {
		return err
	}
	return k.write(uid, "final.pb", data)
}

func (k *Keep) write(uid, name string, data []byte) error {
	if err := os.MkdirAll(k.path(uid), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(k.path(uid, name), data, 0o600)
}

// LogFile is the path of the kept log of a container's instance.
func (k *Keep) LogFile(uid, container string, attempt uint32) string {
	return k.path(uid, "logs", container, fmt.Sprint(attempt))
}

// Remove deletes everything that is kept of a pod.
func (k *Keep) Remove(uid string) error { return os.RemoveAll(k.path(uid)) }

// UIDs lists the pods of which something is kept.
func (k *Keep) UIDs() ([]string, error) {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, err
	}
	var uids []string
	for _, e := range entries {
		uids = append(uids, e.Name())
	}
	return uids, nil
}

func (k *Keep) path(uid string, more ...string) string {
	return filepath.Join(append([]string{k.dir, uid}, more...)...)
}
