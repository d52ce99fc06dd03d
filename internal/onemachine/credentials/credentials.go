// Package credentials makes and renews the certificates and kubeconfigs of an instance's parts.
package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/pki"
)

// Ensure makes what is missing and renews what runs out of that which center does not sign. It may run at any time, also while
// the daemons use the files.
func Ensure(in instance.Instance) error {
	l := layout.Layout{ID: in.ID, Home: in.Home}
	if err := ensure(l.HostCA(), "pacific-hosts", leavesOf(in)); err != nil {
		return err
	}
	if err := copyFile(l.RegistryCA(), filepath.Join(l.RegistryConfig(), l.Registry(), "ca.crt")); err != nil {
		return fmt.Errorf("registry's authority: %w", err)
	}
	return nil
}

func ensure(files layout.Pair, commonName string, certs []pki.Leaf) error {
	for _, cert := range append(certs, pki.Leaf{CertFile: files.Cert}) {
		if err := os.MkdirAll(filepath.Dir(cert.CertFile), 0o700); err != nil {
			return err
		}
	}
	ca, err := pki.LoadOrCreateCA(files.Cert, files.Key, commonName)
	if err != nil {
		return err
	}
	for _, cert := range certs {
		if _, err := ca.Ensure(cert); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeIfChanged(to, data, 0o644)
}

// writeIfChanged leaves the file alone when it is right: its readers watch it.
func writeIfChanged(file string, data []byte, mode fs.FileMode) error {
	have, err := os.ReadFile(file)
	if err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return renameio.WriteFile(file, data, mode, renameio.IgnoreUmask())
}
