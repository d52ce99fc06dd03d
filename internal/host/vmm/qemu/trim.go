package qemu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pacific/internal/host/vmm"
	"pacific/internal/smaps"
)

// signalTrim is what the plugin tcgtrim listens to; also in tcgtrim.c.
const signalTrim = unix.Signal(40)

var _ vmm.Trimmer = (*QEMU)(nil)

// Trimmable implements vmm.Trimmer. A process without the plugin would die of the signal, so the kernel is asked whether it is handled.
func (q *QEMU) Trimmable(id vmm.Identity) (uint64, error) {
	if handles, err := handles(id.PID, signalTrim); err != nil || !handles {
		return 0, err
	}
	mappings, err := smaps.Read(id.PID)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, nil
	}
	var sum uint64
	for _, m := range mappings {
		if m.Code() {
			sum += uint64(m.RSS)
		}
	}
	return sum, err
}

// Trim implements vmm.Trimmer.
func (q *QEMU) Trim(id vmm.Identity) error {
	process, err := vmm.Reopen(id)
	if errors.Is(err, vmm.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer process.Close()
	if handles, err := handles(id.PID, signalTrim); err != nil || !handles {
		return err
	}
	return process.Signal(signalTrim)
}

// handles tells whether a process has a handler for a signal: a bit of SigCgt, see proc_pid_status(5).
func handles(pid int, signal unix.Signal) (bool, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false, nil //nolint:nilerr // it is gone
	}
	return caught(string(status), signal)
}

func caught(status string, signal unix.Signal) (bool, error) {
	for line := range strings.Lines(status) {
		if mask, ok := strings.CutPrefix(line, "SigCgt:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return bits>>(uint(signal)-1)&1 == 1, err
		}
	}
	return false, nil // a zombie has none
}

const probeLimit = 10 * time.Second

// trims tells whether this QEMU takes the plugin: others than those of its version refuse it, and some are built without plugins.
func (q *QEMU) trims() bool {
	q.probe.Do(func() {
		if q.Plugin == "" {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), probeLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, q.Binary, "-plugin", q.Plugin, "-machine", "none", "-accel", "tcg", "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "stdio")
		cmd.Stdin = strings.NewReader("quit\n")
		said, err := cmd.CombinedOutput()
		if q.trimming = err == nil; !q.trimming {
			slog.Warn("QEMU does not take the plugin that frees translated code; translation caches are kept small instead", "plugin", q.Plugin, "err", err, "said", string(said))
		}
	})
	return q.trimming
}
