package image

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

// registryConfig is what the administrator says about one registry, in <registry-config>/<host:port>/hosts.json and
// ca.crt. Docker Hub's directory is docker.io.
type registryConfig struct {
	// PlainHTTP speaks HTTP without TLS.
	PlainHTTP bool `json:"plainHTTP"`
	// Mirrors are asked first, in their order: "host:port", or "http://host:port" without TLS.
	Mirrors []string `json:"mirrors"`
	// Endpoints are further addresses "host:port" which the registry sends its clients to (a token server, a blob store)
	// and which the rules for unknown hosts would refuse, being private or on another port than 443.
	Endpoints []string `json:"endpoints"`

	// ca holds the registry's and its mirrors' certificates, PEM.
	ca []byte
	// configured tells whether the administrator has said anything.
	configured bool
}

// readRegistryConfig reads the configuration of a registry, anew for each pull. No directory is no error.
func readRegistryConfig(dir, registry string) (registryConfig, error) {
	own := filepath.Join(dir, directoryOf(registry))
	var c registryConfig
	if _, err := os.Stat(own); err == nil {
		c.configured = true
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
		ca, err := os.ReadFile(filepath.Join(dir, directoryOf(hostOf(host)), "ca.crt"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return c, fmt.Errorf("registry %s: %w", registry, err)
		}
		c.ca = append(append(c.ca, ca...), '\n')
	}
	return c, nil
}

func directoryOf(registry string) string {
	if registry == "index.docker.io" {
		return "docker.io"
	}
	return registry
}

// hostOf takes the scheme from a mirror.
func hostOf(mirror string) string {
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

// certificates are the authorities that a pull trusts: those of the host and those of the registry.
func (c registryConfig) certificates() []byte {
	for _, file := range systemCAs {
		if system, err := os.ReadFile(file); err == nil {
			return append(append(system, '\n'), c.ca...)
		}
	}
	return c.ca
}
