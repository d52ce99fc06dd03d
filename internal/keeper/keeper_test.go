package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pacific/internal/process"
)

// TestMain lets the test binary be the starter of a daemon, as pacific is of the real ones.
func TestMain(m *testing.M) {
	if dir := os.Getenv("STARTER_RECORDS"); dir != "" {
		command := os.Args[2:]
		if err := (process.Records{Dir: dir}).Become(os.Args[1], command); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stderr, syscall.Exec(command[0], command, nil))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type bench struct {
	*testing.T
	keeper *Keeper
	dir    string

	mu      sync.Mutex
	started []*exec.Cmd
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	b := &bench{T: t, dir: dir}
	b.keeper = &Keeper{
		Records: process.Records{Dir: dir},
		Ends:    Ends{Dir: dir},
		Starter: func(d Daemon) *exec.Cmd {
			cmd := exec.Command(os.Args[0], append([]string{d.Name}, d.Command()...)...)
			cmd.Env = append(os.Environ(), "STARTER_RECORDS="+dir)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.started = append(b.started, cmd)
			return cmd
		},
		SupervisorReady: func(context.Context) error { return nil },
	}
	t.Cleanup(b.end)
	return b
}

// end ends whatever keepers started, also what has not recorded itself yet and would write into the deleted directory.
func (b *bench) end() {
	for _, cmd := range b.started {
		if cmd.Process == nil {
			continue
		}
		_ = cmd.Process.Kill() // its keeper has reaped it, or will
		for !errors.Is(cmd.Process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
			time.Sleep(time.Millisecond)
		}
	}
}

func (b *bench) daemon(name string, args ...string) Daemon {
	return Daemon{Name: name, Program: "/bin/sleep", Args: args, Log: filepath.Join(b.dir, name+".log")}
}

// run keeps daemons until the returned function is called.
func (b *bench) run(daemons ...Daemon) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.keeper.Keep(ctx, daemons) }()
	return func() { cancel(); <-done }
}

// running waits for a record that the condition accepts.
func (b *bench) running(name string, accept func(process.Record) bool) process.Record {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if rec, ok := b.keeper.Records.Running(name); ok && accept(rec) {
			return rec
		}
	}
	b.Fatalf("%s does not run as wanted", name)
	return process.Record{}
}

func whatever(process.Record) bool { return true }

func other(than process.Record) func(process.Record) bool {
	return func(rec process.Record) bool { return rec.ID != than.ID }
}

func TestADaemonThatDiesIsStartedAgain(t *testing.T) {
	b := newBench(t)
	defer b.run(b.daemon("d", "1000"))()
	first := b.running("d", whatever)
	if err := first.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.running("d", other(first))
	if end := b.keeper.Ends.Of("d"); end.Count != 1 || !strings.Contains(end.Last, "killed") {
		t.Errorf("noted end: %+v", end)
	}
}

func TestDaemonsSurviveTheKeeperAndAreAdopted(t *testing.T) {
	b := newBench(t)
	stop := b.run(b.daemon("d", "1000"))
	first := b.running("d", whatever)
	stop()
	if !first.Alive() {
		t.Fatal("the daemon went with its keeper")
	}
	defer b.run(b.daemon("d", "1000"))()
	if err := first.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.running("d", other(first))
}

func TestADaemonWithAnotherCommandLineIsReplaced(t *testing.T) {
	b := newBench(t)
	stop := b.run(b.daemon("d", "1000"))
	first := b.running("d", whatever)
	stop()
	defer b.run(b.daemon("d", "2000"))()
	second := b.running("d", other(first))
	if second.Command[1] != "2000" || first.Alive() {
		t.Errorf("runs %v, the first alive: %v", second.Command, first.Alive())
	}
}

func TestDaemonsOfTheSupervisorWaitForIt(t *testing.T) {
	b := newBench(t)
	ready := make(chan struct{})
	b.keeper.SupervisorReady = func(ctx context.Context) error {
		select {
		case <-ready:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	waiting := b.daemon("waiting", "1000")
	waiting.AfterSupervisor = true
	defer b.run(waiting, b.daemon("free", "1000"))()
	b.running("free", whatever)
	if _, ok := b.keeper.Records.Running("waiting"); ok {
		t.Error("started before the supervisor was ready")
	}
	close(ready)
	b.running("waiting", whatever)
}

func TestFollowStopsWhatIsWantedNoMore(t *testing.T) {
	b := newBench(t)
	stop := b.run(b.daemon("forgotten", "1000"), b.daemon("foreign", "1000"))
	forgotten, foreign := b.running("forgotten", whatever), b.running("foreign", whatever)
	stop()
	ctx, cancel := context.WithCancel(context.Background())
	wanted, done := make(chan []Daemon), make(chan struct{})
	go func() {
		defer close(done)
		b.keeper.Follow(ctx, wanted, func(name string) bool { return name != "foreign" })
	}()
	defer func() { cancel(); <-done }()
	wanted <- []Daemon{b.daemon("a", "1000"), b.daemon("b", "1000")}
	a, second := b.running("a", whatever), b.running("b", whatever)
	wanted <- []Daemon{b.daemon("b", "2000"), b.daemon("c", "1000")}
	b.running("c", whatever)
	b.running("b", other(second))
	if a.Alive() || forgotten.Alive() || !foreign.Alive() {
		t.Errorf("a alive: %v, forgotten: %v, foreign: %v", a.Alive(), forgotten.Alive(), foreign.Alive())
	}
	if names, err := b.keeper.Records.Names(); err != nil || len(names) != 3 {
		t.Errorf("records: %v, %v", names, err)
	}
}

func TestOutputGoesToTheLog(t *testing.T) {
	b := newBench(t)
	d := b.daemon("d", "no-number")
	defer b.run(d)()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if data, _ := os.ReadFile(d.Log); strings.Contains(string(data), "no-number") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the log is empty")
		}
	}
}
