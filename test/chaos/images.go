package chaos

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"pacific/internal/imagebuild"
)

// images are variants of busybox: the same layer, another digest each, so that each has to be pulled.
type images struct {
	cluster *Cluster
	base    v1.Image
	run     string // makes the names of one run its own
}

func newImages(ctx context.Context, c *Cluster, run string) (*images, error) {
	built, err := imagebuild.Build(ctx, "busybox", imagebuild.Inputs{Busybox: "/bin/busybox"})
	if err != nil {
		return nil, err
	}
	base, ok := built.(v1.Image)
	if !ok {
		return nil, fmt.Errorf("busybox is %T, no image", built)
	}
	i := &images{cluster: c, base: base, run: run}
	_, err = i.push(ctx, 0)
	return i, err
}

func (i *images) name(variant int) string {
	return fmt.Sprintf("%s/chaos:%s-%d", i.cluster.Registry(), i.run, variant)
}

func (i *images) first() string { return i.name(0) }

// push makes a variant and returns its reference.
func (i *images) push(ctx context.Context, variant int) (string, error) {
	file, err := i.base.ConfigFile()
	if err != nil {
		return "", err
	}
	config := file.Config.DeepCopy()
	config.Labels = map[string]string{"run": i.run, "variant": fmt.Sprint(variant)}
	image, err := mutate.Config(i.base, *config)
	if err != nil {
		return "", err
	}
	ref := i.name(variant)
	return ref, imagebuild.Push(ctx, ref, image, i.cluster.RegistryCA(), nil)
}
