package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// load lists the module's packages, without the test programs of other modules.
func load(t *testing.T) []Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,GoFiles,Imports,Deps", "pacific/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []Package
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestArchitecture(t *testing.T) {
	packages := load(t)
	for _, violation := range Violations(packages) {
		t.Error(violation)
	}
	for _, p := range packages {
		checkMain(t, p)
		checkQMP(t, p)
	}
}

func checkMain(t *testing.T, p Package) {
	if !below(p.ImportPath, "pacific/cmd") {
		return
	}
	if p.Name != "main" {
		t.Errorf("%s is no program; cmd/ only wires, packages belong into internal/", p.ImportPath)
	}
	lines := 0
	for _, file := range p.GoFiles {
		lines += bytes.Count(read(t, p, file), []byte("\n"))
	}
	if lines > maxMainLines {
		t.Errorf("%s has %d lines; cmd/ only wires, so %d must do", p.ImportPath, lines, maxMainLines)
	}
}

// checkQMP finds the one command that every speaker of QMP must send.
func checkQMP(t *testing.T, p Package) {
	const owner = "pacific/internal/host/vmm/qemu"
	for _, file := range p.GoFiles {
		if p.ImportPath != owner && bytes.Contains(read(t, p, file), []byte("qmp_"+"capabilities")) {
			t.Errorf("%s speaks QMP in %s; all of QMP is in %s", p.ImportPath, file, owner)
		}
	}
}

func read(t *testing.T, p Package, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.Dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestViolationsAreFound(t *testing.T) {
	for _, c := range []struct {
		p    Package
		want string // part of the violation, empty for none
	}{
		{Package{ImportPath: "pacific/internal/crx/agent", Deps: []string{"k8s.io/client-go/rest"}}, "no Kubernetes"},
		{Package{ImportPath: "pacific/internal/crxx", Deps: []string{"k8s.io/client-go/rest"}}, ""},
		{Package{ImportPath: "pacific/internal/host/vmm", Deps: []string{"k8s.io/api/core/v1"}}, "not its business"},
		{Package{ImportPath: "pacific/internal/spherelet", Imports: []string{"github.com/opencontainers/runc/libcontainer/configs"}}, "only pacific/internal/crx/agent/runtime"},
		{Package{ImportPath: "pacific/internal/crx/agent/runtime", Imports: []string{"github.com/opencontainers/runc/libcontainer"}}, ""},
		{Package{ImportPath: "pacific/api/pod", Deps: []string{"pacific/internal/channel"}}, "contracts"},
	} {
		got := strings.Join(Violations([]Package{c.p}), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c.p, got)
		}
	}
}
