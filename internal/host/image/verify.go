package image

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// errDamaged says that a disk is not what its pull left behind.
var errDamaged = errors.New("the disk is damaged")

// verifier remembers which disks were checked since hostd's start, and checks each once at a time. A disk that looks
// changed is checked again.
type verifier struct {
	checks singleflight.Group
	mu     sync.Mutex
	good   map[string]fingerprint // by digest
}

func (v *verifier) known(digest string, now fingerprint) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.good[digest] == now
}

func (v *verifier) remember(digest string, now fingerprint) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.good == nil {
		v.good = map[string]fingerprint{}
	}
	v.good[digest] = now
}

// Verify makes sure that the disk of an image is whole before it is used: by its checksum at the first use after hostd's
// start, by a look at the file at later ones. A damaged image is removed, so that it is pulled again; machines that run
// on it keep what they have. The error is fs.ErrNotExist or errDamaged when there is nothing to use.
func (s *Store) Verify(digest string) error {
	s.mu.Lock()
	r, ok := s.images[digest]
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("image %s: %w", digest, fs.ErrNotExist)
	}
	now, err := fingerprintOf(s.path(digest, diskFile))
	if err == nil && s.verified.known(digest, now) {
		return nil
	}
	_, err, _ = s.verified.checks.Do(digest, func() (any, error) { return nil, s.check(r) })
	return err
}

func (s *Store) check(r record) error {
	path := s.path(r.Digest, diskFile)
	now, err := fingerprintOf(path)
	if err == nil && s.verified.known(r.Digest, now) {
		return nil
	}
	sum := ""
	if err == nil {
		sum, err = checksum(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && r.Checksum != "" && sum != r.Checksum:
		slog.Error("disk of image is damaged, the image has to be pulled again", "digest", r.Digest, "want", r.Checksum, "got", sum, "err", err)
		return errors.Join(fmt.Errorf("image %s: %w", r.Digest, errDamaged), s.removeDamaged(r))
	case err != nil:
		return fmt.Errorf("check disk of image %s: %w", r.Digest, err)
	}
	s.verified.remember(r.Digest, now)
	if r.Checksum == "" { // of a hostd before there were checksums
		return s.keepChecksum(r.Digest, sum)
	}
	return nil
}

// removeDamaged leaves an image alone that was pulled again meanwhile.
func (s *Store) removeDamaged(r record) error {
	_, err := s.removeIf(r.Digest, func(time.Time) bool { return s.images[r.Digest].PulledAt.Equal(r.PulledAt) })
	return err
}

func (s *Store) keepChecksum(digest, sum string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.images[digest]
	if !ok {
		return nil
	}
	r.Checksum = sum
	return s.write(r)
}
