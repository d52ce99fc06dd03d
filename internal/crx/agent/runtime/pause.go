package runtime

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pauseArg makes the program the first process of a shared PID namespace.
const pauseArg = "pause"

// PauseInit does not return in the first process of a shared PID namespace, which does nothing but reap.
func PauseInit() {
	if len(os.Args) != 2 || os.Args[1] != pauseArg || os.Getpid() != 1 {
		return
	}
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(unsafe.StringData("pause\x00"))), 0, 0, 0)
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	for range children {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}

// SharePIDs makes a PID namespace for all containers of the pod and returns its path.
func (r *Runtime) SharePIDs() (string, error) {
	pause := exec.Command("/proc/self/exe", pauseArg)
	pause.Args[0] = "pause"
	pause.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := pause.Start(); err != nil {
		return "", fmt.Errorf("make the pod's PID namespace: %w", err)
	}
	go func() { _ = pause.Wait() }()
	return fmt.Sprintf("/proc/%d/ns/pid", pause.Process.Pid), nil
}
