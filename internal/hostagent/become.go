package hostagent

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"pacific/internal/wire"
)

// Become turns the calling process into a daemon of the host: it records itself and executes the program.
func Become(dir Dir, name string) error {
	c, err := dir.Load()
	if err != nil {
		return err
	}
	wanted, err := dir.loadWanted()
	if err != nil {
		return err
	}
	for _, d := range Daemons(dir, c, wanted) {
		if d.Name != name {
			continue
		}
		if _, err := os.Stat(d.Program); err != nil {
			return fmt.Errorf("daemon %s: %w; install the programs there, or join again with another --bin-dir", name, err)
		}
		if d.Namespace != "" {
			// A namespace belongs to a thread; the one that executes the program takes it along.
			runtime.LockOSThread()
			if err := wire.Enter(d.Namespace); err != nil {
				return err
			}
		}
		if err := c.Records().Become(name, d.Command()); err != nil {
			return err
		}
		err := syscall.Exec(d.Program, d.Command(), os.Environ())
		return errors.Join(fmt.Errorf("execute %s: %w", d.Program, err), c.Records().Forget(name))
	}
	return fmt.Errorf("host %s has no daemon %s now", c.Name, name)
}
