package session

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"pacific/internal/logfile"
)

// What a container wrote last may have no end of line; the log has it all the same.
func TestFanEndsLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := logfile.Create(path, logfile.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	fan := NewFan(log.Stream("stdout"))
	if _, err := io.WriteString(fan, "first\nDONE"); err != nil {
		t.Fatal(err)
	}
	fan.End()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := logfile.Read(t.Context(), &got, path, logfile.Query{TailLines: 80}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(got.String(), " stdout P DONE\n") {
		t.Errorf("log is %q", got.String())
	}
}
