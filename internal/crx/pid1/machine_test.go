package pid1

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"pacific/api/crx"
)

// TestMachine runs conversations. A line of input is an event:
//
//	booted | started | waiting | frozen | reported STAGE | start-failed CAUSE | ended EXIT-CODE SIGNAL MESSAGE | terminated | expired TIMER |
//	connected | disconnected | host LINE | delivered LINE | identity-set [CAUSE]
func TestMachine(t *testing.T) {
	datadriven.Walk(t, "testdata/machine", func(t *testing.T, path string) {
		var m Machine
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				m = Machine{Probe: d.HasArg("probe"), Template: d.HasArg("template"), Ready: crx.Ready{Kernel: "6.1-crx", UptimeMillis: 700}}
				return ""
			case "step":
				var out strings.Builder
				for line := range strings.Lines(d.Input) {
					line = strings.TrimSpace(line)
					fmt.Fprintf(&out, "%s\n", line)
					var actions []Action
					m, actions = m.Step(event(t, line))
					for _, a := range actions {
						fmt.Fprintf(&out, "    %s\n", show(a))
					}
				}
				fmt.Fprintf(&out, "(%s)\n", m.phase)
				return out.String()
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func event(t *testing.T, line string) Event {
	t.Helper()
	name, rest, _ := strings.Cut(line, " ")
	switch name {
	case "booted":
		return Booted{}
	case "started":
		return Started{}
	case "waiting":
		return Waiting{}
	case "frozen":
		return Frozen{}
	case "reported":
		return Reported{crx.Status{Stage: rest}}
	case "start-failed":
		return StartFailed{Cause: rest}
	case "ended":
		var e Ended
		if _, err := fmt.Sscanf(rest, "%d %d", &e.ExitCode, &e.Signal); err != nil {
			t.Fatal(err)
		}
		e.Message = strings.Join(strings.Fields(rest)[2:], " ")
		return e
	case "terminated":
		return Terminated{}
	case "expired":
		return Expired{Timer: Timer(rest)}
	case "connected":
		return Connected{}
	case "disconnected":
		return Disconnected{}
	case "host":
		return parse([]byte(rest))
	case "delivered":
		received, ok := parse([]byte(rest)).(Received)
		if !ok {
			t.Fatalf("%s: no message", rest)
		}
		return Delivered(received)
	case "identity-set":
		return IdentitySet{Cause: rest}
	}
	t.Fatalf("unknown event %q", line)
	return nil
}

func show(a Action) string {
	switch a := a.(type) {
	case Send:
		line, err := json.Marshal(a.Message)
		if err != nil {
			return err.Error()
		}
		return "send " + string(line)
	case Answer:
		return fmt.Sprintf("answer %d", a.Nonce)
	case CorrectClock:
		return fmt.Sprintf("correct clock by %s", a.Behind)
	case SetTimer:
		return fmt.Sprintf("set timer %s to %s", a.Timer, a.After)
	case Log:
		return "log " + a.Text
	case SetIdentity:
		return fmt.Sprintf("set identity %s, %d bytes of entropy", a.Identity.Hostname, len(a.Identity.Entropy))
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", a), "pid1.")
}
