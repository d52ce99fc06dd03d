package podworker

import (
	"io"
	"net"
	"sync"
)

// liveLog is a log as the agent sends it. When a pod has ended its machine may be destroyed while somebody still reads, and a
// lost connection looks like the end of the log; what is missing then comes from the log that was kept before.
type liveLog struct {
	net.Conn
	lost   <-chan struct{}
	kept   func() io.ReadCloser // nil if nothing was kept
	moving bool                 // the kept log has another beginning by now, as it was asked for by its end
	count  int64

	mu   sync.Mutex
	rest io.ReadCloser
}

func (l *liveLog) Read(p []byte) (int, error) {
	if rest := l.resumed(); rest != nil {
		return rest.Read(p)
	}
	n, err := l.Conn.Read(p)
	l.count += int64(n)
	if n > 0 || err == nil {
		return n, nil
	}
	select {
	case <-l.lost:
	default:
		return 0, err
	}
	rest := l.resume()
	if rest == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return rest.Read(p)
}

func (l *liveLog) resumed() io.ReadCloser {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rest
}

// resume opens the kept log behind what was read.
func (l *liveLog) resume() io.Reader {
	if l.moving && l.count > 0 {
		return nil
	}
	rest := l.kept()
	if rest == nil {
		return nil
	}
	l.mu.Lock()
	l.rest = rest
	l.mu.Unlock()
	if _, err := io.CopyN(io.Discard, rest, l.count); err != nil {
		return nil
	}
	return rest
}

func (l *liveLog) Close() error {
	if rest := l.resumed(); rest != nil {
		rest.Close()
	}
	return l.Conn.Close()
}
