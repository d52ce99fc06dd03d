package vmm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Identity names a process for all time: pids come again, but not with the same start time in the same boot.
type Identity struct {
	PID int `json:"pid"`
	// StartTime in clock ticks since boot, field 22 of /proc/<pid>/stat.
	StartTime uint64 `json:"startTime"`
	// Boot is the kernel's boot id.
	Boot string `json:"boot"`
}

// Process is a running process, held by a pidfd, so that it can be waited for and signalled whoever its parent is.
type Process struct {
	Identity
	pidfd *os.File
}

// Exit tells how a process ended. Known is false when nobody could tell (it ended unseen).
type Exit struct {
	Known  bool
	Code   int
	Signal int
}

// ErrGone says that the process does not exist any more.
var ErrGone = errors.New("process is gone")

// Open takes hold of a process that is known to run with this pid.
func Open(pid int) (*Process, error) {
	pidfd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("pidfd of process %d: %w", pid, err)
	}
	identity, err := Identify(pid)
	if err != nil {
		unix.Close(pidfd)
		return nil, err
	}
	return &Process{Identity: identity, pidfd: os.NewFile(uintptr(pidfd), "pidfd")}, nil
}

// Reopen takes hold of the process again, or returns ErrGone.
func Reopen(id Identity) (*Process, error) {
	if id.PID <= 0 {
		return nil, ErrGone
	}
	process, err := Open(id.PID)
	if err != nil {
		return nil, err
	}
	if process.Identity != id {
		process.Close()
		return nil, ErrGone
	}
	return process, nil
}

// Identify reads the identity of a process that is no zombie.
func Identify(pid int) (Identity, error) {
	stat, err := readStat(pid)
	if err != nil {
		return Identity{}, err
	}
	if stat.dead {
		return Identity{}, ErrGone
	}
	boot, err := BootID()
	if err != nil {
		return Identity{}, err
	}
	return Identity{PID: pid, StartTime: stat.start, Boot: boot}, nil
}

// BootID names the present boot of the host.
func BootID() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}
	return strings.TrimSpace(string(boot)), nil
}

// CPU is the processor time that the process has taken, or ErrGone.
func (id Identity) CPU() (time.Duration, error) {
	stat, err := readStat(id.PID)
	if err == nil && (stat.dead || stat.start != id.StartTime) {
		err = ErrGone
	}
	return stat.cpu, err
}

// tick is the unit of times in /proc/<pid>/stat, USER_HZ of the kernel.
const tick = 10 * time.Millisecond

type stat struct {
	start  uint64
	dead   bool          // a zombie
	status int           // wait status of a zombie
	cpu    time.Duration // of user and system
}

// readStat returns ErrGone when there is no such process.
func readStat(pid int) (stat, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, ErrGone
	}
	parsed, err := parseStat(line)
	if err != nil {
		err = fmt.Errorf("process %d: %w", pid, err)
	}
	return parsed, err
}

// parseStat reads the fields behind the command name, which may hold anything. See proc_pid_stat(5).
func parseStat(line []byte) (stat, error) {
	end := bytes.LastIndexByte(line, ')')
	fields := strings.Fields(string(line[end+1:]))
	if end < 0 || len(fields) < 50 {
		return stat{}, fmt.Errorf("stat %q is malformed", line)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return stat{}, err
	}
	user, err := strconv.ParseUint(fields[11], 10, 64)
	if err != nil {
		return stat{}, err
	}
	system, err := strconv.ParseUint(fields[12], 10, 64)
	if err != nil {
		return stat{}, err
	}
	status, err := strconv.Atoi(fields[49])
	return stat{start: start, dead: fields[0] == "Z" || fields[0] == "X", status: status, cpu: time.Duration(user+system) * tick}, err
}

// Wait returns when the process has ended, and reaps it if it is a child.
func (p *Process) Wait() (Exit, error) {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return Exit{}, err
	}
	var exit Exit
	err = raw.Read(func(fd uintptr) bool {
		if !ended(int(fd)) {
			return false
		}
		exit = p.reap(int(fd))
		return true
	})
	return exit, err
}

func ended(pidfd int) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, 0)
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

func (p *Process) reap(pidfd int) Exit {
	var status unix.WaitStatus
	for {
		pid, err := unix.Wait4(p.PID, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && pid == p.PID {
			return exitOf(status)
		}
		break
	}
	return p.inquire(pidfd)
}

// inquire finds the status of a process that is not our child, since a hostd before us launched it.
func (p *Process) inquire(pidfd int) Exit {
	if s, err := readStat(p.PID); err == nil && s.dead && s.start == p.StartTime {
		return exitOf(unix.WaitStatus(s.status))
	}
	// Reaped already. Linux 6.15 still tells by the pidfd.
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(pidfd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return Exit{}
	}
	return exitOf(unix.WaitStatus(info.Exit_code))
}

func exitOf(status unix.WaitStatus) Exit {
	if status.Signaled() {
		return Exit{Known: true, Signal: int(status.Signal())}
	}
	return Exit{Known: true, Code: status.ExitStatus()}
}

// Kill sends SIGKILL. A process that is gone is no error.
func (p *Process) Kill() error { return p.Signal(unix.SIGKILL) }

// Signal sends a signal. A process that is gone is no error.
func (p *Process) Signal(signal unix.Signal) error {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return nil //nolint:nilerr // closed: it was waited for
	}
	var sent error
	err = raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), signal, nil, 0) })
	if err != nil || errors.Is(sent, unix.ESRCH) {
		return nil //nolint:nilerr // closed: it was waited for
	}
	return sent
}

// Close gives up the hold.
func (p *Process) Close() error { return p.pidfd.Close() }
