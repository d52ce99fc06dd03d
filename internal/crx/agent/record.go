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
	// Evicted is why the pod was ended for its use of storage.
	Evicted string `json:"evicted,omitempty"`
}

var recordPath = filepath.Join(ephemeralDir, "record.json")

// readRecord returns the record of this pod; an empty one when there is none.
func readRecord(uid string) (record, error) {
	b, err := os.ReadFile(recordPath)
	if os.IsNotExist(err) {
		return record{}, nil
	}
	if err != nil {
		return record{}, fmt.Errorf("read the pod's record: %w", err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, fmt.Errorf("read the pod's record %s: %w", recordPath, err)
	}
	if r.UID != uid {
		return record{}, nil // the disk was another pod's
	}
	return r, nil
}

// recorder writes the record durably, beside the work: a container does not wait for the disk. The status does: what the
// host was told must not be forgotten when the VM dies at that moment. Of several changes that come while one is written
// only the last is written and shown.
type recorder struct {
	pending chan change
}

// change is a state of the pod: what to keep of it, then what to show.
type change struct {
	record record
	show   func()
}

func newRecorder() *recorder {
	r := &recorder{pending: make(chan change, 1)}
	go r.run()
	return r
}

func (r *recorder) run() {
	var written record
	for next := range r.pending {
		if !reflect.DeepEqual(next.record, written) {
			if err := writeRecord(next.record); err != nil {
				fmt.Fprintln(os.Stderr, "agent: write the pod's record:", err)
			}
			written = next.record
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

func writeRecord(r record) error {
	b, err := json.Marshal(r)
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
