package instance

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Lock makes the caller the only one that changes the instance in home until unlock is called. The lock lies on the
// directory itself, so that it leaves no file behind.
func Lock(home string) (unlock func(), err error) {
	dir, err := os.Open(home) // fs.ErrNotExist tells callers that there is nothing to lock
	if err != nil {
		return nil, fmt.Errorf("lock instance: %w", err)
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		dir.Close()
		return nil, fmt.Errorf("another pacific up or down is working on %s; wait until it has ended", home)
	}
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("lock %s: %w", home, err)
	}
	if !sameFile(dir, home) {
		dir.Close()
		return nil, fmt.Errorf("%s was deleted just now; try again", home)
	}
	return func() { dir.Close() }, nil
}
