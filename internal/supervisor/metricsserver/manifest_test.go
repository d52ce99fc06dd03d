package metricsserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"pacific/internal/supervisor/pki"
)

func TestManifest(t *testing.T) {
	config := Config{Layout: pki.Layout{DataDir: t.TempDir()}, Address: net.IPv4(10, 77, 0, 2)}
	if _, err := config.Manifest(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without an authority: %v", err)
	}
	file := config.Layout.Cert(pki.CA)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("authority"), 0o600)); err != nil {
		t.Fatal(err)
	}
	data, err := config.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	found := map[string]*unstructured.Unstructured{}
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		found[object.GetKind()] = object
	}
	bundle, _, _ := unstructured.NestedString(found["APIService"].Object, "spec", "caBundle")
	if bundle != "YXV0aG9yaXR5" {
		t.Errorf("caBundle %q", bundle)
	}
	endpoints, _, _ := unstructured.NestedSlice(found["EndpointSlice"].Object, "endpoints")
	if len(endpoints) != 1 || found["Service"].GetName() != "metrics-server" {
		t.Errorf("got\n%s", data)
	}
}
