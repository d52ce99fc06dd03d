// Package keeper keeps daemons running: those of an instance on one machine, and those of a host. The keeper itself may die
// at any time: daemons are sessions of their own and go on, and the next keeper adopts them by the records that they left.
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

	"pacific/internal/process"
)

// stopGrace is for daemons that are replaced by another build or command line; the longest to stop is the supervisor,
// which ends its components in order.
const stopGrace = 30 * time.Second

// Keeper of the daemons of one instance, or of one host.
type Keeper struct {
	Records process.Records
	Ends    Ends
	// Starter is the command whose process records itself as the daemon and then becomes it by exec.
	Starter func(Daemon) *exec.Cmd
	// SupervisorReady returns when the Kubernetes API answers, or the context's error.
	SupervisorReady func(context.Context) error
}

// Keep keeps the daemons running until the context is cancelled. Then it leaves them alone.
func (k *Keeper) Keep(ctx context.Context, daemons []Daemon) {
	wanted := make(chan []Daemon, 1)
	wanted <- daemons
	k.Follow(ctx, wanted, func(string) bool { return false })
}

// kept is a daemon that a goroutine keeps running.
type kept struct {
	Daemon
	release func() // ends the goroutine, not the daemon
}

// Follow keeps the daemons of the newest list running until the context is cancelled, and then leaves them alone. What
// runs, is not on the list and is the keeper's by its name is stopped.
func (k *Keeper) Follow(ctx context.Context, wanted <-chan []Daemon, owns func(name string) bool) {
	ready := sync.OnceValue(func() <-chan struct{} { return k.supervisorReady(ctx) })
	running := map[string]kept{}
	defer func() {
		for _, d := range running {
			d.release()
		}
	}()
	trim := time.NewTicker(trimInterval)
	defer trim.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-trim.C:
			trimLogs(running)
		case daemons := <-wanted:
			k.stopOthers(running, daemons, owns)
			for _, d := range daemons {
				if _, ok := running[d.Name]; !ok {
					running[d.Name] = k.hold(ctx, d, ready)
				}
			}
		}
	}
}

func (k *Keeper) supervisorReady(ctx context.Context) <-chan struct{} {
	ready := make(chan struct{})
	go func() {
		if k.SupervisorReady(ctx) == nil {
			close(ready)
		}
	}()
	return ready
}

// hold keeps one daemon running in a goroutine of its own.
func (k *Keeper) hold(ctx context.Context, d Daemon, ready func() <-chan struct{}) kept {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.keep(ctx, d, ready)
	}()
	return kept{Daemon: d, release: func() { cancel(); <-done }}
}

// stopOthers lets go of daemons that changed, which are replaced when they are held again, and ends those that are
// wanted no more.
func (k *Keeper) stopOthers(running map[string]kept, daemons []Daemon, owns func(string) bool) {
	wanted := map[string]Daemon{}
	for _, d := range daemons {
		wanted[d.Name] = d
	}
	for name, held := range running {
		if d, ok := wanted[name]; !ok || !d.equal(held.Daemon) {
			held.release()
			delete(running, name)
		}
	}
	names, err := k.Records.Names()
	if err != nil {
		klog.ErrorS(err, "Cannot list the records of daemons")
	}
	var stops sync.WaitGroup
	for _, name := range names {
		if _, ok := wanted[name]; !ok && owns(name) {
			stops.Go(func() { k.stop(name) })
		}
	}
	stops.Wait()
}

func (k *Keeper) stop(name string) {
	if rec, ok := k.Records.Running(name); ok {
		klog.InfoS("Daemon is not wanted any more; stopping it", "daemon", name, "pid", rec.PID)
		if err := rec.Terminate(stopGrace); err != nil {
			klog.ErrorS(err, "Cannot stop a daemon", "daemon", name)
			return
		}
	}
	if err := k.Records.Forget(name); err != nil {
		klog.ErrorS(err, "Cannot forget a daemon", "daemon", name)
	}
}

func (k *Keeper) keep(ctx context.Context, d Daemon, supervisorReady func() <-chan struct{}) {
	// What runs already is watched from the start, whatever it waited for once.
	if _, running := k.Records.Running(d.Name); d.AfterSupervisor && !running {
		select {
		case <-supervisorReady():
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
func (k *Keeper) runOnce(ctx context.Context, d Daemon) string {
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
func Outdated(records process.Records, daemons []Daemon) bool {
	for _, d := range daemons {
		if rec, ok := records.Running(d.Name); ok && outdated(rec, d) {
			return true
		}
	}
	return false
}

func outdated(rec process.Record, d Daemon) bool {
	if !slices.Equal(rec.Command, d.Command()) {
		return true
	}
	// A program that is being rebuilt just now is no reason to stop the daemon.
	build := process.Build(d.Program)
	return build != "" && rec.Build != build
}

func (k *Keeper) start(ctx context.Context, d Daemon) string {
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
		k.awaitRecord(d.Name, cmd.Process.Pid, ended)
		return ""
	}
}

// awaitRecord returns when the starter has recorded itself or ended: who lets go of a daemon finds it by its record.
func (k *Keeper) awaitRecord(name string, pid int, ended <-chan string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if rec, ok := k.Records.Running(name); ok && rec.PID == pid {
			return
		}
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
}

func describe(err error, state *os.ProcessState) string {
	if state == nil {
		return fmt.Sprint(err)
	}
	return state.String()
}
