// Package audit writes down who changed what, and with which result: a JSON object a line.
package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Event is one call that changed something, or tried to. It never holds a request's body, which may hold secrets.
type Event struct {
	Time   time.Time `json:"time"`
	User   string    `json:"user"`   // user@domain, or "anonymous"
	Source string    `json:"source"` // address of the client
	Call   string    `json:"call"`   // method and path
	Action string    `json:"action,omitempty"`
	Status int       `json:"status"` // of the answer
	Error  string    `json:"error,omitempty"`
}

// Log is a file that is only appended to. When it is full it becomes the file with ".1", and that one ".2".
type Log struct {
	path string
	max  int64

	mu   sync.Mutex
	file *os.File
	size int64
}

const (
	maxBytes = 64 << 20
	kept     = 4
)

// Open opens the log at path, 0600.
func Open(path string) (*Log, error) {
	l := &Log{path: path, max: maxBytes}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return l, l.open()
}

func (l *Log) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	l.file, l.size = file, info.Size()
	return nil
}

// Write appends an event.
func (l *Log) Write(event Event) error {
	data, err := json.Marshal(event)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > l.max {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	n, err := l.file.Write(append(data, '\n'))
	l.size += int64(n)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

func (l *Log) rotate() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	for n := kept - 1; n >= 0; n-- {
		if err := os.Rename(l.numbered(n), l.numbered(n+1)); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("audit log: %w", err)
		}
	}
	return l.open()
}

func (l *Log) numbered(n int) string {
	if n == 0 {
		return l.path
	}
	return fmt.Sprintf("%s.%d", l.path, n)
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }
