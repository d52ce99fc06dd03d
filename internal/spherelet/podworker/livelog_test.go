package podworker

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

func TestLiveLog(t *testing.T) {
	const whole = "one\ntwo\nthree\n"
	keep := func() io.ReadCloser { return io.NopCloser(strings.NewReader(whole)) }
	none := func() io.ReadCloser { return nil }
	for name, c := range map[string]struct {
		sent   string
		lost   bool
		moving bool
		kept   func() io.ReadCloser
		want   string
		err    error
	}{
		"complete":                          {sent: whole, kept: keep, want: whole},
		"lost before the first line":        {lost: true, kept: keep, want: whole},
		"lost within a line":                {sent: "one\nt", lost: true, kept: keep, want: whole},
		"lost behind the end":               {sent: whole, lost: true, kept: keep, want: whole},
		"lost with nothing kept":            {sent: "one\n", lost: true, kept: none, want: "one\n", err: io.ErrUnexpectedEOF},
		"followed from its end, lost":       {sent: "three\n", lost: true, moving: true, kept: keep, want: "three\n", err: io.ErrUnexpectedEOF},
		"followed from its end, lost early": {lost: true, moving: true, kept: keep, want: whole},
	} {
		t.Run(name, func(t *testing.T) {
			host, guest := net.Pipe()
			lost := make(chan struct{})
			go func() {
				io.WriteString(guest, c.sent)
				if c.lost {
					close(lost)
				}
				guest.Close()
			}()
			log := &liveLog{Conn: host, lost: lost, kept: c.kept, moving: c.moving}
			got, err := io.ReadAll(log)
			if string(got) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q, %v; want %q, %v", got, err, c.want, c.err)
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
