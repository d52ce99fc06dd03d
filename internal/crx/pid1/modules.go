package pid1

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// modulesDir holds kernel modules and the file "load", their names in the order of loading. The CRX kernel has none;
// Debian's cloud kernel needs them.
const modulesDir = "/modules"

func loadModules() error {
	list, err := os.ReadFile(filepath.Join(modulesDir, "load"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(list)) {
		if err := loadModule(filepath.Join(modulesDir, name)); err != nil {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	return os.RemoveAll(modulesDir)
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
