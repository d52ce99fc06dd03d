package pid1

import "bytes"

// maxLine bounds a line from the host. An Identity, the longest message, has some hundred bytes.
const maxLine = 64 << 10

// lines cuts a byte stream into lines. A line that is too long is left out whole.
type lines struct {
	rest     []byte
	skipping bool
}

// add takes the next bytes of the stream and returns the lines that are complete now, without their ends.
func (l *lines) add(data []byte) [][]byte {
	var complete [][]byte
	for len(data) > 0 {
		head, tail, found := bytes.Cut(data, []byte{'\n'})
		data = tail
		if !l.skipping {
			l.rest = append(l.rest, head...)
		}
		if len(l.rest) > maxLine {
			l.rest, l.skipping = nil, true
		}
		if !found {
			return complete
		}
		if !l.skipping {
			complete = append(complete, bytes.TrimSuffix(l.rest, []byte{'\r'}))
		}
		l.rest, l.skipping = nil, false
	}
	return complete
}
