package vmm

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 9"
	s, err := parseStat([]byte("42 (a ) (b)" + tail))
	if err != nil || s.start != 4711 || s.dead || s.status != 9 {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := parseStat([]byte("42 no command")); err == nil {
		t.Error("a malformed line is taken")
	}
}

func TestProcessIsHeldWaitedForAndReaped(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Reopen(p.Identity)
	if err != nil {
		t.Fatal(err)
	}
	other := p.Identity
	other.StartTime++
	if _, err := Reopen(other); !errors.Is(err, ErrGone) {
		t.Errorf("another process with the same pid: %v, want %v", err, ErrGone)
	}
	if err := again.Kill(); err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	if err != nil || !exit.Known || exit.Signal != int(syscall.SIGKILL) {
		t.Errorf("%+v %v", exit, err)
	}
	if err := again.Kill(); err != nil {
		t.Errorf("kill of what is gone: %v", err)
	}
	if _, err := Reopen(p.Identity); !errors.Is(err, ErrGone) {
		t.Errorf("after the end: %v, want %v", err, ErrGone)
	}
}
