package runtime

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStage(t *testing.T) {
	for stat, want := range map[string]int{
		"42 (runc:[2:INIT]) Z 7 42 42 0": 42,
		"43 (runc:[1:CHILD]) S 7 1":      43,
		"44 (runc:[2:INIT]) S 8 1":       0, // of another program
		"45 (sh) S 7 1":                  0,
		"46 (x) runc:[) S 7 1":           0,
		"47 (runc:[":                     0,
		"":                               0,
	} {
		pid, is := stage([]byte(stat), 7)
		if !is {
			pid = 0
		}
		if pid != want {
			t.Errorf("%q: %d, want %d", stat, pid, want)
		}
	}
}

// What nobody waits for is ended and reaped; the process of a start that went well is left alone.
func TestReapStages(t *testing.T) {
	begin := func() int {
		t.Helper()
		// A process with such a name, for which the name is set as the stages do.
		sleeper := exec.Command("sh", "-c", "printf '%s' 'runc:[2:INIT]' > /proc/self/comm; exec 2>&-; echo; read x")
		stdin, err := sleeper.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := sleeper.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stdin.Close() })
		if _, err := stdout.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return sleeper.Process.Pid
	}
	comm := func(pid int) string {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return strings.TrimSpace(string(data))
	}
	r := &Runtime{}
	known, stray := begin(), begin()
	if comm(known) != "runc:[2:INIT]" {
		t.Skipf("the shell cannot name itself: %q", comm(known))
	}
	r.processes.Store(known, true)
	r.reapStages()
	for deadline := time.Now().Add(10 * time.Second); unix.Kill(stray, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the stray process is still there")
		}
	}
	if unix.Kill(known, 0) != nil {
		t.Error("a process that somebody waits for was ended")
	}
}
