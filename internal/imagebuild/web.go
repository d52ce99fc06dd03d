package imagebuild

import (
	"context"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// web is the demo's application: one static program, run by an unprivileged user.
func web(_ context.Context, in Inputs) (Image, error) {
	program, err := os.ReadFile(in.Web)
	if err != nil {
		return nil, fmt.Errorf("program of examples/web: %w", err)
	}
	layer, err := Layer(Dir("tmp", 0o1777), File("web", 0o755, program))
	if err != nil {
		return nil, err
	}
	return Assemble(AMD64, v1.Config{
		Env:          []string{DefaultPath},
		Entrypoint:   []string{"/web"},
		User:         "65532:65532",
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
	}, layer)
}
