package pid1

import (
	"bufio"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds on the way down: a process stuck in the kernel or a disk that does not answer must not keep the machine up.
const (
	killTimeout = 3 * time.Second
	syncTimeout = 10 * time.Second
)

// shutdown ends what still runs, leaves every disk in order and ends the machine. It does not return.
func shutdown(c *console) {
	killAll()
	within(syncTimeout, func() {
		unix.Sync()
		unmountDisks()
		unix.Sync()
	})
	c.flush()
	reset()
}

// reset ends the machine. Without ACPI a machine has no power switch; the VMM ends at a reset (-no-reboot).
func reset() {
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	os.Exit(1) // the kernel panics when PID 1 ends, and resets
}

// killAll kills every process but this one and waits until they are gone, so that their files are closed.
func killAll() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	timeout := time.After(killTimeout)
	for {
		_ = syscall.Kill(-1, syscall.SIGKILL) // again for those that were being forked
		if !reap(func(int, syscall.WaitStatus) {}) {
			return
		}
		select {
		case <-ended:
		case <-timeout:
			return
		}
	}
}

// unmountDisks unmounts what holds data, the last mount first; what is still busy becomes read-only.
func unmountDisks() {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return
	}
	defer f.Close()
	var targets []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if target, ok := diskMount(s.Text()); ok {
			targets = append(targets, target)
		}
	}
	for i := len(targets) - 1; i >= 0; i-- {
		if unix.Unmount(targets[i], 0) != nil {
			_ = unix.Mount("", targets[i], "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		}
	}
}

// diskMount returns the mount point of a line of mountinfo (proc(5)) if the file system is on a disk, or on an overlay that
// may keep one busy.
func diskMount(line string) (target string, ok bool) {
	before, after, _ := strings.Cut(line, " - ")
	fields, source := strings.Fields(before), strings.Fields(after)
	if len(fields) < 5 || len(source) < 2 {
		return "", false
	}
	if source[0] != "overlay" && !strings.HasPrefix(source[1], "/dev/") {
		return "", false
	}
	return unescape.Replace(fields[4]), true
}

// unescape undoes the octal escapes of mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// within waits for f, but no longer than the time given.
func within(timeout time.Duration, f func()) {
	done := make(chan struct{})
	guard(func() {
		defer close(done)
		f()
	})
	select {
	case <-done:
	case <-time.After(timeout):
	}
}
