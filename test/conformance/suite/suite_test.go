package suite

import (
	"os"
	"strings"
	"testing"
)

func TestAll(t *testing.T) {
	tests, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(tests) < 400 {
		t.Errorf("only %d tests", len(tests))
	}
	seen := map[string]bool{}
	for _, test := range tests {
		if seen[test.Name] {
			t.Errorf("%q is there twice", test.Name)
		}
		seen[test.Name] = true
		if !strings.HasSuffix(test.Name, "[Conformance]") {
			t.Errorf("%q is no whole name", test.Name)
		}
	}
}

func TestSelect(t *testing.T) {
	tests := []Test{{Name: "[sig-node] Pods a"}, {Name: "[sig-node] Probing b"}, {Name: "[sig-apps] Job c [Serial]"}}
	for _, c := range []struct {
		focus, skip string
		want        string
	}{
		{"", "", "abc"},
		{`\[sig-node\]`, "", "ab"},
		{"", "Serial", "ab"},
		{`\[sig-node\]`, "Probing", "a"},
		{"none", "", ""},
	} {
		selected, err := Select(tests, c.focus, c.skip)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range selected {
			name := strings.TrimSuffix(s.Name, " [Serial]")
			got += name[len(name)-1:]
		}
		if got != c.want {
			t.Errorf("focus %q, skip %q: %q, want %q", c.focus, c.skip, got, c.want)
		}
	}
	if _, err := Select(tests, "(", ""); err == nil {
		t.Error("a wrong expression is taken")
	}
}

func TestExceptions(t *testing.T) {
	tests := []Test{{Name: "a one"}, {Name: "a two"}, {Name: "b"}}
	good, err := ReadExceptions([]byte("- {reason: later, tests: [^a]}"), tests)
	if err != nil || len(good) != 2 || good["a two"] != "later" {
		t.Errorf("%v, %v", good, err)
	}
	for name, text := range map[string]string{
		"no reason":   "- {tests: [a]}",
		"no test":     "- {reason: later, tests: [c]}",
		"two reasons": "- {reason: later, tests: [one]}\n- {reason: never, tests: [^a]}",
		"expression":  "- {reason: later, tests: ['(']}",
		"field":       "- {reason: later, tests: [a], other: 1}",
	} {
		if _, err := ReadExceptions([]byte(text), tests); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The project's own list fits upstream's.
func TestExceptionsFile(t *testing.T) {
	tests, err := All()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../exceptions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadExceptions(text, tests); err != nil {
		t.Error(err)
	}
}
