package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"pacific/api/crx"
	"pacific/internal/host/port"
	"pacific/internal/host/vmm"
)

// take does one action and returns the event that follows, nil for none or one that comes later.
func (a *actor) take(action Action) (Event, error) {
	switch t := action.(type) {
	case Launch:
		return a.launch(t.Run), nil
	case TakeOver:
		return a.takeOver(t.Run), nil
	case Adopt:
		return a.adopt(t.Run)
	case PowerOff:
		return nil, a.powerOff(t.Grace)
	case Await:
		time.AfterFunc(time.Until(t.Deadline), func() { a.post(GraceOver{At: time.Now(), Deadline: t.Deadline}) })
	case AwaitStart:
		time.AfterFunc(time.Until(t.At), func() { a.post(StartDue(t)) })
	case Plug:
		return nil, a.whileUp(func(ctx context.Context, s *session) error { return a.plug(ctx, s, t.Disk) })
	case Unplug:
		err := a.whileUp(func(ctx context.Context, s *session) error { return s.conn.Unplug(ctx, t.Disk.LUN) })
		if err != nil {
			return nil, err
		}
		return Unplugged{ID: t.Disk.ID}, nil
	case Clean:
		a.must("clean up", a.clean)
		return Cleaned{}, nil
	case Delete:
		a.must("delete", a.delete)
		return Deleted{}, nil
	}
	return nil, nil
}

func actionName(action Action) string {
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", action), "machine."))
}

// errNoVMM is for a VMM that has just ended; the event that says so is under way.
var errNoVMM = errors.New("the VMM has ended; try again")

func (a *actor) whileUp(do func(context.Context, *session) error) error {
	if a.session == nil {
		return errNoVMM
	}
	ctx, cancel := vmm.Patience(context.Background(), a.session.process, answerLimit)
	defer cancel()
	return do(ctx, a.session)
}

// powerOff asks the guest. One that cannot hear it is ended when the grace period is over.
func (a *actor) powerOff(grace time.Duration) error {
	return a.whileUp(func(ctx context.Context, s *session) error {
		if s.init != nil {
			return s.init.Send(crx.Message{PowerOff: &crx.PowerOff{GraceMillis: grace.Milliseconds()}})
		}
		return s.conn.PressButton(ctx)
	})
}

// adopt takes control of a running VMM. One that does not let itself be controlled is ended: nobody could ever stop it,
// or say what becomes of its guest.
func (a *actor) adopt(run uint32) (Event, error) {
	record := a.snapshot()
	process, err := vmm.Reopen(*record.State.Process)
	if err != nil {
		return ProcessGone{Run: run, At: time.Now()}, nil
	}
	ctx, cancel := vmm.Patience(context.Background(), process, answerLimit)
	defer cancel()
	err = a.host.Cgroups.Place(a.cgroup(), limits(record.Spec), process.PID)
	var s *session
	if err == nil {
		s, err = a.connect(ctx, run, record, process)
	}
	if err == nil {
		err = s.conn.Run(ctx)
	}
	if err != nil {
		return a.giveUp(run, process, err), nil
	}
	a.session = s
	a.follow(s)
	slog.Info("adopted", "machine", a.id, "pid", process.PID)
	return nil, nil
}

func (a *actor) giveUp(run uint32, process *vmm.Process, cause error) Event {
	log := fmt.Sprintf("hostd cannot take control of it and ended it: %v", cause)
	if err := process.Kill(); err != nil {
		slog.Error("cannot kill the VMM", "machine", a.id, "pid", process.PID, "err", err)
	}
	ended, _ := process.Wait()
	_ = process.Close()
	return ProcessGone{Run: run, At: time.Now(), Exit: ended, Log: log}
}

// clean ends the VMM and deletes what it had on the host. It looks at the host and not only at what this hostd knows,
// since an earlier one may have been cut off anywhere.
func (a *actor) clean() error {
	if a.session != nil {
		if err := a.session.end(); err != nil {
			return err
		}
		a.session = nil
	}
	if err := a.host.endProcesses(a.id); err != nil {
		return err
	}
	record := a.snapshot()
	if id := record.State.Standby; id != "" {
		if err := a.host.traces().Remove(id); err != nil {
			return err
		}
	}
	spec := record.Spec
	for i := range spec.GetPorts() {
		if err := port.Delete(portName(spec, i)); err != nil {
			return err
		}
	}
	defer a.host.Pools.Poke()
	return errors.Join(a.host.Cgroups.Remove(a.cgroup()), os.RemoveAll(a.dir()))
}

func (a *actor) delete() error {
	a.host.Pools.Forget(a.id)
	for _, disk := range a.state().Disks {
		if disk.DeleteWithMachine && !a.host.othersHave(disk.ID, a.id) {
			if err := a.host.Disks.Discard(disk.ID); err != nil {
				return err
			}
		}
	}
	return a.host.records.delete(a.id)
}
