package sso

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// handOver gives the administrator's first password to whoever started center.
func (c Config) handOver(user, password string) error {
	if c.AdministratorPasswordFile != "" {
		if err := os.MkdirAll(filepath.Dir(c.AdministratorPasswordFile), 0o700); err != nil {
			return err
		}
		return renameio.WriteFile(c.AdministratorPasswordFile, []byte(password+"\n"), 0o600, renameio.IgnoreUmask())
	}
	if c.Terminal == nil {
		return errors.New("there is no file and no terminal to show it")
	}
	_, err := fmt.Fprintf(c.Terminal, "\n  The administrator's password is shown just this once:\n\n    user      %s\n    password  %s\n\n", user, password)
	return err
}
