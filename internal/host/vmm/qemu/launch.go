// Package qemu runs machines with QEMU. It holds all of QMP.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"

	"pacific/internal/host/vmm"
)

// QEMU implements vmm.VMM.
type QEMU struct {
	// Binary is the path of qemu-system-x86_64.
	Binary string
	// Plugin is the path of tcgtrim.so, "" for none. It is used where guests are emulated and this QEMU takes it.
	Plugin string

	mu      sync.Mutex
	version string

	probe    sync.Once
	trimming bool
}

var _ vmm.VMM = (*QEMU)(nil)

// firstInherited is the number of the first of exec.Cmd's ExtraFiles in the child.
const firstInherited = 3

// Launch implements vmm.VMM. The sockets are made and listen before QEMU starts, and are inherited by it: a connection
// made meanwhile waits in the backlog, so nobody needs to look when QEMU is ready.
func (q *QEMU) Launch(m vmm.Machine) (*vmm.Process, error) {
	if err := os.MkdirAll(RootDir(m.Dir), 0o555); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(m.Dir, vmm.LogFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	fd, files, err := inherit(m)
	defer closeAll(files)
	if err != nil {
		return nil, err
	}
	plugin := ""
	if trimmable(m) && q.trims() {
		plugin = q.Plugin
	}
	cmd := exec.Command(q.Binary, arguments(m, fd, plugin)...)
	cmd.Dir = "/"
	// One arena: the threads of a VMM allocate little at the same time, and what each arena keeps for later adds up.
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "MALLOC_ARENA_MAX=1"}
	cmd.Stdout, cmd.Stderr = log, log
	// What m holds belongs to the caller, the rest to this function.
	cmd.ExtraFiles = append(files, given(m)...)
	// A session of its own, so that no signal to hostd's group or terminal reaches it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w; install the package qemu-system-x86", q.Binary, err)
	}
	// vmm.Process waits for it, by pidfd.
	pid := cmd.Process.Pid
	_ = cmd.Process.Release()
	return hold(pid)
}

// hold takes the pidfd of a child that nobody else reaps, so the pid cannot be another's.
func hold(pid int) (*vmm.Process, error) {
	process, err := vmm.Open(pid)
	if err != nil {
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return nil, fmt.Errorf("VMM ended at once: %w", err)
	}
	return process, nil
}

// given are the caller's files, in the order of their descriptors.
func given(m vmm.Machine) []*os.File {
	var files []*os.File
	for _, port := range m.Ports {
		files = append(files, port.Tap)
	}
	if m.Memory != nil {
		files = append(files, m.Memory.File)
	}
	if m.Console != nil {
		files = append(files, m.Console)
	}
	return files
}

func inherit(m vmm.Machine) (descriptors, []*os.File, error) {
	fd := descriptors{qmp: firstInherited, init: firstInherited + 1, personality: firstInherited + 2}
	names := []string{qmpSocket, vmm.InitSocket, vmm.PersonalitySocket}
	if m.Kernel == nil {
		names = names[:1]
	}
	var files []*os.File
	for _, name := range names {
		file, err := listen(filepath.Join(m.Dir, name))
		if err != nil {
			return fd, files, err
		}
		files = append(files, file)
	}
	for i := range m.Ports {
		fd.taps = append(fd.taps, firstInherited+len(files)+i)
	}
	fd.memory = firstInherited + len(files) + len(m.Ports)
	fd.console = fd.memory
	if m.Memory != nil {
		fd.console++
	}
	return fd, files, nil
}

func listen(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	defer listener.Close()
	listener.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return listener.File()
}

func closeAll(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}

var versionLine = regexp.MustCompile(`QEMU emulator version ([0-9.]+)`)

// Version implements vmm.VMM.
func (q *QEMU) Version(ctx context.Context) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.version != "" {
		return q.version, nil
	}
	out, err := exec.CommandContext(ctx, q.Binary, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w; install the package qemu-system-x86", q.Binary, err)
	}
	match := versionLine.FindSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("%s does not tell its version but %q", q.Binary, out)
	}
	q.version = "QEMU " + string(match[1])
	return q.version, nil
}
