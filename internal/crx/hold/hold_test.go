package hold

import (
	"testing"

	"golang.org/x/sys/unix"

	"pacific/api/crx"
)

func TestRehearsesAsOftenAsItIsTold(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	rehearsals, ended := 0, make(chan struct{})
	go func() {
		defer close(ended)
		await(pair[1], func() { rehearsals++ })
		unix.Close(pair[1])
	}()
	for _, order := range []byte{crx.NotifyRehearse, crx.NotifyRehearse, crx.NotifyGo} {
		if _, ok := hear(pair[0]); !ok {
			t.Fatal("it does not say that it waits")
		}
		if _, err := unix.Write(pair[0], []byte{order}); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
	if rehearsals != 2 {
		t.Errorf("%d rehearsals, want 2", rehearsals)
	}
	if _, ok := hear(pair[0]); ok {
		t.Error("it says that it waits and has gone on")
	}
}

// PID 1 that is gone can tell nothing; a personality must not wait for ever.
func TestGoesOnWithoutPID1(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	unix.Close(pair[0])
	await(pair[1], func() { t.Error("it rehearses") })
}
