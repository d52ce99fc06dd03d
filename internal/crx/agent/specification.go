package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"pacific/internal/crx/agent/mount"
	"pacific/internal/crx/agent/spec"

	"github.com/containerd/continuity/fs"
	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

type specification struct{ *specs.Spec }

// specification makes the container's OCI specification and what it points to.
func (i *instance) specification() (*specification, error) {
	user, err := spec.ResolveUser(i.pod.spec, i.spec, i.image, i.root.Root)
	if err != nil {
		return nil, err
	}
	i.user = user
	pids, err := i.processes()
	if err != nil {
		return nil, err
	}
	mounts, err := i.mounts()
	if err != nil {
		return nil, err
	}
	s, err := spec.Make(spec.Input{
		Pod: i.pod.spec, Container: i.spec, Image: i.image, User: user, Rootfs: i.root.Root, Mounts: mounts,
		Shm: shmDir, Cgroup: "/pod/" + i.spec.GetName(), PIDs: pids,
	})
	if err != nil {
		return nil, err
	}
	return &specification{s}, nil
}

// processes is the path of the PID namespace that the container joins: an ephemeral container sees those of its target.
func (i *instance) processes() (string, error) {
	target := i.spec.GetTargetContainer()
	if target == "" || i.pod.pids != "" {
		return i.pod.pids, nil
	}
	other := i.pod.instance(target)
	if other == nil {
		return "", fmt.Errorf("unable to find target container %q: it is not running", target)
	}
	return fmt.Sprintf("/proc/%d/ns/pid", other.container.PID()), nil
}

// mounts of the container: the pod's files, the termination message, volumes, and the image's own volumes.
func (i *instance) mounts() ([]spec.Mount, error) {
	readOnly := i.spec.GetSecurity().GetReadOnlyRoot()
	var mounts []spec.Mount
	for index, m := range i.spec.GetMounts() {
		source, err := i.volumePath(index)
		if err != nil {
			return nil, fmt.Errorf("mount volume %s at %s: %w", m.GetVolume(), m.GetPath(), err)
		}
		mounts = append(mounts, spec.Mount{
			Source: source, Target: m.GetPath(), ReadOnly: m.GetReadOnly(), Propagation: m.GetPropagation(),
			Recursive: m.GetReadOnly() && slices.Contains([]string{"Enabled", "IfPossible"}, m.GetRecursiveReadOnly()),
			NoExec:    i.pod.fromImage(m.GetVolume()),
		})
	}
	own := func(target string) bool {
		return slices.ContainsFunc(mounts, func(m spec.Mount) bool { return filepath.Clean(m.Target) == filepath.Clean(target) })
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		if target := "/etc/" + name; !own(target) {
			mounts = append(mounts, spec.Mount{Source: filepath.Join(runDir, "etc", name), Target: target, ReadOnly: readOnly})
		}
	}
	if target := i.spec.GetTerminationMessagePath(); target != "" && !own(target) {
		if err := createMessageFile(i.messagePath()); err != nil {
			return nil, err
		}
		mounts = append(mounts, spec.Mount{Source: i.messagePath(), Target: target})
	}
	for target := range i.image.Volumes {
		if own(target) {
			continue
		}
		source, err := i.imageVolume(target)
		if err != nil {
			return nil, fmt.Errorf("image volume %s: %w", target, err)
		}
		mounts = append(mounts, spec.Mount{Source: source, Target: target})
	}
	return mounts, nil
}

// volumePath returns what a mount of the container shows.
func (i *instance) volumePath(index int) (string, error) {
	m := i.spec.GetMounts()[index]
	path := i.pod.volumes.Path(m.GetVolume())
	if m.GetSubPath() == "" {
		return filepath.EvalSymlinks(path)
	}
	target := i.subPath(index)
	return target, mount.SubPath(path, m.GetSubPath(), target)
}

func (i *instance) subPath(index int) string {
	return filepath.Join(runDir, "subpaths", i.id, strconv.Itoa(index))
}

// unbind removes the mounts of subPaths.
func (i *instance) unbind() error {
	for index, m := range i.spec.GetMounts() {
		if m.GetSubPath() != "" {
			_ = unix.Unmount(i.subPath(index), unix.MNT_DETACH) // EINVAL: never mounted
		}
	}
	return os.RemoveAll(filepath.Join(runDir, "subpaths", i.id))
}

// imageVolume makes a directory with what the image has at this path, as containerd does for VOLUME of a Dockerfile.
func (i *instance) imageVolume(target string) (string, error) {
	source := filepath.Join(i.dir, "volumes", strings.ReplaceAll(filepath.Clean(target), "/", "+"))
	if err := os.MkdirAll(source, 0o755); err != nil {
		return "", err
	}
	content, err := securejoin.SecureJoin(i.root.Root, target)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(content); err != nil || !info.IsDir() {
		return source, nil
	}
	return source, fs.CopyDir(source, content)
}

// signalNumber takes "SIGTERM", "TERM", "15", "SIGRTMIN+3".
func signalNumber(name string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= 64 {
		return syscall.Signal(n), nil
	}
	upper := strings.ToUpper(name)
	if !strings.HasPrefix(upper, "SIG") {
		upper = "SIG" + upper
	}
	if s := unix.SignalNum(upper); s != 0 {
		return s, nil
	}
	for base, first := range map[string]int{"SIGRTMIN": 34, "SIGRTMAX": 64} {
		if offset, ok := strings.CutPrefix(upper, base); ok {
			if n, err := strconv.Atoi("0" + strings.TrimLeft(offset, "+-")); err == nil && n <= 30 {
				if strings.HasPrefix(offset, "-") {
					n = -n
				}
				return syscall.Signal(first + n), nil
			}
		}
	}
	return 0, fmt.Errorf("unknown stop signal %q", name)
}
