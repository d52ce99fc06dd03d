package vmm

import (
	"errors"
	"os"
)

// Sweep ends the VMMs of all machines that have their run directories in runDir, and removes it: for short-lived machines
// that hostd's own end cut off.
func Sweep(monitor VMM, runDir string) error {
	found, err := monitor.Find(runDir)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := End(f.Process); err != nil {
			return err
		}
	}
	return os.RemoveAll(runDir)
}

// End kills a process and returns when it has ended. One that is gone is no error.
func End(id Identity) error {
	process, err := Reopen(id)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	killed := process.Kill()
	_, waited := process.Wait()
	return errors.Join(killed, waited, process.Close())
}
