package mount

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	agentv1 "pacific/api/agent/v1"
)

const (
	dataLink    = "..data"
	newDataLink = "..data_tmp"
)

// WriteFiles gives a directory these files, in the kubelet's layout, so that readers see the old set or the new:
//
//	name      -> ..data/name
//	..data    -> ..2030_01_02_03_04_05.123456789
//	..2030…/name
func WriteFiles(dir string, files *agentv1.Volume_Files, fsGroup *int64) error {
	for _, f := range files.GetFiles() {
		if !filepath.IsLocal(f.GetPath()) || strings.HasPrefix(f.GetPath(), "..") {
			return fmt.Errorf("file %q: the path must stay within the volume, and .. must not be its beginning", f.GetPath())
		}
	}
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if old != "" && sameFiles(filepath.Join(dir, old), files) {
		return nil
	}
	fresh, err := writeGeneration(dir, files, fsGroup)
	if err != nil {
		return err
	}
	if err := swap(dir, fresh); err != nil {
		os.RemoveAll(filepath.Join(dir, fresh))
		return err
	}
	if err := link(dir, files); err != nil {
		return err
	}
	if old == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, old))
}

// sameFiles tells whether a generation has these files with these contents and modes.
func sameFiles(dir string, files *agentv1.Volume_Files) bool {
	count := 0
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			count++
		}
		return err
	})
	if err != nil || count != len(files.GetFiles()) {
		return false
	}
	for _, f := range files.GetFiles() {
		path := filepath.Join(dir, f.GetPath())
		data, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(data, f.GetData()) {
			return false
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^0o040 != mode(f, files)&^0o040 {
			return false
		}
	}
	return true
}

func mode(f *agentv1.File, files *agentv1.Volume_Files) os.FileMode {
	for _, m := range []int32{f.GetMode(), files.GetDefaultMode()} {
		if m != 0 {
			return os.FileMode(m).Perm()
		}
	}
	return 0o644
}

func writeGeneration(dir string, files *agentv1.Volume_Files, fsGroup *int64) (string, error) {
	path, err := os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return "", err
	}
	err = os.Chmod(path, 0o755)
	for _, f := range files.GetFiles() {
		if err == nil {
			err = writeFile(filepath.Join(path, f.GetPath()), f, mode(f, files), fsGroup)
		}
	}
	if err != nil {
		os.RemoveAll(path)
		return "", err
	}
	return filepath.Base(path), nil
}

func writeFile(path string, f *agentv1.File, mode os.FileMode, fsGroup *int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, f.GetData(), mode); err != nil {
		return err
	}
	uid, gid := -1, -1
	if f.Uid != nil {
		uid = int(f.GetUid())
	}
	if fsGroup != nil {
		gid, mode = int(*fsGroup), mode|0o440
	}
	if err := os.Chown(path, uid, gid); err != nil {
		return err
	}
	return os.Chmod(path, mode) // after chown, and past the umask
}

func swap(dir, fresh string) error {
	next := filepath.Join(dir, newDataLink)
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Symlink(fresh, next); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(dir, dataLink))
}

// link makes the names that users see and removes those of files that are gone.
func link(dir string, files *agentv1.Volume_Files) error {
	var names []string
	for _, f := range files.GetFiles() {
		first, _, _ := strings.Cut(filepath.Clean(f.GetPath()), "/")
		names = append(names, first)
	}
	present, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range present {
		if !strings.HasPrefix(e.Name(), "..") && !slices.Contains(names, e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for _, name := range names {
		if err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}
