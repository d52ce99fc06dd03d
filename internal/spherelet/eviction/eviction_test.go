package eviction

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestDecide runs the scripts in testdata.
//
//	config hard=… soft=… grace=… transition=5m
//	pod NAME [priority=N] [request=Q] [memory=Q] [disk=Q] [pids=N] [unknown] [grace=N]
//	at SECONDS [memory.available=Q/Q] [nodefs.available=Q/Q] [pid.available=N/N]
//	choose N                         the pods in the order in which they go
func TestDecide(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := story{T: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(d) })
	})
}

type story struct {
	*testing.T
	config Config
	state  State
	last   Decision
	pods   []Usage
}

func arg(d *datadriven.TestData, key, otherwise string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return strings.Join(a.Vals, ",")
		}
	}
	return otherwise
}

func (s *story) quantity(text string) int64 {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		s.Fatalf("%q: %v", text, err)
	}
	return q.Value()
}

func (s *story) run(d *datadriven.TestData) string {
	switch d.Cmd {
	case "config":
		thresholds, err := Parse(arg(d, "hard", ""), arg(d, "soft", ""), arg(d, "grace", ""))
		if err != nil {
			return err.Error() + "\n"
		}
		transition, _ := time.ParseDuration(arg(d, "transition", "0s"))
		s.config = Config{Thresholds: thresholds, Transition: transition, MaxGraceSeconds: 60}
		return ""
	case "pod":
		s.pods = append(s.pods, s.pod(d))
		return ""
	case "at":
		return s.at(d)
	case "choose":
		return s.choose()
	}
	return "unknown command\n"
}

func (s *story) pod(d *datadriven.TestData) Usage {
	priority, _ := strconv.ParseInt(arg(d, "priority", "0"), 10, 32)
	grace := s.quantity(arg(d, "grace", "30"))
	p := int32(priority)
	name := d.CmdArgs[0].Key
	c := v1.Container{Name: "c"}
	if q := arg(d, "request", ""); q != "" {
		c.Resources.Requests = v1.ResourceList{v1.ResourceMemory: resource.MustParse(q), v1.ResourceEphemeralStorage: resource.MustParse(q)}
	}
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{Priority: &p, TerminationGracePeriodSeconds: &grace, Containers: []v1.Container{c}}}
	if d.HasArg("unknown") {
		return Usage{Pod: pod}
	}
	disk := s.quantity(arg(d, "disk", "0"))
	return Usage{Pod: pod, Known: true, DiskBytes: disk, Containers: []Container{{Name: "c", DiskBytes: disk,
		MemoryBytes: s.quantity(arg(d, "memory", "0")), Processes: s.quantity(arg(d, "pids", "0"))}}}
}

func (s *story) at(d *datadriven.TestData) string {
	seconds := s.quantity(d.CmdArgs[0].Key)
	levels := map[Signal]Level{}
	for _, signal := range signals {
		if text := arg(d, string(signal), ""); text != "" {
			available, capacity, _ := strings.Cut(text, "/")
			levels[signal] = Level{s.quantity(available), s.quantity(capacity)}
		}
	}
	s.last = s.state.Decide(s.config, levels, time.Unix(1000+seconds, 0))
	out := fmt.Sprintf("pressures %v\n", s.last.Pressures)
	if t := s.last.Starved; t != nil {
		out += fmt.Sprintf("starved of %s, available %d\n", t.Signal, s.last.Level.Available)
	}
	return out
}

// choose lets all go, one after the other.
func (s *story) choose() string {
	var out strings.Builder
	left := s.pods
	for {
		v := s.last.Choose(s.config, left)
		if v == nil {
			break
		}
		fmt.Fprintf(&out, "%s (%ds): %s\n", v.Pod.Name, v.GraceSeconds, v.Message)
		var rest []Usage
		for _, u := range left {
			if u.Pod != v.Pod {
				rest = append(rest, u)
			}
		}
		left = rest
	}
	for _, u := range left {
		fmt.Fprintf(&out, "%s stays\n", u.Pod.Name)
	}
	return out.String()
}
