package fetcher

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/containerd/containerd/v2/pkg/archive"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	fetcherv1 "pacific/api/fetcher/v1"
)

// layer is one layer of an image and the digest that its content must have when uncompressed.
type layer struct {
	desc   v1.Descriptor
	diffID v1.Hash
}

// apply unpacks a layer over what earlier layers left, as the OCI image specification says, while it comes in.
// Both digests are checked at the end; until then the target may hold content that nobody vouches for.
func (l layer) apply(ctx context.Context, host Host, blob io.Reader, verify func() error, progress *progress, target Target) error {
	compressed := progress.count(blob)
	err := l.unpack(ctx, host, compressed, progress, target)
	// The rest is read even after an error: a wrong digest explains a broken archive, not the other way round.
	if _, drainErr := io.Copy(io.Discard, compressed); drainErr != nil {
		return fmt.Errorf("layer %s: %w", l.desc.Digest, drainErr)
	}
	if !broken(err) {
		if wrong := verify(); wrong != nil {
			return wrong
		}
	}
	if err != nil {
		return fmt.Errorf("layer %s: %w", l.desc.Digest, err)
	}
	return nil
}

// broken tells errors of the transport or the disk from errors of the content.
func broken(err error) bool {
	kind := fetcherv1.Failure_INVALID
	if err != nil {
		kind = kindOf(err)
	}
	return kind == fetcherv1.Failure_UNREACHABLE || kind == fetcherv1.Failure_NO_SPACE
}

func (l layer) unpack(ctx context.Context, host Host, compressed io.Reader, progress *progress, target Target) error {
	plain, err := decompress(compressed)
	if err != nil {
		return err
	}
	defer plain.Close()
	content, err := host.through(ctx, target.making(&telling{plain, progress.alive}))
	if err != nil {
		return err
	}
	defer content.Close()
	if _, err := archive.Apply(ctx, target.Dir, content); err != nil {
		return err
	}
	// The archive may end before the stream does; the digest is over all of it.
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	got, err := content.sum()
	if err != nil {
		return err
	}
	if got != l.diffID {
		return fail(fetcherv1.Failure_DIGEST_MISMATCH, "its content has digest %s, the image configuration says %s", got, l.diffID)
	}
	return nil
}

// decompress finds the compression by the first bytes, as every runtime does, since media types are often wrong.
func decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(buffered)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// The window of a frame is a demand for memory; 128 MiB is more than zstd's highest level asks for by default.
		d, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(buffered), nil
}

// telling calls each at every read.
type telling struct {
	io.Reader
	each func()
}

func (t *telling) Read(p []byte) (int, error) {
	t.each()
	return t.Reader.Read(p)
}

// hashing computes the digest of what is read through it.
type hashing struct {
	r    io.Reader
	hash hash.Hash
}

func newHashing(r io.Reader) *hashing { return &hashing{r, sha256.New()} }

func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	return n, err
}

func (h *hashing) digest() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.hash.Sum(nil))}
}

func (h *hashing) sum() (v1.Hash, error) { return h.digest(), nil }
func (h *hashing) Close() error          { return nil }
