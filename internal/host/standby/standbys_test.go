package standby

import (
	"os"
	"testing"
	"time"

	"pacific/internal/host/template"
	"pacific/internal/host/vmm"
)

var (
	small = template.Class{Personality: "agent", VCPUs: 1, MemoryBytes: 352 << 20, Ports: 1}
	large = template.Class{Personality: "agent", VCPUs: 2, MemoryBytes: 1 << 30, Ports: 1}
)

// templates are those that are made.
type templates map[template.Class]string

func (t templates) Get(template.Class) (*template.Copy, string) { return nil, template.ReasonNone }

func (t templates) Current(c template.Class) (string, bool) { return t[c], t[c] != "" }

func TestWhichIsMadeNext(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		standbys *Standbys
		room     uint64
		count    int
		load     float64
		made     templates
		class    template.Class
		wait     time.Duration
	}{
		"the first that is missing":    {made: templates{small: "s", large: "l"}, class: small},
		"the next":                     {standbys: &Standbys{waiting: []*Standby{{Class: small}}}, made: templates{small: "s", large: "l"}, class: large},
		"all are there":                {standbys: &Standbys{waiting: []*Standby{{Class: small}, {Class: large}}}, made: templates{small: "s", large: "l"}, wait: idle},
		"no template yet":              {made: templates{}, class: small, wait: idle},
		"no memory":                    {made: templates{small: "s"}, room: leastRoom - 1, class: small, wait: idle},
		"a machine starts":             {standbys: &Standbys{starting: 1}, made: templates{small: "s"}, class: small, wait: idle},
		"a busy host":                  {count: Automatic, load: busyLoad + 1, made: templates{small: "s"}, class: small, wait: loadInterval},
		"a second one of a class":      {standbys: &Standbys{waiting: []*Standby{{Class: small}, {Class: large}}}, count: Automatic, load: workingLoad, made: templates{small: "s", large: "l"}, class: small},
		"but not on a working host":    {standbys: &Standbys{waiting: []*Standby{{Class: small}, {Class: large}}}, count: Automatic, load: workingLoad + 1, made: templates{small: "s", large: "l"}, class: small, wait: loadInterval},
		"a busy host that must":        {count: 1, load: busyLoad + 1, made: templates{small: "s"}, class: small},
		"one has just started":         {standbys: &Standbys{calm: calm{until: now.Add(calmAfterStart / 2)}}, made: templates{small: "s"}, class: small, wait: calmAfterStart / 2},
		"it has just failed":           {standbys: &Standbys{retry: now.Add(time.Minute)}, made: templates{small: "s"}, class: small, wait: time.Minute},
		"both, and the failure longer": {standbys: &Standbys{calm: calm{until: now.Add(time.Second)}, retry: now.Add(time.Minute)}, made: templates{small: "s"}, class: small, wait: time.Minute},
	} {
		if c.count == 0 {
			c.count = 1
		}
		if c.room == 0 {
			c.room = leastRoom
		}
		s := c.standbys
		if s == nil {
			s = &Standbys{}
		}
		s.Config = Config{Templates: c.made, Classes: []template.Class{small, large}, Room: func() uint64 { return c.room },
			Count: c.count, MemoryBytes: 4 << 30, Load: func() float64 { return c.load },
		}
		if class, wait := s.next(now); class != c.class || wait != c.wait {
			t.Errorf("%s: %v in %s, want %v in %s", name, class, wait, c.class, c.wait)
		}
	}
}

func TestTakesOnlyWhatIsUpToDateAndRuns(t *testing.T) {
	s := New(Config{Templates: templates{small: "new"}})
	process, err := vmm.Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	dead := &vmm.Process{Identity: vmm.Identity{PID: process.PID, StartTime: process.StartTime - 1, Boot: process.Boot}}
	s.waiting = []*Standby{
		{ID: "a", Class: large, template: "new", Process: process}, {ID: "b", Class: small, template: "old", Process: process},
		{ID: "c", Class: small, template: "new", Process: dead}, {ID: "d", Class: small, template: "new", Process: process},
	}
	if got := s.Take(small); got == nil || got.ID != "d" {
		t.Errorf("took %v", got)
	}
	if got := s.Take(small); got != nil {
		t.Errorf("took %v", got)
	}
	if ids := len(s.waiting); ids != 3 {
		t.Errorf("%d wait", ids)
	}
}

func TestWhetherThereAreAny(t *testing.T) {
	for _, c := range []struct {
		count       int
		accelerator vmm.Accelerator
		none        bool
	}{
		{Automatic, vmm.TCG, false}, {Automatic, vmm.KVM, true}, {3, vmm.KVM, false}, {0, vmm.TCG, true},
	} {
		s := New(Config{Count: c.count, Accelerator: func() vmm.Accelerator { return c.accelerator }})
		if got := s.none(); got != c.none {
			t.Errorf("--standbys %d with %s: none is %v", c.count, c.accelerator, got)
		}
	}
}

// A hostd without instant clones has none, and asks nevertheless.
func TestNone(t *testing.T) {
	var s *Standbys
	s.Starting()()
	s.Relieve(0)
	s.Poke()
	if s.Take(small) != nil || s.Bytes() != 0 || len(s.Counts()) != 0 {
		t.Error("there are some")
	}
}
