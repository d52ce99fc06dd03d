// Package smaps reads what a process has in memory.
package smaps

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Mapping is an entry of /proc/PID/smaps. Sizes in bytes. See the kernel's Documentation/filesystems/proc.rst.
type Mapping struct {
	Perms, Path             string
	Size, RSS, PSS, Private int64
}

// Code tells whether code is generated there: it can be written and executed, and is of no file.
func (m Mapping) Code() bool {
	return !strings.HasPrefix(m.Path, "/") && strings.Contains(m.Perms, "wx") || strings.Contains(m.Path, "tcg-jit")
}

// Read returns the mappings of a process.
func Read(pid int) ([]Mapping, error) { return readFile(pid, "smaps") }

// Sum returns all mappings of a process as one, which the kernel adds up faster.
func Sum(pid int) (Mapping, error) {
	all, err := readFile(pid, "smaps_rollup")
	if err != nil || len(all) == 0 {
		return Mapping{}, err
	}
	return all[0], nil
}

func readFile(pid int, name string) ([]Mapping, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

var head = regexp.MustCompile(`^[0-9a-f]+-[0-9a-f]+ ([rwxsp-]{4}) [0-9a-f]+ \S+ \d+ *(.*)$`)

// Parse reads the text of smaps or smaps_rollup.
func Parse(data []byte) ([]Mapping, error) {
	var mappings []Mapping
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := lines.Text()
		if match := head.FindStringSubmatch(line); match != nil {
			mappings = append(mappings, Mapping{Perms: match[1], Path: match[2]})
			continue
		}
		if len(mappings) == 0 {
			return nil, fmt.Errorf("smaps begins with %q", line)
		}
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue // flags
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("smaps: %q: %w", line, err)
		}
		mappings[len(mappings)-1].add(fields[0], kib<<10)
	}
	return mappings, lines.Err()
}

func (m *Mapping) add(field string, bytes int64) {
	switch field {
	case "Size:":
		m.Size = bytes
	case "Rss:":
		m.RSS = bytes
	case "Pss:":
		m.PSS = bytes
	case "Private_Clean:", "Private_Dirty:":
		m.Private += bytes
	}
}
