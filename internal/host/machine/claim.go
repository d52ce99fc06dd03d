package machine

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/disk"
)

// claim keeps disks for a machine until its state names them, so that of two machines that want to write one disk one is
// refused. The claim comes before the look at the other machines: who looks later sees the claim or the state.
func (m *Manager) claim(id string, disks ...*hostv1.DiskAttachment) (release func(), err error) {
	if err := m.reserve(id, disks); err != nil {
		return nil, err
	}
	for _, d := range disks {
		if err := m.attachable(id, d); err != nil {
			m.release(id, disks)
			return nil, err
		}
	}
	return func() { m.release(id, disks) }, nil
}

func (m *Manager) reserve(id string, disks []*hostv1.DiskAttachment) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range disks {
		if other, ok := m.claims[d.GetDiskId()]; ok && other != id {
			return status.Errorf(codes.Unavailable, "machine %s: disk %s is just being attached to machine %s", id, d.GetDiskId(), other)
		}
	}
	for _, d := range disks {
		if !d.GetReadOnly() {
			m.claims[d.GetDiskId()] = id
		}
	}
	return nil
}

func (m *Manager) release(id string, disks []*hostv1.DiskAttachment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range disks {
		if m.claims[d.GetDiskId()] == id {
			delete(m.claims, d.GetDiskId())
		}
	}
}

// attachable refuses a disk that does not exist, or that another machine writes.
func (m *Manager) attachable(id string, d *hostv1.DiskAttachment) error {
	_, readOnly, err := m.resolve(d.GetDiskId())
	switch {
	case errors.Is(err, disk.ErrNoDisk):
		return status.Errorf(codes.NotFound, "machine %s: %v", id, err)
	case err != nil:
		return status.Errorf(codes.Internal, "machine %s: %v", id, err)
	case readOnly && !d.GetReadOnly():
		return status.Errorf(codes.InvalidArgument, "machine %s: disk %s is read-only; attach it with read_only", id, d.GetDiskId())
	}
	for _, other := range m.all() {
		if other.id == id {
			continue
		}
		have := other.state()
		if i, ok := have.disk(d.GetDiskId()); ok && !(have.Disks[i].ReadOnly && d.GetReadOnly()) {
			return status.Errorf(codes.FailedPrecondition, "machine %s: disk %s is attached to machine %s; detach it there first", id, d.GetDiskId(), other.id)
		}
	}
	return nil
}
