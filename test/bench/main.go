// Command bench measures how fast pods start, and compares with the least that any machine costs:
//
//	F       a bare QEMU microvm with the CRX kernel, from the start of the process to its init
//	start   a pod whose image is on the host, from its creation to Ready as a client sees it
//
//	go run ./test/bench                                    on an instance of its own
//	go run ./test/bench --home /var/lib/pacific --pods 50  on one that is up
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/spf13/pflag"

	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/test/bench/boot"
)

type options struct {
	home, bin   string
	boots, pods int
}

func main() {
	var o options
	pflag.StringVar(&o.home, "home", "", "instance to measure on; empty for one of the benchmark's own")
	pflag.StringVar(&o.bin, "bin-dir", "bin", "directory of the programs")
	pflag.IntVar(&o.boots, "boots", 10, "how many bare machines")
	pflag.IntVar(&o.pods, "pods", 20, "how many pods")
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := o.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context, out io.Writer) (err error) {
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	if o.home == "" {
		if o.home, err = os.MkdirTemp("", "pacific-bench-"); err != nil {
			return err
		}
		// Also after an interrupt, when ctx is over.
		defer func() {
			if downErr := o.pacific(context.Background(), "down", "--purge"); err == nil {
				err = downErr
			}
		}()
		if err := o.pacific(ctx, "up"); err != nil {
			return err
		}
	}
	in, err := instance.Load(o.home)
	if err != nil {
		return err
	}
	return o.measure(ctx, out, in)
}

func (o options) pacific(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "pacific"), append(args, "--home", o.home)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pacific %v: %w", args, err)
	}
	return nil
}

// measure does both on the same machine in the same state: the instance is up and idle.
func (o options) measure(ctx context.Context, out io.Writer, in instance.Instance) error {
	status := onemachine.GetStatus(ctx, in)
	if !status.Ready {
		return fmt.Errorf("instance %s is not ready; see pacific status", o.home)
	}
	bench, err := newPodBench(ctx, layout.Layout{ID: in.ID, Home: in.Home}, o.bin)
	if err != nil {
		return err
	}
	defer bench.close()
	starts, err := bench.run(ctx, o.pods)
	if err != nil {
		return err
	}
	stages, err := bench.stages(ctx)
	if err != nil {
		return err
	}
	bare, err := boot.MeasureWith(ctx, filepath.Join(o.bin, "guest"), status.Accelerator, o.boots)
	if err != nil {
		return fmt.Errorf("bare machine: %w", err)
	}
	report(out, status.Accelerator, bare, starts, stages)
	return nil
}
