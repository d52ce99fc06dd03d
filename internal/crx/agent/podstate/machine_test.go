package podstate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// The scripts in testdata are the lives of pods:
//
//	plan policy=Always grace=30s      a line for each container: init|main|ephemeral NAME [policy=P] [startup] [readiness] …
//	step                              lines "TIME KIND [CONTAINER] [key=value]"; prints what is to be done
//	tick                              goes to the next time that the machine wants to be woken
//	state                             prints the containers
//	reboot message=…                  the VM dies and a new machine takes the record over
func TestPodLives(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, s.run)
	})
}

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

type script struct {
	plan Plan
	m    *Machine
	now  time.Time
	out  strings.Builder
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	switch d.Cmd {
	case "plan":
		s.now = epoch
		s.plan = parsePlan(t, d)
		s.m = New(s.plan)
		s.step(Event{Kind: Begin})
	case "step":
		for line := range strings.Lines(d.Input) {
			s.line(t, strings.Fields(line))
		}
	case "tick":
		s.tick()
	case "state":
	case "reboot":
		s.reboot(t)
	default:
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	if d.Cmd == "state" || d.HasArg("state") {
		s.state()
	}
	return s.out.String()
}

func parsePlan(t *testing.T, d *datadriven.TestData) Plan {
	p := Plan{Pod: "web_default(uid-1)", Policy: Always, Grace: 30 * time.Second}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "policy":
			p.Policy = Policy(a.Vals[0])
		case "grace":
			p.Grace = duration(t, a.Vals[0])
		case "deadline":
			p.Deadline = duration(t, a.Vals[0])
		}
	}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		spec := parseSpec(t, f[1:])
		switch f[0] {
		case "init":
			p.Init = append(p.Init, spec)
		case "ephemeral":
			p.Ephemeral = append(p.Ephemeral, spec)
		default:
			p.Main = append(p.Main, spec)
		}
	}
	return p
}

func parseSpec(t *testing.T, f []string) Spec {
	spec := Spec{Name: f[0]}
	for _, opt := range f[1:] {
		key, value, _ := strings.Cut(opt, "=")
		switch key {
		case "policy":
			spec.Policy = Policy(value)
		case "startup":
			spec.Startup = true
		case "readiness":
			spec.Readiness = true
		case "liveness":
			spec.Liveness = true
		case "liveness-grace":
			g := duration(t, value)
			spec.LivenessGrace = &g
		case "post-start":
			spec.PostStart = true
		case "pre-stop":
			spec.PreStop = true
		case "config-error":
			spec.ConfigError = value
		case "restart-on":
			spec.Rules = append(spec.Rules, Rule{ExitCodes: []int32{number(value)}})
		case "restart-unless":
			spec.Rules = append(spec.Rules, Rule{NotIn: true, ExitCodes: []int32{number(value)}})
		}
	}
	return spec
}

func number(s string) (n int32) {
	fmt.Sscan(s, &n)
	return n
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *script) line(t *testing.T, f []string) {
	s.now = epoch.Add(duration(t, f[0]))
	e := Event{Kind: EventKind(f[1])}
	e.End = Termination{FinishedAt: s.now, Reason: "Completed"}
	if e.Kind == Add || e.Kind == Change {
		spec := parseSpec(t, f[2:])
		e.Container, e.Spec = spec.Name, &spec
		s.step(e)
		return
	}
	for _, arg := range f[2:] {
		key, value, found := strings.Cut(arg, "=")
		switch {
		case !found:
			e.Container = arg
		case key == "code":
			fmt.Sscan(value, &e.End.ExitCode)
			e.End.Reason = "Error"
		case key == "grace":
			e.Grace = duration(t, value)
		case key == "fault":
			e.Fault = Fault(value)
			e.End.Reason, e.End.ExitCode = value, 128
		case key == "message":
			e.Message = value
		}
	}
	if e.Kind == Started {
		e.ID = fmt.Sprintf("%s-%d", e.Container, s.m.Find(e.Container).Starts)
	}
	if c := s.m.Find(e.Container); c != nil && e.Kind == Exited {
		e.End.ID, e.End.StartedAt = c.ID, c.StartedAt
	}
	s.step(e)
}

func (s *script) step(e Event) {
	for _, a := range s.m.Step(s.now, e) {
		fmt.Fprintf(&s.out, "%s %s\n", s.now.Sub(epoch), a)
	}
}

func (s *script) tick() {
	wake := s.m.Wake()
	if wake.IsZero() {
		fmt.Fprintln(&s.out, "nothing to wait for")
		return
	}
	s.now = wake
	s.step(Event{Kind: Tick})
}

func (a Action) String() string {
	s := string(a.Kind)
	if a.Kind == Note {
		s = "note"
		if a.Warning {
			s = "warn"
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", s, a.Container, a.Reason, a.Message))
	}
	if a.Container != "" {
		s += " " + a.Container
	}
	if a.Kind == Start {
		s += fmt.Sprintf(" attempt=%d", a.Attempt)
	}
	if a.Grace > 0 {
		s += fmt.Sprintf(" grace=%s", a.Grace)
	}
	return s
}

func (s *script) state() {
	for _, c := range s.m.Containers() {
		fmt.Fprintf(&s.out, "%s: %s", c.Name, describe(c))
		fmt.Fprintf(&s.out, " restarts=%d ready=%t started=%t\n", c.Restarts(), c.IsReady(), c.StartedUp())
	}
	switch {
	case s.m.Finished():
		fmt.Fprintln(&s.out, "finished")
	case s.m.Stopping():
		fmt.Fprintln(&s.out, "stopping")
	}
}

func describe(c *Container) string {
	switch {
	case c.Running:
		return "running"
	case c.Reason != "":
		s := "waiting " + c.Reason
		if c.Message != "" {
			s += " (" + c.Message + ")"
		}
		return s
	case c.Exit != nil:
		return fmt.Sprintf("terminated %s %d", c.Exit.Reason, c.Exit.ExitCode)
	}
	return "waiting"
}

func (s *script) reboot(t *testing.T) {
	kept, err := json.Marshal(s.m.Record())
	if err != nil {
		t.Fatal(err)
	}
	var r Record
	if err := json.Unmarshal(kept, &r); err != nil {
		t.Fatal(err)
	}
	s.m = New(s.plan)
	s.m.Restore(r, Termination{ExitCode: 137, Reason: "Error", Message: "the VM died", FinishedAt: s.now})
	s.step(Event{Kind: Begin})
}
