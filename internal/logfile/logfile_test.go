package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, w *Writer, stream string, texts ...string) {
	t.Helper()
	s := w.Stream(stream)
	for _, text := range texts {
		if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// texts reads the log and joins the pieces of lines.
func texts(t *testing.T, path string, q Query) string {
	t.Helper()
	var out bytes.Buffer
	if err := Read(t.Context(), &out, path, q); err != nil {
		t.Fatal(err)
	}
	return joined(t, out.String())
}

func joined(t *testing.T, log string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(log) {
		e, err := Parse([]byte(line))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		b.Write(e.Text)
	}
	return b.String()
}

func TestWriteRead(t *testing.T) {
	long := strings.Repeat("x", 3*MaxPiece+5)
	cases := map[string][]string{
		"a\nb\n":                    {"a\nb\n"},
		"begun":                     {"be", "gun"},
		"\n\n":                      {"\n", "\n"},
		long + "\n":                 {long[:100], long[100:] + "\n"},
		long[:MaxPiece] + "\n":      {long[:MaxPiece] + "\n"},
		long[:MaxPiece] + "y\nz":    {long[:MaxPiece], "y\nz"},
		"first\nsecond\nthird part": {"first\nsec", "ond\nthird", " part"},
	}
	for want, pieces := range cases {
		path := filepath.Join(t.TempDir(), "0.log")
		w, err := Create(path, DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, "stdout", pieces...)
		if got := texts(t, path, Query{TailLines: -1}); got != want {
			t.Errorf("%.40q: got %.40q", want, got)
		}
	}
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func TestRotationAndTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "0.log")
	w, err := Create(path, Limits{Size: 1000, Files: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := w.Stream("stdout")
	for i := range 100 {
		fmt.Fprintf(s, "line %d\n", i)
	}
	all := texts(t, path, Query{TailLines: -1})
	if first := 100 - strings.Count(all, "\n"); first < 20 || first > 60 || all != lines(first, 100) {
		t.Fatalf("kept: %q", all)
	}
	for n := range 70 {
		want := lines(max(100-n, 100-strings.Count(all, "\n")), 100)
		if got := texts(t, path, Query{TailLines: int64(n)}); got != want {
			t.Errorf("tail %d: %q", n, got)
		}
	}
}

func TestSince(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	w, _ := Create(path, Limits{Size: 100, Files: 5})
	write(t, w, "stdout", "old\n")
	time.Sleep(2 * time.Millisecond)
	since := time.Now()
	write(t, w, "stderr", "new 1\n")
	write(t, w, "stderr", "new 2\n")
	write(t, w, "stderr", "new 3\n")
	if got := texts(t, path, Query{TailLines: -1, Since: since}); got != "new 1\nnew 2\nnew 3\n" {
		t.Errorf("%q", got)
	}
	if got := texts(t, path, Query{TailLines: 1, Since: since}); got != "new 3\n" {
		t.Errorf("%q", got)
	}
	if got := texts(t, path, Query{TailLines: -1, Since: time.Now().Add(time.Hour)}); got != "" {
		t.Errorf("%q", got)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func TestFollowThroughRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	w, _ := Create(path, Limits{Size: 20_000, Files: 5})
	s := w.Stream("stdout")
	fmt.Fprint(s, lines(0, 10))
	ended := make(chan struct{})
	go func() {
		for i := 10; i < 5000; i++ {
			fmt.Fprintf(s, "line %d\n", i)
			if i%200 == 0 {
				time.Sleep(5 * time.Millisecond) // a reader that is left behind by more files than are kept loses lines
			}
		}
		close(ended)
	}()
	var out lockedBuffer
	if err := Follow(t.Context(), &out, path, Query{TailLines: -1}, ended); err != nil {
		t.Fatal(err)
	}
	if got := joined(t, out.b.String()); got != lines(0, 5000) {
		t.Errorf("lost or doubled lines: %d of 5000", strings.Count(got, "\n"))
	}
}

func TestFollowEndsWithContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	w, _ := Create(path, DefaultLimits)
	write(t, w, "stdout", "a\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	err := Follow(ctx, writer(func(p []byte) (int, error) {
		cancel() // what was there has come; nothing more will
		return out.Write(p)
	}), path, Query{TailLines: -1}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if joined(t, out.String()) != "a\n" {
		t.Error(out.String())
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// A limit of the file size stands for a full disk: the kernel writes what fits, and then fails.
func TestAnEntryThatDoesNotFitIsLeftOutWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	w, err := Create(path, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	stream := w.Stream("stdout")
	limited := func(bytes uint64, write func()) {
		var before unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		defer unix.Setrlimit(unix.RLIMIT_FSIZE, &before)
		write()
	}
	if _, err := stream.Write([]byte("first\n")); err != nil {
		t.Fatal(err)
	}
	limited(60, func() {
		if _, err := stream.Write([]byte("does not fit\n")); err == nil {
			t.Error("the write did not fail")
		}
	})
	if _, err := stream.Write([]byte("last\n")); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, path, Query{TailLines: -1}); got != "first\nlast\n" {
		t.Errorf("got %q", got)
	}
}

// A container goes on writing while its log is read.
func TestReadEndsWhereTheLogEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	write(t, w, "stdout", "a\nb\n")
	for _, q := range []Query{{TailLines: 1}, {TailLines: -1, Since: time.Unix(1, 0)}} {
		var out bytes.Buffer
		busy := writer(func(p []byte) (int, error) {
			write(t, w, "stdout", "more\n")
			return out.Write(p)
		})
		before := texts(t, path, q)
		if err := Read(t.Context(), busy, path, q); err != nil {
			t.Fatal(err)
		}
		if got := joined(t, out.String()); got != before {
			t.Errorf("%+v: %q, want %q", q, got, before)
		}
	}
}
