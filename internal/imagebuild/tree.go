package imagebuild

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Tree describes every path below root, one a line, sorted: what two unpacks of an image must agree in. Left out are the
// root itself and times and sizes of directories, which images do not define where no layer names the directory.
func Tree(root string) ([]string, error) {
	var lines []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		line, err := describe(path, name, inodes)
		lines = append(lines, line)
		return err
	})
	sort.Strings(lines)
	return lines, err
}

func describe(path, name string, inodes map[uint64]string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	line := fmt.Sprintf("%q %o %d:%d", name, st.Mode, st.Uid, st.Gid)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
	case unix.S_IFREG:
		sum, err := contentSum(path)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" size=%d sha256=%s", st.Size, sum)
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" -> %q", target)
	case unix.S_IFCHR, unix.S_IFBLK:
		line += fmt.Sprintf(" device=%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		line += " mtime=" + time.Unix(st.Mtim.Unix()).UTC().Format(time.RFC3339Nano)
		if st.Nlink > 1 {
			if _, ok := inodes[st.Ino]; !ok {
				inodes[st.Ino] = name
			}
			line += fmt.Sprintf(" links=%d of %q", st.Nlink, inodes[st.Ino])
		}
	}
	attributes, err := attributes(path)
	return line + attributes, err
}

func contentSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

func attributes(path string) (string, error) {
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.ENOTSUP) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("attributes of %s: %w", path, err)
	}
	keys := strings.FieldsFunc(string(names[:n]), func(r rune) bool { return r == 0 })
	sort.Strings(keys)
	text := ""
	for _, key := range keys {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, key, value)
		if err != nil {
			return "", fmt.Errorf("attribute %s of %s: %w", key, path, err)
		}
		text += fmt.Sprintf(" %s=%q", key, value[:n])
	}
	return text, nil
}
