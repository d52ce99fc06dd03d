package pid1

import (
	"bytes"
	"strings"
)

// tail keeps the end of what was written to it: whole lines where possible, at most limit bytes.
type tail struct {
	limit int
	data  []byte
	cut   bool
}

func (t *tail) write(p []byte) {
	t.data = append(t.data, p...)
	if over := len(t.data) - t.limit; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
		t.cut = true
	}
}

// String returns the kept text, without the first line when that lost its beginning.
func (t *tail) String() string {
	data := t.data
	if t.cut {
		if i := bytes.IndexByte(data, '\n'); i >= 0 && i < len(data)-1 {
			data = data[i+1:]
		}
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(data)), "?")
}
