package fetcher

import "io"

// readAhead is how much of a layer may lie between the network and the archive: a few chunks, so that both work at a
// time on a machine with two processors and the memory stays small.
const (
	aheadChunk  = 128 << 10
	aheadChunks = 16
)

// ahead reads r in a goroutine of its own, so that decryption and checksums run beside decompression and file system.
// The goroutine ends with r, or when the caller closes the returned reader.
func ahead(r io.Reader) io.ReadCloser {
	a := &aheadReader{full: make(chan chunk, aheadChunks), quit: make(chan struct{})}
	go a.fill(r)
	return a
}

type chunk struct {
	data []byte
	err  error
}

type aheadReader struct {
	full chan chunk
	quit chan struct{}
	now  chunk
}

func (a *aheadReader) fill(r io.Reader) {
	defer close(a.full)
	for {
		buf := make([]byte, aheadChunk)
		n, err := io.ReadFull(r, buf)
		if err == io.ErrUnexpectedEOF {
			err = io.EOF // of ReadFull; a broken download has an error of its own
		}
		select {
		case a.full <- chunk{buf[:n], err}:
		case <-a.quit:
			return
		}
		if err != nil {
			return
		}
	}
}

func (a *aheadReader) Read(p []byte) (int, error) {
	for len(a.now.data) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		next, ok := <-a.full
		if !ok {
			return 0, io.ErrClosedPipe
		}
		a.now = next
	}
	n := copy(p, a.now.data)
	a.now.data = a.now.data[n:]
	return n, nil
}

func (a *aheadReader) Close() error {
	close(a.quit)
	for range a.full { // until fill has let go of r
	}
	return nil
}
