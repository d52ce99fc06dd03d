package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// standbyProblems are remains of standby machines: those that wait and those that have become others have a process and a run
// directory each, and only those that wait have a spare tap.
func (c *Cluster) standbyProblems(ctx context.Context, host string, machines map[int]bool) ([]string, error) {
	dir := filepath.Join(c.HostRunDir(host), "s")
	processes, err := standbyProcesses(dir)
	if err != nil {
		return nil, err
	}
	alive, waiting := map[string]bool{}, 0
	for pid, id := range processes {
		alive[id] = true
		if !machines[pid] {
			waiting++
		}
	}
	var found []string
	left, err := strangers(dir, alive)
	for _, name := range left {
		found = append(found, fmt.Sprintf("%s, standby machines: %s has no process", host, filepath.Join(dir, name)))
	}
	for pid, id := range processes {
		if _, err := os.Stat(filepath.Join(dir, id)); errors.Is(err, fs.ErrNotExist) {
			found = append(found, fmt.Sprintf("%s, standby machines: process %d of %s has no run directory", host, pid, id))
		}
	}
	slices.Sort(found)
	var links []struct{ Ifname string }
	err = errors.Join(err, c.inHost(ctx, host, &links, "ip", "-j", "link"))
	links = slices.DeleteFunc(links, func(l struct{ Ifname string }) bool { return !strings.HasPrefix(l.Ifname, "sby") })
	if len(links) > waiting {
		found = append(found, fmt.Sprintf("%s has %d spare taps, and %d standby machines that wait: %v", host, len(links), waiting, links))
	}
	return found, err
}

// standbyProcesses are the ids of machines that began as standbys, by process. The directory of each is on its command line.
func standbyProcesses(dir string) (map[int]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	id := regexp.MustCompile(regexp.QuoteMeta(dir) + `/([^/,\x00]+)`)
	found := map[int]string{}
	for _, file := range files {
		command, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if match := id.FindSubmatch(command); match != nil && strings.Contains(string(command), "qemu-system") {
			var pid int
			fmt.Sscanf(file, "/proc/%d/", &pid)
			found[pid] = string(match[1])
		}
	}
	return found, err
}
