package pid1

import "syscall"

// reap collects every child that has ended, orphans included, and calls ended for each.
func reap(ended func(pid int, status syscall.WaitStatus)) (childrenLeft bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil: // ECHILD
			return false
		case pid == 0:
			return true
		default:
			ended(pid, status)
		}
	}
}

// exitCode and signal of an ended process, as a shell counts: 128 + signal when it was killed.
func exitCode(status syscall.WaitStatus) (code, signal int) {
	if status.Signaled() {
		return 128 + int(status.Signal()), int(status.Signal())
	}
	return status.ExitStatus(), 0
}
