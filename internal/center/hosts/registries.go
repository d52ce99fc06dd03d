package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Registries reads the authorities, PEM, of registries by host:port from a directory with <host:port>/ca.crt; "" is none.
func Registries(dir string) (map[string][]byte, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("registries' authorities: %w", err)
	}
	registries := map[string][]byte{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name(), "ca.crt"))
		if err == nil {
			registries[entry.Name()] = data
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("authority of registry %s: %w", entry.Name(), err)
		}
	}
	return registries, nil
}
