// Package hold is a personality's part in becoming a template, which is copied in place of booting machines anew. See
// docs/instant-clone.md.
package hold

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"pacific/api/crx"
)

// Pending tells whether this machine becomes a template. All that the personality does before [Here] is then done once for many
// machines.
var Pending = sync.OnceValue(func() bool {
	_, pending := os.LookupEnv(crx.NotifyEnv)
	_ = os.Unsetenv(crx.NotifyEnv)
	if pending {
		unix.CloseOnExec(crx.NotifyFD)
	}
	return pending
})

// Here tells PID 1 that the personality waits for work, and returns when there is some. It is stopped meanwhile, and goes on in
// each clone, with the clone's time, names and random numbers. A clone that has time may be asked to rehearse first, nil for a
// personality that has nothing to rehearse. Where no template is made Here returns at once.
func Here(rehearse func()) {
	if !Pending() {
		return
	}
	once.Do(func() {
		await(crx.NotifyFD, rehearse)
		unix.Close(crx.NotifyFD)
	})
}

var once sync.Once

// await says that the personality waits, each time anew, until it is told to go on. PID 1 that hangs up has none to wait for.
func await(fd int, rehearse func()) {
	for {
		if !say(fd) {
			return
		}
		if next, ok := hear(fd); !ok || next != crx.NotifyRehearse {
			return
		}
		if rehearse != nil {
			rehearse()
		}
	}
}

func say(fd int) bool {
	for {
		_, err := unix.Write(fd, []byte{crx.NotifyGo})
		if err != unix.EINTR {
			return err == nil
		}
	}
}

// hear blocks a thread: the personality is stopped while it waits, so nothing else of it runs either.
func hear(fd int) (byte, bool) {
	var b [1]byte
	for {
		n, err := unix.Read(fd, b[:])
		if err != unix.EINTR {
			return b[0], err == nil && n == 1
		}
	}
}
