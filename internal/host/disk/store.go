// Package disk keeps the host's writable disks, as sparse raw files:
//
//	<state-dir>/disks/<id>/disk.json   what the disk is
//	<state-dir>/disks/<id>/disk.raw    its content
//	<state-dir>/disk-templates/        empty file systems, one for each size
package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

// ErrNoDisk says that a resolver does not know the disk.
var ErrNoDisk = errors.New("no such disk")

// descriptionFile is in the directory of each disk.
const descriptionFile = "disk.json"

// half marks a directory that is still being filled.
const half = ".new"

// Granularity of sizes.
const granularity = 1 << 20

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,126}$`)

// Store of disks. Its methods are safe for concurrent use; errors carry gRPC codes.
type Store struct {
	dir       string
	templates *templates
	// inUse tells which machine has the disk, "" for none.
	inUse func(id string) string
	mu    sync.Mutex
}

// description is disk.json.
type description struct {
	ID         string            `json:"id"`
	SizeBytes  uint64            `json:"sizeBytes"`
	Filesystem string            `json:"filesystem,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	// ContentHash is the SHA-256 of what the disk began with, as hexadecimal digits.
	ContentHash string `json:"contentHash,omitempty"`
}

// Open opens the store in the state directory, and deletes what a crash left half made.
func Open(stateDir string) (*Store, error) {
	store := &Store{
		dir:       filepath.Join(stateDir, "disks"),
		templates: &templates{dir: filepath.Join(stateDir, "disk-templates")},
		inUse:     func(string) string { return "" },
	}
	for _, dir := range []string{store.dir, store.templates.dir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if err := sweep(dir); err != nil {
			return nil, err
		}
	}
	return store, store.sweepBlank()
}

// sweepBlank deletes disks that were made right before the host lost its power: creating a disk waits for no write to
// storage, since its machine waits for it, so that the name may be there without what it names.
func (s *Store) sweepBlank() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(s.dir, entry.Name(), descriptionFile))
		if err == nil && info.Size() > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		slog.Warn("deleting a disk that was lost with the host's power", "disk", entry.Name())
		if err := os.RemoveAll(filepath.Join(s.dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), half) {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// GuardBy makes Delete refuse disks that a machine has.
func (s *Store) GuardBy(inUse func(id string) string) { s.inUse = inUse }

// Create makes a disk, or returns the one that exists with the same description.
func (s *Store) Create(ctx context.Context, disk *hostv1.Disk) (*hostv1.Disk, error) {
	return s.CreateWith(ctx, disk, nil)
}

// CreateWith makes a disk that begins with the content.
func (s *Store) CreateWith(ctx context.Context, disk *hostv1.Disk, content []byte) (*hostv1.Disk, error) {
	want, err := describe(disk)
	if err == nil {
		err = want.addContent(content)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have, err := s.read(want.ID)
	switch {
	case err == nil && have.same(want):
		return s.message(have), nil
	case err == nil:
		return nil, status.Errorf(codes.AlreadyExists, "disk %s exists with another size, file system, labels or content; delete it first", want.ID)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, status.Errorf(codes.Internal, "disk %s: %v", want.ID, err)
	}
	if err := s.make(ctx, want, content); err != nil {
		return nil, creation(want, err)
	}
	return s.message(want), nil
}

func describe(disk *hostv1.Disk) (description, error) {
	d := description{
		ID:         disk.GetId(),
		SizeBytes:  (disk.GetSizeBytes() + granularity - 1) / granularity * granularity,
		Filesystem: disk.GetFilesystem(),
		Labels:     disk.GetLabels(),
	}
	switch {
	case !idPattern.MatchString(d.ID):
		return d, status.Errorf(codes.InvalidArgument, "disk id %q is not of the form %s", d.ID, idPattern)
	case strings.HasPrefix(d.ID, "image-"), strings.HasPrefix(d.ID, "guest-image-"):
		return d, status.Errorf(codes.InvalidArgument, "disk id %q: the prefixes image- and guest-image- are for the disks of images", d.ID)
	case d.SizeBytes == 0:
		return d, status.Errorf(codes.InvalidArgument, "disk %s has no size", d.ID)
	case d.Filesystem != "" && d.Filesystem != "ext4":
		return d, status.Errorf(codes.InvalidArgument, "disk %s: file system %q is neither ext4 nor empty", d.ID, d.Filesystem)
	case d.Filesystem == "ext4" && d.SizeBytes < minimumExt4:
		return d, status.Errorf(codes.InvalidArgument, "disk %s: ext4 needs at least %d MiB", d.ID, minimumExt4>>20)
	}
	return d, nil
}

func (d description) same(other description) bool {
	return d.ID == other.ID && d.SizeBytes == other.SizeBytes && d.Filesystem == other.Filesystem && d.ContentHash == other.ContentHash && maps.Equal(d.Labels, other.Labels)
}

func creation(d description, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return status.Errorf(codes.ResourceExhausted, "create disk %s: %v; free space on the datastore", d.ID, err)
	}
	return status.Errorf(codes.Internal, "create disk %s: %v", d.ID, err)
}

// make fills a directory and then gives it its name, so that a disk exists whole or not at all.
func (s *Store) make(ctx context.Context, d description, content []byte) error {
	dir := filepath.Join(s.dir, d.ID+half)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.fill(ctx, dir, d, content); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return os.Rename(dir, filepath.Join(s.dir, d.ID))
}

func (s *Store) fill(ctx context.Context, dir string, d description, content []byte) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, descriptionFile), text, 0o600); err != nil {
		return err
	}
	raw := filepath.Join(dir, "disk.raw")
	if d.Filesystem == "" {
		return errors.Join(blank(raw, d.SizeBytes), begin(raw, content))
	}
	template, err := s.templates.ext4(ctx, d.SizeBytes)
	if err != nil {
		return err
	}
	return clone(template, raw)
}

// Delete removes a disk. One that is gone is no error; one that a machine has is refused.
func (s *Store) Delete(_ context.Context, id string) error {
	if machine := s.inUse(id); machine != "" {
		return status.Errorf(codes.FailedPrecondition, "disk %s is attached to machine %s; detach it or destroy the machine first", id, machine)
	}
	return s.Discard(id)
}

// Discard removes a disk without asking who has it. One that is gone is no error.
func (s *Store) Discard(id string) error {
	if !idPattern.MatchString(id) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// The name goes first: what is left of a crash is swept at the next start.
	going := filepath.Join(s.dir, id+half)
	if err := os.Rename(filepath.Join(s.dir, id), going); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return status.Errorf(codes.Internal, "delete disk %s: %v", id, err)
	}
	if err := os.RemoveAll(going); err != nil {
		return status.Errorf(codes.Internal, "delete disk %s: %v", id, err)
	}
	return nil
}

// List returns all disks.
func (s *Store) List() ([]*hostv1.Disk, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "list disks: %v", err)
	}
	var disks []*hostv1.Disk
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), half) {
			continue
		}
		d, err := s.read(entry.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			// One bad description must not hide all other disks; this one shows in the host's inventory.
			slog.Error("disk cannot be described", "disk", entry.Name(), "err", err)
			continue
		}
		disks = append(disks, s.message(d))
	}
	return disks, nil
}

// DiskPath resolves the id of a disk to its file; ErrNoDisk when it is not of this store.
func (s *Store) DiskPath(id string) (path string, readOnly bool, err error) {
	if !idPattern.MatchString(id) {
		return "", false, fmt.Errorf("disk %s: %w", id, ErrNoDisk)
	}
	path = s.raw(id)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNoDisk
		}
		return "", false, fmt.Errorf("disk %s: %w", id, err)
	}
	return path, false, nil
}

func (s *Store) raw(id string) string { return filepath.Join(s.dir, id, "disk.raw") }

func (s *Store) read(id string) (description, error) {
	var d description
	text, err := os.ReadFile(filepath.Join(s.dir, id, descriptionFile))
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(text, &d)
}

func (s *Store) message(d description) *hostv1.Disk {
	return &hostv1.Disk{
		Id: d.ID, SizeBytes: d.SizeBytes, AllocatedBytes: Allocated(s.raw(d.ID)), Filesystem: d.Filesystem, Labels: d.Labels,
	}
}

// Allocated is the space that a file takes on the datastore; 0 when it is gone.
func Allocated(path string) uint64 {
	var stat syscall.Stat_t
	if syscall.Stat(path, &stat) != nil {
		return 0
	}
	return uint64(stat.Blocks) * 512
}
