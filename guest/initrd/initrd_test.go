package initrd

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cavaliergopher/cpio"
)

func TestWrite(t *testing.T) {
	from := t.TempDir()
	write(t, from, "init", "I")
	write(t, from, "agent", "agent program")
	write(t, from, "modules/load", "b.ko\na.ko\n")
	write(t, from, "modules/a.ko", "A")
	write(t, from, "modules/b.ko", "BB")
	write(t, from, "modules/unused.ko", "U")
	c := Contents{
		Init:        filepath.Join(from, "init"),
		Personality: filepath.Join(from, "agent"),
		ModulesDir:  filepath.Join(from, "modules"),
	}

	var first, second bytes.Buffer
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := Write(w, c); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same contents differ")
	}

	got := read(t, &first)
	for name, content := range map[string]string{
		"init": "I", "sbin/personality": "agent program", "dev/null": "",
		"modules/load": "b.ko\na.ko\n", "modules/a.ko": "A", "modules/b.ko": "BB",
	} {
		if have, ok := got[name]; !ok || have != content {
			t.Errorf("%s: have %q (%v), want %q", name, have, ok, content)
		}
	}
	if _, ok := got["modules/unused.ko"]; ok {
		t.Error("a module that is not in the list went into the archive")
	}
}

func TestWriteMissing(t *testing.T) {
	if err := Write(io.Discard, Contents{Init: "/nonexistent/init"}); err == nil {
		t.Error("no error without a PID 1")
	}
	init := filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(init, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(io.Discard, Contents{Init: init, ModulesDir: t.TempDir()}); err == nil {
		t.Error("no error for a modules directory without a list")
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	files := map[string]string{}
	archive := cpio.NewReader(r)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}
