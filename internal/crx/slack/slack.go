// Package slack sets by how much timers of programs in a CRX may be late (timer slack, prctl(2) PR_SET_TIMERSLACK).
//
// While anything of a Go program runs, a thread of its runtime (sysmon) sleeps for 20 µs at a time. In a machine with one virtual
// processor each such sleep is two switches of tasks and a timer of the emulated APIC, and the program is not faster for it: more than half
// of all switches during the start of a container were these. Programs of ours let their timers be late by [Patient]; those of
// users have the kernel's default.
package slack

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// Patient is what our own programs have. As long, at most, does a goroutine wait that could run while another one is in a system call
// that blocks.
const Patient = 10 * time.Millisecond

// Default is what the kernel gives its first process, and so everyone who asks for nothing else.
const Default = 50 * time.Microsecond

// Inherited runs start with a slack that the processes it starts inherit, and they pass on.
func Inherited(d time.Duration, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := Set(d); err != nil {
		return err
	}
	defer func() { _ = Set(Default) }()
	return start()
}

// Set is for the calling thread alone, and what it starts or executes.
func Set(d time.Duration) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, uintptr(d), 0); errno != 0 {
		return fmt.Errorf("set timer slack: %w", errno)
	}
	return nil
}

// setTimerSlack is PR_SET_TIMERSLACK of linux/prctl.h. PID 1 has the standard library alone.
const setTimerSlack = 29
