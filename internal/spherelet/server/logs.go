package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pacific/internal/channel"
	"pacific/internal/logfile"
	"pacific/internal/spherelet/podworker"
)

// logOptions are those of v1.PodLogOptions, as they come in the query.
type logOptions struct {
	follow, previous, timestamps bool
	tail                         int64 // -1: all
	since                        time.Time
	limit                        int64  // bytes; -1: none
	stream                       string // "", "stdout", "stderr"
}

func parseLogOptions(q url.Values, now time.Time) (logOptions, error) {
	o := logOptions{tail: -1, limit: -1}
	var err error
	number := func(name string) int64 {
		n, e := strconv.ParseInt(q.Get(name), 10, 64)
		if e != nil || n < 0 {
			err = errors.Join(err, fmt.Errorf("%s: %q is not a number of at least 0", name, q.Get(name)))
		}
		return n
	}
	yes := func(name string) bool {
		v := q.Get(name)
		if v == "" {
			return q.Has(name)
		}
		b, e := strconv.ParseBool(v)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %q is neither true nor false", name, v))
		}
		return b
	}
	o.follow, o.previous, o.timestamps = yes("follow"), yes("previous"), yes("timestamps")
	if q.Has("tailLines") {
		o.tail = number("tailLines")
	}
	if q.Has("limitBytes") {
		o.limit = number("limitBytes")
	}
	if q.Has("sinceSeconds") {
		o.since = now.Add(-time.Duration(number("sinceSeconds")) * time.Second)
	}
	if text := q.Get("sinceTime"); text != "" {
		t, e := time.Parse(time.RFC3339Nano, text)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("sinceTime: %w", e))
		}
		o.since = t
	}
	switch q.Get("stream") {
	case "", "All":
	case "Stdout":
		o.stream = "stdout"
	case "Stderr":
		o.stream = "stderr"
	default:
		err = errors.Join(err, fmt.Errorf("stream: %q is none of All, Stdout, Stderr", q.Get("stream")))
	}
	return o, err
}

func (s *Server) containerLogs(w http.ResponseWriter, r *http.Request) {
	o, err := parseLogOptions(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	worker := s.find(w, r)
	if worker == nil {
		return
	}
	pod, err := worker.Status()
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	container := r.PathValue("container")
	attempt, err := podworker.Attempt(pod, container, o.previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request := channel.LogRequest{Container: container, Attempt: attempt, Follow: o.follow && !o.previous, TailLines: o.tail}
	if !o.since.IsZero() {
		request.SinceUnixNanos = o.since.UnixNano()
	}
	log, err := worker.Log(r.Context(), request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer log.Close()
	stop := context.AfterFunc(r.Context(), func() { interrupt(log) })
	defer stop()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	copyLog(newFlusher(w), log, o)
}

// interrupt ends a read that waits for lines to come.
func interrupt(c io.Closer) {
	if conn, ok := c.(interface{ SetReadDeadline(time.Time) error }); ok {
		conn.SetReadDeadline(time.Unix(1, 0))
	}
	c.Close()
}

// copyLog turns lines of the CRI format into what the user wants to see.
func copyLog(w io.Writer, log io.Reader, o logOptions) error {
	lines := bufio.NewReaderSize(log, 64<<10)
	middle := map[string]bool{} // streams in the middle of a line
	for left := o.limit; left != 0; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		e, err := logfile.Parse(line)
		if err != nil || o.stream != "" && e.Stream != o.stream || e.Time.Before(o.since) {
			continue
		}
		text := e.Text
		if o.timestamps && !middle[e.Stream] {
			text = append([]byte(e.Time.Format(timestampFormat)+" "), text...)
		}
		middle[e.Stream] = e.Partial
		if left > 0 {
			text = text[:min(int64(len(text)), left)]
			left -= int64(len(text))
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		if f, ok := w.(http.Flusher); ok && lines.Buffered() == 0 {
			f.Flush()
		}
	}
	return nil
}

// timestampFormat is RFC 3339 with the fixed number of digits that kubectl's users know.
const timestampFormat = "2006-01-02T15:04:05.000000000Z07:00"

func newFlusher(w http.ResponseWriter) io.Writer {
	if f, ok := w.(http.Flusher); ok {
		f.Flush() // the head of the answer at once, for a follower of a silent container
	}
	return w
}
