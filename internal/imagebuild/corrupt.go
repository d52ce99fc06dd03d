package imagebuild

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// PushCorrupt pushes an image whose only layer is then changed in the registry's data directory.
func PushCorrupt(ctx context.Context, ref, dataDir, caFile string, auth authn.Authenticator) error {
	// A layer of its own: no other image shall suffer.
	layer, err := Layer(File("data", 0o644, noise(99, 1<<20)))
	if err != nil {
		return err
	}
	img, err := Assemble(AMD64, v1.Config{Cmd: []string{"/none"}}, layer)
	if err != nil {
		return err
	}
	digest, err := layer.Digest()
	if err != nil {
		return err
	}
	if err := Push(ctx, ref, img, caFile, auth); err != nil {
		return err
	}
	return Corrupt(dataDir, digest)
}

// Corrupt changes one byte of a pushed blob in the data directory of the project's registry, whose layout is that of the
// distribution project's file system driver. The blob's digest is then wrong.
func Corrupt(dataDir string, digest v1.Hash) error {
	file := filepath.Join(dataDir, "docker/registry/v2/blobs", digest.Algorithm, digest.Hex[:2], digest.Hex, "data")
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("corrupt blob %s: %w", digest, err)
	}
	defer f.Close()
	b := make([]byte, 1)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.ReadAt(b, info.Size()/2); err != nil {
		return err
	}
	b[0] ^= 0xff
	_, err = f.WriteAt(b, info.Size()/2)
	return err
}
