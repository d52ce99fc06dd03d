package image

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
)

// garbageInterval is between two looks at the datastore, each one system call.
const garbageInterval = time.Minute

// CollectGarbagePeriodically keeps the datastore below the policy's threshold until ctx is done.
func (s *Service) CollectGarbagePeriodically(ctx context.Context) {
	ticker := time.NewTicker(garbageInterval)
	defer ticker.Stop()
	for {
		s.touchUsed()
		s.collectExcess()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// touchUsed keeps the time of the last use of images that machines use, for when they use them no more.
func (s *Service) touchUsed() {
	for _, r := range s.Store.list() {
		if s.Machines.DiskUser(DiskID(r.Digest)) != "" {
			s.Store.touch(r.Digest)
		}
	}
}

func (s *Service) collectExcess() {
	disk, err := spaceOf(s.Store.dir)
	if err != nil {
		slog.Error("cannot tell whether the datastore is full", "err", err)
		return
	}
	if wanted := s.Garbage.excess(disk); wanted > 0 {
		s.collect(wanted, s.Garbage.MinAge)
	}
}

// CollectGarbage implements hostv1.ImagesServer.
func (s *Service) CollectGarbage(_ context.Context, req *hostv1.CollectGarbageRequest) (*hostv1.GarbageCollection, error) {
	if req.GetFreeBytes() == 0 {
		return nil, status.Error(codes.InvalidArgument, "free_bytes is 0: say how much is to be freed")
	}
	return s.collect(req.GetFreeBytes(), s.Garbage.MinAge), nil
}

// collect frees so many bytes if it can, and remembers what came of it. One collection runs at a time.
func (s *Service) collect(wanted uint64, minAge time.Duration) *hostv1.GarbageCollection {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	now := time.Now()
	done := &hostv1.GarbageCollection{At: timestamppb.New(now), WantedBytes: wanted}
	var errs []error
	// Layers first: an image that is needed again costs a pull, a layer only a download.
	if s.Layers != nil {
		done.FreedBytes = s.Layers.Evict(wanted)
	}
	for _, c := range collectable(now, wanted-min(wanted, done.FreedBytes), minAge, s.candidates()) {
		removed, err := s.removeUnused(c.digest, minAge)
		switch {
		case err != nil:
			errs = append(errs, err)
		case removed:
			done.FreedBytes += c.bytes
			done.Removed = append(done.Removed, c.digest)
		}
	}
	if err := errors.Join(errs...); err != nil {
		done.Error = err.Error()
	} else if done.FreedBytes < wanted {
		done.Error = fmt.Sprintf("Failed to garbage collect required amount of images. Attempted to free %d bytes, but only found %d bytes eligible to free.",
			wanted, done.FreedBytes)
	}
	slog.Info("images collected", "wanted", wanted, "freed", done.FreedBytes, "removed", done.Removed, "err", done.Error)
	s.lastCollection.Store(done)
	return done
}

func (s *Service) candidates() (all []candidate) {
	for _, r := range s.Store.list() {
		all = append(all, candidate{
			digest: r.Digest, bytes: allocated(s.Store.path(r.Digest, diskFile)), lastUsed: s.Store.lastUsed(r),
			inUse: s.Machines.DiskUser(DiskID(r.Digest)) != "",
		})
	}
	return all
}

// removeUnused removes an image unless somebody has begun to use it meanwhile: a machine, or one that is about to attach
// it and has asked for its disk.
func (s *Service) removeUnused(digest string, minAge time.Duration) (bool, error) {
	if s.Machines.DiskUser(DiskID(digest)) != "" {
		return false, nil
	}
	return s.Store.removeIf(digest, func(lastUsed time.Time) bool { return time.Since(lastUsed) >= minAge })
}

// allocated is what a sparse file takes on the datastore; 0 if it is not there.
func allocated(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return uint64(st.Blocks) * 512
}

func spaceOf(dir string) (space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return space{}, fmt.Errorf("free space of %s: %w", dir, err)
	}
	// As df counts: what is kept for the superuser is neither free nor used.
	free := st.Bavail * uint64(st.Bsize)
	return space{size: (st.Blocks-st.Bfree)*uint64(st.Bsize) + free, free: free}, nil
}
