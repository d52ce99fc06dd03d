package onemachine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pacific/internal/center/client"
	"pacific/internal/center/hosts"
	"pacific/internal/hostagent"
	"pacific/internal/keeper"
	"pacific/internal/onemachine/layout"
	"pacific/internal/onemachine/plan"
	"pacific/internal/wire"
)

func agentName(host string) string { return host + "-agent" }

// joinHosts makes every host one of center's, by the command that does it on any machine, and lets those that are know what
// has changed.
func (u *Up) joinHosts(ctx context.Context, note func(string)) error {
	for n := 1; n <= u.in.Hosts; n++ {
		host := layout.HostName(n)
		note(host)
		err := u.joinHost(ctx, n)
		if err != nil {
			return &Failure{Cause: fmt.Errorf("%s: %w", host, err), Logs: []string{u.layout.Log(layout.Center), u.layout.Log(agentName(host))}}
		}
	}
	return u.awaitReplaced(ctx, note)
}

func (u *Up) joinHost(ctx context.Context, n int) error {
	wanted := plan.Host(u.in, n)
	dir := hostagent.Dir(u.layout.HostDir(wanted.Name))
	have, err := dir.Load()
	if errors.Is(err, hostagent.ErrNotJoined) {
		return u.join(ctx, dir, wanted)
	}
	if err != nil {
		return err
	}
	wanted.ID, wanted.Cluster, wanted.CASHA256 = have.ID, have.Cluster, have.CASHA256
	daemons, err := dir.Daemons()
	if err != nil {
		return err
	}
	recs := records(u.layout)
	if have == wanted && !keeper.Outdated(recs, daemons) {
		return nil
	}
	if err := dir.Save(wanted); err != nil {
		return err
	}
	if agent, ok := recs.Running(agentName(wanted.Name)); ok {
		return agent.Signal(unix.SIGHUP)
	}
	return nil // it reads it when it starts
}

// join runs pacific host join in the host's namespace.
func (u *Up) join(ctx context.Context, dir hostagent.Dir, c hostagent.Config) error {
	if err := u.stopEarlier(c.Prefix); err != nil {
		return err
	}
	var token hosts.NewToken
	err := withCenter(ctx, u.layout, func(client *client.Client) error {
		return client.Do(ctx, http.MethodPost, "/api/pacific/hosts/tokens", struct{}{}, &token)
	})
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "host", "join",
		"--center="+u.layout.CenterURL(), "--ca-sha256="+token.CASHA256, "--token-file=-", "--no-systemd",
		"--name="+c.Name, "--address="+c.Address, "--interface="+c.Interface, "--management-bridge="+c.ManagementBridge, "--namespace-prefix="+c.NamespacePrefix, "--dir="+string(dir), "--bin-dir="+c.BinDir,
		"--run-dir="+c.RunDir, "--record-dir="+c.RecordDir, "--log-dir="+c.LogDir, "--registry-config="+c.RegistryConfig,
		"--daemon-prefix="+c.Prefix, "--cgroup-parent="+c.CgroupParent, "--accelerator="+c.Accelerator,
		"--cpus="+strconv.Itoa(c.CPUs), "--memory="+strconv.FormatInt(c.MemoryBytes, 10))
	var output bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(token.Token), &output, &output
	if err := inNamespace(u.layout.Namespace(c.Name), cmd.Run); err != nil {
		return fmt.Errorf("pacific host join: %w\n%s", err, &output)
	}
	return nil
}

// stopEarlier ends the daemons of a host that ran before there was a center; its machines run on.
func (u *Up) stopEarlier(prefix string) error {
	for _, name := range plan.DaemonNames(u.in) {
		rec, running := records(u.layout).Running(name)
		if !running || !strings.HasPrefix(name, prefix) || name == prefix+"agent" {
			continue
		}
		if err := rec.Terminate(stopGraceDown); err != nil {
			return fmt.Errorf("stop %s: %w", name, err)
		}
	}
	return nil
}

// inNamespace runs a function, and what it starts, in a network namespace.
func inNamespace(namespace string, do func() error) error {
	result := make(chan error, 1)
	go func() {
		// The thread stays in the namespace, so it is not unlocked and dies with the goroutine.
		runtime.LockOSThread()
		if err := wire.Enter(namespace); err != nil {
			result <- err
			return
		}
		result <- do()
	}()
	return <-result
}

// awaitReplaced waits until no host runs a daemon of another build or command line any more.
func (u *Up) awaitReplaced(ctx context.Context, note func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return Await(ctx, note, func(context.Context) error {
		for _, host := range layout.HostNames(u.in.Hosts) {
			daemons, err := hostagent.Dir(u.layout.HostDir(host)).Daemons()
			if err != nil {
				return err
			}
			if keeper.Outdated(records(u.layout), daemons) {
				return Pending("the agent of " + host + " to replace daemons whose program or options have changed")
			}
		}
		return nil
	})
}

// hostsConnected tells which hosts center does not see.
func hostsConnected(ctx context.Context, l layout.Layout, names []string) error {
	known, err := centerHosts(ctx, l)
	if err != nil {
		return Pending(fmt.Sprintf("center on %s: %v", l.CenterURL(), err))
	}
	var waits []string
	for _, name := range names {
		if state := known[name].State; state != hosts.Connected && state != hosts.Maintenance {
			waits = append(waits, fmt.Sprintf("%s, which center sees as %q", name, state))
		}
	}
	if len(waits) > 0 {
		return Pending(strings.Join(waits, "; "))
	}
	return nil
}
