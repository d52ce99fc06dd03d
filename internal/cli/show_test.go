package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	hostv1 "pacific/api/host/v1"
)

func TestInventoryNamesOwnersAndOrphans(t *testing.T) {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
	writeInventory(w, &hostv1.GetInventoryResponse{
		Machines: []*hostv1.InventoryMachine{{Id: "u1", Name: "default/web", Type: "crx", Mode: "managed", Personality: "agent", Pid: 42, Phase: "RUNNING"}},
		Taps:     []*hostv1.InventoryItem{{Name: "tap1", Owner: "u1"}, {Name: "tap2"}},
		Disks:    []*hostv1.InventoryItem{{Name: "/d", Owner: "sha256:ab", Bytes: 3 << 20}},
	})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(out.String()), " ")
	for _, part := range []string{"crx managed agent default/web 42 RUNNING u1", "tap1 default/web", "tap2 ORPHAN", "/d sha256:ab 3.0 MiB"} {
		if !strings.Contains(words, part) {
			t.Errorf("%q is not in\n%s", part, out.String())
		}
	}
}

func TestHomeIsAnAbsolutePath(t *testing.T) {
	var home homeFlag
	if err := home.Set("some/dir"); err != nil || !strings.HasPrefix(home.path, "/") || !strings.HasSuffix(home.path, "/some/dir") {
		t.Errorf("%q, %v", home.path, err)
	}
	if err := home.Set(""); err == nil {
		t.Error("an empty name is accepted")
	}
}

func TestAHomeIsTheSameByAnotherName(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"link": dir, "link/new/home": dir + "/new/home", "new": dir + "/new", "link/../new": dir + "/new"} {
		var home homeFlag
		if err := home.Set(filepath.Join(dir, name)); err != nil || home.path != want {
			t.Errorf("%s: %s, %v; want %s", name, home.path, err, want)
		}
	}
}

func TestHomesAreQuotedForTheShell(t *testing.T) {
	for home, want := range map[string]string{DefaultHome: "", "/tmp/p": " --home /tmp/p", "/a b": " --home '/a b'", "/it's": ` --home '/it'\''s'`} {
		if got := homeArg(home); got != want {
			t.Errorf("%s: got %s, want %s", home, got, want)
		}
	}
}

func TestOutputFormats(t *testing.T) {
	for format, ok := range map[string]bool{"": true, "json": true, "yaml": false} {
		o := outputFlag{format: format}
		err := o.print(&bytes.Buffer{}, 1, func(*tabwriter.Writer) {})
		if (err == nil) != ok {
			t.Errorf("%q: %v", format, err)
		}
	}
}

func TestCommandsExplainThemselves(t *testing.T) {
	for _, cmd := range Command().Commands() {
		if cmd.Short == "" {
			t.Errorf("pacific %s has no description", cmd.Name())
		}
	}
}
