package agent

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"

	"pacific/internal/logfile"
)

// The kubelet's bounds of a termination message.
const (
	maxMessage      = 4096
	maxMessageLines = 80
	maxMessageTail  = 2048 // when it is taken from the log
)

func (i *instance) messagePath() string { return filepath.Join(i.dir, "termination-log") }

func createMessageFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		return err
	}
	return os.Chmod(path, 0o666) // any user of the container may write it
}

// terminationMessage is what the container left as its last words.
func (i *instance) terminationMessage(failed bool) string {
	f, err := os.Open(i.messagePath())
	if err == nil {
		defer f.Close()
		if b, err := io.ReadAll(io.LimitReader(f, maxMessage)); err == nil && len(b) > 0 {
			return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
		}
	}
	if !failed || !i.spec.GetTerminationMessageFallbackToLogs() {
		return ""
	}
	var raw bytes.Buffer
	if err := logfile.Read(context.Background(), &raw, logPath(i.spec.GetName(), i.attempt), logfile.Query{TailLines: maxMessageLines}); err != nil {
		return ""
	}
	var text []byte
	for line := range bytes.Lines(raw.Bytes()) {
		if e, err := logfile.Parse(line); err == nil {
			text = append(text, e.Text...)
		}
	}
	if over := len(text) - maxMessageTail; over > 0 {
		text = text[over:]
	}
	return string(bytes.ToValidUTF8(text, []byte("\uFFFD")))
}
