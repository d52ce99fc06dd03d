package qemu

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pacific/internal/host/vmm"
)

// Find implements vmm.VMM. A process is ours when its root is to be in runDir: the command line says so from the first
// moment to the last, whatever hostd wrote down or did not.
func (q *QEMU) Find(runDir string) ([]vmm.Found, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []vmm.Found
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		id, ok := machineOf(pid, runDir)
		if !ok {
			continue
		}
		identity, err := vmm.Identify(pid)
		if errors.Is(err, vmm.ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, vmm.Found{Process: identity, MachineID: id})
	}
	return found, nil
}

func machineOf(pid int, runDir string) (string, bool) {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return "", false
	}
	var args []string
	for arg := range bytes.SplitSeq(line, []byte{0}) {
		args = append(args, string(arg))
	}
	return parseCommand(args, runDir)
}

// parseCommand is the inverse of arguments, as far as needed.
func parseCommand(args []string, runDir string) (id string, ok bool) {
	for i := 0; i+1 < len(args); i++ {
		switch args[i] {
		case "-name":
			name, _, _ := strings.Cut(args[i+1], ",")
			id, _ = strings.CutPrefix(name, "guest=")
		case "-chroot":
			ok = filepath.Dir(filepath.Dir(args[i+1])) == filepath.Clean(runDir)
		}
	}
	return id, ok && id != ""
}
