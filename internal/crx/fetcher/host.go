package fetcher

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	fetcherv1 "pacific/api/fetcher/v1"
	"pacific/internal/channel"
	"pacific/internal/ociclient"
)

// Host is what the host does for a fetcher besides connecting it. The zero value does nothing: then layers are downloaded,
// and digests computed, here.
type Host struct {
	// Open opens a stream; nil for a host that does nothing.
	Open func(context.Context, channel.Header) (net.Conn, error)
	// Sums has the host compute the digests of contents too, which pays where processors are emulated.
	Sums bool
}

// blobs are those of a registry.
type blobs interface {
	Blob(ctx context.Context, digest v1.Hash, offset int64) (io.ReadCloser, error)
	MayHaveBlob(ctx context.Context, digest v1.Hash) error
}

// layerSource is where the bytes of one layer come from.
type layerSource struct {
	io.Reader
	// verify is called when all was read. Its error is that the bytes are not the layer's.
	verify func() error
	close  func()
}

// source opens a layer, with what the host has of it first.
func (h Host) source(ctx context.Context, blobs blobs, l layer, progress *progress) (*layerSource, error) {
	if h.Open != nil {
		source, err := h.passing(ctx, blobs, l, progress)
		if source != nil || err != nil {
			return source, err
		}
	}
	blob := readBlob(ctx, blobs.Blob, l.desc)
	own := newHashing(blob)
	return &layerSource{Reader: own, verify: func() error { return l.compare(own.digest()) }, close: func() { blob.Close() }}, nil
}

func (l layer) compare(got v1.Hash) error {
	if got == l.desc.Digest {
		return nil
	}
	return &ociclient.DigestError{What: "layer", Want: l.desc.Digest, Got: got}
}

// passing has the layer go through the host, which keeps it and computes its digest on the way; nil if the host does not.
//
// Layers that the host has whole are used only if the registry says that these credentials may have them.
func (h Host) passing(ctx context.Context, blobs blobs, l layer, progress *progress) (*layerSource, error) {
	stream, have, err := h.ask(ctx, l.desc, progress)
	if err != nil {
		return nil, err
	}
	if stream == nil {
		return nil, nil
	}
	if have == l.desc.Size {
		if err := blobs.MayHaveBlob(ctx, l.desc.Digest); err != nil {
			stream.Close()
			return nil, fmt.Errorf("layer %s: %w", l.desc.Digest, err)
		}
	}
	blob := readBlob(ctx, blobs.Blob, l.desc)
	blob.offset = have
	rest := &passOn{blob: blob, to: stream, left: l.desc.Size - have}
	return &layerSource{
		Reader: io.MultiReader(&exactly{r: stream, left: have}, rest),
		verify: func() error { return l.judge(stream, have) },
		close:  func() { blob.Close(); stream.Close() },
	}, nil
}

// ask opens the layer's stream. Another pull may have the layer just now, so that the answer can take long.
func (h Host) ask(ctx context.Context, desc v1.Descriptor, progress *progress) (stream net.Conn, have int64, err error) {
	stream, err = h.Open(ctx, channel.Header{Kind: channel.KindLayer, Layer: &channel.LayerRequest{Digest: desc.Digest.String(), Size: desc.Size}})
	if err != nil {
		return nil, 0, err
	}
	var reply channel.LayerReply
	if err := progress.while("waiting", func() error { return channel.ReadLine(stream, &reply) }); err != nil {
		stream.Close()
		return nil, 0, fmt.Errorf("layer %s: %w", desc.Digest, hostGone(err))
	}
	if reply.Error != "" || reply.Have < 0 || reply.Have > desc.Size {
		stream.Close()
		return nil, 0, nil
	}
	return stream, reply.Have, nil
}

// judge reads the digest that the host has computed. Bytes that the host had kept and that went bad are its fault, and
// gone by now: the next try downloads them.
func (l layer) judge(stream net.Conn, have int64) error {
	var sum channel.Sum
	if err := channel.ReadLine(stream, &sum); err != nil {
		return fmt.Errorf("layer %s: %w", l.desc.Digest, hostGone(err))
	}
	got, err := v1.NewHash(sum.Digest)
	if err != nil {
		return err
	}
	err = l.compare(got)
	if err != nil && have > 0 {
		return fail(fetcherv1.Failure_UNREACHABLE, "what the host had kept of %w; it is deleted, try again", err)
	}
	return err
}

func hostGone(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &net.OpError{Op: "read", Net: "channel", Err: err}
}

// exactly reads so many bytes; an earlier end is an error.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	if e.left -= int64(n); err != nil && e.left > 0 {
		return n, hostGone(err)
	}
	return n, nil
}

// passOn gives the host the bytes that it does not have, as they are downloaded.
type passOn struct {
	blob io.Reader
	to   io.Writer
	left int64
}

func (p *passOn) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.blob.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	if n > 0 {
		if _, err := p.to.Write(b[:n]); err != nil {
			return n, hostGone(err)
		}
	}
	return n, err
}

// summing computes the digest of what is read through it.
type summing interface {
	io.Reader
	sum() (v1.Hash, error)
	Close() error
}

// through computes the digest of a layer's content, here or on the host.
func (h Host) through(ctx context.Context, r io.Reader) (summing, error) {
	if h.Open == nil || !h.Sums {
		return newHashing(r), nil
	}
	stream, err := h.Open(ctx, channel.Header{Kind: channel.KindSum})
	if err != nil {
		return nil, err
	}
	return &remoteSum{r: r, stream: stream, out: bufio.NewWriterSize(stream, aheadChunk)}, nil
}

// remoteSum is a digest that the host computes.
type remoteSum struct {
	r      io.Reader
	stream net.Conn
	out    *bufio.Writer
	err    error
}

func (s *remoteSum) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if n > 0 && s.err == nil {
		_, s.err = s.out.Write(p[:n])
	}
	return n, err
}

func (s *remoteSum) sum() (v1.Hash, error) {
	if err := errors.Join(s.err, s.out.Flush()); err != nil {
		return v1.Hash{}, hostGone(err)
	}
	if half, ok := s.stream.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return v1.Hash{}, hostGone(err)
		}
	}
	var sum channel.Sum
	if err := channel.ReadLine(s.stream, &sum); err != nil {
		return v1.Hash{}, hostGone(err)
	}
	return v1.NewHash(sum.Digest)
}

func (s *remoteSum) Close() error { return s.stream.Close() }
