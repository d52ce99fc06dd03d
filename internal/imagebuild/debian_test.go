package imagebuild

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const plan = `Reading package lists...
The following NEW packages will be installed:
  curl libc6
Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64])
Inst libuv1:amd64 (1:1.44.2 Debian:12.15/oldstable [amd64]) []
Conf libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64])
`

func TestArchivesOf(t *testing.T) {
	dir := t.TempDir()
	if _, err := archivesOf(plan, dir); err == nil {
		t.Error("missing files are no error")
	}
	want := []string{filepath.Join(dir, "libc6_2.36-9+deb12u14_amd64.deb"), filepath.Join(dir, "libuv1_1%3a1.44.2_amd64.deb")}
	for _, file := range want {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := archivesOf(plan, dir)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := archivesOf("nothing to do\n", dir); err == nil {
		t.Error("an empty plan is no error")
	}
}

func TestEntriesOf(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "./usr/bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/tool", Mode: 0o755},
		{Typeflag: tar.TypeLink, Name: "./usr/bin/again", Linkname: "./usr/bin/tool"},
		{Typeflag: tar.TypeSymlink, Name: "./usr/bin/other", Linkname: "tool"},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/tool/copyright", Mode: 0o644},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := entriesOf(archive.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name+">"+e.Linkname)
	}
	want := []string{"usr/bin/>", "usr/bin/tool>", "usr/bin/again>usr/bin/tool", "usr/bin/other>tool"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
