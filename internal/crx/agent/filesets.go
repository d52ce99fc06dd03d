package agent

import (
	"context"
	"fmt"
	"sync"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/mount"
)

// fileSets are the newest sets of files of the pod's volumes. A set too large for one message comes in parts.
type fileSets struct {
	volumes *mount.Volumes

	mu   sync.Mutex // also keeps an older set from being written over a newer one
	sets map[string]*fileSet
}

type fileSet struct {
	newest  *agentv1.Volume // complete; nil before
	partial *agentv1.Volume_Files
	made    chan struct{} // closed once a complete set is in its place
}

func newFileSets(volumes *mount.Volumes) *fileSets {
	return &fileSets{volumes: volumes, sets: map[string]*fileSet{}}
}

// set is called with the lock held.
func (f *fileSets) set(name string) *fileSet {
	if f.sets[name] == nil {
		f.sets[name] = &fileSet{made: make(chan struct{})}
	}
	return f.sets[name]
}

// make makes a volume when the pod is set up. It waits for files that come by update.
func (f *fileSets) make(ctx context.Context, v *agentv1.Volume) error {
	f.mu.Lock()
	s := f.set(v.GetName())
	if s.newest == nil && !v.GetFiles().GetMore() {
		s.newest = v
	}
	if s.newest != nil {
		defer f.mu.Unlock()
		return f.volumes.Make(ctx, s.newest)
	}
	f.mu.Unlock()
	select {
	case <-s.made:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("volume %s: its files have not all come: %w", v.GetName(), ctx.Err())
	}
}

// update gives a volume new files, once the last part of them has come.
func (f *fileSets) update(ctx context.Context, v *agentv1.Volume) error {
	if v.GetFiles() == nil {
		return fmt.Errorf("volume %s: only files can be replaced", v.GetName())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.set(v.GetName())
	if !s.join(v) {
		return nil
	}
	if err := f.volumes.Make(ctx, s.newest); err != nil {
		return err
	}
	select {
	case <-s.made:
	default:
		close(s.made)
	}
	return nil
}

// join takes a part and tells whether it was the last.
func (s *fileSet) join(v *agentv1.Volume) bool {
	part := v.GetFiles()
	if part.GetPart() == 0 {
		s.partial = &agentv1.Volume_Files{DefaultMode: part.GetDefaultMode(), Single: part.GetSingle()}
	}
	if s.partial == nil {
		return false // the beginning was lost with an earlier connection; it is sent again
	}
	s.partial.Files = append(s.partial.Files, part.GetFiles()...)
	if part.GetMore() {
		return false
	}
	s.newest = &agentv1.Volume{Name: v.GetName(), Source: &agentv1.Volume_Files_{Files: s.partial}}
	s.partial = nil
	return true
}
