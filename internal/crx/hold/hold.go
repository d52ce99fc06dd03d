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

// Here tells PID 1 that the personality waits for work. It is stopped soon after, and goes on in each clone, with the clone's
// time, names and random numbers. Nothing happens where no template is made.
func Here() {
	if Pending() {
		once.Do(func() { unix.Close(crx.NotifyFD) })
	}
}

var once sync.Once
