// Command images builds the images of tests and examples and pushes them to a registry:
//
//	go run ./test/images --registry 10.77.0.1:5000 --ca /var/lib/pacific/pki/ca.crt busybox torture
//
// Each is pushed as NAME:1. The image "corrupt" has a byte of its layer changed after the push, which needs --registry-dir.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"pacific/internal/imagebuild"
)

type options struct {
	registry, ca, registryDir string
	inputs                    imagebuild.Inputs
}

func main() {
	var o options
	pflag.StringVar(&o.registry, "registry", "", "HOST:PORT to push to")
	pflag.StringVar(&o.ca, "ca", "", "the registry's authority, PEM; empty for the system's")
	pflag.StringVar(&o.registryDir, "registry-dir", "", "data directory of the registry, for the image corrupt")
	pflag.StringVar(&o.inputs.Busybox, "busybox", "/bin/busybox", "static busybox")
	pflag.StringVar(&o.inputs.Web, "web", "", "program of examples/web; built when empty")
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx, pflag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context, names []string) error {
	if o.registry == "" {
		return fmt.Errorf("--registry is missing")
	}
	if len(names) == 0 {
		names = imagebuild.Names()
	}
	scratch, err := os.MkdirTemp("", "images-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if o.inputs.Web == "" && slices.Contains(names, "web") {
		o.inputs.Web = filepath.Join(scratch, "web")
		if err := buildWeb(ctx, o.inputs.Web); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := o.push(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) push(ctx context.Context, name string) error {
	ref := o.registry + "/" + name + ":1"
	if err := o.pushAs(ctx, ref, name); err != nil {
		return err
	}
	fmt.Println(ref)
	return nil
}

func (o *options) pushAs(ctx context.Context, ref, name string) error {
	if name == "corrupt" {
		return imagebuild.PushCorrupt(ctx, ref, o.registryDir, o.ca, nil)
	}
	img, err := imagebuild.Build(ctx, name, o.inputs)
	if err != nil {
		return err
	}
	return imagebuild.Push(ctx, ref, img, o.ca, nil)
}

func buildWeb(ctx context.Context, output string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", output, "pacific/examples/web")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return build.Run()
}
