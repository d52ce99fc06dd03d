package crx

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/google/renameio/v2"

	"pacific/guest/initrd"
)

// Initrds keeps the initial root file system of each personality, by content hash, in a directory.
type Initrds struct {
	guest *Guest
	dir   string
	mu    sync.Mutex
}

// OpenInitrds keeps the files in <state-dir>/initrd.
func OpenInitrds(guest *Guest, stateDir string) (*Initrds, error) {
	dir := filepath.Join(stateDir, "initrd")
	return &Initrds{guest: guest, dir: dir}, os.MkdirAll(dir, 0o700)
}

// Path returns the initial root file system for a personality, which is made when PID 1 or the personality are new.
func (i *Initrds) Path(personality string) (string, error) {
	file, err := i.guest.personality(personality)
	if err != nil {
		return "", err
	}
	contents := initrd.Contents{Init: i.guest.init(), Personality: file, ModulesDir: i.guest.modules()}
	key, err := i.key(contents)
	if err != nil {
		return "", fmt.Errorf("initial root file system of personality %s: %w", personality, err)
	}
	path := filepath.Join(i.dir, personality+"-"+key+".cpio")
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := write(path, contents); err != nil {
		return "", fmt.Errorf("initial root file system of personality %s: %w", personality, err)
	}
	return path, i.forget(personality, path)
}

func write(path string, contents initrd.Contents) error {
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
	if err != nil {
		return err
	}
	defer file.Cleanup()
	buffered := bufio.NewWriterSize(file, 1<<20)
	if err := initrd.Write(buffered, contents); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// forget deletes what older files of the personality were made into. Nobody needs it: a VMM reads it only at its start.
func (i *Initrds) forget(personality, keep string) error {
	entries, err := os.ReadDir(i.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(i.dir, entry.Name())
		older, err := filepath.Match(personality+"-????????????????.cpio", entry.Name())
		if err != nil || !older || path == keep {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func (i *Initrds) key(contents initrd.Contents) (string, error) {
	h := sha256.New()
	for _, path := range []string{contents.Init, contents.Personality} {
		if path == "" {
			continue
		}
		sum, err := i.guest.hash(path)
		if err != nil {
			return "", err
		}
		h.Write([]byte(sum))
	}
	if contents.ModulesDir != "" {
		if err := i.hashModules(h.Write, contents.ModulesDir); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func (i *Initrds) hashModules(write func([]byte) (int, error), dir string) error {
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		sum, err := i.guest.hash(path)
		if err != nil {
			return err
		}
		_, err = write([]byte(strconv.Quote(path) + sum))
		return err
	})
}
