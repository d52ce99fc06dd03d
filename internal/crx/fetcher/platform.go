package fetcher

import (
	"cmp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	fetcherv1 "pacific/api/fetcher/v1"
)

// choose picks the manifest of an index for the wanted platform: same operating system and architecture, and of several
// the one with the wanted variant, else the one without, else the first.
func choose(index *v1.IndexManifest, want v1.Platform) (v1.Descriptor, error) {
	var fitting []v1.Descriptor
	var offered []string
	for _, d := range index.Manifests {
		if d.Platform == nil || !isManifest(d.MediaType) || d.Platform.OS == "unknown" {
			continue // attestations and other artifacts
		}
		offered = append(offered, d.Platform.String())
		if fits(d.Platform.OS, d.Platform.Architecture, want) {
			fitting = append(fitting, d)
		}
	}
	if len(fitting) == 0 {
		return v1.Descriptor{}, fail(fetcherv1.Failure_PLATFORM,
			"no image for %s in the index, which has: %s", want, cmp.Or(strings.Join(offered, ", "), "no platforms"))
	}
	slices.SortStableFunc(fitting, func(a, b v1.Descriptor) int {
		return cmp.Compare(distance(a.Platform.Variant, want.Variant), distance(b.Platform.Variant, want.Variant))
	})
	return fitting[0], nil
}

func distance(have, want string) int {
	switch have {
	case want:
		return 0
	case "":
		return 1
	}
	return 2
}

// check tells whether an image that no index led to is for the wanted platform, by its own configuration.
func check(config *v1.ConfigFile, want v1.Platform) error {
	if fits(cmp.Or(config.OS, want.OS), cmp.Or(config.Architecture, want.Architecture), want) {
		return nil
	}
	return fail(fetcherv1.Failure_PLATFORM, "the image is for %s/%s, but this host runs %s/%s",
		config.OS, config.Architecture, want.OS, want.Architecture)
}

func fits(os, architecture string, want v1.Platform) bool {
	return os == want.OS && architecture == want.Architecture
}

func isManifest(t types.MediaType) bool { return t.IsImage() || t == "" }
