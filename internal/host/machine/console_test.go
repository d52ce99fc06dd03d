package machine

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestConsoleIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vm", "console.log")
	first, err := openConsole(path)
	if err != nil {
		t.Fatal(err)
	}
	first.WriteString("first run\n")
	first.Close()
	vmm, err := openConsole(path)
	if err != nil {
		t.Fatal(err)
	}
	defer vmm.Close()
	if text, _ := os.ReadFile(path + olderConsole); string(text) != "first run\n" {
		t.Errorf("what was before is %q", text)
	}
	write := func(p []byte) {
		if _, err := vmm.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := cutConsole(path); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte("short\n"))
	if got := consoleTail(path); got != "short\n" {
		t.Errorf("got %q", got)
	}
	write(bytes.Repeat([]byte{'x'}, 3*maxConsole))
	write([]byte("after\n"))
	if got := consoleTail(path); got != "after\n" {
		t.Errorf("after the cut: %d bytes", len(got))
	}
	if info, err := os.Stat(path + olderConsole); err != nil || info.Size() != 2*maxConsole {
		t.Errorf("the older console: %v %v", info.Size(), err)
	}
}
