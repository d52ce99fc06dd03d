//go:build e2e

package boot

import (
	"testing"
	"time"
)

func TestMeasure(t *testing.T) {
	times, err := Measure(t.Context(), "../../../bin/guest", 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(times)
	for _, took := range times {
		if took < 100*time.Millisecond || took > timeout {
			t.Errorf("a boot took %s", took)
		}
	}
}
