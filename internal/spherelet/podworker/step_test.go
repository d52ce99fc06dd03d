package podworker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestStep runs the stories in testdata. Each command is one event; the output is the actions and the state after it.
//
//	pod [images=pending|failed|ready] [digests=…] [revision=…] [resize] [network] [never] [scratch] [deleting grace=N] [gone] [terminal] [deadline=SECONDS]
//	machine none|created|running|stopped [starts=N] [ran=SECONDS]
//	agent idle|has-pod|finished [ran] [held]      agent lost
//	done KIND [rejected]             fail KIND
//	contents-changed                 after SECONDS                   evict [grace=N]
//	busy                             from now on a slot to start is had by "done take-slot" only, not at once
func TestStep(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s, busy := New(), false
		start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		now := start
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "busy" {
				busy = true
				return ""
			}
			e, err := parse(d, s, &now)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			actions := s.Step(e, now)
			if !busy && slices.ContainsFunc(actions, func(a Action) bool { return a.Kind == TakeSlot }) {
				actions = slices.DeleteFunc(actions, func(a Action) bool { return a.Kind == TakeSlot || a.Kind == Wake })
				actions = append(actions, s.Step(Event{Done: &Done{Kind: TakeSlot}}, now)...)
			}
			for _, a := range actions {
				fmt.Fprintf(&out, "-> %s", a.Kind)
				switch {
				case a.Kind == Stop:
					fmt.Fprintf(&out, " grace=%ds", a.Grace)
				case a.Kind == Wake:
					fmt.Fprintf(&out, " in %s", a.At.Sub(now))
				case a.Begun:
					out.WriteString(" begun")
				}
				out.WriteString("\n")
			}
			fmt.Fprintln(&out, s)
			return out.String()
		})
	})
}

func parse(d *datadriven.TestData, s *State, now *time.Time) (Event, error) {
	arg := func(i int) string {
		if i < len(d.CmdArgs) {
			return d.CmdArgs[i].Key
		}
		return ""
	}
	number := func(key string, otherwise int) int {
		for _, a := range d.CmdArgs {
			if a.Key == key && len(a.Vals) == 1 {
				n, _ := strconv.Atoi(a.Vals[0])
				return n
			}
		}
		return otherwise
	}
	switch d.Cmd {
	case "pod":
		f := PodFacts{
			Gone: d.HasArg("gone"), Deleting: d.HasArg("deleting"), Terminal: d.HasArg("terminal"), Network: d.HasArg("network"),
			Never: d.HasArg("never"), Resize: d.HasArg("resize"), Scratch: d.HasArg("scratch"), GraceSeconds: int64(number("grace", 30)), StopGrace: 30,
		}
		for _, a := range d.CmdArgs {
			switch a.Key {
			case "digests":
				f.Digests = a.Vals[0]
			case "revision":
				f.Revision = a.Vals[0]
			case "images":
				f.Images = map[string]ImagesState{"pending": ImagesPending, "failed": ImagesFailed, "ready": ImagesReady}[a.Vals[0]]
			}
		}
		if seconds := number("deadline", 0); seconds > 0 {
			f.Deadline = now.Add(time.Duration(seconds) * time.Second)
		}
		return Event{Pod: &f}, nil
	case "machine":
		m := MachineFacts{Known: true, Exists: true, Starts: number("starts", max(1, s.Machine.Starts)), Started: s.Machine.Started}
		switch arg(0) {
		case "none":
			m = MachineFacts{Known: true}
		case "created":
			m.Phase, m.Starts = Created, 0
		case "running":
			m.Phase, m.Started = Running, *now
		case "stopped":
			m.Phase, m.Exited = Stopped, *now
			m.Started = now.Add(-time.Duration(number("ran", 60)) * time.Second)
		default:
			return Event{}, fmt.Errorf("machine %s?", arg(0))
		}
		return Event{Machine: &m}, nil
	case "agent":
		if arg(0) == "lost" {
			return Event{AgentLost: true}, nil
		}
		return Event{Agent: &AgentFacts{Started: arg(0) != "idle", Ran: d.HasArg("ran"), Held: d.HasArg("held"), Finished: arg(0) == "finished"}}, nil
	case "done":
		done := Done{Kind: Kind(arg(0)), Rejected: d.HasArg("rejected")}
		if k := done.Kind; k == CreateMachine || k == StartMachine {
			done.Machine = &MachineFacts{Known: true, Exists: true, Phase: Running, Starts: s.Machine.Starts + 1, Started: *now}
		}
		return Event{Done: &done}, nil
	case "fail":
		return Event{Done: &Done{Kind: Kind(arg(0)), Err: errors.New("failed")}}, nil
	case "contents-changed":
		return Event{ContentsChanged: true}, nil
	case "evict":
		grace := int64(number("grace", 30))
		return Event{Evict: &grace}, nil
	case "after":
		seconds, err := time.ParseDuration(arg(0))
		*now = now.Add(seconds)
		return Event{Woken: true}, err
	}
	return Event{}, fmt.Errorf("unknown command %s", d.Cmd)
}
