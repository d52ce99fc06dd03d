// Package registryconfig reads what the administrator says about registries: <dir>/<host:port>/hosts.json and ca.crt.
package registryconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Config is what the administrator says about one registry.
type Config struct {
	// PlainHTTP speaks HTTP without TLS.
	PlainHTTP bool `json:"plainHTTP"`
	// Mirrors are asked first, in their order: "host:port", or "http://host:port" without TLS.
	Mirrors []string `json:"mirrors"`
	// Endpoints are further addresses "host:port" which the registry sends its clients to (a token server, a blob store)
	// and which the rules for unknown hosts would refuse, being private or on another port than 443.
	Endpoints []string `json:"endpoints"`

	// CA holds the registry's and its mirrors' certificates, PEM.
	CA []byte `json:"-"`
	// Configured tells whether the registry has a directory.
	Configured bool `json:"-"`
}

// Read reads the configuration of a registry ("host" or "host:port"; Docker Hub's directory is docker.io). It is to be
// read anew for each use. No directory is no error.
func Read(dir, registry string) (Config, error) {
	own := filepath.Join(dir, directoryOf(registry))
	var c Config
	if _, err := os.Stat(own); err == nil {
		c.Configured = true
	}
	text, err := os.ReadFile(filepath.Join(own, "hosts.json"))
	switch {
	case err == nil:
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&c); err != nil {
			return c, fmt.Errorf("registry %s: %s/hosts.json: %w", registry, own, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("registry %s: %w", registry, err)
	}
	for _, host := range append([]string{registry}, c.Mirrors...) {
		ca, err := os.ReadFile(filepath.Join(dir, directoryOf(Host(host)), "ca.crt"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return c, fmt.Errorf("registry %s: %w", registry, err)
		}
		c.CA = append(append(c.CA, ca...), '\n')
	}
	return c, nil
}

func directoryOf(registry string) string {
	if registry == "index.docker.io" {
		return "docker.io"
	}
	return registry
}

// Host takes the scheme from a mirror.
func Host(mirror string) string {
	if _, rest, ok := strings.Cut(mirror, "://"); ok {
		return rest
	}
	return mirror
}

// systemCAs are where distributions keep the bundle of public authorities.
var systemCAs = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// Certificates are the authorities to trust, PEM: those of this machine and those of the registry.
func (c Config) Certificates() []byte {
	for _, file := range systemCAs {
		if system, err := os.ReadFile(file); err == nil {
			return append(append(system, '\n'), c.CA...)
		}
	}
	return c.CA
}
