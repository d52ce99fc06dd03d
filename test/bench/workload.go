package main

import (
	"maps"
	"path/filepath"
	"slices"

	"pacific/internal/imagebuild"
)

// workload is what the container of each pod runs. By default it does nothing at all, as that of upstream's density tests: what is measured is
// the platform, and not how long a program takes for itself, which on an emulated processor may be as much again.
type workload struct {
	image   string // of those that imagebuild knows
	command []string
}

const defaultWorkload = "sleep"

var workloads = map[string]workload{
	defaultWorkload: {image: "busybox", command: []string{"sleep", "2147483647"}},
	"web":           {image: "web"}, // an HTTP server in Go, that of pacific demo
}

func workloadNames() []string { return slices.Sorted(maps.Keys(workloads)) }

// inputs of the images, with the project's programs in bin.
func inputs(bin string) imagebuild.Inputs {
	return imagebuild.Inputs{Busybox: "/bin/busybox", Web: filepath.Join(bin, "examples", "web")}
}
