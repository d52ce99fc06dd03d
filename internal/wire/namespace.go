// Package wire makes network namespaces and wires between them and bridges.
package wire

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaceDir is where ip netns keeps its names.
const namespaceDir = "/run/netns"

// EnsureNamespace opens the namespace of this name, and makes it if need be.
func EnsureNamespace(name string) (netns.NsHandle, error) {
	if ns, ok := OpenNamespace(name); ok {
		return ns, nil
	}
	// A name without a namespace is left behind when its maker dies half way, or where /run is on disk after a reboot.
	if err := DeleteNamespace(name); err != nil {
		return netns.None(), err
	}
	if err := createNamespace(name); err != nil {
		return netns.None(), fmt.Errorf("create: %w", err)
	}
	return netns.GetFromName(name)
}

// OpenNamespace opens one that is there.
func OpenNamespace(name string) (netns.NsHandle, bool) {
	var fs unix.Statfs_t
	path := filepath.Join(namespaceDir, name)
	if err := unix.Statfs(path, &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		return netns.None(), false
	}
	ns, err := netns.GetFromPath(path)
	return ns, err == nil
}

// createNamespace works in a thread of its own, which stays in the new namespace and therefore is thrown away.
func createNamespace(name string) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.NewNamed(name)
		if err == nil {
			err = ns.Close()
		}
		result <- err
	}()
	return <-result
}

// DeleteNamespace deletes a name; the namespace lives on as long as somebody is in it.
func DeleteNamespace(name string) error {
	path := filepath.Join(namespaceDir, name)
	for {
		// More than one mount lies on the name when two made it at once.
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return fmt.Errorf("unmount namespace %s: %w", name, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete namespace %s: %w", name, err)
	}
	return nil
}

// NamespacesWithPrefix lists names, whether or not they still stand for a namespace.
func NamespacesWithPrefix(prefix string) ([]string, error) {
	entries, err := os.ReadDir(namespaceDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Enter moves the calling thread, which must be locked, into a namespace of that name.
func Enter(name string) error {
	ns, err := netns.GetFromName(name)
	if err != nil {
		return fmt.Errorf("open namespace %s: %w", name, err)
	}
	defer ns.Close()
	if err := netns.Set(ns); err != nil {
		return fmt.Errorf("enter namespace %s: %w", name, err)
	}
	return nil
}
