package spec

import (
	"encoding/json"
	"fmt"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ParseImage takes an OCI image configuration; none is an empty one.
func ParseImage(config []byte) (imagespec.ImageConfig, error) {
	if len(config) == 0 {
		return imagespec.ImageConfig{}, nil
	}
	var image imagespec.Image
	if err := json.Unmarshal(config, &image); err != nil {
		return imagespec.ImageConfig{}, fmt.Errorf("image configuration: %w", err)
	}
	return image.Config, nil
}
