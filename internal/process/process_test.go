package process

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tail := " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21"
	for _, c := range []struct {
		line  string
		start uint64
		state byte
		ok    bool
	}{
		{"12 (sleep) S" + tail, 777, 'S', true},
		{"12 (a ) Z (b) R" + tail, 777, 'R', true},
		{"12 (sleep) S 1 2", 0, 0, false},
		{"", 0, 0, false},
	} {
		start, state, ok := parseStat([]byte(c.line))
		if start != c.start || state != c.state || ok != c.ok {
			t.Errorf("%q: %d %c %v", c.line, start, state, ok)
		}
	}
}

func start(t *testing.T, args ...string) (*exec.Cmd, ID) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	id, ok := Find(cmd.Process.Pid)
	if !ok {
		t.Fatal("process not found")
	}
	return cmd, id
}

func TestTerminateEndsTheProcess(t *testing.T) {
	_, id := start(t, "sleep", "1000")
	if err := id.Terminate(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if id.Alive() {
		t.Fatal("still alive")
	}
}

func TestTerminateKillsWhatIgnoresSIGTERM(t *testing.T) {
	cmd := exec.Command("sh", "-c", `trap "" TERM; echo ready; while :; do sleep 1000; done`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	id, _ := Find(cmd.Process.Pid)
	if err := id.Terminate(50 * time.Millisecond); err != nil || id.Alive() {
		t.Fatalf("alive %v, %v", id.Alive(), err)
	}
}

func TestARecycledPidIsAnotherProcess(t *testing.T) {
	_, id := start(t, "sleep", "1000")
	earlier := ID{PID: id.PID, StartTime: id.StartTime - 1}
	if earlier.Alive() {
		t.Error("a process of another start time counts as alive")
	}
	if err := earlier.Terminate(time.Second); err != nil {
		t.Error(err)
	}
	if !id.Alive() {
		t.Error("the wrong process was killed")
	}
}

func TestWaitIsCancelled(t *testing.T) {
	_, id := start(t, "sleep", "1000")
	cancel := make(chan struct{})
	close(cancel)
	if ended, err := id.Wait(cancel); ended || err != nil {
		t.Fatalf("%v, %v", ended, err)
	}
}

func TestOnlyOneBecomesTheDaemon(t *testing.T) {
	records := Records{Dir: t.TempDir()}
	if err := records.Become("d", []string{"/bin/true"}); err != nil {
		t.Fatal(err)
	}
	rec, ok := records.Running("d")
	if !ok || rec.PID != os.Getpid() {
		t.Fatalf("%+v %v", rec, ok)
	}
	_, other := start(t, "sleep", "1000")
	rec.ID = other
	writeRecord(t, records, "d", rec)
	if err := records.Become("d", []string{"/bin/true"}); !errors.Is(err, ErrRunning) {
		t.Fatalf("got %v", err)
	}
	if err := other.Terminate(time.Second); err != nil {
		t.Fatal(err)
	}
	if err := records.Become("d", []string{"/bin/true"}); err != nil {
		t.Fatal(err)
	}
}

func TestARecordOfAnEarlierBootIsVoid(t *testing.T) {
	records := Records{Dir: t.TempDir()}
	if err := records.Become("d", []string{"/bin/true"}); err != nil {
		t.Fatal(err)
	}
	rec, _ := records.Running("d")
	rec.BootID = "another"
	writeRecord(t, records, "d", rec)
	if _, ok := records.Running("d"); ok {
		t.Fatal("counts as running")
	}
}
