// Package scratch keeps the files that pods leave to later pods of their node in hostPath directories below /tmp. They are not
// the host's files: no pod reads or writes a file system of the host.
package scratch

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
)

// Root is where the directories are, in pods' words.
const Root = "/tmp"

const (
	// capacity of the node, in bytes of content and names. Beyond it, what was written longest ago goes.
	capacity = 4 << 20
	// share of one volume: what fits a message to an agent with all the rest.
	share = 1 << 20
	// entryCost stands for mode, owner and time of a file.
	entryCost = 64
)

// Is tells whether a pod's hostPath is a scratch directory.
func Is(s *v1.HostPathVolumeSource) bool {
	kinds := []v1.HostPathType{v1.HostPathUnset, v1.HostPathDirectory, v1.HostPathDirectoryOrCreate}
	return s != nil && strings.HasPrefix(path.Clean(s.Path), Root+"/") && slices.Contains(kinds, ptr.Deref(s.Type, v1.HostPathUnset))
}

// entry is a file or a directory.
type entry struct {
	Data      []byte    `json:"data,omitempty"`
	Directory bool      `json:"directory,omitempty"`
	Mode      int32     `json:"mode"`
	UID       int64     `json:"uid"`
	GID       int64     `json:"gid"`
	Written   time.Time `json:"written"`
}

func (e entry) cost(name string) int { return entryCost + len(name) + len(e.Data) }

// Store is the scratch area of a node, one file on disk.
type Store struct {
	file string
	now  func() time.Time

	mu      sync.Mutex
	entries map[string]entry // by absolute path
}

// Open reads the area from a file, which need not be there yet.
func Open(file string) (*Store, error) {
	s := &Store{file: file, now: time.Now, entries: map[string]entry{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s.entries)
	}
	if err != nil {
		return nil, fmt.Errorf("scratch directories of this node in %s: %w; delete the file to begin with none", file, err)
	}
	return s, nil
}

// Read returns the files below a directory, with paths relative to it. One that is not there is made if create is set; the
// error is for the pod's users.
func (s *Store) Read(dir string, create bool) ([]*agentv1.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := []*agentv1.File{}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(s.entries)) {
		e := s.entries[name]
		if name == dir && !e.Directory {
			return nil, fmt.Errorf("hostPath type check failed: %s is not a directory", dir)
		}
		relative, below := strings.CutPrefix(name, dir+"/")
		if !below {
			continue
		}
		size += e.cost(relative)
		files = append(files, &agentv1.File{Path: relative, Data: e.Data, Mode: e.Mode, Uid: ptr.To(e.UID), Gid: ptr.To(e.GID), Directory: e.Directory})
	}
	_, exists := s.entries[dir]
	switch {
	case size > share:
		return nil, fmt.Errorf("hostPath %s holds more than %d bytes, which is all that a pod gets of it; use a directory below it", dir, share)
	case exists || len(files) > 0:
		return files, nil
	case !create:
		return nil, fmt.Errorf("hostPath type check failed: %s is not a directory", dir)
	}
	return files, s.save(map[string]entry{dir: {Directory: true, Mode: 0o755, Written: s.now()}}, nil)
}

// Apply takes in what a pod has left in a directory: what it changed and what it removed, in relative paths. The rest stays as
// other pods have written it. What comes from a pod's machine is not trusted.
func (s *Store) Apply(dir string, left *agentv1.ReadScratchResponse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := map[string]entry{}
	size := 0
	for _, f := range left.GetChanged() {
		if !filepath.IsLocal(f.GetPath()) || path.Clean(f.GetPath()) != f.GetPath() {
			return fmt.Errorf("hostPath %s: the machine names a file %q, which is not below it", dir, f.GetPath())
		}
		e := entry{Directory: f.GetDirectory(), Mode: f.GetMode() & 0o777, UID: f.GetUid(), GID: f.GetGid(), Written: s.now()}
		if !e.Directory {
			e.Data = f.GetData()
		}
		size += e.cost(f.GetPath())
		changed[path.Join(dir, f.GetPath())] = e
	}
	if size > share {
		return fmt.Errorf("hostPath %s: the pod has left more than %d bytes, so none of it is kept", dir, share)
	}
	var removed []string
	for _, name := range left.GetRemoved() {
		if filepath.IsLocal(name) {
			removed = append(removed, path.Join(dir, name))
		}
	}
	if len(changed) == 0 && len(removed) == 0 {
		return nil
	}
	return s.save(changed, removed)
}

// save writes the area anew. It is called with the lock held.
func (s *Store) save(changed map[string]entry, removed []string) error {
	next := maps.Clone(s.entries)
	for _, name := range removed {
		remove(next, name)
	}
	for name, e := range changed {
		if !e.Directory {
			remove(next, name) // it may have been a directory
		}
		next[name] = e
	}
	trim(next)
	data, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(s.file, data, 0o600); err != nil {
		return fmt.Errorf("keep the scratch directories of this node: %w", err)
	}
	s.entries = next
	return nil
}

func remove(entries map[string]entry, name string) {
	maps.DeleteFunc(entries, func(other string, _ entry) bool { return other == name || strings.HasPrefix(other, name+"/") })
}

// trim removes what was written longest ago until the rest fits the node.
func trim(entries map[string]entry) {
	size := 0
	for name, e := range entries {
		size += e.cost(name)
	}
	oldest := slices.SortedFunc(maps.Keys(entries), func(a, b string) int {
		return cmp.Or(entries[a].Written.Compare(entries[b].Written), cmp.Compare(b, a)) // what is in a directory before it
	})
	for _, name := range oldest {
		if size <= capacity {
			return
		}
		size -= entries[name].cost(name)
		delete(entries, name)
	}
}
