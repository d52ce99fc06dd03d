package standby

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	guest "pacific/internal/host/crx"
	"pacific/internal/host/template"
	"pacific/internal/host/vmm"
)

// Config is what Standbys work with.
type Config struct {
	Traces
	// Accelerator may block until it is known.
	Accelerator func() vmm.Accelerator
	Guest       *guest.Guest
	Templates   Templates
	// Classes of machines that are made to wait, Count of each; with Automatic as many as an eighth of the host's memory holds where
	// guests are emulated, at most mostAutomatic, and none elsewhere.
	Classes []template.Class
	Count   int
	// MemoryBytes of the host that its machines may have.
	MemoryBytes uint64
	// Scratch opens an empty file system that goes when it is closed.
	Scratch func(ctx context.Context, readOnly bool) (*os.File, error)
	// Load of each of the host's processors, as [Load.PerProcessor].
	Load func() float64
	// Room is the memory in bytes that the host has for standby machines and more.
	Room func() uint64
}

// Automatic leaves it to the accelerator how many machines wait.
const Automatic = -1

// Templates are what standby machines are cloned from.
type Templates interface {
	// Get returns the template of a class, or nil and why there is none.
	Get(template.Class) (*template.Copy, string)
	// Current names the template that a class is to be cloned from now, and tells whether it is made.
	Current(template.Class) (id string, made bool)
}

// Standbys of a host. Its methods are safe for concurrent use; those of nil have none.
type Standbys struct {
	Config
	wake chan struct{}

	mu       sync.Mutex
	waiting  []*Standby
	demand   demand
	starting int // machines that are being started
	calm     calm
	failures int
	retry    time.Time // after failures
}

// New makes none yet.
func New(config Config) *Standbys { return &Standbys{Config: config, wake: make(chan struct{}, 1)} }

// Waits after a failure.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// leastRoom is the memory that the host must have for more when a standby is made, and scarceRoom that at which they are given up:
// well above the 100 MiB at which pods are evicted.
const (
	leastRoom  = 768 << 20
	scarceRoom = 384 << 20
)

// Take hands out one of a class that is up to date, or nil. It is the caller's then.
func (s *Standbys) Take(class template.Class) *Standby {
	if s == nil {
		return nil
	}
	current, _ := s.Templates.Current(class)
	s.mu.Lock()
	i := slices.IndexFunc(s.waiting, func(w *Standby) bool { return w.Class == class && w.template == current && w.alive() })
	if i < 0 {
		s.demand.missed(class, s.Classes)
		s.mu.Unlock()
		return nil
	}
	taken := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	s.mu.Unlock()
	s.Poke()
	return taken
}

// Starting tells that a machine starts, until done is called.
func (s *Standbys) Starting() (done func()) {
	if s == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting++
	return s.started
}

func (s *Standbys) started() {
	s.mu.Lock()
	s.starting--
	s.calm.started(time.Now(), runtime.NumCPU())
	s.mu.Unlock()
	s.Poke()
}

// Bytes is the memory that all have together.
func (s *Standbys) Bytes() uint64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum uint64
	for _, w := range s.waiting {
		sum += w.bytes
	}
	return sum
}

// Counts of those that wait, by class.
func (s *Standbys) Counts() map[template.Class]int {
	counts := map[template.Class]int{}
	if s == nil {
		return counts
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.waiting {
		counts[w.Class]++
	}
	return counts
}

// Relieve gives all up when there is too little room beside them. It returns when their memory is free.
func (s *Standbys) Relieve(room uint64) {
	if s == nil || room >= scarceRoom {
		return
	}
	if n := s.giveUp(func(*Standby) bool { return true }); n > 0 {
		slog.Info("standby machines are given up: the host is short of memory", "machines", n, "room", room)
	}
}

// giveUp ends those that are chosen, and returns how many.
func (s *Standbys) giveUp(chosen func(*Standby) bool) int {
	s.mu.Lock()
	var gone []*Standby
	s.waiting = slices.DeleteFunc(s.waiting, func(w *Standby) bool {
		if chosen(w) {
			gone = append(gone, w)
			return true
		}
		return false
	})
	s.mu.Unlock()
	for _, w := range gone {
		s.end(w)
	}
	return len(gone)
}

// end ends one that nobody can take any more. What cannot be removed is at the next start of hostd.
func (s *Standbys) end(w *Standby) {
	err := w.Process.Kill()
	if err == nil {
		_, err = w.Process.Wait()
	}
	_ = w.close()
	if err == nil {
		err = s.Remove(w.ID)
	}
	if err != nil {
		slog.Error("standby machine is not removed", "standby", w.ID, "err", err)
	}
}

// Poke has the host looked at again.
func (s *Standbys) Poke() {
	if s == nil {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run makes what is missing, one after another, while nothing more urgent is under way, and ends them all when ctx is done.
func (s *Standbys) Run(ctx context.Context) {
	defer s.finish()
	if s.none() || len(s.Classes) == 0 {
		<-ctx.Done()
		return
	}
	for ctx.Err() == nil {
		quotas := s.quotas()
		s.giveUp(func(w *Standby) bool { return s.outdated(w) || !w.alive() || quotas.spend(w.Class) })
		class, wait := s.next(time.Now())
		if wait == 0 {
			s.add(ctx, class)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (s *Standbys) finish() {
	s.giveUp(func(*Standby) bool { return true })
}

func (s *Standbys) outdated(w *Standby) bool {
	current, _ := s.Templates.Current(w.Class)
	return current != w.template
}

// idle is the wait when there is nothing to do: memory that gets free pokes nobody.
const idle = time.Minute

// next class to make one of, or how long to wait.
func (s *Standbys) next(now time.Time) (template.Class, time.Duration) {
	have := s.Counts()
	class, missing := s.quotas().missing(have)
	if !missing || s.Room() < leastRoom {
		return class, idle
	}
	if _, made := s.Templates.Current(class); !made {
		return class, idle // its making pokes
	}
	if s.Count == Automatic && s.Load() > tolerable(have[class]) {
		return class, loadInterval
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting > 0 {
		return class, idle // the end of the start pokes
	}
	return class, max(s.calm.until.Sub(now), s.retry.Sub(now), 0)
}

// none tells that there are to be none at all.
func (s *Standbys) none() bool {
	return s.Count == 0 || s.Count == Automatic && s.Accelerator() != vmm.TCG
}

// quotas are of the classes that are wanted now.
func (s *Standbys) quotas() quotas {
	s.mu.Lock()
	defer s.mu.Unlock()
	classes := s.demand.classes(s.Classes)
	if s.Count != Automatic {
		return each(classes, s.Count)
	}
	return share(classes, automatic(s.MemoryBytes))
}

func (s *Standbys) add(ctx context.Context, class template.Class) {
	begun := time.Now()
	made, err := s.make(ctx, class)
	if ctx.Err() != nil && err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		wait := min(firstRetry<<min(s.failures, 20), lastRetry)
		s.failures++
		s.retry = time.Now().Add(wait)
		slog.Warn("standby machine cannot be made; machines of this class are cloned", "class", class.String(), "again", wait, "err", err)
		return
	}
	s.failures = 0
	s.waiting = append(s.waiting, made)
	slog.Info("standby machine waits", "standby", made.ID, "class", class.String(), "took", time.Since(begun).Round(time.Millisecond), "bytes", made.bytes)
}
