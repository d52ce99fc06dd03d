// Package keeper keeps an instance's daemons running. The keeper itself may die at any time: daemons are sessions of their
// own and go on, and the next keeper adopts them by the records that they left.
package keeper

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/onemachine/plan"
	"pacific/internal/onemachine/process"
)

// stopGrace is for daemons that are replaced by another build or command line; the longest to stop is the supervisor,
// which ends its components in order.
const stopGrace = 30 * time.Second

// Keeper of one instance.
type Keeper struct {
	Records process.Records
	Ends    Ends
	// Starter is the command whose process records itself as the daemon and then becomes it by exec.
	Starter func(plan.Daemon) *exec.Cmd
	// SupervisorReady returns when the Kubernetes API answers, or the context's error.
	SupervisorReady func(context.Context) error
}

// Keep keeps the daemons running until the context is cancelled. Then it leaves them alone.
func (k *Keeper) Keep(ctx context.Context, daemons []plan.Daemon) {
	ready := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if k.SupervisorReady(ctx) == nil {
			close(ready)
		}
	})
	all.Go(func() { trimLogs(ctx, daemons) })
	for _, d := range daemons {
		all.Go(func() { k.keep(ctx, d, ready) })
	}
	all.Wait()
}

func (k *Keeper) keep(ctx context.Context, d plan.Daemon, supervisorReady <-chan struct{}) {
	// What runs already is watched from the start, whatever it waited for once.
	if _, running := k.Records.Running(d.Name); d.AfterSupervisor && !running {
		select {
		case <-supervisorReady:
		case <-ctx.Done():
			return
		}
	}
	var delays backoff
	for ctx.Err() == nil {
		began := time.Now()
		end := k.runOnce(ctx, d)
		if ctx.Err() != nil {
			return
		}
		delay := delays.next(time.Since(began))
		klog.InfoS("Daemon ended; starting it again", "daemon", d.Name, "end", end, "delay", delay, "log", d.Log)
		if err := k.Ends.Note(d.Name, end); err != nil {
			klog.ErrorS(err, "Cannot note the end of a daemon", "daemon", d.Name)
		}
		pause(ctx, delay)
	}
}

func pause(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// runOnce adopts or starts the daemon and returns how it ended, or at once when the context is cancelled.
func (k *Keeper) runOnce(ctx context.Context, d plan.Daemon) string {
	rec, running := k.Records.Running(d.Name)
	if running && outdated(rec, d) {
		klog.InfoS("Daemon has another build or command line than wanted; replacing it", "daemon", d.Name, "pid", rec.PID)
		if err := rec.Terminate(stopGrace); err != nil {
			return err.Error()
		}
		running = false
	}
	if !running {
		return k.start(ctx, d)
	}
	klog.InfoS("Adopted daemon", "daemon", d.Name, "pid", rec.PID)
	if _, err := rec.Wait(ctx.Done()); err != nil {
		return err.Error()
	}
	return "ended; its exit status went to an earlier keeper"
}

// Outdated tells whether a daemon runs with another build or command line than planned.
func Outdated(records process.Records, daemons []plan.Daemon) bool {
	for _, d := range daemons {
		if rec, ok := records.Running(d.Name); ok && outdated(rec, d) {
			return true
		}
	}
	return false
}

func outdated(rec process.Record, d plan.Daemon) bool {
	if !slices.Equal(rec.Command, d.Command()) {
		return true
	}
	// A program that is being rebuilt just now is no reason to stop the daemon.
	build := process.Build(d.Program)
	return build != "" && rec.Build != build
}

func (k *Keeper) start(ctx context.Context, d plan.Daemon) string {
	log, err := OpenLog(d.Log)
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	cmd := k.Starter(d)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Sprintf("start: %v", err)
	}
	klog.InfoS("Started daemon", "daemon", d.Name, "pid", cmd.Process.Pid)
	ended := make(chan string, 1)
	go func() { ended <- describe(cmd.Wait(), cmd.ProcessState) }()
	select {
	case end := <-ended:
		return end
	case <-ctx.Done():
		return ""
	}
}

func describe(err error, state *os.ProcessState) string {
	if state == nil {
		return fmt.Sprint(err)
	}
	return state.String()
}
