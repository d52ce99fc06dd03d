package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/files"
	"pacific/internal/crx/agent/network"
	"pacific/internal/crx/agent/podstate"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// setupResult is the outcome of an attempt to set the pod up.
type setupResult struct {
	err     error
	network time.Time
	record  record
}

// setupBackoff: a disk or a device that is missing may be attached later.
const (
	setupBackoff    = time.Second
	maxSetupBackoff = 30 * time.Second
)

// prepare sets the pod up: everything that its containers share. It tries again until it succeeds or the pod is stopped.
func (p *pod) prepare() {
	for wait := setupBackoff; ; wait = min(2*wait, maxSetupBackoff) {
		result := p.prepareOnce(p.setupCtx)
		select {
		case p.setup <- result:
		case <-p.setupCtx.Done():
			return
		}
		if result.err == nil {
			return
		}
		select {
		case <-time.After(wait):
		case <-p.setupCtx.Done():
			return
		}
	}
}

func (p *pod) prepareOnce(ctx context.Context) setupResult {
	var r setupResult
	begun := time.Now()
	stage := func(name string) { logStage("%s ready in %v", name, time.Since(begun)) }
	// A context of its own, so that the pod can be stopped while one of them waits.
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := network.Setup(ctx, p.spec.GetNetwork()); err != nil {
			return fmt.Errorf("network: %w", err)
		}
		r.network = time.Now()
		stage("network")
		return nil
	})
	g.Go(func() error { return p.prepareFiles() })
	g.Go(func() error {
		if err := p.mountEphemeral(ctx); err != nil {
			return err
		}
		var err error
		if r.record, err = readRecord(p.spec.GetUid()); err != nil {
			return err
		}
		for _, v := range p.spec.GetVolumes() {
			if err := p.files.make(ctx, v); err != nil {
				return err
			}
		}
		stage("ephemeral disk and volumes")
		return nil
	})
	for _, c := range append(p.spec.GetInitContainers(), p.spec.GetContainers()...) {
		if c.GetImageDisk() == nil {
			continue
		}
		g.Go(func() error {
			_, err := p.volumes.Disks.Mount(ctx, c.GetImageDisk())
			if err != nil {
				return fmt.Errorf("image of container %s: %w", c.GetName(), err)
			}
			return nil
		})
	}
	r.err = g.Wait()
	stage("pod")
	return r
}

// logStage tells on the console, which the host keeps, how long a stage of the pod's start took.
func logStage(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "agent: "+format+"\n", args...)
}

// prepared takes the outcome over.
func (p *pod) prepared(s setupResult) {
	p.status.setup(s)
	if s.err != nil {
		p.publish()
		return
	}
	p.record = newRecorder()
	p.machine.Restore(s.record.Containers, previous(p.spec))
	p.step(podstate.Event{Kind: podstate.Begin})
	if s.record.Evicted != "" {
		p.step(podstate.Event{Kind: podstate.Evict, Message: s.record.Evicted})
	}
	go p.watchStorage()
}

// previous is how the containers that ran in the pod's former VM ended.
func previous(spec *agentv1.Pod) podstate.Termination {
	t := spec.GetPrevious()
	end := podstate.Termination{
		ExitCode: t.GetExitCode(), Reason: t.GetReason(), Message: t.GetMessage(), FinishedAt: time.Now(),
	}
	if t.GetFinishedAt() != nil {
		end.FinishedAt = t.GetFinishedAt().AsTime()
	}
	if t == nil {
		end.ExitCode, end.Message = 137, "the pod's virtual machine ended"
	}
	if end.Reason == "" {
		end.Reason = "Error"
	}
	return end
}

func (p *pod) mountEphemeral(ctx context.Context) error {
	if _, err := os.Lstat(ephemeralDir); err == nil {
		return nil
	}
	if p.spec.GetEphemeral() == nil {
		return os.MkdirAll(ephemeralDir, 0o755)
	}
	mounted, err := p.volumes.Disks.Mount(ctx, p.spec.GetEphemeral())
	if err != nil {
		return fmt.Errorf("ephemeral disk: %w", err)
	}
	return os.Symlink(mounted, ephemeralDir)
}

const (
	shmDir  = runDir + "/shm"
	shmSize = 64 << 20 // containerd's
)

// prepareFiles makes what needs no disk.
func (p *pod) prepareFiles() error {
	if err := unix.Sethostname([]byte(p.spec.GetHostname())); err != nil {
		return fmt.Errorf("set the host name to %q: %w", p.spec.GetHostname(), err)
	}
	for name, content := range map[string][]byte{
		"hosts": files.Hosts(p.spec), "resolv.conf": files.ResolvConf(p.spec.GetDns()), "hostname": files.Hostname(p.spec),
	} {
		if err := writeFile(filepath.Join(runDir, "etc", name), content); err != nil {
			return err
		}
	}
	for name, value := range p.spec.GetSysctls() {
		if err := setSysctl(name, value); err != nil {
			return err
		}
	}
	if p.spec.GetShareProcessNamespace() && p.pids == "" {
		var err error
		if p.pids, err = p.runtime.SharePIDs(); err != nil {
			return err
		}
	}
	if err := os.Mkdir(shmDir, 0o1777); errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	options := fmt.Sprintf("mode=1777,size=%d", shmSize)
	if err := unix.Mount("shm", shmDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		return fmt.Errorf("mount /dev/shm: %w", err)
	}
	return nil
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// setSysctl sets a sysctl of the VM: the pod's containers share its network and IPC namespaces.
func setSysctl(name, value string) error {
	path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	if !strings.HasPrefix(path, "/proc/sys/") {
		return fmt.Errorf("sysctl %q: not a name", name)
	}
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		return fmt.Errorf("sysctl %s: %w", name, err)
	}
	return nil
}
