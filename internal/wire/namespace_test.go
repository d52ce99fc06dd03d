package wire

import (
	"os"
	"testing"
)

func TestHalfANamespaceIsCompleted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const name = "pacific-test-half"
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(namespaceDir+"/"+name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = DeleteNamespace(name) })
	ns, err := EnsureNamespace(name)
	if err != nil {
		t.Fatal(err)
	}
	ns.Close()
	if _, ok := OpenNamespace(name); !ok {
		t.Fatal("not a namespace")
	}
}
