package mount

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	agentv1 "pacific/api/agent/v1"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// MaxScratch bounds the files of a scratch volume that are read, in bytes of content and names.
const MaxScratch = 1 << 20

// ErrTooLarge is the error for changes beyond MaxScratch.
var ErrTooLarge = fmt.Errorf("the files that were written have more than %d bytes", MaxScratch)

// scratch makes the volume, all at once, and keeps beside it what it was made of. A volume's name has no dot in it.
func (v *Volumes) scratch(name, path string, given *agentv1.Volume_Scratch) error {
	dir := filepath.Join(v.Ephemeral, name)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := makeScratch(dir, given); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return relink(dir, path)
}

func makeScratch(dir string, given *agentv1.Volume_Scratch) error {
	data, err := proto.Marshal(given)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(dir+".given", data, 0o600); err != nil {
		return err
	}
	fresh := dir + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o755), os.Chmod(fresh, 0o755)); err != nil {
		return err
	}
	for _, f := range given.GetFiles() {
		if err := writeScratch(fresh, f); err != nil {
			return err
		}
	}
	return os.Rename(fresh, dir)
}

func writeScratch(dir string, f *agentv1.File) error {
	if !filepath.IsLocal(f.GetPath()) {
		return fmt.Errorf("file %q is not below the volume", f.GetPath())
	}
	path := filepath.Join(dir, f.GetPath())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if f.GetDirectory() {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	} else if err := os.WriteFile(path, f.GetData(), 0o600); err != nil {
		return err
	}
	if err := os.Lchown(path, int(f.GetUid()), int(f.GetGid())); err != nil {
		return err
	}
	return os.Chmod(path, os.FileMode(f.GetMode())&fs.ModePerm)
}

// ReadScratch returns the files and directories of a scratch volume that are not as it was made, and the paths that are gone.
// Other kinds of files are left out.
func (v *Volumes) ReadScratch(name string) (*agentv1.ReadScratchResponse, error) {
	dir := filepath.Join(v.Ephemeral, name)
	data, err := os.ReadFile(dir + ".given")
	if err != nil {
		return nil, fmt.Errorf("volume %s is no scratch volume: %w", name, err)
	}
	given := &agentv1.Volume_Scratch{}
	if err := proto.Unmarshal(data, given); err != nil {
		return nil, err
	}
	present, err := scratchFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("volume %s: %w", name, err)
	}
	return changes(given.GetFiles(), present), nil
}

// changes is what is new or different in present, and what of given is not in it.
func changes(given, present []*agentv1.File) *agentv1.ReadScratchResponse {
	out := &agentv1.ReadScratchResponse{}
	before := map[string]*agentv1.File{}
	for _, f := range given {
		before[f.GetPath()] = f
	}
	for _, f := range present {
		if !proto.Equal(before[f.GetPath()], f) {
			out.Changed = append(out.Changed, f)
		}
		delete(before, f.GetPath())
	}
	for _, f := range given {
		if before[f.GetPath()] != nil {
			out.Removed = append(out.Removed, f.GetPath())
		}
	}
	return out
}

func scratchFiles(dir string) ([]*agentv1.File, error) {
	var files []*agentv1.File
	room := MaxScratch
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := readScratch(path, d, room-len(relative))
		if err != nil {
			return err
		}
		f.Path = relative
		if room -= len(relative) + len(f.Data); room < 0 {
			return ErrTooLarge
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

func readScratch(path string, d fs.DirEntry, room int) (*agentv1.File, error) {
	var s unix.Stat_t
	if err := unix.Lstat(path, &s); err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	f := &agentv1.File{Mode: int32(s.Mode & 0o777), Uid: proto.Int64(int64(s.Uid)), Gid: proto.Int64(int64(s.Gid)), Directory: d.IsDir()}
	if f.Directory {
		return f, nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f.Data, err = io.ReadAll(io.LimitReader(file, int64(max(room, 0)+1)))
	return f, err
}
