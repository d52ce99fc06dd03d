package images

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"k8s.io/kubernetes/test/utils/image"

	"pacific/internal/imagebuild"
)

// Registries returns the file for KUBE_TEST_REPO_LIST that makes the tests pull upstream's images from a registry
// (HOST:PORT). The registry of an image that must not exist stays upstream's.
func Registries(registry string) string {
	return strings.ReplaceAll(`promoterE2eRegistry: REGISTRY/e2e-test-images
buildImageRegistry: REGISTRY/build-image
gcEtcdRegistry: REGISTRY/kubernetes
gcRegistry: REGISTRY/kubernetes
sigStorageRegistry: REGISTRY/sig-storage
dockerLibraryRegistry: REGISTRY/library
cloudProviderGcpRegistry: REGISTRY/cloud-provider-gcp
`, "REGISTRY", registry)
}

// Push builds all images that are not in the cache yet and pushes them. The environment's KUBE_TEST_REPO_LIST must not be
// set; references are upstream's own with the registry exchanged.
func Push(ctx context.Context, registry, caFile string, src Sources, say func(string)) error {
	for _, id := range slices.Sorted(maps.Keys(recipes)) {
		config := image.GetConfig(id)
		ref, err := reference(registry, config.GetE2EImage())
		if err != nil {
			return err
		}
		img, err := recipes[id].cached(ctx, src)
		if err != nil {
			return fmt.Errorf("build %s: %w", ref, err)
		}
		if err := imagebuild.Push(ctx, ref, img, caFile, nil); err != nil {
			return err
		}
		say(ref)
	}
	return nil
}

// reference is where Registries lets the tests find an image of upstream's.
func reference(registry, upstream string) (string, error) {
	if rest, ok := strings.CutPrefix(upstream, "registry.k8s.io/e2e-test-images/"); ok {
		return registry + "/e2e-test-images/" + rest, nil
	}
	if rest, ok := strings.CutPrefix(upstream, "registry.k8s.io/"); ok && !strings.Contains(rest, "/") {
		return registry + "/kubernetes/" + rest, nil
	}
	return "", fmt.Errorf("image %s: its registry is not one that conformance tests use", upstream)
}

// cached returns the image from the cache, where it is put when it is not there.
func (r recipe) cached(ctx context.Context, src Sources) (v1.Image, error) {
	var archives []string
	if len(r.packages) > 0 {
		var err error
		if archives, err = imagebuild.Debian(ctx, filepath.Join(src.Cache, "debian"), r.packages...); err != nil {
			return nil, err
		}
	}
	key, err := r.key(src, archives)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(src.Cache, "images", key)
	if img, err := open(dir); err == nil {
		return img, nil
	}
	img, err := r.build(ctx, src, archives)
	if err != nil {
		return nil, err
	}
	return store(dir, img)
}

// store writes an image as an OCI layout. Only a whole one gets its name.
func store(dir string, img v1.Image) (v1.Image, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	index, err := layout.Write(scratch, empty.Index)
	if err != nil {
		return nil, err
	}
	if err := index.AppendImage(img); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Rename(scratch, dir); err != nil {
		return nil, err
	}
	return open(dir)
}

func open(dir string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("%s holds %d images", dir, len(manifest.Manifests))
	}
	return index.Image(manifest.Manifests[0].Digest)
}
