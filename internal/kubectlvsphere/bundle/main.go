// Bundle makes the zip that people download: `bundle FILE.zip PROGRAM…` puts the programs into bin/. The same programs make the same
// file, which is left alone then.
package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: bundle FILE.zip PROGRAM…")
		os.Exit(2)
	}
	if err := bundle(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func bundle(file string, programs []string) error {
	if upToDate(file, programs) {
		return nil
	}
	var data bytes.Buffer
	archive := zip.NewWriter(&data)
	for _, program := range programs {
		if err := add(archive, program); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return renameio.WriteFile(file, data.Bytes(), 0o644, renameio.IgnoreUmask())
}

func add(archive *zip.Writer, program string) error {
	source, err := os.Open(program)
	if err != nil {
		return err
	}
	defer source.Close()
	header := &zip.FileHeader{Name: entryName(program), Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(0o755)
	entry, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, source)
	return err
}

func entryName(program string) string { return "bin/" + filepath.Base(program) }

// upToDate tells whether the zip holds exactly these programs. To unpack is much cheaper than to pack.
func upToDate(file string, programs []string) bool {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return false
	}
	defer archive.Close()
	if len(archive.File) != len(programs) {
		return false
	}
	for i, entry := range archive.File {
		if entry.Name != entryName(programs[i]) || !same(entry, programs[i]) {
			return false
		}
	}
	return true
}

func same(entry *zip.File, program string) bool {
	want, err := os.ReadFile(program)
	if err != nil || uint64(len(want)) != entry.UncompressedSize64 {
		return false
	}
	reader, err := entry.Open()
	if err != nil {
		return false
	}
	defer reader.Close()
	have, err := io.ReadAll(reader)
	return err == nil && bytes.Equal(have, want)
}
