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

// Ensure makes what is missing and renews what runs out. It may run at any time, also while the daemons use the files.
//
// It makes the Supervisor's authority too, just as the supervisor itself would, so that every daemon can have its
// certificate before any daemon runs. The two must not do that at once: Ensure runs before the supervisor's first start.
func Ensure(in instance.Instance) error {
	l := layout.Layout{ID: in.ID, Home: in.Home}
	certs := leavesOf(in)
	if err := ensure(l.HostCA(), "pacific-hosts", certs.host); err != nil {
		return err
	}
	if err := ensure(l.SupervisorCA(), "pacific-supervisor", certs.supervisor); err != nil {
		return err
	}
	if err := copyFile(l.SupervisorCA().Cert, filepath.Join(l.RegistryConfig(), l.Registry(), "ca.crt")); err != nil {
		return fmt.Errorf("registry's authority: %w", err)
	}
	return ensureKubeconfigs(l)
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
