// Package node is the contract between a host's spherelet and the scheduler.
package node

import (
	"encoding/json"
	"fmt"
)

// AnnotationLoad of a node's Lease is a [Load] as JSON. The spherelet writes it whenever it renews the lease, so that it costs
// no call, and leaves it away while it knows nothing.
const AnnotationLoad = "pacific.internal/load"

// Load is what the machines of a host use, measured over the last seconds.
type Load struct {
	// CPUMillis is processor time in thousandths of a processor.
	CPUMillis int64 `json:"cpuMillis"`
	// MemoryBytes are those that cannot be taken back.
	MemoryBytes int64 `json:"memoryBytes"`
}

// String is the annotation's value.
func (l Load) String() string {
	data, _ := json.Marshal(l) // two numbers
	return string(data)
}

// ParseLoad reads an annotation's value.
func ParseLoad(value string) (Load, error) {
	var l Load
	if err := json.Unmarshal([]byte(value), &l); err != nil {
		return Load{}, fmt.Errorf("annotation %s: %w", AnnotationLoad, err)
	}
	if l.CPUMillis < 0 || l.MemoryBytes < 0 {
		return Load{}, fmt.Errorf("annotation %s: %s is negative", AnnotationLoad, value)
	}
	return l, nil
}
