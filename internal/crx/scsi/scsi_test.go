package scsi

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	if _, err := find(sys, dev, 3); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no disk: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(sys, "bus/scsi/devices/0:0:0:3/block/sdc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := find(sys, dev, 3); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no device node yet: %v", err)
	}
	want := filepath.Join(dev, "sdc")
	// A socket is refused as a disk is whose node came first: ENXIO.
	early, err := net.Listen("unix", want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := find(sys, dev, 3); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("not to be opened yet: %v", err)
	}
	early.Close()
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := find(sys, dev, 3); err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestWaitDeviceEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := WaitDevice(ctx, 16383); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}
