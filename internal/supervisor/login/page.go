package login

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/pem"
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/klog/v2"
)

// platforms in the order of the page.
var platforms = []string{"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64", "windows-amd64", "windows-arm64"}

const plugin = "vsphere-plugin.zip"

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is for people who come with a browser.
func (h *handler) page(w http.ResponseWriter, r *http.Request) {
	data := struct {
		Server, Fingerprint string
		Platforms           []string
	}{Server: r.Host}
	for _, platform := range platforms {
		if _, err := os.Stat(filepath.Join(h.config.PluginDir, platform, plugin)); err == nil {
			data.Platforms = append(data.Platforms, platform)
		}
	}
	if authority, err := os.ReadFile(h.config.CA); err == nil {
		data.Fingerprint = fingerprint(authority)
	}
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, data); err != nil {
		klog.ErrorS(err, "Cannot write the page")
		http.Error(w, "the page cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w)
}

// fingerprint of the first certificate, as sha256sum shows it of the DER form.
func fingerprint(authority []byte) string {
	block, _ := pem.Decode(authority)
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

// authority is public: with it, and its fingerprint from somewhere else, a client can trust this server.
func (h *handler) authority(w http.ResponseWriter, _ *http.Request) {
	data, err := os.ReadFile(h.config.CA)
	if err != nil {
		klog.ErrorS(err, "Cannot read the certificate authority")
		fail(w, http.StatusInternalServerError, "the certificate authority cannot be read")
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", `attachment; filename="supervisor-ca.crt"`)
	_, _ = w.Write(data)
}

func (h *handler) plugin(w http.ResponseWriter, r *http.Request) {
	platform := r.PathValue("platform")
	file := filepath.Join(h.config.PluginDir, platform, plugin)
	if _, err := os.Stat(file); !slices.Contains(platforms, platform) || err != nil {
		fail(w, http.StatusNotFound, "there is no plugin for "+platform+": the page at / says which there are")
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	http.ServeFile(w, r, file)
}
