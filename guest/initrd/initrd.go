// Package initrd writes the initial root file system of a CRX: PID 1, a personality and, for a kernel with modules, those.
package initrd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"

	"pacific/api/crx"
)

// Contents are the files of an initial root file system, as paths on the host.
type Contents struct {
	// Init becomes [crx.InitPath].
	Init string
	// Personality becomes [crx.PersonalityPath]; empty for the built-in [crx.PersonalityProbe].
	Personality string
	// ModulesDir holds kernel modules and the file "load" that names them in the order of loading; empty for none.
	ModulesDir string
}

// file is an entry of the archive. Without from it is a directory or an empty file.
type file struct {
	name string
	mode cpio.FileMode
	from string
}

// Write writes a newc cpio archive, uncompressed: a kernel copies it faster than it unpacks anything. The same
// contents give the same bytes.
func Write(w io.Writer, c Contents) error {
	files, err := list(c)
	if err != nil {
		return err
	}
	archive := cpio.NewWriter(w)
	for _, f := range files {
		if err := add(archive, f); err != nil {
			return fmt.Errorf("initrd: %s: %w", f.name, err)
		}
	}
	return archive.Close()
}

func list(c Contents) ([]file, error) {
	files := []file{
		dir("dev"), dir("proc"), dir("root"), dir("run"), dir("sbin"), dir("sys"), dir("tmp"),
		// The Go runtime opens it in place of standard descriptors that the kernel could not open (no console).
		// PID 1 mounts devtmpfs over it.
		{name: "dev/null", mode: cpio.TypeReg | 0o666},
		program(crx.InitPath, c.Init),
	}
	if c.Personality != "" {
		files = append(files, program(crx.PersonalityPath, c.Personality))
	}
	if c.ModulesDir == "" {
		return files, nil
	}
	modules, err := listModules(c.ModulesDir)
	return append(files, modules...), err
}

// listModules names the list and what it names; nothing else of the directory is needed in the guest.
func listModules(from string) ([]file, error) {
	load, err := os.ReadFile(filepath.Join(from, "load"))
	if err != nil {
		return nil, fmt.Errorf("initrd: %s is no directory of kernel modules: %w", from, err)
	}
	files := []file{dir("modules"), {name: "modules/load", mode: cpio.TypeReg | 0o644, from: filepath.Join(from, "load")}}
	for _, name := range strings.Fields(string(load)) {
		files = append(files, file{name: "modules/" + name, mode: cpio.TypeReg | 0o644, from: filepath.Join(from, name)})
	}
	return files, nil
}

func dir(name string) file { return file{name: name, mode: cpio.TypeDir | 0o755} }

func program(name, from string) file {
	return file{name: strings.TrimPrefix(name, "/"), mode: cpio.TypeReg | 0o755, from: from}
}

func add(archive *cpio.Writer, f file) error {
	header := &cpio.Header{Name: f.name, Mode: f.mode, Links: 1}
	if f.from == "" {
		return archive.WriteHeader(header)
	}
	src, err := os.Open(f.from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(archive, src, info.Size())
	return err
}
