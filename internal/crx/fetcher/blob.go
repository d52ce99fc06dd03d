package fetcher

import (
	"context"
	"errors"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	fetcherv1 "pacific/api/fetcher/v1"
)

// maxResumes bounds how often the download of one blob is taken up again after the connection broke.
const maxResumes = 8

// The pause before the first resumption; it doubles up to maxPause.
var firstPause = 250 * time.Millisecond

const maxPause = 10 * time.Second

// opener opens a blob at an offset.
type opener func(ctx context.Context, digest v1.Hash, offset int64) (io.ReadCloser, error)

// blobReader reads a blob and goes on where it was when a connection breaks. It never gives more than the descriptor's
// size plus one byte, so that a longer answer fails its digest and cannot fill the disk.
type blobReader struct {
	ctx     context.Context
	open    opener
	desc    v1.Descriptor
	body    io.ReadCloser
	offset  int64
	resumes int
	pause   time.Duration
}

func readBlob(ctx context.Context, open opener, desc v1.Descriptor) *blobReader {
	return &blobReader{ctx: ctx, open: open, desc: desc, pause: firstPause}
}

func (b *blobReader) Read(p []byte) (int, error) {
	if left := b.desc.Size + 1 - b.offset; int64(len(p)) > left {
		p = p[:left]
	}
	if len(p) == 0 {
		return 0, io.EOF
	}
	for {
		n, err := b.read(p)
		b.offset += int64(n)
		if n > 0 || err == nil {
			return n, nil
		}
		if errors.Is(err, io.EOF) && b.offset >= b.desc.Size {
			return 0, io.EOF
		}
		if err := b.resume(err); err != nil {
			return 0, err
		}
	}
}

func (b *blobReader) read(p []byte) (int, error) {
	if b.body == nil {
		body, err := b.open(b.ctx, b.desc.Digest, b.offset)
		if err != nil {
			return 0, &openError{err}
		}
		b.body = body
	}
	return b.body.Read(p)
}

// openError is an error of the request, not of the answer's body.
type openError struct{ error }

func (e *openError) Unwrap() error { return e.error }

// resume waits a moment before the next try, or gives the error to end with.
func (b *blobReader) resume(cause error) error {
	b.Close()
	if err := context.Cause(b.ctx); err != nil {
		return err
	}
	// A registry that says no (not found, unauthorized) will say it again.
	var request *openError
	if errors.As(cause, &request) && kindOf(cause) != fetcherv1.Failure_UNREACHABLE {
		return cause
	}
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	if b.resumes++; b.resumes > maxResumes {
		return fail(fetcherv1.Failure_UNREACHABLE, "blob %s: download broke %d times, at last after %d of %d bytes: %w",
			b.desc.Digest, b.resumes, b.offset, b.desc.Size, cause)
	}
	timer := time.NewTimer(b.pause)
	defer timer.Stop()
	b.pause = min(2*b.pause, maxPause)
	select {
	case <-timer.C:
		return nil
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
}

func (b *blobReader) Close() error {
	if b.body == nil {
		return nil
	}
	err := b.body.Close()
	b.body = nil
	return err
}
