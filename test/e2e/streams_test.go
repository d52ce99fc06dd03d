//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestExec(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: idle})
	if r := try(t, "", "exec", "-n", ns, "p", "--", "sh", "-c", "echo out; echo err >&2; exit 42"); r.stdout != "out\n" || !strings.HasPrefix(r.stderr, "err\n") || r.exitCode != 42 {
		t.Errorf("exec: %s", r)
	}
	data := make([]byte, 1<<20)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	if out := kubectlWith(t, string(data), "exec", "-i", "-n", ns, "p", "--", "cat"); out != string(data) {
		t.Errorf("1 MiB through cat came back as %d bytes", len(out))
	}
}

func TestExecOnATerminal(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: idle})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// script gives kubectl a terminal.
	cmd := exec.CommandContext(ctx, "script", "-qec", fmt.Sprintf("%s/kubectl exec -it -n %s p -- sh -c 'tty; stty size; read x; echo got:$x'", cluster.bin, ns), "/dev/null")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig())
	r := run(t, cmd, "typed\n")
	if r.exitCode != 0 || !strings.Contains(r.stdout, "/dev/pts/") || !strings.Contains(r.stdout, "got:typed") {
		t.Errorf("exec -it: %s", r)
	}
}

func TestAttach(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: "while read line; do echo read:$line; done; sleep 1000", container: "stdin: true"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := kubectlCommand(ctx, "attach", "-i", "-n", ns, "p")
	in, out := pipes(t, cmd)
	if _, err := io.WriteString(in, "hello\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "read:hello" {
			return
		}
	}
	t.Errorf("attach never printed the answer: %v", lines.Err())
}

// pipes starts a command that ends with the test.
func pipes(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, io.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return in, out
}

func TestCopy(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip(err)
	}
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: idle})
	dir := t.TempDir()
	data := make([]byte, 3<<20)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	there, back := filepath.Join(dir, "there"), filepath.Join(dir, "back")
	if err := os.WriteFile(there, data, 0o644); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "cp", there, ns+"/p:/tmp/file")
	kubectl(t, "cp", ns+"/p:/tmp/file", back)
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, data) {
		t.Errorf("came back as %d bytes, %v", len(got), err)
	}
}

func TestPortForward(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: "mkdir /www; echo forwarded > /www/index.html; exec httpd -f -p 8080 -h /www"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, out := pipes(t, kubectlCommand(ctx, "port-forward", "-n", ns, "p", ":8080"))
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(first)
	if port == nil {
		t.Fatalf("port-forward says %q", first)
	}
	eventually(t, 30*time.Second, "answer through port-forward", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port[1]+"/", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != "forwarded\n" {
			return fmt.Errorf("%q, %v", body, err)
		}
		return nil
	})
}

func TestLogs(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: "echo one; sleep 0.5; echo two >&2; sleep 0.5; echo three; sleep 2; echo four; " + idle})
	eventually(t, time.Minute, "all lines", func(context.Context) error {
		if out := kubectl(t, "logs", "-n", ns, "p"); out != "one\ntwo\nthree\nfour\n" {
			return fmt.Errorf("%q", out)
		}
		return nil
	})
	if out := kubectl(t, "logs", "-n", ns, "p", "--tail=2"); out != "three\nfour\n" {
		t.Errorf("--tail=2: %q", out)
	}
	if out := kubectl(t, "logs", "-n", ns, "p", "--timestamps", "--tail=1"); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d) four\n$`).MatchString(out) {
		t.Errorf("--timestamps: %q", out)
	}
	if out := kubectl(t, "logs", "-n", ns, "p", "--since=1h"); !strings.HasPrefix(out, "one\n") {
		t.Errorf("--since=1h: %q", out)
	}
}

func TestLogsFollow(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "p", script: counter})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, out := pipes(t, kubectlCommand(ctx, "logs", "-f", "-n", ns, "p"))
	lines := bufio.NewScanner(out)
	for want := range 25 {
		if !lines.Scan() || lines.Text() != fmt.Sprint(want) {
			t.Fatalf("line %d is %q, %v", want, lines.Text(), lines.Err())
		}
	}
}

func TestLogsOfThePreviousContainer(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, shell{name: "p", script: "if [ -f /data/ran ]; then echo second; else touch /data/ran; echo first; exit 3; fi; " + idle,
		spec:      "volumes: [{name: data, emptyDir: {}}]",
		container: "volumeMounts: [{name: data, mountPath: /data}]"}.manifest())
	eventually(t, podLimit, "second run", func(context.Context) error {
		if r := try(t, "", "logs", "-n", ns, "p"); r.stdout != "second\n" {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	if out := kubectl(t, "logs", "-n", ns, "p", "--previous"); out != "first\n" {
		t.Errorf("--previous: %q", out)
	}
	status := mustGetPod(t, ns, "p").Status.ContainerStatuses[0]
	if status.RestartCount != 1 || status.LastTerminationState.Terminated == nil || status.LastTerminationState.Terminated.ExitCode != 3 {
		t.Errorf("status: %+v", status)
	}
}
