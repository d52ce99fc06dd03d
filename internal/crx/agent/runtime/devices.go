package runtime

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"github.com/opencontainers/cgroups"
	_ "github.com/opencontainers/cgroups/devices" // the device filter of libcontainer
	"golang.org/x/sys/unix"
)

// deviceFilters keeps the device filters of cgroups, which are BPF programs, one for each set of rules. The kernel verifies a program when
// it is loaded, which with its making is a twentieth of the code that a container's start runs; attaching it once more is
// next to nothing. A template has the usual one loaded for all its clones.
type deviceFilters struct {
	// load makes a program of the rules, and attaches it in place of those that the cgroup has.
	load func(dir string, r *cgroups.Resources) error
	programs

	mu   sync.Mutex
	kept map[string]int // descriptors, by rules
}

// programs of cgroups, which are directories.
type programs interface {
	// attached are the identifiers of the cgroup's programs.
	attached(dir string) ([]uint32, error)
	// hold gives a descriptor that keeps the program.
	hold(id uint32) (int, error)
	attach(dir string, program int) error
}

var filters = deviceFilters{programs: kernelPrograms{}, kept: map[string]int{}}

// keepDeviceFilters makes libcontainer use the filters that are kept.
var keepDeviceFilters = sync.OnceFunc(func() {
	filters.load = cgroups.DevicesSetV2
	cgroups.DevicesSetV2 = filters.set
})

// set attaches the filter of the rules. A cgroup that has one gets another in its place by load.
func (f *deviceFilters) set(dir string, r *cgroups.Resources) error {
	if r.SkipDevices {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	rules := rulesOf(r)
	program, kept := f.kept[rules]
	if kept {
		ids, err := f.attached(dir)
		if err == nil && len(ids) == 0 {
			return f.attach(dir, program)
		}
	}
	if err := f.load(dir, r); err != nil || kept {
		return err
	}
	// That it cannot be kept makes the next start slower, not wrong.
	if ids, err := f.attached(dir); err == nil && len(ids) == 1 {
		if program, err := f.hold(ids[0]); err == nil {
			f.kept[rules] = program
		}
	}
	return nil
}

func rulesOf(r *cgroups.Resources) string {
	var b strings.Builder
	for _, rule := range r.Devices {
		fmt.Fprintf(&b, "%t %s\n", rule.Allow, rule.CgroupString())
	}
	return b.String()
}

// kernelPrograms are those of bpf(2).
type kernelPrograms struct{}

func (kernelPrograms) attached(dir string) ([]uint32, error) {
	var ids [4]uint32
	var count int
	err := withDirectory(dir, func(fd int) error {
		// The kernel may write what later versions have appended.
		query := struct {
			target, kind, flags, attachFlags uint32
			ids                              *uint32
			count, _                         uint32
			later                            [4]uint64
		}{target: uint32(fd), kind: unix.BPF_CGROUP_DEVICE, ids: &ids[0], count: uint32(len(ids))}
		_, err := bpf(unix.BPF_PROG_QUERY, unsafe.Pointer(&query), unsafe.Sizeof(query))
		count = int(query.count)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ids[:count], nil
}

func (kernelPrograms) hold(id uint32) (int, error) {
	attr := struct{ id uint32 }{id}
	return bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}

func (kernelPrograms) attach(dir string, program int) error {
	return withDirectory(dir, func(fd int) error {
		attr := struct{ target, program, kind, flags uint32 }{uint32(fd), uint32(program), unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI}
		if _, err := bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
			return fmt.Errorf("attach the device filter to %s: %w", dir, err)
		}
		return nil
	})
}

func withDirectory(dir string, do func(fd int) error) error {
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open cgroup %s: %w", dir, err)
	}
	defer unix.Close(fd)
	return do(fd)
}

// bpf returns descriptors that are closed on exec.
func bpf(command uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	for {
		result, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attr), size)
		if errno == 0 {
			return int(result), nil
		}
		if !errors.Is(errno, unix.EINTR) && !errors.Is(errno, unix.EAGAIN) {
			return -1, errno
		}
	}
}
