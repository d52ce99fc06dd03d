package component

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// journal records what happened in which order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, " ")
}

// scripted is a component that does as its fields say.
type scripted struct {
	name     string
	log      *journal
	initErr  error
	neverUp  bool
	ends     chan error // when not nil, Run returns what it receives
	ignores  bool       // does not stop
	panicked bool
}

func (s *scripted) Name() string { return s.name }

func (s *scripted) Init(context.Context) error { return s.initErr }

func (s *scripted) Run(ctx context.Context, ready func()) error {
	s.log.add("+" + s.name)
	if s.panicked {
		panic("boom")
	}
	if !s.neverUp {
		ready()
	}
	select {
	case <-ctx.Done():
	case err := <-s.ends:
		return err
	}
	if s.ignores {
		select {}
	}
	s.log.add("-" + s.name)
	return ctx.Err()
}

func manager(stages ...Stage) *Manager {
	return &Manager{Stages: stages, StartTimeout: time.Second, StopTimeout: time.Second}
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	log := &journal{}
	ctx, cancel := context.WithCancel(context.Background())
	m := manager(Stage{&scripted{name: "a", log: log}}, Stage{&scripted{name: "b", log: log}}, Stage{&scripted{name: "c", log: log}})
	m.Ready = cancel
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got, want := log.String(), "+a +b +c -c -b -a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNothingStartsWhenPreparingFails(t *testing.T) {
	log := &journal{}
	broken := errors.New("disk full")
	err := manager(Stage{&scripted{name: "a", log: log}}, Stage{&scripted{name: "b", log: log, initErr: broken}}).Run(context.Background())
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "b") {
		t.Errorf("got %v", err)
	}
	if log.String() != "" {
		t.Errorf("started: %s", log)
	}
}

func TestALaterStageWaitsForAnEarlierOne(t *testing.T) {
	log := &journal{}
	m := manager(Stage{&scripted{name: "a", log: log, neverUp: true}}, Stage{&scripted{name: "b", log: log}})
	m.StartTimeout = 20 * time.Millisecond
	err := m.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "a was not ready") {
		t.Errorf("got %v", err)
	}
	if got, want := log.String(), "+a -a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFailureStopsTheRestAndIsReturned(t *testing.T) {
	cause := errors.New("lost its disk")
	for _, tc := range []struct {
		name string
		end  error
		want error
	}{{"with an error", cause, cause}, {"without one", nil, errEnded}} {
		t.Run(tc.name, func(t *testing.T) {
			log := &journal{}
			ends := make(chan error, 1)
			m := manager(Stage{&scripted{name: "a", log: log}}, Stage{&scripted{name: "b", log: log, ends: ends}}, Stage{&scripted{name: "c", log: log}})
			m.Ready = func() { ends <- tc.end }
			err := m.Run(context.Background())
			if !errors.Is(err, tc.want) || !strings.HasPrefix(err.Error(), "b: ") {
				t.Errorf("got %v", err)
			}
			if got, want := log.String(), "+a +b +c -c -a"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestAPanicIsAFailure(t *testing.T) {
	log := &journal{}
	err := manager(Stage{&scripted{name: "a", log: log}}, Stage{&scripted{name: "b", log: log, panicked: true}}).Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
	if got, want := log.String(), "+a +b -a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAComponentThatHangsDoesNotKeepOthersFromStopping(t *testing.T) {
	log := &journal{}
	ctx, cancel := context.WithCancel(context.Background())
	m := manager(Stage{&scripted{name: "a", log: log}}, Stage{&scripted{name: "b", log: log, ignores: true}})
	m.StopTimeout = 20 * time.Millisecond
	m.Ready = cancel
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got, want := log.String(), "+a +b -a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
