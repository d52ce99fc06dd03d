package mount

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	agentv1 "pacific/api/agent/v1"

	"golang.org/x/sys/unix"
)

// Volumes makes the volumes of a pod.
type Volumes struct {
	Disks     *Disks
	Dir       string // on a tmpfs: mount points, files volumes
	Ephemeral string // on the ephemeral disk: directories of emptyDir and scratch volumes
	FSGroup   *int64
}

// Path of a volume that was made.
func (v *Volumes) Path(name string) string { return filepath.Join(v.Dir, name) }

// Make makes a volume. Made again, it gets new files and keeps everything else.
func (v *Volumes) Make(ctx context.Context, volume *agentv1.Volume) error {
	err := v.make(ctx, volume)
	if err != nil {
		return fmt.Errorf("volume %s: %w", volume.GetName(), err)
	}
	return nil
}

func (v *Volumes) make(ctx context.Context, volume *agentv1.Volume) error {
	path := v.Path(volume.GetName())
	switch source := volume.GetSource().(type) {
	case *agentv1.Volume_EmptyDir_:
		return v.emptyDir(volume.GetName(), path, source.EmptyDir)
	case *agentv1.Volume_Files_:
		if source.Files.GetSingle() {
			return WriteSingle(path, source.Files)
		}
		if err := os.MkdirAll(path, 0o777); err != nil {
			return err
		}
		return WriteFiles(path, source.Files, v.FSGroup)
	case *agentv1.Volume_Image:
		mounted, err := v.Disks.Mount(ctx, source.Image)
		if err != nil {
			return err
		}
		return relink(mounted, path)
	case *agentv1.Volume_Scratch_:
		return v.scratch(volume.GetName(), path, source.Scratch)
	case *agentv1.Volume_Disk:
		mounted, err := v.Disks.Mount(ctx, source.Disk)
		if err != nil {
			return err
		}
		if !source.Disk.GetReadOnly() {
			if err := v.own(mounted, 0); err != nil {
				return err
			}
		}
		return relink(mounted, path)
	}
	return fmt.Errorf("it has no source that is known here")
}

// relink makes path a name of target. Volume paths are resolved before they are given to a container.
func relink(target, path string) error {
	if present, err := os.Readlink(path); err == nil && present == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.Symlink(target, path)
}

func (v *Volumes) emptyDir(name, path string, e *agentv1.Volume_EmptyDir) error {
	if _, err := os.Lstat(path); err == nil {
		return nil // made before
	}
	if e.GetMemory() {
		if err := os.MkdirAll(path, 0o777); err != nil {
			return err
		}
		options := "mode=0777"
		if limit := e.GetSizeLimitBytes(); limit > 0 {
			options += fmt.Sprintf(",size=%d", limit)
		}
		if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
			os.Remove(path)
			return fmt.Errorf("mount a tmpfs: %w", err)
		}
		return v.own(path, 0o777)
	}
	// It is kept when the VM is replaced: an emptyDir lives as long as its pod.
	dir := filepath.Join(v.Ephemeral, name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := v.own(dir, 0o777); err != nil {
		return err
	}
	return relink(dir, path)
}

// own sets the mode, unless 0, and gives the volume to the pod's group as the kubelet does.
func (v *Volumes) own(dir string, mode os.FileMode) error {
	if mode != 0 {
		if err := os.Chmod(dir, mode); err != nil {
			return err
		}
	}
	if v.FSGroup == nil {
		return nil
	}
	return giveToGroup(dir, int(*v.FSGroup))
}

// giveToGroup gives a tree to a group that may do what the owner may; new files inherit it.
func giveToGroup(dir string, gid int) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := os.Lchown(path, -1, gid); err != nil || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode() | 0o660
		if d.IsDir() {
			mode |= 0o110 | os.ModeSetgid
		}
		return os.Chmod(path, mode)
	})
}
