package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pacific/internal/smaps"
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

// partsOf sorts a VMM's mappings. guest is the size of its guest's memory, which is one mapping.
func partsOf(mappings []smaps.Mapping, guest int64) Parts {
	var p Parts
	for _, m := range mappings {
		file := strings.HasPrefix(m.Path, "/")
		switch {
		case m.Size == guest && strings.HasPrefix(m.Perms, "rw-"):
			p.GuestPrivate += m.Private
			p.GuestShared += m.PSS - m.Private
		case m.Code():
			p.TranslationCache += m.PSS
		case file:
			p.Files += m.PSS
		default:
			p.Heap += m.PSS
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
