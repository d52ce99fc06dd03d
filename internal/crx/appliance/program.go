package appliance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pacific/api/crx"
	"pacific/api/seed"
)

// Delays between the end of the program and its next start. One that ran for a while begins with the shortest again.
const (
	minDelay = time.Second
	maxDelay = 30 * time.Second
	goodRun  = 2 * time.Minute
)

func nextDelay(last, ran time.Duration) time.Duration {
	if last == 0 || ran >= goodRun {
		return minDelay
	}
	return min(2*last, maxDelay)
}

// keep runs the program until ctx is done, again and again. When ctx is done it is asked to end by SIGTERM; PID 1 has a limit for that.
func keep(ctx context.Context, program string, args []string, status *reporter) error {
	notify, err := listenNotify(filepath.Join(seed.Dir, "notify"), status)
	if err != nil {
		return err
	}
	defer notify.close()
	var delay time.Duration
	for {
		status.report(crx.StageStarting, "started "+filepath.Base(program))
		begin := time.Now()
		end, err := runOnce(ctx, program, args, notify.path)
		if ctx.Err() != nil {
			return nil
		}
		delay = nextDelay(delay, time.Since(begin))
		message := fmt.Sprintf("%s ended: %v; started again in %v", filepath.Base(program), err, delay)
		if end != "" {
			message += ": " + end
		}
		fmt.Fprintln(os.Stderr, "appliance:", message)
		status.report(crx.StageFailing, message)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}

// runOnce returns the last line of what the program wrote, and how it ended.
func runOnce(ctx context.Context, program string, args []string, notify string) (lastLine string, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Err = nil // the path is one of the image, not of this root
	cmd.Dir = "/"
	cmd.Env = append(collector(physicalMemory()), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/tmp", "NOTIFY_SOCKET="+notify)
	last := &lastLineWriter{}
	cmd.Stdout = io.MultiWriter(os.Stderr, last)
	cmd.Stderr = cmd.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err = cmd.Run()
	if err == nil {
		err = fmt.Errorf("exit status 0")
	}
	return last.String(), err
}

// collector lets Go's garbage collector use the memory of a machine that nobody else is in: it works less often, a tenth of the
// processor time of a start, and harder when two thirds are taken.
func collector(memory uint64) []string {
	if memory == 0 {
		return nil
	}
	return []string{"GOGC=400", fmt.Sprintf("GOMEMLIMIT=%d", memory/3*2)}
}

func physicalMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit)
}

// lastLineWriter keeps the last line that is not empty, or the end of it.
type lastLineWriter struct{ line, next []byte }

func (w *lastLineWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		head, tail, found := bytes.Cut(rest, []byte{'\n'})
		w.next = append(w.next, head...)
		if over := len(w.next) - maxStatus/2; over > 0 {
			w.next = append(w.next[:0], w.next[over:]...)
		}
		if !found {
			break
		}
		if len(bytes.TrimSpace(w.next)) > 0 {
			w.line = append(w.line[:0], w.next...)
		}
		w.next, rest = w.next[:0], tail
	}
	return len(p), nil
}

func (w *lastLineWriter) String() string { return string(bytes.TrimSpace(w.line)) }
