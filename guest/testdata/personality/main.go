// Command personality is what the boot test runs in a CRX. Its mode is the kernel parameter test.mode.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	role := mode()
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	switch role {
	case "pivot":
		finish(pivot(), 0)
	case "fork":
		finish(exec.Command("/sbin/personality", "end").Start(), 0)
	case "end":
		os.Exit(0)
	case "sleep":
		time.Sleep(time.Hour)
	case "check":
		finish(check(), 42)
	case "wait":
		terminated := make(chan os.Signal, 1)
		signal.Notify(terminated, syscall.SIGTERM)
		fmt.Println("waiting")
		<-terminated
		fmt.Fprintln(os.Stderr, "terminated")
		os.Exit(3)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		// Someone has to be left behind, too.
		finish(exec.Command("/sbin/personality", "sleep").Start(), -1)
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	case "panic":
		panic("no pod can live here")
	}
	finish(errors.New("unknown test.mode"), 0)
}

func finish(err error, code int) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if code >= 0 {
		os.Exit(code)
	}
}

func mode() string {
	cmdline, _ := os.ReadFile("/proc/cmdline")
	for _, word := range strings.Fields(string(cmdline)) {
		if mode, ok := strings.CutPrefix(word, "test.mode="); ok {
			return mode
		}
	}
	return ""
}

// check says what is wrong with the machine that PID 1 has prepared.
func check() error {
	return errors.Join(
		want("hostname", "/proc/sys/kernel/hostname", "web-0"),
		want("loopback", "/sys/class/net/lo/flags", "0x9"),
		controllers(), mounts(), environment(), containers(), orphans(),
	)
}

func want(what, file, content string) error {
	have, err := os.ReadFile(file)
	if err == nil && strings.TrimSpace(string(have)) != content {
		err = fmt.Errorf("%s: have %q, want %q", what, have, content)
	}
	return err
}

func controllers() error {
	list, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	for _, name := range []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids"} {
		if !slices.Contains(strings.Fields(string(list)), name) {
			err = errors.Join(err, fmt.Errorf("no cgroup controller %s", name))
		}
	}
	return err
}

func mounts() error {
	for _, path := range []string{"/dev/null", "/dev/ptmx", "/dev/pts/ptmx", "/dev/shm", "/dev/mqueue", "/dev/fd/0", "/run", "/proc/keys", "/tmp"} {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	known, err := os.ReadFile("/proc/filesystems")
	for _, fs := range []string{"\text4\n", "\terofs\n", "\toverlay\n", "\tfuse\n"} {
		if !strings.Contains(string(known), fs) {
			err = errors.Join(err, fmt.Errorf("no file system%s", fs))
		}
	}
	return err
}

func environment() error {
	if os.Getppid() != 1 || len(os.Environ()) != 2 || os.Getenv("HOME") != "/root" {
		return fmt.Errorf("parent %d, environment %q", os.Getppid(), os.Environ())
	}
	return nil
}

// containers leaves the root in a mount namespace of its own, with all the other namespaces that containers have.
func containers() error {
	cmd := exec.Command("/sbin/personality", "pivot")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
		syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | 0x02000000 /* CLONE_NEWCGROUP */}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("pivot_root: %w: %s", err, out)
	}
	return nil
}

func pivot() error {
	const root = "/run/root"
	steps := []func() error{
		func() error { return os.MkdirAll(root, 0o755) },
		func() error { return syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, "") },
		func() error { return syscall.Mount("tmpfs", root, "tmpfs", 0, "") },
		func() error { return os.Mkdir(root+"/old", 0o755) },
		func() error { return syscall.PivotRoot(root, root+"/old") },
		func() error { return os.Chdir("/") },
		func() error { return syscall.Unmount("/old", syscall.MNT_DETACH) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	left, err := os.ReadDir("/")
	if err == nil && len(left) != 1 {
		err = fmt.Errorf("the new root has %d entries", len(left))
	}
	return err
}

// orphans makes processes whose parent ends first, and waits until PID 1 has adopted and reaped them.
func orphans() error {
	for range 20 {
		if err := exec.Command("/sbin/personality", "fork").Run(); err != nil {
			return err
		}
	}
	for range 500 {
		left, err := childrenOfInit()
		if err != nil || left == 1 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("PID 1 does not reap orphans")
}

func childrenOfInit() (int, error) {
	children, err := os.ReadFile("/proc/1/task/1/children")
	return len(strings.Fields(string(children))), err
}
