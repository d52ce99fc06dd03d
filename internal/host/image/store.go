// Package image is the image service of a host: it keeps the read-only disks of images, and pulls images in unmanaged CRX.
//
//	<state-dir>/images/<digest hex>/image.json   the record; an image without one does not exist
//	<state-dir>/images/<digest hex>/disk         its disk, a sparse file
//	<state-dir>/images/pull-<id>/disk            the disk that a pull under way writes
//
// hostd never looks into a disk, nor into an image's configuration: both are made and read inside guests.
package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"pacific/internal/host/disk"
)

const (
	recordFile = "image.json"
	diskFile   = "disk"
	pullPrefix = "pull-"
)

// Store keeps image disks and their records. It resolves their disk ids for the machines of the host.
type Store struct {
	dir      string
	verified verifier
	mu       sync.Mutex
	images   map[string]record    // by digest
	used     map[string]time.Time // by digest, since hostd's start
}

// OpenStore reads the records below the state directory. What a pull that was cut off left behind stays until Sweep.
func OpenStore(stateDir string) (*Store, error) {
	s := &Store{dir: filepath.Join(stateDir, "images"), images: map[string]record{}, used: map[string]time.Time{}}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	for _, entry := range entries {
		if err := s.load(entry.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("image store: %w", err)
		}
	}
	return s, nil
}

func (s *Store) load(name string) error {
	b, err := os.ReadFile(filepath.Join(s.dir, name, recordFile))
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("%s/%s: %w; delete the directory to have the image pulled again", name, recordFile, err)
	}
	if err := checkDigest(r.Digest); err != nil || hexOf(r.Digest) != name {
		return fmt.Errorf("%s/%s is the record of digest %q; delete the directory to have the image pulled again", name, recordFile, r.Digest)
	}
	if _, err := os.Stat(s.path(r.Digest, diskFile)); err != nil {
		return err
	}
	s.images[r.Digest] = r
	return nil
}

// Sweep deletes what belongs to no image. No pull may be under way.
func (s *Store) Sweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("image store: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if _, ok := s.images["sha256:"+entry.Name()]; !ok {
			errs = append(errs, os.RemoveAll(filepath.Join(s.dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// DiskPath resolves the id of an image's disk, which is read-only and has been checked, or of the disk of a pull under way.
func (s *Store) DiskPath(id string) (path string, readOnly bool, err error) {
	rest, ok := strings.CutPrefix(id, diskPrefix)
	if !ok {
		return "", false, disk.ErrNoDisk
	}
	if strings.HasPrefix(rest, pullPrefix) && filepath.IsLocal(rest) {
		path = filepath.Join(s.dir, rest, diskFile)
		if _, err := os.Stat(path); err != nil {
			return "", false, fmt.Errorf("disk %s: %w", id, disk.ErrNoDisk)
		}
		return path, false, nil
	}
	digest := "sha256:" + rest
	s.touch(digest)
	switch err := s.Verify(digest); {
	case errors.Is(err, errDamaged):
		return "", false, fmt.Errorf("disk %s: %w: %w", id, disk.ErrNoDisk, err)
	case errors.Is(err, fs.ErrNotExist):
		return "", false, fmt.Errorf("disk %s: the host has no such image: %w", id, disk.ErrNoDisk)
	case err != nil:
		return "", false, fmt.Errorf("disk %s: %w", id, err)
	}
	return s.path(digest, diskFile), true, nil
}

// touch notes that somebody uses an image or is about to. The record's modification time keeps that over hostd's end; it
// is for garbage collection only, so that nothing waits for it to reach the disk.
func (s *Store) touch(digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.images[digest]; ok {
		s.used[digest] = time.Now()
		_ = os.Chtimes(s.path(digest, recordFile), s.used[digest], s.used[digest])
	}
}

// lastUsed is when an image was last used, or pulled.
func (s *Store) lastUsed(r record) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastUsedLocked(r)
}

func (s *Store) lastUsedLocked(r record) time.Time {
	last := r.PulledAt
	if info, err := os.Stat(s.path(r.Digest, recordFile)); err == nil && info.ModTime().After(last) {
		last = info.ModTime()
	}
	if used := s.used[r.Digest]; used.After(last) {
		last = used
	}
	return last
}

func (s *Store) path(digest, file string) string { return filepath.Join(s.dir, hexOf(digest), file) }

// find looks an image up by its digest or a normalised reference.
func (s *Store) find(ref string) (record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.images[ref]; ok {
		return r, true
	}
	var found record
	for _, r := range s.images {
		if at, ok := r.References[ref]; ok && (found.Digest == "" || at.After(found.References[ref])) {
			found = r
		}
	}
	return found, found.Digest != ""
}

func (s *Store) list() []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]record, 0, len(s.images))
	for _, r := range s.images {
		all = append(all, r)
	}
	return all
}

// publish makes an image of a disk that a pull has finished: the disk comes to its place before the record, so that a
// record never stands for a disk that is not there. A disk that the store already has is kept.
func (s *Store) publish(pulled string, r record, c claim) (record, error) {
	if err := syncPath(pulled); err != nil {
		return record{}, fmt.Errorf("keep disk of image %s: %w", r.Digest, err)
	}
	var err error
	if r.Checksum, err = checksum(pulled); err != nil {
		return record{}, fmt.Errorf("keep disk of image %s: %w", r.Digest, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.images[r.Digest]; !ok {
		if err := s.place(pulled, r.Digest); err != nil {
			return record{}, fmt.Errorf("keep disk of image %s: %w", r.Digest, err)
		}
		// Never without its access list, not even for a moment: none means everybody.
		first, _ := r.withAccess(c.repository, c.keys)
		if err := s.write(first); err != nil {
			return record{}, err
		}
	}
	kept, err := s.refer(r.Digest, r.PulledAt, c)
	if now, statErr := fingerprintOf(s.path(r.Digest, diskFile)); err == nil && statErr == nil && kept.Checksum == r.Checksum {
		s.verified.remember(r.Digest, now)
	}
	return kept, err
}

func (s *Store) place(pulled, digest string) error {
	target := s.path(digest, "")
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	if err := os.Rename(pulled, filepath.Join(target, diskFile)); err != nil {
		return err
	}
	return errors.Join(syncPath(target), syncPath(s.dir))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// claim is what a pull proves about an image: by which references it is found, and who may use it by the repository.
type claim struct {
	references []string
	repository string
	keys       []string
}

// claim gives an image of the store more references, which other images lose, and users.
func (s *Store) claim(digest string, at time.Time, c claim) (record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refer(digest, at, c)
}

// refer needs the lock. The new owner of a reference is written first: a crash then leaves two, and the later one counts.
func (s *Store) refer(digest string, at time.Time, c claim) (record, error) {
	r, ok := s.images[digest]
	if !ok {
		return record{}, fmt.Errorf("image %s: %w", digest, fs.ErrNotExist)
	}
	r, wider := r.withAccess(c.repository, c.keys)
	if !wider && s.owns(r, c.references) {
		return r, nil
	}
	r = r.withReferences(at, c.references...)
	if err := s.write(r); err != nil {
		return record{}, err
	}
	for _, other := range s.images {
		if other.Digest == digest {
			continue
		}
		if less, changed := other.withoutReferences(c.references...); changed {
			if err := s.write(less); err != nil {
				return record{}, err
			}
		}
	}
	return r, nil
}

// owns tells whether an image has all of the references, and no other image has one of them. It needs the lock.
func (s *Store) owns(r record, references []string) bool {
	for _, ref := range references {
		for _, other := range s.images {
			if _, has := other.References[ref]; has != (other.Digest == r.Digest) {
				return false
			}
		}
	}
	return true
}

func (s *Store) write(r record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(s.path(r.Digest, recordFile), b, 0o600); err != nil {
		return fmt.Errorf("record of image %s: %w", r.Digest, err)
	}
	s.images[r.Digest] = r
	return nil
}

// remove deletes an image: the record first, then the disk.
func (s *Store) remove(digest string) error {
	_, err := s.removeIf(digest, func(time.Time) bool { return true })
	return err
}

// removeIf removes an image if the time of its last use pleases; nobody can begin to use it in between.
func (s *Store) removeIf(digest string, old func(lastUsed time.Time) bool) (removed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.images[digest]; ok && !old(s.lastUsedLocked(r)) {
		return false, nil
	}
	if err := os.Remove(s.path(digest, recordFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("remove image %s: %w", digest, err)
	}
	delete(s.images, digest)
	delete(s.used, digest)
	return true, os.RemoveAll(s.path(digest, ""))
}
