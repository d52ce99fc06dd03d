package vmm

import (
	"errors"
	"os"
	"path/filepath"
)

// Complaint is what a VMM with this run directory has said, for a failure to be joined with; nil where there is no failure or it
// has said nothing.
func Complaint(failure error, dir string) error {
	text, _ := os.ReadFile(filepath.Join(dir, LogFile))
	if failure == nil || len(text) == 0 {
		return nil
	}
	return errors.New(string(text))
}
