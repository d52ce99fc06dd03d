package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"pacific/internal/onemachine/layout"
)

const maxID = 254

// Claims is the machine's record of which home has which id: one symbolic link an instance, named by the id. It is on disk,
// not in /run, since certificates, addresses in etcd and image references contain the id and must be valid after a reboot.
type Claims struct {
	Dir string
	// RunRoot holds a directory, named by its id, for each instance that is up.
	RunRoot string
}

// DefaultClaims are those of this machine.
var DefaultClaims = Claims{Dir: "/var/lib/pacific-instances", RunRoot: layout.RunRoot}

// Claim gives home the lowest id that is free and that usable accepts, or the one it already has.
func (c Claims) Claim(home string, usable func(id int) error) (int, error) {
	unlock, err := c.lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	claims, err := c.read()
	if err != nil {
		return 0, err
	}
	if id, ok := Choose(claims, home); ok {
		return id, nil
	}
	var refused []error
	for id := 1; id <= maxID; id++ {
		if _, taken := claims[id]; taken {
			continue
		}
		if err := usable(id); err != nil {
			refused = append(refused, err)
			continue
		}
		return id, c.write(id, home)
	}
	return 0, fmt.Errorf("no number from 1 to %d is free for this instance: %w", maxID, errors.Join(refused...))
}

// Confirm makes sure that id is claimed by home, as after instance.json came from a backup. It fails if another has it.
func (c Claims) Confirm(id int, home string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	claims, err := c.read()
	if err != nil {
		return err
	}
	switch owner, taken := claims[id]; {
	case owner == home:
		return nil
	case taken:
		return fmt.Errorf("%s has the number %d, which now belongs to the instance in %s; only one of them can run: delete one with pacific down --purge", home, id, owner)
	}
	return c.write(id, home)
}

// Release gives up the claim of home, and deletes the record when it was the last.
func (c Claims) Release(home string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	claims, err := c.read()
	if err != nil {
		return err
	}
	for id, owner := range claims {
		if owner == home {
			if err := os.Remove(c.link(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("release number %d: %w", id, err)
			}
		}
	}
	// Fails while other instances have claims, as it should.
	_ = os.Remove(c.Dir)
	return nil
}

// ID that home has claimed.
func (c Claims) ID(home string) (int, bool) {
	claims, err := c.read()
	if err != nil {
		return 0, false
	}
	return Choose(claims, home)
}

// Choose finds the id of home among claims.
func Choose(claims map[int]string, home string) (int, bool) {
	for id, owner := range claims {
		if owner == home {
			return id, true
		}
	}
	return 0, false
}

// read leaves out claims whose home is gone, as after rm -rf, unless the instance is still up: its processes and addresses
// are there, and down has to find them.
func (c Claims) read() (map[int]string, error) {
	entries, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read instances of this machine: %w", err)
	}
	claims := map[int]string{}
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		home, err := os.Readlink(c.link(id))
		if err != nil {
			continue
		}
		if exists(home) || c.RunRoot != "" && exists(filepath.Join(c.RunRoot, entry.Name())) {
			claims[id] = home
		}
	}
	return claims, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (c Claims) write(id int, home string) error {
	link := c.link(id)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(home, link); err != nil {
		return fmt.Errorf("claim number %d for %s: %w", id, home, err)
	}
	return nil
}

func (c Claims) link(id int) string { return filepath.Join(c.Dir, strconv.Itoa(id)) }

// lock serialises claims of the machine. The directory may be deleted by the last Release while somebody waits, so the lock
// counts only if the directory is still the one that was locked.
func (c Claims) lock() (unlock func(), err error) {
	for {
		if err := os.MkdirAll(c.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("record instance: %w", err)
		}
		dir, err := os.Open(c.Dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
			dir.Close()
			return nil, fmt.Errorf("lock %s: %w", c.Dir, err)
		}
		if sameFile(dir, c.Dir) {
			return func() { dir.Close() }, nil
		}
		dir.Close()
	}
}

func sameFile(file *os.File, path string) bool {
	a, errA := file.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// IDs of all claims, lowest first.
func (c Claims) IDs() ([]int, error) {
	claims, err := c.read()
	if err != nil {
		return nil, err
	}
	var ids []int
	for id := range claims {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}
