// Package leftover finds and removes what an instance may leave on the machine beside its network: processes, mounts and
// cgroups. It looks at the machine, not at records, so that it also works where records are lost.
package leftover

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pacific/internal/onemachine/layout"
	"pacific/internal/process"
)

// cgroupRoot has the one hierarchy of cgroup v2, or a directory for each of v1.
const cgroupRoot = "/sys/fs/cgroup"

// Processes of the instance: those in its cgroups, and those that have its run directory or its home on their command line
// and are programs of ours, a QEMU of a host among them.
func Processes(l layout.Layout) ([]process.ID, error) {
	pids, err := cgroupPIDs(l.Cgroup())
	if err != nil {
		return nil, err
	}
	named, err := namedPIDs(l)
	if err != nil {
		return nil, err
	}
	return alive(append(pids, named...)), nil
}

// alive are the processes of these pids that live, each once; the caller is not among them.
func alive(pids []int) []process.ID {
	slices.Sort(pids)
	var found []process.ID
	for _, pid := range slices.Compact(pids) {
		if id, alive := process.Find(pid); alive && pid != os.Getpid() {
			found = append(found, id)
		}
	}
	return found
}

// Kill ends the instance's processes and waits for their end. New ones that they were just starting are found by looking again.
func Kill(l layout.Layout) error {
	return kill(fmt.Sprintf("instance %d", l.ID), func() ([]process.ID, error) { return Processes(l) })
}

// KillCgroup ends the processes in a cgroup and below, as [Kill] does.
func KillCgroup(cgroup string) error {
	return kill("cgroup "+cgroup, func() ([]process.ID, error) {
		pids, err := cgroupPIDs(cgroup)
		return alive(pids), err
	})
}

func kill(of string, find func() ([]process.ID, error)) error {
	for range 10 {
		found, err := find()
		if err != nil || len(found) == 0 {
			return err
		}
		var errs []error
		for _, id := range found {
			errs = append(errs, id.Signal(unix.SIGKILL))
		}
		for _, id := range found {
			errs = append(errs, id.Terminate(time.Second))
			id.AwaitReaped()
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return fmt.Errorf("processes of %s come again and again", of)
}

func cgroupPIDs(cgroup string) ([]int, error) {
	var pids []int
	for _, dir := range cgroupDirs(cgroup) {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || entry.IsDir() || entry.Name() != "cgroup.procs" {
				return err
			}
			more, err := readPIDs(path)
			pids = append(pids, more...)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read cgroup %s: %w", dir, err)
		}
	}
	return pids, nil
}

func readPIDs(path string) ([]int, error) {
	data, err := os.ReadFile(path)
	// ENODEV: the cgroup was deleted meanwhile; EOPNOTSUPP: a threaded one, whose processes the parent lists.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if pid, err := strconv.Atoi(lines.Text()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// cgroupDirs are the directories of a cgroup in all hierarchies in which it exists.
func cgroupDirs(cgroup string) []string {
	candidates := []string{filepath.Join(cgroupRoot, cgroup)}
	hierarchies, _ := os.ReadDir(cgroupRoot)
	for _, h := range hierarchies {
		// Controllers mounted together also have a symbolic link for each name.
		if h.IsDir() {
			candidates = append(candidates, filepath.Join(cgroupRoot, h.Name(), cgroup))
		}
	}
	return slices.DeleteFunc(candidates, func(dir string) bool {
		info, err := os.Stat(dir)
		return err != nil || !info.IsDir()
	})
}

func namedPIDs(l layout.Layout) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// A process that is gone has no command line.
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if belongs(strings.Split(strings.TrimRight(string(data), "\x00"), "\x00"), l) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// programs that an instance runs. A user's editor or shell with a file of ours is no business of ours.
var programs = []string{"center", "supervisor", "registry", "hostd", "spherelet", "dataplane"}

func belongs(command []string, l layout.Layout) bool {
	program := filepath.Base(command[0])
	agent := program == "pacific" && len(command) > 2 && command[1] == "host" && command[2] == "agent"
	if !agent && !slices.Contains(programs, program) && !strings.HasPrefix(program, "qemu-") {
		return false
	}
	for _, arg := range command[1:] {
		for _, dir := range []string{l.RunDir() + "/", l.Home + "/"} {
			if i := strings.Index(arg, dir); i == 0 || i > 0 && strings.ContainsRune("=,:", rune(arg[i-1])) {
				return true
			}
		}
	}
	return false
}
