package session

import (
	"bytes"
	"testing"
	"time"
)

// What a process wrote before it ended must not be lost because this program was too late to read it.
func TestOutputAfterTimeLimit(t *testing.T) {
	s, err := Pipes(false, true, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, out, _ := s.Process()
	if _, err := out.WriteString("last words\n"); err != nil {
		t.Fatal(err)
	}
	// The writing end stays open, as with another container that has it.
	s.Drain(-time.Second)
	var got bytes.Buffer
	if err := CopyOutput(&got, s.Out); err != nil {
		t.Fatal(err)
	}
	if got.String() != "last words\n" {
		t.Errorf("copied %q", got.String())
	}
}
