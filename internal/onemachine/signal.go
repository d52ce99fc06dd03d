package onemachine

import (
	"fmt"

	"golang.org/x/sys/unix"

	"pacific/internal/onemachine/layout"
)

// Signal sends a signal to a daemon of the instance.
func Signal(l layout.Layout, daemon string, signal unix.Signal) error {
	record, ok := records(l).Running(daemon)
	if !ok {
		return fmt.Errorf("%s does not run; see pacific status", daemon)
	}
	return record.Signal(signal)
}
