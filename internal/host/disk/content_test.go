package disk

import (
	"bytes"
	"context"
	"os"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

func TestContent(t *testing.T) {
	ctx := context.Background()
	store, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seed := &hostv1.Disk{Id: "seed", SizeBytes: 1 << 20}
	for range 2 {
		if _, err := store.CreateWith(ctx, seed, []byte("secret")); err != nil {
			t.Fatal(err)
		}
	}
	path, _, err := store.DiskPath("seed")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) != 1<<20 || !bytes.HasPrefix(text, []byte("secret\x00")) {
		t.Errorf("%d bytes %q %v", len(text), text[:10], err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	for name, tc := range map[string]struct {
		disk    *hostv1.Disk
		content []byte
		want    codes.Code
	}{
		"other content":     {seed, []byte("other"), codes.AlreadyExists},
		"none":              {seed, nil, codes.AlreadyExists},
		"too much":          {&hostv1.Disk{Id: "a", SizeBytes: 8 << 20}, make([]byte, MaxContent+1), codes.InvalidArgument},
		"with file system":  {&hostv1.Disk{Id: "a", SizeBytes: 32 << 20, Filesystem: "ext4"}, []byte("x"), codes.InvalidArgument},
		"the id of a guest": {&hostv1.Disk{Id: "guest-image-a", SizeBytes: 1 << 20}, nil, codes.InvalidArgument},
	} {
		if _, err := store.CreateWith(ctx, tc.disk, tc.content); status.Code(err) != tc.want {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}
