// Package runtime runs containers in the VM. It is the only package that knows libcontainer.
//
// A program that links it must call [Init] first thing in main: libcontainer executes the program itself again to become
// the first process of a container.
package runtime

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // becomes the container's process before Go starts
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"

	"pacific/internal/crx/slack"
)

// Init does not return in a process that libcontainer has executed.
func Init() {
	if len(os.Args) > 1 && os.Args[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != "" {
		runtime.LockOSThread() // libcontainer executes the container's program from this thread
		if err := slack.Set(slack.Default); err != nil {
			fmt.Fprintln(os.Stderr, "timer slack:", err)
		}
		libcontainer.Init()
	}
}

// Runtime runs containers with their state in one directory.
type Runtime struct {
	state string
	// libcontainer marks all open files of this program close-on-exec before it starts a process; one at a time.
	starting sync.Mutex
	// processes that were started and are not known to have ended, by their identifiers.
	processes sync.Map
}

// New makes a runtime. The directory is on a tmpfs: containers do not outlive the VM.
func New(state string) *Runtime {
	// libcontainer passes it on to the processes that it executes; they do one thing.
	os.Setenv("GOMAXPROCS", "1")
	keepDeviceFilters()
	return &Runtime{state: state}
}

// Streams are the standard streams of a process. The process owns its ends of the pipes, this program has to close its own
// copies of them. A process with a terminal gets none of them.
type Streams struct {
	Stdin, Stdout, Stderr *os.File
}

// Container is a container whose first process was started.
type Container struct {
	r    *Runtime
	c    *libcontainer.Container
	spec *specs.Spec
	*Process
}

// Exit tells how a process ended.
type Exit struct {
	Code int32 // 128 plus the signal's number when a signal ended it
}

// Start creates the container and starts its first process. An error means that nothing of it is left.
func (r *Runtime) Start(id string, spec *specs.Spec, streams Streams) (*Container, error) {
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{CgroupName: id, Spec: spec})
	if err != nil {
		return nil, err
	}
	if err := addHostDevices(config, spec); err != nil {
		return nil, err
	}
	// Making the container is no work of its program: with a small limit, and emulated, it would take minutes.
	quota := config.Cgroups.CpuQuota
	config.Cgroups.CpuQuota = 0
	c, err := libcontainer.Create(r.state, id, config)
	if err != nil {
		return nil, err
	}
	container := &Container{r: r, c: c, spec: spec}
	container.Process, err = r.run(c, spec.Process, streams, true)
	if err != nil {
		return nil, errors.Join(err, c.Destroy())
	}
	if err := container.release(quota); err != nil {
		_ = container.Kill()
		_ = container.Wait()
		return nil, errors.Join(err, c.Destroy())
	}
	return container, nil
}

// release lets the first process become the container's program, which never runs without its limit.
func (c *Container) release(quota int64) error {
	if quota > 0 {
		if err := c.set(func(limits *cgroups.Resources) { limits.CpuQuota = quota }); err != nil {
			return fmt.Errorf("limit the container's processor time: %w", err)
		}
	}
	return c.c.Exec()
}

// Exec starts another process in the container.
func (c *Container) Exec(p *specs.Process, streams Streams) (*Process, error) {
	return c.r.run(c.c, p, streams, false)
}

// ID of the container.
func (c *Container) ID() string { return c.c.ID() }

// Spec the container was made of.
func (c *Container) Spec() *specs.Spec { return c.spec }

// Kill ends all processes of the container at once.
func (c *Container) Kill() error {
	err := c.c.Signal(syscall.SIGKILL)
	if errors.Is(err, libcontainer.ErrNotRunning) {
		return nil
	}
	return err
}

// Destroy removes what is left of a container whose first process has ended, processes that it left behind included.
func (c *Container) Destroy() error { return c.c.Destroy() }

// Process is a running process of a container.
type Process struct {
	r *Runtime
	p *libcontainer.Process
	// Terminal is the process's terminal, when it has one; the owner of the Process closes it.
	Terminal *os.File
}

// PID of the process, as seen in the VM.
func (p *Process) PID() int {
	pid, _ := p.p.Pid()
	return pid
}

// Signal sends a signal to the process; none when it has ended.
func (p *Process) Signal(s syscall.Signal) error {
	err := p.p.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Wait returns when the process has ended. It is called once.
func (p *Process) Wait() Exit {
	pid := p.PID()
	state, err := p.p.Wait()
	p.r.processes.Delete(pid)
	var exited *exec.ExitError
	if state == nil || err != nil && !errors.As(err, &exited) {
		return Exit{Code: 255}
	}
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return Exit{Code: 128 + int32(status.Signal())}
	}
	return Exit{Code: int32(status.ExitStatus())}
}

func (r *Runtime) run(c *libcontainer.Container, spec *specs.Process, streams Streams, first bool) (*Process, error) {
	p := process(spec, first)
	var console *console
	if spec.Terminal {
		var err error
		if console, err = newConsole(); err != nil {
			return nil, err
		}
		defer console.close()
		p.ConsoleSocket = console.child
	} else {
		// A nil *os.File must not become a non-nil interface.
		if streams.Stdin != nil {
			p.Stdin = streams.Stdin
		}
		if streams.Stdout != nil {
			p.Stdout = streams.Stdout
		}
		if streams.Stderr != nil {
			p.Stderr = streams.Stderr
		}
	}
	if err := r.start(c, p); err != nil {
		return nil, err
	}
	out := &Process{r: r, p: p}
	if console != nil {
		terminal, err := console.receive()
		if err != nil {
			_ = out.Signal(syscall.SIGKILL)
			_ = out.Wait()
			return nil, fmt.Errorf("receive the terminal: %w", err)
		}
		out.Terminal = terminal
	}
	return out, nil
}

func (r *Runtime) start(c *libcontainer.Container, p *libcontainer.Process) error {
	r.starting.Lock()
	defer r.starting.Unlock()
	if err := c.Start(p); err != nil {
		r.reapStages()
		return err
	}
	if pid, err := p.Pid(); err == nil {
		r.processes.Store(pid, true)
	}
	return nil
}
