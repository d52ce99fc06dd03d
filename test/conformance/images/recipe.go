// Package images builds those of upstream's test images that the conformance tests run, from Go modules and Debian
// packages, and pushes them to a registry under upstream's names.
package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"pacific/internal/imagebuild"
)

// Sources are where the content of images comes from.
type Sources struct {
	// Programs is a directory with the built programs, named as the images that they are for.
	Programs string
	// Kubernetes is the directory of the module k8s.io/kubernetes, which has data of some images.
	Kubernetes string
	// Busybox is a static busybox.
	Busybox string
	// Cache is a directory for Debian packages and finished images. It may be deleted.
	Cache string
}

// recipe says what is in an image.
type recipe struct {
	programs map[string]string // path in the image -> name of a program in Sources.Programs
	setuid   bool              // of the programs
	files    map[string]string // path in the image -> path below Sources.Kubernetes
	packages []string          // of Debian
	bare     bool              // no userland
	entries  []imagebuild.Entry
	config   v1.Config
}

// key changes whenever the image does.
func (r recipe) key(src Sources, archives []string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "1 %v %v %v %v\n", r.setuid, r.bare, r.entries, r.config)
	for _, archive := range archives {
		fmt.Fprintln(sum, filepath.Base(archive)) // a version's file never changes
	}
	var files []string
	for _, target := range sorted(r.programs) {
		files = append(files, target, filepath.Join(src.Programs, r.programs[target]))
	}
	for _, target := range sorted(r.files) {
		files = append(files, target, filepath.Join(src.Kubernetes, r.files[target]))
	}
	if !r.bare {
		files = append(files, "busybox", src.Busybox)
	}
	for i := 0; i < len(files); i += 2 {
		fmt.Fprintln(sum, files[i])
		if err := copyFile(sum, files[i+1]); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func copyFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// build assembles the image: userland, packages, and the image's own content on top.
func (r recipe) build(ctx context.Context, src Sources, archives []string) (v1.Image, error) {
	var layers []v1.Layer
	if !r.bare {
		userland, err := imagebuild.Userland(ctx, src.Busybox)
		if err != nil {
			return nil, err
		}
		layers = append(layers, userland)
	}
	if len(archives) > 0 {
		entries, err := imagebuild.Unpack(ctx, archives...)
		if err != nil {
			return nil, err
		}
		packages, err := imagebuild.Layer(entries...)
		if err != nil {
			return nil, err
		}
		layers = append(layers, packages)
	}
	own, err := r.content(src)
	if err != nil {
		return nil, err
	}
	if len(own) > 0 {
		layer, err := imagebuild.Layer(own...)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	config := r.config
	if config.Env == nil {
		config.Env = []string{imagebuild.DefaultPath}
	}
	return imagebuild.Assemble(imagebuild.AMD64, config, layers...)
}

func (r recipe) content(src Sources) ([]imagebuild.Entry, error) {
	entries := r.entries
	mode := int64(0o755)
	if r.setuid {
		mode = 0o6755
	}
	for _, target := range sorted(r.programs) {
		content, err := os.ReadFile(filepath.Join(src.Programs, r.programs[target]))
		if err != nil {
			return nil, err
		}
		entries = append(entries, imagebuild.File(target, mode, content))
	}
	for _, target := range sorted(r.files) {
		content, err := os.ReadFile(filepath.Join(src.Kubernetes, r.files[target]))
		if err != nil {
			return nil, err
		}
		entries = append(entries, imagebuild.File(target, 0o644, content))
	}
	return entries, nil
}
