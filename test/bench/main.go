// Command bench measures how fast pods start and end, alone and many at once, and what they cost when they are idle. It
// compares with the least that any machine costs:
//
//	F       a bare QEMU microvm with the CRX kernel, from the start of the process to its init
//	start   pods one after another, image on the host: create to Ready as a client sees it
//	burst   20 pods at once on all hosts: until all are Ready
//	memory  proportional set size of the host side of those 20, by parts, and what the scheduler counts for it
//	scale   100 pods at once: until all are Ready, whether they stay so (--hold), until all are gone again
//	idle    processor time of those 100 while they do nothing
//
//	go run ./test/bench                                      on an instance of its own
//	go run ./test/bench --home /var/lib/pacific --only start  on one that is up, a part only
//	go run ./test/bench --workload web                       with a program that takes long to start for itself
//	go run ./test/bench --hold 10m -o json
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"pacific/internal/onemachine/instance"
)

var sections = []string{"start", "burst", "memory", "scale", "idle"}

type options struct {
	home, bin, output, workload       string
	only                              []string
	boots, pods, burstPods, scalePods int
	holdFor, window                   time.Duration
}

func main() {
	var o options
	pflag.StringVar(&o.home, "home", "", "instance to measure on; empty for one of the benchmark's own")
	pflag.StringVar(&o.bin, "bin-dir", "bin", "directory of the programs")
	pflag.StringSliceVar(&o.only, "only", sections, "sections to measure")
	pflag.StringVar(&o.workload, "workload", defaultWorkload, fmt.Sprintf("what the pods run: %v", workloadNames()))
	pflag.IntVar(&o.boots, "boots", 10, "how many bare machines for F")
	pflag.IntVar(&o.pods, "pods", 20, "start: how many pods one after another")
	pflag.IntVar(&o.burstPods, "burst-pods", 20, "burst, memory: how many pods at once")
	pflag.IntVar(&o.scalePods, "scale-pods", 100, "scale, idle: how many pods at once")
	pflag.DurationVar(&o.holdFor, "hold", 30*time.Second, "scale: how long the pods are watched once all are Ready")
	pflag.DurationVar(&o.window, "window", 30*time.Second, "idle: how long processor time is measured")
	pflag.StringVarP(&o.output, "output", "o", "text", "text, json, or page for docs/measurements.md")
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context, out io.Writer) (err error) {
	write, err := o.writer()
	if err != nil {
		return err
	}
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
	results, err := o.measure(ctx, in)
	// What was measured before a failure is of use, too.
	if writeErr := write(results, out); err == nil {
		err = writeErr
	}
	return err
}

func (o options) writer() (func(*Results, io.Writer) error, error) {
	for _, section := range o.only {
		if !slices.Contains(sections, section) {
			return nil, fmt.Errorf("--only %s: there are %v", section, sections)
		}
	}
	if _, known := workloads[o.workload]; !known {
		return nil, fmt.Errorf("--workload %s: there are %v", o.workload, workloadNames())
	}
	switch o.output {
	case "text":
		return (*Results).writeText, nil
	case "page":
		return (*Results).writePage, nil
	case "json":
		return func(r *Results, out io.Writer) error {
			encoder := json.NewEncoder(out)
			encoder.SetIndent("", "  ")
			return encoder.Encode(r)
		}, nil
	}
	return nil, fmt.Errorf("--output %s is neither text, json nor page", o.output)
}

func (o options) pacific(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "pacific"), append(args, "--home", o.home)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pacific %v: %w", args, err)
	}
	return nil
}
