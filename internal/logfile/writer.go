package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits bound what one run of a container keeps on disk.
type Limits struct {
	Size  int64 // of a file, in bytes; it may be passed by one write
	Files int   // the newest included
}

// DefaultLimits are the kubelet's.
var DefaultLimits = Limits{Size: 10 << 20, Files: 5}

// Writer writes one log. Its streams may be used side by side.
type Writer struct {
	path   string
	limits Limits

	mu     sync.Mutex
	file   *os.File
	number int
	size   int64
}

// Create opens the log for appending.
func Create(path string, limits Limits) (*Writer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the log: %w", err)
	}
	present, err := numbers(path)
	if err != nil {
		return nil, fmt.Errorf("create the log: %w", err)
	}
	w := &Writer{path: path, limits: limits, number: 1}
	if len(present) > 0 {
		w.number = present[len(present)-1]
	}
	if err := w.open(); err != nil {
		return nil, fmt.Errorf("create the log: %w", err)
	}
	return w, nil
}

func (w *Writer) open() error {
	f, err := os.OpenFile(numbered(w.path, w.number), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	w.file, w.size = f, info.Size()
	return nil
}

// Close ends the log. Its streams are closed before.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.file.Close()
}

func (w *Writer) write(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rotated error
	if w.size > 0 && w.size+int64(len(b)) > w.limits.Size {
		rotated = w.rotate()
	}
	n, err := w.file.Write(b)
	// On a full disk an entry is left out whole: half of one would spoil the next.
	if err != nil && n > 0 && w.file.Truncate(w.size) == nil {
		n = 0
	}
	w.size += int64(n)
	return errors.Join(rotated, err)
}

// rotate begins the next file. When it cannot, the present one is written on.
func (w *Writer) rotate() error {
	old := w.file
	w.number++
	if err := w.open(); err != nil {
		w.number--
		return fmt.Errorf("rotate the log: %w", err)
	}
	err := os.Remove(numbered(w.path, w.number-w.limits.Files))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, old.Close())
}

func numbered(path string, number int) string { return fmt.Sprintf("%s.%d", path, number) }

// numbers returns the numbers of a log's files, in order.
func numbers(path string) ([]int, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var first, last int
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		if n, err := strconv.Atoi(suffix); ok && err == nil {
			if first == 0 || n < first {
				first = n
			}
			last = max(last, n)
		}
	}
	// The listing is no snapshot: of two files made meanwhile it may show only the second.
	var found []int
	for n := max(first, 1); n <= last; n++ {
		if _, err := os.Stat(numbered(path, n)); err == nil {
			found = append(found, n)
		}
	}
	return found, nil
}

// Stream returns a writer for "stdout" or "stderr". Close writes an unfinished last line.
func (w *Writer) Stream(name string) io.WriteCloser { return &stream{w: w, name: name} }

type stream struct {
	w    *Writer
	name string
	line []byte // begun and not ended
	out  []byte
}

func (s *stream) Write(p []byte) (int, error) {
	now := time.Now()
	s.out = s.out[:0]
	for rest := p; len(rest) > 0; {
		text, after, ended := bytes.Cut(rest, []byte{'\n'})
		if room := MaxPiece - len(s.line); len(text) > room {
			s.emit(now, true, rest[:room])
			rest = rest[room:]
			continue
		}
		if !ended {
			s.line = append(s.line, text...)
			break
		}
		s.emit(now, false, text)
		rest = after
	}
	if len(s.out) > 0 {
		if err := s.w.write(s.out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (s *stream) emit(now time.Time, partial bool, text []byte) {
	if len(s.line) > 0 {
		text = append(s.line, text...)
	}
	s.out = appendEntry(s.out, now, s.name, partial, text)
	s.line = s.line[:0]
}

func (s *stream) Close() error {
	if len(s.line) == 0 {
		return nil
	}
	s.out = s.out[:0]
	s.emit(time.Now(), true, nil)
	return s.w.write(s.out)
}
