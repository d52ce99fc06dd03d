package machine

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"pacific/api/crx"
	"pacific/internal/host/vmm"
)

// TestStep runs the scripts in testdata. Each command is an event, its output the new state and the actions.
func TestStep(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := State{Phase: Created, Goal: WantStopped}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "state" {
				s = State{Phase: Phase(text(d, "phase", "created")), Goal: Goal(text(d, "goal", "stopped")), Run: uint32(number(d, "run", 0)), Restart: d.HasArg("restart")}
				if s.Phase.up() {
					s.Process = &vmm.Identity{PID: 7}
				}
				if s.Phase == Stopping {
					s.Deadline = at(number(d, "deadline", 30))
				}
				return show(s, nil, nil)
			}
			next, actions, err := Step(s, parse(t, d))
			if err == nil {
				s = next
			}
			return show(s, actions, err)
		})
	})
}

func at(second int) time.Time { return time.Unix(int64(second), 0).UTC() }

func text(d *datadriven.TestData, key, otherwise string) string {
	for _, arg := range d.CmdArgs {
		if arg.Key == key {
			return strings.Join(arg.Vals, ",")
		}
	}
	return otherwise
}

func number(d *datadriven.TestData, key string, otherwise int) int {
	n, err := strconv.Atoi(text(d, key, strconv.Itoa(otherwise)))
	if err != nil {
		d.Fatalf(nil, "%s: %v", key, err)
	}
	return n
}

func parse(t *testing.T, d *datadriven.TestData) Event {
	now, run := at(number(d, "at", 0)), uint32(number(d, "run", 1))
	switch d.Cmd {
	case "start":
		return Start{}
	case "stop":
		return Stop{At: now, Grace: time.Duration(number(d, "grace", 0)) * time.Second}
	case "destroy":
		return Destroy{At: now}
	case "attach":
		return Attach{Disk: Disk{ID: text(d, "disk", ""), ReadOnly: d.HasArg("ro")}}
	case "detach":
		return Detach{ID: text(d, "disk", "")}
	case "launched":
		return Launched{Run: run, At: now, Process: vmm.Identity{PID: number(d, "pid", 7)}}
	case "took":
		return Took{Run: run, Standby: text(d, "standby", "")}
	case "take-over-failed":
		return TakeOverFailed{Run: run}
	case "launch-failed":
		return LaunchFailed{Run: run, At: now, Message: d.Input}
	case "ready":
		return Ready{Run: run, At: now}
	case "told":
		return Told{Run: run, Exited: crx.Exited{ExitCode: number(d, "code", 0), Signal: number(d, "signal", 0), Message: d.Input}}
	case "guest-ended":
		return GuestEnded{Run: run, At: now, Cause: vmm.Cause(text(d, "cause", "reset")), Console: d.Input}
	case "process-gone":
		exit := vmm.Exit{Known: !d.HasArg("unknown"), Code: number(d, "code", 0), Signal: number(d, "signal", 0)}
		return ProcessGone{Run: run, At: now, Exit: exit, Log: d.Input, OutOfMemory: d.HasArg("oom")}
	case "grace-over":
		return GraceOver{At: now, Deadline: at(number(d, "deadline", 0))}
	case "start-due":
		return StartDue{At: at(number(d, "at", 0))}
	case "unplugged":
		return Unplugged{ID: text(d, "disk", "")}
	case "cleaned":
		return Cleaned{}
	case "deleted":
		return Deleted{}
	case "restarted":
		return Restarted{At: now, Alive: d.HasArg("alive"), Rebooted: d.HasArg("rebooted")}
	}
	t.Fatalf("unknown event %s", d.Cmd)
	return nil
}

func show(s State, actions []Action, err error) string {
	var out strings.Builder
	if err != nil {
		fmt.Fprintf(&out, "refused: %v\n", err)
		return out.String()
	}
	fmt.Fprintf(&out, "%s, wants %s, run %d", s.Phase, s.Goal, s.Run)
	if s.Process != nil {
		fmt.Fprintf(&out, ", pid %d", s.Process.PID)
	}
	if s.Standby != "" {
		fmt.Fprintf(&out, ", was %s", s.Standby)
	}
	if !s.ReadyAt.IsZero() {
		fmt.Fprintf(&out, ", ready at %d", s.ReadyAt.Unix())
	}
	if !s.NextStart.IsZero() {
		fmt.Fprintf(&out, ", next start at %d", s.NextStart.Unix())
	}
	if s.Phase == Stopping {
		fmt.Fprintf(&out, ", deadline %d", s.Deadline.Unix())
	}
	out.WriteByte('\n')
	for _, disk := range s.Disks {
		fmt.Fprintf(&out, "  disk %s\n", showDisk(disk))
	}
	if e := s.LastExit; e != nil {
		fmt.Fprintf(&out, "  exit %s code=%d signal=%d: %s\n", e.Reason, e.ExitCode, e.Signal, strings.ReplaceAll(e.Message, "\n", " | "))
	}
	for _, action := range actions {
		fmt.Fprintf(&out, "-> %s\n", showAction(action))
	}
	return out.String()
}

func showDisk(d Disk) string {
	line := fmt.Sprintf("%s lun=%d", d.ID, d.LUN)
	if d.ReadOnly {
		line += " ro"
	}
	if d.Detaching {
		line += " detaching"
	}
	return line
}

func showAction(action Action) string {
	switch a := action.(type) {
	case Launch:
		return fmt.Sprintf("launch run %d", a.Run)
	case TakeOver:
		return fmt.Sprintf("take over, run %d", a.Run)
	case Adopt:
		return fmt.Sprintf("adopt run %d", a.Run)
	case PowerOff:
		return fmt.Sprintf("power off within %s", a.Grace)
	case Await:
		return fmt.Sprintf("await %d", a.Deadline.Unix())
	case AwaitStart:
		return fmt.Sprintf("await start at %d", a.At.Unix())
	case Plug:
		return "plug " + showDisk(a.Disk)
	case Unplug:
		return "unplug " + showDisk(a.Disk)
	}
	return actionName(action)
}
