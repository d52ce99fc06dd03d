package onemachine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"pacific/internal/keeper"
	"pacific/internal/onemachine/credentials"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/onemachine/plan"
	"pacific/internal/process"
	"pacific/internal/wire"
)

const keeperName = "keeper"

// Hidden commands of the pacific program.
const (
	KeeperCommand = "keeper"
	BecomeCommand = "become-daemon"
)

func records(l layout.Layout) process.Records { return process.Records{Dir: l.RecordDir()} }
func ends(l layout.Layout) keeper.Ends        { return keeper.Ends{Dir: l.RecordDir()} }

// keeperDaemon describes the keeper like the daemons that it keeps. The revision on its command line makes a keeper of an
// earlier plan outdated.
func keeperDaemon(in instance.Instance) (plan.Daemon, error) {
	self, err := os.Executable()
	if err != nil {
		return plan.Daemon{}, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", in))
	l := layout.Layout{ID: in.ID, Home: in.Home}
	args := []string{KeeperCommand, "--home=" + in.Home, "--revision=" + hex.EncodeToString(sum[:6])}
	return plan.Daemon{Name: keeperName, Program: self, Args: args, Log: l.Log(keeperName)}, nil
}

// startKeeper makes sure that a keeper of this plan runs, and with it all daemons.
func (u *Up) startKeeper(ctx context.Context, note func(string)) error {
	d, err := keeperDaemon(u.in)
	if err != nil {
		return err
	}
	recs := records(u.layout)
	rec, running := recs.Running(keeperName)
	if running && !keeper.Outdated(recs, append(u.plan.Daemons, d)) {
		return nil
	}
	if running {
		if err := rec.Terminate(10 * time.Second); err != nil {
			return err
		}
	}
	if err := spawn(d); err != nil {
		return fmt.Errorf("start keeper: %w", err)
	}
	err = Await(ctx, note, func(context.Context) error {
		if _, ok := recs.Running(keeperName); !ok {
			return Pending("the keeper to start")
		}
		return nil
	})
	if err != nil {
		return &Failure{Cause: err, Logs: []string{d.Log}}
	}
	return nil
}

// spawn starts a process that outlives this one.
func spawn(d plan.Daemon) error {
	log, err := keeper.OpenLog(d.Log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(d.Program, d.Args...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	// Reaps the keeper should it die while this program still runs.
	go func() { _ = cmd.Wait() }()
	return nil
}

// renewal is how often the keeper looks for certificates to renew; the supervisor's and the hosts' live for months.
const renewal = 12 * time.Hour

// Keep is the keeper's main function: it runs until the context is cancelled, and leaves the daemons running.
func Keep(ctx context.Context, home string) error {
	in, err := instance.Load(home)
	if err != nil {
		return err
	}
	l := layout.Layout{ID: in.ID, Home: in.Home}
	if err := records(l).Become(keeperName, os.Args); err != nil {
		return err
	}
	if err := credentials.Ensure(in); err != nil {
		return err
	}
	go wait.UntilWithContext(ctx, func(context.Context) {
		if err := credentials.Ensure(in); err != nil {
			klog.ErrorS(err, "Cannot renew certificates; will try again", "after", renewal)
		}
	}, renewal)
	go wait.UntilWithContext(ctx, func(ctx context.Context) {
		if untilReady(ctx, l) != nil {
			return
		}
		if err := ensureAdmin(ctx, l); err != nil {
			klog.ErrorS(err, "Cannot renew the administrator's certificate; will try again", "after", renewal)
		}
	}, renewal)
	k := keeper.Keeper{
		Records:         records(l),
		Ends:            ends(l),
		Starter:         func(d plan.Daemon) *exec.Cmd { return becomeCommand(home, d) },
		SupervisorReady: func(ctx context.Context) error { return untilReady(ctx, l) },
	}
	k.Keep(ctx, plan.Of(in).Daemons)
	return nil
}

func untilReady(ctx context.Context, l layout.Layout) error {
	return wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		return supervisorReady(ctx, l) == nil, nil
	})
}

func becomeCommand(home string, d plan.Daemon) *exec.Cmd {
	// The keeper's own program file may be replaced by a new build at any time; this is the one that runs.
	cmd := exec.Command("/proc/self/exe", BecomeCommand, "--home="+home, d.Name)
	cmd.Dir = "/"
	return cmd
}

// Become turns the calling process into a daemon: it enters the daemon's namespace, records itself and executes the program.
func Become(home, name string) error {
	in, err := instance.Load(home)
	if err != nil {
		return err
	}
	l := layout.Layout{ID: in.ID, Home: in.Home}
	for _, d := range plan.Of(in).Daemons {
		if d.Name == name {
			return become(l, d)
		}
	}
	return fmt.Errorf("instance %s has no daemon %s", home, name)
}

func become(l layout.Layout, d plan.Daemon) error {
	// A namespace belongs to a thread; the one that executes the program takes it along.
	runtime.LockOSThread()
	if d.Namespace != "" {
		if err := wire.Enter(d.Namespace); err != nil {
			return err
		}
	}
	if _, err := os.Stat(d.Program); err != nil {
		return fmt.Errorf("daemon %s: %w; run make build, or name the directory with pacific up --bin-dir", d.Name, err)
	}
	if err := records(l).Become(d.Name, d.Command()); err != nil {
		return err
	}
	err := syscall.Exec(d.Program, d.Command(), os.Environ())
	return errors.Join(fmt.Errorf("execute %s: %w", d.Program, err), records(l).Forget(d.Name))
}
