package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"pacific/internal/crx/agent/podstate"

	"github.com/google/renameio/v2"
)

// The record is what of the pod's state outlives its VM.
type record struct {
	UID        string          `json:"uid"`
	Containers podstate.Record `json:"containers"`
}

var recordPath = filepath.Join(ephemeralDir, "record.json")

// readRecord returns the record of this pod; an empty one when there is none.
func readRecord(uid string) (podstate.Record, error) {
	b, err := os.ReadFile(recordPath)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the pod's record: %w", err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("read the pod's record %s: %w", recordPath, err)
	}
	if r.UID != uid {
		return nil, nil // the disk was another pod's
	}
	return r.Containers, nil
}

// recorder writes the record durably, beside the work: a container does not wait for the disk. The status does: what the
// host was told must not be forgotten when the VM dies at that moment. Of several changes that come while one is written
// only the last is written and shown.
type recorder struct {
	uid     string
	pending chan change
}

// change is a state of the pod: what to keep of it, then what to show.
type change struct {
	containers podstate.Record
	show       func()
}

func newRecorder(uid string) *recorder {
	r := &recorder{uid: uid, pending: make(chan change, 1)}
	go r.run()
	return r
}

func (r *recorder) run() {
	var written podstate.Record
	for next := range r.pending {
		if !reflect.DeepEqual(next.containers, written) {
			if err := writeRecord(r.uid, next.containers); err != nil {
				fmt.Fprintln(os.Stderr, "agent: write the pod's record:", err)
			}
			written = next.containers
		}
		next.show()
	}
}

// keep hands a change over in place of one that waits. It has one caller at a time.
func (r *recorder) keep(c change) {
	select {
	case <-r.pending:
	default:
	}
	r.pending <- c
}

func writeRecord(uid string, containers podstate.Record) error {
	b, err := json.Marshal(record{UID: uid, Containers: containers})
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(recordPath, b, 0o600); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(recordPath))
}

// syncDirectory makes a rename in the directory durable. Without it the journal keeps the new name to itself for up to five
// seconds, and a VM that dies meanwhile comes back with the record before.
func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
