package pod_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"pacific/api/pod"
)

var part = regexp.MustCompile(`(?m)^\| [^|]+ \| ([0-9.]+) \|$`)

// What is counted is what was measured, to a tenth.
func TestMemoryOverheadIsTheMeasuredOne(t *testing.T) {
	page, err := os.ReadFile("../../docs/adr/0008-overhead.md")
	if err != nil {
		t.Fatal(err)
	}
	var measured float64
	for _, row := range part.FindAllStringSubmatch(string(page), -1) {
		mib, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		measured += mib
	}
	counted := float64(pod.MemoryOverhead) / (1 << 20)
	if ratio := counted / measured; ratio < 0.9 || ratio > 1.1 {
		t.Errorf("%.1f MiB are counted, the measured parts add up to %.1f", counted, measured)
	}
}
