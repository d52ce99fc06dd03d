package pid1

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"pacific/api/crx"
)

// rescuePort is the init port for last words, -1 while there is none. It is global because a panic knows nothing.
var rescuePort atomic.Int32

func init() { rescuePort.Store(-1) }

// guard runs f in a goroutine whose panic ends the machine with words, not in silence.
func guard(f func()) {
	go func() {
		defer rescue()
		f()
	}()
}

// rescue is deferred in every goroutine. After a panic of PID 1 nothing can be trusted, so it says why on the console and
// on the init port and resets the machine.
func rescue() {
	cause := recover()
	if cause == nil {
		return
	}
	fail(fmt.Sprintf("PID 1 panicked: %v\n%s", cause, debug.Stack()))
}

// fail ends the machine with a message.
func fail(message string) {
	fmt.Fprintf(os.Stderr, "crx-init: %s\n", message)
	if port := int(rescuePort.Load()); port >= 0 {
		writeMessage(port, crx.Message{Exited: &crx.Exited{ExitCode: 255, Message: message}})
	}
	within(syncTimeout, unix.Sync)
	reset()
}
