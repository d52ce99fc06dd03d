package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"
)

func TestBundle(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "linux-amd64", "p.zip")
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	programs := []string{write("kubectl-vsphere", "one"), write("kubectl", "two")}
	pack := func() os.FileInfo {
		t.Helper()
		if err := bundle(file, programs); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := pack()
	archive, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if len(archive.File) != 2 || archive.File[0].Name != "bin/kubectl-vsphere" || archive.File[1].Name != "bin/kubectl" || archive.File[0].Mode() != 0o755 {
		t.Errorf("got %+v", archive.File)
	}
	if !os.SameFile(first, pack()) {
		t.Error("the same programs were packed again")
	}
	write("kubectl", "six")
	if second := pack(); os.SameFile(first, second) {
		t.Error("another program was not packed")
	}
	programs = programs[:1]
	third := pack()
	if archive, err := zip.OpenReader(file); err != nil || len(archive.File) != 1 || third.Size() == 0 {
		t.Errorf("got %v", err)
	}
}
