//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pacific runs a pacific command on the instance in home, with its output on the test's.
func pacific(ctx context.Context, home string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(cluster.bin, "pacific"), append(args, "--home", home)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pacific %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// pacificOutput is what a pacific command writes to standard output.
func pacificOutput(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(cluster.bin, "pacific"), append(args, "--home", cluster.Home)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pacific %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// result of a command that may fail.
type result struct {
	stdout, stderr string
	exitCode       int
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\nstdout: %s\nstderr: %s", r.exitCode, r.stdout, r.stderr)
}

// kubectlCommand is upstream's kubectl as administrator.
func kubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(cluster.bin, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig())
	return cmd
}

// try runs kubectl with standard input, and returns whatever comes.
func try(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := kubectlCommand(ctx, args...)
	return run(t, cmd, stdin)
}

func run(t *testing.T, cmd *exec.Cmd, stdin string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// kubectl runs kubectl, which must succeed, and returns its standard output.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return kubectlWith(t, "", args...)
}

// kubectlWith gives kubectl standard input.
func kubectlWith(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r := try(t, stdin, args...)
	if r.exitCode != 0 {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), r)
	}
	return r.stdout
}

// onHost runs a command in a host's network namespace.
func onHost(t *testing.T, host string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return run(t, exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", cluster.Namespace(host)}, args...)...), "")
}

// output of a command that must succeed.
func output(t *testing.T, args ...string) string {
	t.Helper()
	r := run(t, exec.CommandContext(t.Context(), args[0], args[1:]...), "")
	if r.exitCode != 0 {
		t.Fatalf("%v: %s", args, r)
	}
	return r.stdout
}
