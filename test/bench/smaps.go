package main

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parts of a VMM's proportional set size, in bytes.
type Parts struct {
	GuestPrivate     int64 `json:"guestPrivate"`
	GuestShared      int64 `json:"guestShared"` // share of the template's pages that the guest has not written
	TranslationCache int64 `json:"translationCache"`
	Heap             int64 `json:"heap"`
	Files            int64 `json:"files"`
}

// Total of all parts.
func (p Parts) Total() int64 {
	return p.GuestPrivate + p.GuestShared + p.TranslationCache + p.Heap + p.Files
}

// mapping is an entry of /proc/PID/smaps. Sizes in bytes.
type mapping struct {
	perms, path        string
	size, pss, private int64
}

var mappingHead = regexp.MustCompile(`^[0-9a-f]+-[0-9a-f]+ ([rwxsp-]{4}) [0-9a-f]+ \S+ \d+ *(.*)$`)

// parseSmaps reads what the kernel's Documentation/filesystems/proc.rst describes.
func parseSmaps(data []byte) ([]mapping, error) {
	var mappings []mapping
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := lines.Text()
		if head := mappingHead.FindStringSubmatch(line); head != nil {
			mappings = append(mappings, mapping{perms: head[1], path: head[2]})
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

func (m *mapping) add(field string, bytes int64) {
	switch field {
	case "Size:":
		m.size = bytes
	case "Pss:":
		m.pss = bytes
	case "Private_Clean:", "Private_Dirty:":
		m.private += bytes
	}
}

// partsOf sorts a VMM's mappings. guest is the size of its guest's memory, which is one mapping.
func partsOf(mappings []mapping, guest int64) Parts {
	var p Parts
	for _, m := range mappings {
		file := strings.HasPrefix(m.path, "/")
		switch {
		case m.size == guest && strings.HasPrefix(m.perms, "rw-"):
			p.GuestPrivate += m.private
			p.GuestShared += m.pss - m.private
		case !file && strings.Contains(m.perms, "wx"), strings.Contains(m.path, "tcg-jit"):
			p.TranslationCache += m.pss
		case file:
			p.Files += m.pss
		default:
			p.Heap += m.pss
		}
	}
	return p
}

var memoryArgument = regexp.MustCompile(`^(\d+)M$`)

// guestMemory reads the size of the guest's memory from a VMM's command line.
func guestMemory(command []string) (int64, error) {
	i := slices.Index(command, "-m")
	if i < 0 || i+1 == len(command) {
		return 0, fmt.Errorf("command line %q has no -m", command)
	}
	match := memoryArgument.FindStringSubmatch(command[i+1])
	if match == nil {
		return 0, fmt.Errorf("memory %q is not in M", command[i+1])
	}
	mib, err := strconv.ParseInt(match[1], 10, 64)
	return mib << 20, err
}

// meanOf takes each part by itself; maxOf takes the largest of all with its parts.
func meanOf(all []Parts) (mean Parts) {
	for _, p := range all {
		mean.GuestPrivate += p.GuestPrivate
		mean.GuestShared += p.GuestShared
		mean.TranslationCache += p.TranslationCache
		mean.Heap += p.Heap
		mean.Files += p.Files
	}
	n := int64(max(len(all), 1))
	return Parts{mean.GuestPrivate / n, mean.GuestShared / n, mean.TranslationCache / n, mean.Heap / n, mean.Files / n}
}

func maxOf(all []Parts) (largest Parts) {
	for _, p := range all {
		if p.Total() > largest.Total() {
			largest = p
		}
	}
	return largest
}
