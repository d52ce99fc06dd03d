package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pacific/internal/channel"
	"pacific/internal/logfile"
)

func logPath(container string, attempt uint32) string {
	return filepath.Join(ephemeralDir, "logs", container, fmt.Sprintf("%d.log", attempt))
}

// forgetLogs removes the logs of runs before the previous one.
func (i *instance) forgetLogs() {
	dir := filepath.Dir(logPath(i.spec.GetName(), 0))
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), ".")
		if n, err := strconv.ParseUint(number, 10, 32); err == nil && uint32(n)+1 < i.attempt {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// sendLog writes a log to the host, and goes on while the container runs if the host wants to follow it.
func (p *pod) sendLog(conn net.Conn, r *channel.LogRequest) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, conn) // returns when the host leaves
		cancel()
	}()
	q := logfile.Query{TailLines: r.TailLines}
	if r.SinceUnixNanos > 0 {
		q.Since = time.Unix(0, r.SinceUnixNanos)
	}
	path := logPath(filepath.Base(r.Container), r.Attempt)
	if ended := p.logEnd(r.Container, r.Attempt); r.Follow && ended != nil {
		_ = logfile.Follow(ctx, conn, path, q, ended)
		return
	}
	_ = logfile.Read(ctx, conn, path, q)
}

// logEnd is closed when the log of this run is complete; nil when it is.
func (p *pod) logEnd(container string, attempt uint32) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.logs[container]; i != nil && i.attempt == attempt {
		return i.ended
	}
	return nil
}
