package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/mount"
	"pacific/internal/crx/agent/podstate"
	"pacific/internal/crx/agent/runtime"
	"pacific/internal/crx/agent/session"
	"pacific/internal/crx/agent/spec"
	"pacific/internal/logfile"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// instance is one run of a container.
type instance struct {
	pod     *pod
	spec    *agentv1.Container
	image   imagespec.ImageConfig
	attempt uint32
	id      string
	user    spec.User
	started time.Time
	// resources it has now; guarded by the pod's lock once it runs.
	resources    *agentv1.Resources
	resizeFailed string

	root      *mount.Overlay
	dir       string // on the ephemeral disk
	log       *logfile.Writer
	container *runtime.Container
	main      *session.Main
	stop      syscall.Signal
	ended     chan struct{} // closed when its log is complete

	probes probes
}

// fault is a failed start with its class.
type fault struct {
	class podstate.Fault
	err   error
}

func (f *fault) Error() string { return f.err.Error() }

// start runs a container from its preparation to its end.
func (p *pod) start(name string, attempt uint32) {
	i := &instance{pod: p, spec: p.container(name), attempt: attempt, id: newID(), ended: make(chan struct{})}
	i.resources = i.spec.GetResources()
	begun := time.Now()
	if f := i.begin(); f != nil {
		end := podstate.Termination{
			ID: i.id, ExitCode: 128, Reason: string(podstate.StartError), Message: f.Error(), StartedAt: begun, FinishedAt: time.Now(),
		}
		i.remove()
		p.tell(podstate.Event{Kind: podstate.StartFailed, Container: name, ID: i.id, Fault: f.class, Message: f.Error(), End: end})
		return
	}
	i.started = time.Now()
	p.mu.Lock()
	p.instances[name], p.logs[name] = i, i
	p.mu.Unlock()
	p.tell(podstate.Event{Kind: podstate.Started, Container: name, ID: i.id})
	p.resize(name) // what has come while it started
	end := i.wait()
	p.mu.Lock()
	delete(p.instances, name)
	p.mu.Unlock()
	p.tell(podstate.Event{Kind: podstate.Exited, Container: name, End: end})
	i.remove()
}

func newID() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// begin prepares and starts the container.
func (i *instance) begin() *fault {
	begun := time.Now()
	if err := i.prepare(); err != nil {
		return &fault{podstate.CreateError, err}
	}
	made, err := i.specification()
	if err != nil {
		return &fault{podstate.CreateError, err}
	}
	prepared := time.Now()
	if err := i.launch(made); err != nil {
		return &fault{podstate.StartError, fmt.Errorf("failed to start container process: %w", err)}
	}
	logStage("container %s, attempt %d: prepared in %v, started in %v", i.spec.GetName(), i.attempt, prepared.Sub(begun), time.Since(prepared))
	return nil
}

// prepare makes the root file system and the log.
func (i *instance) prepare() error {
	var err error
	if i.image, err = spec.ParseImage(i.spec.GetImageConfig()); err != nil {
		return err
	}
	if i.stop, err = signalNumber(spec.StopSignal(i.spec, i.image)); err != nil {
		return err
	}
	if i.spec.GetImageDisk() == nil {
		return errors.New("the container has no image disk")
	}
	lower, err := i.pod.volumes.Disks.Mount(context.Background(), i.spec.GetImageDisk())
	if err != nil {
		return err
	}
	i.dir = filepath.Join(ephemeralDir, "containers", i.spec.GetName(), fmt.Sprint(i.attempt))
	if err := os.RemoveAll(i.dir); err != nil { // of a VM that died
		return err
	}
	i.root, err = mount.NewOverlay(lower, filepath.Join(i.dir, "root"), filepath.Join(runDir, "containers", i.id))
	if err != nil {
		return err
	}
	i.forgetLogs()
	i.log, err = logfile.Create(logPath(i.spec.GetName(), i.attempt), logfile.DefaultLimits)
	return err
}

// launch starts the process with its streams connected.
func (i *instance) launch(made *specification) error {
	streams := &session.Stdio{}
	var err error
	if !i.spec.GetTty() {
		if streams, err = session.Pipes(i.spec.GetStdin(), true, true); err != nil {
			return err
		}
	}
	in, out, errOut := streams.Process()
	i.container, err = i.pod.runtime.Start(i.id, made.Spec, runtime.Streams{Stdin: in, Stdout: out, Stderr: errOut})
	if err != nil {
		streams.Close()
		return err
	}
	streams.Started()
	if i.spec.GetTty() {
		streams = session.Terminal(i.container.Terminal)
	}
	stdout, stderr := session.NewFan(i.log.Stream("stdout")), session.NewFan(i.log.Stream("stderr"))
	i.main = session.NewMain(streams, stdout, stderr, i.spec.GetStdinOnce(), i.container.Resize)
	i.main.Run()
	return nil
}

// wait returns how the container ended, when nothing of it runs any more and its log is complete.
func (i *instance) wait() podstate.Termination {
	exit := i.container.Wait()
	finished := time.Now()
	i.probes.stop()
	oom := i.container.OOMKilled()
	if err := i.container.Destroy(); err != nil {
		fmt.Fprintf(os.Stderr, "agent: container %s: remove: %v\n", i.spec.GetName(), err)
	}
	i.main.End(exit.Code)
	_ = i.log.Close()
	close(i.ended)
	end := podstate.Termination{ID: i.id, ExitCode: exit.Code, Reason: "Completed", StartedAt: i.started, FinishedAt: finished}
	switch {
	case oom:
		end.Reason = "OOMKilled"
	case exit.Code != 0:
		end.Reason = "Error"
	}
	end.Message = i.terminationMessage(exit.Code != 0)
	return end
}

// remove gives back what the container had on disk, but not its log.
func (i *instance) remove() {
	var errs []error
	errs = append(errs, i.unbind())
	if i.root != nil {
		errs = append(errs, i.root.Remove(), os.Remove(i.root.Root))
	}
	if i.dir != "" {
		errs = append(errs, os.RemoveAll(i.dir))
	}
	if i.container == nil && i.log != nil {
		_ = i.log.Close()
		close(i.ended)
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintf(os.Stderr, "agent: container %s: remove: %v\n", i.spec.GetName(), err)
	}
}

// act carries out an action of the state machine. It does not block.
func (i *instance) act(a podstate.Action) {
	switch a.Kind {
	case podstate.PostStart:
		go i.postStart()
	case podstate.PreStop:
		go i.preStop(a.Grace)
	case podstate.Terminate:
		_ = i.container.Signal(i.stop) // it has ended: Exited is on its way
	case podstate.Kill:
		if err := i.container.Kill(); err != nil {
			fmt.Fprintf(os.Stderr, "agent: container %s: kill: %v\n", i.spec.GetName(), err)
		}
	case podstate.ProbeStart:
		i.probeStartup()
	case podstate.ProbeRun:
		i.probeAll()
	case podstate.ProbeNoKill:
		i.probes.stopKilling()
	case podstate.ProbeEnd:
		i.probes.stop()
	}
}
