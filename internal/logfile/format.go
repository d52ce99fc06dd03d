// Package logfile writes and reads container logs in the CRI log format, a log for each run of a
// container:
//
//	2030-01-02T03:04:05.123456789Z stdout F the line
//
// The third field is P for a piece of a line that goes on, F for its end.
//
// The log NAME is in the files NAME.1, NAME.2, … in this order. No file is ever renamed, and a file is complete when the
// next one exists, so that readers need no lock. The oldest are removed.
package logfile

import (
	"bytes"
	"errors"
	"time"
)

// MaxPiece is the longest piece of a line, in bytes; longer lines are cut.
const MaxPiece = 16 << 10

// Timestamps have a fixed length, so that lines can be compared as text.
const timeFormat = "2006-01-02T15:04:05.000000000Z07:00"

// Entry is one line of a log file.
type Entry struct {
	Time    time.Time
	Stream  string // "stdout" or "stderr"
	Partial bool   // the line goes on in the next entry of the stream
	Text    []byte // with the line's end, unless Partial
}

func appendEntry(out []byte, at time.Time, stream string, partial bool, text []byte) []byte {
	out = at.UTC().AppendFormat(out, timeFormat)
	out = append(out, ' ')
	out = append(out, stream...)
	if partial {
		out = append(out, " P "...)
	} else {
		out = append(out, " F "...)
	}
	out = append(out, text...)
	return append(out, '\n')
}

var errFormat = errors.New("no line of the CRI log format")

// Parse takes a line of a log file, with or without its end.
func Parse(line []byte) (Entry, error) {
	fields := bytes.SplitN(bytes.TrimSuffix(line, []byte{'\n'}), []byte{' '}, 4)
	if len(fields) != 4 {
		return Entry{}, errFormat
	}
	at, err := time.Parse(time.RFC3339Nano, string(fields[0]))
	if err != nil {
		return Entry{}, errFormat
	}
	e := Entry{Time: at, Stream: string(fields[1]), Text: fields[3]}
	switch tag, _, _ := bytes.Cut(fields[2], []byte{':'}); string(tag) {
	case "P":
		e.Partial = true
	case "F":
		e.Text = append(bytes.Clone(e.Text), '\n')
	default:
		return Entry{}, errFormat
	}
	return e, nil
}
