package cgroup

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"testing"
)

const works = "PACIFIC_TEST_WORKS"

// work is what the measured process does: it waits for a line before, so that all of it is in the group, and after.
func work() {
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	for sum, i := [32]byte{}, 0; i < 20000; i++ {
		sum = sha256.Sum256(sum[:])
	}
	fmt.Println("done")
	_, _ = in.ReadString('\n')
}

// A group of the kernel's, with a process that has used some of everything.
func TestUsageOfAProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	tree := New(fmt.Sprintf("/pacific-test-%d", os.Getpid()))
	path := tree.Path("pool", "m")
	if _, err := tree.Usage(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it exists: %v", err)
	}
	process := exec.Command("/proc/self/exe")
	process.Env = []string{works + "=1"}
	input, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		input.Close()
		_ = process.Wait()
		if err := tree.Remove(path); err != nil {
			t.Error(err)
		}
	}()
	if err := tree.Place(path, Limits{MemoryBytes: 64 << 20, Shares: 1024}, process.Process.Pid); err != nil {
		t.Skipf("this machine has no cgroups to write: %v", err)
	}
	if _, err := input.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	own, err := tree.Usage(path)
	if err != nil {
		t.Fatal(err)
	}
	total, err := tree.Total()
	if err != nil {
		t.Fatal(err)
	}
	if own.CPUNanoseconds == 0 || own.MemoryBytes == 0 || own.WorkingSet > own.MemoryBytes || total.CPUNanoseconds < own.CPUNanoseconds {
		t.Errorf("machine %+v, all %+v", own, total)
	}
}
