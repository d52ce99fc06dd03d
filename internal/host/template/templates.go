package template

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	guest "pacific/internal/host/crx"
	"pacific/internal/host/vmm"
)

// Config is what Templates work with.
type Config struct {
	StateDir, RunDir string
	VMM              vmm.VMM
	// Accelerator may block until it is known.
	Accelerator func() vmm.Accelerator
	Guest       *guest.Guest
	Initrds     *guest.Initrds
	// TSCKHz of the host, for guests under TCG.
	TSCKHz uint64
	// Defaults are made before anybody asks for them, in this order.
	Defaults []Class
	// Made is called when there is a new template; nil for nobody.
	Made func()
}

// Template is a saved machine.
type Template struct {
	Key    Key
	memory *os.File // sealed
	state  string   // path
	used   time.Time
	faults int // clones of it that failed one after another
}

// Templates of a host. Its methods are safe for concurrent use.
type Templates struct {
	Config
	store store

	mu     sync.Mutex
	ready  map[string]*Template // by id
	failed map[string]failure   // by id
	queue  []Class
	wake   chan struct{}
}

// failure of a build. It is tried again, ever more rarely: the guest files may be at fault.
type failure struct {
	times int
	again time.Time
}

// Open ends and deletes what a hostd before left half made. Nothing can be cloned before Run has looked at what is on disk.
func Open(config Config) (*Templates, error) {
	t := &Templates{Config: config, ready: map[string]*Template{}, failed: map[string]failure{}, wake: make(chan struct{}, 1)}
	var err error
	if t.store, err = openStore(config.StateDir); err != nil {
		return nil, fmt.Errorf("open the store of templates: %w", err)
	}
	return t, vmm.Sweep(t.VMM, t.runDir())
}

// runDir is apart from the machines', so that a template is never taken for one.
func (t *Templates) runDir() string { return filepath.Join(t.RunDir, "t") }

// Reasons why a machine is not a clone.
const (
	ReasonNone   = "no-template"  // one is being made
	ReasonBroken = "build-failed" // a template of the class could not be made
	ReasonFailed = "clone-failed" // the VMM or the guest did not take the state
)

// Copy is what a clone starts from. The caller closes it.
type Copy struct {
	ID            string
	Memory, State *os.File
}

// Close gives it back.
func (c *Copy) Close() error { return errors.Join(c.Memory.Close(), c.State.Close()) }

// Get returns the template of a class; or nil and why there is none, and then has one made.
func (t *Templates) Get(class Class) (*Copy, string) {
	key, err := t.key(context.Background(), class)
	if err != nil {
		slog.Warn("no templates", "class", class.String(), "err", err)
		return nil, ReasonBroken
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := key.ID()
	found, ok := t.ready[id]
	if ok {
		c, err := found.open()
		if err == nil {
			found.used = time.Now()
			return c, ""
		}
		slog.Warn("template cannot be opened", "template", id, "class", class.String(), "err", err)
		t.drop(found)
	}
	if f, ok := t.failed[id]; ok && time.Now().Before(f.again) {
		return nil, ReasonBroken
	}
	t.want(class)
	return nil, ReasonNone
}

func (t *Template) open() (*Copy, error) {
	state, err := os.Open(t.state)
	if err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(t.memory.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, state.Close())
	}
	return &Copy{ID: t.Key.ID(), Memory: os.NewFile(uintptr(fd), "template"), State: state}, nil
}

// maxFaults is how many clones may fail one after another before their template is taken to be at fault, and not the host.
const maxFaults = 3

// Report tells how a clone of a template has come out. One of which no clones come out is thrown away and made anew: at once when
// the VMM does not take its state, after some when guests do not answer, which may be for want of processors.
func (t *Templates) Report(id string, failure error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.ready[id]
	if !ok {
		return
	}
	if found.faults++; failure == nil {
		found.faults = 0
	}
	if found.faults == maxFaults || errors.Is(failure, vmm.ErrState) {
		slog.Warn("template is thrown away and made anew", "template", id, "class", found.Key.Class.String(), "err", failure)
		t.drop(found)
		t.want(found.Key.Class)
	}
}

// Current names the template that a class is to be cloned from now, and tells whether it is made.
func (t *Templates) Current(class Class) (id string, made bool) {
	key, err := t.key(context.Background(), class)
	if err != nil {
		return "", false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id = key.ID()
	_, made = t.ready[id]
	return id, made
}

// tell needs no lock held.
func (t *Templates) tell() {
	if t.Made != nil {
		t.Made()
	}
}

// drop needs mu. Clones that run keep the memory as long as they need it.
func (t *Templates) drop(gone *Template) {
	id := gone.Key.ID()
	delete(t.ready, id)
	if err := errors.Join(gone.memory.Close(), t.store.delete(id)); err != nil {
		slog.Warn("template is not deleted", "template", id, "err", err)
	}
}

// want needs mu.
func (t *Templates) want(class Class) {
	for _, queued := range t.queue {
		if queued == class {
			return
		}
	}
	t.queue = append(t.queue, class)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// key of the template that a machine of this class can be cloned from now.
func (t *Templates) key(ctx context.Context, class Class) (Key, error) {
	key := Key{Class: class, Accelerator: t.Accelerator(), Layout: layout}
	initrd, err := t.Initrds.Path(class.Personality)
	if err != nil {
		return key, err
	}
	key.Initrd = filepath.Base(initrd)
	if key.Kernel, err = t.Guest.KernelHash(); err != nil {
		return key, err
	}
	if key.VMM, err = t.VMM.Version(ctx); err != nil {
		return key, err
	}
	key.HostBoot, err = vmm.BootID()
	return key, err
}

// List returns the classes of which there are templates, with the memory that each takes.
func (t *Templates) List() map[Class]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[Class]uint64{}
	for _, have := range t.ready {
		all[have.Key.Class] = allocated(have.memory)
	}
	return all
}
