package preflight

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"pacific/internal/onemachine/network"
)

// Look finds out what this machine has. It changes nothing that stays.
func Look(ctx context.Context, w Wanted) (Facts, error) {
	f := Facts{Root: os.Geteuid() == 0}
	if !f.Root {
		return f, nil
	}
	for _, command := range Commands {
		if _, err := exec.LookPath(command.Name); err != nil {
			f.MissingCommands = append(f.MissingCommands, command.Name)
		}
	}
	for _, file := range Files {
		if _, err := os.Stat(filepath.Join(w.BinDir, file)); err != nil {
			f.MissingFiles = append(f.MissingFiles, file)
		}
	}
	f.KVMDevice, f.TunDevice = exists("/dev/kvm"), exists("/dev/net/tun")
	f.MissingCgroups = missingControllers()
	if !slices.Contains(f.MissingCommands, "nft") {
		f.Kernel = network.Probe(ctx)
	}
	return f, f.measure(w.Home)
}

func (f *Facts) measure(home string) (err error) {
	if f.MemoryAvailable, err = Memory("MemAvailable"); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(existingParent(home), &fs); err != nil {
		return fmt.Errorf("free space for %s: %w", home, err)
	}
	f.DiskFree = fs.Bavail * uint64(fs.Bsize)
	return nil
}

// Memory is a value of /proc/meminfo in bytes.
func Memory(name string) (uint64, error) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		var kib uint64
		if key, value, ok := strings.Cut(line, ":"); ok && key == name {
			_, err := fmt.Sscan(value, &kib)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/meminfo has no %s", name)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func existingParent(path string) string {
	for !exists(path) && path != "/" {
		path = filepath.Dir(path)
	}
	return path
}

// neededControllers limit machines on a host.
var neededControllers = []string{"cpu", "memory", "pids"}

func missingControllers() []string {
	unified, _ := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	have := strings.Fields(string(unified))
	return slices.DeleteFunc(slices.Clone(neededControllers), func(name string) bool {
		return slices.Contains(have, name) || exists("/sys/fs/cgroup/"+name+"/cgroup.procs")
	})
}
