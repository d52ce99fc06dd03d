package template

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// store keeps templates on disk, so that they outlive hostd:
//
//	<state-dir>/templates/<id>/memory        of the guest, with holes
//	                           state         of the devices
//	                           template.json the record
//
// A directory is made under another name and renamed when it is whole.
type store struct{ dir string }

// making marks a directory that is not whole.
const making = ".making"

// record is what is known of a template.
type record struct {
	Key Key `json:"key"`
	// Sums of the files' contents, SHA-256.
	MemorySum string `json:"memorySum"`
	StateSum  string `json:"stateSum"`
}

func openStore(stateDir string) (store, error) {
	s := store{filepath.Join(stateDir, "templates")}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return s, err
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "*"+making))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return s, err
}

func (s store) path(id string, file ...string) string {
	return filepath.Join(append([]string{s.dir, id}, file...)...)
}

// list returns the records of all templates, and deletes what has none that can be read.
func (s store) list() ([]record, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var all []record
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), making) {
			continue
		}
		r, err := s.read(entry.Name())
		if err != nil {
			slog.Warn("deleting a template that cannot be used", "template", entry.Name(), "err", err)
			if err := s.delete(entry.Name()); err != nil {
				return nil, err
			}
			continue
		}
		all = append(all, r)
	}
	return all, nil
}

func (s store) read(id string) (record, error) {
	var r record
	text, err := os.ReadFile(s.path(id, "template.json"))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, err
	}
	if r.Key.ID() != id {
		return r, fmt.Errorf("its record is of template %s", r.Key.ID())
	}
	return r, nil
}

func (s store) delete(id string) error {
	// The record first: without it the rest is no template.
	err := os.Remove(s.path(id, "template.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(s.path(id))
}

// begin makes the directory of a template that is being made.
func (s store) begin(key Key) (dir string, err error) {
	dir = s.path(key.ID()) + making
	if err := os.RemoveAll(dir); err != nil {
		return dir, err
	}
	return dir, os.Mkdir(dir, 0o700)
}

// finish writes memory and record beside the state, and gives the directory its name.
func (s store) finish(dir string, key Key, memory *os.File) error {
	file, err := os.OpenFile(filepath.Join(dir, "memory"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	size := int64(key.Class.MemoryBytes)
	if err := errors.Join(file.Truncate(size), copySparse(file, memory, size)); err != nil {
		return fmt.Errorf("write the memory: %w", err)
	}
	r := record{Key: key}
	if r.MemorySum, err = checksum(memory); err != nil {
		return err
	}
	if r.StateSum, err = checksumOf(filepath.Join(dir, "state")); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(dir, "template.json"), append(text, '\n'), 0o600); err != nil {
		return err
	}
	id := key.ID()
	if err := s.delete(id); err != nil {
		return err
	}
	return os.Rename(dir, s.path(id))
}

// load reads a template and checks that it is what was written.
func (s store) load(r record) (*Template, error) {
	id := r.Key.ID()
	sum, err := checksumOf(s.path(id, "state"))
	if err == nil && sum != r.StateSum {
		err = errors.New("its state of devices is not what was written")
	}
	if err != nil {
		return nil, err
	}
	file, err := os.Open(s.path(id, "memory"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	memory, err := newMemory(r.Key.Class.MemoryBytes)
	if err != nil {
		return nil, err
	}
	t := &Template{Key: r.Key, memory: memory, state: s.path(id, "state")}
	if err := copySparse(memory, file, int64(r.Key.Class.MemoryBytes)); err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	if sum, err = checksum(memory); err == nil && sum != r.MemorySum {
		err = errors.New("its memory is not what was written")
	}
	if err == nil {
		err = seal(memory)
	}
	if err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	return t, nil
}

func checksumOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return checksum(file)
}

// checksum of a file's data, wherever the offset is. Blocks of zeros are left out, since a copy may have holes for them.
func checksum(file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	w := bufio.NewWriterSize(h, blockSize)
	err = eachBlock(file, info.Size(), func(at int64, block []byte) error {
		fmt.Fprintf(w, "%d:", at)
		_, err := w.Write(block)
		return err
	})
	if err := errors.Join(err, w.Flush()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
