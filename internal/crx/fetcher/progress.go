package fetcher

import (
	"io"
	"time"

	fetcherv1 "pacific/api/fetcher/v1"
)

// reportEvery bounds the stream of progress messages.
const reportEvery = 500 * time.Millisecond

// progress counts the bytes of an image's layers as they come in. It is for one goroutine.
type progress struct {
	report      func(*fetcherv1.FetchProgress)
	done, total uint64
	last        time.Time
}

func newProgress(report func(*fetcherv1.FetchProgress), layers []layer) *progress {
	p := &progress{report: report}
	for _, l := range layers {
		p.total += uint64(l.desc.Size)
	}
	p.send("downloading")
	return p
}

func (p *progress) send(stage string) {
	p.last = time.Now()
	p.report(&fetcherv1.FetchProgress{Stage: stage, BytesDone: p.done, BytesTotal: p.total})
}

// count counts what is read through the returned reader.
func (p *progress) count(r io.Reader) io.Reader { return &counting{r, p} }

type counting struct {
	r io.Reader
	p *progress
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.done += uint64(n)
	return n, err
}

// alive reports from time to time, also while much content comes out of few bytes.
func (p *progress) alive() {
	if time.Since(p.last) >= reportEvery {
		p.send("unpacking")
	}
}

// while does something that may take long and reports meanwhile, so that nobody takes the silence for a stall.
func (p *progress) while(stage string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			p.send(stage)
		}
	}
}
