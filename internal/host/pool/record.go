package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	"google.golang.org/protobuf/encoding/protojson"

	hostv1 "pacific/api/host/v1"
)

// file of all pools.
func file(stateDir string) string { return filepath.Join(stateDir, "pools.json") }

func load(stateDir string) (byPath, error) {
	pools := byPath{}
	text, err := os.ReadFile(file(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return pools, nil
	}
	if err != nil {
		return nil, err
	}
	var records []json.RawMessage
	if err := json.Unmarshal(text, &records); err != nil {
		return nil, err
	}
	for _, record := range records {
		pool := &hostv1.Pool{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(record, pool); err != nil {
			return nil, err
		}
		pools[pool.GetPath()] = pool
	}
	return pools, nil
}

// save replaces the file at once where it is not so already.
func save(stateDir string, pools byPath) error {
	text, err := marshal(pools)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(file(stateDir)); err == nil && bytes.Equal(have, text) {
		return nil
	}
	if len(pools) == 0 {
		err := os.Remove(file(stateDir))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return renameio.WriteFile(file(stateDir), text, 0o600)
}

func marshal(pools byPath) ([]byte, error) {
	var records []json.RawMessage
	for _, path := range slices.Sorted(maps.Keys(pools)) {
		record, err := protojson.Marshal(pools[path])
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	text, err := json.MarshalIndent(records, "", "  ") // also makes what protojson leaves to chance, the blanks, the same each time
	return append(text, '\n'), err
}
