package member

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// RegistriesDir is where a member reads the authorities of registries, <host:port>/ca.crt, each time it needs one.
func RegistriesDir(dataDir string) string { return filepath.Join(dataDir, "registries") }

// WriteRegistries brings [RegistriesDir] to the configuration: a registry that is not named any more is not trusted any more. It may
// be done while the member runs.
func (c *Config) WriteRegistries() error {
	dir := RegistriesDir(c.DataDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	errs := []error{err}
	for _, entry := range entries {
		if _, named := c.Registries[entry.Name()]; !named {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	for registry, authority := range c.Registries {
		errs = append(errs, writeAuthority(filepath.Join(dir, registry, "ca.crt"), []byte(authority)))
	}
	return errors.Join(errs...)
}

func writeAuthority(file string, authority []byte) error {
	have, err := os.ReadFile(file)
	if err == nil && bytes.Equal(have, authority) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(file, authority, 0o600, renameio.IgnoreUmask())
}
