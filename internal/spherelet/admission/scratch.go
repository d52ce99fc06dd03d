package admission

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"pacific/internal/spherelet/podspec"
)

// EventScratch is the reason of the event that Scratch is the message of.
const EventScratch = "HostPathCopied"

// Scratch tells the user of a pod with scratch directories what they are; empty for other pods.
func Scratch(pod *v1.Pod) string {
	dirs := slices.Sorted(maps.Values(podspec.ScratchDirs(pod)))
	if len(dirs) == 0 {
		return ""
	}
	return fmt.Sprintf("hostPath %s: not a directory of the host, but files that earlier pods of this node have left there. The pod gets a copy when it "+
		"starts; what it has written is there for later pods once it has ended.", strings.Join(slices.Compact(dirs), ", "))
}
