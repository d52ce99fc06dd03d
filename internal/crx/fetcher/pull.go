// Package fetcher is the personality of the image service's CRX: it pulls one image and unpacks it on a disk.
//
// Everything that comes from a registry is hostile here: sizes, archives, compressed streams. The machine it can harm is
// the fetcher's own, which ends with the pull; what leaves it is the disk, two digests and the image's configuration.
package fetcher

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	fetcherv1 "pacific/api/fetcher/v1"
	"pacific/internal/ociclient"
)

// maxConfig bounds the image configuration, which travels in messages of at most 4 MiB.
const maxConfig = 2 << 20

// image is what a reference was resolved to.
type image struct {
	source   *ociclient.Repository
	resolved v1.Hash // of what the reference names
	digest   v1.Hash // of the platform's manifest
	config   []byte
	layers   []layer
}

// Target is what an image is unpacked on.
type Target struct {
	// Dir is an empty directory.
	Dir string
	// Room, where not nil, makes room for roomStep bytes of archives more.
	Room func() error
}

// Pull unpacks the image that req names. Its errors are to be classed by Classify.
func Pull(ctx context.Context, req *fetcherv1.FetchRequest, dial ociclient.DialFunc, host Host, target Target, report func(*fetcherv1.FetchProgress)) (*fetcherv1.Result, error) {
	report(&fetcherv1.FetchProgress{Stage: "resolving"})
	img, err := resolve(ctx, req, dial)
	if err != nil {
		return nil, err
	}
	progress := newProgress(report, img.layers)
	for _, l := range img.layers {
		if err := l.pull(ctx, img.source, host, progress, target); err != nil {
			return nil, err
		}
	}
	return &fetcherv1.Result{Digest: img.digest.String(), ResolvedDigest: img.resolved.String(), Config: img.config}, nil
}

func (l layer) pull(ctx context.Context, from blobs, host Host, progress *progress, target Target) error {
	source, err := host.source(ctx, from, l, progress)
	if err != nil {
		return err
	}
	defer source.close()
	content := ahead(source)
	defer content.Close()
	return l.apply(ctx, host, content, source.verify, progress, target)
}

// resolve finds the image at the first registry that has it. The error is that of the registry which the reference names.
func resolve(ctx context.Context, req *fetcherv1.FetchRequest, dial ociclient.DialFunc) (*image, error) {
	ref, err := name.ParseReference(req.Reference)
	if err != nil {
		return nil, fail(fetcherv1.Failure_INVALID, "%w", err)
	}
	identifier := ref.Identifier()
	if req.Digest != "" {
		identifier = req.Digest
	}
	base, err := ociclient.Transport(dial, req.CaCertificates)
	if err != nil {
		return nil, err
	}
	registry := ociclient.Endpoint{Host: ref.Context().RegistryStr(), PlainHTTP: req.PlainHttp,
		Auth: ociclient.Credentials(req.Username, req.Password, req.IdentityToken, req.RegistryToken)}
	for _, e := range ociclient.Endpoints(registry, req.Mirrors) {
		var img *image
		if img, err = resolveAt(ctx, e, ref.Context().RepositoryStr(), identifier, platformOf(req), base); err == nil {
			return img, nil
		}
	}
	return nil, err
}

func resolveAt(ctx context.Context, e ociclient.Endpoint, path, identifier string, want v1.Platform, base http.RoundTripper) (*image, error) {
	r, err := ociclient.Connect(ctx, e, path, base)
	if err != nil {
		return nil, err
	}
	body, desc, err := r.Manifest(ctx, identifier)
	if err != nil {
		return nil, err
	}
	img := &image{source: r, resolved: desc.Digest}
	if desc.MediaType.IsIndex() {
		if body, desc, err = platformManifest(ctx, r, body, want); err != nil {
			return nil, err
		}
	}
	img.digest = desc.Digest
	return img, img.read(ctx, body, desc.MediaType, want)
}

// platformManifest gets the manifest for a platform out of an index.
func platformManifest(ctx context.Context, r *ociclient.Repository, index []byte, want v1.Platform) ([]byte, v1.Descriptor, error) {
	parsed, err := v1.ParseIndexManifest(bytes.NewReader(index))
	if err != nil {
		return nil, v1.Descriptor{}, fail(fetcherv1.Failure_INVALID, "index: %w", err)
	}
	chosen, err := choose(parsed, want)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	return r.Manifest(ctx, chosen.Digest.String())
}

// read takes layers and configuration from a manifest.
func (i *image) read(ctx context.Context, body []byte, mediaType types.MediaType, want v1.Platform) error {
	if !isManifest(mediaType) {
		return fail(fetcherv1.Failure_INVALID, "manifest %s has media type %q, which is no OCI or Docker (schema 2) image", i.digest, mediaType)
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(body))
	if err != nil {
		return fail(fetcherv1.Failure_INVALID, "manifest %s: %w", i.digest, err)
	}
	if i.config, err = readConfig(ctx, i.source, manifest.Config); err != nil {
		return err
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(i.config))
	if err != nil {
		return fail(fetcherv1.Failure_INVALID, "image configuration %s: %w", manifest.Config.Digest, err)
	}
	if err := check(config, want); err != nil {
		return err
	}
	i.layers, err = pair(manifest.Layers, config.RootFS.DiffIDs)
	return err
}

func readConfig(ctx context.Context, source *ociclient.Repository, desc v1.Descriptor) ([]byte, error) {
	if desc.Size > maxConfig {
		return nil, fail(fetcherv1.Failure_INVALID, "image configuration %s is larger than %d bytes", desc.Digest, maxConfig)
	}
	blob := readBlob(ctx, source.Blob, desc)
	defer blob.Close()
	config, err := io.ReadAll(blob)
	if err != nil {
		return nil, fmt.Errorf("image configuration %s: %w", desc.Digest, err)
	}
	if got := ociclient.DigestOf(config); got != desc.Digest {
		return nil, &ociclient.DigestError{What: "image configuration", Want: desc.Digest, Got: got}
	}
	return config, nil
}

// pair puts layers and the digests of their contents together.
func pair(layers []v1.Descriptor, diffIDs []v1.Hash) ([]layer, error) {
	if len(layers) != len(diffIDs) {
		return nil, fail(fetcherv1.Failure_INVALID, "the manifest has %d layers, the image configuration %d", len(layers), len(diffIDs))
	}
	paired := make([]layer, len(layers))
	for i, l := range layers {
		if !l.MediaType.IsLayer() {
			return nil, fail(fetcherv1.Failure_INVALID, "layer %s has media type %q, which is no file system layer", l.Digest, l.MediaType)
		}
		if l.Size < 0 {
			return nil, fail(fetcherv1.Failure_INVALID, "layer %s has size %d", l.Digest, l.Size)
		}
		paired[i] = layer{desc: l, diffID: diffIDs[i]}
	}
	return paired, nil
}

func platformOf(req *fetcherv1.FetchRequest) v1.Platform {
	return v1.Platform{OS: req.Os, Architecture: req.Architecture, Variant: req.Variant}
}
