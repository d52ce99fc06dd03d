// Package imagebuild makes the project's own images, those of the examples and those that the tests torture the image
// service with, and pushes them to a registry.
package imagebuild

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Inputs are the files of this machine that images are made of.
type Inputs struct {
	// Busybox is a static busybox, e.g. /bin/busybox of Debian's busybox-static.
	Busybox string
	// Web is the built program of examples/web; needed for the image web only.
	Web string
}

// Image is an image or an index, as remote.Push takes it.
type Image = remote.Taggable

var builders = map[string]func(context.Context, Inputs) (Image, error){
	"busybox":        busybox,
	"web":            web,
	"torture":        torture,
	"other-platform": otherPlatform,
	"large":          large,
	"growing":        growing,
}

// Names of the images that Build knows, sorted.
func Names() []string { return slices.Sorted(maps.Keys(builders)) }

// Build makes the image of this name. The same inputs give the same digest.
func Build(ctx context.Context, name string, in Inputs) (Image, error) {
	build, ok := builders[name]
	if !ok {
		return nil, fmt.Errorf("no image is named %q; there are %v", name, Names())
	}
	img, err := build(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("build image %s: %w", name, err)
	}
	return img, nil
}

// AMD64 is the platform of the project's hosts.
var AMD64 = v1.Platform{OS: "linux", Architecture: "amd64"}

// Assemble makes an OCI image of layers and a configuration.
func Assemble(platform v1.Platform, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(img, layers...)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = platform.OS, platform.Architecture, platform.Variant
	file.Config = config
	return mutate.ConfigFile(img, file)
}
