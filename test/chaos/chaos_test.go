//go:build e2e

package chaos

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var (
	seed     = flag.Uint64("seed", 0, "what is drawn; 0 for a random one")
	duration = flag.Duration("duration", 25*time.Second, "how long things are killed")
	// Restarts of what died often wait up to 40 seconds, a busy machine does the rest.
	settle = flag.Duration("settle", 5*time.Minute, "how long everything may take to converge afterwards")
)

func TestChaos(t *testing.T) {
	if os.Getenv("PACIFIC_CHAOS") == "" {
		t.Skip("only with PACIFIC_CHAOS=1, as make chaos does")
	}
	home := instanceHome(t)
	cluster, err := Open(home)
	if err != nil {
		t.Fatal(err)
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000) + 1
	}
	t.Logf("seed %d", *seed)
	timeline, err := Run(t.Context(), cluster, Options{
		Seed: *seed, Duration: *duration, Settle: *settle, Log: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Errorf("seed %d: %v\n\nwhat happened:\n%s", *seed, err, timeline)
	}
}

// instanceHome is the user's instance, or one of the test's own.
func instanceHome(t *testing.T) string {
	if home := os.Getenv("PACIFIC_E2E_HOME"); home != "" {
		return home
	}
	home, err := os.MkdirTemp("", "pacific-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if os.Getenv("PACIFIC_E2E_KEEP") != "" {
			t.Logf("the instance stays: pacific down --purge --home %s", home)
			return
		}
		if err := pacific(context.Background(), home, "down", "--purge"); err != nil {
			t.Error(err)
		}
	})
	if err := pacific(t.Context(), home, "up"); err != nil {
		t.Fatal(err)
	}
	return home
}

func pacific(ctx context.Context, home string, args ...string) error {
	bin := os.Getenv("PACIFIC_E2E_BIN")
	if bin == "" {
		bin = "../../bin"
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pacific"), append(args, "--home", home)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pacific %v: %w", args, err)
	}
	return nil
}
