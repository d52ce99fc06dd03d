//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/center/hosts"
	"pacific/internal/onemachine/network"
	"pacific/internal/onemachine/plan"
	"pacific/internal/process"
	"pacific/internal/wire"
)

// joiner is a host beside those of the instance.
type joiner struct {
	*testing.T
	name, dir, namespace, address string
	agent                         *exec.Cmd
	ended                         chan error
}

// newJoiner makes a machine on the instance's management network.
func newJoiner(t *testing.T, name string) *joiner {
	address := cluster.Gateway().As4()
	address[3] = 99
	j := &joiner{T: t, name: name, dir: t.TempDir(), namespace: cluster.Namespace(name), address: netip.AddrFrom4(address).String()}
	net := plan.Of(cluster.instance).Network
	net.Machines = []plan.Machine{{Name: name, Machine: wire.Machine{Namespace: j.namespace, Port: cluster.Bridge() + "-j", Address: netip.PrefixFrom(netip.AddrFrom4(address), 24)}}}
	if err := network.Apply(t.Context(), net); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, command := range [][]string{{"ip", "link", "del", cluster.Bridge() + "-j"}, {"ip", "netns", "del", j.namespace}} {
			if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v: %s", command, err, out)
			}
		}
	})
	return j
}

// inside runs pacific on the machine.
func (j *joiner) inside(args ...string) *exec.Cmd {
	args = append([]string{"--net=/run/netns/" + j.namespace, filepath.Join(cluster.bin, "pacific")}, args...)
	return exec.Command("nsenter", args...)
}

func (j *joiner) join() {
	j.Helper()
	var token hosts.NewToken
	if err := json.Unmarshal([]byte(pacificOutput(j.T, "host", "token", "-o", "json")), &token); err != nil {
		j.Fatal(err)
	}
	cmd := j.inside("host", "join", "--center="+cluster.CenterURL(), "--ca-sha256="+token.CASHA256, "--token-file=-", "--no-systemd", "--name="+j.name,
		"--dir="+filepath.Join(j.dir, "host"), "--bin-dir="+cluster.bin, "--run-dir="+filepath.Join(cluster.RunDir(), j.name), "--record-dir="+filepath.Join(j.dir, "daemons"),
		"--log-dir="+filepath.Join(j.dir, "log"), "--cgroup-parent="+cluster.HostCgroup(j.name), "--accelerator="+cluster.instance.Options.Accelerator, "--memory=1Gi")
	cmd.Stdin = strings.NewReader(token.Token)
	if out, err := cmd.CombinedOutput(); err != nil {
		j.Fatalf("join: %v\n%s", err, out)
	} else if !strings.Contains(string(out), "pacific host agent") && !strings.Contains(string(out), "host agent --dir") {
		j.Errorf("join does not say what to run:\n%s", out)
	}
}

func (j *joiner) start() {
	j.Helper()
	log, err := os.OpenFile(filepath.Join(j.dir, "agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		j.Fatal(err)
	}
	j.agent = j.inside("host", "agent", "--dir="+filepath.Join(j.dir, "host"))
	j.agent.Stdout, j.agent.Stderr = log, log
	if err := j.agent.Start(); err != nil {
		j.Fatal(err)
	}
	j.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait(); log.Close() }(j.agent, j.ended)
	j.Cleanup(func() {
		j.end()
		if j.Failed() {
			text, _ := os.ReadFile(log.Name())
			j.Logf("the agent's log:\n%s", text)
		}
	})
}

// end of whatever still runs.
func (j *joiner) end() {
	_ = j.agent.Process.Kill()
	records := process.Records{Dir: filepath.Join(j.dir, "daemons")}
	names, err := records.Names()
	if err != nil {
		j.Error(err)
	}
	for _, name := range names {
		if rec, ok := records.Running(name); ok {
			j.Errorf("%s still runs", name)
			_ = rec.Terminate(10 * time.Second)
		}
	}
}

func (j *joiner) kill() {
	j.Helper()
	if err := j.agent.Process.Signal(syscall.SIGKILL); err != nil {
		j.Fatal(err)
	}
	<-j.ended
}

func (j *joiner) until(state hosts.State) {
	j.Helper()
	eventually(j.T, time.Minute, fmt.Sprintf("%s is %s", j.name, state), func(context.Context) error {
		var list []hosts.Info
		if err := json.Unmarshal([]byte(pacificOutput(j.T, "host", "ls", "-o", "json")), &list); err != nil {
			return err
		}
		for _, host := range list {
			if host.Name == j.name && host.State == state {
				return nil
			}
			if host.Name == j.name {
				return fmt.Errorf("it is %s: %s %v", host.State, host.Message, host.Problems)
			}
		}
		if state == "" {
			return nil
		}
		return errors.New("center does not know it")
	})
}

func (j *joiner) untilNode(what string, accept func(*corev1.Node) bool) {
	j.Helper()
	eventually(j.T, 2*time.Minute, "node "+j.name+" "+what, func(ctx context.Context) error {
		node, err := cluster.client.CoreV1().Nodes().Get(ctx, j.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			node, err = nil, nil
		}
		if err == nil && !accept(node) {
			err = errors.New("not yet")
		}
		return err
	})
}

func nodeReady(node *corev1.Node) bool {
	if node == nil {
		return false
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// TestAHostJoinsByHand joins a fourth machine, takes it through its states, and removes it.
func TestAHostJoinsByHand(t *testing.T) {
	j := newJoiner(t, "extra")
	j.join()
	j.until(hosts.Disconnected)
	j.start()
	j.until(hosts.Connected)
	j.untilNode("is Ready", nodeReady)

	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: counter, spec: "nodeName: " + j.name})

	pacificOutput(t, "host", "maintenance", "enter", j.name)
	j.until(hosts.Maintenance)
	j.untilNode("takes no pods", func(n *corev1.Node) bool { return n != nil && n.Spec.Unschedulable })
	pacificOutput(t, "host", "maintenance", "exit", j.name)
	j.untilNode("takes pods", func(n *corev1.Node) bool { return n != nil && !n.Spec.Unschedulable })

	j.kill()
	j.until(hosts.NotResponding)
	j.start()
	j.until(hosts.Connected)

	pacificOutput(t, "host", "remove", j.name)
	j.until("")
	select {
	case err := <-j.ended:
		if err != nil {
			t.Errorf("the agent of the removed host: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the agent of the removed host goes on")
	}
	j.untilNode("is deleted", func(n *corev1.Node) bool { return n == nil })
	if entries, err := os.ReadDir(filepath.Join(j.dir, "host")); err != nil || len(entries) > 0 {
		t.Errorf("left in its directory: %v, %v", entries, err)
	}
	for _, left := range []string{filepath.Join(cluster.RunDir(), j.name), "/sys/fs/cgroup/memory" + cluster.HostCgroup(j.name), "/sys/fs/cgroup" + cluster.HostCgroup(j.name)} {
		if _, err := os.Stat(left); err == nil {
			t.Errorf("left: %s", left)
		}
	}
	if out, err := exec.Command("nsenter", "--net=/run/netns/"+j.namespace, "ip", "-br", "link").CombinedOutput(); err != nil || strings.Contains(string(out), "tap") || strings.Contains(string(out), "vxlan") {
		t.Errorf("left: %v\n%s", err, out)
	}
}
