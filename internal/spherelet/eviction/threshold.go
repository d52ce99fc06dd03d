package eviction

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Signal is something of the host that may run out; the names are the kubelet's.
type Signal string

// Signals. The datastore, with images and the pods' disks, is what the kubelet calls nodefs.
const (
	MemoryAvailable Signal = "memory.available"
	NodeFSAvailable Signal = "nodefs.available"
	NodeFSInodes    Signal = "nodefs.inodesFree"
	PIDAvailable    Signal = "pid.available"
)

// signals in the order in which they are seen to: memory runs out fastest.
var signals = []Signal{MemoryAvailable, NodeFSAvailable, NodeFSInodes, PIDAvailable}

// Condition of the node while the signal is below its threshold.
func (s Signal) Condition() v1.NodeConditionType {
	switch s {
	case MemoryAvailable:
		return v1.NodeMemoryPressure
	case PIDAvailable:
		return v1.NodePIDPressure
	default:
		return v1.NodeDiskPressure
	}
}

// Resource that is short, as the kubelet calls it in messages.
func (s Signal) Resource() v1.ResourceName {
	switch s {
	case MemoryAvailable:
		return v1.ResourceMemory
	case NodeFSAvailable:
		return v1.ResourceEphemeralStorage
	case NodeFSInodes:
		return "inodes"
	default:
		return "pids"
	}
}

// Threshold below which pods are evicted.
type Threshold struct {
	Signal Signal
	// Quantity, or where that is nil a share of the capacity.
	Quantity *resource.Quantity
	Percent  float64
	// Grace is how long the signal must have been below before pods go; 0 for a hard threshold.
	Grace time.Duration
}

// Value of the threshold for a capacity.
func (t Threshold) Value(capacity int64) *resource.Quantity {
	if t.Quantity != nil {
		return t.Quantity
	}
	return resource.NewQuantity(int64(float64(capacity)*t.Percent/100), resource.BinarySI)
}

// Defaults of --eviction-hard. The image service makes room earlier, so the datastore's is for what pods write.
const Defaults = "memory.available<100Mi,nodefs.available<5%,nodefs.inodesFree<5%,pid.available<5%"

// Parse reads thresholds in the kubelet's syntax: hard as "memory.available<100Mi,nodefs.available<5%", soft in the same
// form, with a grace period for each signal as "memory.available=1m30s".
func Parse(hard, soft, grace string) ([]Threshold, error) {
	thresholds, err := parse(hard)
	if err != nil {
		return nil, fmt.Errorf("hard threshold: %w", err)
	}
	mild, err := parse(soft)
	if err != nil {
		return nil, fmt.Errorf("soft threshold: %w", err)
	}
	periods, err := parseGrace(grace)
	if err != nil {
		return nil, err
	}
	for _, t := range mild {
		if t.Grace = periods[t.Signal]; t.Grace <= 0 {
			return nil, fmt.Errorf("the soft threshold of %s has no grace period; give one, such as %s=1m", t.Signal, t.Signal)
		}
		thresholds = append(thresholds, t)
	}
	return thresholds, nil
}

func parse(text string) ([]Threshold, error) {
	var out []Threshold
	for _, part := range split(text) {
		name, value, ok := strings.Cut(part, "<")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form signal<quantity", part)
		}
		signal, err := parseSignal(name)
		if err != nil {
			return nil, err
		}
		t := Threshold{Signal: signal}
		if share, ok := strings.CutSuffix(value, "%"); ok {
			if t.Percent, err = strconv.ParseFloat(share, 64); err != nil || t.Percent < 0 || t.Percent > 100 {
				return nil, fmt.Errorf("%q: %q is no percentage from 0 to 100", part, value)
			}
		} else {
			q, err := resource.ParseQuantity(value)
			if err != nil || q.Sign() < 0 {
				return nil, fmt.Errorf("%q: %q is no quantity, such as 100Mi", part, value)
			}
			t.Quantity = &q
		}
		out = append(out, t)
	}
	return out, nil
}

func parseGrace(text string) (map[Signal]time.Duration, error) {
	out := map[Signal]time.Duration{}
	for _, part := range split(text) {
		name, value, _ := strings.Cut(part, "=")
		signal, err := parseSignal(name)
		if err != nil {
			return nil, fmt.Errorf("grace period: %w", err)
		}
		if out[signal], err = time.ParseDuration(value); err != nil {
			return nil, fmt.Errorf("grace period of %s: %w", signal, err)
		}
	}
	return out, nil
}

func parseSignal(name string) (Signal, error) {
	for _, s := range signals {
		if string(s) == name {
			return s, nil
		}
	}
	return "", fmt.Errorf("%q is no signal; there are %v", name, signals)
}

func split(text string) []string {
	var out []string
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
