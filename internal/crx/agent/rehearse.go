package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/api/crx"
	"pacific/internal/channel"
	"pacific/internal/crx/agent/network"

	"golang.org/x/sys/unix"
)

// RehearsalArg makes the program the container of a rehearsal: it ends at once, or with a directory as second argument after what most
// containers do when they start.
const RehearsalArg = "rehearsal"

// rehearsalTimeout is generous, since templates are made with the least priority. What is missed makes clones slower, not wrong.
const rehearsalTimeout = 2 * time.Minute

const rehearsalDir = runDir + "/rehearsal"

// Rehearse runs a throw-away pod in the machine of a template, by the same calls as a host: what is done once in the life of a process
// or of a kernel is then done in all clones. The pod has neither disks, which a template has not, nor a network, since the kernel
// makes the secrets of its connections when it first has one.
func Rehearse(ctx context.Context) error {
	disk := filepath.Join(rehearsalDir, "disk")
	if err := errors.Join(os.MkdirAll(disk, 0o755), os.Symlink(disk, ephemeralDir)); err != nil {
		return err
	}
	return perform(ctx, rehearsalPod())
}

// RehearseFully does it with disks and network, in a clone that is an individual for the time.
func RehearseFully(ctx context.Context) error {
	pod := rehearsalPod()
	pod.Ephemeral = &agentv1.Disk{Lun: crx.RehearsalDisk, Filesystem: "ext4"}
	pod.Volumes = append(pod.Volumes, &agentv1.Volume{Name: "image", Source: &agentv1.Volume_Image{
		Image: &agentv1.Disk{Lun: crx.RehearsalImage, Filesystem: "ext4", ReadOnly: true},
	}})
	pod.Containers[0].Mounts = append(pod.Containers[0].Mounts, &agentv1.Mount{Volume: "image", Path: "/run/image", ReadOnly: true})
	pod.Containers[0].Command = append(pod.Containers[0].Command, rehearsalFiles)
	// An address for documentation, RFC 5737. Nothing is sent: the host's end is down.
	pod.Network = &agentv1.Network{Addresses: []string{"192.0.2.2/32"}, Gateways: []string{"192.0.2.1"}, GatewayMac: "02:00:00:00:00:01"}
	return perform(ctx, pod)
}

func perform(ctx context.Context, pod *agentv1.Pod) (err error) {
	ctx, cancel := context.WithTimeout(ctx, rehearsalTimeout)
	defer cancel()
	defer func() {
		err = errors.Join(err, clearRehearsal(ctx, pod))
		runtime.GC() // what it left, lest each clone collects it
	}()
	a, err := New()
	if err != nil {
		return err
	}
	a.image = "/" // the machine's own
	return a.rehearse(ctx, pod)
}

func (a *Agent) rehearse(ctx context.Context, pod *agentv1.Pod) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	host, guest := net.Pipe()
	go func() { _ = a.rpc.Serve(serving, a.calls) }()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = channel.ServeConn(serving, guest, a.serve)
	}()
	defer func() {
		stop()
		<-ended
		host.Close()
		guest.Close()
		_ = a.rpc.Close()
	}()
	session, err := channel.NewSession(ctx, host)
	if err != nil {
		return err
	}
	defer session.Close()
	client, err := session.RPC(ctx)
	if err != nil {
		return err
	}
	return play(ctx, agentv1.NewAgentClient(client), pod)
}

// play starts the pod and waits for its end.
func play(ctx context.Context, agent agentv1.AgentClient, pod *agentv1.Pod) error {
	if _, err := agent.Start(ctx, &agentv1.StartRequest{Pod: pod}); err != nil {
		return err
	}
	watch, err := agent.Watch(ctx, &agentv1.WatchRequest{})
	if err != nil {
		return err
	}
	for {
		status, err := watch.Recv()
		if err != nil {
			return err
		}
		if len(status.GetContainers()) != 1 {
			continue
		}
		state := status.GetContainers()[0].GetState()
		switch end := state.GetTerminated(); {
		case end != nil && end.GetExitCode() != 0:
			return fmt.Errorf("the container ended with code %d: %s", end.GetExitCode(), end.GetMessage())
		case end != nil:
			return nil
		}
	}
}

func rehearsalPod() *agentv1.Pod {
	return &agentv1.Pod{
		Uid: "rehearsal", Namespace: "rehearsal", Name: "rehearsal", Hostname: "rehearsal", RestartPolicy: agentv1.RestartPolicy_NEVER,
		Dns: &agentv1.Dns{Servers: []string{"192.0.2.1"}, Searches: []string{"rehearsal"}},
		Volumes: []*agentv1.Volume{{Name: "files", Source: &agentv1.Volume_Files_{Files: &agentv1.Volume_Files{
			DefaultMode: 0o644, Files: []*agentv1.File{{Path: "file", Data: []byte("content")}},
		}}}},
		Containers: []*agentv1.Container{{
			Name: "rehearsal", Image: "rehearsal", ImageDisk: &agentv1.Disk{ReadOnly: true}, ImageConfig: []byte(`{"config":{"Env":["A=B"],"WorkingDir":"/"}}`),
			Command: []string{crx.PersonalityPath, RehearsalArg}, TerminationMessagePath: "/dev/termination-log",
			Mounts: []*agentv1.Mount{{Volume: "files", Path: "/run/files", ReadOnly: true}},
		}},
	}
}

// clearRehearsal leaves the machine as it was.
func clearRehearsal(ctx context.Context, pod *agentv1.Pod) error {
	targets, err := mountsBelow(runDir)
	for _, target := range slices.Backward(targets) {
		if unmounted := unix.Unmount(target, unix.MNT_DETACH); unmounted != nil {
			err = errors.Join(err, fmt.Errorf("unmount %s: %w", target, unmounted))
		}
	}
	return errors.Join(err, network.Clear(ctx, pod.GetNetwork()), os.RemoveAll(ephemeralDir), os.RemoveAll(runDir))
}

// mountsBelow a directory, in the order in which they were made. See proc_pid_mountinfo(5).
func mountsBelow(dir string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var targets []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			targets = append(targets, fields[4])
		}
	}
	return targets, nil
}
