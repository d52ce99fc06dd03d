package fetcher

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

func TestGrown(t *testing.T) {
	const block, disk = 4096, 1 << 30
	tests := []struct {
		name                 string
		blocks, free, inodes uint64
		want                 uint64
	}{
		{"enough of both", 65536, 60000, 30000, 0},
		{"short of blocks", 61000, 16000, 30000, 131072},
		{"short of inodes", 61000, 60000, 8000, 131072},
		{"no more than the disk", 200000, 16000, 30000, disk / block},
	}
	for _, test := range tests {
		stat := unix.Statfs_t{Bsize: block, Blocks: test.blocks, Bavail: test.free, Ffree: test.inodes}
		if got := grown(stat, disk); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestRoomIsMadeBeforeItIsNeeded(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 5*roomStep/2)
	var read, looks int
	target := Target{Room: func() error {
		if read > looks*roomStep {
			t.Errorf("look %d after %d bytes", looks, read)
		}
		looks++
		return nil
	}}
	r := target.making(bytes.NewReader(content))
	for buf := make([]byte, 70000); ; {
		n, err := r.Read(buf)
		if read += n; errors.Is(err, io.EOF) {
			break
		}
	}
	if read != len(content) || looks != 3 {
		t.Errorf("%d bytes, %d looks", read, looks)
	}
	full := errors.New("full")
	if _, err := io.ReadAll(Target{Room: func() error { return full }}.making(bytes.NewReader(content))); err != full {
		t.Errorf("a look that fails: %v", err)
	}
}
