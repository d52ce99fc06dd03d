// Package process identifies processes beyond the life of whoever started them, by pid and start time, so that a recycled
// pid is never mistaken, watched in vain or killed.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ID of a process, unique until the machine reboots.
type ID struct {
	PID int `json:"pid"`
	// StartTime in clock ticks after boot.
	StartTime uint64 `json:"startTime"`
}

// Find returns the identity of the live process with this pid. A zombie is dead.
func Find(pid int) (ID, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ID{}, false
	}
	start, state, ok := parseStat(data)
	if !ok || state == 'Z' || state == 'X' {
		return ID{}, false
	}
	return ID{PID: pid, StartTime: start}, true
}

// parseStat reads state (field 3) and start time (field 22) of /proc/PID/stat. The command name (field 2) may hold blanks
// and parentheses, so fields count from the last parenthesis.
func parseStat(data []byte) (start uint64, state byte, ok bool) {
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return 0, 0, false
	}
	fields := bytes.Fields(data[end+1:])
	if len(fields) < 20 {
		return 0, 0, false
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	return start, fields[0][0], err == nil
}

// Alive tells whether the process still runs.
func (id ID) Alive() bool {
	now, ok := Find(id.PID)
	return ok && now == id
}

// open returns a pidfd, or ok=false when the process is gone.
func (id ID) open() (fd int, ok bool, err error) {
	fd, err = unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("watch process %d: %w", id.PID, err)
	}
	// The descriptor is held: from here on the pid cannot come to mean another process.
	if !id.Alive() {
		unix.Close(fd)
		return 0, false, nil
	}
	return fd, true, nil
}

// Wait returns true when the process has ended, a child or not, and false when cancel is closed before.
func (id ID) Wait(cancel <-chan struct{}) (ended bool, err error) {
	fd, ok, err := id.open()
	if err != nil || !ok {
		return !ok && err == nil, err
	}
	defer unix.Close(fd)
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return false, err
	}
	defer unix.Close(wake)
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-cancel:
			_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		case <-done:
		}
	}()
	defer func() { close(done); <-stopped }()
	polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(polled, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false, err
		default:
			return polled[0].Revents != 0, nil
		}
	}
}

// Signal sends a signal. A process that is gone is no error.
func (id ID) Signal(signal unix.Signal) error {
	fd, ok, err := id.open()
	if err != nil || !ok {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}

// Terminate sends SIGTERM, and SIGKILL when the process is still there after grace. It returns when the process is gone.
func (id ID) Terminate(grace time.Duration) error {
	if err := id.Signal(unix.SIGTERM); err != nil {
		return err
	}
	if ended, err := id.waitFor(grace); err != nil || ended {
		return err
	}
	if err := id.Signal(unix.SIGKILL); err != nil {
		return err
	}
	// A process that SIGKILL does not end hangs in the kernel; a minute tells that from a slow exit.
	ended, err := id.waitFor(time.Minute)
	if err == nil && !ended {
		err = fmt.Errorf("process %d does not end after SIGKILL", id.PID)
	}
	return err
}

// AwaitReaped waits until whoever inherited the dead process has taken note, so that process lists show it no more. It
// gives up after a few seconds: some init processes take their time, and a zombie holds nothing.
func (id ID) AwaitReaped() {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id.PID))
		if start, _, ok := parseStat(data); err != nil || !ok || start != id.StartTime {
			return
		}
	}
}

func (id ID) waitFor(limit time.Duration) (bool, error) {
	cancel := make(chan struct{})
	timer := time.AfterFunc(limit, func() { close(cancel) })
	defer timer.Stop()
	return id.Wait(cancel)
}
