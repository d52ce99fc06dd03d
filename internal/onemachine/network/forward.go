package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"pacific/internal/onemachine/layout"
)

const forwardSwitch = "/proc/sys/net/ipv4/ip_forward"

// forwardBefore holds the value that the machine had before the first instance switched forwarding on. It exists only if
// an instance changed it.
var forwardBefore = filepath.Join(layout.RunRoot, "ip_forward.before")

func enableForwarding() error {
	before, err := os.ReadFile(forwardSwitch)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(before)) == "1" {
		return nil
	}
	if err := os.MkdirAll(layout.RunRoot, 0o755); err != nil {
		return err
	}
	// Recorded before it is changed: whoever dies in between leaves a record that is true.
	if err := renameio.WriteFile(forwardBefore, before, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(forwardSwitch, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("switch on IP forwarding: %w", err)
	}
	return nil
}

// RestoreForwarding gives the machine back the value it had. It is for the last instance that goes.
func RestoreForwarding() error {
	before, err := os.ReadFile(forwardBefore)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(forwardSwitch, before, 0o644); err != nil {
		return fmt.Errorf("restore IP forwarding: %w", err)
	}
	return os.Remove(forwardBefore)
}
