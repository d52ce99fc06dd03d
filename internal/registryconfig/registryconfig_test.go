package registryconfig

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("r.example:5000/hosts.json", `{"plainHTTP":false,"mirrors":["m.example","http://p.example:80"],"endpoints":["e.example:9000"]}`)
	write("r.example:5000/ca.crt", "OWN")
	write("m.example/ca.crt", "MIRROR")
	write("docker.io/hosts.json", `{"mirrors":["m.example"]}`)
	write("bad.example/hosts.json", `{"mirror":["typo"]}`)

	c, err := Read(dir, "r.example:5000")
	if err != nil || !c.Configured || !reflect.DeepEqual(c.Mirrors, []string{"m.example", "http://p.example:80"}) ||
		!strings.Contains(string(c.CA), "OWN") || !strings.Contains(string(c.CA), "MIRROR") {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := Read(dir, "index.docker.io"); err != nil || len(c.Mirrors) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := Read(dir, "none.example"); err != nil || c.Configured {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Read(dir, "bad.example"); err == nil || !strings.Contains(err.Error(), "bad.example/hosts.json") {
		t.Error(err)
	}
}
