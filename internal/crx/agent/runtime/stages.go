package runtime

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// stageName is how libcontainer names the processes by which it comes into a container. Each begins the next and all are
// children of this program.
const stageName = "runc:["

// reapStages ends what a start that has failed has left behind. libcontainer relies on its own end for that, and this program
// goes on: an unreaped process of a PID namespace keeps the first one of it, and so the container, from ending. It is called
// with the lock of starts held, so nothing else has stages.
func (r *Runtime) reapStages() {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		pid, ours := stage(stat, os.Getpid())
		if _, known := r.processes.Load(pid); !ours || known {
			continue
		}
		_ = unix.Kill(pid, unix.SIGKILL)
		go reap(pid)
	}
}

func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// stage finds out from a process's /proc/<pid>/stat whether it is a stage that the parent has begun.
func stage(stat []byte, parent int) (pid int, is bool) {
	// 42 (name) S 1 …; the name may have anything in it.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(stat[:open])))
	var state string
	var its int
	if _, scan := fmt.Sscan(string(stat[end+1:]), &state, &its); err != nil || scan != nil {
		return 0, false
	}
	return pid, its == parent && strings.HasPrefix(string(stat[open+1:end]), stageName)
}
