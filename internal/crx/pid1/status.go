package pid1

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"pacific/api/crx"
)

// followStatus gives the personality the pipe [crx.StatusFD] and calls reported with each status that it writes, until it has ended.
// The caller closes its own copy of the personality's end after the start.
func followStatus(attr *syscall.ProcAttr, reported func(crx.Status)) (theirs int, err error) {
	if len(attr.Files) != crx.StatusFD {
		return -1, fmt.Errorf("descriptor %d of the personality is taken", crx.StatusFD)
	}
	ours, theirs, err := outputPipe()
	if err != nil {
		return -1, err
	}
	attr.Files = append(attr.Files, uintptr(theirs))
	guard(func() { readStatus(ours, reported) })
	return theirs, nil
}

// readStatus skips what is no status.
func readStatus(pipe *os.File, reported func(crx.Status)) {
	defer pipe.Close()
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		var status crx.Status
		if json.Unmarshal(lines.Bytes(), &status) == nil && status.Stage != "" {
			reported(status)
		}
	}
}
