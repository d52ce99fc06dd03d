package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"google.golang.org/protobuf/encoding/protojson"

	hostv1 "pacific/api/host/v1"
)

// Record is what is on disk of a machine, in <state-dir>/machines/<id>/machine.json.
type Record struct {
	// Spec as the caller gave it; the present attachments of disks are in State.
	Spec *hostv1.VirtualMachineSpec
	// UID is the user that the machine's VMM runs as.
	UID   uint32
	State State
}

type recordFile struct {
	Spec  json.RawMessage `json:"spec"`
	UID   uint32          `json:"uid"`
	State State           `json:"state"`
}

// records is the directory of all records.
type records struct{ dir string }

func openRecords(stateDir string) (records, error) {
	r := records{dir: filepath.Join(stateDir, "machines")}
	return r, os.MkdirAll(r.dir, 0o700)
}

func (r records) file(id string) string { return filepath.Join(r.dir, id, "machine.json") }

// consoleFile keeps the console of the last run's end.
func (r records) consoleFile(id string) string { return filepath.Join(r.dir, id, "console.log") }

// write replaces the record at once: a reader finds the old or the new one.
func (r records) write(record Record) error {
	spec, err := protojson.Marshal(record.Spec)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(recordFile{Spec: spec, UID: record.UID, State: record.State}, "", "  ")
	if err != nil {
		return err
	}
	id := record.Spec.GetId()
	if err := os.MkdirAll(filepath.Join(r.dir, id), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(r.file(id), append(text, '\n'), 0o600)
}

func (r records) delete(id string) error { return os.RemoveAll(filepath.Join(r.dir, id)) }

// load reads all records. A directory without one is left of a creation or a deletion that was cut off, and is deleted.
func (r records) load() ([]Record, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	var all []Record
	for _, entry := range entries {
		record, err := r.read(entry.Name())
		if errors.Is(err, fs.ErrNotExist) {
			if err := r.delete(entry.Name()); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("record of machine %s: %w", entry.Name(), err)
		}
		all = append(all, record)
	}
	return all, nil
}

func (r records) read(id string) (Record, error) {
	text, err := os.ReadFile(r.file(id))
	if err != nil {
		return Record{}, err
	}
	var file recordFile
	if err := json.Unmarshal(text, &file); err != nil {
		return Record{}, err
	}
	spec := &hostv1.VirtualMachineSpec{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(file.Spec, spec); err != nil {
		return Record{}, err
	}
	return Record{Spec: spec, UID: file.UID, State: file.State}, nil
}
