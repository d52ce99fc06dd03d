//go:build e2e

package e2e

import (
	"testing"

	"pacific/test/chaos"
)

// TestChaos is the short form of make chaos. By the name of its file it comes when the instance has nothing else to do.
func TestChaos(t *testing.T) {
	c, err := chaos.Open(cluster.Home)
	if err != nil {
		t.Fatal(err)
	}
	short := chaos.Short
	short.Log = func(line string) { t.Log(line) }
	t.Logf("seed %d", short.Seed)
	timeline, err := chaos.Run(t.Context(), c, short)
	if err != nil {
		t.Errorf("seed %d: %v\n\nwhat happened:\n%s", short.Seed, err, timeline)
	}
}
