// Package registry is an OCI registry on a directory, for the one-machine mode. It is the distribution project's
// registry, as a library, with one fixed configuration.
package registry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/google/renameio/v2"

	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"             // basic authentication
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the only storage
)

// Config of a registry.
type Config struct {
	// DataDir holds blobs and manifests. It is made where it is missing.
	DataDir string
	// Htpasswd is a file with bcrypt entries; empty for a registry that lets everybody push and pull. A file that does
	// not exist is made by the library with a random password, so its absence is an error here.
	Htpasswd string
}

// New returns the handler of a registry.
func New(ctx context.Context, c Config) (http.Handler, error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	secret, err := uploadSecret(filepath.Join(c.DataDir, "upload-secret"))
	if err != nil {
		return nil, fmt.Errorf("registry: secret of uploads: %w", err)
	}
	config, err := configure(c, secret)
	if err != nil {
		return nil, err
	}
	logThroughKlog()
	return handlers.NewApp(ctx, config), nil
}

func configure(c Config, secret string) (*configuration.Configuration, error) {
	config := &configuration.Configuration{Version: configuration.CurrentVersion}
	config.HTTP.Secret = secret
	config.Catalog.MaxEntries = 1000
	config.Storage = configuration.Storage{
		"filesystem": {"rootdirectory": c.DataDir},
		"delete":     {"enabled": true},
	}
	if c.Htpasswd == "" {
		return config, nil
	}
	if _, err := os.Stat(c.Htpasswd); err != nil {
		return nil, fmt.Errorf("registry: password file: %w", err)
	}
	config.Auth = configuration.Auth{"htpasswd": {"realm": "pacific registry", "path": c.Htpasswd}}
	return config, nil
}

// uploadSecret signs the state that clients carry through an upload; kept, so that an upload outlives a restart.
func uploadSecret(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 32)
	rand.Read(random)
	secret := hex.EncodeToString(random)
	return secret, renameio.WriteFile(file, []byte(secret+"\n"), 0o600)
}
