package logfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Query selects entries of a log.
type Query struct {
	TailLines int64     // from the end; negative for all
	Since     time.Time // zero for all
}

// Read copies what the log holds when it is called to w, in the log format: a container that writes faster than w takes does
// not hold the reader, nor make its last lines more than asked for.
func Read(ctx context.Context, w io.Writer, path string, q Query) error {
	f, err := copyPresent(ctx, w, path, q)
	if err != nil {
		return err
	}
	return f.Close()
}

// Follow copies what the log holds and then what is added, until ctx ends or, after ended is closed, all is copied.
func Follow(ctx context.Context, w io.Writer, path string, q Query, ended <-chan struct{}) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("follow the log: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		return fmt.Errorf("follow the log: %w", err)
	}
	f, err := copyPresent(ctx, w, path, q)
	if err != nil {
		return err
	}
	for {
		if f, err = copyNew(ctx, w, path, f); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			f.Close()
			return ctx.Err()
		case err := <-watcher.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				f.Close()
				return fmt.Errorf("follow the log: %w", err)
			}
		case <-watcher.Events:
		case <-ended:
			f, err = copyNew(ctx, w, path, f)
			if err == nil {
				f.Close()
			}
			return err
		}
	}
}

// part is an open file of a log.
type part struct {
	*os.File
	number int
	end    int64 // when it was opened
}

// copyPresent returns the newest file, read to where its end was.
func copyPresent(ctx context.Context, w io.Writer, path string, q Query) (part, error) {
	parts, err := openAll(path)
	if err != nil {
		return part{}, fmt.Errorf("read the log: %w", err)
	}
	newest := parts[len(parts)-1]
	defer closeAll(parts[:len(parts)-1])
	first, err := seekTail(parts, q.TailLines)
	if err != nil {
		newest.Close()
		return part{}, fmt.Errorf("read the log: %w", err)
	}
	for _, p := range parts[first:] {
		if err := copySince(ctx, w, p, q.Since); err != nil {
			newest.Close()
			return part{}, err
		}
	}
	return newest, nil
}

// openAll opens the files of a log, at least one, in order.
func openAll(path string) ([]part, error) {
	present, err := numbers(path)
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, n := range present {
		f, err := os.Open(numbered(path, n))
		if os.IsNotExist(err) {
			continue // the oldest was removed meanwhile
		}
		if err != nil {
			closeAll(parts)
			return nil, err
		}
		end, err := size(f)
		parts = append(parts, part{f, n, end})
		if err != nil {
			closeAll(parts)
			return nil, err
		}
	}
	if len(parts) == 0 {
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	return parts, nil
}

func size(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func closeAll(parts []part) {
	for _, p := range parts {
		p.Close()
	}
}

// seekTail places the files where the last n lines begin, and returns the index of the first to read.
func seekTail(parts []part, n int64) (int, error) {
	if n < 0 {
		return 0, nil
	}
	for i, p := range slices.Backward(parts) {
		offset, missing, err := tailOffset(p, p.end, n)
		if err != nil {
			return 0, err
		}
		if _, err := p.Seek(offset, io.SeekStart); err != nil {
			return 0, err
		}
		if n = missing; n == 0 {
			return i, nil
		}
	}
	return 0, nil
}

// tailOffset finds where the last n lines before the end begin, and how many are missing when there are fewer.
func tailOffset(f io.ReaderAt, end, n int64) (offset, missing int64, err error) {
	if n == 0 {
		return end, 0, nil
	}
	block := make([]byte, 32<<10)
	seen := int64(-1) // the end of the last line begins no line
	for end > 0 {
		size := min(end, int64(len(block)))
		if _, err := f.ReadAt(block[:size], end-size); err != nil {
			return 0, 0, err
		}
		for at := bytes.LastIndexByte(block[:size], '\n'); at >= 0; at = bytes.LastIndexByte(block[:at], '\n') {
			if seen++; seen == n {
				return end - size + int64(at) + 1, 0, nil
			}
		}
		end -= size
	}
	return 0, n - max(seen+1, 0), nil
}

func copySince(ctx context.Context, w io.Writer, p part, since time.Time) error {
	offset, err := p.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(io.LimitReader(p, p.end-offset), 64<<10)
	for !since.IsZero() && ctx.Err() == nil {
		line, err := r.ReadBytes('\n')
		if err != nil {
			// A line that is still being written is read again by the next one.
			_, err := p.Seek(-int64(len(line)), io.SeekCurrent)
			return err
		}
		if e, err := Parse(line); err == nil && !e.Time.Before(since) {
			if _, err := w.Write(line); err != nil {
				return err
			}
			break
		}
	}
	return copyAll(ctx, w, r)
}

func copyAll(ctx context.Context, w io.Writer, r io.Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := io.Copy(w, r)
	return err
}

// copyNew copies what came since to the file and to those after it. It returns the newest, and closes all when it fails.
func copyNew(ctx context.Context, w io.Writer, path string, p part) (part, error) {
	for {
		next, err := successor(path, p.number) // asked before reading: a file with a successor is complete
		if err == nil {
			err = copyAll(ctx, w, p)
		}
		if err != nil {
			p.Close()
			return part{}, err
		}
		if next == p.number {
			return p, nil
		}
		f, err := os.Open(numbered(path, next))
		if errors.Is(err, fs.ErrNotExist) {
			continue // so far behind that it was removed meanwhile
		}
		p.Close()
		if err != nil {
			return part{}, fmt.Errorf("read the log: %w", err)
		}
		p = part{File: f, number: next}
	}
}

// successor is the number of the file after this one, or this one when it is the newest.
func successor(path string, number int) (int, error) {
	present, err := numbers(path)
	if err != nil {
		return 0, fmt.Errorf("read the log: %w", err)
	}
	for _, n := range present {
		if n > number {
			return n, nil
		}
	}
	return number, nil
}
