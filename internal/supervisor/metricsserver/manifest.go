package metricsserver

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"os"
	"text/template"

	"pacific/internal/supervisor/pki"
)

//go:embed manifest.yaml
var manifest string

var manifestTemplate = template.Must(template.New("manifest").Parse(manifest))

// Manifest are the objects by which the kube-apiserver finds the server: an APIService, and a Service whose endpoint is
// the Supervisor's address. The authority must be there already.
func (c Config) Manifest() ([]byte, error) {
	authority, err := os.ReadFile(c.Layout.Cert(pki.CA))
	if err != nil {
		return nil, fmt.Errorf("authority of the metrics server: %w", err)
	}
	var out bytes.Buffer
	err = manifestTemplate.Execute(&out, map[string]any{
		"Address": c.Address.String(), "Port": Port, "Authority": base64.StdEncoding.EncodeToString(authority),
	})
	return out.Bytes(), err
}
